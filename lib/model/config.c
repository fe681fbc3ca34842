#include "model/config.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "file/map.h"
#include "file/say.h"
#include "model/hparams.h"

#define MAX_FILE ((uint64_t)16 << 20) /* bytes; configurations have a few thousand */

typedef struct {
    lac_config *c;
    const json_t *root;
    lacuna_error *err;
    int failed; /* the first failure; later reads do nothing */
} reader;

/* ---- values ---- */

/* A value that is, or spells, a number.  Only digits, sign, point and exponent: strtod would also take
 * "inf" and hexadecimal, and its decimal point follows the locale, so the digits are read here. */
static bool number_of(const json_t *v, double *out)
{
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    const char *s = json_string_value(v);
    size_t len = s ? strlen(s) : 0;
    if (!len || len > 32 || strspn(s, "+-.0123456789eE") != len) return false;
    json_t *t = json_loadb(s, len, JSON_DECODE_ANY, NULL); /* the JSON grammar, whatever the locale */
    bool ok = json_is_number(t);
    if (ok) *out = json_number_value(t);
    json_decref(t);
    return ok;
}

static bool truth_of(const json_t *v, bool *out)
{
    const char *s = json_string_value(v);
    double d;
    if (json_is_boolean(v)) *out = json_is_true(v);
    else if (s && (!strcmp(s, "True") || !strcmp(s, "true"))) *out = true;
    else if (s && (!strcmp(s, "False") || !strcmp(s, "false"))) *out = false;
    else if (number_of(v, &d) && (d == 0 || d == 1)) *out = d != 0;
    else return false;
    return true;
}

static void complain(reader *r, const char *key, const char *why)
{
    r->failed = lac_err(r->err, LACUNA_E_FORMAT, 0, "%s: key '%s': %s", r->c->name, key, why);
}

/* The number at key; def: not NULL, the value when the key is absent or null. */
static double number(reader *r, const char *key, const double *def)
{
    const json_t *v = json_object_get(r->root, key);
    double d = 0;
    if (r->failed) return 0;
    if (!v || json_is_null(v)) {
        if (!def) complain(r, key, "missing");
        return def ? *def : 0;
    }
    if (!number_of(v, &d) || !isfinite(d)) complain(r, key, "a number was expected");
    return d;
}

static uint32_t count(reader *r, const char *key, const double *def)
{
    double d = number(r, key, def);
    if (r->failed) return 0;
    if (d >= 0 && d <= UINT32_MAX && d == floor(d)) return (uint32_t)d;
    complain(r, key, "a whole number from 0 to 4294967295 was expected");
    return 0;
}

static bool truth(reader *r, const char *key, bool def)
{
    const json_t *v = json_object_get(r->root, key);
    bool b = def;
    if (!r->failed && v && !json_is_null(v) && !truth_of(v, &b)) complain(r, key, "true or false was expected");
    return b;
}

static bool has(const reader *r, const char *key)
{
    const json_t *v = json_object_get(r->root, key);
    return v && !json_is_null(v);
}

/* ---- the two forms ---- */

static void read_official(reader *r)
{
    lac_hparams *hp = &r->c->hp;
    hp->variant = LAC_OFFICIAL;
    hp->width = count(r, "hidden_size", NULL);
    hp->heads = count(r, "n_heads", NULL);
    hp->layers = count(r, "n_blocks", NULL);
    hp->vocab = count(r, "vocab_size", NULL);
    hp->context = count(r, "length", NULL);
    r->c->cond = count(r, "cond_dim", NULL);
    r->c->freq = count(r, "frequency_embedding_size", &(double){256});
    hp->norm_eps = (float)number(r, "layernorm_eps", &(double){1e-5});
    double ff = number(r, "mlp_ratio", &(double){4}) * hp->width;
    if (!r->failed && !(ff >= 1 && ff <= UINT32_MAX && ff == floor(ff))) complain(r, "mlp_ratio", "times hidden_size, it makes no whole number");
    if (!r->failed) hp->ff = (uint32_t)ff;
    if (!r->failed && !r->c->cond) complain(r, "cond_dim", "it is 0");
    if (!r->failed && r->c->cond > 1u << 16) complain(r, "cond_dim", "larger than 65536");
    if (!r->failed && (r->c->freq < 2 || r->c->freq > 1u << 16)) complain(r, "frequency_embedding_size", "2 to 65536 was expected");
    if (truth(r, "tie_word_embeddings", false) && !r->failed) complain(r, "tie_word_embeddings", "the published architecture is untied");
}

static void read_house(reader *r)
{
    lac_hparams *hp = &r->c->hp;
    hp->variant = LAC_HOUSE;
    hp->width = count(r, "dim", NULL);
    hp->heads = count(r, "heads", NULL);
    hp->layers = count(r, "layers", NULL);
    hp->ff = count(r, "ff", NULL);
    hp->vocab = count(r, "vocab", NULL);
    hp->qk_norm = truth(r, "qk_norm", false);
    hp->context = count(r, "context_length", &(double){512});
    hp->norm_eps = (float)number(r, "norm_eps", &(double){1e-6});
}

static int read_config(lac_config *c, const json_t *root, lacuna_error *err)
{
    reader r = {c, root, err, 0};
    bool official = has(&r, "hidden_size") || has(&r, "n_blocks") || has(&r, "cond_dim");
    bool house = has(&r, "dim") || has(&r, "layers") || has(&r, "ff");
    if (official == house) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: %s keys of the official form (hidden_size, n_blocks, cond_dim) %s of the house form (dim, layers, ff)",
                       c->name, official ? "both" : "neither", official ? "and" : "nor");
    }
    if (official) read_official(&r);
    else read_house(&r);
    c->hp.rope_base = (float)number(&r, "rope_base", &(double){10000});
    c->has_mask = has(&r, "mask_index");
    if (c->has_mask) c->hp.mask = count(&r, "mask_index", NULL);
    double whole = c->hp.heads ? (double)c->hp.width / c->hp.heads : 0; /* head_dim, when not given */
    if (!r.failed && whole != floor(whole)) complain(&r, official ? "n_heads" : "heads", "the width is not a multiple of it");
    c->hp.head_dim = count(&r, "head_dim", &whole);
    return r.failed ? r.failed : lac_hparams_check(&c->hp, c->name, err);
}

int lac_config_parse(lac_config *c, const char *text, size_t len, const char *name, lacuna_error *err)
{
    *c = (lac_config){0};
    lac_say_base(c->name, sizeof c->name, name);
    json_error_t why;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!root && json_error_code(&why) == json_error_out_of_memory) return lac_nomem(err, "configuration");
    if (!root) {
        return lac_err(err, LACUNA_E_FORMAT, why.position > 0 ? (uint64_t)why.position : 0, "%s: line %d: not JSON: %s", c->name, why.line,
                       lac_say_name((lacuna_text){why.text, strlen(why.text)}).s);
    }
    int r = json_is_object(root) ? read_config(c, root, err)
                                 : lac_err(err, LACUNA_E_FORMAT, 0, "%s: a JSON object was expected", c->name);
    json_decref(root);
    return r;
}

int lac_config_load(lac_config *c, const char *path, lacuna_error *err)
{
    lac_map m;
    int r = lac_map_open(&m, path, err);
    if (r) return r;
    r = m.size <= MAX_FILE ? lac_config_parse(c, (const char *)m.data, (size_t)m.size, path, err)
                           : lac_err(err, LACUNA_E_FORMAT, 0, "%s: too large for a configuration", lac_say_path(path).s);
    lac_map_close(&m);
    return r;
}
