/* Several slots of one step in a hole that asks for something: they are settled together.
 *
 *   rows of logits of all slots asked for -> weights of words -> chain: the product of the slots' distributions,
 *   conditioned on a match (sample/chain.h) -> one slot after the other, each given those before it
 *
 * Rows are laid out by word, so that the tokens of a word lie in a row: kernels add them up, and words that a slot may not hold
 * cost nothing.  Sums of e^x are in float within a word, each beside its largest (net/softmax.h), and in double beyond.
 *
 * The slots between those that the plan reveals are asked for too, at the end of the row, so that all weights up to the
 * last are known.  A policy that looks at the logits sees what each slot would hold by itself; then where a hole ends is settled, and what
 * it chooses besides are tokens: in a product of independent slots, each of which may be <eom>, the first is soon one by chance. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "net/softmax.h"
#include "session/session.h"

#define LEAST 1e-300       /* a weight that is allowed is not 0 */
#define NOWHERE (-1000.0f) /* e^x is 0 */

int lac_joint_begin(lacuna_session *s, size_t widest, lacuna_error *err)
{
    lac_request *q = &s->req;
    size_t bytes;
    if (!q->demand || widest < 2 || q->opt.lossless) return 0;
    const size_t V = s->model->info.n_vocab;
    lac_arena *a = &s->arena;
    if (!lac_mul(widest, V * sizeof *q->row, &bytes) || !(q->row = lac_arena_alloc(a, bytes)) || !(q->sorted = lac_arena_alloc(a, bytes)) ||
        !(q->kept = lac_arena_array(a, V, 1)) || !(q->mass = lac_arena_array(a, widest, sizeof *q->mass)) ||
        !(q->weight = lac_arena_array(a, widest, sizeof *q->weight)) || !(q->together = lac_arena_array(a, widest, sizeof *q->together)) ||
        !(q->dist = lac_arena_array(a, widest, sizeof *q->dist)) || !(q->closed = lac_arena_array(a, widest, sizeof *q->closed)) ||
        !(q->at = lac_arena_array(a, widest, sizeof *q->at)))
        return lac_nomem(err, "request");
    for (size_t i = 0; i < widest; i++) {
        q->mass[i] = lac_arena_array(a, q->n_words + 1, sizeof **q->mass);
        q->weight[i] = lac_arena_array(a, q->n_words + 2, sizeof **q->weight);
        if (!q->mass[i] || !q->weight[i]) return lac_nomem(err, "request");
    }
    return 0;
}

void lac_joint_keep(lacuna_session *s, size_t k, const float *logits)
{
    const size_t V = s->model->info.n_vocab;
    memcpy(s->req.row + k * V, logits, V * sizeof *logits);
    s->req.dist[k] = lac_softmax_of(logits, V, s->model->flags, LAC_TOKEN_NEVER, s->model->kern);
}

/* How likely a slot is <eom>, or what stands for it, among what flags allow. */
static double chance_of_end(const lacuna_session *s, const lac_lift *lift, const float *logits, const uint8_t *flags)
{
    const double all = lac_softmax_of(logits, s->model->info.n_vocab, flags, LAC_TOKEN_NEVER | LAC_TOKEN_OUT, s->model->kern).norm;
    double end = 0;
    for (uint32_t i = lift->first[lift->n_words]; i < lift->first[lift->n_words + 1]; i++)
        if (!(flags[lift->token[i]] & (LAC_TOKEN_NEVER | LAC_TOKEN_OUT))) end += exp(logits[lift->token[i]] - all);
    return end;
}

void lac_joint_propose(lacuna_session *s, lac_fill *f, size_t k, const float *logits)
{
    lac_request *q = &s->req;
    const size_t V = s->model->info.n_vocab, slot = f->asked[k], hole = q->canvas.hole_of[slot];
    const lac_lift *lift = &q->demand[hole]->lift;
    const lac_cut greedy = {.kern = s->model->kern};
    const uint8_t *flags = lac_obey_flags(s, f, slot, (lacuna_text){0});
    lac_pick *p = &f->pick[k];
    memcpy(q->row + k * V, logits, V * sizeof *logits);
    *p = lac_pick_token(logits, V, flags, LAC_TOKEN_OUT, &greedy, NULL, 0, NULL, NULL);
    if (p->token < 0) return;
    q->dist[k] = (lac_softmax){logits[p->token] - p->logprob, p->entropy};
    bool ends = lift->word_of[p->token] == lift->n_words;
    if (q->cut[hole].temperature > 0) { /* the noise of the mask, which is no slot's token, is this draw's */
        const uint64_t draw = lac_step_draw(q, f, slot) * V + (uint32_t)s->model->info.mask;
        ends = lac_u01(lac_rng_at(&f->noise, draw)) < chance_of_end(s, lift, logits, flags);
    }
    p->token = ends ? s->model->info.eom : s->model->info.mask;
    if (ends) p->logprob = logits[p->token] - q->dist[k].norm;
}

