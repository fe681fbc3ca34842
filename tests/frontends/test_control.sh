#!/bin/sh
# test_control.sh BUILD: what a hole is asked to be, on the command line, on the default model.  What needs a grammar is left out where
# BUILD's neighbour grammars/ has none.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
export LACUNA_MODEL="$root/models/default"
grammars=$(dirname "$(dirname "$lacuna")")/grammars

printf 'def add(a, b):\n    return <|fill|>\n' >a.py
printf 'int f(int x)\n{\n    if (<|fill|>)\n        return <|fill|>;\n    return 0;\n}\n' >two.c
printf 'x = <|fill|>\n' >x.txt
# fills NAME PATTERN... -- OPTION...: the fills of two.c match, each its own pattern, to the end (Python's re).
fills() {
    name=$1 patterns=; shift
    while [ "$1" != -- ]; do patterns="$patterns$1
"; shift; done; shift
    "$lacuna" infill --json "$@" two.c >f.out 2>f.err
    printf %s "$patterns" >f.re
    t "$name" py '
import json,re
f=json.loads(open("f.out").readlines()[-1])["fills"]; r=open("f.re").read().splitlines()
assert len(f)==len(r) and all(re.fullmatch(p,s,re.S) for p,s in zip(r,f)),(f,r)'
}

# ---- what a hole is ----
fills "--regex of one hole" 'x [<>]=? [0-9]+' '.*' -- --regex '1:x [<>]=? [0-9]+'
fills "--regex of each hole" '[a-z]+' '-?[0-9]{2,3}' -- --regex '1:[a-z]+' --regex '2:-?[0-9]{2,3}'
fills "--regex of all holes, one of its own" '[0-9]+' '[a-z]+' -- --regex '*:[0-9]+' --regex '2:[a-z]+'
for o in "--order random --alpha0 1 --steps 3" "--order confidence --steps 4" --lossless "--candidates 3 --temp 1" "--temp 1.5 --seed 7"; do
    fills "--regex with $o" '(ab|c)*d' '[0-9]+' -- --regex '1:(ab|c)*d' --regex '2:[0-9]+' $o
done
fills "--shape" '[A-Za-z_]\w*' '[-+]?[0-9].*' -- --shape 1:identifier --shape 2:integer
fills "--begin and --end" 'x.*0' 'abc.*' -- --begin 1:x --end 1:0 --begin 2:abc
"$lacuna" infill --max-tokens 12 --json --ban '*:f' --ban '1:x' two.c | tail -1 | py '
import json,sys
a,b=json.load(sys.stdin)["fills"]; assert "f" not in a+b and "x" not in a,(a,b)'; say $? "--ban, twice"
"$lacuna" infill --json --syntax off --hole 1:max-tokens=3,exact --hole 2:max-tokens=5,min-tokens=5,one-line --no-heal two.c >h.out
t "--hole: limits of its own" py '
import json
L=[json.loads(l) for l in open("h.out")]; r=[x for l in L[:-1] for x in l["reveals"]]
assert len([x for x in r if x["hole"]==0])==3 and len([x for x in r if x["hole"]==1])==5'
"$lacuna" infill --temp 2 --hole '*:temp=0' --json two.c | tail -1 >h1; "$lacuna" infill --json two.c | tail -1 >h2
t "--hole: temp=0 is the most likely token" py 'import json; a,b=json.load(open("h1")),json.load(open("h2")); assert a["fills"]==b["fills"]'
"$lacuna" infill --syntax off --hole 2:temp=3 --seed 9 --json two.c | tail -1 >h1
"$lacuna" infill --syntax off --json two.c | tail -1 >h2
t "--hole: a temperature for one" py 'import json; a,b=json.load(open("h1")),json.load(open("h2")); assert a["fills"][0]==b["fills"][0] and a["fills"][1]!=b["fills"][1]'
printf '{"prompt":"x = ","suffix":";"}\n' | "$lacuna" infill --jsonl --regex '1:[0-9]{3}' | py 'import json,sys; c=json.loads(sys.stdin.readline())["completion"]; assert len(c)==3 and c.isdigit(),c'; say $? "jsonl: --regex"

# ---- choices ----
"$lacuna" infill --json --choice '1:x > 0|x == NULL' --choice '2:-x|x' two.c >c.out
t "--choice: one of the texts, with its probability" py '
import json
d=json.loads(open("c.out").readlines()[-1]); c=d["choices"]
assert [x["hole"] for x in c]==[0,1] and d["nfe"]==0
for k,x in enumerate(c):
    p=[y["prob"] for y in x["texts"]]; assert abs(sum(p)-1)<1e-6 and x["texts"][p.index(max(p))]["text"]==d["fills"][k]
