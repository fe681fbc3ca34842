/* lacuna.h - controllable infilling of code and prose by masked diffusion.
 *
 * A canvas is a text with holes.  The library fills the holes with an any-order language model
 * (Eso-LM, arXiv 2506.01928): masked diffusion and autoregression in one causal network with one
 * exact key-value cache.  Each call of lacuna_step() runs the network once and reports what it
 * revealed, so the host's event loop stays in charge.
 *
 * A complete program:
 *
 *     #include <lacuna.h>
 *     #include <stdio.h>
 *     int main(void) {
 *         const char text[] = "int main(void)\n{\n    return ;\n}\n";
 *         lacuna_hole hole = {.span = {28, 28}, .max_tokens = 8};
 *         lacuna_infill_options opt = {LACUNA_INFILL_INIT, .tag = "c"};
 *         lacuna_model *m; lacuna_session *s; lacuna_error err; const lacuna_event *ev; lacuna_text fill;
 *         if (lacuna_model_open(&m, "default.gguf", NULL, &err) < 0) return puts(err.msg), 1;
 *         if (lacuna_session_open(&s, m, NULL, &err) < 0) return puts(err.msg), 1;
 *         int r = lacuna_infill(s, text, sizeof text - 1, &hole, 1, &opt, &err);
 *         while (r >= 0 && (r = lacuna_step(s, &ev, &err)) > 0) printf("step %zu\n", ev->step);
 *         if (r == 0 && (r = lacuna_fill(s, 0, &fill, &err)) == 0) fwrite(fill.bytes, 1, fill.len, stdout);
 *         lacuna_session_free(s); lacuna_model_free(m);
 *         return r < 0 ? puts(err.msg), 1 : 0;
 *     }
 *
 * Conventions.  Text is bytes (UTF-8 when it is text; any bytes are accepted and come back as they
 * were); positions and lengths are bytes, half-open [start, end).  Options are structs whose first
 * field is set by the _INIT macro; zero means default for every other field.  A function that can
 * fail returns 0 (or a positive count or answer) and on failure a negative lacuna_code, with *err
 * filled where err is not NULL.  What comes back through **out is the caller's to free; what comes
 * back as a const pointer belongs to the handle.  A handle argument is never NULL, but for the _free functions.  The library keeps no global state, prints
 * nothing, never exits, and touches neither signals, locale nor environment.
 */
#ifndef LACUNA_H
#define LACUNA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && defined(LACUNA_BUILD)
#define LACUNA_API __attribute__((visibility("default")))
#else
#define LACUNA_API
#endif

/* ---- version ------------------------------------------------------------------------------- */

#define LACUNA_VERSION_MAJOR 0
#define LACUNA_VERSION_MINOR 1
#define LACUNA_VERSION_PATCH 0

/* Version of the library at run time, e.g. "0.1.0".  Static storage. */
LACUNA_API const char *lacuna_version(void);

/* ---- errors -------------------------------------------------------------------------------- */

typedef enum {
    LACUNA_OK = 0,
    LACUNA_E_NOMEM = -1,      /* an allocation failed */
    LACUNA_E_ARG = -2,        /* a call or option that makes no sense: NULL, NaN, overlapping holes, ... */
    LACUNA_E_IO = -3,         /* the system said no: open, read, map, write */
    LACUNA_E_FORMAT = -4,     /* a file that is truncated, corrupt or not what it claims */
    LACUNA_E_VERSION = -5,    /* a file or options struct from a newer version */
    LACUNA_E_LIMIT = -6,      /* more than the model or session can hold */
    LACUNA_E_CONSTRAINT = -7, /* no text satisfies what was asked */
    LACUNA_E_CANCELLED = -8,  /* lacuna_cancel() was called */
    LACUNA_E_INTERNAL = -9    /* a broken invariant: a bug in the library */
} lacuna_code;

/* Filled by the function that fails; never allocated. */
typedef struct {
    lacuna_code code;
    uint64_t where; /* byte offset in the file or text at fault, or 0 */
    char msg[240];  /* names the object, what was expected and what was found; one line, UTF-8 */
} lacuna_error;

/* Name of a code, e.g. "LIMIT".  Static storage; "?" for an unknown code. */
LACUNA_API const char *lacuna_code_name(int code);

/* ---- plain values -------------------------------------------------------------------------- */

typedef int32_t lacuna_token; /* id in the model's vocabulary; negative: none */

