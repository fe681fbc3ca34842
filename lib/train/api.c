/* lacuna_train.h: corpora and trainers behind handles; where the numbers of a run come from and go to. */
#include "lacuna_train.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/err.h"
#include "file/map.h"
#include "file/save.h"
#include "file/say.h"
#include "model/convert.h"
#include "session/session.h"
#include "train/meta.h"
#include "train/state.h"
#include "train/trainer.h"

#define EVAL_SEED 0x68656c64u /* of held-out examples: "held" */

/* ---- corpus ---- */

struct lacuna_corpus {
    lacuna_allocator mem;
    lac_corpus *c;
    lacuna_model *model;      /* NULL, or whose tokenizer this is: a reference */
    lac_tok *own;             /* NULL, or our own */
    const lac_tok *tok;       /* one of the two */
    uint8_t *own_blob;        /* [blob_size] bytes of our own tokenizer, or NULL */
    lacuna_text blob;         /* bytes of the tokenizer */
    char *strings;            /* [strings_size] names of the tags, NUL-terminated */
    size_t strings_size;
    const char **tag;         /* [n_tags] into strings */
    int32_t *tag_token;       /* [n_tags] */
    size_t n_tags;
};

void lacuna_corpus_free(lacuna_corpus *c)
{
    if (!c) return;
    lacuna_allocator mem = c->mem;
    lac_corpus_free(c->c);
    lac_tok_free(c->own);
    lac_mem_free(&mem, c->own_blob, c->blob.len);
    lac_mem_free(&mem, c->strings, c->strings_size);
    lac_mem_free(&mem, c->tag, c->n_tags * sizeof *c->tag);
    lac_mem_free(&mem, c->tag_token, c->n_tags * sizeof *c->tag_token);
    lacuna_model *m = c->model;
    lac_mem_free(&mem, c, sizeof *c);
    lacuna_model_free(m);
}

static int name_tags(lacuna_corpus *c, lacuna_error *err)
{
    size_t n = 0;
    for (uint32_t i = 0; i < lac_tok_vocab(c->tok); i++) {
        const char *piece = lac_tok_control(c->tok, (int32_t)i);
        if (piece && lac_model_is_tag(piece)) n++, c->strings_size += strlen(piece) - 1;
    }
    if (!n) return 0;
    c->n_tags = n;
    if (!(c->strings = lac_mem_zalloc(&c->mem, c->strings_size)) ||
        !(c->tag = lac_mem_zalloc(&c->mem, n * sizeof *c->tag)) ||
        !(c->tag_token = lac_mem_zalloc(&c->mem, n * sizeof *c->tag_token)))
        return lac_nomem(err, "corpus");
    char *p = c->strings;
    for (uint32_t i = 0, k = 0; k < n; i++) {
        const char *piece = lac_tok_control(c->tok, (int32_t)i);
        if (!piece || !lac_model_is_tag(piece)) continue;
        c->tag[k] = p;
        c->tag_token[k++] = (int32_t)i;
        memcpy(p, piece + 1, strlen(piece) - 2);
        p += strlen(piece) - 1;
    }
    return 0;
}

/* The part that all ways of opening share; c->tok and c->blob are set, or r says why not. */
static int finish_corpus(lacuna_corpus **out, lacuna_corpus *c, int r, lacuna_error *err)
{
    if (!r) r = name_tags(c, err);
    if (!r) r = lac_corpus_open(&c->c, c->tok, &c->mem, err);
    if (r) lacuna_corpus_free(c);
    else *out = c;
    return r;
}

static lacuna_corpus *new_corpus(lacuna_allocator mem)
{
    lacuna_corpus *c = lac_mem_zalloc(&mem, sizeof *c);
    if (c) c->mem = mem;
    return c;
}

int lacuna_corpus_open(lacuna_corpus **out, lacuna_model *m, lacuna_error *err)
{
    if (!out || !m) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_corpus_open: out and model must not be NULL");
    *out = NULL;
    if (!m->tok) return lac_err(err, LACUNA_E_ARG, 0, "%s has no tokenizer", m->file.name);
    lacuna_corpus *c = new_corpus(m->mem);
    if (!c) return lac_nomem(err, "corpus");
    atomic_fetch_add(&m->refs, 1);
    c->model = m;
    c->tok = m->tok;
    return finish_corpus(out, c, lac_gguf_text(&m->file, "tokenizer.sentencepiece", &c->blob, err), err);
}

