/* lacuna infill: fill the holes of a text. */
#include "lacuna/infill.h"

#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/json.h"
#include "common/marker.h"
#include "common/say.h"
#include "lacuna/cmd.h"
#include "lacuna/report.h"
#include "lacuna/view.h"

/* A text and its holes in text order. */
typedef struct {
    buf text;
    lacuna_hole *holes;
    size_t n;
    const char *path;
} canvas;

lacuna_hole infill_hole(const infill_options *o, lacuna_span span)
{
    return (lacuna_hole){.span = span, .max_tokens = o->s.o.max_tokens, .min_tokens = o->min_tokens, .exact = o->exact,
                         .one_line = o->one_line};
}

const char *infill_advice(const infill_options *o, const lacuna_error *err)
{
    if (err->code != LACUNA_E_LIMIT) return "";
    return o->strict ? " (--context allows more; without --strict-context what is far from the holes is left out)"
                     : " (fewer holes, nearer to each other, or a smaller --max-tokens; --context allows more positions)";
}

/* ---- holes --------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
    const lacuna_hole *x = a, *y = b;
    if (x->span.start != y->span.start) return x->span.start < y->span.start ? -1 : 1;
    return (x->span.end > y->span.end) - (x->span.end < y->span.end);
}

/* Holes by --at and --range; the markers in the text are then text. */
static int holes_given(canvas *c, const infill_options *o)
{
    char err[256];
    c->holes = xalloc(o->at.n + o->ranges.n, sizeof *c->holes);
    for (size_t i = 0; i < o->at.n + o->ranges.n; i++) {
        lacuna_span span = {0, 0};
        int is_at = i < o->at.n, r;
        if (is_at) {
            r = marker_at(c->text.p, c->text.n, o->at.v[i], &span.start, err, sizeof err);
            span.end = span.start;
        } else {
            r = marker_range(c->text.p, c->text.n, o->ranges.v[i - o->at.n], &span, err, sizeof err);
        }
        if (r == MARKER_SYNTAX) return cmd_usage("infill", "option %s: %s", is_at ? "--at" : "--range", err);
        if (r != MARKER_OK) return say("option %s: %s", is_at ? "--at" : "--range", err), EXIT_FAILED;
        c->holes[c->n++] = infill_hole(o, span);
    }
    qsort(c->holes, c->n, sizeof *c->holes, by_start);
    for (size_t i = 1; i < c->n; i++) {
        lacuna_span a = c->holes[i - 1].span, b = c->holes[i].span;
        if (b.start < a.end || b.start == a.start)
            return say("two holes overlap: bytes %zu-%zu and %zu-%zu", a.start, a.end, b.start, b.end), EXIT_FAILED;
    }
    return GO_ON;
}

static int holes_marked(canvas *c, const infill_options *o)
{
    size_t length = strlen(o->marker), n = marker_find(c->text.p, c->text.n, o->marker, length, NULL, 0);
    if (!n) {
        say("%s: no hole: put the marker %s where text is missing (--marker sets another), or give --at LINE:COL or "
            "--range L:C-L:C", c->path, o->marker);
        return EXIT_FAILED;
    }
    lacuna_span *spans = xalloc(n, sizeof *spans);
    marker_find(c->text.p, c->text.n, o->marker, length, spans, n);
    c->holes = xalloc(n, sizeof *c->holes);
    for (size_t i = 0; i < n; i++) c->holes[i] = infill_hole(o, spans[i]);
    c->n = n;
    free(spans);
    return GO_ON;
}

/* ---- output -------------------------------------------------------------------------------- */

typedef struct {
    const infill_options *o;
    const engine *e;
    const canvas *c;
    view *v;            /* or NULL */
} show;

static void begin_line(buf *b, const show *s, size_t candidate)
{
    buf_put(b, "{");
    if (s->o->candidates > 1) json_add_uint(b, "candidate", candidate);
}

static void end_line(buf *b)
{
    buf_put(b, "}\n");
    io_out(b->p, b->n);
    buf_free(b);
}

static void on_step(void *ctx, size_t candidate, const lacuna_event *ev)
{
    show *s = ctx;
    if (s->v && (!ev || ev->reveals[0].candidate == 0)) view_draw(s->v, ev); /* one of those that share passes */
    if (!s->o->json || !ev) return;
    buf b = {0};
    begin_line(&b, s, candidate);
    report_step(&b, ev, lacuna_get_stats(s->e->session).nfe);
    end_line(&b);
}

