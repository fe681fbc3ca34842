/* The canvas on a terminal while it is filled.
 *
 *     compose: text and slots -> cells (a byte and its style each)
 *     lay out: cells -> rows no wider than the screen, each a string with its styles
 *     show:    rows that differ from the last frame -> one write
 */
#include "lacuna/view.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/io.h"
#include "common/utf8.h"

enum { CONTEXT_LINES = 3 };
enum { PLAIN, OPEN, FRESH, RECENT, FAINT }; /* styles; OPEN cells stand for a slot, their byte is not shown */

typedef struct {
    unsigned char *age; /* n: 0 open, 1 just revealed, 2 the step before, 3 older */
    size_t n;
} hole_age;

struct view {
    const lacuna_model *m;
    lacuna_session *s;
    const char *text;
    size_t len;
    const lacuna_hole *holes;
    size_t n_holes;
    unsigned pace;      /* ms */
    hole_age *ages;     /* n_holes */
    term t;
    buf bytes, style;   /* cells of the frame */
    size_t focus;       /* cell revealed last */
    buf *rows, *shown;  /* of this frame and the last; shown is what stands on the screen */
    size_t n_rows, n_shown;
};

int view_possible(void)
{
    return term_look(1).moves;
}

/* After a stop the terminal shows other things, and after a resize its rows lie elsewhere: the next picture is
 * drawn whole, below. */
static volatile sig_atomic_t away;

static void on_continue(int sig)
{
    (void)sig;
    away = 1;
}

view *view_open(const lacuna_model *m, lacuna_session *s, const char *text, size_t len, const lacuna_hole *holes,
                size_t n_holes, unsigned pace)
{
    view *v = xalloc(1, sizeof *v);
    *v = (view){.m = m, .s = s, .text = text, .len = len, .holes = holes, .n_holes = n_holes, .pace = pace};
    v->ages = xalloc(n_holes, sizeof *v->ages);
    sigaction(SIGCONT, &(struct sigaction){.sa_handler = on_continue, .sa_flags = SA_RESTART}, NULL);
    return v;
}

static void free_rows(buf *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) buf_free(&rows[i]);
    free(rows);
}

/* ---- compose ------------------------------------------------------------------------------- */

static void cells(view *v, const char *p, size_t n, int style)
{
    buf_add(&v->bytes, p, n);
    buf_room(&v->style, n);
    memset(v->style.p + v->style.n, style, n);
    v->style.n += n;
}

static void age_holes(view *v, const lacuna_event *ev)
{
    for (size_t h = 0; h < v->n_holes; h++) {
        const lacuna_token *ids;
        int64_t n = lacuna_fill_ids(v->s, h, &ids, NULL);
        hole_age *a = &v->ages[h];
        if (n < 0) continue;
        if (!ev || a->n != (size_t)n) {
            free(a->age);
            *a = (hole_age){xalloc((size_t)n, 1), (size_t)n};
        }
        for (size_t i = 0; i < a->n; i++)
            if (ids[i] < 0) a->age[i] = 0;
            else if (a->age[i] < 3) a->age[i]++;
    }
}

static void compose_hole(view *v, size_t h)
{
    const lacuna_token *ids;
    int64_t n = lacuna_fill_ids(v->s, h, &ids, NULL);
    lacuna_token eom = lacuna_model_get_info(v->m)->eom;
    int stream_of_ids = !lacuna_model_get_info(v->m)->has_tokenizer;
    for (int64_t i = 0; i < n; i++) {
        unsigned age = (size_t)i < v->ages[h].n ? v->ages[h].age[i] : 0;
        int style = age == 1 ? FRESH : age == 2 ? RECENT : PLAIN;
        if (ids[i] < 0) {
            cells(v, "m", 1, OPEN);
            continue;
        }
        if (age == 1) v->focus = v->bytes.n;
        if (stream_of_ids) {
            buf id = {0};
            buf_fmt(&id, "%d ", (int)ids[i]);
            cells(v, id.p, id.n, style);
            buf_free(&id);
            continue;
        }
        if (ids[i] == eom && v->len) break; /* sample has no text around: <eom> is a token like others there */
        lacuna_text t = lacuna_token_bytes(v->m, ids[i]);
        cells(v, t.bytes, t.len, style);
    }
}

