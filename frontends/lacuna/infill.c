/* lacuna infill: fill the holes of a text. */
#include "lacuna/infill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/json.h"
#include "common/marker.h" /* MARKER_DEFAULT */
#include "common/say.h"
#include "lacuna/cmd.h"
#include "lacuna/explain.h"
#include "lacuna/report.h"
#include "lacuna/view.h"

int infill_controls(infill_options *o, hole_set *holes)
{
    int code = control_apply(&o->c, holes, o->s.o.max_tokens);
    o->s.o.heal = o->s.heal || (!o->no_heal && sampling_heals(&o->s.o, o->w.n_lengths || holes_any_exact(holes)));
    return code;
}

void infill_tell(const infill_options *o, const hole_set *holes, const lacuna_error *err, char *msg, size_t msg_size)
{
    static const char what[] = "expression: ";
    lacuna_error e = *err;
    unsigned long k = 0;
    int at = 0;
    holes_renumber(&e, NULL, holes->n, 1);
    int is_about = sscanf(e.msg, "hole %lu: %n", &k, &at) == 1 && at && k && k <= holes->n;
    if (is_about && holes->v[k - 1].regex.bytes && !strncmp(e.msg + at, what, sizeof what - 1)) {
        const char *why = e.msg + at;
        while (!strncmp(why, what, sizeof what - 1)) why += sizeof what - 1;
        snprintf(msg, msg_size, "option --regex %lu: byte %zu: %s", k, (size_t)e.where + 1, why);
        return;
    }
    const char *advice = e.code != LACUNA_E_LIMIT || k ? ""
                         : o->strict ? " (--context allows more; without --strict-context what is far from the holes is left out)"
                                     : " (fewer holes, nearer to each other, or a smaller --max-tokens; --context allows more positions)";
    snprintf(msg, msg_size, "%s%s", e.msg, advice);
}

int infill_document(const infill_options *o, syntax *s, const char *path, lacuna_text text, lacuna_infill_options *opt, lacuna_error *err)
{
    int r = syntax_of(s, &o->w, 0, path, o->e.lang, text, &opt->document, err);
    if (r < 0) {
        lacuna_error e = *err;
        snprintf(err->msg, sizeof err->msg, "option --%s: %.200s", o->w.grammar ? "grammar" : "syntax", e.msg);
    }
    if (r >= 0 && o->e.verbose) say("language %s, grammar %s", opt->tag ? opt->tag : "unknown", opt->document ? s->language : "none");
    return r < 0 ? r : 0;
}

/* ---- output -------------------------------------------------------------------------------- */

typedef struct {
    const infill_options *o;
    const engine *e;
    syntax *syntax;
    const infill_text *c;
    view *v;            /* or NULL */
    buf account;        /* --explain: for people, once the view is closed */
} show;

static void begin_line(buf *b, const show *s, size_t candidate)
{
    buf_put(b, "{");
    if (wishes_several(&s->o->w)) json_add_uint(b, "candidate", candidate);
}

static void end_line(buf *b)
{
    buf_put(b, "}\n");
    io_out(b->p, b->n);
    buf_free(b);
}

static void on_begin(void *ctx, const choice_rest *rest)
{
    show *s = ctx;
    if (s->o->w.explain && !s->o->json) explain_choices(&s->account, &s->c->holes, rest);
    if (s->o->stream && !s->o->json && rest->n && view_possible())
        s->v = view_open(s->e->model, s->e->session, rest->text.p, rest->text.n, rest->holes, rest->n, s->o->pace);
}

static void on_step(void *ctx, size_t candidate, size_t lane, const lacuna_event *ev)
{
    show *s = ctx;
    if (s->v && !lane) view_draw(s->v, ev); /* one of those that share passes */
    if (ev && s->o->w.explain && !s->o->json) explain_step(&s->account, s->e->model, wishes_several(&s->o->w) ? (int64_t)candidate : -1, ev);
    if (!s->o->json || !ev) return;
    buf b = {0};
    begin_line(&b, s, candidate);
    report_step(&b, ev, lacuna_get_stats(s->e->session).nfe, s->o->w.explain);
    end_line(&b);
}

