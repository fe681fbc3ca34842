/* A run of training: text in, a state and a model out, and what is told in between. */
#include "lacuna/train.h"

#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef LAC_MPI
#include <mpi.h>
#endif

#include "common/io.h"
#include "common/json.h"
#include "common/model_path.h"
#include "common/say.h"
#include "common/term.h"
#include "lacuna/cmd.h"
#include "lacuna/engine.h"
#include "lacuna/gather.h"
#include "lacuna/progress.h"
#include "lacuna/run_files.h"

typedef struct {
    train_settings *o;
    lacuna_model *base;
    lacuna_corpus *corpus, *held; /* held: NULL where nothing is held out */
    lacuna_trainer *t;
    int rank, ranks;
    run_files files;
    progress line;
    int json;                     /* lines go to standard output */
    uint64_t step;                /* steps done */
    int unsaved;                  /* the state at the end could not be written */
    lacuna_train_report last;     /* what was logged last */
    double logged, saved, began;  /* ms: when */
    uint64_t first, entries;      /* steps and entries this run began with */
    int broken;                   /* standard output takes no more: errno */
} job;

enum { STOPPED = -2 }; /* beside GO_ON and the exit codes: the user wants no more */

/* What a signal finds: how many came before it, and what it interrupts. */
static volatile sig_atomic_t caught, stepping, measuring, telling;
static lacuna_trainer *volatile running;

/* The first lets the step be finished, for measuring it does not wait; the second gives the step up, the third does what
 * it does without us. */
static void on_signal(int sig)
{
    static const char finishing[] = "\r\033[Kfinishing this step (again: stop now)";
    int before = errno;
    caught++;
    if (caught > 2) signal(sig, SIG_DFL), raise(sig);
    else if (measuring || caught == 2) lacuna_train_cancel(running);
    else if (stepping && telling && write(2, finishing, sizeof finishing - 1) < 0) telling = 0;
    errno = before;
}

static void catch_signals(const job *j)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    running = j->t;
    telling = j->line.on;
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

/* ---- ranks: the program joins and leaves, the library only asks ---- */

static void join_ranks(void)
{
#ifdef LAC_MPI
    int yes = 0;
    MPI_Initialized(&yes);
    if (!yes) MPI_Init(NULL, NULL);
#endif
}

/* A rank that fails takes the others with it: they would wait for it for ever. */
static int leave_ranks(const job *j, int code)
{
#ifdef LAC_MPI
    if (code != EXIT_DONE && j->ranks > 1) MPI_Abort(MPI_COMM_WORLD, code);
    MPI_Finalize();
#endif
    (void)j;
    return code;
}

