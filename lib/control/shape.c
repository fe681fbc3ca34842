#include "control/shape.h"

#include <string.h>

/* What is a promise is written narrowly: every text of a shape is a literal to the language's compiler. */

#define NAME "[A-Za-z_][A-Za-z0-9_]*"
#define INTEGER "[+-]?[0-9]+"
#define EXPONENT "[eE][+-]?[0-9]+"
#define FLOAT "[+-]?([0-9]+\\.[0-9]+(" EXPONENT ")?|[0-9]+" EXPONENT ")"

#define C_SUFFIX "([uU](l|L|ll|LL)?|(l|L|ll|LL)[uU]?)?"
#define C_INTEGER "[+-]?(0[0-7]*|[1-9][0-9]*|0[xX][0-9A-Fa-f]+)" C_SUFFIX
#define C_FLOAT "[+-]?(([0-9]+\\.[0-9]*|\\.[0-9]+)(" EXPONENT ")?|[0-9]+" EXPONENT ")[fFlL]?"
/* \x goes on as long as there are hexadecimal digits: none follows its two. */
#define C_ESCAPE "\\\\([\"'?\\\\abfnrtv]|[0-3]?[0-7]{1,2})"
#define C_HEX "(\\\\x[0-9A-Fa-f]{2})"
#define C_STRING "\"([^\"\\\\\\r\\x00]|" C_ESCAPE "|" C_HEX "+([^\"\\\\\\r\\x000-9A-Fa-f]|" C_ESCAPE "))*" C_HEX "*\""

#define PY_DIGITS "[0-9](_?[0-9])*"
#define PY_INTEGER "[+-]?(0+|[1-9](_?[0-9])*|0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+)"
#define PY_FLOAT "[+-]?((" PY_DIGITS "\\.(" PY_DIGITS ")?|\\." PY_DIGITS ")(" EXPONENT ")?|" PY_DIGITS EXPONENT ")"
#define PY_ESCAPE "\\\\([\"'\\\\abfnrtv]|[0-3]?[0-7]{1,2}|x[0-9A-Fa-f]{2})"
/* Plain, raw, bytes of ASCII, and formatted with names alone; q: the quote, o: the other one. */
#define PY_QUOTED(q, o)                                                        \
    "[uU]?" q "([^" q "\\\\\\r\\x00]|" PY_ESCAPE ")*" q                              \
    "|[rR]" q "([^" q "\\\\\\r\\x00]|\\\\[^\\r\\x00])*" q                           \
    "|[bB]" q "([\\t !#-&(-[\\]-~" o "]|" PY_ESCAPE ")*" q                         \
    "|[fF]" q "([^" q "\\\\{}\\r\\x00]|" PY_ESCAPE "|\\{\\{|\\}\\}|\\{" NAME "\\})*" q
#define PY_STRING PY_QUOTED("\"", "'") "|" PY_QUOTED("'", "\"")

/* Letters of the scripts in use: blocks of Unicode that hold few other signs. */
#define BEYOND_ASCII                                                                                                                      \
    "\\u{C0}-\\u{D6}\\u{D8}-\\u{F6}\\u{F8}-\\u{24F}\\u{370}-\\u{373}\\u{376}-\\u{377}\\u{386}\\u{388}-\\u{3FF}\\u{400}-\\u{481}\\u{48A}-" \
    "\\u{52F}\\u{531}-\\u{556}\\u{561}-\\u{587}\\u{5D0}-\\u{5EA}\\u{620}-\\u{64A}\\u{900}-\\u{963}\\u{E01}-\\u{E3A}\\u{E40}-\\u{E4E}"     \
    "\\u{10A0}-\\u{10FF}\\u{1E00}-\\u{1FBC}\\u{3041}-\\u{3096}\\u{30A1}-\\u{30FA}\\u{3400}-\\u{4DBF}\\u{4E00}-\\u{9FFF}\\u{AC00}-\\u{D7A3}"
#define LETTERS "[A-Za-z" BEYOND_ASCII "]+"
#define CAPITAL "[A-Z\\u{C0}-\\u{D6}\\u{D8}-\\u{DE}\\u{391}-\\u{3A9}\\u{400}-\\u{42F}]"

/* Within a sentence, what ends one is never followed by a blank: "3.5" and "U.S.A." may be there. */
#define SENTENCE CAPITAL "([^.!?[:cntrl:]]|[.!?]+[^.!?[:space:][:cntrl:]])*[.!?]+"

static const struct {
    const char *name, *tag, *regex; /* tag NULL: of all texts that have no other */
} shapes[] = {
    {"identifier", NULL, NAME},
    {"integer", "c", C_INTEGER},
    {"integer", "py", PY_INTEGER},
    {"integer", NULL, INTEGER},
    {"float", "c", C_FLOAT},
    {"float", "py", PY_FLOAT},
    {"float", NULL, FLOAT},
    {"string", "c", C_STRING},
    {"string", "py", PY_STRING},
    {"string", NULL, "\"([^\"\\\\]|\\\\.)*\""},
    {"line", NULL, "[^\\n]*"},
    {"word", NULL, LETTERS "(['\\u{2019}\\-]" LETTERS ")*"},
    {"sentence", NULL, SENTENCE},
};

const char *const lac_shape_names[] = {"identifier", "integer", "float", "string", "line", "word", "sentence", NULL};

const char *lac_shape_regex(const char *name, const char *tag)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!strcmp(shapes[i].name, name) && (!shapes[i].tag || (tag && !strcmp(shapes[i].tag, tag)))) return shapes[i].regex;
    return NULL;
}
