/* What is wrong with a text anyhow: with the best of a few probes in its holes.
 *
 *   foo(a, |                 a bracket that is open before an empty hole makes faults of anything, often far from it
 *   foo(a, x);               a probe that closes it has none: those that are left are the text's own */
#include <string.h>

#include "base/err.h"
#include "syntax/tree.h"

#define PROBES 24        /* are parsed, before the best of them is taken */
#define BRACKETS 4       /* are closed by a probe */
#define TAILS 5          /* of probes */
#define WINDOW 4096      /* bytes before a hole that are searched for what is open */
#define INDENT 40        /* bytes of a line's indentation that a probe may have */

/* A text that could stand in a hole. */
typedef struct {
    char text[64];           /* [n] */
    size_t n;
} probe;

/* What is open before a hole, by bytes that nearly all languages have for it. */
typedef struct {
    char quote[4];           /* [n_quote] what closes the string or the comment */
    char bracket[BRACKETS];  /* [n_brackets] what closes those that are open, innermost first */
    size_t n_quote, n_brackets;
    size_t likely;           /* brackets that are closed in the hole, if all is well: those up to a block, less those that the line closes */
    const char *indent;      /* [n_indent] of the line */
    size_t n_indent;
    bool by_indent, word;    /* blocks end by indentation; a word ends at the hole */
} opened;

static bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/* The closing of a string or a comment that begins here; 0: none does. */
static size_t quote_at(const char *at, const char *end, bool by_indent, char quote[4])
{
    const bool two = end - at > 1;
    const char *closed = NULL;
    if (*at == '"' || *at == '\'') {
        const size_t n = end - at > 2 && at[1] == *at && at[2] == *at ? 3 : 1;
        memset(quote, *at, n);
        return n;
    }
    if (by_indent ? *at == '#' : two && at[0] == '/' && at[1] == '/') closed = "\n";
    else if (two && at[0] == '/' && at[1] == '*') closed = "*/";
    else return 0;
    memcpy(quote, closed, strlen(closed));
    return strlen(closed);
}

static void look_before(const char *at, const char *end, bool by_indent, opened *o)
{
    char open[WINDOW];
    size_t n = 0;
    *o = (opened){.indent = at, .by_indent = by_indent, .word = at < end && is_word(end[-1])};
    while (at < end) {
        size_t step = 1;
        if (*at == '\n') o->indent = at + 1;
        if (o->n_quote) {
            const bool line = *at == '\n' && o->n_quote == 1; /* only three quotes, and comments, go over lines */
            if (line || ((size_t)(end - at) >= o->n_quote && !memcmp(at, o->quote, o->n_quote))) {
                step = line ? 1 : o->n_quote;
                o->n_quote = 0;
            } else if (*at == '\\') step = 2;
        } else if ((o->n_quote = quote_at(at, end, by_indent, o->quote))) step = *at == '/' ? 2 : o->n_quote;
        else if (*at == '(' || *at == '[' || *at == '{') open[n++] = *at == '(' ? ')' : *at == '[' ? ']' : '}';
        else if (n && *at == open[n - 1]) n--;
        at += step;
    }
    if (o->n_quote && *o->quote == '\n') o->n_quote = 0;
    while (n && o->n_brackets < BRACKETS) o->bracket[o->n_brackets++] = open[--n];
    while (o->likely < o->n_brackets && (by_indent || o->bracket[o->likely] != '}')) o->likely++;
    while (o->indent + o->n_indent < end && (o->indent[o->n_indent] == ' ' || o->indent[o->n_indent] == '\t')) o->n_indent++;
}

static opened look_around(const lacuna_document *d, const lacuna_span *hole)
{
    opened o;
    look_before(d->text + (hole->start > WINDOW ? hole->start - WINDOW : 0), d->text + hole->start, d->kinds.by_indent, &o);
    for (size_t i = hole->end; o.likely && i < d->len && d->text[i] != '\n'; i++) o.likely -= d->text[i] == o.bracket[o.likely - 1];
    return o;
}

/* Probe i: with a name or without, so many brackets closed, and a tail.  0: there is none, -1: there are no more. */
static int write_probe(const opened *o, size_t i, probe *out)
{
    static const char *const tails[2][TAILS] = {{"", ";", " {", ",", "()"}, {"", ":", ":\n", ",", "():"}};
    const char *tail = tails[o->by_indent][i / 2 % TAILS];
    size_t closed = i / 2 / TAILS, n = 0;
    const bool name = i % 2 == 0, body = strchr(tail, '\n') != NULL;
    if (closed > o->n_brackets) return -1;
    if (body && o->n_indent > INDENT) return 0;
    closed = !closed ? o->likely : closed <= o->likely ? closed - 1 : closed; /* likely ones first */
    if (o->n_quote && !name) {
        memcpy(out->text, o->quote, o->n_quote);
        n = o->n_quote;
    }
    if (name && o->word) out->text[n++] = ' ';
    if (name) out->text[n++] = 'x';
    memcpy(out->text + n, o->bracket, closed);
    n += closed;
    memcpy(out->text + n, tail, strlen(tail));
    n += strlen(tail);
    if (body) {
        memcpy(out->text + n, o->indent, o->n_indent);
        n += o->n_indent;
        memcpy(out->text + n, " x", 2);
        n += 2;
    }
    out->n = n;
    return 1;
}