typedef struct { size_t start, end; } lacuna_span;          /* bytes [start, end) of a text */
typedef struct { const char *bytes; size_t len; } lacuna_text; /* not NUL-terminated */

/* One function for all memory: now == 0 frees p (of old bytes), p == NULL allocates now bytes aligned
 * to align (a power of two, at most 64), else resizes.  NULL means failure; p is then as before.  May be
 * called from any thread that uses the model or its sessions, at the same time. */
typedef struct {
    void *(*fn)(void *ctx, void *p, size_t old, size_t now, size_t align);
    void *ctx;
} lacuna_allocator;

typedef enum { LACUNA_LOG_DEBUG, LACUNA_LOG_INFO, LACUNA_LOG_WARN } lacuna_log_level;

/* Receives one line without newline.  May be called from any thread that uses the model. */
typedef struct {
    void (*fn)(void *ctx, lacuna_log_level level, const char *msg);
    void *ctx;
} lacuna_log;

/* ---- model --------------------------------------------------------------------------------- */

/* Weights, hyper-parameters and tokenizer of one file.  Immutable after open; any number of threads
 * and sessions may share one. */
typedef struct lacuna_model lacuna_model;

typedef struct {
    size_t size;                /* sizeof this struct: LACUNA_MODEL_INIT */
    lacuna_allocator allocator; /* fn NULL: malloc.  SentencePiece (C++) allocates by itself. */
    lacuna_log log;             /* fn NULL: silent */
    int verify;                 /* non-zero: check the checksum of all tensor data at open (reads the file) */
    const char *kernel;         /* force a kernel table: "ref", "avx2", "avx2vnni", "avx512", "avx512vnni", "avx512bf16", "neon";
                                   NULL: the best that this CPU runs */
} lacuna_model_options;
#define LACUNA_MODEL_INIT sizeof(lacuna_model_options)

/* Open a GGUF file of architecture "eso".  The file is mapped, not read: pages come in when first
 * used and are shared by all sessions and processes.  The metadata, tensor table and tokenizer are
 * checked here (their checksum too); tensor data only if opt->verify or by lacuna_model_verify().
 * opt may be NULL.  Fails with IO, FORMAT, VERSION, LIMIT, NOMEM, ARG (unknown kernel). */
LACUNA_API int lacuna_model_open(lacuna_model **out, const char *path, const lacuna_model_options *opt,
                                 lacuna_error *err);

/* Drop the caller's reference; NULL is allowed.  Sessions hold their own: the order of frees is free. */
LACUNA_API void lacuna_model_free(lacuna_model *m);

/* Read all tensor data and compare with the checksum in the file.  0, or FORMAT.  Any thread. */
LACUNA_API int lacuna_model_verify(const lacuna_model *m, lacuna_error *err);

typedef struct {
    const char *name;      /* general.name, or "" */
    const char *license;   /* general.license, or "" */
    const char *variant;   /* "official" or "house" */
    const char *weights;   /* type of most of the weights: "F32", "BF16", "Q8_0" */
    const char *kernel;    /* kernel table in use */
    uint64_t n_params;     /* elements in all tensors */
    uint64_t file_size;    /* bytes */
    uint32_t n_vocab;      /* V, tokens; the width of a row of logits */
    uint32_t n_context;    /* positions the model was trained with */
    uint32_t n_embd, n_layer, n_head, n_ff;
    lacuna_token mask;     /* the mask index; never sampled */
    lacuna_token eom;      /* <eom>, ends a hole early; -1 when the model has none */
    int has_tokenizer;     /* 0: ids only */
    size_t n_tags;         /* kinds of text the model was trained to tell apart */
    const char *const *tags; /* their names, e.g. "py", "c", "prose" */
} lacuna_model_info;

/* What is in the file.  Valid while the model lives.  Any thread. */
LACUNA_API const lacuna_model_info *lacuna_model_get_info(const lacuna_model *m);

/* ---- tokens -------------------------------------------------------------------------------- */

/* Tokens of text[0, len).  Lossless: the bytes of the tokens, one after the other, are the text,
 * whatever the bytes.  At most cap ids are written to ids (and to ends, if not NULL: ends[i] is the byte
 * offset behind token i); the return value is how many there are, which may exceed cap (call again with
 * more room; cap 0 only counts).  Fails with ARG (no tokenizer), NOMEM.  Any thread. */
LACUNA_API int64_t lacuna_encode(const lacuna_model *m, const char *text, size_t len, lacuna_token *ids,
                                 size_t *ends, size_t cap, lacuna_error *err);

