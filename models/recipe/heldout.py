#!/usr/bin/env python3
"""Cut held-out cases from shards of held-out packages: prompt, suffix and what stood between them.

    heldout.py TOKENIZER.model SHARD... [--kinds tokens,rest,line,multi] [--count 60] [--seed 1] [--keep CASES.jsonl]

A shard is a flat file of uint16, `<bos> tag token ...` a document; the tag is the class of the text.  Each kind of each
class gets --count cases, one JSON object a line on standard output, the same for the same seed.  --keep puts the cases of
a file in front, as they are; what is cut does not touch their holes.

    tokens            1 to 8 tokens
    rest              from between two tokens to the end of the line
    line              a whole line
    multi             2 to 5 whole lines, at most 48 tokens
    cursor-rest       from any character of a line to its end
    cursor-statement  from any character to the end of the statement, which is on a later line
    cursor-arguments  from any character of an argument list to its closing bracket

The cursor kinds are holes as a person types them: they begin anywhere, most often inside a token.  They are for code.
"""
import argparse, array, bisect, itertools, json, random, re, sys

KINDS = ('tokens', 'rest', 'line', 'multi')
BEFORE, AFTER = 1200, 800  # bytes of context a case carries at most
LINE_TOKENS, MULTI_TOKENS = 24, 48  # longest holes
STATEMENT_BYTES, ARGUMENT_BYTES, REST_BYTES = 200, 120, 80
TRIES = 20000  # for one case


def fields(buf):
    """(number, value) of each field of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = buf[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128: return value

    while at < len(buf):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or varint()
            yield key >> 3, buf[at:at + size]
            at += size


def pieces(model):
    """Name and bytes of each piece of a SentencePiece model; control pieces have no bytes."""
    UNKNOWN, CONTROL, BYTE = 2, 3, 6
    for number, value in fields(model):
        if number != 1: continue
        piece = dict(fields(value))
        name, kind = piece[1].decode(), piece.get(3, 1)
        yield name, (b'' if kind in (UNKNOWN, CONTROL) else bytes([int(name[3:5], 16)]) if kind == BYTE
                     else name.replace('\u2581', ' ').encode())


CODE_NOT = {  # comments and strings
    'c': rb'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
    'py': rb'#[^\n]*|"""(?:\\.|.)*?"""|\'\'\'(?:\\.|.)*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''}


class Document:
    def __init__(self, lang, spelling):
        self.lang, self.text = lang, b''.join(spelling)
        self.at = [0, *itertools.accumulate(map(len, spelling))]  # where tokens begin, and the end
        self.lines = [m.span() for m in re.finditer(rb'[^\n]+', self.text)]
        self.taken = []
        self.known = {}  # cursor kinds: spans in which a cursor may stand

    def tokens(self, start, end):
        return bisect.bisect_left(self.at, end) - bisect.bisect_left(self.at, start)

    def code(self):
        """The text with comments and strings blanked out."""
        return re.sub(CODE_NOT[self.lang], lambda m: re.sub(rb'[^\n]', b' ', m[0]), self.text, flags=re.S)

    def spans(self, find):
        if find not in self.known: self.known[find] = list(find(self.code(), self.lang))
        return self.known[find]


def statements(code, lang):
    """Spans of statements: C up to the semicolon or in front of a brace, Python logical lines."""
    start, depth = None, 0
    for m in re.finditer(rb'\S|\n', code):
        i, ch = m.start(), m[0]
        if start is None and ch != b'\n': start, depth = i, 0
        if start is None: continue
        if ch in b'([' or lang == 'py' and ch == b'{': depth += 1
        if ch in b')]' or lang == 'py' and ch == b'}': depth -= 1
        directive = lang == 'c' and code[start:start + 1] == b'#'
        if ch == b'\n': ends = (lang == 'py' and depth <= 0 or directive) and code[i - 1:i] != b'\\'
        else: ends = lang == 'c' and not directive and depth <= 0 and ch in b';{}'
        if ends:
            end = i + (ch == b';')
            yield start, start + len(code[start:end].rstrip())
            start = None


def arguments(code, lang):
    """Insides of the brackets of calls."""
    for m in re.finditer(rb'^[ \t]+.*$', code, re.M):
        for call in re.finditer(rb'(def |class )?\b([A-Za-z_]\w*)\(', m[0]):
            if call[1] or call[2] in (b'if', b'for', b'while', b'switch', b'return', b'and', b'or', b'not', b'in'): continue
            start = m.start() + call.end()
            depth = 1
            for i in range(start, min(len(code), start + ARGUMENT_BYTES)):
                depth += (code[i] == ord('(')) - (code[i] == ord(')'))
                if not depth:
                    yield start, i
                    break


def cut_tokens(doc, rng):
    i = rng.randrange(len(doc.at) - 1)
    return doc.at[i], doc.at[min(i + rng.randint(1, 8), len(doc.at) - 1)]


def cut_rest(doc, rng):
    start, end = rng.choice(doc.lines)
    inside = [x for x in doc.at[bisect.bisect_right(doc.at, start):bisect.bisect_left(doc.at, end)] if doc.text[start:x].strip()]
    return (rng.choice(inside), end) if inside and doc.tokens(start, end) <= LINE_TOKENS else None


def cut_line(doc, rng):
    span = rng.choice(doc.lines)
    return span if doc.tokens(*span) <= LINE_TOKENS else None


def cut_multi(doc, rng):
    start, end = rng.choice(doc.lines)
    for _ in range(rng.randint(1, 4)):
        if end >= len(doc.text): return None
        end = (doc.text.find(b'\n', end + 1) + 1 or len(doc.text) + 1) - 1
    last = doc.text[start:end].rpartition(b'\n')[2]
    return (start, end) if last.strip() and doc.tokens(start, end) <= MULTI_TOKENS else None


def cut_cursor_rest(doc, rng):
    start, end = rng.choice(doc.lines)
    first = start + len(doc.text[start:end]) - len(doc.text[start:end].lstrip())
    return cursor(doc, rng, first + 1, end, REST_BYTES)


def cut_cursor_statement(doc, rng):
    spans = [s for s in doc.spans(statements) if b'\n' in doc.text[slice(*s)]]
    if not spans: return None
    start, end = rng.choice(spans)
    span = cursor(doc, rng, start + 1, end, STATEMENT_BYTES)
    return span if span and b'\n' in doc.text[slice(*span)] else None


def cut_cursor_arguments(doc, rng):
    spans = doc.spans(arguments)
    return cursor(doc, rng, *rng.choice(spans), ARGUMENT_BYTES) if spans else None


def cursor(doc, rng, first, end, most):
    """From somewhere in [first, end) to end."""
    if first >= end: return None
    start = rng.randrange(first, end)
    return (start, end) if end - start <= most else None


CUT = {name[4:].replace('_', '-'): f for name, f in list(globals().items()) if name.startswith('cut_')}


def usable(doc, span):
    """Says something, is cut between characters, and is nobody else's hole."""
    start, end = span
    boundary = all(x == len(doc.text) or doc.text[x] & 0xC0 != 0x80 for x in span)
    return boundary and doc.text[start:end].strip() and all(end <= a or b <= start for a, b in doc.taken)


