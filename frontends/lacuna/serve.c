/* lacuna serve --stdio: JSON-RPC 2.0, one message a line.
 *
 *     stdin --reader (main thread)--> queue --workers, a session each--> outbox --writer--> stdout
 *
 * The reader never runs the network and the workers never write: a request that takes long, or a client
 * that reads slowly, holds up nobody else.  A job is in `jobs` from when its line was read until just
 * before its reply is queued; everything in it that another thread may look at is under the lock. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/json.h"
#include "common/rpc.h"
#include "common/say.h"
#include "lacuna/answer.h"
#include "lacuna/cmd.h"
#include "lacuna/engine.h"
#include "lacuna/outbox.h"
#include "lacuna/report.h"

enum {
    LINE_MAX_BYTES = 64 << 20,
    JOBS_MAX = 1024             /* requests that may be in flight */
};
#define JOBS_MAX_BYTES ((size_t)512 << 20) /* and the bytes of their lines */

typedef struct job {
    struct job *next;
    answer_request q;
    size_t bytes;               /* of the line */
    int taken;                  /* a worker has it */
    int cancelled;
    lacuna_session *session;    /* of that worker */
} job;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t change;      /* a job came or ended, or the server closes */
    job *jobs;                  /* in flight, oldest first */
    size_t n_jobs, bytes;
    int closing;
    outbox out;
    engine e;
} server;

typedef struct {
    server *s;
    answer_desk desk;
    pthread_t thread;
} worker;

/* ---- jobs ---------------------------------------------------------------------------------- */

static void free_job(job *j)
{
    answer_free(&j->q);
    free(j);
}

/* Take j out of the list; the lock is held. */
static void forget(server *s, job *j)
{
    job **p = &s->jobs;
    while (*p != j) p = &(*p)->next;
    *p = j->next;
    s->n_jobs--;
    s->bytes -= j->bytes;
    pthread_cond_broadcast(&s->change);
}

static int is_cancelled(server *s, const job *j)
{
    pthread_mutex_lock(&s->lock);
    int c = j->cancelled;
    pthread_mutex_unlock(&s->lock);
    return c;
}

static int rpc_code(int code)
{
    switch (code) {
    case LACUNA_E_CANCELLED: return RPC_CANCELLED;
    case LACUNA_E_ARG:
    case LACUNA_E_LIMIT:
    case LACUNA_E_CONSTRAINT: return RPC_PARAMS;
    default: return RPC_INTERNAL;
    }
}

/* A cancel that comes just as its request ends may hit the next request of the session, in its first
 * pass: nothing of that was sent yet, so it is run again. */
static void work_on(worker *w, job *j)
{
    server *s = w->s;
    lacuna_error err = {0};
    buf reply = {0};
    int rc;
    rpc_begin_result(&reply, j->q.rpc.id);
    do {
        rc = is_cancelled(s, j) ? LACUNA_E_CANCELLED : answer(&w->desk, &j->q, &reply, &err);
    } while (rc == LACUNA_E_CANCELLED && !is_cancelled(s, j));
    rpc_end(&reply);
    pthread_mutex_lock(&s->lock);
    if (j->cancelled) rc = LACUNA_E_CANCELLED;
    forget(s, j);
    pthread_mutex_unlock(&s->lock);
    if (rc < 0) {
        reply.n = 0;
        if (rc == LACUNA_E_CANCELLED) rpc_put_error(&reply, j->q.rpc.id, RPC_CANCELLED, "cancelled", NULL);
        else rpc_put_error(&reply, j->q.rpc.id, rpc_code(rc), err.msg, &err);
    }
    outbox_put(&s->out, &reply, NULL);
    free_job(j);
}