/* Bytes of a token; empty for control tokens, ids out of range, and models without tokenizer.
 * Valid while the model lives.  Any thread. */
LACUNA_API lacuna_text lacuna_token_bytes(const lacuna_model *m, lacuna_token id);

/* ---- sessions ------------------------------------------------------------------------------ */

/* Cache and scratch of one user of a model.  One thread at a time; as many sessions as you like. */
typedef struct lacuna_session lacuna_session;

/* The host's threads: run() calls fn(arg, item, thread) once for every item in [0, n), on any thread, any number at a
 * time, 0 <= thread < n_threads and no two calls at once with one thread, and returns when all have returned. */
typedef struct {
    void (*run)(void *ctx, void (*fn)(void *arg, size_t item, size_t thread), void *arg, size_t n);
    void *ctx;
    uint32_t n_threads;
} lacuna_parallel;

/* Type of the cached keys and values.  BF16 takes half the memory and bandwidth. */
typedef enum { LACUNA_CACHE_AUTO, LACUNA_CACHE_F32, LACUNA_CACHE_BF16 } lacuna_cache_type; /* AUTO: F32 for F32 weights, else BF16 */

typedef struct {
    size_t size;        /* LACUNA_SESSION_INIT */
    uint32_t n_threads; /* 0 and 1: the caller's thread only.  The text does not depend on it. */
    uint32_t n_context; /* positions allowed; 0: the model's.  More is possible but untrained. */
    lacuna_cache_type cache_type;
    size_t cache_bytes; /* keys and values of texts worked on before are kept up to so many bytes, the least recently used
                           go first; 0: 256 MiB.  What the request in progress needs is always there. */
    lacuna_parallel parallel; /* run NULL: threads of the session's own; else n_threads above must be 0 */
} lacuna_session_options;
#define LACUNA_SESSION_INIT sizeof(lacuna_session_options)

/* Make a session on m, which it keeps alive.  opt may be NULL.  Starts n_threads - 1 threads, joined by
 * lacuna_session_free().  The first session of a model packs its weights for the kernels: one private copy of
 * the matrices, for all sessions, while the pages of the file that were read for it are let go.
 * Fails with NOMEM, ARG, IO (no thread). */
LACUNA_API int lacuna_session_open(lacuna_session **out, lacuna_model *m, const lacuna_session_options *opt,
                                   lacuna_error *err);

/* Free a session; NULL is allowed.  Not while another thread is inside a call on it. */
LACUNA_API void lacuna_session_free(lacuna_session *s);

/* Bytes this session holds at present (cache, scratch, request). */
LACUNA_API size_t lacuna_session_size(const lacuna_session *s);

/* Ask the running or next lacuna_step(), lacuna_score() or lacuna_rank() on s to stop: it returns CANCELLED and the
 * request is over; the session stays usable.   The only call allowed from another
 * thread. */
LACUNA_API void lacuna_cancel(lacuna_session *s);

/* ---- syntax -------------------------------------------------------------------------------- */

/* A text and its syntax tree (tree-sitter), kept up to date from one version of the text to the next.  One thread at a time. */
typedef struct lacuna_document lacuna_document;

/* A document of a language ("c", "python", "lua", "javascript", "bash", "json", "markdown", ...: the name in its grammar), empty so
 * far.  path: folders separated by ':', where its grammar is looked for as <language>.so, libtree-sitter-<language>.so or
 * parser/<language>.so; loading one runs its code.  allocator may be NULL; tree-sitter allocates by itself, and ends the program where
 * memory ends.  1; 0 with *out NULL where no folder has the grammar; ARG (no name of a language), FORMAT, VERSION
 * (the file is no grammar, or of another tree-sitter), NOMEM. */
LACUNA_API int lacuna_document_open(lacuna_document **out, const char *path, const char *language, const lacuna_allocator *allocator,
                                    lacuna_error *err);
LACUNA_API void lacuna_document_free(lacuna_document *d); /* NULL is allowed */

/* The text as it is now (copied).  What has changed since the last call is found by comparing, and only that is parsed anew.
 * Fails with LIMIT (4 GiB, 10,000 brackets open at once, two seconds to parse), NOMEM; the document is then empty. */
LACUNA_API int lacuna_document_set(lacuna_document *d, const char *text, size_t len, lacuna_error *err);