assert d["text"]==open("two.c").read().replace("<|fill|>",d["fills"][0],1).replace("<|fill|>",d["fills"][1],1)'
"$lacuna" score --holes --json --fill '["x > 0",null]' --fill '["x == NULL",null]' two.c >s.out
t "--choice: the numbers of score --holes with the other hole open" py '
import json
c=json.loads(open("c.out").readlines()[-1])["choices"][0]["texts"]; s={x["fills"][0]:x for x in json.load(open("s.out"))["candidates"]}
assert all(abs(x["logprob"]-s[x["text"]]["logprob"])<1e-5 for x in c)'
fills "--choice beside a hole that is filled" 'a\|b|c\\d' '[0-9]+' -- --choice '1:a\|b|c\\d' --regex '2:[0-9]+'
"$lacuna" infill --json --choice '1:x|' --regex '2:[0-9]+' two.c | py '
import json,sys
L=[json.loads(l) for l in sys.stdin]; assert L[-1]["fills"][0] in ("x","") and all(r["hole"]==1 for l in L[:-1] for r in l["reveals"])'; say $? "--choice: holes keep their numbers"
printf 'abc' >no.txt
fails "--choice goes with no --regex" 2 "hole 1: a choice goes with no regex" "$lacuna" infill --choice 1:a --regex 1:a two.c

# ---- lengths ----
"$lacuna" infill --json --syntax off --lengths 1,2,4 a.py >l.out
t "--lengths: every length once, the likeliest a token is kept" py '
import json
L=[json.loads(l) for l in open("l.out")]; d=L[-1]; c=d["candidates"]
n={}
for l in L[:-1]:
    if "reveals" in l: n[l["candidate"]]=n.get(l["candidate"],0)+len(l["reveals"])
assert n=={0:1,1:2,2:4} and [x["logprob"]/x["tokens"] for x in c]==sorted((x["logprob"]/x["tokens"] for x in c),reverse=True) and d["fills"]==c[0]["fills"]'
fails "--lengths with --max-tokens" 2 "max-tokens, --min-tokens and --exact do not go with it" "$lacuna" infill --lengths 1,2 --max-tokens 3 a.py
fails "--lengths, none of them possible" 1 "no text" "$lacuna" infill --lengths 1,2 --regex '1:[0-9]{60}' a.py
for v in "" 0 1,,2 1, x 1.5 99999999; do fails "usage: --lengths '$v'" 2 "option --lengths" "$lacuna" infill --lengths "$v" a.py; done
"$lacuna" infill --lengths 40,2 --only --regex '1:[a-z]{2}' a.py | grep -Eq '^[a-z]{2}$'; say $? "--lengths: what a hole cannot have is passed over"

# ---- errors ----
fails "--regex: a fault, with its byte" 1 "option --regex 2: byte 3: " "$lacuna" infill --regex '2:ab(' two.c
fails "--regex: a fault behind a choice keeps its number" 1 "option --regex 2: byte 1: " "$lacuna" infill --choice '1:a|b' --regex '2:(a' two.c
fails "--regex that nothing matches in so few tokens" 1 "hole 1: no text.*fits its 3 slots" "$lacuna" infill --max-tokens 3 --regex '1:[0-9]{99}' two.c
fails "--begin against --regex" 1 "hole 1: no text is what it asks for.*regex.*begin" "$lacuna" infill --regex '1:[0-9]+' --begin 1:a two.c
fails "--shape that is none" 1 "hole 1: there is no shape called 'hat'" "$lacuna" infill --shape 1:hat two.c
fails "an empty --ban" 1 "hole 1: an empty ban would ban everything" "$lacuna" infill --ban 1: two.c
for o in regex shape begin end ban choice hole; do
    fails "usage: --$o without a hole" 2 "option --$o: expected N:" "$lacuna" infill --$o abc two.c
    fails "usage: --$o of hole 0" 2 "option --$o: expected N:" "$lacuna" infill --$o 0:exact two.c
    fails "--$o of a hole that is not there" 1 "option --$o: there is no hole 3, the text has 2" "$lacuna" infill --$o 3:exact two.c
done
for v in '1:' 1:exact=1 1:max-tokens 1:max-tokens=0 1:max-tokens=x 1:temp=-1 1:temp=nan 1:temp= 1:hat=1 1:exact, 1:min-tokens=4294967296; do fails "usage: --hole $v" 2 "option --hole: expected" "$lacuna" infill --hole "$v" two.c; done
fails "--hole: exact alone" 2 "hole 1: exact needs max-tokens" "$lacuna" infill --hole 1:exact two.c
fails "--hole: min-tokens above max-tokens" 2 "hole 2: min-tokens 9 is more than max-tokens 8" "$lacuna" infill --hole 2:min-tokens=9,max-tokens=8 two.c

