/* A text with its holes filled: parsed from the document's tree, edited, over pieces of the text, so that what is far from the holes is
 * not read; and where its lines and bytes are. */
#include <string.h>

#include "syntax/tree.h"

#define CHUNK ((size_t)64) /* bytes that the parser gets at a time: how many it reads is what a parse costs */

typedef struct {
    const lac_piece *piece;
    size_t n;
    size_t at;              /* piece read last */
    size_t n_read;          /* bytes */
} reader;

static const char *read_piece(void *ctx, uint32_t byte, TSPoint point, uint32_t *n)
{
    reader *r = ctx;
    (void)point;
    *n = 0;
    if (!r->n) return "";
    while (r->at && r->piece[r->at].start > byte) r->at--;
    while (r->at + 1 < r->n && r->piece[r->at + 1].start <= byte) r->at++;
    const lac_piece *p = &r->piece[r->at];
    const size_t skip = byte - p->start;
    if (skip >= p->text.len) return "";
    *n = (uint32_t)(p->text.len - skip < CHUNK ? p->text.len - skip : CHUNK);
    r->n_read += *n;
    return p->text.bytes + skip;
}

/* The text with the fills, without empty pieces: one would be its end. */
static size_t pieces(lacuna_document *d, const lacuna_span *hole, const lacuna_text *fill, size_t n)
{
    size_t at = 0, k = 0, total = 0;
    for (size_t i = 0; i <= n; i++) {
        const lacuna_text part[] = {{d->text + at, (i < n ? hole[i].start : d->len) - at}, i < n ? fill[i] : (lacuna_text){0}};
        for (size_t j = 0; j < 2; j++) {
            if (!part[j].len) continue;
            d->piece[k++] = (lac_piece){part[j], total};
            total += part[j].len;
        }
        if (i < n) at = hole[i].end;
    }
    return k;
}

TSTree *lac_filled_parse(lacuna_document *d, const lac_filled *t, size_t *n_read)
{
    const lacuna_span *hole = t->hole;
    const size_t n = t->n;
    reader r = {.piece = d->piece, .n = pieces(d, hole, t->fill, n)};
    TSTree *old = ts_tree_copy(d->tree);
    TSPoint point = {0, 0};
    size_t byte = 0, at = 0; /* in the new text, in the old one */
    for (size_t i = 0; i < n; i++) {
        const lacuna_text f = t->fill[i];
        const size_t gap = hole[i].start - at, gone = hole[i].end - hole[i].start;
        TSInputEdit e = {.start_byte = (uint32_t)(byte + gap), .start_point = lac_point_after(point, d->text + at, gap)};
        e.old_end_byte = e.start_byte + (uint32_t)gone;
        e.old_end_point = lac_point_after(e.start_point, d->text + hole[i].start, gone);
        e.new_end_byte = e.start_byte + (uint32_t)f.len;
        e.new_end_point = f.len ? lac_point_after(e.start_point, f.bytes, f.len) : e.start_point;
        if (gone || f.len) ts_tree_edit(old, &e);
        byte = e.new_end_byte;
        point = e.new_end_point;
        at = hole[i].end;
    }
    TSTree *tree = ts_parser_parse(d->parser, old, (TSInput){&r, read_piece, TSInputEncodingUTF8});
    ts_tree_delete(old);
    if (n_read) *n_read = r.n_read;
    if (!tree) ts_parser_reset(d->parser);
    return tree;
}

bool lac_filled_lines(lacuna_document *d, const lac_filled *t)
{
    size_t byte = 0, at = 0;
    if (!lac_mem_grow(&d->mem, (void **)&d->line, &d->cap_line, t->n, sizeof *d->line)) return false;
    for (size_t i = 0; i < t->n; i++) {
        const size_t gap = t->hole[i].start - at, after = t->hole[i].end, next = i + 1 < t->n ? t->hole[i + 1].start : d->len;
        size_t lo = gap;
        while (lo && d->text[at + lo - 1] != '\n') lo--;
        const char *feed = next > after ? memchr(d->text + after, '\n', next - after) : NULL;
        const size_t rest = (feed ? (size_t)(feed - d->text) : next) - after;
        d->line[i] = (lacuna_span){byte + lo, byte + gap + t->fill[i].len + rest};
        byte += gap + t->fill[i].len;
        at = after;
    }
    return true;
}

bool lac_filled_touches(const lac_filled *t, const lac_fault *f)
{
    for (size_t i = 0; i < t->n; i++) {
        const lacuna_span s = t->d->line[i];
        if ((f->start >= s.start && f->start <= s.end) || (f->end > s.start && f->end <= s.end)) return true;
    }
    return false;
}

uint32_t lac_filled_before(const lac_filled *t, uint32_t byte)
{
    size_t less = 0, gone = 0; /* bytes of the fills, of the holes before fill i */
    for (size_t i = 0; i < t->n; i++) {
        if (byte < t->hole[i].start - gone + less + t->fill[i].len) break;
        less += t->fill[i].len;
        gone += t->hole[i].end - t->hole[i].start;
    }
    return (uint32_t)(byte - less);
}
