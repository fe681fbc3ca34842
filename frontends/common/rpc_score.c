/* Params of the methods score and rank. */
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/rpc.h"
#include "common/rpc_fields.h"

enum { ORDERS_MOST = 1000000, FILLS_MOST = 4096 };

/* ---- score --------------------------------------------------------------------------------- */

/* "spans" absent: the whole text. */
static int get_spans(const json_t *params, rpc_score_params *p, char *err, size_t err_size)
{
    int r = rpc_get_spans(params, "spans", &p->spans, &p->n_spans, err, err_size);
    if (r) return r < 0 ? -1 : 0;
    p->n_spans = 1;
    p->spans = xalloc(1, sizeof *p->spans);
    p->spans[0] = (lacuna_span){0, p->text.len};
    return 0;
}

int rpc_score(const json_t *params, rpc_score_params *p, char *err, size_t err_size)
{
    static const char *const orders[] = {"left", "random", NULL};
    int order = 0, strict = 0;
    static const char *const known[] = {"text", "spans", "lang", "path", "order", "alpha0", "orders", "spare", "exact", "seed", "no_end",
                                        "strict_context", NULL};
    *p = (rpc_score_params){.opt = {LACUNA_SCORE_INIT, .alpha0 = 1}};
    p->opt.exact = !json_object_get(params, "spans"); /* a whole text is no hole: nothing ends it */
    if (rpc_only_known(params, known, err, err_size) || rpc_get_text(params, &p->text, err, err_size) ||
        rpc_get_names(params, &p->lang, &p->path, err, err_size) || json_get_choice(params, "order", orders, &order, err, err_size) < 0 ||
        json_get_real(params, "alpha0", 0, 1, &p->opt.alpha0, err, err_size) < 0 ||
        rpc_get_positive(params, "orders", ORDERS_MOST, &p->opt.n_orders, err, err_size) < 0 ||
        rpc_get_u32(params, "spare", &p->opt.spare, err, err_size) < 0 ||
        json_get_bool(params, "exact", &p->opt.exact, err, err_size) < 0 ||
        rpc_get_seed(params, &p->opt.seed, err, err_size) < 0 ||
        json_get_bool(params, "no_end", &p->opt.no_end, err, err_size) < 0 ||
        json_get_bool(params, "strict_context", &strict, err, err_size) < 0 || get_spans(params, p, err, err_size))
        return RPC_PARAMS;
    p->opt.order = order ? LACUNA_ORDER_RANDOM : LACUNA_ORDER_LEFT;
    if (p->opt.n_orders > 1 && !json_object_get(params, "order")) p->opt.order = LACUNA_ORDER_RANDOM;
    if (p->opt.alpha0 == 0) p->opt.order = LACUNA_ORDER_LEFT; /* no random slot */
    p->opt.drop_far = !strict;
    return 0;
}

void rpc_score_free(rpc_score_params *p)
{
    free(p->spans);
    p->spans = NULL;
}

/* ---- rank ---------------------------------------------------------------------------------- */

static int get_fills(const json_t *params, rpc_rank_params *p, char *err, size_t err_size)
{
    const json_t *a = json_object_get(params, "fills");
    if (!json_is_array(a) || !json_array_size(a) || json_array_size(a) > FILLS_MOST)
        return snprintf(err, err_size, "fills: expected an array of 1 to %d candidates, each an array of strings", FILLS_MOST), -1;
    p->n = json_array_size(a);
    p->fills = xalloc(p->n * p->n_spans, sizeof *p->fills);
    for (size_t c = 0; c < p->n; c++) {
        char why[160];
        if (!rpc_get_fill(json_array_get(a, c), p->n_spans, p->fills + c * p->n_spans, why, sizeof why)) continue;
        return snprintf(err, err_size, "fills[%zu]: %s", c, why), -1;
    }
    return 0;
}

int rpc_rank(const json_t *params, rpc_rank_params *p, char *err, size_t err_size)
{
    static const char *const known[] = {"text", "holes", "fills", "lang", "path", "spare", "exact", "no_end", "heal", "strict_context", NULL};
    int strict = 0, holes;
    *p = (rpc_rank_params){.opt = {LACUNA_SCORE_INIT, .heal = 1}};
    if (rpc_only_known(params, known, err, err_size) || rpc_get_text(params, &p->text, err, err_size) ||
        rpc_get_names(params, &p->lang, &p->path, err, err_size) || rpc_get_u32(params, "spare", &p->opt.spare, err, err_size) < 0 ||
        json_get_bool(params, "exact", &p->opt.exact, err, err_size) < 0 ||
        json_get_bool(params, "no_end", &p->opt.no_end, err, err_size) < 0 ||
        json_get_bool(params, "heal", &p->opt.heal, err, err_size) < 0 ||
        json_get_bool(params, "strict_context", &strict, err, err_size) < 0 ||
        (holes = rpc_get_spans(params, "holes", &p->spans, &p->n_spans, err, err_size)) < 0)
        return RPC_PARAMS;
    if (!holes) return snprintf(err, err_size, "holes: missing"), RPC_PARAMS;
    p->opt.drop_far = !strict;
    return get_fills(params, p, err, err_size) ? RPC_PARAMS : 0;
}

void rpc_rank_free(rpc_rank_params *p)
{
    free(p->spans);
    free(p->fills);
    p->spans = NULL, p->fills = NULL;
}
