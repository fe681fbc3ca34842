/* How many fills leave the syntax of a file whole, without and with repairs, and what that costs.
 *
 *   cut_syntax.py ... >CASES;  syntax -m MODEL [--repairs 0,1,2,4,8,16,32] [--candidates N] [--temperature T] [--count N] [--empty] [--show] <CASES
 *
 * A case is a whole file with one hole.  Of each kind and language the first --count are taken whose true text parses without any error, and a
 * fill counts if the text with it does too: parsed from scratch, whatever the library found.  Of several candidates the best is looked at: fewest faults, then the likeliest a token.
 * The library sees the file with the true text in its hole, as where one has it written anew, or with --empty a file that most often does not
 * parse, as where one types.  Holes are healed, left to right; the rest of a line is one line; statements have 64 slots, others 16.
 *
 *   parses   fills with which the text has no error  exact      fills that are the true text
 *   passes   of the network a fill, mean           ms         a fill, context cached, mean */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "common/args.h"
#include "common/io.h"
#include "common/json.h"
#include "common/say.h"
#include "session/session.h"
#include "syntax/tree.h"

enum { KINDS = 3, LANGS = 2, ROWS = 16 };
static const char *const kinds[KINDS] = {"cursor-rest", "cursor-statement", "cursor-arguments"};
static const struct {
    const char *tag, *grammar;
} langs[LANGS] = {{"py", "python"}, {"c", "c"}};

typedef struct {
    lacuna_text prompt, suffix, truth;
    size_t kind, lang;
} hole;

typedef struct {
    size_t fills, whole[LANGS][KINDS], exact, passes;
    double seconds;
} row;