/* The smallest node around byte `at` that makes a sensible hole (an expression, an argument list, a statement, a block: not a lone
 * bracket, and not the whole text unless it is nothing else).  *kind, if not NULL, receives its name in the grammar (static
 * storage of the grammar).  1; 0: there is none; ARG (at lies outside the text). */
LACUNA_API int lacuna_document_node(const lacuna_document *d, size_t at, lacuna_span *out, const char **kind, lacuna_error *err);

/* ---- infilling ----------------------------------------------------------------------------- */

/* A hole: text[span) is taken away and filled anew.  Zero fields take the request's default.  What is asked for by bytes below
 * is a promise: the fill keeps it, whatever the order, the temperature or the number of candidates, or the request fails before its
 * first step. */
typedef struct {
    lacuna_span span;    /* bytes of the text that the fill replaces; start == end inserts */
    uint32_t max_tokens; /* slots of this hole; 0: the request's max_tokens */
    uint32_t min_tokens; /* <eom> is not allowed before so many tokens */
    int exact;           /* non-zero: exactly max_tokens tokens, no <eom> */
    int one_line;        /* non-zero: no line feed in the fill; where the model draws one, the hole ends (<eom>) */
    double temperature;  /* of this hole; 0: the request's; negative: argmax */
    lacuna_text regex;   /* the whole fill matches this expression (doc/CONTROL.md has the grammar); bytes NULL: anything */
    const char *shape;   /* and this named expression: lacuna_shapes(); NULL: anything */
    lacuna_text begin;   /* the fill begins with these bytes; len 0: anything */
    lacuna_text end;     /* and ends with these */
    const lacuna_text *ban; /* n_ban strings that are nowhere in the fill */
    size_t n_ban;
} lacuna_hole;

/* Names of the shapes, NULL-terminated: "identifier", "integer", "float", "string", "line", "word", "sentence".  What a string
 * literal is depends on the request's tag.  Static storage. */
LACUNA_API const char *const *lacuna_shapes(void);

/* Order in which slots are revealed. */
typedef enum {
    LACUNA_ORDER_LEFT,       /* left to right, hole after hole */
    LACUNA_ORDER_RANDOM,     /* a random permutation, as published */
    LACUNA_ORDER_STRIDE,     /* slots at a stride of `steps`, left to right (the block schedule of Eso-LM, appendix E.10) */
    LACUNA_ORDER_CONFIDENCE, /* highest probability of the most likely token first; runs all open slots */
    LACUNA_ORDER_MARGIN,     /* largest gap between the two most likely tokens first; runs all open slots */
    LACUNA_ORDER_ENTROPY     /* lowest entropy first, as many as keep the summed entropy under gamma */
} lacuna_order;

/* What a mask entry sees of the other mask entries of its step (Eso-LM section 4, and independent). */
typedef enum {
    LACUNA_RULE_INDEPENDENT, /* nothing: the trained any-order conditional of every slot */
    LACUNA_RULE_PAPER,       /* the mask entries before it in the step (Eso-LM (B) as published) */
    LACUNA_RULE_MDLM,        /* a baseline: every entry sees every other, nothing is cached, each step runs them all (MDLM,
                                arXiv 2406.07524) */
    LACUNA_RULE_BD3          /* a baseline: blocks of `block` slots left to right; inside a block as MDLM, blocks that are
                                done are cached by a pass of their own (BD3-LM, arXiv 2503.09573) */
} lacuna_rule;

/* Called with the raw logits of each mask entry of a pass (n_vocab floats, the mask index included), in
 * rank order, before sampling.  For measurement. */
typedef void (*lacuna_logits_fn)(void *ctx, size_t step, size_t slot, const float *logits, size_t n_vocab);