/* Start of the context before byte at: a few lines up, and no more than a few rows of bytes. */
static size_t context_start(const view *v, size_t at, size_t from)
{
    size_t most = (size_t)v->t.cols * (CONTEXT_LINES + 1), floor = at - from > most ? at - most : from, i = at;
    for (int lines = 0; i > floor; i--)
        if (v->text[i - 1] == '\n' && lines++ == CONTEXT_LINES) break;
    while (i < at && i > from && ((unsigned char)v->text[i] & 0xc0) == 0x80) i++;
    return i;
}

static size_t context_end(const view *v, size_t at, size_t to)
{
    size_t most = (size_t)v->t.cols * (CONTEXT_LINES + 1), roof = to - at > most ? at + most : to, i = at;
    for (int lines = 0; i < roof; i++)
        if (v->text[i] == '\n' && lines++ == CONTEXT_LINES) break;
    while (i > at && i < to && ((unsigned char)v->text[i] & 0xc0) == 0x80) i--;
    return i;
}

static void compose(view *v)
{
    size_t at = 0;
    v->bytes.n = v->style.n = v->focus = 0;
    for (size_t h = 0; h < v->n_holes; h++) {
        size_t hole = v->holes[h].span.start, start = context_start(v, hole, at);
        size_t shown = h ? context_end(v, at, hole) : at;
        if (start > shown) {
            cells(v, v->text + at, shown - at, PLAIN);
            if (h) cells(v, "\n", 1, PLAIN);
            if (h) cells(v, "...\n", 4, FAINT);
        } else {
            start = at;
        }
        cells(v, v->text + start, hole - start, PLAIN);
        compose_hole(v, h);
        at = v->holes[h].span.end;
    }
    cells(v, v->text + at, context_end(v, at, v->len) - at, PLAIN);
}

/* ---- lay out ------------------------------------------------------------------------------- */

static const char *sgr(int style)
{
    static const char *const code[] = {"\033[m", "\033[2m", "\033[1;32m", "\033[32m", "\033[2m"};
    return code[style];
}

static buf *new_row(view *v)
{
    v->rows = xgrow(v->rows, v->n_rows + 1, sizeof *v->rows);
    v->rows[v->n_rows] = (buf){0};
    return &v->rows[v->n_rows++];
}

static void end_style(view *v, int *style)
{
    if (*style != PLAIN && v->t.colour) buf_put(&v->rows[v->n_rows - 1], sgr(PLAIN));
    *style = PLAIN;
}

/* What to show for the cell at i: bytes, columns; returns how many cells it takes. */
static size_t glyph(const view *v, size_t i, const char **p, size_t *n, unsigned *columns, unsigned column)
{
    size_t run = 1;
    uint32_t cp;
    while (run < 4 && i + run < v->bytes.n && v->style.p[i + run] != OPEN) run++;
    *columns = 1;
    if (v->style.p[i] == OPEN) {
        *p = v->t.utf8 ? "\xe2\x96\x91" : "_";
        *n = strlen(*p);
        return 1;
    }
    *p = v->bytes.p + i;
    size_t k = utf8_take(*p, run, &cp);
    *n = k;
    if (k && cp == '\t') {
        *p = "        ";
        *columns = 8 - column % 8;
        *n = *columns;
    } else if (!k || cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
        *p = k && cp == '\r' ? "" : "?";
        *columns = (unsigned)(*n = strlen(*p));
        return k ? k : utf8_bad(v->bytes.p + i, run);
    } else if (k > 1 && !v->t.utf8) {
        *p = "?", *n = 1;
    } else {
        *columns = (unsigned)utf8_columns(cp);
    }
    return k;
}