/* The corpus takes the bytes over. */
static int open_own(lacuna_corpus **out, lacuna_corpus *c, void *bytes, size_t size, const char *name,
                    lacuna_error *err)
{
    c->own_blob = bytes;
    c->blob = (lacuna_text){bytes, size};
    int r = lac_tok_open(&c->own, bytes, size, name, &c->mem, err);
    c->tok = c->own;
    return finish_corpus(out, c, r, err);
}

int lacuna_corpus_open_tokenizer(lacuna_corpus **out, const char *path, lacuna_error *err)
{
    if (!out || !path)
        return lac_err(err, LACUNA_E_ARG, 0, "lacuna_corpus_open_tokenizer: out and path must not be NULL");
    *out = NULL;
    lac_map map;
    int r = lac_map_open(&map, path, err);
    if (r) return r;
    lacuna_corpus *c = new_corpus(lac_mem_system_or((lacuna_allocator){0}));
    void *bytes = c ? lac_mem_alloc(&c->mem, map.size) : NULL;
    if (bytes) memcpy(bytes, map.data, map.size);
    size_t size = map.size;
    lac_map_close(&map);
    if (bytes) return open_own(out, c, bytes, size, path, err);
    lacuna_corpus_free(c);
    return lac_nomem(err, "tokenizer");
}

int lacuna_corpus_open_state(lacuna_corpus **out, const char *path, lacuna_error *err)
{
    if (!out || !path) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_corpus_open_state: out and path must not be NULL");
    *out = NULL;
    lacuna_corpus *c = new_corpus(lac_mem_system_or((lacuna_allocator){0}));
    if (!c) return lac_nomem(err, "corpus");
    void *bytes;
    size_t size;
    int r = lac_meta_tokenizer(path, &bytes, &size, &c->mem, err);
    if (!r) return open_own(out, c, bytes, size, path, err);
    lacuna_corpus_free(c);
    return r;
}

size_t lacuna_corpus_tags(const lacuna_corpus *c, const char *const **tags)
{
    *tags = c->tag;
    return c->n_tags;
}

int lacuna_corpus_add_text(lacuna_corpus *c, const char *text, size_t len, const char *tag, lacuna_error *err)
{
    int32_t token = -1;
    if (!text && len) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_corpus_add_text: text must not be NULL");
    for (size_t i = 0; tag && i < c->n_tags; i++)
        if (!strcmp(tag, c->tag[i])) token = c->tag_token[i];
    if (tag && token < 0) return lac_err(err, LACUNA_E_ARG, 0, "the tokenizer knows no kind of text called '%s'", tag);
    return lac_corpus_add_text(c->c, text, len, token, err);
}

int lacuna_corpus_add_shard(lacuna_corpus *c, const char *path, lacuna_error *err)
{
    return lac_corpus_add_shard(c->c, path, err);
}

int lacuna_corpus_save(const lacuna_corpus *c, const char *path, uint64_t seed, lacuna_error *err)
{
    return lac_corpus_save(c->c, path, seed, err);
}

uint64_t lacuna_corpus_tokens(const lacuna_corpus *c) { return lac_corpus_tokens(c->c); }
uint64_t lacuna_corpus_documents(const lacuna_corpus *c) { return lac_corpus_documents(c->c); }

/* ---- trainer ---- */

struct lacuna_trainer {
    lacuna_allocator mem;
    const lacuna_corpus *c;
    lac_meta meta;            /* options, network, counts */
    lac_grammars *grammars;   /* NULL: none */
    lac_params ps;
    lac_trainer tr;
};

void lacuna_train_free(lacuna_trainer *t)
{
    if (!t) return;
    lacuna_allocator mem = t->mem;
    lac_trainer_close(&t->tr);
    lac_params_free(&t->ps);
    lac_grammars_free(t->grammars);
    lac_meta_free(&t->meta);
    lac_mem_free(&mem, t, sizeof *t);
}