# ---- score --holes ----
printf 'if (x <|fill|> 0) return -x;\n' >s.c
"$lacuna" score --holes --fill '<' --fill '> 100 - 3 +' s.c >s.out; head -2 s.out | tail -1 | grep -q '"<"$' && [ "$(wc -l <s.out)" -eq 3 ]; say $? "score --holes: the likeliest first"
"$lacuna" score --holes --no-heal --range 1:7-1:15 --fill '<' --fill '>' --json s.c | py 'import json,sys; assert len(json.load(sys.stdin)["candidates"])==2'; say $? "score --holes --range --no-heal"
fails "score --holes: no candidate" 2 "needs candidates" "$lacuna" score --holes s.c
fails "score --holes: no hole" 1 "no hole: put the marker" "$lacuna" score --holes --fill a no.txt
fails "score --fill alone" 2 "fill needs --holes" "$lacuna" score --fill a s.c
fails "score --holes: two holes, one text" 2 "option --fill: expected a JSON array" "$lacuna" score --holes --fill a two.c
fails "score --holes: too few texts" 2 "array of 2 strings" "$lacuna" score --holes --fill '["a"]' two.c
fails "score --holes --orders" 2 "left to right" "$lacuna" score --holes --fill a --orders 3 s.c
fails "score --holes: open in one alone" 1 "" "$lacuna" score --holes --fill '["a",null]' --fill '["a","b"]' two.c

# ---- explain ----
"$lacuna" infill --explain --regex '1:[0-9]+' two.c >e.out 2>e.err
[ $? -eq 0 ] && [ -s e.out ] && grep -q 'hole 1, slot [0-9]*: .* refused: regex; .* taken$' e.err && grep -q 'read lines 1-6: near' e.err && ! grep -qv '^lacuna: ' e.err; say $? "--explain tells what was refused and read"
"$lacuna" infill --explain --json --regex '1:[0-9]+' two.c >e.out 2>e.err
t "--explain --json" py '
import json
L=[json.loads(l) for l in open("e.out")]; r=[x for l in L[:-1] for x in l["refusals"]]
assert r and any(x["why"]=="regex" and x["hole"]==0 for x in r) and L[-1]["context"][0]["lines"][0]==1 and not open("e.err").read()'
"$lacuna" infill --json --regex '1:[0-9]+' two.c | grep -q refusals; [ $? -eq 1 ]; say $? "without --explain nothing is told"
fails "--jsonl --explain" 2 "explain" "$lacuna" infill --jsonl --explain

# ---- syntax ----
fails "usage: --syntax off --repairs" 2 "repairs cannot be used with --syntax off" "$lacuna" infill --syntax off --repairs 2 a.py
fails "usage: --syntax off --grammar" 2 "grammar cannot be used with --syntax off" "$lacuna" infill --syntax off --grammar c a.py
for o in "--syntax on" "--repairs 2" "--grammar c"; do fails "usage: $o --rule mdlm" 2 "${o% [0-9c]} cannot be used with --rule mdlm" "$lacuna" infill $o --rule mdlm a.py; done
fails "--regex --rule bd3" 1 "hole 1 asks for something: that goes with the rules independent and paper" "$lacuna" infill --rule bd3 --regex 1:a a.py
fails "--syntax on, no grammar known" 1 "option --syntax: no grammar is known" "$lacuna" infill --syntax on x.txt
fails "--grammar that is not there" 1 "option --grammar: no grammar 'klingon'" "$lacuna" infill --grammar klingon a.py
fails "--grammar that is a path" 1 "option --grammar: .*no name of a language" "$lacuna" infill --grammar ../c a.py
fails "--node without a grammar" 1 "option --node: no grammar is known" "$lacuna" infill --node 1:1 x.txt
fails "--node outside" 1 "option --node: '9:1': there is no line 9" "$lacuna" infill --node 9:1 a.py
fails "usage: --node" 2 "option --node: expected LINE:COL" "$lacuna" infill --node 9 a.py
fails "usage: --marker --node" 2 "marker cannot be used" "$lacuna" infill --marker x --node 1:1 a.py
fails "usage: --jsonl --node" 2 "jsonl" "$lacuna" infill --jsonl --node 1:1
[ -f "$grammars/c.so" ] && [ -f "$grammars/python.so" ] && [ -f "$grammars/json.so" ] || exit 0

