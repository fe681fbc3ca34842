#!/usr/bin/env python3
"""Measure infilling on held-out text, by kind of hole and class of text; length is unknown to the model.

    measure.py [--lacuna build/last/lacuna] [-m MODEL] [--cases FILE] [--limit N] [--markdown] [-- INFILL OPTION...]
    measure.py --settings       left to right, lossless, groups of slots a pass, confidence: the kinds side by side
    measure.py --baseline word  what Vim's Ctrl-N would offer first, from the text of the case
    measure.py --fim MODEL      an autoregressive fill-in-the-middle model, by build/last/tests/eval/fim

A hole gets as many slots as --max-tokens says (16 by default; 64 where several lines are missing) and ends by <eom>.

    exact      share of fills that are the true text
    edit       1 - Levenshtein distance / length of the longer, mean
    passes     of the network, a fill
    bits/byte  of the true text under the exact likelihood left to right, <eom> included
"""
import argparse, collections, json, math, re, subprocess, sys

NAMES = {'tokens': '1 to 8 tokens', 'rest': 'rest of a line', 'line': 'whole line', 'multi': '2 to 5 lines',
         'cursor-rest': 'typed: rest of a line', 'cursor-statement': 'typed: rest of a statement',
         'cursor-arguments': 'typed: arguments'}
SLOTS, SLOTS_OF = 16, {'multi': 64, 'cursor-statement': 64}
SPARE = 8  # slots that `lacuna score` gives a hole beyond its text
ONE_EACH = 16384  # steps so many that no two slots share one


def settings():
    """Rows of the table of settings: name, order, slots a pass."""
    yield 'left to right', None, 1
    yield 'lossless', 'lossless', 1
    for order in ('left', 'random', 'confidence'):
        for k in (1, 2, 4, 8):
            name = 'left to right' if order == 'left' else order
            if (order, k) != ('left', 1): yield f'{name}, ' + ('one a pass' if k == 1 else f'about {k} a pass'), order, k


def setting_options(order, k, slots):
    """Groups have binomial sizes, as published: k slots a pass is their mean."""
    if not order: return []
    if order == 'lossless': return ['--lossless']
    return ['--alpha0', '1', '--order', order, '--steps', str(ONE_EACH if k == 1 else slots // k)]


def edit_similarity(a, b):
    if not a and not b: return 1.
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        prev, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            prev, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, prev + (x != y))
    return 1 - row[-1] / max(len(a), len(b))


def offer(prompt, suffix):
    """What Vim's Ctrl-N would insert first: the rest of the first word, from the cursor forward and around, that the keyword
    characters before the cursor begin; a word has at least two characters."""
    text, cursor = prompt + suffix, len(prompt)
    partial = re.search(r'[A-Za-z0-9_]*$', prompt)[0]
    words = [m for m in re.finditer(r'[A-Za-z0-9_]{2,}', text) if m.start() != cursor - len(partial) or not partial]
    ahead = [m for m in words if m.start() >= cursor]
    for m in ahead + [m for m in words if m.start() < cursor]:
        if m[0].startswith(partial) and m[0] != partial: return m[0][len(partial):]
    return ''


def kind_of(case):
    return case['task_id'].split('/')[1]


def slots_of(case, options):
    """Slots of a hole, unless the options say."""
    if any(o.split('=')[0] == '--max-tokens' for o in options): return None
    return SLOTS_OF.get(kind_of(case), SLOTS)


def run_lines(command, requests):
    run = subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE,
                         input=''.join(json.dumps(r) + '\n' for r in requests))
    return [json.loads(line) for line in run.stdout.rstrip('\n').split('\n')]


def batches(cases, key):
    groups = collections.defaultdict(list)
    for i, c in enumerate(cases): groups[key(c)].append(i)
    return groups.items()


def fill(command, cases, options, keys=('task_id', 'prompt', 'suffix')):
    """A reply for each case; one process for the cases of one class and number of slots."""
    replies = [None] * len(cases)
    for (lang, slots), rows in batches(cases, lambda c: (c['lang'], slots_of(c, options))):
        size = ['--max-tokens', str(slots)] if slots else []
        out = run_lines([*command, '--lang', lang, *size, *options], [{k: cases[i][k] for k in keys} for i in rows])
        for i, r in zip(rows, out, strict=True):
            assert r['task_id'] == cases[i]['task_id']
            replies[i] = r
    return replies


def log_likelihoods(serve, cases, hide_length):
    """ln p of each true text given both sides, by `lacuna serve`.  By default a text has 8 slots to spare, and how far apart
    the two sides stand tells something of its length; with hide_length it has the slots of a fill, whatever its length."""
    def scores(spare):
        def request(i, c):
            start = len(c['prompt'].encode())
            return dict(jsonrpc='2.0', id=i, method='score', params=dict(
                text=c['prompt'] + c['canonical_solution'] + c['suffix'], lang=c['lang'], spare=spare[i],
                spans=[dict(start=start, end=start + len(c['canonical_solution'].encode()))]))
        replies = {r['id']: r['result'] for r in run_lines(serve, [request(i, c) for i, c in enumerate(cases)])}
        return [replies[i] for i in range(len(cases))]

    found = scores([SPARE] * len(cases))
    if hide_length:  # <eom> is the last of the tokens
        found = scores([max(1, slots_of(c, []) + 1 - len(r['tokens'])) for c, r in zip(cases, found)])
    return [r['logprob'] for r in found]


