/* The step machine: lacuna_infill begins a request, each lacuna_step is one pass.
 *
 *   a step:  choose the slots to ask for -> one pass over [context not cached | slots revealed last | masks]
 *            -> pick a token for each -> decide which of them are revealed -> report
 *
 * A slot is open (token -1), revealed, or behind its hole's <eom>.  Slots that close by an <eom> are not
 * reported: the <eom> is.  <eom> is denied where a token already stands to the right in the hole. */
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "net/rule.h"
#include "session/session.h"

#define DEFAULT_TOKENS 16 /* more spare slots than the default model was used to make its fills run on (models/default/CARD.md) */
#define DEFAULT_GAMMA 0.5
#define COLDEST 1e-200 /* below it a logit / temperature may not be finite: argmax, which it is anyway */

/* ---- begin ---- */

static int bad(lacuna_error *err, const char *what, double value)
{
    return lac_err(err, LACUNA_E_ARG, 0, "%s is %g", what, value);
}

/* Check the settings and fill in the defaults. */
static int settle(lac_request *q, lacuna_error *err)
{
    lacuna_infill_options *o = &q->opt;
    if (!(o->alpha0 >= 0 && o->alpha0 <= 1)) return bad(err, "alpha0 must be in [0, 1]; it", o->alpha0);
    if (!(o->temperature >= 0 && o->temperature <= 1e6)) return bad(err, "temperature must be in [0, 1e6]; it", o->temperature);
    if (!(o->top_p >= 0 && o->top_p <= 1)) return bad(err, "top_p must be in [0, 1]; it", o->top_p);
    if (!(o->min_p >= 0 && o->min_p <= 1)) return bad(err, "min_p must be in [0, 1]; it", o->min_p);
    if (!(o->gamma >= 0 && o->gamma <= 1e6)) return bad(err, "gamma must be in [0, 1e6]; it", o->gamma);
    if ((int)o->order < LACUNA_ORDER_LEFT || (int)o->order > LACUNA_ORDER_ENTROPY) return bad(err, "order is unknown: it", o->order);
    if (o->rule != LACUNA_RULE_INDEPENDENT && o->rule != LACUNA_RULE_PAPER) return bad(err, "rule is unknown: it", o->rule);
    if (o->steps > 1000000) return bad(err, "steps must be at most 1000000; it", o->steps);
    if (!o->plan != !o->groups) return lac_err(err, LACUNA_E_ARG, 0, "plan and groups go together");
    if (!o->gamma) o->gamma = DEFAULT_GAMMA;
    q->sized = o->max_tokens != 0;
    if (!q->sized) o->max_tokens = DEFAULT_TOKENS;
    if (o->temperature < COLDEST) o->temperature = 0;
    q->cut = (lac_cut){o->temperature, o->top_k, o->top_p, o->min_p};
    q->noise = lac_rng_make(o->seed, LAC_RNG_TOKEN);
    return 0;
}

/* The caller's order and groups, checked. */
static int given_plan(lac_request *q, lacuna_error *err)
{
    size_t S = q->canvas.n_slots, sum = 0;
    for (size_t g = 0; g < q->opt.n_groups; g++) {
        if (!q->opt.groups[g]) return lac_err(err, LACUNA_E_ARG, g, "group %zu of the plan is empty", g);
        if (!lac_add(sum, q->opt.groups[g], &sum) || sum > S)
            return lac_err(err, LACUNA_E_ARG, g, "the groups of the plan hold more than the %zu slots", S);
        q->plan.size[g] = q->opt.groups[g];
    }
    if (sum != S) return lac_err(err, LACUNA_E_ARG, 0, "the groups of the plan hold %zu slots of %zu", sum, S);
    for (size_t i = 0; i < S; i++) {
        size_t slot = q->opt.plan[i];
        if (slot >= S) return lac_err(err, LACUNA_E_ARG, i, "rank %zu of the plan is slot %zu, and there are %zu slots", i, slot, S);
        if (q->deny[slot] & 0x80) return lac_err(err, LACUNA_E_ARG, i, "the plan has slot %zu twice", slot);
        q->deny[slot] |= 0x80; /* borrowed as a mark */
        q->plan.order[i] = slot;
    }
    for (size_t i = 0; i < S; i++) q->deny[i] &= 0x7f;
    q->plan.n_groups = q->opt.n_groups;
    q->plan.diffused = S;
    q->opt.plan = q->opt.groups = NULL; /* the caller's memory is not looked at again */
    return 0;
}

