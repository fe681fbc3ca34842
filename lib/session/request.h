/* A request: from lacuna_infill to the end of its steps.
 *
 *   request.c   options, memory, plans             step.c      one pass: ask, run, choose, reveal
 *   result.c    what stands so far                 lossless.c  several slots a pass, the text of one a pass
 *   baseline.c  passes of MDLM and BD3-LM          spell.c     the beginning of healed holes
 *   obey.c      what holes ask for                 joint.c     several slots of a hole that asks for something
 *   refuse.c    why a token was refused            repair.c    fills with syntax errors are taken back
 *
 * Arrays live in the session's arena, but for the lists of keys and values that a request has of its own. */
#ifndef LAC_SESSION_REQUEST_H
#define LAC_SESSION_REQUEST_H

#include "canvas/canvas.h"
#include "control/lift.h"
#include "net/net.h"
#include "sample/chain.h"
#include "sample/draft.h"
#include "sample/plan.h"

/* One of the things that a hole asks of its fill. */
typedef struct {
    lac_dfa dfa;
    lacuna_refused why;
} lac_clause;

#define LAC_CLAUSES 6          /* regex, shape (or indentation), begin, end, ban, one line */

/* All that a hole asks of its fill, as one automaton. */
typedef struct {
    lac_clause clause[LAC_CLAUSES];
    size_t n_clauses;          /* 0: nothing is asked */
    lac_dfa dfa;               /* their intersection */
    lac_lift lift;
} lac_demand;

/* What lossless.c remembers of a candidate. */
typedef struct {
    int32_t *line;             /* [n_context + S] the text in order, -1 where open */
    size_t n_line;
    size_t *slot_at;           /* [S] place in the line */
    lac_draft *draft;          /* [n_drafts] of the first slots asked for in this step */
    size_t n_drafts;
    double cost;               /* of these drafts, in passes */
    double won;                /* passes that drafts have saved so far, less what they cost */
    lac_draft_record record;
} lac_lossless;

/* What a slot gives the tokens of a word, apart from all others; d: logit / temperature of a token, less most. */
typedef struct {
    double most;               /* the largest logit / temperature; -INFINITY: the slot may hold none of them */
    double sum;                /* of e^d, what is cut left out */
} lac_mass;

#define LAC_CHOICES 16         /* tokens that a slot may hold instead, which repair.c remembers */

/* A token that a slot may hold instead of the one that stands there. */
typedef struct {
    int32_t token;             /* -1: none, or it has been tried */
    float lost;                /* nats that it is less likely */
    int32_t faults;            /* of the text where the hole ends behind it; -1: the parser has not looked */
} lac_choice;

/* One way to fill the holes that repair.c has tried. */
typedef struct {
    int32_t *token;            /* [S] as in lac_fill, when it was full */
    size_t *end;               /* [holes] likewise */
    lacuna_reveal *reveal;     /* [S] of each slot; token -1: open, or closed without one */
    lac_choice *choice;        /* [S, LAC_CHOICES] of the slots that it has filled itself */
    double cost;               /* nats lost by the choices that it and what it was made from have taken */
    double logprob;
    size_t faults;             /* how many it adds, */
    size_t hole;               /* and where the first of them is */
} lac_attempt;

typedef struct {
    lac_attempt *attempt;      /* [repairs + 1] the first n are done, and the one at n is in progress; NULL: no document */
    size_t n;
    size_t n_read;             /* bytes that the parser has read so far */
    bool anew;                 /* no choice was known, and a hole was taken back whole */
    lac_choice *choice;        /* [S, LAC_CHOICES] of the slots that this step asks for; NULL: no repairs */
    lacuna_refusal refused;    /* what the last attempt would not have; token -1: nothing */
    bool *entered;             /* [S] scratch */
} lac_repairs;

