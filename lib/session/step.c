/* The step machine: each lacuna_step is one pass.
 *
 *   a step, of each candidate:  choose the slots to ask for -> a part [context not cached | slots revealed last | masks]
 *            of one pass -> pick a token for each -> decide which of them are revealed -> report
 *
 * A slot is open (token -1), revealed, or behind its hole's <eom>.  Slots that close by an <eom> are not
 * reported: the <eom> is.  <eom> is denied where a token already stands to the right in the hole. */
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "net/rule.h"
#include "net/softmax.h"
#include "session/session.h"

#define LIKELY (-0.6931471805599453) /* ln 1/2: an <eom> above it is revealed beside the slots whose turn it is */

/* ---- which slots a step asks for ---- */

static size_t ask_open(const lac_request *q, lac_fill *f)
{
    size_t n = 0;
    for (size_t i = 0; i < q->canvas.n_slots; i++)
        if (f->token[i] < 0) f->asked[n++] = i;
    return n;
}

/* The slots of the next group that are still open; groups that an <eom> has emptied cost no pass. */
static size_t ask_plan(const lac_request *q, lac_fill *f)
{
    if (!f->n_open) return 0;
    if (f->plan.dynamic && f->group < f->plan.n_groups && f->diffused < f->plan.diffused) return ask_open(q, f);
    while (!f->plan.dynamic && f->group < f->plan.n_groups) {
        size_t n = 0;
        for (size_t k = f->plan.size[f->group++]; k; k--, f->rank++)
            if (f->token[f->plan.order[f->rank]] < 0) f->asked[n++] = f->plan.order[f->rank];
        if (n) return n;
    }
    f->group = f->plan.n_groups + 1; /* the sequential phase: the first open slot */
    for (size_t i = 0; i < q->canvas.n_slots; i++)
        if (f->token[i] < 0) {
            f->asked[0] = i;
            return 1;
        }
    return 0;
}

static size_t ask(const lacuna_session *s, lac_fill *f)
{
    const size_t n = s->req.heals && f->group < f->plan.n_groups ? lac_spell_ask(s, f) : 0;
    return lac_joint_ask(&s->req, f, n ? n : ask_plan(&s->req, f));
}

static lacuna_phase phase_of(const lac_fill *f)
{
    return f->group > f->plan.n_groups ? LACUNA_PHASE_SEQUENTIAL : LACUNA_PHASE_DIFFUSION;
}

/* ---- the token of one slot ---- */

/* Tokens that a slot denies as things stand. */
static uint8_t denied(const lacuna_session *s, const lac_fill *f, size_t slot)
{
    const lac_request *q = &s->req;
    size_t h = q->canvas.hole_of[slot], first = q->canvas.hole[h].first;
    uint8_t deny = q->deny[slot];
    if (q->ids) return deny; /* there <eom> is a token like any other */
    if (slot - first - lac_spell_at(s, f, h).n_old < q->min[h]) return deny | LAC_TOKEN_EOM;
    for (size_t i = slot + 1; i < f->end[h]; i++)
        if (f->token[i] >= 0) return deny | LAC_TOKEN_EOM; /* a token stands to the right: no end here */
    return deny;
}

/* The noise of a slot that is asked for once is its own, whichever pass asks; what is asked for again and again has new
 * noise each time, and so has what is filled anew. */
uint64_t lac_step_draw(const lac_request *q, const lac_fill *f, size_t slot)
{
    const uint64_t own = f->plan.dynamic ? (uint64_t)(q->stats.nfe + 1) * q->canvas.n_slots + slot : slot;
    return own + ((uint64_t)f->repairs << 40);
}

/* A line feed where a hole of one line may end stands for <eom>.  Then what was picked is checked, and explained. */
static int settle(lacuna_session *s, lac_fill *f, size_t k, const float *logits, const uint8_t *flags, uint8_t deny, bool line_ends,
                  lacuna_error *err)
{
    lac_pick *out = &f->pick[k];
    const int32_t eom = s->model->info.eom;
    const size_t slot = f->asked[k];
    if (line_ends && out->token >= 0 && flags[out->token] & LAC_TOKEN_LINE) {
        out->logprob += (double)logits[eom] - logits[out->token];
        out->token = eom;
    }
    if (!isfinite(out->logprob) || !isfinite(out->entropy))
        return lac_err(err, LACUNA_E_INTERNAL, slot, "the network gave no number at slot %zu: the weights are damaged", slot);
    if (out->token < 0) return lac_err(err, LACUNA_E_CONSTRAINT, slot, "no token is allowed at slot %zu", slot);
    if (s->req.opt.explain) lac_refuse(s, f, k, logits, flags, deny);
    return 0;
}

