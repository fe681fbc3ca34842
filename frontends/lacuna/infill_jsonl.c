/* lacuna infill --jsonl: one JSON object a line in, the same object with its completion out.
 *
 * The line is passed on byte for byte and the new fields are put before its closing brace, so that keys,
 * their order and every number stay what they were.  Only when the object already has a field of one of
 * the new names is it written anew. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/json.h"
#include "common/say.h"
#include "lacuna/cmd.h"
#include "lacuna/infill.h"

typedef struct {
    const infill_options *o;
    engine e;
    syntax syntax;
    hole_set hole;      /* the one, without its place */
    size_t line;        /* number of the line, from 1 */
    int failed;         /* a line was bad */
} jsonl;

/* One line of output that keeps the alignment with the input. */
static void bad_line(jsonl *j, const char *why)
{
    buf b = {0};
    say("line %zu: %s", j->line, why);
    buf_put(&b, "{");
    json_add_text(&b, "error", why, strlen(why));
    json_add_uint(&b, "line", j->line);
    buf_put(&b, "}\n");
    io_out(b.p, b.n);
    buf_free(&b);
    j->failed = 1;
}

static int has_new_fields(const json_t *o)
{
    static const char *const names[] = {"completion", "completion_bytes", "logprob", "nfe", "dropped"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_object_get(o, names[i])) return 1;
    return 0;
}

static int add_bytes(const char *s, size_t n, void *b)
{
    buf_add(b, s, n);
    return 0;
}

/* line[0, n) is the text of o; fields: `"completion":...` without braces. */
static void put_line(json_t *o, const char *line, size_t n, const buf *fields)
{
    buf b = {0};
    if (has_new_fields(o)) {
        buf_fmt(&b, "{%s}", fields->p);
        json_t *new = json_loadb(b.p, b.n, JSON_ALLOW_NUL, NULL);
        b.n = 0;
        json_object_update(o, new);
        json_decref(new);
        json_dump_callback(o, add_bytes, &b, JSON_COMPACT);
    } else {
        while (line[n - 1] != '}') n--; /* blanks behind the object */
        buf_add(&b, line, n - 1);
        buf_fmt(&b, ",%s}", fields->p);
    }
    buf_put(&b, "\n");
    io_out(b.p, b.n);
    buf_free(&b);
}

/* Returns 0, or -1 with a message; cancelled when a signal ended it. */
static int complete(jsonl *j, const json_t *o, buf *fields, char *why, size_t why_size, int *cancelled)
{
    lacuna_text prompt = {0}, suffix = {0};
    int a = json_get_text(o, "prompt", &prompt.bytes, &prompt.len, why, why_size);
    int b = a > 0 ? json_get_text(o, "suffix", &suffix.bytes, &suffix.len, why, why_size) : 0;
    if (a < 0 || b < 0) return -1;
    if (!a || !b) return snprintf(why, why_size, "%s: missing", a ? "suffix" : "prompt"), -1;
    buf text = {0};
    buf_add(&text, prompt.bytes, prompt.len);
    buf_add(&text, suffix.bytes, suffix.len);
    lacuna_text all = {text.p ? text.p : "", text.n};
    fill_job job = {all, &j->hole, .candidates = j->o->w.candidates, .lengths = j->o->w.lengths, .n_lengths = j->o->w.n_lengths};
    fill_outcome out = {0};
    lacuna_error err;
    j->hole.v[0].span = (lacuna_span){prompt.len, prompt.len};
    job.opt = j->o->s.o;
    if (engine_tag(&j->e, &j->o->e, NULL, all.bytes, all.len, &job.opt.tag)) return buf_free(&text), -1;
    int rc = infill_document(j->o, &j->syntax, NULL, all, &job.opt, &err);
    if (rc >= 0) rc = fill_run(j->e.session, &job, NULL, &out, &err);
    buf_free(&text);
    if (rc < 0) {
        fill_free(&out);
        *cancelled = err.code == LACUNA_E_CANCELLED && engine_signal();
        return infill_tell(j->o, &j->hole, &err, why, why_size), -1;
    }
    const fill_result *r = &out.v[0];
    json_add_text(fields, "completion", r->fills[0].p, r->fills[0].n);
    json_add_real(fields, "logprob", r->logprob);
    json_add_uint(fields, "nfe", r->nfe);
    if (r->dropped) json_add_uint(fields, "dropped", r->dropped);
    if (j->o->e.verbose) say("line %zu: %zu tokens in %zu passes, %.1f ms", j->line, r->tokens, r->nfe, r->ms);
    fill_free(&out);
    return 0;
}

/* GO_ON, or the exit code when a signal came. */
static int one_line(jsonl *j, const char *line, size_t n)
{
    json_error_t e;
    char why[512] = "";
    int cancelled = 0;
    while (n && strchr(" \t\r", line[n - 1]) && line[n - 1]) n--;
    if (j->line == 1 && n >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) line += 3, n -= 3; /* a byte-order mark */
    size_t blank = 0;
    while (blank < n && (line[blank] == ' ' || line[blank] == '\t')) blank++;
    if (blank == n) return GO_ON;
    json_t *o = json_loadb(line, n, JSON_ALLOW_NUL | JSON_DECODE_ANY, &e);
    if (!o) o = json_loadb(line, n, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &e); /* integers beyond 64 bits */
    if (!o) {
        buf b = {0};
        buf_fmt(&b, "not JSON: %s", e.text);
        bad_line(j, b.p);
        buf_free(&b);
        return GO_ON;
    }
    buf fields = {0};
    if (!json_is_object(o)) bad_line(j, "expected an object with prompt and suffix");
    else if (complete(j, o, &fields, why, sizeof why, &cancelled) == 0) put_line(o, line, n, &fields);
    else if (!cancelled) bad_line(j, why);
    buf_free(&fields);
    json_decref(o);
    return engine_signal() ? 128 + engine_signal() : GO_ON;
}

int infill_jsonl(infill_options *o, const char *path)
{
    jsonl j = {.o = o, .hole = holes_make(1)};
    int std = !path || !strcmp(path, "-"), code = GO_ON, r;
    const char *name = std ? "standard input" : path;
    io_lines in = {.fd = std ? 0 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)};
    if (in.fd < 0) return say("%s: %s", name, strerror(errno)), EXIT_FAILED;
    char *line;
    size_t n;
    const char *tag;
    j.hole.v[0] = infill_hole(o, (lacuna_span){0, 0});
    code = infill_controls(o, &j.hole);
    if (code == GO_ON && engine_open(&j.e, &o->e)) code = EXIT_FAILED;
    if (code == GO_ON && o->e.lang && engine_tag(&j.e, &o->e, NULL, "", 0, &tag)) code = EXIT_FAILED;
    while (code == GO_ON && (r = io_line(&in, &line, &n)) != IO_EOF) {
        j.line++;
        if (r == IO_FAILED && engine_signal()) {
            code = 128 + engine_signal();
        } else if (r == IO_FAILED) {
            say("%s: %s", name, strerror(errno));
            code = EXIT_FAILED;
        } else {
            code = one_line(&j, line, n);
        }
    }
    engine_close(&j.e);
    syntax_close(&j.syntax);
    holes_free(&j.hole);
    buf_free(&in.b);
    if (!std) close(in.fd);
    return code != GO_ON ? code : j.failed ? EXIT_FAILED : EXIT_DONE;
}
