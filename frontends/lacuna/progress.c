/* The line on a terminal that tells how a run gets on. */
#include "lacuna/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/term.h"

void progress_add(progress *p, const lacuna_train_report *rep)
{
    const double keep = p->seen++ ? 0.95 : 0;
    p->loss = keep * p->loss + (1 - keep) * rep->loss;
    if (isnan(rep->bits_per_byte)) return;
    p->bits = keep == 0 || isnan(p->bits) ? rep->bits_per_byte : keep * p->bits + (1 - keep) * rep->bits_per_byte;
}

void progress_clear(const progress *p)
{
    if (p->on) fputs("\r\033[K", stderr);
}

/* A line that wrapped could not be taken back: it must be shorter than the terminal is wide by now. */
static void put(const char *line) { fprintf(stderr, "\r%.*s\033[K", (int)term_look(2).cols - 1, line); }

void progress_note(const progress *p, const char *what)
{
    if (p->on) put(what);
}

void progress_step(const progress *p, uint64_t step, uint64_t steps, double speed, double left)
{
    char line[200] = "", part[5][48] = {""};
    if (!p->on) return;
    int n = snprintf(part[0], sizeof part[0], "step %llu", (unsigned long long)step);
    if (steps) snprintf(part[0] + n, sizeof part[0] - (size_t)n, "/%llu", (unsigned long long)steps);
    if (left >= 3600) snprintf(part[1], sizeof part[1], "  %.0f:%02d h left", floor(left / 3600), (int)(fmod(left, 3600) / 60));
    else if (left >= 0) snprintf(part[1], sizeof part[1], "  %d:%02d left", (int)(left / 60), (int)fmod(left, 60));
    if (p->seen) snprintf(part[2], sizeof part[2], "  loss %.3f", p->loss);
    if (p->seen && !isnan(p->bits)) snprintf(part[3], sizeof part[3], "  %.3f bits/byte", p->bits);
    if (p->seen) snprintf(part[4], sizeof part[4], "  %.0f tokens/s", speed);
    /* the most wanted first, and what no longer fits is left out */
    size_t room = term_look(2).cols - 1;
    for (int i = 0; i < 5 && (!i || strlen(line) + strlen(part[i]) <= room); i++) strcat(line, part[i]);
    put(line);
}