def case(doc, kind, number, span):
    start, end = span
    return dict(task_id=f'{doc.lang}/{kind}/{number}', lang=doc.lang,
                prompt=doc.text[max(0, start - BEFORE):start].decode(errors='ignore'),  # half a character at the far end
                suffix=doc.text[end:end + AFTER].decode(errors='ignore'),
                canonical_solution=doc.text[start:end].decode())


def cases(docs, kind, count, seed):
    rng = random.Random(f'{seed}/{docs[0].lang}/{kind}')
    weights = list(itertools.accumulate(len(d.text) for d in docs))
    for number in range(count):
        for _ in range(TRIES):
            doc = rng.choices(docs, cum_weights=weights)[0]
            span = CUT[kind](doc, rng)
            if span and usable(doc, span): break
        else:
            sys.exit(f'heldout.py: {docs[0].lang}: not enough text for {count} cases of {kind}')
        doc.taken.append(span)
        yield case(doc, kind, number, span)


def read(shard, table, names):
    """The documents of a shard that are whole UTF-8."""
    ids = array.array('H')
    with open(shard, 'rb') as f: ids.frombytes(f.read())
    if sys.byteorder == 'big': ids.byteswap()
    bos = names.index('<bos>')
    starts = [i for i, x in enumerate(ids) if x == bos] + [len(ids)]
    for a, b in zip(starts, starts[1:]):
        doc = Document(names[ids[a + 1]].strip('<>'), [table[x] for x in ids[a + 2:b]])
        try: doc.text.decode()
        except UnicodeDecodeError: continue
        if doc.lines: yield doc


def take(docs, c):
    """Mark the hole of an old case where its document is among these."""
    around = [c[k].encode() for k in ('prompt', 'canonical_solution', 'suffix')]
    for doc in docs:
        at = doc.text.find(b''.join(around))
        if at >= 0: doc.taken.append((at + len(around[0]), at + len(around[0]) + len(around[1])))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('tokenizer')
    p.add_argument('shards', nargs='+')
    p.add_argument('--kinds', default=','.join(KINDS))
    p.add_argument('--count', type=int, default=60)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--keep')
    a = p.parse_args()
    with open(a.tokenizer, 'rb') as f: names, table = zip(*pieces(f.read()))
    docs = {}
    for shard in a.shards:
        for doc in read(shard, table, names): docs.setdefault(doc.lang, []).append(doc)
    if a.keep:
        for line in open(a.keep, encoding='utf-8'):
            sys.stdout.write(line)
            c = json.loads(line)
            take(docs.get(c['lang'], []), c)
    for lang in docs:
        for kind in a.kinds.split(','):
            for c in cases(docs[lang], kind, a.count, a.seed): print(json.dumps(c))


if __name__ == '__main__':
    main()