typedef struct {
    size_t size;          /* LACUNA_INFILL_INIT */
    uint32_t max_tokens;  /* slots of holes that do not say; 0: 16 */
    double alpha0;        /* share of slots given to the diffusion phase, [0, 1]; 0: all one at a time, left to right,
                             whatever the order: set 1 for an order of your choice */
    uint32_t steps;       /* T of the diffusion phase; 0: as many as there are diffusion slots */
    lacuna_order order;   /* of the diffusion phase; the sequential phase is left to right */
    lacuna_rule rule;
    double gamma;         /* ORDER_ENTROPY: nats a step may spend; 0: 0.5 */
    double temperature;   /* 0: argmax; NaN and negative are errors */
    uint32_t top_k;       /* keep the k most likely; 0: all */
    double top_p;         /* keep the smallest set with more mass than p; 0 and 1: all */
    double min_p;         /* drop tokens below min_p times the most likely; 0: none */
    uint64_t seed;        /* same request, seed, model file and kernel table: same text */
    const char *tag;      /* kind of text, one of the model's tags; NULL: the caller does not know */
    int drop_far;         /* non-zero: context too long is cut far from the holes; zero: LIMIT */
    const size_t *plan;   /* explicit order: plan[rank] = slot (slots of all holes in text order); or NULL */
    const size_t *groups; /* with plan: slots a step; must sum to the number of slots */
    size_t n_groups;
    lacuna_logits_fn on_logits; /* or NULL */
    void *on_logits_ctx;
    int lossless;         /* non-zero: several slots a pass, and the same text, token for token, as one a pass in this order would
                             give with this seed: drafts are checked by the pass that uses them (doc/METHOD.md).  Orders
                             LEFT and given plans of single slots; alpha0 is not used */
    uint32_t draft;       /* lossless: slots drafted at most a pass; 0: 8 */
    uint32_t n_candidates; /* fills made side by side, rows of the same passes; candidate c has the seed seed + c and the text
                             it would have alone; 0: 1; at most 64 */
    int heal;             /* non-zero: where a token of the model could run over the start of a hole, the tokens before it that
                             would be its beginning are taken back, and the hole has as many slots more.  The first tokens spell
                             these bytes: each begins with all that is still to be spelled, or is the next of those taken back.
                             lacuna_fill gives what follows the bytes.  max_tokens, min_tokens and exact count new tokens: those
                             behind the spelling, and the one that ends it if it goes on beyond.  Slots that the spelling leaves
                             over are closed, as behind an <eom>.  Reveals, slot numbers, n_tokens and logprob count all
                             tokens; ln p of one that spells is among those that may */
    uint32_t block;       /* RULE_BD3: slots of a block; 0: 16 */
    lacuna_document *document; /* the syntax tree of this very text, or NULL.  With drop_far the context of a text that is too long is
                             chosen by structure; the fill of a hole that may have several lines keeps the indentation style of the
                             text; and fills are checked: see repairs.  It must stay as it is until the request is over */
    uint32_t repairs;     /* with a document: how often the fills of a candidate that add a syntax error to the text are taken back from the
                             fault on, and filled anew; 0: they stay as they are (lacuna_stats tells) */
    int explain;          /* non-zero: events tell which tokens were refused, and why */
} lacuna_infill_options;
#define LACUNA_INFILL_INIT sizeof(lacuna_infill_options)

/* Begin to fill the holes of text.  Everything is copied; nothing runs yet.  Holes must be in text order
 * and not overlap; a hole may be empty (an insertion) but must have room for a token.  A request in
 * progress is dropped; what its context has in common with this one stays cached.
 * Fails with ARG (no tokenizer, holes out of order or overlapping or outside the text or splitting a
 * UTF-8 sequence (err->where says where), bad options, an expression with a fault in it (err->where is its byte)), LIMIT
 * (context too long: the message says by how many tokens; an automaton that is too large), CONSTRAINT (no fill can be what a hole asks
 * for, or none that is short enough), NOMEM.  After a failure no request is in progress. */
LACUNA_API int lacuna_infill(lacuna_session *s, const char *text, size_t len, const lacuna_hole *holes,
                             size_t n_holes, const lacuna_infill_options *opt, lacuna_error *err);

/* The same on token ids, also for models without a tokenizer: every negative id is a slot to fill, its
 * position id is its index; all ids negative is unconditional generation.  <eom> is not special here. */
LACUNA_API int lacuna_infill_ids(lacuna_session *s, const lacuna_token *ids, size_t n,
                                 const lacuna_infill_options *opt, lacuna_error *err);

typedef enum { LACUNA_PHASE_DIFFUSION, LACUNA_PHASE_SEQUENTIAL } lacuna_phase;

/* One slot revealed. */
typedef struct {
    size_t hole;        /* which hole, from 0 (0 for lacuna_infill_ids) */
    size_t slot;        /* which slot of the hole, from 0 */
    lacuna_token token; /* <eom> closes its hole from this slot on */
    lacuna_text text;   /* bytes of the token; empty for <eom> */
    double logprob;     /* ln p of the token under the model (temperature 1, nothing cut; mask and control
                           tokens excluded), given all that was revealed in earlier steps */
    double prob;        /* probability with which it was drawn from the filtered distribution (that of the line feed,
                           where one ended a one_line hole); 1 for argmax */
    double entropy;     /* of the model's distribution at the slot, nats */
    size_t candidate;   /* which of n_candidates, from 0 */
} lacuna_reveal;

