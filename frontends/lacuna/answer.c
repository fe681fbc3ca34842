/* What `lacuna serve` answers to the requests that run the network. */
#include "lacuna/answer.h"

#include "common/json.h"
#include "common/lang.h"
#include "lacuna/fill.h"
#include "lacuna/report.h"

/* The tag by name or by a guess; ARG when the name is unknown. */
static int tag_of(const answer_desk *d, const char *lang, const char *path, lacuna_text text, const char **tag, lacuna_error *err)
{
    *tag = lang ? lang_tag(d->e->info, lang, err->msg, sizeof err->msg) : lang_guess(d->e->info, path, text.bytes, text.len);
    if (!lang || *tag) return 0;
    err->where = 0;
    return err->code = LACUNA_E_ARG;
}

/* ---- infill -------------------------------------------------------------------------------- */

typedef struct {
    const answer_desk *d;
    const answer_request *q;
} step_context;

static void on_step(void *ctx, size_t candidate, size_t lane, const lacuna_event *ev)
{
    const step_context *c = ctx;
    buf b = {0};
    (void)lane;
    if (!ev || !c->q->infill.stream) return;
    buf_put(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"step\",\"params\":{\"id\":");
    rpc_put_id(&b, c->q->rpc.id);
    if (wishes_several(&c->q->infill.w)) json_add_uint(&b, "candidate", candidate);
    report_step(&b, ev, lacuna_get_stats(c->d->session).nfe, c->q->infill.w.explain);
    buf_put(&b, "}");
    rpc_end(&b);
    outbox_put(c->d->out, &b, c->q);
}

static int has_node(const hole_set *holes)
{
    for (size_t i = 0; i < holes->n; i++)
        if (holes->more[i].is_node) return 1;
    return 0;
}

/* The tag, the document, and the holes that are nodes of it. */
static int settle_infill(answer_desk *d, rpc_infill_params *p, lacuna_error *err)
{
    lacuna_document *doc;
    int rc = tag_of(d, p->lang, p->path, p->text, &p->opt.tag, err);
    if (rc == 0) rc = syntax_of(&d->syntax, &p->w, has_node(&p->holes), p->path, p->lang, p->text, &doc, err);
    if (rc < 0) return rc;
    if (p->w.syntax != SYNTAX_OFF) p->opt.document = doc;
    return holes_find_nodes(&p->holes, doc, err);
}

static void put_infill(buf *reply, const rpc_infill_params *p, const fill_outcome *out)
{
    buf text = {0};
    fill_text(&text, p->text, &p->holes, &out->v[0]);
    buf_put(reply, "{");
    json_add_text(reply, "text", text.p ? text.p : "", text.n);
    report_fills(reply, &out->v[0]);
    report_choices(reply, &p->holes, &out->rest);
    if (p->w.explain) report_context(reply, p->text, out);
    if (wishes_several(&p->w)) report_candidates(reply, out->v, out->n);
    buf_put(reply, "}");
    buf_free(&text);
}

static int run_infill(answer_desk *d, answer_request *q, buf *reply, lacuna_error *err)
{
    rpc_infill_params *p = &q->infill;
    fill_watch watch = {.step = on_step, .ctx = &(step_context){d, q}};
    fill_outcome out = {0};
    int rc = settle_infill(d, p, err);
    fill_job todo = {p->text, &p->holes, p->opt, p->w.candidates, p->w.lengths, p->w.n_lengths};
    if (rc >= 0) rc = fill_run(d->session, &todo, &watch, &out, err);
    if (rc >= 0) put_infill(reply, p, &out);
    fill_free(&out);
    return rc < 0 ? rc : 0;
}

/* ---- score and rank ------------------------------------------------------------------------ */

static int run_score(answer_desk *d, answer_request *q, buf *reply, lacuna_error *err)
{
    rpc_score_params *p = &q->score;
    const lacuna_score_result *r;
    int rc = tag_of(d, p->lang, p->path, p->text, &p->opt.tag, err);
    if (rc == 0) rc = lacuna_score(d->session, p->text.bytes, p->text.len, p->spans, p->n_spans, &p->opt, &r, err);
    if (rc < 0) return rc;
    buf_put(reply, "{");
    report_score(reply, d->e->model, r, p->spans, p->n_spans, p->opt.n_orders > 1);
    buf_put(reply, "}");
    return 0;
}

static int run_rank(answer_desk *d, answer_request *q, buf *reply, lacuna_error *err)
{
    rpc_rank_params *p = &q->rank;
    const lacuna_rank_item *items;
    int rc = tag_of(d, p->lang, p->path, p->text, &p->opt.tag, err);
    if (rc == 0) rc = lacuna_rank(d->session, p->text.bytes, p->text.len, p->spans, p->n_spans, p->fills, p->n, &p->opt, &items, err);
    if (rc < 0) return rc;
    buf_put(reply, "{\"items\":[");
    for (size_t c = 0; c < p->n; c++) {
        json_comma(reply);
        buf_put(reply, "{");
        report_rank(reply, &items[c]);
        buf_put(reply, "}");
    }
    buf_put(reply, "]}");
    return 0;
}

/* ---- by kind ------------------------------------------------------------------------------- */

int answer_read(answer_request *q, char *err, size_t err_size)
{
    return q->kind == ANSWER_INFILL  ? rpc_infill(q->rpc.params, &q->infill, err, err_size)
           : q->kind == ANSWER_SCORE ? rpc_score(q->rpc.params, &q->score, err, err_size)
                                     : rpc_rank(q->rpc.params, &q->rank, err, err_size);
}

int answer(answer_desk *d, answer_request *q, buf *reply, lacuna_error *err)
{
    return q->kind == ANSWER_INFILL  ? run_infill(d, q, reply, err)
           : q->kind == ANSWER_SCORE ? run_score(d, q, reply, err)
                                     : run_rank(d, q, reply, err);
}

void answer_free(answer_request *q)
{
    rpc_free(&q->rpc);
    rpc_infill_free(&q->infill);
    rpc_score_free(&q->score);
    rpc_rank_free(&q->rank);
}