/* Memory of a request whose canvas stands, its plan, and room in the net. */
static int prepare(lacuna_session *s, lacuna_error *err)
{
    lac_request *q = &s->req;
    lac_arena *a = &s->arena;
    size_t S = q->canvas.n_slots, holes = q->canvas.n_holes, n = q->canvas.n_context + 2 * S;
    size_t longest = s->model->tok ? lac_tok_longest(s->model->tok) : 0;
    bool ok = (q->token = lac_arena_array(a, S, sizeof *q->token)) && (q->deny = lac_arena_array(a, S, 1)) &&
              (q->min = lac_arena_array(a, holes, sizeof *q->min)) && (q->end = lac_arena_array(a, holes, sizeof *q->end)) &&
              (q->pending = lac_arena_array(a, S, sizeof *q->pending)) && (q->asked = lac_arena_array(a, S, sizeof *q->asked)) &&
              (q->pick = lac_arena_array(a, S, sizeof *q->pick)) && (q->racer = lac_arena_array(a, S, sizeof *q->racer)) &&
              (q->chosen = lac_arena_array(a, S, sizeof *q->chosen)) &&
              (q->reveal = lac_arena_array(a, S, sizeof *q->reveal)) && (q->in_token = lac_arena_array(a, n, sizeof *q->in_token)) &&
              (q->in_pos = lac_arena_array(a, n, sizeof *q->in_pos)) && (q->sees = lac_arena_array(a, n, sizeof *q->sees)) &&
              (q->cand = lac_arena_array(a, s->model->info.n_vocab, sizeof *q->cand)) && (q->text = lac_arena_array(a, S, longest)) &&
              (q->ids_out = lac_arena_array(a, n, sizeof *q->ids_out)) &&
              (q->plan.order = lac_arena_array(a, S, sizeof *q->plan.order)) &&
              (q->plan.size = lac_arena_array(a, S + 1, sizeof *q->plan.size));
    if (!ok) return lac_nomem(err, "request");
    for (size_t i = 0; i < S; i++) q->token[i] = -1;
    for (size_t h = 0; h < holes; h++) {
        q->end[h] = q->canvas.hole[h].first + q->canvas.hole[h].n;
        q->min[h] = UINT32_MAX;
    }
    q->n_open = S;
    q->stats.n_context = q->canvas.n_context;
    q->stats.n_dropped = q->canvas.dropped;
    int r = 0;
    if (q->opt.plan) r = given_plan(q, err);
    else lac_plan_make(&q->plan, S, q->opt.order, q->opt.alpha0, q->opt.steps ? q->opt.steps : S, q->opt.seed);
    return r ? r : lac_session_reserve(s, n, err);
}

/* Drop what was, take the options. */
static int begin(lacuna_session *s, const lacuna_infill_options *options, lacuna_error *err)
{
    lac_arena_reset(&s->arena);
    s->req = (lac_request){0};
    int r = lac_session_options(&s->req.opt, sizeof s->req.opt, options, "infill", err);
    return r ? r : settle(&s->req, err);
}