/* A candidate: the slots of the canvas on their way to one text. */
typedef struct {
    lac_kv *kv;                /* the list that its passes go on */
    lac_kv own;                /* that list, where it is not the session's: a branch of the context, or a baseline's */
    lac_rng noise;
    lac_plan plan;
    size_t group;              /* next group of the diffusion phase */
    size_t rank;               /* next place in plan.order */
    size_t diffused;           /* slots revealed in the diffusion phase */
    int32_t *token;            /* [S] -1: open; behind an <eom>: <eom> */
    size_t *end;               /* [holes] slot of the <eom> that closes it, or the first that its spelling left over, or the
                                  end of its run */
    size_t *pending;           /* [S] slots revealed and not yet in the cache */
    size_t n_pending, n_open;
    size_t *asked;             /* [S] slots this step asks for: those due, then others whose weights count (joint.c) */
    lac_pick *pick;            /* [S] and what came out */
    lacuna_refusal *refusal;   /* [S] explain: of each slot asked for; token -1: nothing likelier was refused */
    size_t n_asked;            /* 0: it takes no part in this step */
    size_t n_due;              /* of them, the plan reveals so many */
    lacuna_phase phase;        /* of this step */
    size_t first;              /* entry of its part of the pass that asks for the first of them */
    lac_racer *racer;          /* [S] */
    size_t *chosen;            /* [n_chosen] indices into asked: what this step reveals, in rank order */
    size_t n_chosen;
    lac_chain **chain;         /* [holes] what keeps a match in reach; NULL where a hole asks for nothing */
    uint8_t *joint;            /* [holes] this step settles several of its slots together */
    int32_t *in_token, *in_pos; /* [room] its part of a pass */
    uint32_t *sees;            /* [room] */
    lac_lossless lossless;
    size_t cached;             /* BD3: slots before this one are in the cache */
    size_t repairs;            /* how often it was taken back */
    size_t faults;             /* syntax errors that it adds, when it is done */
    lac_repairs repair;        /* with a document */
    size_t n_tokens;           /* revealed, <eom> included */
    double logprob;            /* sum of theirs */
} lac_fill;

typedef struct {
    bool active;               /* a step may be called */
    bool loaded;               /* the context is in the cache */
    bool ids;                  /* begun by lacuna_infill_ids */
    bool sized;                /* the caller gave max_tokens */
    lacuna_infill_options opt; /* with defaults filled in */
    lac_cut *cut;              /* [holes] */
    lac_canvas canvas;
    bool heals;                /* some hole begins with bytes that were taken back */
    uint8_t *flags;            /* [V] of tokens, where a slot spells or its hole asks for something; NULL: neither is so */
    lac_demand **demand;       /* [holes] what each asks for, NULL: nothing; NULL: none does */
    uint8_t *allowed;          /* [words + 2] scratch: what a slot may hold, and never the last */
    double *bias;              /* [words + 2] scratch */
    size_t n_words;            /* of the demand that has most */
    float *row;                /* [widest, V] logits of slots that are settled together; NULL: never so */
    lac_softmax *dist;         /* [widest] what the model says of each row */
    float *sorted;             /* [widest, V] the rows by word (lift.h): tokens that a slot may hold, -INFINITY what was cut; the others are stale */
    uint8_t *kept;             /* [V] scratch: what a cut leaves; 0 between */
    lac_mass **mass;           /* [widest] of [words + 1] */
    double **weight;           /* [widest] of [words + 2] mass on one scale */
    double *closed;            /* [widest] ln of what a slot counts where it is closed */
    size_t *together, *at;     /* [widest] scratch: indices into asked of the slots of a hole, and where they are in its chain */
    uint8_t *panels;           /* [V / LAC_PANEL, rounded up] wanted by the slots of a step that all spell */
    uint8_t *deny;             /* [S] LAC_TOKEN_* denied, <eom> aside */
    uint32_t *min;             /* [holes] new tokens before which <eom> is denied; UINT32_MAX: everywhere */
    size_t *text_order;        /* [n_context + S] lossless: context entries, then slots, in the order of the text */
    size_t room;               /* entries of a pass of one candidate at most, and of its list */
    lac_kv *context;           /* the session's list that begins as the context does; NULL for baselines */
    lac_fill *fill;            /* [n_fills] */
    size_t n_fills;            /* candidates */
    lac_part *part;            /* [n_fills] of a pass */
    lac_fill **of_part;        /* [n_fills] whose it is */
    lacuna_reveal *reveal;     /* [n_fills S] */
    lacuna_refusal *refusal;   /* [n_fills S] explain */
    lacuna_reopened *reopened; /* [n_fills S] with a document */
    lacuna_event event;
    lac_cand *cand;            /* [V] */
    char *text;                /* scratch of lacuna_fill, and of all fills at once */
    const lacuna_span *span;   /* [holes] with a document: of the text */
    lacuna_text *said;         /* [holes] with a document: scratch, the fills */
    int32_t *ids_out;          /* scratch of lacuna_fill_ids: [n_context + S] */
    lacuna_stats stats;        /* of all candidates, n_tokens and logprob aside */
} lac_request;

