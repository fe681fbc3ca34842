/* Matrix products of every table on one thread: GFLOP/s, bytes of weights a second, ratio to the scalar
 * table.  Prints TSV; the best of a few timings, for the machine may be shared. */
#include "kern/kern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct {
    lac_type type;
    size_t N, K, R;
    float *x, *y;
    void *w;
} product;

static double seconds(const lac_kern *kern, const product *p, double budget)
{
    double best = 1e9, begin = now();
    size_t rounds = 1;
    do {
        double t0 = now();
        for (size_t i = 0; i < rounds; i++) lac_matmul(kern, p->type, p->y, p->R, p->x, p->K, p->w, p->N, p->R, p->K);
        double t = (now() - t0) / (double)rounds;
        if (t < best) best = t;
        if (t * (double)rounds < 2e-4) rounds *= 2;
    } while (now() - begin < budget);
    return best;
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

static int bench(lac_type type, size_t N, size_t K, size_t R)
{
    static const char *const names[] = {"ref", "neon", "avx2", "avx512"};
    product p = {type, N, K, R, noise(N * K), noise(N * R), malloc(R * lac_row_bytes(type, K))};
    float *w = noise(R * K);
    if (!p.x || !p.y || !p.w || !w) return 1;
    for (size_t r = 0; r < R; r++) lac_row_encode(type, w + r * K, K, (char *)p.w + r * lac_row_bytes(type, K));
    double ref = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const lac_kern *kern = lac_kern_pick(names[i]);
        if (!kern) continue;
        double t = seconds(kern, &p, 0.08);
        if (i == 0) ref = t;
        printf("%s\t%s\t%zu\t%zu\t%zu\t%.1f\t%.2f\t%.1f\n", kern->name, lac_type_name(type), N, K, R,
               2e-9 * (double)N * (double)K * (double)R / t, 1e-9 * (double)(R * lac_row_bytes(type, K)) / t, ref / t);
        fflush(stdout);
    }
    free(p.x), free(p.y), free(p.w), free(w);
    return 0;
}

int main(void)
{
    static const lac_type types[] = {LAC_F32, LAC_BF16, LAC_Q8_0};
    static const size_t shapes[][3] = {/* N, K, R */
                                       {1, 1024, 1024}, {4, 1024, 1024}, {16, 1024, 1024}, {64, 1024, 1024},
                                       {1, 256, 768},   {16, 256, 768},  {64, 256, 768},   {16, 3072, 768},
                                       {1, 512, 32768}, {16, 512, 8192}};
    printf("table\ttype\tN\tK\tR\tGFLOP/s\tGB/s of weights\ttimes ref\n");
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t t = 0; t < 3; t++)
            if (bench(types[t], shapes[s][0], shapes[s][1], shapes[s][2])) return 1;
    return 0;
}