/* Slots of each hole, checked against what it asks for. */
static int size_holes(lac_request *q, const lacuna_hole *hole, size_t n, size_t *slots, lacuna_span *span, lacuna_error *err)
{
    for (size_t i = 0; i < n; i++) {
        slots[i] = hole[i].max_tokens ? hole[i].max_tokens : q->opt.max_tokens;
        span[i] = hole[i].span;
        if (hole[i].exact && !hole[i].max_tokens && !q->sized)
            return lac_err(err, LACUNA_E_ARG, span[i].start, "hole %zu is to have exactly max_tokens tokens, and max_tokens is 0", i);
        if (hole[i].min_tokens > slots[i])
            return lac_err(err, LACUNA_E_ARG, span[i].start, "hole %zu wants at least %u tokens and at most %zu", i,
                           (unsigned)hole[i].min_tokens, slots[i]);
    }
    return 0;
}

static int begin_text(lacuna_session *s, const char *text, size_t len, const lacuna_hole *hole, size_t n,
                      const lacuna_infill_options *options, lacuna_error *err)
{
    if ((!text && len) || (!hole && n)) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_infill: NULL where something is needed");
    lac_request *q = &s->req;
    int r = begin(s, options, err);
    if (r) return r;
    const lacuna_model *m = s->model;
    if (!m->tok) return lac_err(err, LACUNA_E_ARG, 0, "%s has no tokenizer: it works on ids only", m->file.name);
    size_t *slots = lac_arena_array(&s->arena, n, sizeof *slots);
    lacuna_span *span = lac_arena_array(&s->arena, n, sizeof *span);
    if (!slots || !span) return lac_nomem(err, "request");
    if ((r = size_holes(q, hole, n, slots, span, err))) return r;
    if ((r = lac_canvas_check(text, len, span, n, err))) return r;
    lac_canvas_want want = {m->tok, text, len, span, slots, n, -1, s->limit, q->opt.drop_far != 0, q->opt.heal != 0};
    if ((r = lac_model_tag(m, q->opt.tag, &want.tag, err))) return r;
    q->opt.tag = NULL;
    if ((r = lac_canvas_text(&q->canvas, &want, &s->arena, err))) return r;
    if ((r = prepare(s, err))) return r;
    for (size_t h = 0; h < n; h++) {
        q->min[h] = hole[h].exact || m->info.eom < 0 ? UINT32_MAX : hole[h].min_tokens;
        if (hole[h].one_line) memset(q->deny + q->canvas.hole[h].first, LAC_TOKEN_LINE, q->canvas.hole[h].n);
    }
    q->active = true;
    return 0;
}

static int begin_ids(lacuna_session *s, const lacuna_token *ids, size_t n, const lacuna_infill_options *options, lacuna_error *err)
{
    if (!ids && n) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_infill_ids: NULL where something is needed");
    lac_request *q = &s->req;
    int r = begin(s, options, err);
    if (r) return r;
    if (q->opt.tag) return lac_err(err, LACUNA_E_ARG, 0, "a tag is for texts: put its token among the ids");
    for (size_t i = 0; i < n && i < s->limit; i++) /* more are refused by the canvas */
        if (ids[i] >= 0 && (uint32_t)ids[i] >= s->model->info.n_vocab)
            return lac_err(err, LACUNA_E_ARG, i, "id %d at %zu is outside the vocabulary of %u", (int)ids[i], i, (unsigned)s->model->info.n_vocab);
    if ((r = lac_canvas_ids(&q->canvas, ids, n, s->limit, &s->arena, err))) return r;
    if ((r = prepare(s, err))) return r;
    q->ids = true;
    q->active = true;
    return 0;
}

/* A request that did not begin leaves nothing that lacuna_fill could read. */
static int begun(lacuna_session *s, int r)
{
    if (r) s->req = (lac_request){0};
    return r;
}

int lacuna_infill(lacuna_session *s, const char *text, size_t len, const lacuna_hole *hole, size_t n,
                  const lacuna_infill_options *options, lacuna_error *err)
{
    if (!s) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_infill: NULL where a session is needed");
    return begun(s, begin_text(s, text, len, hole, n, options, err));
}

