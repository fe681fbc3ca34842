/* lacuna_model: weights, tokenizer and what the frontends may know of them. */
#include <string.h>

#include "base/err.h"
#include "session/session.h"

const lacuna_model_info *lacuna_model_get_info(const lacuna_model *m) { return &m->info; }

int lacuna_model_verify(const lacuna_model *m, lacuna_error *err) { return lac_gguf_verify_data(&m->file, err); }

static void destroy(lacuna_model *m)
{
    lacuna_allocator mem = m->mem;
    lac_tok_free(m->tok);
    lac_weights_free(&m->w);
    lac_gguf_close(&m->file);
    lac_mem_free(&mem, m->flags, m->info.n_vocab);
    lac_mem_free(&mem, m->strings, m->strings_bytes);
    lac_mem_free(&mem, m->tags, m->info.n_tags * sizeof *m->tags);
    lac_mem_free(&mem, m->tag_token, m->info.n_tags * sizeof *m->tag_token);
    pthread_mutex_destroy(&m->packing);
    lac_mem_free(&mem, m, sizeof *m);
}

void lacuna_model_free(lacuna_model *m)
{
    if (m && atomic_fetch_sub(&m->refs, 1) == 1) destroy(m);
}

int lac_model_pack(lacuna_model *m, lacuna_error *err)
{
    pthread_mutex_lock(&m->packing);
    int r = lac_weights_pack(&m->w, err);
    pthread_mutex_unlock(&m->packing);
    return r;
}

bool lac_model_is_tag(const char *piece)
{
    /* control pieces that are not */
    static const char *const known[] = {"<pad>", "<unk>", "<bos>", "<eos>", "<s>", "</s>", "<mask>", "<eom>"};
    size_t n = strlen(piece);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(piece, known[i])) return false;
    return n > 2 && piece[0] == '<' && piece[n - 1] == '>';
}

/* What each token is: excluded, the end of a hole, a line feed. */
static int flag_tokens(lacuna_model *m, lacuna_error *err)
{
    uint32_t v = m->w.hp.vocab;
    if (!(m->flags = lac_mem_zalloc(&m->mem, v))) return lac_nomem(err, "model");
    m->info.n_vocab = v;
    m->flags[m->w.hp.mask] = LAC_TOKEN_NEVER;
    m->info.mask = (int32_t)m->w.hp.mask;
    m->info.eom = -1;
    if (!m->tok) return 0;
    if (lac_tok_vocab(m->tok) > v)
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: the tokenizer has %u tokens, the network %u", m->file.name,
                       (unsigned)lac_tok_vocab(m->tok), (unsigned)v);
    m->info.eom = lac_tok_find(m->tok, "<eom>");
    for (uint32_t i = 0; i < v; i++) {
        lacuna_text b = lac_tok_bytes(m->tok, (int32_t)i);
        if (!b.len) m->flags[i] |= LAC_TOKEN_NEVER;
        if (b.len && memchr(b.bytes, '\n', b.len)) m->flags[i] |= LAC_TOKEN_LINE;
    }
    if (m->info.eom >= 0) m->flags[m->info.eom] = LAC_TOKEN_EOM;
    if (m->info.eom == m->info.mask)
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: <eom> is the mask index %d", m->file.name, (int)m->info.mask);
    return 0;
}

/* Name, licence and tags as C strings in one block. */
static int copy_strings(lacuna_model *m, lacuna_error *err)
{
    lacuna_text name, license;
    int r = lac_gguf_text(&m->file, "general.name", &name, err);
    if (!r) r = lac_gguf_text(&m->file, "general.license", &license, err);
    if (r) return r;
    size_t n_tags = 0, bytes = name.len + license.len + 2;
    for (uint32_t i = 0; m->tok && i < lac_tok_vocab(m->tok); i++) {
        const char *piece = lac_tok_control(m->tok, (int32_t)i);
        if (piece && lac_model_is_tag(piece)) n_tags++, bytes += strlen(piece);
    }
    m->strings = lac_mem_zalloc(&m->mem, bytes);
    m->strings_bytes = bytes;
    if (!m->strings) return lac_nomem(err, "model");
    if (n_tags) {
        m->tags = lac_mem_zalloc(&m->mem, n_tags * sizeof *m->tags);
        m->tag_token = lac_mem_zalloc(&m->mem, n_tags * sizeof *m->tag_token);
        if (!m->tags || !m->tag_token) {
            lac_mem_free(&m->mem, m->tags, n_tags * sizeof *m->tags);
            lac_mem_free(&m->mem, m->tag_token, n_tags * sizeof *m->tag_token);
            m->tags = NULL;
            m->tag_token = NULL;
            return lac_nomem(err, "model");
        }
    }
    m->info.n_tags = n_tags;
    m->info.tags = m->tags;
    char *p = m->strings;
    m->info.name = p;
    if (name.len) memcpy(p, name.bytes, name.len);
    p += name.len + 1;
    m->info.license = p;
    if (license.len) memcpy(p, license.bytes, license.len);
    p += license.len + 1;
    for (uint32_t i = 0, k = 0; k < n_tags; i++) {
        const char *piece = lac_tok_control(m->tok, (int32_t)i);
        if (!piece || !lac_model_is_tag(piece)) continue;
        m->tags[k] = p;
        m->tag_token[k++] = (int32_t)i;
        memcpy(p, piece + 1, strlen(piece) - 2);
        p += strlen(piece) - 1;
    }
    return 0;
}

