#include "control/regex_parse.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

typedef struct {
    const char *expr;
    size_t len, at;     /* bytes; the next one */
    lac_regex_tree *tree;
    lac_regex_set set;  /* of the class that is read */
    uint32_t depth;     /* open groups */
    lacuna_error *err;
} parser;

#define FAULT(p, at, ...) lac_err((p)->err, LACUNA_E_ARG, at, "expression: " __VA_ARGS__)

static int no_memory(parser *p) { return lac_nomem(p->err, "expression"); }

static bool next_is(const parser *p, char c) { return p->at < p->len && p->expr[p->at] == c; }

static bool take(parser *p, char c) { return next_is(p, c) && ++p->at; }

/* A node of so many states; at: what to blame where they are too many. */
static int64_t add(parser *p, lac_regex_node node, uint64_t size, size_t at)
{
    if (size > LAC_REGEX_STATES)
        return lac_err(p->err, LACUNA_E_LIMIT, at, "expression: repetitions and classes up to here make more than %u states",
                       (unsigned)LAC_REGEX_STATES);
    lac_regex_tree *t = p->tree;
    void *grown = t->node;
    if (!lac_mem_grow(t->seqs.mem, &grown, &t->cap, t->n + 1, sizeof *t->node)) return no_memory(p);
    t->node = grown;
    node.size = (uint32_t)size;
    node.before = LAC_REGEX_NONE;
    t->node[t->n] = node;
    return (int64_t)t->n++;
}

static int64_t add_bytes(parser *p, const char *bytes, size_t n, size_t at)
{
    lac_regex_node node = {.kind = LAC_REGEX_LITERAL, .n = (uint8_t)n, .last = LAC_REGEX_NONE};
    memcpy(node.byte, bytes, n);
    return add(p, node, n, at);
}

/* The set that was read, as a node; the set is empty again. */
static int64_t add_class(parser *p, size_t at)
{
    lac_regex_seqs *s = &p->tree->seqs;
    const size_t low = s->n;
    if (!lac_regex_set_utf8(&p->set, s)) return no_memory(p);
    p->set.n = 0;
    uint64_t size = s->n == low;
    for (size_t i = low; i < s->n; i++) size += s->seq[i].n + 1u;
    return add(p, (lac_regex_node){.kind = LAC_REGEX_CLASS, .last = LAC_REGEX_NONE, .low = (uint32_t)low, .high = (uint32_t)s->n}, size, at);
}

/* ---- characters ---- */

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

/* \xHH, \u{H...}, behind the letter. */
static int64_t read_code(parser *p, char kind, size_t from)
{
    int64_t code = 0;
    size_t n = 0;
    if (kind == 'u' && !take(p, '{')) return FAULT(p, from, "\\u is followed by {, hexadecimal digits and }");
    for (; n < (kind == 'u' ? 6 : 2) && p->at < p->len && hex(p->expr[p->at]) >= 0; n++) code = code * 16 + hex(p->expr[p->at++]);
    if (kind == 'u' && (!n || !take(p, '}'))) return FAULT(p, from, "\\u is followed by {, one to six hexadecimal digits and }");
    if (kind == 'x' && n != 2) return FAULT(p, from, "\\x is followed by two hexadecimal digits");
    if (kind == 'x' && code > 0x7F) return FAULT(p, from, "\\x%02X is no character; \\u{%02X} is", (unsigned)code, (unsigned)code);
    if (code > LAC_REGEX_LAST || (code >= 0xD800 && code <= 0xDFFF)) return FAULT(p, from, "\\u{%X} is no character", (unsigned)code);
    return code;
}

/* What \ makes of the next character: a code point, or -- a letter of "dwsDWS" -- its class, added to the set: 0 with *is_class. */
static int64_t read_escape(parser *p, bool *is_class)
{
    static const char plain[] = ".[]()*+?{}|^$\\/-\"", control[] = "n\nt\tr\rf\fv\v";
    const size_t from = p->at - 1;
    *is_class = false;
    if (p->at == p->len) return FAULT(p, from, "nothing behind the last \\");
    const char c = p->expr[p->at++];
    if (c && strchr(plain, c)) return c;
    for (size_t i = 0; i < sizeof control - 1; i += 2)
        if (c == control[i]) return control[i + 1];
    if (c == 'x' || c == 'u') return read_code(p, c, from);
    if (!c || !strchr("dwsDWS", c)) {
        const size_t n = lac_utf8_char(p->expr + from + 1, p->len - from - 1);
        return FAULT(p, from, "\\%.*s means nothing here", (int)(n ? n : 1), p->expr + from + 1);
    }
    lac_regex_set own = {.mem = p->set.mem}; /* apart, to be inverted */
    const char *name = strchr("dD", c) ? "digit" : strchr("wW", c) ? "word" : "space";
    bool ok = lac_regex_set_class(&own, name, strlen(name), is_class);
    if (strchr("DWS", c)) ok = ok && lac_regex_set_invert(&own);
    for (size_t i = 0; ok && i < own.n; i++) ok = lac_regex_set_add(&p->set, own.range[i].low, own.range[i].high);
    lac_regex_set_free(&own);
    return ok ? 0 : no_memory(p);
}

