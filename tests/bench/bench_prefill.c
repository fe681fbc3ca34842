/* The products of a context of 512 read at once: Q8_0 panels, as the network runs them, against OpenBLAS on the same shapes
 * in float32; 12 layers of width 768.  Prints TSV: milliseconds, tokens a second, ratio; the best of a few, for the machine
 * may be shared. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/pool.h"
#include "kern/pack.h"

void openblas_set_num_threads(int);

enum { N = 512, LAYERS = 12, E = 768, F = 2048, ITEM = 4 /* panels that a thread takes at once */, ROWS = 16 };

static const struct {
    const char *what;
    size_t R, K;
} shapes[] = {{"qkv", 3 * E, E}, {"out", E, E}, {"up", 2 * F, E}, {"down", E, F}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct {
    const lac_kern *kern;
    size_t R, K;
    const float *x;         /* [N, K] */
    const char *panels;     /* of one layer */
    char *act;              /* [N] prepared rows */
    float *y;               /* [N, R] */
} product;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void prepare_rows(void *ctx, size_t item, size_t thread)
{
    const product *p = ctx;
    (void)thread;
    for (size_t n = item * ROWS; n < (item + 1) * ROWS; n++)
        p->kern->prepare(LAC_Q8_0, p->act + n * lac_prepared_bytes(LAC_Q8_0, p->K), p->x + n * p->K, p->K);
}

static void some_panels(void *ctx, size_t item, size_t thread)
{
    const product *p = ctx;
    size_t r = item * ITEM * LAC_PANEL, left = p->R - r, rows = left < ITEM * LAC_PANEL ? left : ITEM * LAC_PANEL;
    (void)thread;
    p->kern->matmul(LAC_Q8_0, p->y + r, p->R, p->act, N, p->panels + r / LAC_PANEL * lac_panel_bytes(LAC_Q8_0, p->K), rows, p->K);
}

typedef struct {
    product p[SHAPES];
    char *panels[SHAPES];   /* [LAYERS] back to back */
    float *w[SHAPES];       /* [LAYERS, R, K] */
    lac_pool *pool;
} bench;

/* All products of a forward pass. */
static double ours(bench *b)
{
    double start = now();
    for (size_t l = 0; l < LAYERS; l++) {
        for (size_t s = 0; s < SHAPES; s++) {
            product *p = &b->p[s];
            p->panels = b->panels[s] + l * lac_panels_bytes(LAC_Q8_0, p->R, p->K);
            lac_pool_run(b->pool, prepare_rows, p, N / ROWS);
            lac_pool_run(b->pool, some_panels, p, (p->R / LAC_PANEL + ITEM - 1) / ITEM);
        }
    }
    return now() - start;
}

static double blas(bench *b)
{
    double start = now();
    for (size_t l = 0; l < LAYERS; l++) {
        for (size_t s = 0; s < SHAPES; s++) {
            const product *p = &b->p[s];
            int R = (int)p->R, K = (int)p->K;
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, R, K, 1, p->x, K, b->w[s] + l * p->R * p->K, K, 0, p->y, R);
        }
    }
    return now() - start;
}

static double best(double (*run)(bench *), bench *b)
{
    double least = 1e9, end = now() + 1.5;
    do {
        double t = run(b);
        if (t < least) least = t;
    } while (now() < end);
    return least;
}

static float *noise(size_t n)
{
    float *x = malloc(n * sizeof *x);
    uint32_t s = 1;
    for (size_t i = 0; x && i < n; i++) {
        s = s * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)s * 0x1p-31f;
    }
    return x;
}

static int make(bench *b, size_t s)
{
    const size_t R = shapes[s].R, K = shapes[s].K, row = lac_row_bytes(LAC_Q8_0, K), size = lac_panels_bytes(LAC_Q8_0, R, K);
    char *rows = malloc(R * row);
    b->w[s] = noise(LAYERS * R * K);
    b->panels[s] = aligned_alloc(64, LAYERS * size);
    b->p[s] = (product){lac_kern_pick(NULL), R, K, noise(N * K), NULL, aligned_alloc(64, N * lac_prepared_bytes(LAC_Q8_0, K)),
                        malloc(N * R * sizeof(float))};
    if (!rows || !b->w[s] || !b->panels[s] || !b->p[s].x || !b->p[s].act || !b->p[s].y) return -1;
    for (size_t l = 0; l < LAYERS; l++) {
        for (size_t r = 0; r < R; r++) lac_row_encode(LAC_Q8_0, b->w[s] + (l * R + r) * K, K, rows + r * row);
        lac_pack(LAC_Q8_0, rows, R, K, 0, R / LAC_PANEL, b->panels[s] + l * size);
    }
    free(rows);
    return 0;
}

int main(void)
{
    static bench b;
    lacuna_error err;
    lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    for (size_t s = 0; s < SHAPES; s++)
        if (make(&b, s)) return 1;
    printf("products of a context of %d\tthreads\tms\ttokens/s\ttimes blas\n", N);
    for (unsigned threads = 1; threads <= 2; threads++) {
        if (lac_pool_open(&b.pool, &mem, threads, &err)) return 1;
        openblas_set_num_threads((int)threads);
        double f32 = best(blas, &b), q8 = best(ours, &b);
        printf("OpenBLAS F32\t%u\t%.1f\t%.0f\t1.00\n%s Q8_0\t%u\t%.1f\t%.0f\t%.2f\n", threads, 1e3 * f32, N / f32, b.p[0].kern->name, threads,
               1e3 * q8, N / q8, f32 / q8);
        lac_pool_free(b.pool);
    }
    return 0;
}
