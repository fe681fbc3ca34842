/* A run is a function of options, corpus and seed: not of threads, of stops, nor of what is measured in between. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hook.h"
#include "common/tiny.h"
#include "common/unit.h"
#include "lacuna_train.h"

#define TOKENIZER "tests/data/bpe8k.model"

static char folder[256], config[300];
static lacuna_corpus *corpus;

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    CHECK(f, "%s: cannot be read", path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *p = malloc(*n + 1);
    CHECK(p && fread(p, 1, *n, f) == *n, "%s: cannot be read", path);
    p[*n] = 0;
    fclose(f);
    return p;
}

static const char *in_folder(const char *name)
{
    static char path[4][600];
    static int k;
    k = (k + 1) % 4;
    snprintf(path[k], sizeof path[k], "%s/%s", folder, name);
    return path[k];
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0, "%s: cannot be written", path);
}

static lacuna_corpus *new_corpus(const char *const *files, size_t n)
{
    lacuna_corpus *c;
    lacuna_error err;
    CHECK(lacuna_corpus_open_tokenizer(&c, TOKENIZER, &err) == 0, "%s", err.msg);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        char *text = read_file(files[i], &len);
        CHECK(lacuna_corpus_add_text(c, text, len, strstr(files[i], ".c") ? "c" : "prose", &err) == 0, "%s", err.msg);
        free(text);
    }
    return c;
}

static int set_up(void **state)
{
    static const char *const files[] = {"README.md", "lib/net/net.c", "lib/base/mem.c", "lib/kern/quant.c"};
    (void)state;
    tiny_folder(folder);
    snprintf(config, sizeof config, "%s/net.json", folder);
    write_text(config, "{\"dim\": 32, \"layers\": 2, \"heads\": 2, \"ff\": 64, \"vocab\": 8192, \"qk_norm\": true, "
                       "\"context_length\": 64}");
    corpus = new_corpus(files, sizeof files / sizeof *files);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lacuna_corpus_free(corpus);
    tiny_folder_remove(folder);
    return 0;
}

static lacuna_train_options options(const char *objective, uint32_t threads)
{
    return (lacuna_train_options){.size = LACUNA_TRAIN_INIT,
                                  .config = config,
                                  .objective = objective,
                                  .length = 48,
                                  .batch = 8,
                                  .lanes = 4,
                                  .warmup = 2,
                                  .holes = 3,
                                  .seed = 5,
                                  .threads = threads,
                                  .ema = 0.9,
                                  .steps = 8};
}

static lacuna_trainer *open_run(const lacuna_train_options *o)
{
    lacuna_trainer *t;
    lacuna_error err;
    CHECK(lacuna_train_open(&t, corpus, o, &err) == 0, "%s", err.msg);
    return t;
}

/* Steps until `end`; the losses go to loss[step]. */
static void run_to(lacuna_trainer *t, uint64_t end, double *loss)
{
    lacuna_train_report rep;
    lacuna_error err;
    lacuna_train_get_report(t, &rep);
    while (rep.step < end) {
        int r = lacuna_train_step(t, &rep, &err);
        CHECK(r == 1, "step %d: %s", (int)rep.step, r < 0 ? err.msg : "the run has ended");
        loss[rep.step - 1] = rep.loss;
    }
}