int lacuna_infill_ids(lacuna_session *s, const lacuna_token *ids, size_t n, const lacuna_infill_options *options, lacuna_error *err)
{
    if (!s) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_infill_ids: NULL where a session is needed");
    return begun(s, begin_ids(s, ids, n, options, err));
}

/* ---- which slots a step asks for ---- */

static size_t ask_open(lac_request *q)
{
    size_t n = 0;
    for (size_t i = 0; i < q->canvas.n_slots; i++)
        if (q->token[i] < 0) q->asked[n++] = i;
    return n;
}

/* The slots of the next group that are still open; groups that an <eom> has emptied cost no pass. */
static size_t ask(lac_request *q)
{
    if (!q->n_open) return 0;
    if (q->plan.dynamic && q->group < q->plan.n_groups && q->diffused < q->plan.diffused) return ask_open(q);
    while (!q->plan.dynamic && q->group < q->plan.n_groups) {
        size_t n = 0;
        for (size_t k = q->plan.size[q->group++]; k; k--, q->rank++)
            if (q->token[q->plan.order[q->rank]] < 0) q->asked[n++] = q->plan.order[q->rank];
        if (n) return n;
    }
    q->group = q->plan.n_groups + 1; /* the sequential phase: the first open slot */
    for (size_t i = 0; i < q->canvas.n_slots; i++)
        if (q->token[i] < 0) {
            q->asked[0] = i;
            return 1;
        }
    return 0;
}

static lacuna_phase phase_of(const lac_request *q)
{
    return q->group > q->plan.n_groups ? LACUNA_PHASE_SEQUENTIAL : LACUNA_PHASE_DIFFUSION;
}

/* ---- the pass ---- */

static uint8_t denied(const lac_request *q, size_t slot)
{
    size_t h = q->canvas.hole_of[slot], first = q->canvas.hole[h].first;
    uint8_t deny = q->deny[slot];
    if (q->ids) return deny; /* there <eom> is a token like any other */
    if (slot - first < q->min[h]) return deny | LAC_TOKEN_EOM;
    for (size_t i = slot + 1; i < q->end[h]; i++)
        if (q->token[i] >= 0) return deny | LAC_TOKEN_EOM; /* a token stands to the right: no end here */
    return deny;
}

typedef struct {
    lacuna_session *s;
    size_t first; /* entry of the first asked slot */
} row_job;

static int take_row(void *ctx, size_t i, const float *logits, lacuna_error *err)
{
    row_job *j = ctx;
    lac_request *q = &j->s->req;
    size_t k = i - j->first, slot = q->asked[k], v = j->s->model->info.n_vocab;
    if (q->opt.on_logits) q->opt.on_logits(q->opt.on_logits_ctx, q->stats.nfe, slot, logits, v);
    uint64_t draw = (uint64_t)q->stats.nfe * q->canvas.n_slots + slot;
    uint8_t deny = denied(q, slot);
    bool line_ends = deny & LAC_TOKEN_LINE && !(deny & LAC_TOKEN_EOM); /* one line: a line feed stands for <eom> */
    if (line_ends) deny &= (uint8_t)~LAC_TOKEN_LINE;
    q->pick[k] = lac_pick_token(logits, v, j->s->model->flags, deny, &q->cut, &q->noise, draw, NULL, q->cand);
    if (line_ends && q->pick[k].token >= 0 && j->s->model->flags[q->pick[k].token] & LAC_TOKEN_LINE) {
        q->pick[k].logprob += (double)logits[j->s->model->info.eom] - logits[q->pick[k].token];
        q->pick[k].token = j->s->model->info.eom;
    }
    if (q->pick[k].token < 0) return lac_err(err, LACUNA_E_CONSTRAINT, slot, "no token is allowed at slot %zu", slot);
    if (!isfinite(q->pick[k].logprob) || !isfinite(q->pick[k].entropy))
        return lac_err(err, LACUNA_E_INTERNAL, slot, "the network gave no number at slot %zu: the weights are damaged", slot);
    return 0;
}

