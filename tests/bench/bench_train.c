/* Steps of training of two networks, on one thread and on two: entries a second, FLOP/s as lacuna_train_report counts
 * them, and their ratio to the peak, which is the best of a few large products with hot operands, run on as many
 * threads at once just before.  Prints TSV; the best of a few timings, for the machine may be shared.  (Run it from the
 * top of the tree.) */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/pool.h"
#include "kern/gemm.h"
#include "lacuna_train.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Keep the better rate of doing n since then; 1 when this was better. */
static int better(double *best, double since, double n)
{
    double rate = n / (now() - since);
    if (rate <= *best) return 0;
    *best = rate;
    return 1;
}

/* ---- the peak ---- */

enum { ROUNDS = 4 };

typedef struct {
    const lac_gemm *gemm;
    size_t n;       /* all three sides */
    void *a[2], *b[2];
    float *c[2];    /* one a thread */
} product;

static void multiply(void *ctx, size_t item, size_t thread)
{
    product *p = ctx;
    (void)thread;
    for (int i = 0; i < ROUNDS; i++)
        p->gemm->run(false, true, p->n, p->n, p->n, p->a[item], p->n, p->b[item], p->n, false, p->c[item], p->n);
}

static double peak(const lac_gemm *gemm, lac_pool *pool, size_t threads)
{
    static const size_t sides[] = {512, 768, 1024};
    double best = 0;
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++) {
        product p = {.gemm = gemm, .n = sides[s]};
        size_t size = p.n * p.n * sizeof(float);
        for (size_t t = 0; t < threads; t++)
            if (!(p.a[t] = calloc(1, size)) || !(p.b[t] = calloc(1, size)) || !(p.c[t] = calloc(1, size))) return best;
        for (double begin = now(); now() - begin < 0.5;) {
            double since = now();
            lac_pool_run(pool, multiply, &p, threads);
            better(&best, since, 2.0 * ROUNDS * (double)threads * (double)p.n * (double)p.n * (double)p.n);
        }
        for (size_t t = 0; t < threads; t++) free(p.a[t]), free(p.b[t]), free(p.c[t]);
    }
    return best;
}

/* ---- training ---- */

static const struct {
    const char *name, *config;
} nets[] = {{"6x256", "{\"dim\":256,\"layers\":6,\"heads\":4,\"ff\":704,\"vocab\":8192,\"qk_norm\":true}"},
            {"12x512", "{\"dim\":512,\"layers\":12,\"heads\":8,\"ff\":1408,\"vocab\":8192,\"qk_norm\":true}"}};

static int bench(const lacuna_corpus *c, size_t net, const char *config, const char *precision, uint32_t threads,
                 double top)
{
    lacuna_train_options o = {.size = LACUNA_TRAIN_INIT,
                              .config = config,
                              .threads = threads,
                              .precision = precision};
    lacuna_train_report rep;
    lacuna_error err;
    lacuna_trainer *t;
    int r = lacuna_train_open(&t, c, &o, &err);
    double entries = 0, flops = 0, begin = now();
    for (int i = 0; r >= 0 && (i < 2 || now() - begin < 5); i++) {
        uint64_t before = i ? rep.entries : 0;
        double since = now();
        r = lacuna_train_step(t, &rep, &err);
        if (r > 0 && better(&flops, since, rep.flops)) entries = (double)(rep.entries - before) * flops / rep.flops;
    }
    if (r < 0) return fprintf(stderr, "%s\n", err.msg), 1;
    lacuna_train_free(t);
    printf("%s\t%s\t%u\t%.0f\t%.1f\t%.1f\t%.3f\n", nets[net].name, precision, (unsigned)threads, entries,
           1e-9 * flops, 1e-9 * top, flops / top);
    fflush(stdout);
    return 0;
}

static int add_texts(lacuna_corpus *c, lacuna_error *err)
{
    static const char *const files[] = {"README.md",           "doc/ARCHITECTURE.md",  "lib/include/lacuna.h",
                                        "lib/net/net.c",       "lib/session/step.c", "lib/canvas/canvas.c",
                                        "lib/kern/kern_ref.c", "lib/model/import.c",   "frontends/lacuna/serve.c"};
    static char text[1 << 18];
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof files / sizeof *files; i++) {
        FILE *f = fopen(files[i], "rb");
        if (!f) return perror(files[i]), -1;
        size_t n = fread(text, 1, sizeof text, f);
        fclose(f);
        r = lacuna_corpus_add_text(c, text, n, strstr(files[i], ".md") ? "prose" : "c", err);
    }
    return r;
}

static int run(const lacuna_corpus *c, const char *config)
{
    static const struct {
        const char *precision, *gemm;
    } ways[] = {{"bf16", "bf16"}, {"f32", "blas"}};
    printf("network\tprecision\tthreads\tentries/s\tGFLOP/s\tpeak GFLOP/s\tof peak\n");
    for (uint32_t threads = 1; threads <= 2; threads++) {
        lac_pool *pool;
        lacuna_error err;
        lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
        if (lac_pool_open(&pool, &mem, threads, &err)) return fprintf(stderr, "%s\n", err.msg), 1;
        for (size_t n = 0; n < sizeof nets / sizeof *nets; n++) {
            FILE *f = fopen(config, "w");
            if (!f || fputs(nets[n].config, f) < 0 || fclose(f)) return perror(config), 1;
            for (int w = 0; w < 2; w++) {
                const lac_gemm *gemm = lac_gemm_pick(ways[w].gemm);
                if (gemm && bench(c, n, config, ways[w].precision, threads, peak(gemm, pool, threads))) return 1;
            }
        }
        lac_pool_free(pool);
    }
    return 0;
}

int main(void)
{
    char config[64];
    lacuna_model *m = NULL;
    lacuna_corpus *c = NULL;
    lacuna_error err;
    openblas_set_num_threads(1);
    snprintf(config, sizeof config, "/tmp/lacuna-bench-%ld.json", (long)getpid());
    int r = lacuna_model_open(&m, "models/default/default.gguf", NULL, &err);
    if (!r) r = lacuna_corpus_open(&c, m, &err);
    if (!r) r = add_texts(c, &err);
    if (r) return fprintf(stderr, "%s\n", err.msg), 1;
    r = run(c, config);
    remove(config);
    lacuna_corpus_free(c);
    lacuna_model_free(m);
    return r;
}