/* Why a token was refused. */
typedef enum {
    LACUNA_REFUSED_SHORT,  /* <eom>: min_tokens, or a token stands to the right in the hole */
    LACUNA_REFUSED_LINE,   /* a line feed in a hole of one line */
    LACUNA_REFUSED_SPELL,  /* it does not go on as the text before the hole begins (heal) */
    LACUNA_REFUSED_REGEX,  /* the expression or shape does not allow it after what stands before it */
    LACUNA_REFUSED_BEGIN, LACUNA_REFUSED_END, LACUNA_REFUSED_BAN, /* likewise */
    LACUNA_REFUSED_INDENT, /* against the indentation style of the text */
    LACUNA_REFUSED_ROOM,   /* allowed for itself, but what is asked for could not be reached in the slots that are left */
    LACUNA_REFUSED_SYNTAX  /* it stood in a fill that was taken back for a syntax error */
} lacuna_refused;

/* Name of a reason, e.g. "regex".  Static storage; "?" for an unknown one. */
LACUNA_API const char *lacuna_refused_name(int why);

/* A token that was more likely than the one revealed, and was refused. */
typedef struct {
    size_t candidate, hole, slot;
    lacuna_token token;
    lacuna_text text;
    double prob;           /* of the model at this slot (temperature 1) */
    lacuna_refused why;
} lacuna_refusal;

/* A slot that is open again: its fill had a syntax error. */
typedef struct {
    size_t candidate, hole, slot;
    lacuna_token token;    /* that stood there; negative: the slot was closed */
    lacuna_text text;      /* its bytes */
} lacuna_reopened;

typedef struct {
    size_t step;          /* from 0 */
    lacuna_phase phase;
    const lacuna_reveal *reveals; /* n, in rank order; with repairs a slot may come that stood already: it holds another token now */
    size_t n;
    const lacuna_refusal *refusals; /* explain: of each slot revealed, the likeliest token that was refused, if it was likelier than what
                                       was revealed */
    size_t n_refusals;
    const lacuna_reopened *reopened; /* after the reveals of this step: slots taken back, with all that was behind an <eom> */
    size_t n_reopened;
    size_t n_entries;     /* entries that went through the network in this step */
    size_t n_open;        /* slots still open after it, of all candidates */
} lacuna_event;

/* Run one pass of the network for the request in progress and report what it revealed.  Returns 1 with
 * *ev set, 0 when every hole is closed (*ev is NULL), or a negative code.  After CANCELLED or another
 * failure the request is over.  *ev is valid until the next call on s.  Allocates nothing, but for
 * a document's checks.  Fails with ARG (no request), CANCELLED, INTERNAL (the network produced no finite number), CONSTRAINT (every token
 * is denied), NOMEM (in a check). */
LACUNA_API int lacuna_step(lacuna_session *s, const lacuna_event **ev, lacuna_error *err);

/* The text of a hole as far as it stands: the revealed tokens up to the first open slot (all of them
 * when the request is done).  Valid until the next call on s.  Fails with ARG. */
LACUNA_API int lacuna_fill(lacuna_session *s, size_t hole, lacuna_text *out, lacuna_error *err);

/* Token of every slot of a hole (all slots, for lacuna_infill_ids: all ids of the canvas), -1 where open,
 * <eom> in every slot behind the end.  Returns how many; *ids is valid until the next call on s. */
LACUNA_API int64_t lacuna_fill_ids(lacuna_session *s, size_t hole, const lacuna_token **ids, lacuna_error *err);

/* The same of candidate c of n_candidates; the two above are those of candidate 0. */
LACUNA_API int lacuna_candidate_fill(lacuna_session *s, size_t c, size_t hole, lacuna_text *out, lacuna_error *err);
LACUNA_API int64_t lacuna_candidate_ids(lacuna_session *s, size_t c, size_t hole, const lacuna_token **ids, lacuna_error *err);