bool lac_joint_is(const lac_request *q, const lac_fill *f, size_t slot)
{
    return q->row && f->joint[q->canvas.hole_of[slot]];
}

/* Is a slot among the first n asked for? */
static bool due(const lac_fill *f, size_t n, size_t slot)
{
    for (size_t i = 0; i < n; i++)
        if (f->asked[i] == slot) return true;
    return false;
}

size_t lac_joint_ask(const lac_request *q, lac_fill *f, size_t n)
{
    size_t all = n;
    f->n_due = n;
    if (!q->row) return n;
    for (size_t h = 0; h < q->canvas.n_holes; h++) {
        size_t here = 0, last = 0;
        for (size_t i = 0; i < n && q->demand[h]; i++)
            if (q->canvas.hole_of[f->asked[i]] == h) {
                here++;
                if (f->asked[i] > last) last = f->asked[i];
            }
        f->joint[h] = here > 1;
        for (size_t i = q->canvas.hole[h].first; here > 1 && i < last; i++)
            if (f->token[i] < 0 && !due(f, n, i)) f->asked[all++] = i;
    }
    return all;
}

/* ---- one hole ---- */

/* The slots of a hole that are asked for, ascending: together[], in the chain at[].  Returns how many. */
static size_t gather(lacuna_session *s, const lac_fill *f, size_t hole)
{
    lac_request *q = &s->req;
    size_t n = 0;
    for (size_t k = 0; k < f->n_asked; k++) {
        if (q->canvas.hole_of[f->asked[k]] != hole) continue;
        size_t i = n++;
        for (; i && f->asked[q->together[i - 1]] > f->asked[k]; i--) q->together[i] = q->together[i - 1];
        q->together[i] = k;
    }
    for (size_t i = 0; i < n; i++) q->at[i] = lac_obey_slot(s, f, f->asked[q->together[i]]);
    return n;
}

static const float *row(const lacuna_session *s, size_t k) { return s->req.row + k * s->model->info.n_vocab; }
static float *sorted(const lacuna_session *s, size_t k) { return s->req.sorted + k * s->model->info.n_vocab; }
static const lac_lift *lift_at(const lac_request *q, size_t hole) { return &q->demand[hole]->lift; }
static double heat_of(const lac_cut *cut) { return cut->temperature > 0 ? cut->temperature : 1; }
static bool cuts(const lac_cut *cut) { return cut->temperature > 0 && (cut->top_k || (cut->top_p > 0 && cut->top_p < 1) || cut->min_p > 0); }

/* y = (x - most) / heat; so far below 0 that e^y is 0, it is NOWHERE. */
static void temper(float *y, const float *x, float most, float cold, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float d = (x[i] - most) * cold;
        y[i] = d > NOWHERE ? d : NOWHERE;
    }
}

/* Of n tokens in a row. */
static lac_mass mass_of(const float *x, size_t n, double heat, const lac_kern *kern)
{
    const float most = n == 1 ? *x : kern->max(x, n);
    lac_mass m = {.most = most / heat, .sum = n == 1};
    if (most == -INFINITY) return (lac_mass){.most = -INFINITY};
    for (size_t at = 0; n > 1 && at < n; at += LAC_SOFTMAX_CHUNK) {
        float y[LAC_SOFTMAX_CHUNK], e[LAC_SOFTMAX_CHUNK];
        const size_t here = n - at < LAC_SOFTMAX_CHUNK ? n - at : LAC_SOFTMAX_CHUNK;
        if (heat == 1) { /* in half the time */
            m.sum += kern->exp_sum(e, x + at, most, here);
            continue;
        }
        temper(y, x + at, most, (float)(1 / heat), here);
        m.sum += kern->exp_sum(e, y, 0, here);
    }
    return m;
}