/* A search for what goes into the holes with the fewest faults; of as many, the fewest bytes in them. */
typedef struct {
    lacuna_document *d;
    const lacuna_span *hole; /* [n] */
    lacuna_text *fill;       /* [n] what is in them */
    probe *kept;             /* [n] the texts of that */
    size_t n, cap_fill, cap_kept;
    lac_faults trial;        /* scratch: of one tree */
    size_t faults, bytes;    /* of the best */
    bool touched;            /* by one of them: a line of a hole */
} search;

/* The faults of a tree are the old ones, if they are fewer than those so far: 1.  On the lines of the holes none is old. */
static int keep_fewer(search *s, const TSTree *tree, lacuna_error *err)
{
    lacuna_document *d = s->d;
    const lac_filled t = {d, s->hole, s->fill, s->n};
    lac_faults *f = &s->trial;
    size_t bytes = 0, n = 0;
    if (!lac_faults_of(d, tree, f) || !lac_filled_lines(d, &t)) return lac_nomem(err, "syntax errors");
    for (size_t i = 0; i < f->n; i++) bytes += f->of[i].end - f->of[i].start;
    if (f->n > s->faults || (f->n == s->faults && bytes >= s->bytes)) return 0;
    s->faults = f->n;
    s->bytes = bytes;
    for (size_t i = 0; i < f->n; i++) {
        const lac_fault o = f->of[i];
        if (!lac_filled_touches(&t, &o)) f->of[n++] = (lac_fault){lac_filled_before(&t, o.start), lac_filled_before(&t, o.end), o.symbol, false};
    }
    s->touched = n < f->n;
    f->n = n;
    const lac_faults was = d->old.faults;
    d->old.faults = *f;
    *f = was;
    return 1;
}

/* Puts a probe into a hole, where it stays if it is better than what was there. */
static int try_probe(search *s, size_t hole, const probe *p, lacuna_error *err)
{
    const lacuna_text was = s->fill[hole];
    s->fill[hole] = (lacuna_text){p->text, p->n};
    TSTree *tree = lac_filled_parse(s->d, &(lac_filled){s->d, s->hole, s->fill, s->n}, NULL);
    if (!tree) return lac_err(err, LACUNA_E_LIMIT, 0, "the text with something else in its holes takes too long to parse");
    const int r = keep_fewer(s, tree, err);
    ts_tree_delete(tree);
    s->fill[hole] = was;
    if (r <= 0) return r;
    s->kept[hole] = *p;
    s->fill[hole] = (lacuna_text){s->kept[hole].text, p->n};
    return 0;
}

/* Each in one hole after the other. */
static int try_probes(search *s, lacuna_error *err)
{
    size_t parses = 0;
    int any = 0; /* -1: no hole has a probe of this number */
    for (size_t i = 0; any >= 0; i++) {
        any = -1;
        for (size_t h = 0; h < s->n; h++) {
            const opened o = look_around(s->d, &s->hole[h]);
            probe p;
            const int has = write_probe(&o, i, &p);
            if (has > any) any = has;
            if (has <= 0) continue;
            if (!s->faults || parses++ == PROBES) return 0;
            const int r = try_probe(s, h, &p, err);
            if (r) return r;
        }
    }
    return 0;
}

static int find_old(search *s, lacuna_error *err)
{
    bool any = false;
    if (!lac_mem_grow(&s->d->mem, (void **)&s->fill, &s->cap_fill, s->n, sizeof *s->fill) ||
        !lac_mem_grow(&s->d->mem, (void **)&s->kept, &s->cap_kept, s->n, sizeof *s->kept))
        return lac_nomem(err, "holes of a document");
    for (size_t i = 0; i < s->n; i++) {
        s->fill[i] = (lacuna_text){s->d->text + s->hole[i].start, s->hole[i].end - s->hole[i].start};
        any |= s->fill[i].len > 0;
    }
    int r = keep_fewer(s, s->d->tree, err);
    return r < 0 ? r : s->touched || !any ? try_probes(s, err) : 0;
}

int lac_document_learn(lacuna_document *d, const lacuna_span *hole, size_t n, lacuna_error *err)
{
    if (d->old.known && d->old.n == n && !memcmp(d->old.hole, hole, n * sizeof *hole)) return 0;
    d->old.known = false;
    if (!lac_mem_grow(&d->mem, (void **)&d->old.hole, &d->old.cap, n, sizeof *hole)) return lac_nomem(err, "holes of a document");
    search s = {.d = d, .hole = hole, .n = n, .faults = SIZE_MAX};
    const int r = find_old(&s, err);
    lac_mem_free(&d->mem, s.trial.of, s.trial.cap * sizeof *s.trial.of);
    lac_mem_free(&d->mem, s.fill, s.cap_fill * sizeof *s.fill);
    lac_mem_free(&d->mem, s.kept, s.cap_kept * sizeof *s.kept);
    if (r) return r;
    memcpy(d->old.hole, hole, n * sizeof *hole);
    d->old.n = n;
    d->old.known = true;
    return 0;
}