static void same_file(const char *a, const char *b)
{
    size_t n, m;
    char *p = read_file(a, &n), *q = read_file(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(p, q, n);
    free(p);
    free(q);
}

static void export(lacuna_trainer *t, const char *name)
{
    lacuna_error err;
    CHECK(lacuna_train_export(t, in_folder(name), NULL, NULL, NULL, &err) == 0, "%s", err.msg);
}

/* ---- tests ---- */

static void loss_falls(void **state)
{
    (void)state;
    static const char *const objectives[] = {"infill", "eso-b", "eso-a", "mdlm", "bd3", "ar", "fim"};
    for (size_t k = 0; k < sizeof objectives / sizeof *objectives; k++) {
        lacuna_train_options o = options(objectives[k], 2);
        lacuna_train_report before, after, rep;
        lacuna_error err;
        double loss[12];
        o.steps = 12;
        o.ema = 0;
        lacuna_trainer *t = open_run(&o);
        assert_int_equal(lacuna_train_eval(t, corpus, 16, &before, &err), 0);
        run_to(t, 12, loss);
        assert_int_equal(lacuna_train_eval(t, corpus, 16, &after, &err), 0);
        CHECK(after.loss < 0.95 * before.loss && after.bits_per_byte < before.bits_per_byte,
              "%s: loss %.3f became %.3f", objectives[k], before.loss, after.loss);
        assert_int_equal(lacuna_train_step(t, &rep, &err), 0);
        lacuna_train_free(t);
    }
}

static void report_counts(void **state)
{
    (void)state;
    lacuna_train_options o = options("ar", 1);
    lacuna_train_report rep;
    lacuna_error err;
    lacuna_trainer *t = open_run(&o);
    assert_int_equal(lacuna_train_step(t, &rep, &err), 1);
    assert_int_equal(rep.step, 1);
    assert_int_equal(rep.examples, 8);
    assert_true(rep.entries > 0 && rep.entries <= 8 * 48);
    assert_true(rep.targets > 0 && rep.targets <= rep.entries);
    CHECK(fabs(rep.loss - rep.part[0]) < 1e-9 && isnan(rep.part[1]) && isnan(rep.part[2]), "loss %g, parts %g %g",
          rep.loss, rep.part[0], rep.part[1]);
    CHECK(rep.bits_per_byte > 1 && rep.bits_per_byte < 13, "%g bits a byte of a network that knows nothing",
          rep.bits_per_byte);
    assert_true(rep.rate == 0.5 && rep.grad_norm > 0);
    /* the blocks have 2 (3 E^2 + E^2 + 2 F E + E F) weights; all rows see between 1 and 48 entries */
    double body = 2 * (4 * 32 * 32 + 3 * 32 * 64),
           low = 6 * body * (double)rep.entries + 6.0 * 8192 * 32 * (double)rep.targets;
    CHECK(rep.flops >= low + 12 * 32 * 2 * (double)rep.entries &&
              rep.flops <= low + 12 * 32 * 2 * 48 * (double)rep.entries,
          "%g flops", rep.flops);
    lacuna_train_free(t);
}

static void same_for_any_threads(void **state)
{
    (void)state;
    static const char *const objectives[] = {"infill", "eso-b"};
    for (int k = 0; k < 2; k++) {
        double loss[3][4];
        for (uint32_t i = 0; i < 3; i++) {
            lacuna_train_options o = options(objectives[k], 1u << i);
            lacuna_trainer *t = open_run(&o);
            run_to(t, 4, loss[i]);
            export(t, i ? "b.safetensors" : "a.safetensors");
            if (i) same_file(in_folder("a.safetensors"), in_folder("b.safetensors"));
            assert_memory_equal(loss[i], loss[0], sizeof loss[0]);
            lacuna_train_free(t);
        }
    }
}

static void resumed_is_unbroken(void **state)
{
    (void)state;
    static const char *const objectives[] = {"infill", "eso-b"};
    for (int k = 0; k < 2; k++) {
        double loss[8], again[8];
        lacuna_error err;
        lacuna_train_options o = options(objectives[k], 1);
        lacuna_trainer *t = open_run(&o);
        run_to(t, 8, loss);
        export(t, "a.safetensors");
        assert_int_equal(lacuna_train_save(t, in_folder("a.state"), &err), 0);
        lacuna_train_free(t);

        t = open_run(&o);
        run_to(t, 3, again);
        CHECK(lacuna_train_save(t, in_folder("b.state"), &err) == 0, "%s", err.msg);
        run_to(t, 5, again); /* lost */
        lacuna_train_free(t);
        lacuna_train_options more = {.size = LACUNA_TRAIN_INIT, .resume = in_folder("b.state"), .threads = 2};
        t = open_run(&more);
        run_to(t, 8, again);
        export(t, "b.safetensors");
        assert_int_equal(lacuna_train_save(t, in_folder("b.state"), &err), 0);
        assert_memory_equal(loss, again, sizeof loss);
        same_file(in_folder("a.safetensors"), in_folder("b.safetensors"));
        same_file(in_folder("a.state"), in_folder("b.state"));
        lacuna_train_report rep;
        lacuna_train_get_report(t, &rep);
        assert_int_equal(rep.examples, 64);
        lacuna_train_free(t);
    }
}

static void steps_may_be_set_late(void **state)
{
    (void)state;
    double loss[8], again[8];
    lacuna_train_options o = options("infill", 1);
    lacuna_trainer *t = open_run(&o);
    run_to(t, 8, loss);
    lacuna_train_free(t);
    o.steps = 1000;
    t = open_run(&o);
    run_to(t, 4, again);
    lacuna_train_set_steps(t, 8);
    run_to(t, 8, again);
    assert_memory_equal(loss, again, sizeof loss);
    lacuna_train_free(t);
}

static void eval_disturbs_nothing(void **state)
{
    (void)state;
    static const char *const files[] = {"lib/base/pool.c"};
    double loss[4], again[4];
    lacuna_train_report a, b, c;
    lacuna_error err;
    lacuna_corpus *held = new_corpus(files, 1);
    lacuna_train_options o = options("infill", 2);
    lacuna_trainer *t = open_run(&o);
    run_to(t, 4, loss);
    export(t, "a.safetensors");
    assert_int_equal(lacuna_train_eval(t, held, 13, &a, &err), 0);
    lacuna_train_free(t);
    o.threads = 1;
    t = open_run(&o);
    assert_int_equal(lacuna_train_eval(t, held, 13, &b, &err), 0);
    run_to(t, 2, again);
    assert_int_equal(lacuna_train_eval(t, held, 13, &c, &err), 0);
    run_to(t, 4, again);
    assert_int_equal(lacuna_train_eval(t, held, 13, &c, &err), 0);
    export(t, "b.safetensors");
    same_file(in_folder("a.safetensors"), in_folder("b.safetensors"));
    assert_memory_equal(loss, again, sizeof loss);
    assert_true(a.loss == c.loss && a.bits_per_byte == c.bits_per_byte && a.targets == c.targets && a.examples == 13);
    CHECK(c.loss < b.loss, "held out: %.3f became %.3f", b.loss, c.loss);
    assert_int_equal(lacuna_train_eval(t, held, 0, &c, &err), LACUNA_E_ARG);
    lacuna_corpus_free(held);
    held = new_corpus(NULL, 0);
    assert_int_equal(lacuna_train_eval(t, held, 1, &c, &err), LACUNA_E_ARG);
    lacuna_corpus_free(held);
    lacuna_train_free(t);
}

/* Who cancels gets CANCELLED once, and a run that is as if nothing had been asked. */
static void cancel(void **state)
{
    (void)state;
    double loss[3], again[3];
    lacuna_train_report rep;
    lacuna_error err;
    lacuna_train_options o = options("infill", 2);
    lacuna_trainer *t = open_run(&o);
    run_to(t, 3, loss);
    lacuna_train_free(t);
    t = open_run(&o);
    lacuna_train_cancel(t);
    assert_int_equal(lacuna_train_step(t, &rep, &err), LACUNA_E_CANCELLED);
    run_to(t, 2, again);
    lacuna_train_cancel(t);
    assert_int_equal(lacuna_train_eval(t, corpus, 16, &rep, &err), LACUNA_E_CANCELLED);
    run_to(t, 3, again);
    assert_memory_equal(loss, again, sizeof loss);
    assert_int_equal(lacuna_train_eval(t, corpus, 16, &rep, &err), 0);
    lacuna_train_free(t);
}

/* A network that was trained on longer texts says so. */
static void context_grows(void **state)
{
    (void)state;
    lacuna_error err;
    lacuna_model *m;
    lacuna_train_options o = options("infill", 1);
    o.length = 100; /* the configuration says 64 */
    lacuna_trainer *t = open_run(&o);
    export(t, "long.gguf");
    lacuna_train_free(t);
    CHECK(lacuna_model_open(&m, in_folder("long.gguf"), NULL, &err) == 0, "%s", err.msg);
    assert_int_equal(lacuna_model_get_info(m)->n_context, 100);
    lacuna_model_free(m);
}

/* A trainer with its surroundings, from the inside. */
typedef struct {
    lacuna_allocator mem;
    char *blob;
    lac_tok *tok;
    lac_corpus *c;
    lac_params ps;
    lac_trainer_options o;
} bench;

static void open_bench(bench *b)
{
    lacuna_error err;
    lac_config cfg;
    size_t size, len;
    char *text = read_file("lib/net/net.c", &len);
    *b = (bench){.mem = lac_mem_system_or((lacuna_allocator){0}), .blob = read_file(TOKENIZER, &size)};
    CHECK(lac_tok_open(&b->tok, b->blob, size, TOKENIZER, &b->mem, &err) == 0, "%s", err.msg);
    assert_int_equal(lac_corpus_open(&b->c, b->tok, &b->mem, &err), 0);
    assert_int_equal(lac_corpus_add_text(b->c, text, len, -1, &err), 0);
    free(text);
    assert_int_equal(lac_config_load(&cfg, config, &err), 0);
    cfg.hp.mask = (uint32_t)lac_tok_find(b->tok, "<mask>");
    assert_int_equal(lac_params_open(&b->ps, &cfg.hp, 0, 0, &b->mem, &err), 0);
    b->o = (lac_trainer_options){.seed = 9, .batch = 8, .lanes = 4, .threads = 1};
    b->o.math = (lac_math){lac_kern_pick(NULL), lac_grad_pick(NULL), lac_gemm_pick("ref")};
    lac_objective_default(&b->o.objective, LAC_INFILL);
    b->o.objective.length = 48;
    b->o.objective.mask = (int32_t)cfg.hp.mask;
    b->o.objective.eom = lac_tok_find(b->tok, "<eom>");
    b->o.objective.bos = lac_tok_find(b->tok, "<bos>");
    b->o.objective.pad = lac_tok_find(b->tok, "<pad>");
    lac_optim_default(&b->o.optim);
}

static void close_bench(bench *b)
{
    lac_params_free(&b->ps);
    lac_corpus_free(b->c);
    lac_tok_free(b->tok);
    free(b->blob);
}

/* A step's loss is that of evaluating the same examples; the lanes are a matter of rounding alone. */
static void step_and_eval_agree(void **state)
{
    (void)state;
    bench b;
    double norm[4], loss[4];
    open_bench(&b);
    for (int k = 0; k < 4; k++) {
        lac_trainer t;
        lac_tally eval, step;
        lacuna_error err;
        b.o.lanes = (size_t)1 << k;
        CHECK(lac_trainer_open(&t, &b.ps, b.c, b.tok, &b.o, &b.mem, &err) == 0, "%s", err.msg);
        lac_params_init(&b.ps, 1, t.optim.w);
        assert_int_equal(lac_trainer_eval(&t, b.c, b.o.seed, b.o.batch, &eval, &err), 0);
        assert_int_equal(lac_trainer_step(&t, &step, &norm[k], &err), 0);
        assert_memory_equal(&eval, &step, sizeof eval);
        loss[k] = lac_tally_loss(&step, &b.o.objective);
        CHECK(fabs(loss[k] - loss[0]) < 1e-6 * loss[0] && fabs(norm[k] - norm[0]) < 1e-5 * norm[0],
              "%zu lanes: loss %.9g, norm %.9g; one: %.9g, %.9g", b.o.lanes, loss[k], norm[k], loss[0], norm[0]);
        lac_trainer_close(&t);
    }
    close_bench(&b);
}

static void a_loss_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    bench b;
    lac_trainer t;
    lac_tally sum;
    lacuna_error err;
    double norm;
    open_bench(&b);
    CHECK(lac_trainer_open(&t, &b.ps, b.c, b.tok, &b.o, &b.mem, &err) == 0, "%s", err.msg);
    lac_params_init(&b.ps, 1, t.optim.w);
    assert_int_equal(lac_trainer_step(&t, &sum, &norm, &err), 0);
    size_t size = b.ps.total * sizeof(float);
    float *w = malloc(2 * size), good = t.optim.w[b.ps.norm];
    assert_non_null(w);
    t.optim.w[b.ps.norm] = INFINITY;
    memcpy(w, t.optim.w, size);
    memcpy(w + b.ps.total, t.optim.m, size);
    assert_int_equal(lac_trainer_step(&t, &sum, &norm, &err), LACUNA_E_INTERNAL);
    assert_int_equal(t.optim.step, 1);
    assert_memory_equal(w, t.optim.w, size);
    assert_memory_equal(w + b.ps.total, t.optim.m, size);
    t.optim.w[b.ps.norm] = good;
    assert_int_equal(lac_trainer_step(&t, &sum, &norm, &err), 0);
    free(w);
    lac_trainer_close(&t);
    close_bench(&b);
}