static void on_candidate(void *ctx, const fill_result *r)
{
    show *s = ctx;
    if (s->o->e.verbose)
        say("candidate %zu: %zu tokens in %zu passes, %.1f ms, log-probability %.4f, %zu repairs, %zu syntax errors, seed %llu", r->candidate,
            r->tokens, r->nfe, r->ms, r->logprob, r->repairs, r->faults, (unsigned long long)r->seed);
    if (!s->o->json || !wishes_several(&s->o->w)) return;
    buf b = {0};
    begin_line(&b, s, r->candidate);
    report_fills(&b, r);
    end_line(&b);
}

static void put_json(const show *s, lacuna_text text, const fill_outcome *out)
{
    buf b = {0}, filled = {0};
    buf_put(&b, "{");
    json_add_bool(&b, "done", 1);
    fill_text(&filled, text, &s->c->holes, &out->v[0]);
    json_add_text(&b, "text", filled.p, filled.n);
    report_fills(&b, &out->v[0]);
    report_choices(&b, &s->c->holes, &out->rest);
    if (s->o->w.explain) report_context(&b, text, out);
    if (wishes_several(&s->o->w)) report_candidates(&b, out->v, out->n);
    buf_free(&filled);
    end_line(&b);
}

static void put_text(const show *s, lacuna_text text, const fill_result *r)
{
    buf out = {0};
    if (!s->o->only) {
        fill_text(&out, text, &s->c->holes, r);
    } else {
        for (size_t i = 0; i < r->n_holes; i++) {
            buf_add(&out, r->fills[i].p, r->fills[i].n);
            buf_add(&out, s->o->null ? "" : "\n", 1);
        }
    }
    io_out(out.p, out.n);
    buf_free(&out);
}

static int failed(const show *s, const lacuna_error *err)
{
    lacuna_error e = *err;
    infill_tell(s->o, &s->c->holes, err, e.msg, sizeof e.msg);
    return engine_failed(&e);
}

static int fill(show *s)
{
    const infill_options *o = s->o;
    lacuna_text text = {s->c->text.p, s->c->text.n};
    fill_job job = {text, &s->c->holes, .candidates = o->w.candidates, .lengths = o->w.lengths, .n_lengths = o->w.n_lengths};
    fill_watch watch = {on_begin, on_step, on_candidate, s};
    fill_outcome out = {0};
    lacuna_error err;
    int code = EXIT_DONE;
    job.opt = o->s.o;
    if (engine_tag(s->e, &o->e, s->c->path, text.bytes, text.len, &job.opt.tag)) return EXIT_FAILED;
    int rc = infill_document(o, s->syntax, s->c->path, text, &job.opt, &err);
    if (rc >= 0) rc = fill_run(s->e->session, &job, &watch, &out, &err);
    if (s->v) view_close(s->v, rc < 0);
    if (rc == 0 && o->w.explain && !o->json) explain_outcome(&s->account, text, &out);
    explain_say(&s->account);
    if (rc < 0) code = failed(s, &err);
    else if (out.v[0].dropped && o->e.verbose) say("%zu bytes far from the holes did not fit in the context", out.v[0].dropped);
    if (rc == 0 && o->json) put_json(s, text, &out);
    else if (rc == 0) put_text(s, text, &out.v[0]);
    buf_free(&s->account);
    fill_free(&out);
    return code;
}

static int one_text(infill_options *o, const char *path)
{
    char why[512];
    engine e = {0};
    syntax s = {0};
    infill_text c = {.path = path};
    int code = EXIT_FAILED;
    if (io_read(path, &c.text, why, sizeof why)) say("%s", why);
    else code = infill_find_holes(o, &s, &c);
    if (code == GO_ON) code = infill_controls(o, &c.holes);
    if (code == GO_ON) {
        code = EXIT_FAILED;
        if (!engine_open(&e, &o->e)) code = fill(&(show){.o = o, .e = &e, .syntax = &s, .c = &c});
        engine_close(&e);
    }
    syntax_close(&s);
    holes_free(&c.holes);
    buf_free(&c.text);
    return code;
}