void lacuna_train_ranks(int *rank, int *ranks)
{
    lac_dist d;
    if (lac_dist_open(&d, NULL)) d = (lac_dist){0, 1};
    *rank = d.rank;
    *ranks = d.ranks;
}

/* ---- the network ---- */

/* The configuration of a model file of our own (house), as convert reads it. */
static json_t *network_of(const lac_hparams *hp)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:I,s:f,s:f,s:I}", "dim", (json_int_t)hp->width, "layers",
                     (json_int_t)hp->layers, "heads", (json_int_t)hp->heads, "head_dim", (json_int_t)hp->head_dim, "ff",
                     (json_int_t)hp->ff, "vocab", (json_int_t)hp->vocab, "qk_norm", hp->qk_norm, "context_length",
                     (json_int_t)hp->context, "norm_eps", (double)hp->norm_eps, "rope_base", (double)hp->rope_base,
                     "mask_index", (json_int_t)hp->mask);
}

static int load_network(json_t **out, const char *path, lacuna_error *err)
{
    lac_map map;
    lac_config c;
    int r = lac_map_open(&map, path, err);
    if (r) return r;
    if (!(r = lac_config_parse(&c, (const char *)map.data, map.size, path, err)))
        *out = json_loadb((const char *)map.data, map.size, 0, NULL);
    lac_map_close(&map);
    return r || *out ? r : lac_nomem(err, "configuration");
}

static int put(const char *bytes, size_t n, void *buf)
{
    lac_buf_add(buf, bytes, n);
    return 0;
}

static int dump_network(const lacuna_trainer *t, lac_buf *out, lacuna_error *err)
{
    int r = json_dump_callback(t->meta.network, put, out, JSON_INDENT(1));
    return r || out->failed ? lac_nomem(err, "configuration") : 0;
}

/* The same rules as conversion has, before hours of training instead of after. */
static int settle_mask(lacuna_trainer *t, lac_config *c, lacuna_error *err)
{
    int32_t mask = lac_tok_find(t->c->tok, "<mask>");
    uint32_t vocab = lac_tok_vocab(t->c->tok);
    if (!c->has_mask && mask < 0)
        return lac_err(err, LACUNA_E_ARG, 0, "%s: no mask_index, and the tokenizer has no <mask>", c->name);
    if (!c->has_mask) c->hp.mask = (uint32_t)mask;
    if (mask >= 0 && (uint32_t)mask != c->hp.mask)
        return lac_err(err, LACUNA_E_ARG, 0, "%s: mask_index is %u, the tokenizer's <mask> %d", c->name,
                       (unsigned)c->hp.mask, (int)mask);
    if (c->hp.vocab != vocab && !(c->hp.vocab == vocab + 1 && c->hp.mask == vocab))
        return lac_err(err, LACUNA_E_ARG, 0, "%s: the network has %u tokens, the tokenizer %u", c->name,
                       (unsigned)c->hp.vocab, (unsigned)vocab);
    json_object_set_new(t->meta.network, "mask_index", json_integer(c->hp.mask));
    return 0;
}

/* What was trained on longer texts can be used on them. */
static void settle_context(lacuna_trainer *t, lac_config *c)
{
    c->hp.context = t->meta.opt.length;
    json_object_set_new(t->meta.network, c->hp.variant == LAC_HOUSE ? "context_length" : "length", json_integer(c->hp.context));
}

static int open_params(lacuna_trainer *t, const char *name, lacuna_error *err)
{
    lac_buf text = {.mem = &t->mem};
    lac_config c;
    int r = dump_network(t, &text, err);
    if (!r) r = lac_config_parse(&c, text.data, text.len, name, err);
    lac_buf_free(&text);
    if (!r) r = settle_mask(t, &c, err);
    if (!r && c.hp.context < t->meta.opt.length) settle_context(t, &c);
    return r ? r : lac_params_open(&t->ps, &c.hp, c.cond, c.freq, &t->mem, err);
}

/* ---- options ---- */

static double or_none(double x) { return x < 0 ? 0 : x; }

