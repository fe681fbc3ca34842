/* lacuna train: train a network, or fit a model to texts of one's own. */
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
    lacuna_train_options to;
    arg_list data, held;
    const char *base, *tokenizer, *out, *type, *name, *license, *shard;
    double minutes, save_every;
    uint32_t log_every;
    uint64_t held_examples;
    int eval, new_corpus, force;
} settings;

typedef struct {
    settings *o;
    lacuna_model *base;
    lacuna_corpus *corpus, *held; /* held: NULL where nothing is held out */
    lacuna_trainer *t;
    int rank, ranks;
    run_files to;
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
    const settings *o = j->o;
    buf_put(b, "lacuna train");
    put_word(b, "--resume", j->to.state);
    for (size_t i = 0; i < o->data.n; i++) put_word(b, "--data", o->data.v[i]);
    for (size_t i = 0; i < o->held.n; i++) put_word(b, "--held-out", o->held.v[i]);
    if (o->type) put_word(b, "--type", o->type);
    if (o->name) put_word(b, "--name", o->name);
    if (o->license) put_word(b, "--license", o->license);
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
    return lacuna_train_save(j->t, j->to.state, &err) < 0 ? failed(j, &err) : EXIT_DONE;
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
    const settings *o = j->o;
    progress_note(&j->line, "writing the model");
    int r = lacuna_train_export(j->t, j->to.model, o->type, o->name, o->license, &err);
    progress_clear(&j->line);
    return r < 0 ? failed(j, &err) : EXIT_DONE;
}

/* After a stop that was asked for: the model as it is by now, and the command that goes on. */
static int stopped(job *j)
{
    int code = j->step ? write_model(j) : EXIT_DONE;
    buf b = {0};
    buf_fmt(&b, "stopped at step %llu", (unsigned long long)j->step);
    if (j->step && code == EXIT_DONE) buf_fmt(&b, ": %s is usable", j->to.model);
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
    const char *model = j->to.model, *here = strchr(model, '/') ? "" : "./";
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
    json_add_name(&b, "model", j->to.model);
    json_add_name(&b, "state", j->to.state);
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
    settings *o = j->o;
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
    run_files_name(&j->to, j->o->out, resume);
    char *lost = j->o->force ? NULL : run_files_lost(&j->to, resume);
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
    if (code == EXIT_DONE && run_files_make(&j->to)) code = EXIT_FAILED;
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

/* ---- the command line ---- */

/* Numbers whose zero is not their default are NaN until given; 0 then means none, which the library wants negative. */
static double *const *unset(lacuna_train_options *to, double **list)
{
    double *all[] = {&to->lr, &to->split, &to->next_weight, &to->cut_share, &to->lr_muon, &to->decay, &to->clip, &to->cool, NULL};
    memcpy(list, all, sizeof all);
    return list;
}

static int check(settings *o, double alpha0)
{
    lacuna_train_options *to = &o->to;
    const arg_list *lists[] = {&o->data, &o->held};
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->n; i++)
            if (!*lists[l]->v[i]) return cmd_usage("train", "--%s is empty", l ? "held-out" : "data");
    if (o->out && !*o->out) return cmd_usage("train", "--out is empty");
    const char *const sources = "one of --base, --config and --resume is needed, and no more";
    int n = (o->base != NULL) + (to->config != NULL) + (to->resume != NULL);
    if (o->shard ? (o->base != NULL) + (o->tokenizer != NULL) + (to->resume != NULL) != 1 : n != 1)
        return cmd_usage("train", "%s", o->shard ? "--shard needs one of --base, --tokenizer and --resume" : sources);
    if (!o->shard && (to->config != NULL) != (o->tokenizer != NULL))
        return cmd_usage("train", "--config and --tokenizer go together");
    if (to->checkpoint && !to->config) return cmd_usage("train", "--checkpoint needs --config");
    if (o->eval && !o->held.n) return cmd_usage("train", "--eval needs --held-out");
    if (!o->eval && !o->data.n) return cmd_usage("train", "--data is missing");
    if (o->eval && (o->data.n || o->shard)) return cmd_usage("train", "--eval takes neither --data nor --shard");
    if (to->steps && o->minutes > 0) return cmd_usage("train", "--steps and --minutes cannot be used together");
    if (o->new_corpus && !to->resume) return cmd_usage("train", "--new-corpus goes with --resume");
    if (to->lr == 0) return cmd_usage("train", "--lr must be above 0");
    if (to->ema >= 1) return cmd_usage("train", "--ema must be below 1");
    double *list[10];
    for (double *const *p = unset(to, list); *p; p++) **p = isnan(**p) ? 0 : **p == 0 ? -1 : **p;
    if (to->resume) {
        int fixed = to->objective || to->length || to->split != 0 || to->low_var || to->block || to->paper_share != 0 ||
                    to->holes || to->next_weight != 0 || to->cut_share != 0 || to->batch || to->lanes ||
                    to->decay != 0 || to->clip != 0 || to->ema != 0 || to->warmup || to->seed || !isnan(alpha0);
        if (fixed)
            return cmd_usage("train", "with --resume, objective, network and optimiser are those the run was begun with: "
                                      "of these only --lr, --lr-muon, --cool and --steps can be changed");
    }
    to->alpha0_set = !isnan(alpha0);
    to->alpha0 = to->alpha0_set ? alpha0 : 0;
    return GO_ON;
}

