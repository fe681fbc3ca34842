/* Messages for people: on stderr, one line, with the program's name in front. */
#ifndef COMMON_SAY_H
#define COMMON_SAY_H

void say_as(const char *program);  /* the name in front; "lacuna" until told */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