static void on_candidate(void *ctx, const fill_result *r)
{
    show *s = ctx;
    if (s->o->e.verbose)
        say("candidate %zu: %zu tokens in %zu passes, %.1f ms, log-probability %.4f, seed %llu", r->candidate, r->tokens,
            r->nfe, r->ms, r->logprob, (unsigned long long)r->seed);
    if (!s->o->json || s->o->candidates < 2) return;
    buf b = {0};
    begin_line(&b, s, r->candidate);
    report_fills(&b, r);
    end_line(&b);
}

static void put_json(const show *s, const fill_result *r, size_t n)
{
    buf b = {0}, text = {0};
    buf_put(&b, "{");
    json_add_bool(&b, "done", 1);
    fill_text(&text, s->c->text.p, s->c->text.n, s->c->holes, &r[0]);
    json_add_text(&b, "text", text.p, text.n);
    report_fills(&b, &r[0]);
    if (s->o->candidates > 1) report_candidates(&b, r, n);
    buf_free(&text);
    end_line(&b);
}

static void put_text(const show *s, const fill_result *r)
{
    buf out = {0};
    if (!s->o->only) {
        fill_text(&out, s->c->text.p, s->c->text.n, s->c->holes, r);
    } else {
        for (size_t i = 0; i < r->n_holes; i++) {
            buf_add(&out, r->fills[i].p, r->fills[i].n);
            buf_add(&out, s->o->null ? "" : "\n", 1);
        }
    }
    io_out(out.p, out.n);
    buf_free(&out);
}

static int fill(show *s)
{
    const char *tag;
    lacuna_error err;
    fill_result *r;
    size_t n;
    const canvas *c = s->c;
    if (engine_tag(s->e, &s->o->e, c->path, c->text.p, c->text.n, &tag)) return EXIT_FAILED;
    lacuna_infill_options opt = s->o->s.o;
    opt.tag = tag;
    if (s->o->e.verbose) say("%zu holes, language %s", c->n, tag ? tag : "unknown");
    if (s->o->stream && !s->o->json && view_possible())
        s->v = view_open(s->e->model, s->e->session, c->text.p, c->text.n, c->holes, c->n, s->o->pace);
    fill_watch watch = {on_step, on_candidate, s};
    int rc = fill_candidates(s->e->session, c->text.p, c->text.n, c->holes, c->n, &opt, s->o->candidates, &watch, &r, &n,
                             &err);
    if (s->v) view_close(s->v, rc < 0);
    if (rc < 0) {
        const char *advice = infill_advice(s->o, &err);
        if (*advice) say("%s%s", err.msg, advice);
        return *advice ? EXIT_FAILED : engine_failed(&err);
    }
    if (r[0].dropped && s->o->e.verbose) say("%zu bytes far from the holes did not fit in the context", r[0].dropped);
    if (s->o->json) put_json(s, r, n);
    else put_text(s, &r[0]);
    fill_free(r, n);
    return EXIT_DONE;
}

static int one_text(const infill_options *o, const char *path)
{
    char why[512];
    engine e = {0};
    canvas c = {.path = path && strcmp(path, "-") ? path : "standard input"};
    int code = EXIT_FAILED;
    if (io_read(path, &c.text, why, sizeof why)) {
        say("%s", why);
    } else {
        code = o->at.n + o->ranges.n ? holes_given(&c, o) : holes_marked(&c, o);
        if (path) c.path = path;
    }
    if (code == GO_ON) {
        code = EXIT_FAILED;
        if (!engine_open(&e, &o->e)) code = fill(&(show){.o = o, .e = &e, .c = &c});
        engine_close(&e);
    }
    free(c.holes);
    buf_free(&c.text);
    return code;
}

/* ---- options ------------------------------------------------------------------------------- */

