#!/bin/sh
# test_measure.sh BUILD: the measurement of a model (models/default/measure.py, tests/eval/fim) and the cutting of its cases
# (models/recipe/heldout.py).  Prints "ok NAME" or "not ok NAME" a check.
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C.UTF-8 PYTHONPATH=models/default:models/recipe PYTHONDONTWRITEBYTECODE=1 tmp build
model=models/default/default.gguf

# t NAME COMMAND...: the command succeeds.
t() { name=$1; shift; if "$@" >"$tmp/out" 2>"$tmp/err"; then echo "ok $name"; else echo "not ok $name"; tail -n 8 "$tmp/out" "$tmp/err"; fi; }
py() { python3 -c "$1"; }
measure() { python3 models/default/measure.py --lacuna "$build/lacuna" -m $model --fim-program "$build/tests/eval/fim" --cases "$tmp/cases" "$@"; }

t "cases of the tree: kinds, numbers, sizes" py '
import collections, json
cases = [json.loads(line) for f in ("heldout", "cursor") for line in open(f"models/default/{f}.jsonl")]
count = collections.Counter(tuple(c["task_id"].split("/")[:2]) for c in cases)
want = {(l, k): 60 for l in ("py", "c", "prose") for k in ("tokens", "rest", "line", "multi")}
want |= {(l, f"cursor-{k}"): 20 for l in ("py", "c") for k in ("rest", "statement", "arguments")}
assert count == want, count
assert len({c["task_id"] for c in cases}) == len(cases)
assert all(c["lang"] == c["task_id"].split("/")[0] and c["canonical_solution"] for c in cases)'

# Two cases a kind, with little context, for speed.
t "a small set of cases" py '
import json, os
seen = {}
with open(os.environ["tmp"] + "/cases", "w") as out:
    for line in open("models/default/heldout.jsonl"):
        c = json.loads(line)
        kind = c["task_id"].rsplit("/", 1)[0]
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] == 1 and c["lang"] != "prose":
            out.write(json.dumps(c | dict(prompt=c["prompt"][-200:], suffix=c["suffix"][:80])) + "\n")'

t "a model: the table" sh -c 'exec "$@" >"$tmp/table"' - python3 models/default/measure.py --lacuna "$build/lacuna" -m $model --cases "$tmp/cases"
t "its rows and columns" py '
import os
rows = [line.rstrip("\n").split("\t") for line in open(os.environ["tmp"] + "/table")]
assert rows[0] == ["hole", "text", "cases", "exact", "edit", "passes", "bits/byte"], rows[0]
assert [r[0] for r in rows[1::3]] == ["1 to 8 tokens", "rest of a line", "whole line", "2 to 5 lines", "all"], rows
assert [r[1] for r in rows[1:4]] == ["py", "c", "all"], rows
assert [r[2] for r in rows[1:]] == ["1", "1", "2"] * 4 + ["4", "4", "8"], rows
for r in rows[1:]:
    exact, edit, passes, bits = map(float, r[3:])
    assert 0 <= exact <= edit <= 1 and 1 <= passes <= 65 and 0 < bits < 8, r
total = [float(x) for x in rows[-1][3:6]]
for col in range(3):  # the mean of the kinds, each rounded
    assert abs(sum(float(r[3 + col]) for r in rows[3:13:3]) / 4 - total[col]) < .06, rows'
measure --markdown --limit 1 --baseline word >"$tmp/markdown"
t "markdown" py '
import os
lines = open(os.environ["tmp"] + "/markdown").read().splitlines()
assert lines[0] == "| hole | text | cases | exact | edit |" and lines[1] == "| --- | --- | --- | --- | --- |", lines
assert len(lines) == 2 + 5 * 3 and all(line.count("|") == 6 for line in lines), lines'
grep '"py/tokens' "$tmp/cases" >"$tmp/one" && mv "$tmp/one" "$tmp/cases"
measure --settings >"$tmp/settings"
t "the table of settings" py '
import os
rows = [line.rstrip("\n").split("\t") for line in open(os.environ["tmp"] + "/settings")]
assert rows[0] == ["setting", "1 to 8 tokens", "all", "passes"], rows
assert len(rows) == 14 and all(len(r) == 4 for r in rows), rows
passes = {r[0]: float(r[-1]) for r in rows[1:]}
assert rows[1][1:3] == rows[2][1:3] and rows[2][0] == "lossless" and passes["lossless"] <= passes["left to right"], rows
for order in ("left to right", "random"):
    assert passes[f"{order}, about 8 a pass"] <= 3, passes  # steps, and a rest'

