/* lacuna_convert: the tokenizer is looked into here, the weights in model/. */
#include "model/convert.h"

#include <string.h>

#include "base/err.h"
#include "file/map.h"
#include "session/session.h"

static int type_of(const char *name, lac_type *type, lacuna_error *err)
{
    static const struct {
        const char *name;
        lac_type type;
    } known[] = {{"q8_0", LAC_Q8_0}, {"bf16", LAC_BF16}, {"f32", LAC_F32}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!name || !strcmp(name, known[i].name)) {
            *type = known[i].type;
            return 0;
        }
    return lac_err(err, LACUNA_E_ARG, 0, "type '%s' is unknown: f32, bf16 or q8_0", name);
}

int lacuna_convert(const char *safetensors, const char *config, const char *out, const lacuna_convert_options *options, lacuna_error *err)
{
    lacuna_convert_options o;
    lac_type type = LAC_Q8_0;
    if (!safetensors || !config || !out) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_convert: NULL where a path is needed");
    int r = lac_session_options(&o, sizeof o, options, "convert", err);
    if (!r) r = type_of(o.type, &type, err);
    if (r) return r;
    lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    lac_map map = {0};
    lac_tok *tok = NULL;
    if (o.tokenizer && (r = lac_map_open(&map, o.tokenizer, err))) return r;
    if (o.tokenizer) r = lac_tok_open(&tok, map.data, map.size, o.tokenizer, &mem, err);
    if (!r)
        r = lac_convert(safetensors, config, out, type, map.data, map.size, tok ? (int64_t)lac_tok_vocab(tok) : -1,
                        tok ? lac_tok_find(tok, "<mask>") : -1, o.name, o.license, &mem, err);
    lac_tok_free(tok);
    if (o.tokenizer) lac_map_close(&map);
    return r;
}