static uint32_t decode(const char *s, size_t n)
{
    static const uint8_t lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t c = (unsigned char)s[0] & lead[n];
    for (size_t i = 1; i < n; i++) c = c << 6 | ((unsigned char)s[i] & 0x3F);
    return c;
}

/* ---- [ ] ---- */

/* [:name:], from the [ on. */
static int64_t read_class_name(parser *p, size_t from)
{
    const size_t start = p->at += 2;
    while (p->at < p->len && p->expr[p->at] >= 'a' && p->expr[p->at] <= 'z') p->at++;
    const size_t n = p->at - start;
    if (!take(p, ':') || !take(p, ']')) return FAULT(p, from, "[: without a name and :]");
    bool found = n != 4; /* "word" is not of POSIX */
    if (found && !lac_regex_set_class(&p->set, p->expr + start, n, &found)) return no_memory(p);
    return found ? 0 : FAULT(p, from, "there is no class [:%.*s:]", n < 20 ? (int)n : 20, p->expr + start);
}

/* One item of a bracket: a code point, or a class with *is_class. */
static int64_t read_item(parser *p, bool *is_class)
{
    *is_class = false;
    const size_t from = p->at, n = lac_utf8_char(p->expr + from, p->len - from);
    if (!n) return FAULT(p, from, "a byte that is no UTF-8 between [ and ]");
    if (next_is(p, '[') && p->at + 1 < p->len && p->expr[from + 1] && strchr(":.=", p->expr[from + 1])) {
        if (p->expr[from + 1] != ':') return FAULT(p, from, "[%c ... %c] is not known; write \\[ for [ itself", p->expr[from + 1], p->expr[from + 1]);
        *is_class = true;
        return read_class_name(p, from);
    }
    p->at += n;
    return p->expr[from] == '\\' ? read_escape(p, is_class) : decode(p->expr + from, n);
}

/* An item, or a range of two. */
static int read_range(parser *p)
{
    bool is_class, high_is_class;
    const size_t from = p->at;
    const int64_t low = read_item(p, &is_class);
    if (low < 0) return (int)low;
    int64_t high = low;
    if (next_is(p, '-') && p->at + 1 < p->len && p->expr[p->at + 1] != ']') {
        p->at++;
        if ((high = read_item(p, &high_is_class)) < 0) return (int)high;
        if (is_class || high_is_class) return FAULT(p, from, "a range from or to a class; write \\- for - itself");
        if (high < low) return FAULT(p, from, "a range that ends before it begins");
        if (next_is(p, '-') && p->at + 1 < p->len && p->expr[p->at + 1] != ']') return FAULT(p, p->at, "a range of three; write \\- for - itself");
    }
    return is_class || lac_regex_set_add(&p->set, (uint32_t)low, (uint32_t)high) ? 0 : no_memory(p);
}

/* Behind the [.  A ] that comes first is itself, and so is a - that comes first or last. */
static int64_t read_bracket(parser *p, size_t from)
{
    const bool inverted = take(p, '^');
    do {
        if (p->at == p->len) return FAULT(p, from, "[ without ]");
        const int rc = read_range(p);
        if (rc < 0) return rc;
    } while (!next_is(p, ']'));
    p->at++;
    if (inverted && !lac_regex_set_invert(&p->set)) return no_memory(p);
    return add_class(p, from);
}

/* ---- the tree ---- */

static int64_t read_either(parser *p);

/* Behind the ( */
static int64_t read_group(parser *p, size_t from)
{
    if (next_is(p, '?')) {
        p->at++;
        if (!take(p, ':')) return FAULT(p, from, "(? is only followed by :");
    }
    if (p->depth == LAC_REGEX_NESTED)
        return lac_err(p->err, LACUNA_E_LIMIT, from, "expression: more than %d groups in one another", LAC_REGEX_NESTED);
    p->depth++;
    const int64_t node = read_either(p);
    p->depth--;
    if (node < 0) return node;
    return take(p, ')') ? node : FAULT(p, from, "( without )");
}

static int64_t read_atom(parser *p)
{
    const size_t from = p->at, n = lac_utf8_char(p->expr + from, p->len - from);
    const char c = p->expr[p->at];
    p->at += n ? n : 1; /* a byte that is no UTF-8 is itself */
    switch (c) {
    case '(': return read_group(p, from);
    case '[': return read_bracket(p, from);
    case '.': return lac_regex_set_invert(&p->set) ? add_class(p, from) : no_memory(p);
    case '*': case '+': case '?': case '{': return FAULT(p, from, "nothing before %c that could be repeated", c);
    case '^': return FAULT(p, from, "^ is only at the beginning");
    case '$': return FAULT(p, from, "$ is only at the end");
    case '\\': break;
    default: return add_bytes(p, p->expr + from, p->at - from, from);
    }
    bool is_class;
    const int64_t code = read_escape(p, &is_class);
    if (code < 0) return code;
    if (!is_class && !lac_regex_set_add(&p->set, (uint32_t)code, (uint32_t)code)) return no_memory(p);
    return add_class(p, from);
}