t "what word completion offers" py '
from measure import offer
for prompt, suffix, want in [
    ("val", " = value\n", "ue"),                      # forward first
    ("value = val", " = valid\n", "id"),
    ("value = va", "\n", "lue"),                      # then around
    ("validate(x)\nvalue = va", "\n", "lidate"),      # from the top
    ("a = ", "\nreturn beta\n", "return"),            # no partial word: the next one
    ("alpha = ", "\n", "alpha"),
    ("foo = f", "oo\n", "oo"),                        # the word being typed does not count, the other does
    ("x = al", "pha\n", ""),                          # only itself: nothing
    ("x, xx = x", "\n", "x"),                         # one letter: a longer word
    ("p q r = ", "\n", ""),                           # words have two characters
    ("Value = va", "\n", ""),                         # case counts
    ("get_name(get_", ")\n", "name"),
    ("", "", "")]:
    assert offer(prompt, suffix) == want, (prompt, suffix, offer(prompt, suffix), want)'

t "edit similarity" py '
from measure import edit_similarity as e
assert e("", "") == 1 and e("abc", "abc") == 1 and e("abc", "") == 0
assert e("kitten", "sitting") == e("sitting", "kitten") == 1 - 3 / 7'

measure --fim $model >"$tmp/fim"
t "a fill-in-the-middle model: the table" py '
import os
rows = [line.rstrip("\n").split("\t") for line in open(os.environ["tmp"] + "/fim")]
assert rows[0][-1] == "bits/byte" and len(rows) == 5 and 0 < float(rows[-1][-1]) < 20, rows'

# ln p of a text is that of its tokens one by one: a fill of one token, then the end behind it as part of the prefix.
t "fim: what it decodes and what it scores agree" py '
import json, os, subprocess
def fim(**case):
    run = subprocess.run([os.environ["build"] + "/tests/eval/fim", "-m", "models/default/default.gguf", "--lang", "py", "--max-tokens", "1"],
                         input=json.dumps(case), text=True, check=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout)
prompt, suffix = "import os\n\n\ndef size(path):\n", "\n\n\nprint(size(__file__))\n"
first = fim(prompt=prompt, suffix=suffix)
assert first["nfe"] == 1 and first["completion"] and first["logprob"] < 0 and "truth_logprob" not in first, first
both = fim(prompt=prompt, suffix=suffix, canonical_solution=first["completion"])
end = fim(prompt=prompt + first["completion"], suffix=suffix, canonical_solution="")
assert abs(both["truth_logprob"] - first["logprob"] - end["truth_logprob"]) < 1e-3, (first, both, end)
other = fim(prompt=prompt, suffix="\n", canonical_solution=first["completion"])
assert abs(other["truth_logprob"] - both["truth_logprob"]) > 1e-3, "the suffix counts"'

t "heldout.py: kinds, holes apart, the same by seed" py '
import array, json, os, subprocess, sys
from heldout import pieces
tmp, tok = os.environ["tmp"], "tests/data/bpe8k.model"
names = [n for n, _ in pieces(open(tok, "rb").read())]
assert names.index("<bos>") == 2 and names.index("<mask>") == 3 and len(names) == 8192
line = ["    ping(%d)\n", "if x%d:\n", "\n", "    call(a%d,\n        β)\n"]
text = "".join(s % i if "%" in s else s for i in range(400) for s in line)
ids = [names.index("<bos>"), names.index("<py>")] + [names.index("\n") if b == 10 else names.index(f"<0x{b:02X}>") for b in text.encode()]
shard = array.array("H", ids)
if sys.byteorder == "big": shard.byteswap()
open(tmp + "/shard", "wb").write(shard.tobytes())
def cut(*more): return subprocess.run([sys.executable, "models/recipe/heldout.py", tok, tmp + "/shard", "--count", "6", *more],
                                      check=True, stdout=subprocess.PIPE).stdout.decode()
kinds = "tokens,rest,line,multi,cursor-rest,cursor-statement,cursor-arguments"
out = cut("--kinds", kinds)
assert out == cut("--kinds", kinds) and out != cut("--kinds", kinds, "--seed", "2")
cases = [json.loads(c) for c in out.splitlines()]
assert [c["task_id"] for c in cases] == [f"py/{k}/{i}" for k in kinds.split(",") for i in range(6)]
holes = []
for c in cases:
    before, hole, after, kind = c["prompt"], c["canonical_solution"], c["suffix"], c["task_id"].split("/")[1]
    at = text.find(before + hole + after)
    assert at >= 0 and hole.strip() and len(before.encode()) <= 1200 and len(after.encode()) <= 800, c
    holes.append((at + len(before), at + len(before) + len(hole)))
    if kind in ("line", "multi"): assert before[-1:] in ("", "\n"), c
    if kind in ("rest", "line", "multi", "cursor-rest"): assert after[0] == "\n", c
    assert hole.count("\n") in dict(rest=[0], line=[0], multi=range(1, 5)).get(kind, range(9)), c
    if kind == "cursor-statement": assert "\n" in hole and hole[-1] == ")", c
    if kind == "cursor-arguments": assert after[0] == ")", c
holes.sort()
assert all(a[1] <= b[0] for a, b in zip(holes, holes[1:]))
open(tmp + "/old", "w").write(out)
more = cut("--kinds", "multi", "--seed", "3", "--keep", tmp + "/old")
assert more.startswith(out) and more.count("\n") == out.count("\n") + 6'