/* Run [context not cached | pending | masks]; the first two stay. */
static int run(lacuna_session *s, size_t n_asked, lacuna_error *err)
{
    lac_request *q = &s->req;
    const lac_canvas *c = &q->canvas;
    size_t n = 0, had = 0;
    if (!q->loaded) {
        had = lac_session_reconcile(s, c->token, c->pos, c->n_context);
        n = c->n_context - had;
        if (n) memcpy(q->in_token, c->token + had, n * sizeof *c->token), memcpy(q->in_pos, c->pos + had, n * sizeof *c->pos);
    }
    for (size_t i = 0; i < q->n_pending; i++, n++) {
        q->in_token[n] = q->token[q->pending[i]];
        q->in_pos[n] = c->slot_pos[q->pending[i]];
    }
    size_t clean = n;
    for (size_t i = 0; i < n_asked; i++, n++) {
        q->in_token[n] = s->model->info.mask;
        q->in_pos[n] = c->slot_pos[q->asked[i]];
    }
    lac_rule_sees(q->opt.rule == LACUNA_RULE_PAPER ? LAC_RULE_PAPER : LAC_RULE_INDEPENDENT, clean, n_asked, q->sees);
    lac_pass pass = {q->in_token, q->in_pos, q->sees, n, clean, clean};
    row_job job = {s, clean};
    int r = lac_net_forward(&s->net, &pass, take_row, &job, err);
    if (r) return r;
    lac_session_note(s, q->in_token, q->in_pos, clean);
    if (!q->loaded) q->stats.n_reused = had;
    q->loaded = true;
    q->n_pending = 0;
    q->stats.n_entries += n;
    return 0;
}

/* ---- what is revealed ---- */

/* Which of the n asked slots this step reveals: fills q->chosen with indices into asked, in rank order. */
static size_t choose(lac_request *q, size_t n, int32_t eom)
{
    size_t racers = 0;
    if (!q->plan.dynamic || phase_of(q) == LACUNA_PHASE_SEQUENTIAL) {
        for (size_t k = 0; k < n; k++) q->chosen[k] = k;
        return n;
    }
    for (size_t k = 0; k < n; k++) {
        size_t h = q->canvas.hole_of[q->asked[k]];
        /* <eom> may run only where every later open slot of the hole says <eom> too, and for the leftmost such
           slot: then one reveal closes the hole, instead of one slot a step from the right. */
        if (q->pick[k].token == eom) {
            bool tail = true;
            for (size_t i = k + 1; i < n && q->canvas.hole_of[q->asked[i]] == h; i++) tail &= q->pick[i].token == eom;
            if (!tail || (k && q->canvas.hole_of[q->asked[k - 1]] == h && q->pick[k - 1].token == eom)) continue;
        }
        q->racer[racers++] = (lac_racer){k, lac_plan_key(q->opt.order, &q->pick[k]), q->pick[k].entropy};
    }
    size_t size = q->opt.order == LACUNA_ORDER_ENTROPY ? n : q->plan.size[q->group], left = q->plan.diffused - q->diffused;
    size_t m = lac_plan_choose(q->racer, racers, q->opt.order, size < left ? size : left, q->opt.gamma);
    for (size_t i = 0; i < m; i++) q->chosen[i] = q->racer[i].index;
    q->group++;
    return m;
}