/* Drop a request: its lists go back, and nothing is left that lacuna_fill could read. */
void lac_request_drop(lac_request *q);

/* ---- of obey.c ---- */

static inline bool lac_obey_is(const lac_request *q, size_t hole) { return q->demand && q->demand[hole]; }
/* What the holes ask for, compiled; CONSTRAINT where nothing can be that. */
int lac_obey_begin(lacuna_session *s, const lacuna_hole *hole, size_t n, const char *text, size_t len, const char *tag, lacuna_error *err);
int lac_obey_open(lacuna_session *s, lac_fill *f, lacuna_error *err); /* the chains of a candidate; CONSTRAINT: no room for a match */
/* Flags of all tokens for one slot of such a hole, LAC_TOKEN_OUT among them; rest: to be spelled first, where the slot spells. */
const uint8_t *lac_obey_flags(lacuna_session *s, const lac_fill *f, size_t slot, lacuna_text rest);
void lac_obey_look(lacuna_session *s, const lac_fill *f, size_t hole); /* the chain takes over what stands in the hole */
size_t lac_obey_slot(const lacuna_session *s, const lac_fill *f, size_t slot); /* of the chain; the slot spells no more */

/* ---- of joint.c ---- */

int lac_joint_begin(lacuna_session *s, size_t widest, lacuna_error *err);
/* The row of the k-th slot asked for, which is settled together with others. */
void lac_joint_keep(lacuna_session *s, size_t k, const float *logits);
/* The same under a policy that looks at the logits: f->pick[k] is how sure the slot is by itself, and <eom>, or the mask for any token. */
void lac_joint_propose(lacuna_session *s, lac_fill *f, size_t k, const float *logits);
/* Is a slot that is asked for settled together with others of its hole? */
bool lac_joint_is(const lac_request *q, const lac_fill *f, size_t slot);
size_t lac_joint_ask(const lac_request *q, lac_fill *f, size_t n); /* adds the slots between those due; returns how many are asked for */
/* All rows are there: what those chosen hold together. */
int lac_joint_draw(lacuna_session *s, lac_fill *f, lacuna_error *err);

/* ---- of refuse.c ---- */

/* Explain: of the k-th slot asked for, the likeliest token that flags and deny refuse, where it is likelier than the one picked. */
void lac_refuse(lacuna_session *s, lac_fill *f, size_t k, const float *logits, const uint8_t *flags, uint8_t deny);

/* ---- of step.c ---- */

uint64_t lac_step_draw(const lac_request *q, const lac_fill *f, size_t slot); /* index of a slot's noise */
/* The k-th slot asked for holds a token that was drawn with others: what is reported of it; p: what the model says of its row. */
int lac_step_report(lacuna_session *s, lac_fill *f, size_t k, const float *logits, const lac_softmax *p, lacuna_error *err);

