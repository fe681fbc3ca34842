/* Regular expressions, compiled to a minimal automaton over bytes.  The whole fill matches, as if the expression stood between ^ and $.
 *
 * POSIX extended expressions over UTF-8 text without back-references and collating elements:
 *
 *   x            itself; \ before one of .[]()*+?{}|^$\/-" takes its meaning away
 *   .            any character but a line feed
 *   [abc] [^a-z] one of these; none of these, and not a line feed (ranges are of code points)
 *   [[:alpha:]]  classes alnum alpha blank cntrl digit graph lower print punct space upper xdigit, of ASCII
 *   \d \w \s     [0-9] [0-9A-Za-z_] [ \t\n\v\f\r], and \D \W \S not these (and, as [^], no line feed); also inside [ ]
 *   \n \t \r \f \v \xHH \u{H...}   a line feed, ..., a byte below 80, a code point
 *   ab a|b (a)   one behind the other, either, a group; (?:a) is (a)
 *   a* a+ a? a{n} a{n,} a{,m} a{n,m}
 *                a repetition of a repetition stands in a group: (a*)?; groups nest 200 deep
 *   ^ $          allowed at the two ends of the expression, where they say what is so anyhow
 *
 * The empty expression and empty alternatives match the empty text.  A byte that is no UTF-8 is itself, outside [ ].
 *
 * Characters are whole: a class never matches half of one, and what matches is UTF-8 where the literals are.  Everything
 * else is refused with the place of the fault. */
#ifndef LAC_CONTROL_REGEX_H
#define LAC_CONTROL_REGEX_H

#include "control/dfa.h"

#define LAC_REGEX_BYTES ((size_t)65536) /* of an expression at most */

/* ARG (syntax; err->where is the byte of the expression), LIMIT (too many states: the message says of what), NOMEM.  Time and memory are
 * bounded whatever the expression is: at most a second and 64 MiB. */
int lac_regex_compile(lac_dfa *out, const char *expr, size_t len, lac_arena *arena, lacuna_error *err);

#endif
