/* The model and the session a command works with, and the signals that end its work.
 *
 * SIGINT, SIGTERM and SIGHUP cancel what runs through lacuna_cancel(), so that the command can leave the
 * terminal in order; a second one ends the process at once. */
#ifndef LACUNA_ENGINE_H
#define LACUNA_ENGINE_H

#include "common/args.h"
#include "lacuna.h"

typedef struct {
    const char *model;          /* -m or NULL */
    const char *lang;           /* --lang or NULL */
    uint32_t threads;           /* 0: as many as there are CPUs, at most 4 */
    uint32_t context;           /* positions; 0: the model's */
    int cache_type;             /* a lacuna_cache_type */
    int verbose;
} engine_options;

extern const char *const engine_cache_types[]; /* names of lacuna_cache_type */

#define CACHE_OPT(e)                                                                                           \
    OPT_ONE_OF("cache-type", &(e)->cache_type, "TYPE", engine_cache_types,                                     \
               "of cached keys and values: auto (f32 for F32 weights, else bf16), f32 or bf16", NULL)

#define ENGINE_OPTS(e)                                                                                         \
    OPT_HEAD("model"),                                                                                         \
    OPT("model", 'm', ARG_TEXT, &(e)->model, "MODEL", "model file, or the name of an installed model"),        \
    OPT_NUM("threads", 0, ARG_U32, &(e)->threads, "N", 1, 256, "threads; the result does not depend on it"),  \
    OPT_NUM("context", 0, ARG_U32, &(e)->context, "N", 1, 4294967295.0, "positions to allow (default: the model's)"), \
    CACHE_OPT(e),                                                                                              \
    OPT("lang", 0, ARG_TEXT, &(e)->lang, "TAG", "kind of text, one of the model's tags (default: a guess)"),   \
    OPT("verbose", 'v', ARG_FLAG, &(e)->verbose, NULL, "say on standard error what is done")

typedef struct {
    lacuna_model *model;
    const lacuna_model_info *info;
    lacuna_session *session;
    char *path;
} engine;

/* Of a session with so many threads. */
lacuna_session_options engine_session_options(const engine_options *o, uint32_t threads);

/* Both say what failed and return -1. */
int engine_open_model(engine *e, const engine_options *o);
int engine_open(engine *e, const engine_options *o); /* model, session and signals */
void engine_close(engine *e);

/* The tag for a text by --lang, else by a guess (NULL: none).  -1: --lang names none (said). */
int engine_tag(const engine *e, const engine_options *o, const char *path, const char *text, size_t len, const char **tag);

/* The signal that asked to stop, or 0. */
int engine_signal(void);

/* Say the library's error and return the exit code: 1, or 128 + signal (silently) when that cancelled it. */
int engine_failed(const lacuna_error *err);

/* Milliseconds of a clock that only goes forward. */
double engine_ms(void);

#endif