/* ---- options ------------------------------------------------------------------------------- */

/* "1,2,4" */
static int read_lengths(infill_options *o)
{
    enum { MOST = 65536, MANY = 64 };
    for (const char *p = o->lengths; p;) {
        const char *comma = strchr(p, ',');
        size_t n = comma ? (size_t)(comma - p) : strlen(p);
        char word[24] = "";
        uint64_t v;
        if (n < sizeof word) memcpy(word, p, n);
        if (args_u64(word, &v) || !v || v > MOST || o->w.n_lengths == MANY)
            return cmd_usage("infill", "option --lengths: expected up to %d numbers from 1 to %d, as in 1,2,4, got '%.60s'", MANY, MOST, o->lengths);
        o->w.lengths = xgrow(o->w.lengths, o->w.n_lengths + 1, sizeof *o->w.lengths);
        o->w.lengths[o->w.n_lengths++] = (uint32_t)v;
        p = comma ? comma + 1 : NULL;
    }
    return GO_ON;
}

static int inconsistent(const infill_options *o)
{
    int placed = o->at.n + o->ranges.n + o->nodes.n > 0;
    if (!*o->marker) return cmd_usage("infill", "option --marker: the marker is empty");
    if (placed && o->marker_seen) return cmd_usage("infill", "--marker cannot be used with --at, --range or --node");
    if (o->jsonl && (placed || o->marker_seen))
        return cmd_usage("infill", "--jsonl has its hole between prompt and suffix; --at, --range, --node and --marker do not apply");
    if (o->jsonl && (o->json || o->only || o->stream || o->w.explain))
        return cmd_usage("infill", "--jsonl cannot be used with --json, --only, --stream or --explain");
    if (o->s.heal && o->no_heal) return cmd_usage("infill", "--heal and --no-heal exclude each other");
    uint32_t most = o->s.o.max_tokens ? o->s.o.max_tokens : SAMPLING_MAX_TOKENS;
    if (o->min_tokens > most)
        return cmd_usage("infill", "--min-tokens %u is more than --max-tokens %u%s", (unsigned)o->min_tokens, (unsigned)most,
                         o->s.o.max_tokens ? "" : " (the default)");
    if (o->exact && !o->s.o.max_tokens) return cmd_usage("infill", "--exact needs --max-tokens");
    if (o->json && o->only) return cmd_usage("infill", "--json and --only exclude each other (the fills are in the JSON)");
    return GO_ON;
}

/* What the options say together.  GO_ON, or the exit code. */
static int settle(infill_options *o)
{
    char err[256];
    o->only |= o->null;
    o->w.limits_seen = o->s.o.max_tokens || o->min_tokens || o->exact;
    int code = read_lengths(o);
    if (code == GO_ON) code = inconsistent(o);
    if (code == GO_ON) code = sampler_settle("infill", &o->s);
    if (code == GO_ON && wishes_settle(&o->w, &o->s, "--", '-', err, sizeof err)) code = cmd_usage("infill", "%s", err);
    o->s.o.drop_far = !o->strict;
    return code;
}