/* ln of the sum of e^(logit / heat) of all tokens that the model may say. */
static double norm(const lacuna_session *s, size_t k, double heat)
{
    const size_t V = s->model->info.n_vocab;
    const uint8_t *flags = s->model->flags;
    const lac_kern *kern = s->model->kern;
    float most = -INFINITY;
    double sum = 0;
    if (heat == 1) return s->req.dist[k].norm;
    for (int pass = 0; pass < 2; pass++) /* the largest; the sum */
        for (size_t at = 0; at < V; at += LAC_SOFTMAX_CHUNK) {
            float x[LAC_SOFTMAX_CHUNK], e[LAC_SOFTMAX_CHUNK];
            const size_t n = V - at < LAC_SOFTMAX_CHUNK ? V - at : LAC_SOFTMAX_CHUNK;
            const float m = lac_softmax_without(x, row(s, k) + at, flags + at, LAC_TOKEN_NEVER, n, -INFINITY, kern);
            if (!pass) {
                most = m > most ? m : most;
                continue;
            }
            temper(x, x, most, (float)(1 / heat), n);
            sum += kern->exp_sum(e, x, 0, n);
        }
    return most / heat + log(sum);
}

/* Mark in kept[] what a cut leaves of the words that are allowed. */
static void mark(lacuna_session *s, size_t k, const lac_lift *lift, const lac_cut *cut)
{
    lac_request *q = &s->req;
    const float *logits = row(s, k);
    size_t n = 0;
    for (uint32_t w = 0; w <= lift->n_words; w++)
        for (uint32_t i = lift->first[w]; q->allowed[w] && i < lift->first[w + 1]; i++)
            q->cand[n++] = (lac_cand){logits[lift->token[i]] / cut->temperature, (int32_t)lift->token[i]};
    n = lac_pick_cut(q->cand, n, cut);
    for (size_t i = 0; i < n; i++) q->kept[q->cand[i].token] = 1;
}

/* What slot k may hold while all others of the step are open: its logits by word, cut, and what they give each word. */
static void lay_out(lacuna_session *s, const lac_fill *f, size_t hole, size_t k, size_t at, const lac_cut *cut)
{
    lac_request *q = &s->req;
    const lac_lift *lift = lift_at(q, hole);
    const float *logits = row(s, k);
    const bool some = cuts(cut);
    lac_chain_allowed(f->chain[hole], at, q->allowed);
    if (some) mark(s, k, lift, cut);
    for (uint32_t w = 0; w <= lift->n_words; w++) {
        const uint32_t n = lift->first[w + 1] - lift->first[w], *token = lift->token + lift->first[w];
        float *x = sorted(s, k) + lift->first[w];
        lac_mass *m = &q->mass[k][w];
        *m = (lac_mass){.most = -INFINITY};
        if (!q->allowed[w] || !n) continue;
        for (uint32_t i = 0; i < n; i++) x[i] = logits[token[i]];
        for (uint32_t i = 0; some && i < n; i++) x[i] = q->kept[token[i]] ? x[i] : -INFINITY;
        if (cut->temperature > 0) *m = mass_of(x, n, heat_of(cut), s->model->kern);
        else m->most = s->model->kern->max(x, n);
    }
    if (some) memset(q->kept, 0, s->model->info.n_vocab);
}

/* Weights of the words of slot k, which is laid out.  Returns ln of what it counts on their scale where it is closed: of all tokens. */
static double weigh(lacuna_session *s, size_t hole, size_t k, const lac_cut *cut, double *weight)
{
    const lac_request *q = &s->req;
    const lac_mass *mass = q->mass[k];
    const uint32_t n = lift_at(q, hole)->n_words;
    double top = -INFINITY;
    for (uint32_t w = 0; w <= n; w++)
        if (mass[w].most > top) top = mass[w].most;
    for (uint32_t w = 0; w <= n; w++)
        weight[w] = mass[w].most == -INFINITY ? 0 : fmax((cut->temperature > 0 ? mass[w].sum : 1) * exp(mass[w].most - top), LEAST);
    return q->min[hole] == UINT32_MAX ? 0 : norm(s, k, heat_of(cut)) - top; /* a hole without <eom> closes no slot */
}

/* Is the k-th slot asked for among those chosen? */
static bool chosen(const lac_fill *f, size_t k)
{
    for (size_t i = 0; i < f->n_chosen; i++)
        if (f->chosen[i] == k) return true;
    return false;
}

/* Slot k, the i-th of its hole, is <eom>, or it is not: and then it is not closed either. */
static void settle_end(lac_request *q, size_t hole, size_t k, size_t i, bool ends)
{
    const uint32_t eom = lift_at(q, hole)->n_words;
    for (uint32_t w = 0; w <= eom; w++) {
        if ((w == eom) == ends) continue;
        q->mass[k][w] = (lac_mass){.most = -INFINITY};
        q->weight[i][w] = 0;
    }
    if (!ends) q->closed[i] = -INFINITY;
}

/* Weigh all slots of a hole together; where what a cut leaves cannot match, nothing is cut.
 * Under a policy what is chosen is <eom> or not as it was proposed, if that can match.  Returns the cut. */