typedef struct {
    size_t nfe;         /* passes of the network that asked for slots (steps) */
    size_t n_tokens;    /* tokens revealed, <eom> included */
    size_t n_entries;   /* entries through the network, context included */
    size_t n_reused;    /* context entries found in the cache */
    size_t n_context;   /* context entries in all */
    size_t n_dropped;   /* bytes of text outside the window (drop_far) */
    double logprob;     /* sum of the reveals' */
    size_t n_drafted;   /* lossless: drafts checked */
    size_t n_accepted;  /* and found right */
    size_t n_repairs;   /* of the candidate: how often it was taken back */
    size_t n_faults;    /* of the candidate, when it is done: syntax errors that its fills add to the text; 0 without a document,
                           and where it takes too long to tell */
} lacuna_stats;

/* Counters of the request in progress or just finished: of candidate 0, and of all that its passes did. */
LACUNA_API lacuna_stats lacuna_get_stats(const lacuna_session *s);
/* Those of candidate c: n_tokens, logprob, n_repairs and n_faults are its own, the others the request's. */
LACUNA_API lacuna_stats lacuna_candidate_stats(const lacuna_session *s, size_t c);

/* Why a piece of text is in the context. */
typedef enum {
    LACUNA_CONTEXT_NEAR,      /* around the holes */
    LACUNA_CONTEXT_ENCLOSING, /* the head of a function, class or block that a hole is in */
    LACUNA_CONTEXT_IMPORT,    /* an import or include */
    LACUNA_CONTEXT_SIGNATURE  /* what the text declares elsewhere: the head of a function, a type */
} lacuna_context_why;

typedef struct {
    lacuna_span span;         /* bytes of the text */
    lacuna_context_why why;
} lacuna_context_part;

/* Name of a reason, e.g. "enclosing".  Static storage; "?" for an unknown one. */
LACUNA_API const char *lacuna_context_name(int why);

/* What the request in progress or just finished reads of its text, in text order, the holes left out.  Returns how many parts; *parts
 * is valid until the next request or score on s.  Fails with ARG (no request). */
LACUNA_API int64_t lacuna_context(const lacuna_session *s, const lacuna_context_part **parts, lacuna_error *err);

/* ---- speed ----------------------------------------------------------------------------------- */

/* What the machine can do, measured in about `seconds` on the threads of s: the floors that a pass is held against. */
typedef struct {
    double read_bytes;  /* bytes read a second, of a block far larger than the caches */
    double multiplies;  /* multiply-adds a second, of the kernel table's products for the model's weights, in registers */
    size_t weight_bytes; /* bytes of weights that a pass with logits reads, as packed for the kernels */
    size_t weight_multiplies; /* multiply-adds of an entry with logits */
} lacuna_machine;

/* Fails with NOMEM, ARG (seconds not in (0, 60]).  A request in progress stays. */
LACUNA_API int lacuna_measure(lacuna_session *s, double seconds, lacuna_machine *out, lacuna_error *err);

/* ---- likelihood ---------------------------------------------------------------------------- */

typedef struct {
    size_t size;        /* LACUNA_SCORE_INIT */
    lacuna_order order; /* LEFT or RANDOM (alpha0 of the slots random, the rest left to right) */
    double alpha0;      /* share of random slots under ORDER_RANDOM; 0 is read as 1 there */
    uint64_t seed;
    uint32_t n_orders;  /* K > 1: importance-weighted bound over K orders (Eso-LM eq. 22); 0: 1 */
    const char *tag;
    int drop_far;
    int no_end;         /* non-zero: do not score the <eom> that closes each hole */
    uint32_t spare;     /* slots each hole has beyond its text (what max_tokens leaves); 0: 8 */
    int exact;          /* non-zero: the holes are exact (lacuna_hole): no slot beyond the text, no <eom> */
    int heal;           /* non-zero: where a token could run over the start of a hole, those before it that would be its beginning are
                           taken back, and scored with the text behind them: what a fill under lacuna_infill_options.heal spells */
} lacuna_score_options;
#define LACUNA_SCORE_INIT sizeof(lacuna_score_options)

typedef struct {
    size_t hole;        /* which span, from 0 */
    lacuna_span span;   /* bytes of the token in the text, with heal perhaps before the hole; empty for <eom> */
    lacuna_token token;
    double logprob;     /* under the first order */
} lacuna_score_item;

typedef struct {
    const lacuna_score_item *items; /* n, in text order */
    size_t n;
    double logprob;     /* exact ln p of all items under the first order */
    double bound;       /* ln of the mean over K orders of p: a lower bound of ln p in expectation; equals
                           logprob for K = 1 */
} lacuna_score_result;