static void the_model_infills(void **state)
{
    (void)state;
    static const char *const types[] = {"q8_0", "bf16", "f32"};
    lacuna_train_options o = options("infill", 1);
    lacuna_error err;
    double loss[4], logprob[3];
    lacuna_trainer *t = open_run(&o);
    run_to(t, 4, loss);
    for (int k = 0; k < 3; k++) {
        lacuna_model *m;
        lacuna_session *s;
        const lacuna_event *ev;
        const char text[] = "int main(void)\n{\n    return ;\n}\n";
        lacuna_hole hole = {.span = {28, 28}, .max_tokens = 4};
        CHECK(lacuna_train_export(t, in_folder("m.gguf"), types[k], "mine", "MIT", &err) == 0, "%s", err.msg);
        CHECK(lacuna_model_open(&m, in_folder("m.gguf"), NULL, &err) == 0, "%s", err.msg);
        assert_int_equal(lacuna_model_verify(m, &err), 0);
        assert_string_equal(lacuna_model_get_info(m)->name, "mine");
        assert_string_equal(lacuna_model_get_info(m)->license, "MIT");
        assert_int_equal(lacuna_session_open(&s, m, NULL, &err), 0);
        int r = lacuna_infill(s, text, sizeof text - 1, &hole, 1,
                              &(lacuna_infill_options){.size = LACUNA_INFILL_INIT, .tag = "c"}, &err);
        while (r >= 0 && (r = lacuna_step(s, &ev, &err)) > 0);
        CHECK(r == 0, "%s", err.msg);
        logprob[k] = lacuna_get_stats(s).logprob;
        lacuna_session_free(s);
        lacuna_model_free(m);
    }
    CHECK(fabs(logprob[0] - logprob[2]) < 0.5 && fabs(logprob[1] - logprob[2]) < 0.5, "%g %g %g", logprob[0],
          logprob[1], logprob[2]);
    struct stat st;
    CHECK(stat(in_folder("m.gguf.tmp.safetensors"), &st) && stat(in_folder("m.gguf.tmp.json"), &st),
          "temporary files are left");
    assert_int_equal(lacuna_train_export(t, in_folder("m.gguf"), "q4", NULL, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_train_export(t, in_folder("no/such/m.gguf"), NULL, NULL, NULL, &err), LACUNA_E_IO);
    assert_int_equal(lacuna_train_save(t, in_folder("no/such/state"), &err), LACUNA_E_IO);
    lacuna_train_free(t);
}

/* The published architecture: adaLN is trained, and folded when a model is written. */
static void official_too(void **state)
{
    (void)state;
    double loss[8], again[8];
    lacuna_error err;
    lacuna_model *m;
    lacuna_train_options o = options("eso-b", 1);
    write_text(in_folder("official.json"), "{\"hidden_size\": 32, \"n_blocks\": 2, \"n_heads\": 2, \"cond_dim\": 16, \"vocab_size\": 8192, "
                                           "\"length\": 64, \"mlp_ratio\": 3}");
    o.config = in_folder("official.json");
    lacuna_trainer *t = open_run(&o);
    run_to(t, 4, loss);
    assert_int_equal(lacuna_train_save(t, in_folder("o.state"), &err), 0);
    run_to(t, 8, loss);
    export(t, "a.safetensors");
    CHECK(lacuna_train_export(t, in_folder("o.gguf"), "f32", NULL, NULL, &err) == 0, "%s", err.msg);
    lacuna_train_free(t);
    t = open_run(&(lacuna_train_options){.size = LACUNA_TRAIN_INIT, .resume = in_folder("o.state")});
    run_to(t, 8, again);
    export(t, "b.safetensors");
    same_file(in_folder("a.safetensors"), in_folder("b.safetensors"));
    assert_memory_equal(loss + 4, again + 4, 4 * sizeof *loss);
    lacuna_train_free(t);
    CHECK(lacuna_model_open(&m, in_folder("o.gguf"), NULL, &err) == 0, "%s", err.msg);
    assert_string_equal(lacuna_model_get_info(m)->variant, "official");
    assert_string_equal(lacuna_model_get_info(m)->name, "o"); /* of the file */
    o.config = NULL;
    o.base = m;
    assert_int_equal(lacuna_train_open(&t, corpus, &o, &err), LACUNA_E_ARG); /* folded: it cannot be unfolded */
    lacuna_model_free(m);
}

static void grammars_belong_to_a_run(void **state)
{
    (void)state;
    lacuna_error err;
    lacuna_train_options o = options("infill", 1);
    o.grammars = folder; /* none is there */
    lacuna_trainer *t = open_run(&o);
    assert_int_equal(lacuna_train_save(t, in_folder("g.state"), &err), 0);
    lacuna_train_free(t);
    t = open_run(&(lacuna_train_options){.size = LACUNA_TRAIN_INIT, .resume = in_folder("g.state")});
    assert_string_equal(lacuna_train_get_options(t)->grammars, folder);
    lacuna_train_free(t);
    t = open_run(&(lacuna_train_options){.size = LACUNA_TRAIN_INIT, .resume = in_folder("g.state"), .grammars = "/nowhere"});
    assert_string_equal(lacuna_train_get_options(t)->grammars, "/nowhere");
    lacuna_train_free(t);
}

/* From a model file: the first loss is that of the model, and another's tokens are refused. */
static void fine_tuning(void **state)
{
    (void)state;
    double loss[8], again[8];
    lacuna_error err;
    lacuna_model *m;
    lacuna_corpus *c, *other;
    lacuna_train_options o = options("infill", 1);
    lacuna_trainer *t = open_run(&o), *u;
    run_to(t, 8, loss);
    CHECK(lacuna_train_export(t, in_folder("m.gguf"), "f32", NULL, NULL, &err) == 0, "%s", err.msg);
    export(t, "m.safetensors");
    lacuna_train_free(t);
    o.steps = 2;
    o.ema = 0;
    o.checkpoint = in_folder("m.safetensors");
    t = open_run(&o);
    run_to(t, 2, loss);
    lacuna_train_free(t);
    CHECK(lacuna_model_open(&m, in_folder("m.gguf"), NULL, &err) == 0, "%s", err.msg);
    assert_int_equal(lacuna_corpus_open(&c, m, &err), 0);
    o.checkpoint = o.config = NULL;
    o.base = m;
    t = open_run(&o); /* our own corpus: the same tokenizer */
    run_to(t, 2, again);
    assert_memory_equal(loss, again, 2 * sizeof *loss);
    assert_int_equal(lacuna_train_open(&u, c, &o, &err), LACUNA_E_ARG); /* empty */
    assert_null(u);
    lacuna_train_free(t);
    assert_int_equal(lacuna_corpus_add_text(c, "x", 1, "nonsense", &err), LACUNA_E_ARG);
    const char *const *tags;
    size_t n = lacuna_corpus_tags(c, &tags);
    assert_int_equal(n, lacuna_model_get_info(m)->n_tags);
    for (size_t i = 0; i < n; i++) assert_string_equal(tags[i], lacuna_model_get_info(m)->tags[i]);
    lacuna_model_free(m); /* the corpus holds its own reference */
    assert_int_equal(lacuna_corpus_add_text(c, "x = 1\n", 6, "py", &err), 0);
    assert_int_equal(lacuna_corpus_documents(c), 1);
    lacuna_corpus_free(c);
    assert_int_equal(lacuna_corpus_open_tokenizer(&other, in_folder("net.json"), &err), LACUNA_E_FORMAT);
    assert_int_equal(lacuna_corpus_open_tokenizer(&other, in_folder("nosuch"), &err), LACUNA_E_IO);
    assert_int_equal(lacuna_corpus_open_state(&other, in_folder("m.safetensors"), &err), LACUNA_E_FORMAT);
}

static void refuse(lacuna_code code, const lacuna_train_options *o, const lacuna_corpus *c)
{
    lacuna_trainer *t = (lacuna_trainer *)1;
    lacuna_error err = {.msg = "accepted"};
    int r = lacuna_train_open(&t, c, o, &err);
    CHECK(r == code && !t && err.code == code, "%d instead of %d: %s", r, code, err.msg);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    lacuna_corpus *empty = new_corpus(NULL, 0);
    refuse(LACUNA_E_ARG, &(lacuna_train_options){.size = LACUNA_TRAIN_INIT}, corpus);
#define REFUSE(code, ...)                             \
    do {                                              \
        lacuna_train_options o = options("infill", 1); \
        __VA_ARGS__;                                  \
        refuse(code, &o, corpus);                     \
    } while (0)
    REFUSE(LACUNA_E_ARG, o.objective = "nonsense");
    REFUSE(LACUNA_E_ARG, o.batch = 6);
    REFUSE(LACUNA_E_ARG, o.lanes = 3; o.batch = 6);
    REFUSE(LACUNA_E_ARG, o.length = 1);
    REFUSE(LACUNA_E_ARG, o.alpha0 = 1.5);
    REFUSE(LACUNA_E_ARG, o.alpha0 = NAN);
    REFUSE(LACUNA_E_ARG, o.lr = -1);
    REFUSE(LACUNA_E_ARG, o.lr = NAN);
    REFUSE(LACUNA_E_ARG, o.ema = 2);
    REFUSE(LACUNA_E_ARG, o.cool = 2);
    REFUSE(LACUNA_E_ARG, o.paper_share = -1);
    REFUSE(LACUNA_E_ARG, o.precision = "f16");
    REFUSE(LACUNA_E_ARG, o.kernel = "nonsense");
    REFUSE(LACUNA_E_ARG, o.config = NULL; o.checkpoint = config);
    REFUSE(LACUNA_E_ARG, o.resume = config);
    REFUSE(LACUNA_E_VERSION, o.size = 3);
    REFUSE(LACUNA_E_IO, o.config = in_folder("nosuch"));
    REFUSE(LACUNA_E_IO, o.checkpoint = in_folder("nosuch"));
    REFUSE(LACUNA_E_FORMAT, o.config = TOKENIZER);
    write_text(in_folder("small.json"), "{\"dim\": 32, \"layers\": 2, \"heads\": 2, \"ff\": 64, \"vocab\": 8000}");
    REFUSE(LACUNA_E_ARG, o.config = in_folder("small.json"));
    write_text(in_folder("mask.json"),
               "{\"dim\": 32, \"layers\": 2, \"heads\": 2, \"ff\": 64, \"vocab\": 8192, \"mask_index\": 7}");
    REFUSE(LACUNA_E_ARG, o.config = in_folder("mask.json"));
    lacuna_train_options o = options("infill", 1);
    refuse(LACUNA_E_ARG, &o, empty);
    refuse(LACUNA_E_ARG, &o, NULL);
    lacuna_corpus_free(empty);
}

static void states_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const char *const files[] = {"README.md"};
    double loss[8];
    lacuna_error err;
    lacuna_train_options o = options("infill", 1);
    lacuna_trainer *t = open_run(&o);
    run_to(t, 1, loss);
    assert_int_equal(lacuna_train_save(t, in_folder("a.state"), &err), 0);
    export(t, "a.safetensors");
    lacuna_train_free(t);
    lacuna_train_options more = {.size = LACUNA_TRAIN_INIT, .resume = in_folder("a.safetensors")};
    refuse(LACUNA_E_FORMAT, &more, corpus); /* weights alone: no run */
    more.resume = config;
    refuse(LACUNA_E_FORMAT, &more, corpus);
    more.resume = in_folder("nosuch");
    refuse(LACUNA_E_IO, &more, corpus);
    more.resume = in_folder("a.state");
    lacuna_corpus *c;
    CHECK(lacuna_corpus_open_state(&c, more.resume, &err) == 0, "%s", err.msg); /* the tokenizer is inside */
    size_t n;
    char *text = read_file(files[0], &n);
    assert_int_equal(lacuna_corpus_add_text(c, text, n, "prose", &err), 0);
    free(text);
    refuse(LACUNA_E_ARG, &more, c);
    more.new_corpus = 1;
    more.lr = 0.5;
    more.steps = 77;
    CHECK(lacuna_train_open(&t, c, &more, &err) == 0, "%s", err.msg);
    const lacuna_train_options *is = lacuna_train_get_options(t);
    assert_true(is->lr == 0.5 && is->steps == 77 && is->batch == 8 && is->length == 48 && is->seed == 5 &&
                is->ema == 0.9);
    lacuna_train_free(t);
    lacuna_corpus_free(c);
    /* cut short, anywhere */
    char *bytes = read_file(in_folder("a.state"), &n);
    for (size_t k = 0; k < 16; k++) {
        FILE *f = fopen(in_folder("cut.state"), "wb");
        size_t m = n * k / 16;
        CHECK(f && fwrite(bytes, 1, m, f) == m && fclose(f) == 0, "cannot write");
        more.resume = in_folder("cut.state");
        refuse(LACUNA_E_FORMAT, &more, corpus);
    }
    free(bytes);
}