static int inconsistent(const infill_options *o)
{
    int placed = o->at.n + o->ranges.n > 0;
    if (!*o->marker) return cmd_usage("infill", "option --marker: the marker is empty");
    if (placed && o->marker_seen) return cmd_usage("infill", "--marker cannot be used with --at or --range");
    if (o->jsonl && (placed || o->marker_seen))
        return cmd_usage("infill", "--jsonl has its hole between prompt and suffix; --at, --range and --marker do not apply");
    if (o->jsonl && (o->json || o->only || o->stream))
        return cmd_usage("infill", "--jsonl cannot be used with --json, --only or --stream");
    if (o->s.heal && o->no_heal) return cmd_usage("infill", "--heal and --no-heal exclude each other");
    uint32_t most = o->s.o.max_tokens ? o->s.o.max_tokens : SAMPLING_MAX_TOKENS;
    if (o->min_tokens > most)
        return cmd_usage("infill", "--min-tokens %u is more than --max-tokens %u%s", (unsigned)o->min_tokens, (unsigned)most,
                         o->s.o.max_tokens ? "" : " (the default)");
    if (o->exact && !o->s.o.max_tokens) return cmd_usage("infill", "--exact needs --max-tokens");
    if (o->json && o->only) return cmd_usage("infill", "--json and --only exclude each other (the fills are in the JSON)");
    return GO_ON;
}

int cmd_infill(int argc, char **argv)
{
    infill_options o = {.s.o = {LACUNA_INFILL_INIT}, .candidates = 1, .marker = MARKER_DEFAULT};
    const arg_opt opts[] = {
        OPT_HEAD("holes (default: at each marker <|fill|>)"),
        OPT_SEEN("marker", 0, ARG_TEXT, &o.marker, "STR", "text that stands for a hole", &o.marker_seen),
        OPT("at", 0, ARG_LIST, &o.at, "LINE:COL", "insert here (from 1, COL in bytes); may be repeated"),
        OPT("range", 0, ARG_LIST, &o.ranges, "L:C-L:C", "replace from the first place up to before the second; may be repeated"),
        OPT_NUM("max-tokens", 0, ARG_U32, &o.s.o.max_tokens, "N", 1, 4294967295.0, "tokens a hole may get (default 16)"),
        OPT("min-tokens", 0, ARG_U32, &o.min_tokens, "N", "tokens a hole gets at least"),
        OPT("exact", 0, ARG_FLAG, &o.exact, NULL, "exactly --max-tokens tokens"),
        OPT("one-line", 0, ARG_FLAG, &o.one_line, NULL, "no line feed in a fill"),
        OPT("heal", 0, ARG_FLAG, &o.s.heal, NULL, "let the model finish a word that is cut where a hole starts (default, but with parallel slots and --exact)"),
        OPT("no-heal", 0, ARG_FLAG, &o.no_heal, NULL, "take the text before a hole as it stands"),
        OPT_HEAD("output (default: the completed text)"),
        OPT("only", 0, ARG_FLAG, &o.only, NULL, "the fills alone, a line feed behind each"),
        OPT("null", '0', ARG_FLAG, &o.null, NULL, "as --only, with a NUL byte behind each fill"),
        OPT("json", 0, ARG_FLAG, &o.json, NULL, "a JSON object a step and one at the end"),
        OPT("jsonl", 0, ARG_FLAG, &o.jsonl, NULL, "input: a JSON object a line with prompt and suffix; output: the same with "
                                                  "completion, logprob and nfe"),
        OPT("stream", 0, ARG_FLAG, &o.stream, NULL, "on a terminal: show the text while it is filled"),
        OPT_NUM("pace", 0, ARG_U32, &o.pace, "MS", 0, 10000, "with --stream: milliseconds a step stands at least, for watching"),
        OPT_NUM("candidates", 0, ARG_U32, &o.candidates, "N", 1, 10000,
                "fill N times with seeds S, S+1, ..., side by side in rounds of 64, and take the most likely (per token)"),
        SAMPLER_OPTS(&o.s),
        ENGINE_OPTS(&o.e),
        OPT("strict-context", 0, ARG_FLAG, &o.strict, NULL, "fail when the text does not fit (default: leave out what is far)"),
        OPT_END,
    };
    arg_list files = {0};
    int code = cmd_args("infill", "[OPTION...] [FILE]", "Fill the holes of FILE (default: standard input).", opts, argc, argv, 1,
                        &files);
    o.only |= o.null;
    if (code == GO_ON) code = inconsistent(&o);
    if (code == GO_ON) code = sampler_settle("infill", &o.s);
    if (code == GO_ON) {
        const char *path = files.n ? files.v[0] : NULL;
        o.s.o.heal = o.s.heal || (!o.no_heal && sampling_heals(&o.s.o, o.exact));
        o.s.o.drop_far = !o.strict;
        code = o.jsonl ? infill_jsonl(&o, path) : one_text(&o, path);
    }
    free(files.v);
    free(o.at.v);
    free(o.ranges.v);
    return code;
}
