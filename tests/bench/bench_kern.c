/* Products of every table on one thread, with weights in the caches (one matrix) and from memory (many, in turn).
 *
 * Prints TSV: Gop/s (an operation is a multiplication or an addition), bytes of weights a second, how many times faster
 * than the table of formulas, and the share of what the same instructions do in registers.  The lower quartile, for
 * the machine may be shared. */
#include "kern/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { K = 768, R = 3072, MOST = 64, STREAM = 96 << 20 /* bytes: past any cache */, RUNS = 4096 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void noise(float *x, size_t n)
{
    uint32_t s = 1;
    for (size_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)s * 0x1p-31f;
    }
}

/* Weights and prepared entries of one type, and room for results. */
typedef struct {
    lac_type type;
    size_t bytes, count; /* of one matrix; matrices */
    char *w, *x;
    float *y;
} work;

/* Bytes a second of reading all the matrices and nothing else, fetched ahead as products do. */
static double reading(const work *p)
{
    typedef uint64_t pair __attribute__((vector_size(16)));
    double best = 0;
    for (int i = 0; i < 8; i++) {
        pair a = {0}, b = a, c = a, d = a; /* a line */
        const double t0 = now();
        for (size_t at = 0; at < p->count * p->bytes; at += 4 * sizeof a) {
            const pair *from = (const pair *)(const void *)(p->w + at);
            __builtin_prefetch(p->w + at + 8192, 0, 2);
            a += from[0], b += from[1], c += from[2], d += from[3];
        }
        const pair all = a + b + c + d;
        volatile uint64_t kept = all[0] + all[1];
        (void)kept;
        const double rate = (double)(p->count * p->bytes) / (now() - t0);
        if (rate > best) best = rate;
    }
    return best;
}

static int work_open(work *p, lac_type type)
{
    const size_t bytes = lac_panels_bytes(type, R, K), row = lac_row_bytes(type, K), prepared = lac_prepared_bytes(type, K);
    const size_t count = STREAM / bytes + 1;
    float *f = malloc(R * K * sizeof *f);
    char *rows = malloc(R * row);
    *p = (work){type, bytes, count, aligned_alloc(64, count * bytes), aligned_alloc(64, MOST * prepared), malloc(sizeof(float) * MOST * R)};
    if (!f || !rows || !p->w || !p->x || !p->y) return -1;
    noise(f, R * K);
    for (size_t r = 0; r < R; r++) lac_row_encode(type, f + r * K, K, rows + r * row);
    const double begin = now();
    for (size_t i = 0; i < count; i++) lac_pack(type, rows, R, K, 0, R / LAC_PANEL, p->w + i * bytes);
    printf("# %s: packed at %.2f GB/s", lac_type_name(type), 1e-9 * (double)(count * bytes) / (now() - begin));
    printf(", read at %.1f GB/s\n", 1e-9 * reading(p));
    for (size_t n = 0; n < MOST; n++) lac_kern_ref->prepare(type, p->x + n * prepared, f + n * K, K);
    free(f), free(rows);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of one product of N entries by `rows` rows: each in turn of `count` matrices, the lower quartile. */
static double seconds(const lac_kern *kern, const work *p, size_t N, size_t rows, size_t count)
{
    double t[RUNS], begin = now();
    size_t n = 0;
    while (n < RUNS && (n < 8 || now() - begin < 0.2)) {
        const double t0 = now();
        kern->matmul(p->type, p->y, R, p->x, N, p->w + n % count * p->bytes, rows, K);
        t[n++] = now() - t0;
    }
    qsort(t, n, sizeof *t, by_size);
    return t[n / 4];
}

static double peak(const lac_kern *kern, lac_type type)
{
    double best = 0;
    for (int i = 0; i < 10; i++) {
        const double t0 = now(), sums = kern->spin(type, 1 << 20);
        const double rate = 2 * sums / (now() - t0);
        if (rate > best) best = rate;
    }
    return best;
}

static void bench(const lac_kern *kern, const work *p)
{
    static const size_t entries[] = {1, 2, 4, 8, 16, 32, 64};
    const double ref = seconds(lac_kern_ref, p, 1, LAC_PANEL, 1) / LAC_PANEL, most = peak(kern, p->type); /* ref: a row */
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        for (int stream = 0; stream < 2; stream++) {
            const size_t N = entries[i];
            const double t = seconds(kern, p, N, R, stream ? p->count : 1), ops = 2.0 * (double)N * K * R;
            printf("%s\t%s\t%s\t%zu\t%.1f\t%.2f\t%.0f\t%.2f\n", kern->name, lac_type_name(p->type), stream ? "memory" : "cache", N,
                   1e-9 * ops / t, 1e-9 * (double)p->bytes / t, ref * (double)N * R / t, ops / t / most);
            fflush(stdout);
        }
}

int main(void)
{
    static const lac_type types[] = {LAC_Q8_0, LAC_BF16, LAC_F32};
    static const char *const names[] = {"neon", "avx2", "avx2vnni", "avx512", "avx512vnni", "avx512bf16"};
    printf("table\ttype\tweights in\tN\tGop/s\tGB/s of weights\ttimes ref\tof peak\n");
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        work p;
        if (work_open(&p, types[t])) return 1;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (lac_kern_pick(names[i])) bench(lac_kern_pick(names[i]), &p);
        free(p.w), free(p.x), free(p.y);
    }
    return 0;
}