int cmd_infill(int argc, char **argv)
{
    infill_options o = {.s.o = {LACUNA_INFILL_INIT}, .w.candidates = 1, .marker = MARKER_DEFAULT};
    const arg_opt opts[] = {
        OPT_HEAD("holes (default: at each marker <|fill|>)"),
        OPT_SEEN("marker", 0, ARG_TEXT, &o.marker, "STR", "text that stands for a hole", &o.marker_seen),
        OPT("at", 0, ARG_LIST, &o.at, "LINE:COL", "insert here (from 1, COL in bytes); may be repeated"),
        OPT("range", 0, ARG_LIST, &o.ranges, "L:C-L:C", "replace from the first place up to before the second; may be repeated"),
        OPT("node", 0, ARG_LIST, &o.nodes, "LINE:COL", "replace the smallest node of the syntax here that makes sense; may be repeated"),
        OPT_NUM("max-tokens", 0, ARG_U32, &o.s.o.max_tokens, "N", 1, 4294967295.0, "tokens a hole may get (default 16)"),
        OPT("min-tokens", 0, ARG_U32, &o.min_tokens, "N", "tokens a hole gets at least"),
        OPT("exact", 0, ARG_FLAG, &o.exact, NULL, "exactly --max-tokens tokens"),
        OPT("one-line", 0, ARG_FLAG, &o.one_line, NULL, "no line feed in a fill"),
        OPT("heal", 0, ARG_FLAG, &o.s.heal, NULL, "let the model finish a word that is cut where a hole starts (default, but with --exact)"),
        OPT("no-heal", 0, ARG_FLAG, &o.no_heal, NULL, "take the text before a hole as it stands"),
        OPT("lengths", 0, ARG_TEXT, &o.lengths, "A,B,...", "fill with each of these numbers of tokens, and keep the likeliest (per token)"),
        CONTROL_OPTS(&o.c),
        OPT_HEAD("syntax"),
        OPT_ONE_OF("syntax", &o.w.syntax, "WHEN", syntax_modes,
                   "fills that break the syntax are taken back, the context is chosen by structure: auto (if there is a grammar; default), on "
                   "or off",
                   NULL),
        OPT("grammar", 0, ARG_TEXT, &o.w.grammar, "NAME", "the text's tree-sitter language (default: by its name and contents)"),
        OPT_NUM_SEEN("repairs", ARG_U32, &o.w.repairs, "N", 0, WISHES_REPAIRS_MOST, "how often a fill is taken back (default 16)",
                     &o.w.repairs_seen),
        OPT("explain", 0, ARG_FLAG, &o.w.explain, NULL, "tell what was read, refused and taken back, and why"),
        OPT_HEAD("output (default: the completed text)"),
        OPT("only", 0, ARG_FLAG, &o.only, NULL, "the fills alone, a line feed behind each"),
        OPT("null", '0', ARG_FLAG, &o.null, NULL, "as --only, with a NUL byte behind each fill"),
        OPT("json", 0, ARG_FLAG, &o.json, NULL, "a JSON object a step and one at the end"),
        OPT("jsonl", 0, ARG_FLAG, &o.jsonl, NULL, "input: a JSON object a line with prompt and suffix; output: the same with "
                                                  "completion, logprob and nfe"),
        OPT("stream", 0, ARG_FLAG, &o.stream, NULL, "on a terminal: show the text while it is filled"),
        OPT_NUM("pace", 0, ARG_U32, &o.pace, "MS", 0, 10000, "with --stream: milliseconds a step stands at least, for watching"),
        OPT_NUM("candidates", 0, ARG_U32, &o.w.candidates, "N", 1, WISHES_CANDIDATES_MOST,
                "fill with seeds S, S+1, ..., side by side, until N fills differ (at most 4N), and take the likeliest (per token) of those "
                "with valid syntax"),
        SAMPLER_OPTS(&o.s),
        ENGINE_OPTS(&o.e),
        OPT("strict-context", 0, ARG_FLAG, &o.strict, NULL, "fail when the text does not fit (default: leave out what is far)"),
        OPT_END,
    };
    arg_list files = {0};
    int code = cmd_args("infill", "[OPTION...] [FILE]", "Fill the holes of FILE (default: standard input).", opts, argc, argv, 1,
                        &files);
    if (code == GO_ON) code = settle(&o);
    if (code == GO_ON) {
        const char *path = files.n ? files.v[0] : NULL;
        code = o.jsonl ? infill_jsonl(&o, path) : one_text(&o, path);
    }
    free(files.v);
    free(o.at.v);
    free(o.ranges.v);
    free(o.nodes.v);
    free(o.w.lengths);
    control_free(&o.c);
    return code;
}