static lac_cut weigh_all(lacuna_session *s, lac_fill *f, size_t hole, size_t n, lac_cut cut)
{
    lac_request *q = &s->req;
    bool apart = f->plan.dynamic;
    lac_obey_look(s, f, hole);
    for (int again = 0; again < 3; again++) {
        for (size_t i = 0; i < n; i++) {
            const size_t k = q->together[i];
            lay_out(s, f, hole, k, q->at[i], &cut);
            q->closed[i] = weigh(s, hole, k, &cut, q->weight[i]);
            if (apart && chosen(f, k)) settle_end(q, hole, k, i, f->pick[k].token == s->model->info.eom);
        }
        if (lac_chain_weigh(f->chain[hole], q->at, n, (const double *const *)q->weight, q->closed, !(cut.temperature > 0))) break;
        if (again) apart = false;
        cut = (lac_cut){.temperature = cut.temperature, .kern = cut.kern};
    }
    return cut;
}

/* With q->bias of the i-th slot of a hole, given what was taken before it: ln of the largest of all tokens; -INFINITY: there is none. */
static double bias(lacuna_session *s, const lac_fill *f, size_t hole, size_t i)
{
    lac_request *q = &s->req;
    const lac_mass *mass = q->mass[q->together[i]];
    double top = -INFINITY;
    lac_chain_bias(f->chain[hole], i, q->bias);
    for (uint32_t w = 0; w <= lift_at(q, hole)->n_words; w++)
        if (mass[w].most + q->bias[w] > top) top = mass[w].most + q->bias[w];
    return top;
}

/* The likeliest token of slot k; the lowest of several. */
static lac_pick likeliest(lacuna_session *s, size_t hole, size_t k, double top)
{
    const lac_request *q = &s->req;
    const lac_lift *lift = lift_at(q, hole);
    lac_pick out = {.token = -1, .prob = 1};
    for (uint32_t w = 0; w <= lift->n_words; w++) {
        const double most = q->mass[k][w].most;
        if (most + q->bias[w] < top) continue;
        uint32_t i = lift->first[w];
        while (sorted(s, k)[i] < most) i++;
        if (out.token < 0 || (int32_t)lift->token[i] < out.token) out.token = (int32_t)lift->token[i];
    }
    return out;
}

/* The token of the i-th slot of a hole, given those taken before it. */
static lac_pick conditional(lacuna_session *s, const lac_fill *f, size_t hole, size_t i, const lac_cut *cut)
{
    lac_request *q = &s->req;
    const lac_lift *lift = lift_at(q, hole);
    const size_t k = q->together[i];
    const float *x = sorted(s, k);
    const double top = bias(s, f, hole, i), heat = heat_of(cut);
    double total = 0;
    size_t n = 0;
    if (!isfinite(top)) return (lac_pick){.token = -1}; /* or no number */
    if (!(cut->temperature > 0)) return likeliest(s, hole, k, top);
    for (uint32_t w = 0; w <= lift->n_words; w++) {
        const lac_mass *m = &q->mass[k][w];
        if (m->most + q->bias[w] == -INFINITY) continue;
        total += m->sum * exp(m->most + q->bias[w] - top);
        for (uint32_t j = lift->first[w]; j < lift->first[w + 1]; j++)
            if (x[j] > -INFINITY) q->cand[n++] = (lac_cand){x[j] / heat + q->bias[w], (int32_t)lift->token[j]};
    }
    return lac_pick_listed(q->cand, n, s->model->info.n_vocab, top, total, &f->noise, lac_step_draw(q, f, f->asked[k]));
}

/* ---- a step ---- */

int lac_joint_draw(lacuna_session *s, lac_fill *f, lacuna_error *err)
{
    lac_request *q = &s->req;
    for (size_t h = 0; h < q->canvas.n_holes; h++) {
        if (!q->demand[h] || !f->joint[h]) continue;
        const size_t n = gather(s, f, h);
        const lac_cut cut = weigh_all(s, f, h, n, q->cut[h]);
        for (size_t i = 0; i < n; i++) {
            const size_t k = q->together[i];
            uint32_t word = LAC_CHAIN_LEFT;
            if (chosen(f, k)) {
                f->pick[k] = conditional(s, f, h, i, &cut);
                if (f->pick[k].token >= 0) word = q->demand[h]->lift.word_of[f->pick[k].token];
                int r = lac_step_report(s, f, k, row(s, k), &q->dist[k], err);
                if (r) return r;
            }
            lac_chain_take(f->chain[h], i, word);
        }
    }
    return 0;
}