static void *work(void *arg)
{
    worker *w = arg;
    server *s = w->s;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        job *j = s->jobs;
        while (j && j->taken) j = j->next;
        if (j) {
            j->taken = 1;
            j->session = w->desk.session;
            pthread_mutex_unlock(&s->lock);
            work_on(w, j);
            pthread_mutex_lock(&s->lock);
        } else if (s->closing) {
            break;
        } else {
            pthread_cond_wait(&s->change, &s->lock);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- requests ------------------------------------------------------------------------------ */

static void put_error(server *s, const json_t *id, int code, const char *message)
{
    buf b = {0};
    rpc_put_error(&b, id, code, message, NULL);
    outbox_put(&s->out, &b, NULL);
}

static void cancel_job(job *j) /* the lock is held */
{
    j->cancelled = 1;
    if (j->taken) lacuna_cancel(j->session);
}

static void do_cancel(server *s, const rpc_request *r)
{
    char err[256];
    const json_t *id;
    int found = 0, code = rpc_cancel(r->params, &id, err, sizeof err);
    if (code) {
        if (r->id) put_error(s, r->id, code, err);
        return;
    }
    pthread_mutex_lock(&s->lock);
    for (job *j = s->jobs; j; j = j->next) {
        if (!json_equal(j->q.rpc.id, id)) continue;
        cancel_job(j);
        found = 1;
    }
    pthread_mutex_unlock(&s->lock);
    if (!r->id) return;
    buf b = {0};
    rpc_begin_result(&b, r->id);
    buf_put(&b, found ? "{\"cancelled\":true}" : "{\"cancelled\":false}");
    rpc_end(&b);
    outbox_put(&s->out, &b, NULL);
}

static void do_info(server *s, const rpc_request *r)
{
    buf b = {0};
    if (!r->id) return;
    rpc_begin_result(&b, r->id);
    buf_put(&b, "{");
    report_info(&b, s->e.path, s->e.info);
    buf_put(&b, "}");
    rpc_end(&b);
    outbox_put(&s->out, &b, NULL);
}

/* Queue a request for the workers; takes what r holds. */
static void do_job(server *s, rpc_request *r, answer_kind kind, size_t bytes)
{
    char err[256] = "";
    job *j = xalloc(1, sizeof *j);
    *j = (job){.q = {.rpc = *r, .kind = kind}, .bytes = bytes};
    *r = (rpc_request){0};
    int code = answer_read(&j->q, err, sizeof err);
    pthread_mutex_lock(&s->lock);
    job **end = &s->jobs;
    for (; *end; end = &(*end)->next)
        if (!code && json_equal((*end)->q.rpc.id, j->q.rpc.id)) {
            strcpy(err, "id: a request of this id is in flight");
            code = RPC_INVALID;
        }
    if (!code && (s->n_jobs >= JOBS_MAX || s->bytes + bytes > JOBS_MAX_BYTES)) {
        strcpy(err, "too many requests in flight");
        code = RPC_FAILED;
    }
    if (!code) {
        *end = j;
        s->n_jobs++;
        s->bytes += bytes;
        pthread_cond_broadcast(&s->change);
    }
    pthread_mutex_unlock(&s->lock);
    if (!code) return;
    put_error(s, j->q.rpc.id, code, err);
    free_job(j);
}

static void one_line(server *s, const char *line, size_t n)
{
    char err[256];
    rpc_request r;
    int code;
    size_t blank = 0;
    while (blank < n && (line[blank] == ' ' || line[blank] == '\t' || line[blank] == '\r')) blank++;
    if (blank == n) return;
    if ((code = rpc_parse(line, n, &r, err, sizeof err))) {
        put_error(s, r.id, code, err);
    } else if (!strcmp(r.method, "cancel") || !strcmp(r.method, "$/cancelRequest")) {
        do_cancel(s, &r);
    } else if (!strcmp(r.method, "info")) {
        do_info(s, &r);
    } else if (!r.id) {
        ; /* a notification gets no answer, so there is nothing to work out */
    } else if (!strcmp(r.method, "infill")) {
        do_job(s, &r, ANSWER_INFILL, n);
    } else if (!strcmp(r.method, "score")) {
        do_job(s, &r, ANSWER_SCORE, n);
    } else if (!strcmp(r.method, "rank")) {
        do_job(s, &r, ANSWER_RANK, n);
    } else {
        put_error(s, r.id, RPC_METHOD, "no such method; there are infill, score, rank, info and cancel");
    }
    rpc_free(&r);
}

/* Read requests to the end of input.  The exit code. */
static int read_requests(server *s)
{
    io_lines in = {.fd = 0, .max = LINE_MAX_BYTES};
    char *line;
    size_t n;
    int r;
    while ((r = io_line(&in, &line, &n)) > 0) {
        if (r == IO_LINE) one_line(s, line, n);
        else put_error(s, NULL, RPC_INVALID, "the line is longer than 64 MiB");
        outbox_wait(&s->out);
    }
    if (r == IO_FAILED) say("standard input: %s", strerror(errno));
    buf_free(&in.b);
    return r == IO_FAILED ? EXIT_FAILED : EXIT_DONE;
}

/* Let the jobs end, or cancel them; then end the workers. */
static void close_server(server *s, int cancel)
{
    pthread_mutex_lock(&s->lock);
    for (job *j = s->jobs; j && cancel; j = j->next) cancel_job(j);
    s->closing = 1;
    pthread_cond_broadcast(&s->change);
    pthread_mutex_unlock(&s->lock);
}

static int serve(const engine_options *o, uint32_t n_workers, int cancel_at_eof)
{
    server s = {.n_jobs = 0};
    lacuna_error err;
    lacuna_session_options so = engine_session_options(o, o->threads ? o->threads : 1);
    worker *w = xalloc(n_workers, sizeof *w);
    uint32_t running = 0;
    int code = EXIT_FAILED, e;
    if (engine_open_model(&s.e, o)) return free(w), EXIT_FAILED;
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.change, NULL);
    if ((e = outbox_open(&s.out))) {
        say("cannot start a thread: %s", strerror(e));
        free(w);
        return engine_close(&s.e), EXIT_FAILED;
    }
    for (; running < n_workers; running++) {
        w[running].s = &s;
        w[running].desk = (answer_desk){.e = &s.e, .out = &s.out};
        if (lacuna_session_open(&w[running].desk.session, s.e.model, &so, &err) < 0) {
            say("%s", err.msg);
            break;
        }
        if ((e = pthread_create(&w[running].thread, NULL, work, &w[running]))) {
            say("cannot start a thread: %s", strerror(e));
            lacuna_session_free(w[running].desk.session);
            break;
        }
    }
    if (running == n_workers) code = read_requests(&s);
    close_server(&s, cancel_at_eof);
    for (uint32_t i = 0; i < running; i++) pthread_join(w[i].thread, NULL);
    for (uint32_t i = 0; i < running; i++) lacuna_session_free(w[i].desk.session), syntax_close(&w[i].desk.syntax);
    outbox_close(&s.out);
    pthread_mutex_destroy(&s.lock);
    pthread_cond_destroy(&s.change);
    engine_close(&s.e);
    free(w);
    return code;
}

int cmd_serve(int argc, char **argv)
{
    static const char *const endings[] = {"finish", "cancel", NULL};
    engine_options e = {0};
    uint32_t workers = 2;
    int stdio = 0, at_eof = 0;
    const arg_opt opts[] = {
        OPT("stdio", 0, ARG_FLAG, &stdio, NULL, "talk on standard input and output (needed)"),
        OPT_NUM("workers", 0, ARG_U32, &workers, "N", 1, 256, "requests worked on at the same time (default 2)"),
        OPT_ONE_OF("at-eof", &at_eof, "WHAT", endings, "finish (default) or cancel what is in flight when input ends", NULL),
        OPT_HEAD("model"),
        OPT("model", 'm', ARG_TEXT, &e.model, "MODEL", "model file, or the name of an installed model"),
        OPT_NUM("threads", 0, ARG_U32, &e.threads, "N", 1, 256, "threads of each worker (default 1)"),
        OPT_NUM("context", 0, ARG_U32, &e.context, "N", 1, 4294967295.0, "positions to allow (default: the model's)"),
        CACHE_OPT(&e),
        OPT("verbose", 'v', ARG_FLAG, &e.verbose, NULL, "say on standard error what is done"),
        OPT_END,
    };
    arg_list files = {0};
    int code = cmd_args("serve", "--stdio [OPTION...]", "Answer JSON-RPC 2.0 requests, one a line: infill, score, rank, info, cancel.",
                        opts, argc, argv, 0, &files);
    free(files.v);
    if (code == GO_ON && !stdio) code = cmd_usage("serve", "option --stdio is missing (it is the only way to talk so far)");
    return code != GO_ON ? code : serve(&e, workers, at_eof);
}