static void fill_objective(const lacuna_trainer *t, lac_objective *out)
{
    const lacuna_train_options *o = &t->meta.opt;
    int k = 0;
    while (strcmp(o->objective, lac_objective_name((lac_objective_kind)k)) != 0) k++;
    lac_objective_default(out, (lac_objective_kind)k);
    out->length = o->length;
    out->mask = (int32_t)t->ps.hp.mask;
    out->eom = lac_tok_find(t->c->tok, "<eom>");
    out->bos = lac_tok_find(t->c->tok, "<bos>");
    out->pad = lac_tok_find(t->c->tok, "<pad>");
    out->alpha0 = o->alpha0;
    out->split = or_none(o->split);
    out->low_var = o->low_var;
    out->paper_share = o->paper_share;
    out->block = o->block;
    out->holes = o->holes;
    out->cut_share = or_none(o->cut_share);
    out->coef[LAC_PART_NEXT] = or_none(o->next_weight);
    /* A share of the examples gets that share of the loss: a mean of few would pull as hard as that of the many. */
    if (out->kind == LAC_INFILL) out->coef[LAC_PART_DIFFUSION] = out->coef[LAC_PART_SEQUENTIAL] = o->paper_share;
    if (o->next_weight < 0) out->next_share = 0;
    out->grammars = t->grammars;
}

static void fill_optim(const lacuna_trainer *t, lac_optim_options *out)
{
    const lacuna_train_options *o = &t->meta.opt;
    lac_optim_default(out);
    out->lr = o->lr;
    out->lr_muon = or_none(o->lr_muon);
    out->decay = out->decay_muon = or_none(o->decay);
    out->clip = or_none(o->clip);
    out->ema = o->ema;
    out->warmup = o->warmup;
    out->total = o->steps;
    out->cool = or_none(o->cool);
}

static int pick_math(lac_math *m, const lacuna_train_options *o, lacuna_error *err)
{
    const char *p = o->precision;
    if (p && strcmp(p, "bf16") != 0 && strcmp(p, "f32") != 0)
        return lac_err(err, LACUNA_E_ARG, 0, "precision '%s' is unknown: bf16 or f32", p);
    m->kern = lac_kern_pick(o->kernel);
    m->grad = lac_grad_pick(o->kernel);
    if (!m->kern || !m->grad)
        return lac_err(err, LACUNA_E_ARG, 0, "kernel '%s' is unknown, or this CPU cannot run it",
                       o->kernel ? o->kernel : "");
    m->gemm = p && !strcmp(p, "f32") ? lac_gemm_pick("blas") : lac_gemm_pick(p);
    if (!m->gemm && p && !strcmp(p, "f32")) m->gemm = lac_gemm_pick("ref");
    return m->gemm ? 0 : lac_err(err, LACUNA_E_ARG, 0, "precision '%s': this CPU has no such products", p ? p : "");
}

/* What the caller says of a run that goes on. */
static int merge(lac_meta *m, const lacuna_train_options *o, const lacuna_corpus *c, lacuna_error *err)
{
    if (o->lr != 0) m->opt.lr = o->lr;
    if (o->lr_muon != 0) m->opt.lr_muon = o->lr_muon;
    if (o->steps) m->opt.steps = o->steps;
    if (o->cool != 0) m->opt.cool = o->cool;
    uint64_t tokens = lacuna_corpus_tokens(c), documents = lacuna_corpus_documents(c);
    if (!o->new_corpus && (tokens != m->tokens || documents != m->documents))
        return lac_err(err, LACUNA_E_ARG, 0, "%s was trained on %llu tokens in %llu documents; here are %llu in %llu",
                       lac_say_path(o->resume).s, (unsigned long long)m->tokens, (unsigned long long)m->documents,
                       (unsigned long long)tokens, (unsigned long long)documents);
    m->tokens = tokens;
    m->documents = documents;
    return 0;
}