static void out_of_memory(void **state)
{
    (void)state;
    lacuna_train_options o = options("infill", 1);
    o.batch = o.lanes = 2;
    int r = LACUNA_E_NOMEM;
    for (size_t k = 1; r; k++) {
        hook h = {.fail_at = k};
        lacuna_trainer *t;
        lacuna_error err;
        o.allocator = hook_allocator(&h);
        r = lacuna_train_open(&t, corpus, &o, &err);
        CHECK(r == 0 || (r == LACUNA_E_NOMEM && !t), "call %zu: %d %s", k, r, r ? err.msg : "");
        if (!r) lacuna_train_free(t);
        CHECK(h.live == 0 && h.blocks == 0 && h.wrong == 0, "call %zu: %zu bytes are left, %zu wrong sizes", k, h.live,
              h.wrong);
        CHECK(k < 500, "it never ends");
    }
}

/* Everything is taken at open. */
static void a_step_allocates_nothing(void **state)
{
    (void)state;
    hook h = {0};
    lacuna_train_options o = options("infill", 1);
    o.allocator = hook_allocator(&h);
    lacuna_trainer *t = open_run(&o);
    double loss[8];
    run_to(t, 1, loss);
    size_t calls = h.calls;
    run_to(t, 4, loss);
    assert_int_equal(h.calls, calls);
    lacuna_train_free(t);
    assert_int_equal(h.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_falls),
        cmocka_unit_test(report_counts),
        cmocka_unit_test(same_for_any_threads),
        cmocka_unit_test(resumed_is_unbroken),
        cmocka_unit_test(steps_may_be_set_late),
        cmocka_unit_test(eval_disturbs_nothing), cmocka_unit_test(cancel), cmocka_unit_test(context_grows),
        cmocka_unit_test(step_and_eval_agree),
        cmocka_unit_test(a_loss_that_is_not_finite_changes_nothing),
        cmocka_unit_test(official_too),
        cmocka_unit_test(grammars_belong_to_a_run),
        cmocka_unit_test(the_model_infills),
        cmocka_unit_test(fine_tuning),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(states_that_do_not_fit_are_refused),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(a_step_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
