"""check_tables.py TEXT: the manifest is what lies in TEXT, and the sums of packages.tsv are the manifest's."""
import collections
import hashlib
import json
import os
import sys

text = sys.argv[1]
rows, sums, sizes = [json.loads(x) for x in open(f'{text}/manifest.jsonl')], collections.Counter(), collections.Counter()
there = {os.path.join(d, f) for s in ('train', 'val') for d, _, fs in os.walk(f'{text}/{s}') for f in fs}
assert len(rows) == len(there), (len(rows), len(there))
data = {hashlib.sha256(x).hexdigest(): len(x) for x in (open(f, 'rb').read() for f in there)}
for r in rows:
    assert data[r['sha256']] == r['bytes'], r
    key = r['package'], r['version'], r['split'], r['class']
    sums[key] += 1
    sizes[key] += r['bytes']
table = [x.rstrip('\n').split('\t') for x in open(f'{text}/packages.tsv')][1:]
assert {(p, v, s, k): (int(n), int(b)) for p, v, _, _, s, k, n, b in table} == {k: (n, sizes[k]) for k, n in sums.items()}