static int check_sources(const lacuna_train_options *o, const lacuna_corpus *c, lacuna_error *err)
{
    int n = (o->base != NULL) + (o->config != NULL) + (o->resume != NULL);
    if (n != 1) return lac_err(err, LACUNA_E_ARG, 0, "one of base, config and resume is needed, and no more");
    if (o->checkpoint && !o->config) return lac_err(err, LACUNA_E_ARG, 0, "a checkpoint needs its config");
    if (o->base && o->base->w.hp.variant != LAC_HOUSE)
        return lac_err(err, LACUNA_E_ARG, 0, "%s: a folded network cannot be trained on; start from its checkpoint",
                       o->base->file.name);
    if (!o->base) return 0;
    lacuna_text blob;
    int r = lac_gguf_text(&o->base->file, "tokenizer.sentencepiece", &blob, err);
    if (r) return r;
    if (blob.len == c->blob.len && !memcmp(blob.bytes, c->blob.bytes, blob.len)) return 0;
    return lac_err(err, LACUNA_E_ARG, 0, "%s: the corpus is in the tokens of another model", o->base->file.name);
}

/* Options and network, from where they come. */
static int open_meta(lacuna_trainer *t, const lacuna_train_options *o, lacuna_error *err)
{
    int r;
    if (o->resume) {
        if ((r = lac_meta_read(&t->meta, o->resume, &t->mem, err))) return r;
        return merge(&t->meta, o, t->c, err);
    }
    t->meta.opt = *o;
    if (o->grammars && !(t->meta.grammars = json_string(o->grammars)))
        return lac_err(err, LACUNA_E_ARG, 0, "the path of the grammars is not UTF-8");
    t->meta.tokens = lacuna_corpus_tokens(t->c);
    t->meta.documents = lacuna_corpus_documents(t->c);
    if ((r = lac_meta_settle(&t->meta.opt, err))) return r;
    if (o->config) return load_network(&t->meta.network, o->config, err);
    t->meta.network = network_of(&o->base->w.hp);
    return t->meta.network ? 0 : lac_nomem(err, "configuration");
}

/* Examples depend on them: a run that goes on must find as many as it had. */
static int open_grammars(lacuna_trainer *t, const lacuna_train_options *o, lacuna_error *err)
{
    if (o->resume && o->grammars) {
        json_decref(t->meta.grammars);
        if (!(t->meta.grammars = json_string(o->grammars)))
            return lac_err(err, LACUNA_E_ARG, 0, "the path of the grammars is not UTF-8");
    }
    if (!t->meta.grammars) return 0;
    int r = lac_grammars_open(&t->grammars, json_string_value(t->meta.grammars), &t->mem, err);
    if (!r) r = lac_objective_grammars(t->grammars, t->c->tok, err);
    if (r < 0) return r;
    uint64_t had = o->resume ? t->meta.n_grammars : (uint64_t)r;
    t->meta.n_grammars = (uint64_t)r;
    return had == t->meta.n_grammars
               ? 0
               : lac_err(err, LACUNA_E_ARG, 0, "%s had %llu grammars of tree-sitter; in %s there are %d",
                         lac_say_path(o->resume).s, (unsigned long long)had, json_string_value(t->meta.grammars), r);
}

static int load_weights(lacuna_trainer *t, const lacuna_train_options *o, lacuna_error *err)
{
    lac_optim *s = &t->tr.optim;
    if (o->resume) {
        s->step = t->meta.step;
        return lac_state_load(o->resume, &t->ps, s, t->meta.opt.lr_muon >= 0, &t->mem, err);
    }
    int r = 0;
    if (o->base) r = lac_params_bind(&t->ps, &o->base->w, s->w, err);
    else if (o->checkpoint) r = lac_params_read(&t->ps, o->checkpoint, s->w, err);
    else lac_params_init(&t->ps, t->meta.opt.seed, s->w);
    if (!r && s->ema) memcpy(s->ema, s->w, t->ps.total * sizeof *s->ema);
    return r;
}

static int open_trainer(lacuna_trainer *t, const lacuna_train_options *o, lacuna_error *err)
{
    lac_trainer_options to = {0};
    int r = check_sources(o, t->c, err);
    if (!r) r = pick_math(&to.math, o, err);
    if (!r) r = open_meta(t, o, err);
    if (!r) r = open_grammars(t, o, err);
    if (!r) r = open_params(t, o->config ? o->config : o->resume ? o->resume : o->base->file.name, err);
    if (r) return r;
    fill_objective(t, &to.objective);
    fill_optim(t, &to.optim);
    to.seed = t->meta.opt.seed;
    to.batch = t->meta.opt.batch;
    to.lanes = t->meta.opt.lanes;
    to.threads = o->threads;
    if ((r = lac_trainer_open(&t->tr, &t->ps, t->c->c, t->c->tok, &to, &t->mem, err))) return r;
    r = load_weights(t, o, err);
    /* the caller's texts may go when open has returned */
    t->meta.opt.base = NULL;
    t->meta.opt.checkpoint = t->meta.opt.config = t->meta.opt.resume = t->meta.opt.kernel = NULL;
    t->meta.opt.grammars = json_string_value(t->meta.grammars);
    t->meta.opt.precision = to.math.gemm->bf16 ? "bf16" : "f32";
    t->meta.opt.threads = lac_pool_threads(t->tr.pool);
    return r;
}

