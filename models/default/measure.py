#!/usr/bin/env python3
"""Measure infilling on held-out text: exact match and edit similarity by kind of hole and of text.

    measure.py [--lacuna build/last/lacuna] [--cases models/default/heldout.jsonl] [--limit N] -- [infill options]

Length is unknown to the model: a hole gets as many slots as --max-tokens says (16 by default) and ends by
<eom>.  Prints TSV: kind, class, cases, exact, edit similarity (1 - Levenshtein / longer), passes a fill, and the exact
likelihood of the true text left to right, <eom> included, as bits per byte.
"""
import argparse, collections, json, math, subprocess, sys


def edit_similarity(a, b):
    if not a and not b: return 1.
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        prev, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            prev, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, prev + (x != y))
    return 1 - row[-1] / max(len(a), len(b))


def log_likelihoods(serve, lang, rows):
    """ln p of each true text given both sides, by `lacuna serve`."""
    def request(i, c):
        pre, mid = c['prompt'].encode(), c['canonical_solution'].encode()
        return json.dumps(dict(jsonrpc='2.0', id=i, method='score', params=dict(
            text=c['prompt'] + c['canonical_solution'] + c['suffix'], spans=[dict(start=len(pre), end=len(pre) + len(mid))], lang=lang)))
    run = subprocess.run(serve, text=True, check=True, stdout=subprocess.PIPE,
                         input=''.join(request(i, c) + '\n' for i, c in enumerate(rows)))
    replies = {r['id']: r['result']['logprob'] for r in map(json.loads, run.stdout.splitlines())}
    return [replies[i] for i in range(len(rows))]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--lacuna', default='build/last/lacuna')
    p.add_argument('-m', '--model', help='model file')
    p.add_argument('--cases', default='models/default/heldout.jsonl')
    p.add_argument('--limit', type=int, default=10 ** 9, help='cases of each kind and class')
    p.add_argument('options', nargs='*', help='passed to lacuna infill')
    a = p.parse_args()
    cases = collections.defaultdict(list)
    for line in open(a.cases):
        c = json.loads(line)
        _, kind, _ = c['task_id'].split('/')
        if len(cases[c['lang'], kind]) < a.limit: cases[c['lang'], kind].append(c)
    total = collections.defaultdict(lambda: [0, 0, 0., 0, 0., 0])
    model = ['-m', a.model] if a.model else []
    print('kind\tclass\tcases\texact\tedit\tpasses\tbits/byte')
    for (lang, kind), rows in cases.items():
        run = subprocess.run([a.lacuna, 'infill', '--jsonl', '--lang', lang] + model + a.options, text=True, check=True, stdout=subprocess.PIPE,
                             input=''.join(json.dumps({k: c[k] for k in ('task_id', 'prompt', 'suffix')}) + '\n' for c in rows))
        scores = log_likelihoods([a.lacuna, 'serve', '--stdio'] + model, lang, rows)
        for c, line, score in zip(rows, run.stdout.splitlines(), scores, strict=True):
            r = json.loads(line)
            assert r['task_id'] == c['task_id']
            truth, got = c['canonical_solution'], r['completion']
            for key in ((kind, lang), (kind, 'all'), ('all', 'all')):
                t = total[key]
                t[0] += 1; t[1] += got == truth; t[2] += edit_similarity(got, truth); t[3] += r['nfe']
                t[4] -= score / math.log(2); t[5] += len(truth.encode())
    for key in sorted(total):
        n, exact, edit, nfe, bits, size = total[key]
        print(f'{key[0]}\t{key[1]}\t{n}\t{exact / n:.3f}\t{edit / n:.3f}\t{nfe / n:.1f}\t{bits / size:.3f}', flush=True)


if __name__ == '__main__':
    sys.exit(main())
