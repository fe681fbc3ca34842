/* Attention of every table on one thread, and what putting an entry costs.  Prints TSV; the best of a few timings, for
 * the machine may be shared.  Heads are walked in turn, as a pass does: with many, keys and values come from beyond
 * the second cache. */
#include "kern/attend.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float noise(void)
{
    static uint32_t s = 1;
    s = s * 1664525u + 1013904223u;
    return (float)(int32_t)s * 0x1p-31f;
}

enum { D = 64, HEADS = 144, MOST_ROWS = 512, RANKS = 2048 + MOST_ROWS, PAGES = RANKS / LAC_PAGE };

static float q[MOST_ROWS * D], out[MOST_ROWS * D], k[D], v[D], code[2][D];
static uint32_t sees[MOST_ROWS], self[MOST_ROWS];
static char *page[PAGES];
static float *room;

/* Seconds for one head, of `heads` in turn. */
static double attend(const lac_kern *kern, lac_type type, size_t N, size_t heads, double budget)
{
    const size_t bytes = lac_page_bytes(type, D);
    double best = 1e9;
    const double begin = now();
    do {
        const double t0 = now();
        for (size_t h = 0; h < heads; h++)
            kern->attend(&(lac_attend){type, D, (const char *const *)page, h * bytes, q, D, N, sees, self, out, D, room});
        const double t = (now() - t0) / (double)heads;
        if (t < best) best = t;
    } while (now() - begin < budget);
    return best;
}

/* Seconds to put an entry of one head. */
static double put(lac_type type)
{
    const size_t bytes = lac_page_bytes(type, D);
    double best = 1e9;
    for (size_t p = 0; p < PAGES; p++) {
        const double t0 = now();
        for (size_t t = 0; t < LAC_PAGE; t++)
            for (size_t h = 0; h < HEADS; h++) lac_page_put(type, page[p] + h * bytes, t, D, code[0], code[1]);
        const double s = (now() - t0) / (LAC_PAGE * HEADS);
        if (s < best) best = s;
    }
    return best;
}

/* `causal`: row n sees the rows before it too. */
static void bench(lac_type type, size_t N, size_t T, size_t heads, int causal)
{
    static const char *const names[] = {"ref", "neon", "avx2", "avx512"};
    double ref = 0, keys = 0;
    for (size_t n = 0; n < N; n++) {
        sees[n] = (uint32_t)(causal ? T + n : T), self[n] = (uint32_t)(T + n);
        keys += sees[n] + 1;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const lac_kern *kern = lac_kern_pick(names[i]);
        if (!kern) continue;
        const double t = attend(kern, type, N, i == 0 ? 1 : heads, 0.15);
        if (i == 0) ref = t;
        printf("%s\t%s\t%zu\t%zu\t%s\t%zu\t%.1f\t%.2f\t%.1f\n", kern->name, lac_type_name(type), N, T, causal ? "before" : "self", heads,
               1e-9 * 4 * D * keys / t, 1e-9 * 2 * D * (type == LAC_F32 ? 4 : 2) * (double)(causal ? T + N : T) / t, ref / t);
        fflush(stdout);
    }
}

int main(void)
{
    static const lac_type types[] = {LAC_F32, LAC_BF16};
    static const size_t shapes[][4] = {/* N, T, heads, causal */
                                       {1, 512, 144, 0},  {1, 512, 4, 0},  {1, 2048, 144, 0}, {2, 512, 144, 0}, {4, 512, 144, 0}, {8, 512, 144, 0},
                                       {16, 512, 144, 0}, {32, 512, 144, 0}, {32, 2048, 144, 0}, {32, 512, 144, 1}, {512, 0, 12, 1}};
    room = malloc(lac_attend_room(MOST_ROWS, D) * sizeof *room);
    for (size_t i = 0; i < MOST_ROWS * D; i++) q[i] = noise();
    for (size_t y = 0; y < 2; y++) {
        const size_t bytes = HEADS * lac_page_bytes(types[y], D);
        for (size_t p = 0; p < PAGES; p++) {
            page[p] = aligned_alloc(64, bytes);
            if (!room || !page[p]) return 1;
            for (size_t t = 0; t < LAC_PAGE * HEADS; t++) {
                for (size_t d = 0; d < D; d++) k[d] = noise(), v[d] = noise();
                lac_row_encode(types[y], k, D, code[0]);
                lac_row_encode(types[y], v, D, code[1]);
                lac_page_put(types[y], page[p] + t / LAC_PAGE * lac_page_bytes(types[y], D), t % LAC_PAGE, D, code[0], code[1]);
            }
        }
        printf("put\t%s\t%.0f ns\ntable\ttype\tN\tT\tkeys\theads\tGFLOP/s\tGB/s\ttimes ref\n", lac_type_name(types[y]), 1e9 * put(types[y]));
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) bench(types[y], shapes[s][0], shapes[s][1], shapes[s][2], (int)shapes[s][3]);
        for (size_t p = 0; p < PAGES; p++) free(page[p]);
    }
    free(room);
    return 0;
}