int lacuna_train_open(lacuna_trainer **out, const lacuna_corpus *c, const lacuna_train_options *options,
                      lacuna_error *err)
{
    lacuna_train_options o;
    if (out) *out = NULL;
    if (!out || !c) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_train_open: out and corpus must not be NULL");
    int r = lac_session_options(&o, sizeof o, options, "train", err);
    if (r) return r;
    lacuna_allocator mem = lac_mem_system_or(o.allocator);
    lacuna_trainer *t = lac_mem_zalloc(&mem, sizeof *t);
    if (!t) return lac_nomem(err, "trainer");
    t->mem = mem;
    t->c = c;
    if ((r = open_trainer(t, &o, err))) lacuna_train_free(t);
    else *out = t;
    return r;
}

void lacuna_train_cancel(lacuna_trainer *t) { atomic_store(&t->tr.cancel, true); }

void lacuna_train_set_steps(lacuna_trainer *t, uint64_t steps) { t->meta.opt.steps = t->tr.opt.optim.total = steps; }

const lacuna_train_options *lacuna_train_get_options(const lacuna_trainer *t) { return &t->meta.opt; }

/* ---- steps ---- */

void lacuna_train_get_report(const lacuna_trainer *t, lacuna_train_report *rep)
{
    uint64_t epoch = lac_corpus_epoch(t->c->c, lac_objective_window(&t->tr.opt.objective));
    *rep = (lacuna_train_report){.step = t->tr.optim.step,
                                 .examples = t->meta.examples,
                                 .entries = t->meta.entries,
                                 .targets = t->meta.targets,
                                 .epoch = epoch ? t->meta.examples / epoch : 0};
}

/* Means of a tally. */
static void report_losses(const lacuna_trainer *t, const lac_tally *s, lacuna_train_report *rep)
{
    double nats = s->nll[LAC_PART_SLOTS] + s->nll[LAC_PART_DIFFUSION] + s->nll[LAC_PART_SEQUENTIAL];
    rep->loss = lac_tally_loss(s, &t->tr.opt.objective);
    for (int p = 0; p < LAC_PARTS; p++) rep->part[p] = s->norm[p] > 0 ? s->nll[p] / s->norm[p] : NAN;
    rep->bits_per_byte = s->bytes > 0 ? nats / log(2) / s->bytes : NAN;
}

int lacuna_train_step(lacuna_trainer *t, lacuna_train_report *rep, lacuna_error *err)
{
    lac_tally sum;
    double norm, rate = lac_optim_rate(&t->tr.opt.optim, t->tr.optim.step);
    if (t->meta.opt.steps && t->tr.optim.step >= t->meta.opt.steps) return 0;
    int r = lac_trainer_step(&t->tr, &sum, &norm, err);
    if (r) return r;
    t->meta.step = t->tr.optim.step;
    t->meta.examples += t->meta.opt.batch;
    t->meta.entries += (uint64_t)sum.entries;
    t->meta.targets += (uint64_t)sum.targets;
    lacuna_train_get_report(t, rep);
    report_losses(t, &sum, rep);
    rep->grad_norm = norm;
    rep->rate = rate;
    rep->flops = lac_tally_flops(&sum, &t->ps);
    return 1;
}