/* Reveal the n chosen slots, except those that an <eom> of the same step cuts off. */
static size_t reveal(lacuna_session *s, size_t n, int32_t eom)
{
    lac_request *q = &s->req;
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        size_t slot = q->asked[q->chosen[i]], h = q->canvas.hole_of[slot];
        if (q->pick[q->chosen[i]].token == eom && slot < q->end[h]) q->end[h] = slot;
    }
    for (size_t i = 0; i < n; i++) {
        size_t slot = q->asked[q->chosen[i]], h = q->canvas.hole_of[slot];
        const lac_pick *p = &q->pick[q->chosen[i]];
        if (slot > q->end[h]) continue;
        q->token[slot] = p->token;
        q->pending[q->n_pending++] = slot;
        q->n_open--;
        q->reveal[m++] = (lacuna_reveal){h, slot - q->canvas.hole[h].first, p->token, lacuna_token_bytes(s->model, p->token),
                                         p->logprob, p->prob, p->entropy};
        q->stats.logprob += p->logprob;
    }
    for (size_t h = 0; h < q->canvas.n_holes && eom >= 0; h++) /* what lies behind an <eom> is closed */
        for (size_t i = q->end[h] + 1; i < q->canvas.hole[h].first + q->canvas.hole[h].n; i++)
            if (q->token[i] < 0) {
                q->token[i] = eom;
                q->n_open--;
            }
    q->stats.n_tokens += m;
    return m;
}

int lacuna_step(lacuna_session *s, const lacuna_event **ev, lacuna_error *err)
{
    if (!s || !ev) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_step: NULL where something is needed");
    *ev = NULL;
    lac_request *q = &s->req;
    if (!q->active) return lac_err(err, LACUNA_E_ARG, 0, "no request is in progress");
    size_t n = ask(q), before = q->stats.n_entries;
    if (!n) {
        q->active = false;
        return 0;
    }
    lacuna_phase phase = phase_of(q);
    int r = run(s, n, err);
    if (r) {
        q->active = false;
        lac_session_cancelled(s, NULL);
        return r;
    }
    int32_t eom = q->ids ? -1 : s->model->info.eom;
    size_t m = reveal(s, choose(q, n, eom), eom);
    if (phase == LACUNA_PHASE_DIFFUSION) q->diffused += m;
    q->event = (lacuna_event){q->stats.nfe++, phase, q->reveal, m, q->stats.n_entries - before, q->n_open};
    *ev = &q->event;
    return 1;
}

/* ---- results ---- */

static int hole_at(lacuna_session *s, size_t hole, lacuna_error *err)
{
    if (!s || !s->req.token) return lac_err(err, LACUNA_E_ARG, 0, "no request has begun");
    if (hole >= s->req.canvas.n_holes)
        return lac_err(err, LACUNA_E_ARG, 0, "hole %zu was asked for, there are %zu", hole, s->req.canvas.n_holes);
    return 0;
}

int lacuna_fill(lacuna_session *s, size_t hole, lacuna_text *out, lacuna_error *err)
{
    if (!out) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_fill: out must not be NULL");
    *out = (lacuna_text){"", 0};
    int r = hole_at(s, hole, err);
    if (r) return r;
    lac_request *q = &s->req;
    size_t n = 0;
    for (size_t i = q->canvas.hole[hole].first; i < q->canvas.hole[hole].first + q->canvas.hole[hole].n && q->token[i] >= 0; i++) {
        lacuna_text b = lacuna_token_bytes(s->model, q->token[i]);
        if (b.len) memcpy(q->text + n, b.bytes, b.len);
        n += b.len;
    }
    *out = (lacuna_text){q->text, n};
    return 0;
}

int64_t lacuna_fill_ids(lacuna_session *s, size_t hole, const lacuna_token **ids, lacuna_error *err)
{
    if (!ids) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_fill_ids: ids must not be NULL");
    *ids = NULL;
    int r = hole_at(s, hole, err);
    if (r) return r;
    lac_request *q = &s->req;
    if (!q->ids) {
        *ids = q->token + q->canvas.hole[hole].first;
        return (int64_t)q->canvas.hole[hole].n;
    }
    for (size_t i = 0; i < q->canvas.n_context; i++) q->ids_out[q->canvas.pos[i]] = q->canvas.token[i];
    for (size_t i = 0; i < q->canvas.n_slots; i++) q->ids_out[q->canvas.slot_pos[i]] = q->token[i];
    *ids = q->ids_out;
    return (int64_t)(q->canvas.n_context + q->canvas.n_slots);
}

lacuna_stats lacuna_get_stats(const lacuna_session *s) { return s->req.stats; }