printf 'def area(w, h):\n    return w * h\n\n\nprint(area(3, 4))\n' >n.py
"$lacuna" infill --node 2:14 --shape 1:identifier n.py | py '
import re,sys
assert re.fullmatch(r"def area\(w, h\):\n    return \w+\n\n\nprint\(area\(3, 4\)\)\n",sys.stdin.read())'; say $? "--node: an expression"
"$lacuna" infill --node 5:12 --at 1:1 --one-line --max-tokens 3 -v n.py 2>&1 >/dev/null | grep -q -- '--node 5:12: [a-z_]*, bytes'; say $? "--node beside --at; -v tells which"
fails "--node and --range overlap" 1 "overlap" "$lacuna" infill --node 2:14 --range 2:12-2:13 n.py
fails "--node twice" 1 "overlap" "$lacuna" infill --node 2:14 --node 2:14 n.py
"$lacuna" infill --syntax off --node 2:14 --only n.py >/dev/null; say $? "--node with --syntax off"
cp n.py n.txt
"$lacuna" infill --grammar python --node 2:14 --only n.txt >/dev/null; say $? "--grammar for a text of another name"
"$lacuna" infill --lang py --node 2:14 --only n.txt >/dev/null; say $? "--lang tells the grammar too"
"$lacuna" infill -v a.py 2>&1 >/dev/null | grep -q 'grammar python'; say $? "the grammars of the build tree are found"
LACUNA_GRAMMARS=/nowhere:$grammars "$lacuna" infill -v two.c 2>&1 >/dev/null | grep -q 'grammar c$'; say $? "LACUNA_GRAMMARS"
mkdir -p inst/bin inst/lib/lacuna && cp "$lacuna" inst/bin && ln -s "$grammars" inst/lib/lacuna/grammars
inst/bin/lacuna infill -v two.c 2>&1 >/dev/null | grep -q 'grammar c$'; say $? "grammars beside the installed command"
mkdir -p alone/bin xdg/nvim/site/parser && cp "$lacuna" alone/bin && cp "$grammars/json.so" xdg/nvim/site/parser
printf '{"a": <|fill|>}\n' >t.json # Neovim itself comes with parsers, but with none of JSON
alone/bin/lacuna infill -v t.json 2>&1 >/dev/null | grep -q 'grammar json$'; say $? "grammars of Neovim"
rm -r xdg
fails "no grammar anywhere" 1 "no grammar 'json' in" alone/bin/lacuna infill --syntax on t.json
alone/bin/lacuna infill -v t.json 2>&1 >/dev/null | grep -q 'grammar none'; say $? "--syntax auto without a grammar"
py 'open("big.c","w").write("#include <stdio.h>\n"+"".join("static int f%d(int x)\n{\n    return x + %d;\n}\n\n"%(i,i) for i in range(3000))+"int main(void)\n{\n    int n = 3;\n    return f7(<|fill|>);\n}\n")'
"$lacuna" infill --explain --one-line --only big.c 2>e.err >/dev/null
grep -q 'read line 1: import' e.err && grep -q 'signature' e.err && grep -q 'not read: [0-9]* bytes' e.err; say $? "context by structure"
"$lacuna" infill --json --candidates 4 --temp 1.3 --seed 2 --max-tokens 12 two.c >v.out
t "--candidates: those with valid syntax come first" py '
import json
c=json.loads(open("v.out").readlines()[-1])["candidates"]; f=[x["faults"]>0 for x in c]; assert f==sorted(f)'
for o in "" "--temp 1 --seed 3" --lossless "--order stride --steps 4" "--candidates 3 --temp 1.2" "--choice 1:x|x==NULL"; do
    "$lacuna" infill --json --explain --max-tokens 8 $o two.c >r.out
    t "what steps reveal and take back is the fill in the end: $o" py '
import json
L=[json.loads(l) for l in open("r.out")]; slots={}
for l in L[:-1]:
    if "reveals" not in l: continue
    s=slots.setdefault(l.get("candidate",0),{})
    for r in l["reveals"]: s[r["hole"],r["slot"]]=r["text"]
    for r in l.get("reopened",[]): s.pop((r["hole"],r["slot"]),None)
d=L[-1]
for c in d.get("candidates",[d]):
    s=slots[c.get("candidate",0)]
    for h in {k[0] for k in s}: assert "".join(s[k] for k in sorted(s) if k[0]==h)==c["fills"][h],(s,c)'
done
"$lacuna" infill --json --repairs 0 two.c | tail -1 >r0; "$lacuna" infill --json --repairs 20 two.c | tail -1 >r1
t "--repairs" py '
import json
a,b=json.load(open("r0")),json.load(open("r1")); assert a["repairs"]==0<b["repairs"]<=20 and 0<=b["faults"]<=a["faults"]>0,(a,b)'
fails "--repairs beyond" 2 "from 0 to 256" "$lacuna" infill --repairs 257 two.c
exit 0