static void describe(lacuna_model *m)
{
    const lac_hparams *hp = &m->w.hp;
    m->info.variant = hp->variant == LAC_HOUSE ? "house" : "official";
    m->info.weights = lac_type_name(m->w.layer[0].qkv.type);
    m->info.kernel = m->kern->name;
    m->info.n_params = m->w.n_params;
    m->info.file_size = m->file.size;
    m->info.n_context = hp->context;
    m->info.n_embd = hp->width;
    m->info.n_layer = hp->layers;
    m->info.n_head = hp->heads;
    m->info.n_ff = hp->ff;
    m->info.has_tokenizer = m->tok != NULL;
}

int lac_model_tag(const lacuna_model *m, const char *tag, int32_t *out, lacuna_error *err)
{
    *out = -1;
    if (!tag) return 0;
    for (size_t i = 0; i < m->info.n_tags; i++)
        if (!strcmp(tag, m->tags[i])) {
            *out = m->tag_token[i];
            return 0;
        }
    return lac_err(err, LACUNA_E_ARG, 0, "the model knows no kind of text called '%s'", tag);
}

int lac_session_options(void *to, size_t known, const void *from, const char *what, lacuna_error *err)
{
    size_t size = 0;
    memset(to, 0, known);
    if (!from) return 0;
    memcpy(&size, from, sizeof size);
    if (size < sizeof size || size > 65536) return lac_err(err, LACUNA_E_VERSION, 0, LAC_OPTIONS_ERR, what, size, known);
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)from)[i]) return lac_err(err, LACUNA_E_VERSION, 0, LAC_OPTIONS_ERR, what, size, known);
    memcpy(to, from, size < known ? size : known);
    return 0;
}

int lacuna_model_open(lacuna_model **out, const char *path, const lacuna_model_options *options, lacuna_error *err)
{
    lacuna_model_options opt;
    if (!out || !path) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_model_open: out and path must not be NULL");
    *out = NULL;
    int r = lac_session_options(&opt, sizeof opt, options, "model", err);
    if (r) return r;
    lacuna_allocator mem = lac_mem_system_or(opt.allocator);
    const lac_kern *kern = lac_kern_pick(opt.kernel);
    if (!kern) return lac_err(err, LACUNA_E_ARG, 0, "kernel '%s' is unknown, or this CPU cannot run it", opt.kernel ? opt.kernel : "");
    lacuna_model *m = lac_mem_zalloc(&mem, sizeof *m);
    if (!m) return lac_nomem(err, "model");
    m->mem = mem;
    m->log = opt.log;
    m->kern = kern;
    atomic_init(&m->refs, 1);
    pthread_mutex_init(&m->packing, NULL);
    lacuna_text blob;
    if ((r = lac_gguf_open(&m->file, path, true, &m->mem, err))) goto fail;
    if ((r = lac_weights_bind(&m->w, &m->file, &m->mem, err))) goto fail;
    if ((r = lac_gguf_text(&m->file, "tokenizer.sentencepiece", &blob, err))) goto fail;
    if (blob.len && (r = lac_tok_open(&m->tok, blob.bytes, blob.len, m->file.name, &m->mem, err))) goto fail;
    if ((r = flag_tokens(m, err)) || (r = copy_strings(m, err))) goto fail;
    describe(m);
    if (opt.verify && (r = lac_gguf_verify_data(&m->file, err))) goto fail;
    if (m->log.fn) m->log.fn(m->log.ctx, LACUNA_LOG_INFO, "model opened");
    *out = m;
    return 0;
fail:
    destroy(m);
    return r;
}

int64_t lacuna_encode(const lacuna_model *m, const char *text, size_t len, lacuna_token *ids, size_t *ends, size_t cap,
                      lacuna_error *err)
{
    if (!m || (!text && len) || (!ids && cap)) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_encode: NULL where something is needed");
    if (!m->tok) return lac_err(err, LACUNA_E_ARG, 0, "%s has no tokenizer: it works on ids only", m->file.name);
    return lac_tok_encode(m->tok, text, len, ids, ends, cap, err);
}

lacuna_text lacuna_token_bytes(const lacuna_model *m, lacuna_token id)
{
    return m && m->tok ? lac_tok_bytes(m->tok, id) : (lacuna_text){"", 0};
}
