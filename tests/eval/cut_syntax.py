#!/usr/bin/env python3
"""Cut holes of code from whole held-out files, for tests/eval/syntax.c: what stands before, after, and between.

    cut_syntax.py TOKENIZER.model SHARD... [--count 100] [--seed 1] >CASES.jsonl

Shards are those of held-out packages, as models/recipe/build.sh makes them.  Kinds: the typed ones of models/recipe/heldout.py (the rest of a
line, of a statement, of an argument list, from anywhere inside), --count of each in each language.  Files of 0.5 to 30 kB.
"""
import argparse, json, pathlib, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'models/recipe'))
import heldout

heldout.BEFORE = heldout.AFTER = 1 << 20  # the whole file
SMALLEST, LARGEST = 500, 30000


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('tokenizer')
    p.add_argument('shards', nargs='+')
    p.add_argument('--count', type=int, default=100)
    p.add_argument('--seed', type=int, default=1)
    a = p.parse_args()
    with open(a.tokenizer, 'rb') as f: names, table = zip(*heldout.pieces(f.read()))
    docs = {}
    for shard in a.shards:
        for doc in heldout.read(shard, table, names):
            if SMALLEST <= len(doc.text) <= LARGEST: docs.setdefault(doc.lang, []).append(doc)
    for lang in docs:
        for kind in ('cursor-rest', 'cursor-statement', 'cursor-arguments'):
            for c in heldout.cases(docs[lang], kind, a.count, a.seed): print(json.dumps(c))


if __name__ == '__main__':
    main()