/* Fill v->rows; returns the row of the focus. */
static size_t lay_out(view *v)
{
    unsigned column = 0, width = v->t.cols - 1; /* the last column is left free: no terminal wraps then */
    size_t focus = 0;
    int style = PLAIN;
    new_row(v);
    for (size_t i = 0; i < v->bytes.n;) {
        const char *p;
        size_t n;
        unsigned columns;
        if (i <= v->focus) focus = v->n_rows - 1;
        if (v->bytes.p[i] == '\n' && v->style.p[i] != OPEN) {
            end_style(v, &style);
            new_row(v);
            column = 0;
            i++;
            continue;
        }
        size_t take = glyph(v, i, &p, &n, &columns, column);
        if (column + columns > width) {
            end_style(v, &style);
            new_row(v);
            column = 0;
            if (n && *p == ' ' && columns > 1) n = columns = 1;
        }
        if (v->style.p[i] != style && v->t.colour) {
            end_style(v, &style);
            style = v->style.p[i];
            if (style != PLAIN) buf_put(&v->rows[v->n_rows - 1], sgr(style));
        }
        buf_add(&v->rows[v->n_rows - 1], p, n);
        column += columns;
        i += take;
    }
    end_style(v, &style);
    return focus;
}

/* Keep at most so many rows, with the focus among them. */
static void crop(view *v, size_t focus, size_t most)
{
    if (v->n_rows <= most) return;
    size_t top = focus > most / 2 ? focus - most / 2 : 0;
    if (top + most > v->n_rows) top = v->n_rows - most;
    for (size_t i = 0; i < v->n_rows; i++)
        if (i < top || i >= top + most) buf_free(&v->rows[i]);
    memmove(v->rows, v->rows + top, most * sizeof *v->rows);
    v->n_rows = most;
}

/* ---- show ---------------------------------------------------------------------------------- */

static int equal(const buf *a, const buf *b)
{
    return a->n == b->n && (!a->n || !memcmp(a->p, b->p, a->n));
}

static void go_up(buf *out, size_t rows)
{
    buf_put(out, "\r");
    if (rows > 1) buf_fmt(out, "\033[%zuA", rows - 1);
}

void view_draw(view *v, const lacuna_event *ev)
{
    buf out = {0};
    term t = term_look(1);
    if (v->n_shown && (away || t.cols != v->t.cols || t.rows != v->t.rows)) {
        free_rows(v->shown, v->n_shown);
        v->shown = NULL, v->n_shown = 0;
        buf_put(&out, "\r\n");
    }
    away = 0;
    v->t = t;
    age_holes(v, ev);
    compose(v);
    v->rows = NULL, v->n_rows = 0;
    crop(v, lay_out(v), t.rows - 1);
    if (v->n_shown) go_up(&out, v->n_shown < t.rows ? v->n_shown : t.rows);
    for (size_t i = 0; i < v->n_rows; i++) {
        if (i) buf_put(&out, "\r\n");
        if (i < v->n_shown && equal(&v->rows[i], &v->shown[i])) continue;
        buf_add(&out, v->rows[i].p, v->rows[i].n);
        buf_put(&out, "\033[K");
    }
    if (v->n_shown > v->n_rows) buf_put(&out, "\r\n\033[J\033[A");
    io_out(out.p, out.n);
    buf_free(&out);
    free_rows(v->shown, v->n_shown);
    v->shown = v->rows, v->n_shown = v->n_rows;
    v->rows = NULL, v->n_rows = 0;
    struct timespec pause = {v->pace / 1000, (long)(v->pace % 1000) * 1000000};
    if (v->pace) nanosleep(&pause, NULL); /* a signal ends it early: the step loop looks at the cancel flag */
}

void view_close(view *v, int keep)
{
    buf out = {0};
    if (v->n_shown && !keep) {
        go_up(&out, v->n_shown);
        buf_put(&out, "\033[J");
    } else if (v->n_shown) { /* once more the last row, into which the terminal may have echoed ^C */
        buf *last = &v->shown[v->n_shown - 1];
        buf_put(&out, "\r");
        buf_add(&out, last->p, last->n);
        buf_put(&out, "\033[K\r\n");
    }
    io_out(out.p, out.n);
    buf_free(&out);
    free_rows(v->shown, v->n_shown);
    for (size_t h = 0; h < v->n_holes; h++) free(v->ages[h].age);
    free(v->ages);
    buf_free(&v->bytes);
    buf_free(&v->style);
    free(v);
}
