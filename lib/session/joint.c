/* Several slots of one step in a hole that asks for something: they are settled together.
 *
 *   rows of logits of all slots asked for -> weights of words -> chain: the product of the slots' distributions,
 *   conditioned on a match (sample/chain.h) -> one slot after the other, each given those before it
 *
 * The slots between those that the plan reveals are asked for too, at the end of the row, so that all weights up to the
 * last are known.  A policy that looks at the logits sees each slot's marginal of that distribution, at temperature 1. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "net/softmax.h"
#include "session/session.h"

#define LEAST 1e-300 /* a weight that is allowed is not 0 */

int lac_joint_begin(lacuna_session *s, size_t widest, lacuna_error *err)
{
    lac_request *q = &s->req;
    size_t bytes;
    if (!q->demand || widest < 2 || q->opt.lossless) return 0;
    if (!lac_mul(widest, s->model->info.n_vocab * sizeof *q->row, &bytes) || !(q->row = lac_arena_alloc(&s->arena, bytes)) ||
        !(q->weight = lac_arena_array(&s->arena, widest, sizeof *q->weight)) ||
        !(q->together = lac_arena_array(&s->arena, widest, sizeof *q->together)) ||
        !(q->closed = lac_arena_array(&s->arena, widest, sizeof *q->closed)) ||
        !(q->at = lac_arena_array(&s->arena, widest, sizeof *q->at)))
        return lac_nomem(err, "request");
    for (size_t i = 0; i < widest; i++)
        if (!(q->weight[i] = lac_arena_array(&s->arena, q->n_words + 2, sizeof **q->weight))) return lac_nomem(err, "request");
    return 0;
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

/* The tokens that slot k may hold while all others of the step are open, cut, with logit / temperature: a list in cand. */
static size_t list(lacuna_session *s, const lac_fill *f, size_t k, size_t at, const lac_cut *cut)
{
    lac_request *q = &s->req;
    const lac_lift *lift = &q->demand[q->canvas.hole_of[f->asked[k]]]->lift;
    const float *logits = row(s, k);
    const double heat = cut->temperature > 0 ? cut->temperature : 1;
    size_t n = 0;
    lac_chain_allowed(f->chain[q->canvas.hole_of[f->asked[k]]], at, q->allowed);
    q->allowed[lift->n_words + 1] = 0;
    for (uint32_t v = 0; v < s->model->info.n_vocab; v++)
        if (q->allowed[lift->word_of[v]]) q->cand[n++] = (lac_cand){logits[v] / heat, (int32_t)v};
    return cut->temperature > 0 ? lac_pick_cut(q->cand, n, cut) : n;
}

/* ln of the sum of e^(logit / heat) of all tokens that the model may say. */
static double norm(const lacuna_session *s, const float *logits, double heat)
{
    const uint8_t *flags = s->model->flags;
    double top = -INFINITY, sum = 0;
    if (heat == 1) return lac_softmax_of(logits, s->model->info.n_vocab, flags, LAC_TOKEN_NEVER, s->model->kern).norm;
    for (uint32_t v = 0; v < s->model->info.n_vocab; v++)
        if (!(flags[v] & LAC_TOKEN_NEVER) && logits[v] > top) top = logits[v];
    for (uint32_t v = 0; v < s->model->info.n_vocab; v++)
        if (!(flags[v] & LAC_TOKEN_NEVER)) sum += exp((logits[v] - top) / heat);
    return top / heat + log(sum);
}

/* Weights of the words of slot k.  Returns ln of what it counts on their scale where it is closed: of all tokens. */
static double weigh(lacuna_session *s, const lac_fill *f, size_t k, size_t at, const lac_cut *cut, double *weight)
{
    lac_request *q = &s->req;
    const lac_lift *lift = &q->demand[q->canvas.hole_of[f->asked[k]]]->lift;
    const size_t n = list(s, f, k, at, cut);
    double top = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (q->cand[i].value > top) top = q->cand[i].value;
    memset(weight, 0, (lift->n_words + 2) * sizeof *weight);
    for (size_t i = 0; i < n; i++) {
        const double w = fmax(exp(q->cand[i].value - top), LEAST);
        double *sum = &weight[lift->word_of[q->cand[i].token]];
        if (cut->temperature > 0) *sum += w;
        else if (w > *sum) *sum = w;
    }
    return norm(s, row(s, k), cut->temperature > 0 ? cut->temperature : 1) - top;
}

/* Weigh all slots of a hole together; where what a cut leaves cannot match, nothing is cut.  Returns the cut. */
static lac_cut weigh_all(lacuna_session *s, lac_fill *f, size_t hole, size_t n, lac_cut cut)
{
    lac_request *q = &s->req;
    lac_obey_look(s, f, hole);
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < n; i++) q->closed[i] = weigh(s, f, q->together[i], q->at[i], &cut, q->weight[i]);
        if (lac_chain_weigh(f->chain[hole], q->at, n, (const double *const *)q->weight, q->closed, !(cut.temperature > 0))) break;
        cut = (lac_cut){.temperature = cut.temperature, .kern = cut.kern};
    }
    return cut;
}