/* What all ranks must do alike: stop when one is to, and have the steps that rank 0's clock says. */
static void agree(const job *j, int *stop, uint64_t *steps)
{
#ifdef LAC_MPI
    if (j->ranks < 2) return;
    int any = *stop;
    MPI_Allreduce(&any, stop, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    MPI_Bcast(steps, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
#endif
    (void)j, (void)stop, (void)steps;
}

/* ---- what is told ---- */

static int failed(job *j, const lacuna_error *err)
{
    progress_clear(&j->line);
    say("%s", err->msg);
    return EXIT_FAILED;
}

/* A line of JSON.  Who closes the pipe ends the run as a signal would, with a checkpoint. */
static void put_line(job *j, buf *b)
{
    buf_put(b, "}\n");
    if (!j->rank && j->json && !j->broken && io_write(1, b->p, b->n)) j->broken = errno;
    buf_free(b);
}

static void put_losses(buf *b, const lacuna_train_report *rep)
{
    static const char *const part[] = {"slots", "diffusion", "sequential", "next"};
    json_add_real(b, "loss", rep->loss);
    json_key(b, "parts");
    buf_put(b, "{");
    for (int p = 0; p < 4; p++)
        if (!isnan(rep->part[p])) json_add_real(b, part[p], rep->part[p]);
    buf_put(b, "}");
    json_add_real(b, "bits_per_byte", rep->bits_per_byte);
}

/* A word as a shell reads it. */
static void put_word(buf *b, const char *option, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=./,:@%";
    buf_fmt(b, " %s ", option);
    int quoted = !*word || word[strspn(word, plain)];
    if (quoted) buf_put(b, "'");
    for (; *word; word++)
        if (*word == '\'') buf_put(b, "'\\''");
        else buf_add(b, word, 1);
    if (quoted) buf_put(b, "'");
}

/* The command that goes on with this run, with what the state does not hold. */
static void put_command(buf *b, const job *j)
{
    const train_settings *o = j->o;
    buf_put(b, "lacuna train");
    put_word(b, "--resume", j->files.state);
    for (size_t i = 0; i < o->data.n; i++) put_word(b, "--data", o->data.v[i]);
    for (size_t i = 0; i < o->held.n; i++) put_word(b, "--held-out", o->held.v[i]);
    if (o->type) put_word(b, "--type", o->type);
    if (o->name) put_word(b, "--name", o->name);
    if (o->license) put_word(b, "--license", o->license);
    /* too early a stop for the time to have become steps */
    if (o->minutes > 0 && !lacuna_train_get_options(j->t)->steps) buf_fmt(b, " --minutes %g", o->minutes);
}

/* Seconds to the end at the speed of this run; before that is known those that were asked for; NaN without an end. */
static double seconds_left(const job *j, const lacuna_train_report *rep)
{
    uint64_t steps = lacuna_train_get_options(j->t)->steps;
    if (!steps && j->o->minutes > 0) return j->o->minutes * 60 - (engine_ms() - j->began) / 1000;
    if (!steps || rep->step <= j->first) return NAN;
    return (engine_ms() - j->began) / 1000 / (double)(rep->step - j->first) * (double)(steps - rep->step);
}

static void show(const job *j, const lacuna_train_report *rep)
{
    double speed = (double)(rep->entries - j->entries) / (engine_ms() - j->began) * 1000;
    progress_step(&j->line, rep->step, lacuna_train_get_options(j->t)->steps, speed, seconds_left(j, rep));
}

/* Log a step; speeds are those since the last line. */
static void log_step(job *j, const lacuna_train_report *rep, double flops)
{
    double now = engine_ms(), s = (now - j->logged) / 1000;
    double speed = (double)(rep->entries - j->last.entries) / s;
    buf b = {0};
    buf_put(&b, "{");
    json_add_uint(&b, "step", rep->step);
    put_losses(&b, rep);
    json_add_uint(&b, "examples", rep->examples);
    json_add_uint(&b, "epoch", rep->epoch);
    json_add_real(&b, "tokens_per_second", speed);
    json_add_real(&b, "flops_per_second", flops / s);
    json_add_real(&b, "grad_norm", rep->grad_norm);
    json_add_real(&b, "rate", rep->rate);
    json_add_real(&b, "eta_seconds", seconds_left(j, rep));
    put_line(j, &b);
    j->last = *rep;
    j->logged = now;
}

/* Held-out loss, told, and kept in *rep (NaN where nothing is held out).  EXIT_DONE, STOPPED, EXIT_FAILED. */
static int measure(job *j, const char *when, lacuna_train_report *rep)
{
    lacuna_error err;
    rep->loss = rep->bits_per_byte = NAN;
    if (!j->held) return EXIT_DONE;
    progress_note(&j->line, "measuring on the held-out text");
    measuring = 1;
    if (caught) lacuna_train_cancel(j->t);
    int r = lacuna_train_eval(j->t, j->held, j->o->held_examples, rep, &err);
    measuring = 0;
    if (r == LACUNA_E_CANCELLED) return progress_clear(&j->line), STOPPED;
    if (r < 0) return failed(j, &err);
    buf b = {0};
    buf_put(&b, "{");
    json_add_name(&b, "held_out", when);
    json_add_uint(&b, "step", rep->step);
    put_losses(&b, rep);
    json_add_uint(&b, "examples", rep->examples);
    json_add_uint(&b, "targets", rep->targets);
    put_line(j, &b);
    progress_clear(&j->line);
    if (j->rank) return EXIT_DONE;
    char bits[48] = "";
    if (!isnan(rep->bits_per_byte)) snprintf(bits, sizeof bits, "%.3f bits a byte, ", rep->bits_per_byte);
    say("held out, %s: %sloss %.4f over %llu tokens", when, bits, rep->loss, (unsigned long long)rep->targets);
    return EXIT_DONE;
}

/* ---- the run ---- */

static int save(job *j)
{
    lacuna_error err;
    j->saved = engine_ms();
    return lacuna_train_save(j->t, j->files.state, &err) < 0 ? failed(j, &err) : EXIT_DONE;
}

/* --minutes as a number of steps: what the time is enough for at the speed so far, as long as the rate does not fall
 * yet (lacuna_train_set_steps). */
static uint64_t steps_for_time(const job *j, uint64_t step, uint64_t now)
{
    enum { ENOUGH = 5 }; /* steps to know the speed by */
    double cool = lacuna_train_get_options(j->t)->cool, share = cool > 0 ? 1 - cool : 1;
    uint64_t done = step - j->first;
    if (done < ENOUGH || (now && (double)step >= share * (double)now)) return now;
    uint64_t all = j->first + (uint64_t)(j->o->minutes * 60e3 / ((engine_ms() - j->began) / (double)done));
    return all > step ? all : step;
}

/* GO_ON when all steps are done, or STOPPED; the state is then saved if it could be.  Else the exit code. */
static int run(job *j)
{
    lacuna_train_report rep;
    lacuna_error err;
    double flops = 0;
    int r = 0, stop;
    uint64_t steps = j->o->minutes > 0 ? 0 : lacuna_train_get_options(j->t)->steps;
    lacuna_train_get_report(j->t, &rep);
    j->last = rep;
    j->first = rep.step;
    j->entries = rep.entries;
    j->line.bits = NAN;
    j->began = j->logged = engine_ms();
    show(j, &rep);
    stepping = 1;
    for (;;) {
        stop = caught || j->broken;
        if (j->o->minutes > 0) steps = steps_for_time(j, rep.step, steps);
        agree(j, &stop, &steps);
        lacuna_train_set_steps(j->t, steps);
        r = stop ? 0 : lacuna_train_step(j->t, &rep, &err);
        if (r == LACUNA_E_CANCELLED) stop = 1;
        if (r <= 0) break;
        j->step = rep.step;
        flops += rep.flops;
        progress_add(&j->line, &rep);
        show(j, &rep);
        if (rep.step % j->o->log_every == 0) log_step(j, &rep, flops), flops = 0;
        if (engine_ms() - j->saved >= j->o->save_every * 60e3 && save(j) && !j->rank)
            say("the run goes on; the next attempt to save is in %g minutes", j->o->save_every);
    }
    stepping = 0;
    if (rep.step != j->last.step) log_step(j, &rep, flops);
    progress_clear(&j->line);
    if (r < 0 && !stop) return failed(j, &err);
    j->unsaved = save(j);
    return stop ? STOPPED : GO_ON;
}

static int write_model(job *j)
{
    lacuna_error err;
    const train_settings *o = j->o;
    progress_note(&j->line, "writing the model");
    int r = lacuna_train_export(j->t, j->files.model, o->type, o->name, o->license, &err);
    progress_clear(&j->line);
    return r < 0 ? failed(j, &err) : EXIT_DONE;
}

/* After a stop that was asked for: the model as it is by now, and the command that goes on. */
static int stopped(job *j)
{
    int code = j->step ? write_model(j) : EXIT_DONE;
    buf b = {0};
    buf_fmt(&b, "stopped at step %llu", (unsigned long long)j->step);
    if (j->step && code == EXIT_DONE) buf_fmt(&b, ": %s is usable", j->files.model);
    if (!j->unsaved) {
        buf_put(&b, "; go on with: ");
        put_command(&b, j);
    }
    if (j->broken && j->broken != EPIPE && !j->rank) say("standard output: %s", strerror(j->broken));
    if (!j->rank) say("%s", b.p);
    buf_free(&b);
    return code || j->unsaved || (j->broken && j->broken != EPIPE) ? EXIT_FAILED : EXIT_DONE;
}

static void tell_worse(const lacuna_train_report *before, const lacuna_train_report *after)
{
    int bits = !isnan(after->bits_per_byte);
    double was = bits ? before->bits_per_byte : before->loss, is = bits ? after->bits_per_byte : after->loss;
    if (is > was)
        say("held out got worse: %s %.4f before, %.4f after; more text, or less training, may help",
            bits ? "bits a byte" : "loss", was, is);
}

/* How a model is used depends on what it learnt. */
static void tell_ready(const job *j)
{
    const char *objective = lacuna_train_get_options(j->t)->objective;
    const char *model = j->files.model, *here = strchr(model, '/') ? "" : "./";
    if (!strcmp(objective, "infill") || !strncmp(objective, "eso-", 4))
        say("%s is ready: lacuna infill -m %s%s FILE", model, here, model);
    else
        say("%s is ready; what it learnt with the objective %s is not what lacuna infill asks of a model", model, objective);
}

static void put_done(job *j, const lacuna_train_report *before, const lacuna_train_report *after)
{
    buf b = {0};
    buf_put(&b, "{");
    json_add_bool(&b, "done", 1);
    json_add_uint(&b, "step", j->step);
    json_add_name(&b, "model", j->files.model);
    json_add_name(&b, "state", j->files.state);
    if (before) {
        json_add_real(&b, "bits_per_byte_before", before->bits_per_byte);
        json_add_real(&b, "bits_per_byte_after", after->bits_per_byte);
    }
    put_line(j, &b);
}

/* A run with nothing left to do: the model of its state, should it be missing. */
static int all_done(job *j)
{
    progress_clear(&j->line);
    if (!j->rank)
        say("the run has all its %llu steps: give --steps or --minutes to go on", (unsigned long long)j->step);
    if (save(j) || write_model(j)) return EXIT_FAILED;
    put_done(j, NULL, NULL);
    if (!j->rank) tell_ready(j);
    return EXIT_DONE;
}

/* All steps are done. */
static int finish(job *j, const lacuna_train_report *before)
{
    lacuna_train_report after;
    int code = measure(j, "after", &after);
    if (code == STOPPED) return code;
    if (write_model(j) || code) return EXIT_FAILED;
    if (j->rank) return EXIT_DONE;
    put_done(j, j->held ? before : NULL, &after);
    tell_worse(before, &after);
    tell_ready(j);
    return j->unsaved ? EXIT_FAILED : EXIT_DONE;
}

/* ---- before the run ---- */

static int open_corpora(job *j)
{
    train_settings *o = j->o;
    const arg_list *paths = o->data.n ? &o->data : &o->held;
    lacuna_error err;
    buf what = {0};
    int r = 0;
    if (j->line.on) say(paths->n > 1 ? "reading %s and %zu more" : "reading %s", paths->v[0], paths->n - 1);
    if (o->base) {
        char *path = model_path(strcmp(o->base, "default") ? o->base : NULL, &what);
        if (!path) return say("%s", what.p), buf_free(&what), EXIT_FAILED;
        r = lacuna_model_open(&j->base, path,
                              &(lacuna_model_options){.size = LACUNA_MODEL_INIT, .kernel = o->to.kernel}, &err);
        free(path);
    }
    for (int i = 0; i < 2 && r >= 0; i++) {
        lacuna_corpus **c = i ? &j->held : &j->corpus;
        r = j->base        ? lacuna_corpus_open(c, j->base, &err)
            : o->tokenizer ? lacuna_corpus_open_tokenizer(c, o->tokenizer, &err)
                           : lacuna_corpus_open_state(c, o->to.resume, &err);
    }
    if (r < 0) return failed(j, &err);
    r = gather(j->corpus, o->held.n || o->shard ? NULL : j->held, &o->data, &what);
    if (!r && !j->rank && o->data.n)
        say("%s; %llu tokens", what.p, (unsigned long long)lacuna_corpus_tokens(j->corpus));
    buf_free(&what);
    if (!r && o->held.n && !(r = gather(j->held, NULL, &o->held, &what)) && !j->rank)
        say("held out: %s; %llu tokens", what.p, (unsigned long long)lacuna_corpus_tokens(j->held));
    buf_free(&what);
    if (!r && !lacuna_corpus_tokens(j->held)) lacuna_corpus_free(j->held), j->held = NULL;
    return r ? EXIT_FAILED : EXIT_DONE;
}

/* Nothing that took hours is replaced by mistake. */
static int name_files(job *j)
{
    const char *resume = j->o->to.resume;
    run_files_name(&j->files, j->o->out, resume);
    char *lost = j->o->force ? NULL : run_files_lost(&j->files, resume);
    if (!lost) return EXIT_DONE;
    if (!j->rank) say("%s", lost);
    free(lost);
    return EXIT_FAILED;
}

/* Where a state was refused for the text alone, there is a way. */
static void tell_new_corpus(const lacuna_corpus *c, const lacuna_train_options *to)
{
    lacuna_train_options other = *to;
    lacuna_trainer *t;
    other.new_corpus = 1;
    if (lacuna_train_open(&t, c, &other, NULL) < 0) return;
    lacuna_train_free(t);
    say("--new-corpus goes on with another text than before");
}

static int open_trainer(job *j)
{
    lacuna_train_options *to = &j->o->to;
    lacuna_error err;
    to->base = j->base;
    to->new_corpus = j->o->new_corpus || j->o->eval;
    if (!to->threads) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        to->threads = n > 1 ? (uint32_t)n : 1;
    }
    /* Gentle steps, that what is known be not forgotten.  On this project's code, 50 steps of 8 examples took held-out
     * bits a byte from 2.097 to 1.982 with 3e-4 and 2e-3, 1.937 with these, 1.916 with 1.5e-3 and 1e-2, 1.951 with the
     * rates of a new network. */
    if (to->base) {
        if (to->lr == 0) to->lr = 1e-3;
        if (to->lr_muon == 0) to->lr_muon = 6e-3;
        if (!to->warmup) to->warmup = 10;
        if (!to->steps && !j->o->minutes) j->o->minutes = 5;
    }
    const lacuna_corpus *c = j->o->eval ? j->held : j->corpus;
    progress_note(&j->line, "setting up");
    int r = lacuna_train_open(&j->t, c, to, &err);
    if (r < 0) failed(j, &err);
    if (r == LACUNA_E_ARG && to->resume && !to->new_corpus) tell_new_corpus(c, to);
    if (r < 0) return EXIT_FAILED;
    lacuna_train_report rep;
    lacuna_train_get_report(j->t, &rep);
    j->step = rep.step;
    return EXIT_DONE;
}

static int write_shard(job *j)
{
    lacuna_error err;
    if (lacuna_corpus_save(j->corpus, j->o->shard, j->o->to.seed, &err) < 0) return failed(j, &err);
    say("%s: %llu documents", j->o->shard, (unsigned long long)lacuna_corpus_documents(j->corpus));
    return EXIT_DONE;
}

static int train(job *j)
{
    lacuna_train_report before;
    int code = j->o->eval || j->o->shard ? EXIT_DONE : name_files(j);
    if (code == EXIT_DONE) code = open_corpora(j);
    if (code == EXIT_DONE && j->o->shard) return j->rank ? EXIT_DONE : write_shard(j);
    if (code == EXIT_DONE && j->o->eval && !j->held) return say("there is no held-out text to measure on"), EXIT_FAILED;
    if (code == EXIT_DONE) code = open_trainer(j);
    if (code == EXIT_DONE && j->o->eval) return measure(j, "now", &before);
    if (code == EXIT_DONE && run_files_make(&j->files)) code = EXIT_FAILED;
    if (code == EXIT_DONE) catch_signals(j);
    if (code != EXIT_DONE) return code;
    uint64_t steps = lacuna_train_get_options(j->t)->steps;
    if (j->o->to.resume && steps && j->step >= steps && !(j->o->minutes > 0)) return all_done(j);
    /* at once, so that a path that cannot be written is known before the work and not after it */
    code = save(j);
    if (code == EXIT_DONE) code = measure(j, "before", &before);
    if (code == EXIT_DONE) code = run(j);
    if (code == GO_ON) code = finish(j, &before);
    return code == STOPPED ? stopped(j) : code;
}

int train_run(train_settings *o)
{
    openblas_set_num_threads(1); /* the trainer has threads of its own (lacuna_train.h) */
    join_ranks();
    job j = {.o = o, .json = !isatty(1), .line.on = term_look(2).moves};
    lacuna_train_ranks(&j.rank, &j.ranks);
    if (j.ranks > 1) j.json = 1, j.line.on = 0; /* mpirun gives its children terminals that nobody sees */
    int code = train(&j);
    if (j.broken && j.broken != EPIPE && code == EXIT_DONE) code = EXIT_FAILED;
    lacuna_train_free(j.t);
    lacuna_corpus_free(j.corpus);
    lacuna_corpus_free(j.held);
    lacuna_model_free(j.base);
    run_files_free(&j.files);
    return leave_ranks(&j, code);
}