int lacuna_train_eval(lacuna_trainer *t, const lacuna_corpus *held_out, uint64_t n, lacuna_train_report *rep,
                      lacuna_error *err)
{
    lac_tally sum;
    if (!held_out || !n)
        return lac_err(err, LACUNA_E_ARG, 0, "lacuna_train_eval: a corpus and a number of examples are needed");
    if (held_out->blob.len != t->c->blob.len || memcmp(held_out->blob.bytes, t->c->blob.bytes, t->c->blob.len) != 0)
        return lac_err(err, LACUNA_E_ARG, 0, "the held-out text is in other tokens than the network's");
    int r = lac_trainer_eval(&t->tr, held_out->c, EVAL_SEED, n, &sum, err);
    if (r) return r;
    *rep = (lacuna_train_report){
        .step = t->tr.optim.step, .examples = n, .entries = (uint64_t)sum.entries, .targets = (uint64_t)sum.targets};
    report_losses(t, &sum, rep);
    return 0;
}

/* ---- files ---- */

int lacuna_train_save(lacuna_trainer *t, const char *path, lacuna_error *err)
{
    if (!path) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_train_save: path must not be NULL");
    if (t->tr.dist.rank) return 0;
    lac_buf meta = {.mem = &t->mem};
    int r = lac_meta_write(&t->meta, t->c->blob.bytes, t->c->blob.len, &meta, err);
    if (!r) r = lac_state_save(path, &t->ps, &t->tr.optim, t->meta.opt.lr_muon >= 0, meta.data, &t->mem, err);
    lac_buf_free(&meta);
    return r;
}

static const float *weights(const lacuna_trainer *t) { return t->tr.optim.ema ? t->tr.optim.ema : t->tr.optim.w; }

static int save_network(const lacuna_trainer *t, const char *path, lacuna_error *err)
{
    lac_buf text = {.mem = &t->mem};
    lac_save f;
    int r = dump_network(t, &text, err);
    if (!r && !(r = lac_save_open(&f, path, &t->mem, err)))
        if (!(r = lac_save_write(&f, text.data, text.len, err))) r = lac_save_commit(&f, err);
    lac_buf_free(&text);
    return r;
}

/* By way of a checkpoint and its configuration, which come and go beside the target: conversion has one door. */
static int export_model(lacuna_trainer *t, const char *path, lac_type type, const char *name, const char *license,
                        lacuna_error *err)
{
    size_t n = strlen(path);
    char base[96], *dot;
    lac_buf st = {.mem = &t->mem}, config = {.mem = &t->mem};
    lac_say_base(base, sizeof base, path);
    if ((dot = strrchr(base, '.')) && dot > base) *dot = 0;
    lac_buf_add(&st, path, n);
    lac_buf_add(&st, ".tmp.safetensors", 17);
    lac_buf_add(&config, path, n);
    lac_buf_add(&config, ".tmp.json", 10);
    int r = st.failed || config.failed ? lac_nomem(err, "path") : 0;
    if (!r) r = lac_state_export(st.data, &t->ps, weights(t), &t->mem, err);
    if (!r) r = save_network(t, config.data, err);
    if (!r)
        r = lac_convert(st.data, config.data, path, type, t->c->blob.bytes, t->c->blob.len, lac_tok_vocab(t->c->tok),
                        lac_tok_find(t->c->tok, "<mask>"), name ? name : base, license, &t->mem, err);
    if (!st.failed) remove(st.data);
    if (!config.failed) remove(config.data);
    lac_buf_free(&st);
    lac_buf_free(&config);
    return r;
}

int lacuna_train_export(lacuna_trainer *t, const char *path, const char *type, const char *name, const char *license,
                        lacuna_error *err)
{
    static const struct {
        const char *name;
        lac_type type;
    } types[] = {{"q8_0", LAC_Q8_0}, {"bf16", LAC_BF16}, {"f32", LAC_F32}};
    enum { TYPES = sizeof types / sizeof *types };
    if (!path) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_train_export: path must not be NULL");
    size_t n = strlen(path), k = 0;
    while (type && k < TYPES && strcmp(type, types[k].name) != 0) k++;
    if (k == TYPES) return lac_err(err, LACUNA_E_ARG, 0, "type '%s' is unknown: f32, bf16 or q8_0", type);
    if (t->tr.dist.rank) return 0;
    if (n > 12 && !strcmp(path + n - 12, ".safetensors"))
        return lac_state_export(path, &t->ps, weights(t), &t->mem, err);
    return export_model(t, path, types[k].type, name, license, err);
}
