/* One line as `lacuna serve` reads it: the request, the params of its method, and the error reply. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
    if (!ok) abort();
}

/* What is written must be one line of JSON, whatever was read. */
static void reply(const json_t *id, int code, const char *message)
{
    buf b = {0};
    lacuna_error cause = {.code = LACUNA_E_ARG};
    rpc_put_error(&b, id, code, message, &cause);
    require(b.n && b.p[b.n - 1] == '\n' && !memchr(b.p, '\n', b.n - 1));
    json_t *back = json_loadb(b.p, b.n, JSON_ALLOW_NUL, NULL);
    require(back != NULL);
    json_decref(back);
    buf_free(&b);
}

static void infill(const json_t *params)
{
    char err[80];
    rpc_infill_params p;
    if (rpc_infill(params, &p, err, sizeof err) == 0) {
        require(p.holes.n > 0 && isfinite(p.opt.temperature) && p.opt.temperature >= 0);
        require(p.opt.alpha0 >= 0 && p.opt.alpha0 <= 1 && p.opt.top_p >= 0 && p.opt.top_p <= 1);
        require(p.opt.order <= LACUNA_ORDER_ENTROPY && p.opt.rule <= LACUNA_RULE_BD3 && p.w.syntax <= SYNTAX_OFF && p.w.candidates > 0);
        for (size_t i = 0; i < p.w.n_lengths; i++) require(p.w.lengths[i] > 0);
        for (size_t i = 0; i < p.holes.n; i++) {
            const lacuna_hole *h = &p.holes.v[i];
            const hole_more *more = &p.holes.more[i];
            require(isfinite(h->temperature) && (!h->n_ban || h->ban) && (!more->n_choices || (!h->shape && !h->regex.bytes)));
            for (size_t k = 0; k < h->n_ban; k++) require(h->ban[k].bytes != NULL);
            for (size_t k = 0; k < more->n_choices; k++) require(more->choice[k].bytes != NULL);
        }
    }
    rpc_infill_free(&p);
}

static void score(const json_t *params)
{
    char err[80];
    rpc_score_params p;
    if (rpc_score(params, &p, err, sizeof err) == 0) require(p.n_spans > 0);
    rpc_score_free(&p);
}

static void rank(const json_t *params)
{
    char err[80];
    rpc_rank_params p;
    if (rpc_rank(params, &p, err, sizeof err) == 0) require(p.n_spans > 0 && p.n > 0 && p.fills);
    rpc_rank_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char err[80] = "";
    rpc_request r;
    const json_t *id;
    int code = rpc_parse((const char *)data, size, &r, err, sizeof err);
    reply(r.id, code, err);
    if (code == 0) {
        infill(r.params);
        score(r.params);
        rank(r.params);
        rpc_cancel(r.params, &id, err, sizeof err);
    }
    rpc_free(&r);
    buf b = {0};
    json_put_string(&b, (const char *)data, size);
    json_t *back = json_loadb(b.p, b.n, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    require(json_is_string(back));
    json_decref(back);
    buf_free(&b);
    return 0;
}