/* ---- of spell.c ---- */

/* How far a hole has spelled what was taken back. */
typedef struct {
    lacuna_text rest;          /* still to be spelled; empty: it is done */
    size_t slot;               /* that spells next */
    size_t n_old;              /* slots so far that hold nothing new */
} lac_spell;

lac_spell lac_spell_at(const lacuna_session *s, const lac_fill *f, size_t hole);
lacuna_text lac_spell_after(lacuna_text rest, lacuna_text token); /* what is left to spell */
/* Is a slot the one that spells next in its hole?  *rest is written where holes are healed. */
bool lac_spell_front(const lacuna_session *s, const lac_fill *f, size_t slot, lacuna_text *rest);
size_t lac_spell_ask(const lacuna_session *s, lac_fill *f); /* the fronts of all holes that spell: fills f->asked */
bool lac_spell_certain(const lacuna_session *s, const lac_fill *f, size_t slot); /* false: spelling may leave it over */
void lac_spell_close(const lacuna_session *s, lac_fill *f); /* what the spelling has left over */
const uint8_t *lac_spell_flags(lacuna_session *s, size_t slot, lacuna_text rest); /* of all tokens, for a front */
const uint8_t *lac_spell_panels(lacuna_session *s);                /* wanted in this step; NULL: all */

/* ---- of lossless.c ---- */

int lac_lossless_check(lacuna_infill_options *o, lacuna_error *err);
size_t lac_lossless_asks(const lac_request *q);            /* slots that a step asks for at most */
int lac_lossless_begin(lacuna_session *s, lac_fill *f, lacuna_error *err);
size_t lac_lossless_ask(lacuna_session *s, lac_fill *f);   /* fills f->asked, and drafts for the first of them */
/* Before the row of the k-th slot asked for is looked at: drafts before it are taken for right.  False: one is wrong. */
bool lac_lossless_suppose(lac_fill *f, size_t k);
size_t lac_lossless_choose(lac_request *q, lac_fill *f);   /* the slots up to the first wrong draft; crops the list */
void lac_lossless_forget(lac_fill *f);                     /* after a pass: no draft is taken for right any more */

/* ---- of repair.c ---- */

/* Once the candidates are there; span[holes] stays where it is until the request is over.  ARG, NOMEM. */
int lac_repair_begin(lacuna_session *s, const lacuna_span *span, lacuna_error *err);
/* Of a candidate with attempts, after the reveals of each step.  Where it is full, it is checked; if it has a fault and repairs are left, slots
 * are taken back (f->n_open is then not 0), adding them to the event.  Counts f->repairs and f->faults. */
int lac_repair(lacuna_session *s, lac_fill *f, lacuna_error *err);
/* Of a candidate with choices, for each slot whose token is picked by itself: what it may hold instead, allowed as for the pick. */
void lac_repair_look(const lacuna_session *s, lac_fill *f, size_t slot, const float *logits, const uint8_t *flags, uint8_t deny,
                     const lac_pick *pick);

/* ---- of baseline.c ---- */

static inline bool lac_baseline_is(const lac_request *q) { return q->opt.rule == LACUNA_RULE_MDLM || q->opt.rule == LACUNA_RULE_BD3; }
int lac_baseline_check(const lacuna_infill_options *o, lacuna_error *err);
size_t lac_baseline_ahead(const lac_request *q);           /* entries of a pass that see one another at most */
void lac_baseline_plan(const lac_request *q, lac_fill *f, uint64_t seed); /* BD3: a plan that goes block by block */
/* Passes that the step needs before its own: BD3's caching of what is done.  *n_entries counts what went through. */
int lac_baseline_cache(lacuna_session *s, lac_fill *f, size_t *n_entries, lacuna_error *err);
lac_part lac_baseline_part(lacuna_session *s, lac_fill *f);

#endif