class Cell:
    """Sums over the cases of one row."""
    def __init__(self): self.n = self.exact = self.passes = self.bytes = 0; self.edit = self.bits = 0.

    def add(self, case, reply):
        truth, got = case['canonical_solution'], reply['completion']
        self.n += 1
        self.exact += got == truth
        self.edit += edit_similarity(got, truth)
        self.passes += reply.get('nfe', 0)
        self.bits -= reply.get('truth_logprob', math.nan) / math.log(2)
        self.bytes += len(truth.encode())

    def row(self):
        out = [str(self.n), f'{self.exact / self.n:.3f}', f'{self.edit / self.n:.3f}']
        if self.passes: out.append(f'{self.passes / self.n:.1f}')
        if not math.isnan(self.bits): out.append(f'{self.bits / self.bytes:.3f}')
        return out


COLUMNS = ('cases', 'exact', 'edit', 'passes', 'bits/byte')


def table(cases, replies):
    """Rows by kind and class, with totals, in the order of the cases."""
    cells = collections.defaultdict(Cell)
    kinds, langs = (list(dict.fromkeys(f(c) for c in cases)) for f in (kind_of, lambda c: c['lang']))
    for c, r in zip(cases, replies):
        for key in ((k, l) for k in (kind_of(c), 'all') for l in (c['lang'], 'all')): cells[key].add(c, r)
    for kind in kinds + ['all']:
        for lang in langs + ['all']: yield [NAMES.get(kind, kind), lang, *cells[kind, lang].row()]


def settings_table(cases, command, options):
    """Rows by setting: exact and edit of each kind and of all, and passes."""
    kinds = list(dict.fromkeys(map(kind_of, cases)))
    yield ['setting', *(NAMES.get(k, k) for k in kinds), 'all', 'passes']
    for name, order, k in settings():
        cells = collections.defaultdict(Cell)
        for slots, rows in batches(cases, lambda c: slots_of(c, [])):
            part = [cases[j] for j in rows]
            for c, r in zip(part, fill(command, part, [*setting_options(order, k, slots), *options])):
                for key in (kind_of(c), 'all'): cells[key].add(c, r)
        both = [' '.join(cells[kind].row()[1:3]) for kind in kinds + ['all']]
        yield [name, *both, f'{cells["all"].passes / cells["all"].n:.1f}']


def show(rows, markdown):
    for i, row in enumerate(rows):
        print(f'| {" | ".join(row)} |' if markdown else '\t'.join(row), flush=True)
        if markdown and i == 0: print('|' + ' --- |' * len(row))


def read(path, limit):
    seen, cases = collections.Counter(), []
    for line in open(path, encoding='utf-8'):
        c = json.loads(line)
        cell = c['lang'], kind_of(c)
        seen[cell] += 1
        if seen[cell] <= limit: cases.append(c)
    return cases


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--lacuna', default='build/last/lacuna')
    p.add_argument('-m', '--model', help='model file')
    p.add_argument('--cases', default='models/default/heldout.jsonl')
    p.add_argument('--limit', type=int, default=10 ** 9, help='cases of each kind and class')
    p.add_argument('--threads', default='1')
    p.add_argument('--settings', action='store_true', help='the table of settings')
    p.add_argument('--baseline', choices=['word'], help='measure this instead of a model')
    p.add_argument('--fim', metavar='MODEL', help='measure this model instead')
    p.add_argument('--fim-program', default='build/last/tests/eval/fim')
    p.add_argument('--hide-length', action='store_true', help='score with the slots of a fill: fair to --fim')
    p.add_argument('--markdown', action='store_true')
    p.add_argument('options', nargs='*', help='passed to lacuna infill')
    a = p.parse_args()
    cases = read(a.cases, a.limit)
    model = ['--threads', a.threads, *(['-m', a.model] if a.model else [])]
    infill = [a.lacuna, 'infill', '--jsonl', '--syntax', 'off', *model] # cases are cut anywhere: their trees say little
    if a.settings: return show(settings_table(cases, infill, a.options), a.markdown)
    if a.baseline:
        replies = [dict(completion=offer(c['prompt'], c['suffix'])) for c in cases]
    elif a.fim:
        replies = fill([a.fim_program, '--threads', a.threads, '-m', a.fim], cases, a.options,
                       ('task_id', 'prompt', 'suffix', 'canonical_solution'))
    else:
        replies = fill(infill, cases, a.options)
        scores = log_likelihoods([a.lacuna, 'serve', '--stdio', *model], cases, a.hide_length)
        for r, score in zip(replies, scores): r['truth_logprob'] = score
    rows = list(table(cases, replies))
    show([['hole', 'text', *COLUMNS][:len(rows[0])], *rows], a.markdown)


if __name__ == '__main__':
    sys.exit(main())