int lac_step_report(lacuna_session *s, lac_fill *f, size_t k, const float *logits, const lac_softmax *p, lacuna_error *err)
{
    const lac_request *q = &s->req;
    const size_t slot = f->asked[k];
    const uint8_t *flags = q->opt.explain ? lac_obey_flags(s, f, slot, (lacuna_text){0}) : s->model->flags;
    if (f->pick[k].token >= 0) f->pick[k].logprob = logits[f->pick[k].token] - p->norm;
    f->pick[k].entropy = p->entropy;
    return settle(s, f, k, logits, flags, LAC_TOKEN_OUT, q->deny[slot] & LAC_TOKEN_LINE, err);
}

/* The token of the k-th slot asked for, by itself. */
static int pick(lacuna_session *s, lac_fill *f, size_t k, const float *logits, lacuna_error *err)
{
    lac_request *q = &s->req;
    const size_t slot = f->asked[k];
    const bool obeys = lac_obey_is(q, q->canvas.hole_of[slot]);
    const lac_cut cut = q->cut[q->canvas.hole_of[slot]];
    const uint8_t *flags = s->model->flags;
    lacuna_text rest = {0};
    const bool spells = lac_spell_front(s, f, slot, &rest);
    if (!spells) rest.len = 0;
    if (obeys) flags = lac_obey_flags(s, f, slot, rest);
    else if (spells) flags = lac_spell_flags(s, slot, rest);
    uint8_t deny = obeys ? LAC_TOKEN_OUT : denied(s, f, slot);
    const bool line_ends = q->deny[slot] & LAC_TOKEN_LINE && !(deny & LAC_TOKEN_EOM) && !spells; /* one line: a line feed stands for <eom> */
    if (line_ends) deny &= (uint8_t)~LAC_TOKEN_LINE;
    f->pick[k] = lac_pick_token(logits, s->model->info.n_vocab, flags, deny, &cut, &f->noise, lac_step_draw(q, f, slot), NULL, q->cand);
    const int r = settle(s, f, k, logits, flags, deny, line_ends, err);
    if (!r && f->repair.choice) lac_repair_look(s, f, slot, logits, flags, line_ends ? deny | LAC_TOKEN_LINE : deny, &f->pick[k]);
    return r;
}

/* ---- which of them are revealed ---- */

/* Which of the asked slots this step reveals: fills f->chosen with indices into asked, in rank order. */
static size_t choose(const lacuna_session *s, lac_fill *f, int32_t eom)
{
    const lac_request *q = &s->req;
    const size_t n = f->n_due;
    size_t racers = 0;
    lacuna_text rest;
    if (!f->plan.dynamic || f->phase == LACUNA_PHASE_SEQUENTIAL || lac_spell_front(s, f, f->asked[0], &rest)) {
        for (size_t k = 0; k < n; k++) f->chosen[k] = k;
        return n;
    }
    for (size_t k = 0; k < n; k++) {
        size_t h = q->canvas.hole_of[f->asked[k]];
        /* <eom> may run only where every later open slot of the hole says <eom> too, and for the leftmost such
           slot: then one reveal closes the hole, instead of one slot a step from the right. */
        if (f->pick[k].token == eom) {
            bool tail = true;
            for (size_t i = k + 1; i < n && q->canvas.hole_of[f->asked[i]] == h; i++) tail &= f->pick[i].token == eom;
            if (!tail || (k && q->canvas.hole_of[f->asked[k - 1]] == h && f->pick[k - 1].token == eom)) continue;
        }
        f->racer[racers++] = (lac_racer){k, lac_plan_key(q->opt.order, &f->pick[k]), f->pick[k].entropy};
    }
    size_t size = q->opt.order == LACUNA_ORDER_ENTROPY ? n : f->plan.size[f->group], left = f->plan.diffused - f->diffused;
    size_t m = lac_plan_choose(f->racer, racers, q->opt.order, size < left ? size : left, q->opt.gamma);
    for (size_t i = 0; i < m; i++) f->chosen[i] = f->racer[i].index;
    for (size_t i = m; i < racers; i++) { /* where a hole ends is settled as soon as it is more likely than not */
        const size_t k = f->racer[i].index;
        if (f->pick[k].token == eom && f->pick[k].logprob > LIKELY) f->chosen[m++] = k;
    }
    f->group++;
    return m;
}

/* All rows of a candidate are there. */
static int decide(lacuna_session *s, lac_fill *f, lacuna_error *err)
{
    const lac_request *q = &s->req;
    f->n_chosen = choose(s, f, q->ids ? -1 : s->model->info.eom);
    return q->row ? lac_joint_draw(s, f, err) : 0;
}