/* Exact log-likelihood, under one order, of text[spans) given the rest of text (Eso-LM section 4 and
 * Ou et al.: one pass over two entries a slot).  The spans are holes that are already filled; one span over
 * the whole text scores it without context.  *out is valid until the next call on s.
 * A request in progress is dropped.  Fails as lacuna_infill(), and with CANCELLED. */
LACUNA_API int lacuna_score(lacuna_session *s, const char *text, size_t len, const lacuna_span *spans,
                            size_t n_spans, const lacuna_score_options *opt, const lacuna_score_result **out,
                            lacuna_error *err);

/* A text for a hole, among others. */
typedef struct {
    double logprob;     /* exact ln p of its tokens, and of the <eom> behind them, given both sides, left to right */
    size_t n_tokens;    /* scored, <eom> included */
    double prob;        /* p among those given: they sum to 1 */
} lacuna_rank_item;

/* Exact likelihood of n ways to fill the holes of text, as rows of one pass over a shared context: fills[c * n_spans + h] is the text of
 * hole h in candidate c, which replaces the bytes of spans[h].  A fill whose bytes are NULL stays open: it has `spare` slots, and nobody
 * sees anything there, nor with `heal` the bytes taken back before it (NULL in one candidate is NULL in all; an empty fill has bytes that
 * are not NULL).  opt: tag, drop_far, no_end, spare, exact and heal as for lacuna_score(), order LEFT; the others are not used.  A hole has
 * the slots of its longest text and `spare` more (exact: none), so that all candidates stand at the same positions: lacuna_score() on a
 * candidate's text gives the same number, bit for bit, if its spare is larger by as many tokens as the longest text of the hole has more
 * than the candidate's (by the same number for all holes, for there spare is one).  With heal, logprob has the bytes taken back in it;
 * they are the same for all, so prob is that of the texts given these bytes.
 * *out is [n], in the order given, and valid until the next call on s.  A request in progress is dropped.  Rank by logprob / n_tokens
 * where lengths differ and style matters (length-corrected), by logprob where each text is one answer (prob).  Fails as lacuna_score()
 * (err->where of a text at fault is its candidate); ARG for n == 0 or more than 4096. */
LACUNA_API int lacuna_rank(lacuna_session *s, const char *text, size_t len, const lacuna_span *spans, size_t n_spans,
                           const lacuna_text *fills, size_t n, const lacuna_score_options *opt, const lacuna_rank_item **out,
                           lacuna_error *err);

/* Exact log-likelihood of n ids at positions 0 to n - 1 under order[rank] = position, a permutation
 * (NULL: drawn from opt as for lacuna_score).  The first n_given ranks of the order are context: not scored.
 * logprobs[n] by rank, 0 for the given ones; order_used[n], if not NULL, receives the first order; *bound, if
 * not NULL, the importance-weighted bound over opt->n_orders orders (order NULL) or the sum.  opt may be
 * NULL; tag, drop_far, no_end, spare, exact and heal are not used.  The mask index among ids is ARG. */
LACUNA_API int lacuna_score_ids(lacuna_session *s, const lacuna_token *ids, size_t n, const size_t *order,
                                size_t n_given, const lacuna_score_options *opt, double *logprobs,
                                size_t *order_used, double *bound, lacuna_error *err);

/* ---- conversion ---------------------------------------------------------------------------- */

typedef struct {
    size_t size;           /* LACUNA_CONVERT_INIT */
    const char *type;      /* of the matrices: "f32", "bf16", "q8_0"; NULL: "q8_0" */
    const char *tokenizer; /* path of a SentencePiece model to embed; NULL: none */
    const char *name;      /* general.name; NULL: the input's file name */
    const char *license;   /* general.license, an SPDX expression; NULL: none */
} lacuna_convert_options;
#define LACUNA_CONVERT_INIT sizeof(lacuna_convert_options)

/* Convert a safetensors checkpoint with its config (JSON) to GGUF.  The published architecture has its
 * adaLN folded into the projections (exact: sigma is always 0); the config tells which it is.  Tensors
 * whose rows are not a multiple of 32 stay F32 under "q8_0".  The file is written to a temporary name,
 * synced and renamed.  Fails with IO, FORMAT, ARG, NOMEM. */
LACUNA_API int lacuna_convert(const char *safetensors, const char *config, const char *out,
                              const lacuna_convert_options *opt, lacuna_error *err);

#ifdef __cplusplus
}
#endif
#endif
