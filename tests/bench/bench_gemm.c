/* Large products on one thread, on the shapes of training: GFLOP/s, part of the peak, ratio to OpenBLAS.  Prints TSV;
 * the best of many timings of the thread's own time, for the machine may be shared.
 *
 * The peak of a table is the best it reaches on any shape; the first are products that stay in cache. */
#include "kern/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void openblas_set_num_threads(int);

enum { FORWARD = 2, BACKWARD_X = 0, BACKWARD_W = 1, ADD = 4 }; /* tb, none, ta */

static const struct {
    const char *what;
    unsigned how;
    size_t m, n, k;
} shapes[] = {
    {"peak", BACKWARD_X, 96, 64, 256},
    {"peak", BACKWARD_X, 510, 64, 256},
    {"forward", FORWARD, 512, 768, 256},
    {"forward", FORWARD, 512, 1408, 256},
    {"forward", FORWARD, 512, 256, 704},
    {"forward", FORWARD, 200, 8192, 256},
    {"dX", BACKWARD_X, 512, 256, 768},
    {"dX", BACKWARD_X, 512, 256, 1408},
    {"dX", BACKWARD_X, 512, 256, 8192},
    {"dW", BACKWARD_W | ADD, 768, 256, 512},
    {"dW", BACKWARD_W | ADD, 1408, 256, 512},
    {"dW", BACKWARD_W | ADD, 8192, 256, 200},
    {"attention", FORWARD, 64, 512, 64},
    {"attention", BACKWARD_X, 64, 64, 512},
    {"attention", BACKWARD_W | ADD, 512, 64, 64},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };
static const char *const names[] = {"blas", "bf16"};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* n numbers in (-1, 1), the same each time; as BF16 their upper halves. */
static void *noise(bool bf16, size_t n)
{
    float *x = malloc(n * sizeof *x);
    uint16_t *h = (uint16_t *)x;
    uint32_t s = 1;
    for (size_t i = 0; x && i < n; i++) {
        s = s * 1664525u + 1013904223u;
        float v = (float)(int32_t)s * 0x1p-31f;
        uint32_t u;
        memcpy(&u, &v, sizeof u);
        if (bf16) h[i] = (uint16_t)(u >> 16);
        else x[i] = v;
    }
    return x;
}

/* GFLOP/s of a table on a shape; 0 without memory. */
static double speed(const lac_gemm *gemm, size_t s, double budget)
{
    bool ta = shapes[s].how & BACKWARD_W, tb = shapes[s].how & FORWARD, add = shapes[s].how & ADD;
    size_t m = shapes[s].m, n = shapes[s].n, k = shapes[s].k, rounds = 1;
    void *A = noise(gemm->bf16, m * k), *B = noise(gemm->bf16, n * k);
    float *C = calloc(m * n, sizeof *C);
    double best = 1e9, begin = now();
    while (A && B && C && now() - begin < budget) {
        double t0 = now();
        for (size_t i = 0; i < rounds; i++) gemm->run(ta, tb, m, n, k, A, ta ? m : k, B, tb ? k : n, add, C, n);
        double t = (now() - t0) / (double)rounds;
        if (t < best) best = t;
        if (t * (double)rounds < 2e-4) rounds *= 2;
    }
    free(A), free(B), free(C);
    return 2e-9 * (double)m * (double)n * (double)k / best;
}

int main(void)
{
    double gflops[2][SHAPES] = {{0}}, peak[2] = {0};
    openblas_set_num_threads(1);
    for (size_t i = 0; i < 2; i++) {
        const lac_gemm *gemm = lac_gemm_pick(names[i]);
        for (size_t s = 0; gemm && s < SHAPES; s++) {
            gflops[i][s] = speed(gemm, s, 0.15);
            if (gflops[i][s] > peak[i]) peak[i] = gflops[i][s];
        }
    }
    printf("table\tof\tta\ttb\tadd\tm\tn\tk\tGFLOP/s\tof peak\ttimes blas\n");
    for (size_t s = 0; s < SHAPES; s++)
        for (size_t i = 0; i < 2; i++)
            if (gflops[i][s] > 0)
                printf("%s\t%s\t%u\t%u\t%u\t%zu\t%zu\t%zu\t%.1f\t%.2f\t%.2f\n", names[i], shapes[s].what,
                       shapes[s].how & 1, shapes[s].how >> 1 & 1, shapes[s].how >> 2, shapes[s].m, shapes[s].n,
                       shapes[s].k, gflops[i][s], gflops[i][s] / peak[i], gflops[i][s] / gflops[0][s]);
    return 0;
}