typedef struct {
    lacuna_model *m;
    lacuna_session *s;
    lacuna_document *doc[LANGS], *judge[LANGS]; /* of the text with its hole empty, and of filled ones */
    uint32_t repairs[ROWS], candidates, count;
    size_t n_rows, cases[LANGS][KINDS];
    double temperature;
    int show, empty;
    row row[ROWS];
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- a case ---- */

/* Has the text with this fill no error?  1, 0, or a failure. */
static int parses(bench *b, const hole *h, lacuna_text fill, lacuna_error *err)
{
    buf text = {0};
    lacuna_document *d = b->judge[h->lang];
    buf_add(&text, h->prompt.bytes, h->prompt.len);
    buf_add(&text, fill.bytes, fill.len);
    buf_add(&text, h->suffix.bytes, h->suffix.len);
    int r = lacuna_document_set(d, "", 0, err); /* so that nothing is left of the last one */
    if (!r) r = lacuna_document_set(d, text.p, text.n, err);
    buf_free(&text);
    return r ? r : !ts_node_has_error(ts_tree_root_node(d->tree));
}

/* The candidate with fewest faults, then the likeliest a token. */
static size_t best(const bench *b)
{
    size_t found = 0;
    for (size_t c = 1; c < b->candidates; c++) {
        const lacuna_stats x = lacuna_candidate_stats(b->s, c), y = lacuna_candidate_stats(b->s, found);
        if (x.n_faults < y.n_faults ||
            (x.n_faults == y.n_faults && x.logprob / (double)x.n_tokens > y.logprob / (double)y.n_tokens)) found = c;
    }
    return found;
}

static int fill(bench *b, const hole *h, const char *text, size_t len, row *out, uint32_t repairs, lacuna_error *err)
{
    const lacuna_hole at = {.span = {h->prompt.len, len - h->suffix.len}, .max_tokens = h->kind == 1 ? 64 : 16, .one_line = h->kind == 0};
    const lacuna_infill_options opt = {LACUNA_INFILL_INIT, .tag = langs[h->lang].tag, .drop_far = 1, .heal = 1, .document = b->doc[h->lang],
                                       .repairs = repairs, .n_candidates = b->candidates, .temperature = b->temperature, .seed = b->cases[h->lang][h->kind]};
    const lacuna_event *ev;
    lacuna_text said;
    int r = lacuna_document_set(b->doc[h->lang], text, len, err);
    if (r || (r = lacuna_infill(b->s, text, len, &at, 1, &opt, err))) return r;
    const double start = now();
    while ((r = lacuna_step(b->s, &ev, err)) > 0);
    if (r) return r;
    out->seconds += now() - start;
    const size_t c = best(b);
    if ((r = lacuna_candidate_fill(b->s, c, 0, &said, err))) return r;
    const lacuna_stats stats = lacuna_candidate_stats(b->s, c);
    const int whole = parses(b, h, said, err);
    if (whole < 0) return whole;
    out->fills++;
    out->passes += stats.nfe;
    out->whole[h->lang][h->kind] += (size_t)whole;
    out->exact += said.len == h->truth.len && !memcmp(said.bytes, h->truth.bytes, said.len);
    if (b->show && (!whole || stats.n_faults)) {
        const size_t before = h->prompt.len < 50 ? h->prompt.len : 50, after = h->suffix.len < 30 ? h->suffix.len : 30;
        printf("---- %s %s, %u repairs: %zu faults; the true text is [%.*s]\n%.*s[%.*s]%.*s\n", langs[h->lang].tag, kinds[h->kind], repairs,
               stats.n_faults, (int)h->truth.len, h->truth.bytes, (int)before, h->prompt.bytes + h->prompt.len - before, (int)said.len, said.bytes,
               (int)after, h->suffix.bytes);
    }
    return 0;
}

static int one_case(bench *b, const hole *h, lacuna_error *err)
{
    buf text = {0};
    if (b->cases[h->lang][h->kind] >= b->count) return 0;
    buf_add(&text, h->prompt.bytes, h->prompt.len);
    if (!b->empty) buf_add(&text, h->truth.bytes, h->truth.len);
    buf_add(&text, h->suffix.bytes, h->suffix.len);
    int r = parses(b, h, h->truth, err);
    if (r > 0) {
        r = fill(b, h, text.p, text.n, &(row){0}, 0, err); /* the context is cached */
        for (size_t i = 0; i < b->n_rows && !r; i++) r = fill(b, h, text.p, text.n, &b->row[i], b->repairs[i], err);
        b->cases[h->lang][h->kind]++;
    }
    buf_free(&text);
    return r;
}

static size_t index_of(lacuna_text name, const char *const *names, size_t n)
{
    size_t i = 0;
    while (i < n && (strlen(names[i]) != name.len || memcmp(names[i], name.bytes, name.len))) i++;
    return i;
}

static int one_line(bench *b, const char *line, size_t n, char *why, size_t why_size)
{
    json_error_t e;
    lacuna_error err = {0};
    hole h = {0};
    lacuna_text id = {0}, lang = {0};
    const char *const tags[LANGS] = {langs[0].tag, langs[1].tag};
    json_t *o = json_loadb(line, n, JSON_ALLOW_NUL, &e);
    int r = -1;
    if (!o) snprintf(why, why_size, "not JSON: %s", e.text);
    else if (json_get_text(o, "task_id", &id.bytes, &id.len, why, why_size) > 0 && json_get_text(o, "lang", &lang.bytes, &lang.len, why, why_size) > 0 &&
             json_get_text(o, "prompt", &h.prompt.bytes, &h.prompt.len, why, why_size) > 0 &&
             json_get_text(o, "suffix", &h.suffix.bytes, &h.suffix.len, why, why_size) > 0 &&
             json_get_text(o, "canonical_solution", &h.truth.bytes, &h.truth.len, why, why_size) > 0) {
        const char *kind = strchr(id.bytes, '/'), *last = kind ? strchr(kind + 1, '/') : NULL;
        h.lang = index_of(lang, tags, LANGS);
        h.kind = last ? index_of((lacuna_text){kind + 1, (size_t)(last - kind) - 1}, kinds, KINDS) : KINDS;
        if (h.lang == LANGS || h.kind == KINDS) snprintf(why, why_size, "'%s' is of no kind or language that is measured", id.bytes);
        else if ((r = one_case(b, &h, &err))) snprintf(why, why_size, "%s", err.msg);
    } else snprintf(why, why_size, "task_id, lang, prompt, suffix or canonical_solution is missing");
    json_decref(o);
    return r;
}

/* ---- the table ---- */

static void show(const bench *b)
{
    printf("| repairs |");
    for (int l = 0; l < LANGS; l++)
        for (int k = 0; k < KINDS; k++) printf(" %s %s (%zu) |", langs[l].tag, kinds[k] + strlen("cursor-"), b->cases[l][k]);
    printf(" parses | exact | passes | ms |\n|");
    for (int i = 0; i < LANGS * KINDS + 5; i++) printf(" --- |");
    for (size_t i = 0; i < b->n_rows; i++) {
        const row *r = &b->row[i];
        size_t whole = 0;
        printf("\n| %u |", b->repairs[i]);
        for (int l = 0; l < LANGS; l++)
            for (int k = 0; k < KINDS; k++) {
                whole += r->whole[l][k];
                printf(" %.1f %% |", 100. * (double)r->whole[l][k] / (double)b->cases[l][k]);
            }
        printf(" %.1f %% | %.1f %% | %.2f | %.1f |", 100. * (double)whole / (double)r->fills, 100. * (double)r->exact / (double)r->fills,
               (double)r->passes / (double)r->fills, 1e3 * r->seconds / (double)r->fills);
    }
    printf("\n");
}

/* ---- the command ---- */

/* Numbers with commas between them. */
static int read_rows(bench *b, const char *list)
{
    for (char *end; *list && b->n_rows < ROWS; list = *end ? end + 1 : end) {
        b->repairs[b->n_rows++] = (uint32_t)strtoul(list, &end, 10);
        if (end == list || (*end && *end != ',')) return -1;
    }
    return *list ? -1 : 0;
}

static int open_all(bench *b, const char *model, const char *grammars, lacuna_error *err)
{
    int r = lacuna_model_open(&b->m, model, NULL, err);
    if (!r) r = lacuna_session_open(&b->s, b->m, NULL, err);
    for (int l = 0; l < LANGS && !r; l++) {
        r = lacuna_document_open(&b->doc[l], grammars, langs[l].grammar, NULL, err);
        if (r > 0) r = lacuna_document_open(&b->judge[l], grammars, langs[l].grammar, NULL, err);
        if (!r) return lac_err(err, LACUNA_E_ARG, 0, "%s has no grammar of %s", grammars, langs[l].grammar);
        r = r < 0 ? r : 0;
    }
    return r;
}

int main(int argc, char **argv)
{
    bench *b = calloc(1, sizeof *b);
    if (!b) return 1;
    b->candidates = 1;
    b->count = 60;
    const char *model = NULL, *grammars = "build/grammars", *rows = "0,1,2,4,8,16,32";
    const arg_opt opts[] = {OPT("model", 'm', ARG_TEXT, &model, "MODEL", "model file"),
                            OPT("grammars", 0, ARG_TEXT, &grammars, "PATH", "folders of the grammars of Python and C (default build/grammars)"),
                            OPT("repairs", 0, ARG_TEXT, &rows, "LIST", "how often a fill may be taken back; a row for each number"),
                            OPT_NUM("candidates", 0, ARG_U32, &b->candidates, "N", 1, 64, "candidates of a fill (default 1)"),
                            OPT_NUM("temperature", 0, ARG_REAL, &b->temperature, "T", 0, 10, "of all tokens (default 0)"),
                            OPT_NUM("count", 0, ARG_U32, &b->count, "N", 1, 10000, "cases of each kind and language (default 60)"),
                            OPT("empty", 0, ARG_FLAG, &b->empty, NULL, "the holes are empty; else the true text stands in them"),
                            OPT("show", 0, ARG_FLAG, &b->show, NULL, "fills that do not parse"), OPT_END};
    char why[512], *line;
    lacuna_error err;
    arg_list operands = {0};
    say_as("syntax");
    int r = args_parse(opts, argc - 1, argv + 1, &operands, why, sizeof why);
    if (r || !model || operands.n || read_rows(b, rows))
        return say("%s", r == ARGS_USAGE ? why : "usage: syntax -m MODEL [--repairs 0,1,...] [--candidates N] [--temperature T] [--count N] [--empty] [--show] <CASES"), 2;
    if ((r = open_all(b, model, grammars, &err))) say("%s", err.msg);
    io_lines in = {.fd = 0};
    size_t n, number = 0;
    while (!r && io_line(&in, &line, &n) == IO_LINE) {
        number++;
        if ((r = one_line(b, line, n, why, sizeof why))) say("line %zu: %s", number, why);
    }
    if (!r) show(b);
    buf_free(&in.b);
    free(operands.v);
    for (int l = 0; l < LANGS; l++) lacuna_document_free(b->doc[l]), lacuna_document_free(b->judge[l]);
    lacuna_session_free(b->s);
    lacuna_model_free(b->m);
    free(b);
    return r ? 1 : 0;
}
