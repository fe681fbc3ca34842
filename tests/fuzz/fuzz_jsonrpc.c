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
    if (rpc_infill(params, &p, err, sizeof err)) return;
    require(p.n_holes > 0 && isfinite(p.opt.temperature) && p.opt.temperature >= 0);
    require(p.opt.alpha0 >= 0 && p.opt.alpha0 <= 1 && p.opt.top_p >= 0 && p.opt.top_p <= 1);
    require(p.opt.order <= LACUNA_ORDER_ENTROPY && p.opt.rule <= LACUNA_RULE_PAPER);
    free(p.holes);
}

static void score(const json_t *params)
{
    char err[80];
    rpc_score_params p;
    if (rpc_score(params, &p, err, sizeof err)) return;
    require(p.n_spans > 0);
    free(p.spans);
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