int cmd_train(int argc, char **argv)
{
    static const char *const types[] = {"f32", "bf16", "q8_0", NULL}, *const precisions[] = {"bf16", "f32", NULL};
    static const char *const objectives[] = {"infill", "eso-b", "eso-a", "mdlm", "bd3", "ar", "fim", NULL};
    settings o = {.save_every = 5, .log_every = 10, .held_examples = 64};
    double alpha0 = NAN, *list[10];
    int type = -1, precision = -1, objective = -1;
    lacuna_train_options *to = &o.to;
    to->size = LACUNA_TRAIN_INIT;
    for (double *const *p = unset(to, list); *p; p++) **p = NAN;
    const arg_opt opts[] = {
        OPT_HEAD("text"),
        OPT("data", 0, ARG_LIST, &o.data, "PATH",
            "text to train on: a folder, a text, or a shard (*.bin); may be repeated"),
        OPT("held-out", 0, ARG_LIST, &o.held, "PATH", "text to measure on (default: about every 20th file of --data)"),
        OPT_NUM("held-out-examples", 0, ARG_U64, &o.held_examples, "N", 1, 1e6, "examples to measure on (default 64)"),
        OPT("shard", 0, ARG_TEXT, &o.shard, "OUT.bin", "write --data as a shard of tokens and exit"),
        OPT_HEAD("what to train"),
        OPT("base", 0, ARG_TEXT, &o.base, "MODEL", "a model to fit to the text; `default` is the one infill uses"),
        OPT("config", 0, ARG_TEXT, &to->config, "C.json", "a new network of these sizes"),
        OPT("tokenizer", 0, ARG_TEXT, &o.tokenizer, "SP.model", "its SentencePiece model"),
        OPT("checkpoint", 0, ARG_TEXT, &to->checkpoint, "W.safetensors", "weights to start from (with --config)"),
        OPT("resume", 0, ARG_TEXT, &to->resume, "STATE", "go on with the run of a state file"),
        OPT("new-corpus", 0, ARG_FLAG, &o.new_corpus, NULL, "with --resume: the text may be another than before"),
        OPT_HEAD("how long"),
        OPT_NUM("minutes", 0, ARG_REAL, &o.minutes, "M", 0.001, 1e7, "time to train (with --base and no --steps: 5)"),
        OPT_NUM("steps", 0, ARG_U64, &to->steps, "N", 1, 9e15, "steps in all (default: until a signal comes)"),
        OPT_HEAD("output"),
        OPT("out", 'o', ARG_TEXT, &o.out, "OUT",
            "OUT.gguf, or a folder for model.gguf and state.safetensors (default lacuna-mine.gguf)"),
        OPT("force", 0, ARG_FLAG, &o.force, NULL, "replace the state of another run"),
        OPT_ONE_OF("type", &type, "TYPE", types, "type of the model's matrices: f32, bf16 or q8_0 (default)", NULL),
        OPT("name", 0, ARG_TEXT, &o.name, "NAME", "name of the model (default: of its file)"),
        OPT("license", 0, ARG_TEXT, &o.license, "SPDX", "licence of the weights"),
        OPT_NUM("save-every", 0, ARG_REAL, &o.save_every, "MINUTES", 0, 1e7,
                "time between two saves of the state (default 5)"),
        OPT_NUM("log-every", 0, ARG_U32, &o.log_every, "N", 1, 4294967295.0,
                "steps between two lines of the log (default 10)"),
        OPT("eval", 0, ARG_FLAG, &o.eval, NULL, "only measure --held-out and exit"),
        OPT_HEAD("objective"),
        OPT_ONE_OF("objective", &objective, "NAME", objectives, "infill (default), eso-b, eso-a, mdlm, bd3, ar or fim",
                   NULL),
        OPT_NUM("length", 0, ARG_U32, &to->length, "N", 2, 1048576, "entries of an example (default 512)"),
        OPT_NUM("holes", 0, ARG_U32, &to->holes, "N", 1, 1048576, "infill: holes of an example at most (default 8)"),
        OPT("grammars", 0, ARG_TEXT, &to->grammars, "DIRS",
            "folders with tree-sitter grammars, for holes that are nodes of the syntax"),
        OPT_NUM("next-weight", 0, ARG_REAL, &to->next_weight, "W", 0, 1e6,
                "infill: weight of the next-token loss (default 0.5)"),
        OPT_NUM("cut-share", 0, ARG_REAL, &to->cut_share, "P", 0, 1,
                "infill: share of holes cut inside tokens (default 0.3)"),
        OPT_NUM("paper-share", 0, ARG_REAL, &to->paper_share, "P", 0, 1,
                "infill: share of examples that are eso-b (default 0)"),
        OPT_NUM("alpha0", 0, ARG_REAL, &alpha0, "A", 0, 1, "eso-*: share of diffusion"),
        OPT_NUM("split", 0, ARG_REAL, &to->split, "P", 0, 1, "eso-*: share of diffusion examples (default 0.5)"),
        OPT("low-var", 0, ARG_FLAG, &to->low_var, NULL, "diffusion weight 1 instead of that of the bound"),
        OPT_NUM("block", 0, ARG_U32, &to->block, "N", 1, 1048576, "bd3: tokens of a block (default 16)"),
        OPT_HEAD("optimiser"),
        OPT_NUM("batch", 0, ARG_U32, &to->batch, "N", 1, 1048576, "examples a step (default 16)"),
        OPT_NUM("lanes", 0, ARG_U32, &to->lanes, "N", 1, 4096,
                "sums of gradients kept apart: threads and ranks at most (default 4)"),
        OPT_NUM("lr", 0, ARG_REAL, &to->lr, "R", 0, 1e6, "learning rate of AdamW (default 0.003, with --base 0.001)"),
        OPT_NUM("lr-muon", 0, ARG_REAL, &to->lr_muon, "R", 0, 1e6,
                "of Muon (default 0.02, with --base 0.006; 0: AdamW for all)"),
        OPT_NUM("decay", 0, ARG_REAL, &to->decay, "D", 0, 1e6, "weight decay (default 0.01)"),
        OPT_NUM("clip", 0, ARG_REAL, &to->clip, "C", 0, 1e30, "largest norm of the gradient (default 1; 0: any)"),
        OPT_NUM("ema", 0, ARG_REAL, &to->ema, "D", 0, 1,
                "decay of an average of the weights, which is then what is measured and written"),
        OPT_NUM("warmup", 0, ARG_U64, &to->warmup, "N", 1, 9e15,
                "steps up to the full rate (default 30, with --base 10)"),
        OPT_NUM("cool", 0, ARG_REAL, &to->cool, "P", 0, 1,
                "last share of the steps, in which the rate falls to 0 (default 0.3)"),
        OPT("seed", 0, ARG_U64, &to->seed, "N", "seed of everything drawn (default 0)"),
        OPT_HEAD("machine"),
        OPT_NUM("threads", 0, ARG_U32, &to->threads, "N", 1, 256,
                "threads (default: all processors); the result does not depend on it"),
        OPT_ONE_OF("precision", &precision, "P", precisions,
                   "bf16 or f32 products (default: bf16 where the processor has it)", NULL),
        OPT("kernel", 0, ARG_TEXT, &to->kernel, "NAME", "kernel table: ref, avx2, avx512, neon"),
        OPT_END,
    };
    arg_list none = {0};
    int code = cmd_args("train", "--data PATH... [--base MODEL | --config C.json --tokenizer SP.model | --resume STATE] "
                                 "[OPTION...]",
                        "Train a network on text, or fit a model to texts of your own:\n\n"
                        "    lacuna train --base default --data ~/src/mine",
                        opts, argc, argv, 0, &none);
    if (type >= 0) o.type = types[type];
    if (precision >= 0) to->precision = precisions[precision];
    if (objective >= 0) to->objective = objectives[objective];
    if (code == GO_ON) code = check(&o, alpha0);
    if (code == GO_ON) {
        openblas_set_num_threads(1); /* the trainer has threads of its own (lacuna_train.h) */
        join_ranks();
        job j = {.o = &o, .json = !isatty(1), .line.on = term_look(2).moves};
        lacuna_train_ranks(&j.rank, &j.ranks);
        if (j.ranks > 1) j.json = 1, j.line.on = 0; /* mpirun gives its children terminals that nobody sees */
        code = train(&j);
        if (j.broken && j.broken != EPIPE && code == EXIT_DONE) code = EXIT_FAILED;
        lacuna_train_free(j.t);
        lacuna_corpus_free(j.corpus);
        lacuna_corpus_free(j.held);
        lacuna_model_free(j.base);
        run_files_free(&j.to);
        code = leave_ranks(&j, code);
    }
    free(none.v);
    free(o.data.v);
    free(o.held.v);
    return code;
}