/* ---- the pass ---- */

static int take_row(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err)
{
    lacuna_session *s = ctx;
    lac_request *q = &s->req;
    lac_fill *f = q->of_part[p];
    const size_t k = i - f->first;
    if (q->opt.on_logits) q->opt.on_logits(q->opt.on_logits_ctx, q->stats.nfe, f->asked[k], logits, s->model->info.n_vocab);
    if (q->opt.lossless) return lac_lossless_suppose(f, k) ? pick(s, f, k, logits, err) : 0;
    const bool joint = lac_joint_is(q, f, f->asked[k]);
    if (joint && f->plan.dynamic) lac_joint_propose(s, f, k, logits);
    else if (joint) lac_joint_keep(s, k, logits);
    else {
        int r = pick(s, f, k, logits, err);
        if (r) return r;
    }
    return k + 1 < f->n_asked ? 0 : decide(s, f, err);
}

/* The context entries that are not cached yet begin a part: how many. */
static size_t put_context(const lac_request *q, lac_fill *f)
{
    const lac_canvas *c = &q->canvas;
    const size_t had = q->context->len, n = c->n_context - had;
    if (n) {
        memcpy(f->in_token, c->token + had, n * sizeof *c->token);
        memcpy(f->in_pos, c->pos + had, n * sizeof *c->pos);
    }
    return n;
}

/* The branches of several candidates need the context before their first pass. */
static int load_context(lacuna_session *s, lacuna_error *err)
{
    lac_request *q = &s->req;
    lac_fill *f = &q->fill[0];
    const size_t n = put_context(q, f);
    lac_rule_sees(LAC_RULE_PAPER, n, 0, f->sees);
    const lac_part part = {q->context, f->in_token, f->in_pos, f->sees, n, n, n};
    int r = n ? lac_net_forward(&s->net, &(lac_pass){&part, 1, NULL}, NULL, NULL, err) : 0;
    if (r) return r;
    q->stats.n_entries += n;
    for (size_t i = 1; i < q->n_fills; i++) lac_kv_rebranch(q->fill[i].kv, q->context, q->canvas.n_context);
    return 0;
}

/* [context not cached | pending | drafts | masks]; all but the masks stay. */
static lac_part part_of(lacuna_session *s, lac_fill *f)
{
    const lac_request *q = &s->req;
    const lac_canvas *c = &q->canvas;
    size_t n = q->loaded ? 0 : put_context(q, f);
    for (size_t i = 0; i < f->n_pending; i++, n++) {
        f->in_token[n] = f->token[f->pending[i]];
        f->in_pos[n] = c->slot_pos[f->pending[i]];
    }
    const size_t before = n, drafts = q->opt.lossless ? f->lossless.n_drafts : 0;
    for (size_t i = 0; i < drafts; i++, n++) {
        f->in_token[n] = f->lossless.draft[i].token;
        f->in_pos[n] = c->slot_pos[f->asked[i]];
    }
    f->first = n;
    for (size_t i = 0; i < f->n_asked; i++, n++) {
        f->in_token[n] = s->model->info.mask;
        f->in_pos[n] = c->slot_pos[f->asked[i]];
    }
    if (q->opt.lossless) { /* single slots: both rules are one */
        lac_rule_sees(LAC_RULE_INDEPENDENT, f->first, f->n_asked, f->sees);
        for (size_t i = 0; i < drafts; i++) f->sees[f->first + i] = (uint32_t)(before + i);
    } else lac_rule_sees(q->opt.rule == LACUNA_RULE_PAPER ? LAC_RULE_PAPER : LAC_RULE_INDEPENDENT, f->first, f->n_asked, f->sees);
    return (lac_part){f->kv, f->in_token, f->in_pos, f->sees, n, f->first, f->first};
}

/* One pass for all candidates that ask for something. */
static int run(lacuna_session *s, lacuna_error *err)
{
    lac_request *q = &s->req;
    const bool baseline = lac_baseline_is(q);
    size_t parts = 0, entries = 0;
    int r = 0;
    if (!q->loaded && !baseline) {
        q->stats.n_reused = q->context->len;
        if (q->n_fills > 1) {
            if ((r = load_context(s, err))) return r;
            q->loaded = true;
        }
    }
    for (lac_fill *f = q->fill; f < q->fill + q->n_fills; f++) {
        if (!f->n_asked) continue;
        if (q->opt.rule == LACUNA_RULE_BD3 && (r = lac_baseline_cache(s, f, &q->stats.n_entries, err))) return r;
        q->of_part[parts] = f;
        q->part[parts] = baseline ? lac_baseline_part(s, f) : part_of(s, f);
        entries += q->part[parts++].n;
    }
    if ((r = lac_net_forward(&s->net, &(lac_pass){q->part, parts, lac_spell_panels(s)}, take_row, s, err))) return r;
    for (size_t i = 0; i < parts; i++)
        if (!baseline) q->of_part[i]->n_pending = 0;
    q->loaded = true;
    q->stats.n_entries += entries;
    return 0;
}