/* The token of the i-th slot of a hole, given those taken before it. */
static lac_pick conditional(lacuna_session *s, const lac_fill *f, size_t hole, size_t i, const lac_cut *cut)
{
    lac_request *q = &s->req;
    const lac_lift *lift = &q->demand[hole]->lift;
    const size_t k = q->together[i], n = list(s, f, k, q->at[i], cut);
    size_t m = 0;
    lac_chain_bias(f->chain[hole], i, q->bias);
    for (size_t j = 0; j < n; j++) {
        const double bias = q->bias[lift->word_of[q->cand[j].token]];
        if (bias > -INFINITY) q->cand[m++] = (lac_cand){q->cand[j].value + bias, q->cand[j].token};
    }
    return lac_pick_listed(q->cand, m, s->model->info.n_vocab, !(cut->temperature > 0), &f->noise, lac_step_draw(q, f, f->asked[k]));
}

/* ---- a step ---- */

void lac_joint_propose(lacuna_session *s, lac_fill *f)
{
    lac_request *q = &s->req;
    for (size_t h = 0; h < q->canvas.n_holes; h++) {
        if (!q->demand[h] || !f->joint[h]) continue;
        const size_t n = gather(s, f, h);
        const lac_cut plain = weigh_all(s, f, h, n, (lac_cut){.temperature = 1});
        for (size_t i = 0; i < n; i++) {
            lac_pick *p = &f->pick[q->together[i]];
            *p = conditional(s, f, h, i, &plain);
            if (p->token >= 0 && s->model->flags[p->token] & LAC_TOKEN_LINE && q->deny[f->asked[q->together[i]]] & LAC_TOKEN_LINE)
                p->token = s->model->info.eom;
            lac_chain_take(f->chain[h], i, LAC_CHAIN_LEFT);
        }
    }
}

/* Is the k-th slot asked for among those chosen? */
static bool chosen(const lac_fill *f, size_t k)
{
    for (size_t i = 0; i < f->n_chosen; i++)
        if (f->chosen[i] == k) return true;
    return false;
}

int lac_joint_draw(lacuna_session *s, lac_fill *f, lacuna_error *err)
{
    lac_request *q = &s->req;
    for (size_t h = 0; h < q->canvas.n_holes; h++) {
        if (!q->demand[h] || !f->joint[h]) continue;
        const size_t n = gather(s, f, h);
        const lac_cut cut = weigh_all(s, f, h, n, lac_step_cut(q, f, q->canvas.hole[h].first));
        for (size_t i = 0; i < n; i++) {
            const size_t k = q->together[i];
            uint32_t word = LAC_CHAIN_LEFT;
            if (chosen(f, k)) {
                f->pick[k] = conditional(s, f, h, i, &cut);
                if (f->pick[k].token >= 0) word = q->demand[h]->lift.word_of[f->pick[k].token];
                int r = lac_step_report(s, f, k, row(s, k), err);
                if (r) return r;
            }
            lac_chain_take(f->chain[h], i, word);
        }
    }
    return 0;
}
