#include "train/example.h"

#include <string.h>

#include "base/err.h"

/* Arrays in one block: seven of 4 bytes an entry, then the parts. */
#define ENTRY (7 * 4 + 1)

int lac_example_open(lac_example *e, size_t cap, const lacuna_allocator *mem, lacuna_error *err)
{
    size_t size;
    *e = (lac_example){0};
    char *p = lac_mul(cap, ENTRY, &size) ? lac_mem_zalloc(mem, size) : NULL;
    if (!p) return lac_nomem(err, "training example");
    e->cap = cap;
    e->token = (int32_t *)(void *)p;
    e->pos = e->token + cap;
    e->target = e->pos + cap;
    e->sees = (uint32_t *)(e->target + cap);
    e->from = e->sees + cap;
    e->to = e->from + cap;
    e->weight = (float *)(e->to + cap);
    e->part = (uint8_t *)(e->weight + cap);
    return 0;
}

void lac_example_free(lac_example *e, const lacuna_allocator *mem)
{
    lac_mem_free(mem, e->token, e->cap * ENTRY);
    *e = (lac_example){0};
}

void lac_example_clear(lac_example *e)
{
    e->n = 0;
    e->bytes = 0;
    memset(e->norm, 0, sizeof e->norm);
}

size_t lac_example_add(lac_example *e, int32_t token, int32_t pos, size_t sees, size_t from, size_t to)
{
    size_t i = e->n++;
    e->token[i] = token;
    e->pos[i] = pos;
    e->sees[i] = (uint32_t)sees;
    e->from[i] = (uint32_t)from;
    e->to[i] = (uint32_t)to;
    e->target[i] = -1;
    e->weight[i] = 0;
    e->part[i] = 0;
    return i;
}

void lac_example_aim(lac_example *e, size_t i, int32_t target, double weight, lac_loss_part part)
{
    e->target[i] = target;
    e->weight[i] = (float)weight;
    e->part[i] = (uint8_t)part;
}