/* ---- what is revealed ---- */

/* Reveal the n chosen slots, except those that an <eom> of the same step cuts off, and add them to the event. */
static size_t reveal(lacuna_session *s, lac_fill *f, size_t n, int32_t eom)
{
    lac_request *q = &s->req;
    const size_t before = q->event.n;
    for (size_t i = 0; i < n; i++) {
        size_t slot = f->asked[f->chosen[i]], h = q->canvas.hole_of[slot];
        if (f->pick[f->chosen[i]].token == eom && slot < f->end[h]) f->end[h] = slot;
    }
    for (size_t i = 0; i < n; i++) {
        size_t slot = f->asked[f->chosen[i]], h = q->canvas.hole_of[slot];
        const lac_pick *p = &f->pick[f->chosen[i]];
        if (slot > f->end[h]) continue;
        lacuna_text bytes = lacuna_token_bytes(s->model, p->token), rest;
        if (lac_spell_front(s, f, slot, &rest)) {
            const size_t spelled = rest.len - lac_spell_after(rest, bytes).len;
            bytes = (lacuna_text){bytes.bytes + spelled, bytes.len - spelled};
        }
        f->token[slot] = p->token;
        f->pending[f->n_pending++] = slot;
        f->n_open--;
        if (q->opt.explain && f->refusal[f->chosen[i]].token >= 0) q->refusal[q->event.n_refusals++] = f->refusal[f->chosen[i]];
        q->reveal[q->event.n++] = (lacuna_reveal){h, slot - q->canvas.hole[h].first, p->token, bytes,
                                                  p->logprob, p->prob, p->entropy, (size_t)(f - q->fill)};
        f->logprob += p->logprob;
    }
    for (size_t h = 0; h < q->canvas.n_holes && eom >= 0; h++) /* what lies behind an <eom> is closed */
        for (size_t i = f->end[h] + 1; i < q->canvas.hole[h].first + q->canvas.hole[h].n; i++)
            if (f->token[i] < 0) {
                f->token[i] = eom;
                f->n_open--;
            }
    if (q->heals) lac_spell_close(s, f);
    f->n_tokens += q->event.n - before;
    return q->event.n - before;
}

int lacuna_step(lacuna_session *s, const lacuna_event **ev, lacuna_error *err)
{
    if (!s || !ev) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_step: NULL where something is needed");
    *ev = NULL;
    lac_request *q = &s->req;
    if (!q->active) return lac_err(err, LACUNA_E_ARG, 0, "no request is in progress");
    const lac_fill *leader = NULL;
    for (lac_fill *f = q->fill; f < q->fill + q->n_fills; f++) {
        f->n_asked = q->opt.lossless ? lac_lossless_ask(s, f) : ask(s, f);
        f->phase = phase_of(f); /* choosing moves on to the next */
        if (f->n_asked && !leader) leader = f;
    }
    if (!leader) {
        q->active = false;
        return 0;
    }
    const size_t before = q->stats.n_entries;
    q->event = (lacuna_event){.step = q->stats.nfe, .phase = leader->phase, .reveals = q->reveal, .refusals = q->refusal, .reopened = q->reopened};
    int r = run(s, err);
    if (r) {
        for (lac_fill *f = q->fill; q->opt.lossless && f < q->fill + q->n_fills; f++) lac_lossless_forget(f);
        q->active = false;
        lac_session_cancelled(s, NULL);
        return r;
    }
    const int32_t eom = q->ids ? -1 : s->model->info.eom;
    for (lac_fill *f = q->fill; f < q->fill + q->n_fills; f++) {
        if (f->n_asked) {
            const size_t m = reveal(s, f, q->opt.lossless ? lac_lossless_choose(q, f) : f->n_chosen, eom);
            if (q->opt.lossless) { /* but the last one they are cached already */
                f->pending[0] = f->pending[f->n_pending - 1];
                f->n_pending = 1;
            }
            if (f->phase == LACUNA_PHASE_DIFFUSION) f->diffused += m;
            if (f->repair.attempt && (r = lac_repair(s, f, err))) break;
        }
        q->event.n_open += f->n_open;
    }
    if (r) {
        q->active = false;
        return r;
    }
    q->stats.nfe++;
    q->event.n_entries = q->stats.n_entries - before;
    *ev = &q->event;
    return 1;
}