static uint32_t read_number(parser *p, bool *found)
{
    uint32_t n = 0;
    *found = false;
    for (; p->at < p->len && p->expr[p->at] >= '0' && p->expr[p->at] <= '9'; p->at++, *found = true)
        if (n <= LAC_REGEX_STATES) n = n * 10 + (uint32_t)(p->expr[p->at] - '0'); /* more is too much anyhow */
    return n;
}

/* Behind the { */
static int read_counts(parser *p, uint32_t *low, uint32_t *high, size_t from)
{
    bool has_low, has_high;
    *low = *high = read_number(p, &has_low);
    if (take(p, ',')) {
        *high = read_number(p, &has_high);
        if (!has_high && has_low) *high = LAC_REGEX_MANY;
        has_low |= has_high;
    }
    if (!has_low || !take(p, '}')) return FAULT(p, from, "{ is followed by n}, n,} ,m} or n,m}; write \\{ for { itself");
    return *low <= *high ? 0 : FAULT(p, from, "a repetition from %u to %u times", *low, *high);
}

static int64_t read_repeated(parser *p)
{
    const int64_t part = read_atom(p);
    const size_t from = p->at;
    if (part < 0 || from == p->len || !p->expr[from] || !strchr("*+?{", p->expr[from])) return part;
    const char c = p->expr[p->at++];
    uint32_t low = c == '+', high = c == '?' ? 1 : LAC_REGEX_MANY;
    const int rc = c == '{' ? read_counts(p, &low, &high, from) : 0;
    if (rc < 0) return rc;
    if (p->at < p->len && p->expr[p->at] && strchr("*+?{", p->expr[p->at]))
        return FAULT(p, p->at, "a repetition of a repetition; put the first one in ( )");
    const uint64_t size = p->tree->node[part].size;
    const uint64_t all = high == LAC_REGEX_MANY ? (low ? low : 1) * size + 1 : low * size + (high - low) * (size + 1);
    return add(p, (lac_regex_node){.kind = LAC_REGEX_REPEAT, .last = (uint32_t)part, .low = low, .high = high}, all ? all : 1, from);
}

/* Put a part behind the others of a node that is being made. */
static void append(parser *p, lac_regex_node *node, uint64_t *size, int64_t part)
{
    lac_regex_node *x = p->tree->node + part;
    x->before = node->last;
    node->last = (uint32_t)part;
    *size += x->size;
}

static int64_t read_chain(parser *p)
{
    lac_regex_node node = {.kind = LAC_REGEX_CHAIN, .last = LAC_REGEX_NONE};
    uint64_t size = 1;
    const size_t from = p->at;
    size_t n = 0;
    while (p->at < p->len && !next_is(p, '|') && !next_is(p, ')')) {
        const int64_t part = read_repeated(p);
        if (part < 0) return part;
        append(p, &node, &size, part);
        n++;
    }
    return n == 1 ? (int64_t)node.last : add(p, node, size, from);
}

static int64_t read_either(parser *p)
{
    lac_regex_node node = {.kind = LAC_REGEX_EITHER, .last = LAC_REGEX_NONE};
    uint64_t size = 0;
    const size_t from = p->at;
    size_t n = 0;
    do {
        const int64_t part = read_chain(p);
        if (part < 0) return part;
        append(p, &node, &size, part);
        size += n++ > 0;
    } while (take(p, '|'));
    return n == 1 ? (int64_t)node.last : add(p, node, size, from);
}

/* Is the last byte a $ that no \ has taken the meaning from? */
static bool has_end_mark(const char *expr, size_t len)
{
    size_t slashes = 0;
    if (!len || expr[len - 1] != '$') return false;
    while (slashes + 1 < len && expr[len - 2 - slashes] == '\\') slashes++;
    return slashes % 2 == 0;
}

int lac_regex_parse(lac_regex_tree *out, const char *expr, size_t len, const lacuna_allocator *mem, lacuna_error *err)
{
    *out = (lac_regex_tree){.seqs.mem = mem};
    if (len > LAC_REGEX_BYTES) return lac_err(err, LACUNA_E_LIMIT, 0, "expression: %zu bytes, %zu are allowed", len, LAC_REGEX_BYTES);
    parser p = {.expr = expr, .len = len - has_end_mark(expr, len), .tree = out, .set.mem = mem, .err = err};
    take(&p, '^');
    int64_t root = read_either(&p);
    if (root >= 0 && p.at < p.len) root = FAULT(&p, p.at, ") without (");
    lac_regex_set_free(&p.set);
    if (root < 0) return (int)root;
    out->root = (uint32_t)root;
    return 0;
}

void lac_regex_tree_free(lac_regex_tree *t)
{
    lac_mem_free(t->seqs.mem, t->node, t->cap * sizeof *t->node);
    lac_mem_free(t->seqs.mem, t->seqs.seq, t->seqs.cap * sizeof *t->seqs.seq);
    *t = (lac_regex_tree){0};
}
