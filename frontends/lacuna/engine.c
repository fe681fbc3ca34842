/* The model and the session a command works with, and the signals that end its work. */
#include "lacuna/engine.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/lang.h"
#include "common/model_path.h"
#include "common/say.h"

#define KERNELS "ref, avx2, avx2vnni, avx512, avx512vnni, avx512bf16, neon" /* as in lacuna.h */

const char *const engine_cache_types[] = {"auto", "f32", "bf16", NULL};

static volatile sig_atomic_t caught;
static lacuna_session *volatile watched;

/* lacuna_cancel() sets a flag and is allowed from anywhere. */
static void on_signal(int sig)
{
    if (caught) _exit(128 + sig);
    caught = sig;
    if (watched) lacuna_cancel(watched);
}

int engine_signal(void)
{
    return caught;
}

static void on_log(void *ctx, lacuna_log_level level, const char *msg)
{
    (void)ctx;
    (void)level;
    say("%s", msg);
}

int engine_open_model(engine *e, const engine_options *o)
{
    buf why = {0};
    lacuna_error err;
    *e = (engine){.path = model_path(o->model, &why)};
    if (!e->path) {
        say("%s", why.p);
        buf_free(&why);
        return -1;
    }
    buf_free(&why);
    const char *kernel = getenv("LACUNA_KERNEL");
    lacuna_model_options mo = {.size = LACUNA_MODEL_INIT, .kernel = kernel && *kernel ? kernel : NULL};
    if (o->verbose) mo.log.fn = on_log;
    if (lacuna_model_open(&e->model, e->path, &mo, &err) < 0) {
        if (mo.kernel && err.code == LACUNA_E_ARG) say("$LACUNA_KERNEL: %s; there are " KERNELS, err.msg);
        else say("%s", err.msg);
        engine_close(e);
        return -1;
    }
    e->info = lacuna_model_get_info(e->model);
    if (o->verbose) say("model %s, kernel %s", e->path, e->info->kernel);
    if (o->verbose && o->context > e->info->n_context)
        say("--context %u: the model was trained with %u positions; what more than that gives is not known", (unsigned)o->context,
            (unsigned)e->info->n_context);
    return 0;
}

static uint32_t default_threads(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 4 ? 4 : (uint32_t)n; /* a small model has no work for more */
}

lacuna_session_options engine_session_options(const engine_options *o, uint32_t threads)
{
    return (lacuna_session_options){LACUNA_SESSION_INIT, .n_threads = threads, .n_context = o->context,
                                    .cache_type = (lacuna_cache_type)o->cache_type};
}

int engine_open(engine *e, const engine_options *o)
{
    lacuna_error err;
    if (engine_open_model(e, o)) return -1;
    lacuna_session_options so = engine_session_options(o, o->threads ? o->threads : default_threads());
    if (lacuna_session_open(&e->session, e->model, &so, &err) < 0) {
        say("%s", err.msg);
        engine_close(e);
        return -1;
    }
    watched = e->session;
    struct sigaction sa = {.sa_handler = on_signal};
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction old;
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(signals[i], &sa, NULL);
    }
    return 0;
}

void engine_close(engine *e)
{
    watched = NULL;
    lacuna_session_free(e->session);
    lacuna_model_free(e->model);
    free(e->path);
    *e = (engine){0};
}

int engine_tag(const engine *e, const engine_options *o, const char *path, const char *text, size_t len, const char **tag)
{
    char err[256];
    *tag = o->lang ? lang_tag(e->info, o->lang, err, sizeof err) : lang_guess(e->info, path, text, len);
    if (!o->lang || *tag) return 0;
    say("option --lang: %s", err);
    return -1;
}

int engine_failed(const lacuna_error *err)
{
    if (caught && err->code == LACUNA_E_CANCELLED) return 128 + caught;
    say("%s", err->msg);
    return 1;
}

double engine_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}
