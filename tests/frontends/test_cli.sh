#!/bin/sh
# test_cli.sh BUILD: the lacuna command as users and scripts see it, on the default model.
# Prints "ok NAME" or "not ok NAME" a check.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"

model=
for m in "$root"/models/default/default.gguf "$root"/models/*/*.gguf; do [ -f "$m" ] && model=$m && break; done
if [ -z "$model" ]; then echo "not ok no model in models/*/*.gguf"; exit 1; fi
export LACUNA_MODEL="$model"

printf 'def add(a, b):\n    return <|fill|>\n' >a.py
printf 'int f(int x)\n{\n    if (<|fill|>)\n        return <|fill|>;\n    return 0;\n}\n' >two.c
printf 'one two three\nfour five\n' >plain.txt

# ---- the program --------------------------------------------------------------------------------
t help sh -c '"$1" --help | grep -q infill' - "$lacuna"
t version sh -c '"$1" --version | grep -q "^lacuna [0-9]"' - "$lacuna"
for c in infill sample score serve convert info bench; do
    t "help of $c" sh -c '"$1" $2 --help | grep -q "^usage: lacuna $2"' - "$lacuna" $c
    fails "$c: unknown option" 2 "unknown option --nonsense" "$lacuna" $c --nonsense
done
"$lacuna" >x.out 2>x.err; [ $? -eq 2 ] && [ ! -s x.out ] && grep -q usage x.err; say $? "no command"
fails "unknown command" 2 "did you mean infill" "$lacuna" infil
fails "unknown command far from all" 2 "there are infill" "$lacuna" frobnicate
fails "extra operand" 2 "unexpected operand" "$lacuna" infill a.py two.c

# ---- infill -------------------------------------------------------------------------------------
"$lacuna" infill a.py --max-tokens 6 >x.out 2>x.err; rc=$?
[ $rc -eq 0 ] && [ ! -s x.err ] && grep -q '^def add' x.out && ! grep -q 'fill|' x.out; say $? "infill completes the text and is quiet"
"$lacuna" infill --max-tokens 6 <a.py | cmp -s - x.out; say $? "infill from standard input"
"$lacuna" infill --max-tokens 6 - <a.py | cmp -s - x.out; say $? "infill from -"
"$lacuna" infill --max-tokens=6 -- a.py | cmp -s - x.out; say $? "-- ends options"
(cd / && "$lacuna" infill --max-tokens 6 -m "$model" "$tmp/a.py") | cmp -s - x.out; say $? "-m, elsewhere"
(unset LACUNA_MODEL; "$lacuna" infill --max-tokens 6 a.py) | cmp -s - x.out; say $? "model found in the build tree"
mkdir -p xdg/lacuna && ln -sf "$model" xdg/lacuna/mine.gguf
(unset LACUNA_MODEL; "$lacuna" infill -m mine --max-tokens 6 a.py) | cmp -s - x.out; say $? "model by name"
(unset LACUNA_MODEL; "$lacuna" infill --max-tokens 6 a.py) | cmp -s - x.out; say $? "model in XDG_DATA_HOME"
rm -r xdg
"$lacuna" infill --only --syntax off --max-tokens 6 a.py >only.out; "$lacuna" infill --syntax off --max-tokens 6 a.py >plain.out
"$lacuna" infill --json --syntax off --max-tokens 6 a.py >json.out
t "json: lines, steps, text and fill agree with plain output" py '
import json
L=[json.loads(l) for l in open("json.out")]
d=L[-1]
assert d["done"] is True and d["text"]==open("plain.out").read() and d["fills"][0]+"\n"==open("only.out").read()
assert len(L)-1==d["nfe"] and [l["step"] for l in L[:-1]]==list(range(len(L)-1)) and [l["nfe"] for l in L[:-1]]==list(range(1,len(L)))
s=sum(r["logprob"] for l in L[:-1] for r in l["reveals"])
assert abs(s-d["logprob"])<1e-4 and d["tokens"]==sum(len(l["reveals"]) for l in L[:-1])
assert all(k in d for k in "ms seed dropped".split()) and set(L[0]["reveals"][0])>=set("hole slot token text logprob prob entropy".split())
assert all(": " not in l.split("\"text\"")[0] for l in open("json.out"))'
"$lacuna" infill --json --syntax off --no-heal --max-tokens 4 --alpha0 1 --steps 2 --order stride two.c >two.out
t "two holes, two parallel steps" py '
import json
L=[json.loads(l) for l in open("two.out")]
assert len(L)==3 and len(L[-1]["fills"])==2 and L[0]["phase"]=="diffusion", L
f=L[-1]["fills"]; assert L[-1]["text"]==open("two.c").read().replace("<|fill|>","\0").replace("\0",f[0],1).replace("\0",f[1],1)'
"$lacuna" infill -0 --max-tokens 4 two.c | tr -cd '\000' | wc -c | grep -q '^ *2$'; say $? "--null: a NUL behind each fill"
[ "$("$lacuna" infill --null --max-tokens 4 --one-line two.c | tr '\000' '\n' | wc -l)" -eq 2 ]; say $? "--one-line: no line feed in a fill"
for o in random left stride confidence margin "entropy --gamma 0.7"; do
    "$lacuna" infill --order $o --alpha0 0.5 --seed 3 --max-tokens 6 a.py >o1.out && "$lacuna" infill --order $o --alpha0 0.5 --seed 3 --threads 2 --max-tokens 6 a.py >o2.out
    [ $? -eq 0 ] && [ -s o1.out ] && cmp -s o1.out o2.out; say $? "--order $o, same with two threads"
done
for r in paper independent mdlm; do t "--rule $r" "$lacuna" infill --rule $r --alpha0 1 --steps 2 --max-tokens 6 a.py; done
"$lacuna" infill --rule bd3 --block 3 --exact --max-tokens 7 --json a.py >b1.out
t "--rule bd3 --block: blocks from left to right" py '
import json
L=[json.loads(l) for l in open("b1.out")]; r=[x["slot"]//3 for l in L[:-1] for x in l["reveals"]]
assert r==sorted(r) and len(r)==7 and L[0]["phase"]=="diffusion",L'
for c in auto f32 bf16; do t "--cache-type $c" "$lacuna" infill --cache-type $c --max-tokens 4 a.py; done
"$lacuna" infill --max-tokens 24 two.c >l1.out; "$lacuna" infill --lossless --max-tokens 24 two.c >l2.out; "$lacuna" infill --lossless --draft 3 --threads 2 --max-tokens 24 two.c >l3.out
[ -s l1.out ] && cmp -s l1.out l2.out && cmp -s l1.out l3.out; say $? "--lossless gives the text of one slot a pass"
s="--temp 1 --seed 4 --exact --max-tokens 24"
"$lacuna" infill $s a.py >l1.out; "$lacuna" infill --lossless $s a.py | cmp -s - l1.out; say $? "--lossless, drawn"
printf 'colour = 1\nprint(col<|fill|>)\n' >heal.py
for o in "" "--exact" "--alpha0 1" "--steps 2" "--rule mdlm"; do
    case $o in --exact|--rule*) same=--no-heal ;; *) same=--heal ;; esac
    "$lacuna" infill $o $same --max-tokens 6 heal.py >h1.out; "$lacuna" infill $o --max-tokens 6 heal.py | cmp -s - h1.out; say $? "$same is the default: infill $o"
done
"$lacuna" infill --heal --max-tokens 6 --json heal.py >h2.out
t "--heal: the text before the hole comes once" py '
import json
L=[json.loads(l) for l in open("h2.out")]; d=L[-1]
a,b=open("heal.py").read().split("<|fill|>"); assert d["text"]==a+d["fills"][0]+b,d'
for o in "--lossless --order random" "--lossless --steps 2" "--lossless --alpha0 1" "--lossless --rule paper"; do fails "usage: $o" 2 "cannot be used with --lossless" "$lacuna" infill $o a.py; done
fails "usage: --draft alone" 2 "needs --lossless" "$lacuna" infill --draft 4 a.py
fails "usage: --block alone" 2 "needs --rule bd3" "$lacuna" infill --block 4 a.py
fails "usage: --gamma alone" 2 "needs --order entropy" "$lacuna" infill --gamma 1 a.py
for r in mdlm bd3; do
    fails "usage: --rule $r --heal" 2 "--heal cannot be used with --rule $r" "$lacuna" infill --rule $r --heal a.py
    fails "usage: --rule $r --order confidence" 2 "--order left, random or stride, not with confidence" "$lacuna" infill --rule $r --order confidence a.py
done
fails "usage: --min-tokens above --max-tokens" 2 "--min-tokens 5 is more than --max-tokens 3" "$lacuna" infill --min-tokens 5 --max-tokens 3 a.py
fails "usage: --min-tokens above the default" 2 "more than --max-tokens 16 (the default)" "$lacuna" infill --lossless --min-tokens 20 a.py
fails "usage: --heal --no-heal" 2 "exclude each other" "$lacuna" infill --heal --no-heal a.py
s="--temp 1.2 --top-k 50 --top-p 0.9 --min-p 0.01 --max-tokens 8"
"$lacuna" infill $s --seed 1 a.py >s1; "$lacuna" infill $s --seed 1 a.py >s1b; "$lacuna" infill $s --seed 2 a.py >s2
cmp -s s1 s1b && ! cmp -s s1 s2; say $? "sampling options and seeds"
"$lacuna" infill --exact --max-tokens 5 --json a.py | tail -1 | grep -q '"tokens":5,'; say $? "--exact"
"$lacuna" infill --min-tokens 5 --max-tokens 6 --json a.py | tail -1 | py 'import json,sys; assert json.load(sys.stdin)["tokens"]>=5'; say $? "--min-tokens"
"$lacuna" infill --candidates 3 --json --temp 1 --seed 5 --max-tokens 5 a.py >c.out
t "--candidates: valid ones first, then ranked by exact log-probability per token; each text once" py '
import json
L=[json.loads(l) for l in open("c.out")]; d=L[-1]; c=d["candidates"]
r=[(x["faults"]>0,-x["logprob"]/x["tokens"]) for x in c]
assert r==sorted(r) and d["fills"]==c[0]["fills"] and len(c)==3
made={l["candidate"] for l in L[:-1]}; assert made>={0,1,2} and len(made)<=12 and {l["seed"] for l in L[:-1] if "seed" in l}=={5+k for k in made}
assert len({tuple(x["fills"]) for x in c})==len(c)'
t "--candidates: the exact log-probability is that of score --holes" py '
import json,subprocess,sys
c=json.loads(open("c.out").readlines()[-1])["candidates"]
p=subprocess.run([sys.argv[1],"score","--holes","--json","a.py"]+[a for x in c for a in ("--fill",x["fills"][0])],stdout=subprocess.PIPE)
r=json.loads(p.stdout)["candidates"]; by={x["fills"][0]:x for x in r}
assert all(abs(by[x["fills"][0]]["logprob"]-x["logprob"])<1e-4 and by[x["fills"][0]]["tokens"]==x["tokens"] for x in c),(c,r)
assert [x["logprob"] for x in r]==sorted((x["logprob"] for x in r),reverse=True) and abs(sum(x["prob"] for x in r)-1)<1e-6' "$lacuna"
for o in left random confidence; do
    s="--order $o --temp 1 --max-tokens 6 --json a.py"
    "$lacuna" infill --candidates 3 --seed 5 $s >c.out; for n in 5 6 7; do "$lacuna" infill --seed $n $s; done >alone.out
    t "--candidates side by side, --order $o: each as it would be alone" py '
import json
C=[json.loads(l) for l in open("c.out")]; A=[json.loads(l) for l in open("alone.out")]
alone=[d for d in A if "done" in d]; done=sorted((d for d in C[:-1] if "fills" in d), key=lambda d: d["seed"])
one=lambda d: (d["seed"],d["fills"],d["tokens"],d["logprob"])
assert [one(d) for d in done if d["seed"]<8]==[one(d) for d in alone]
for d in done:
    steps=[l for l in C[:-1] if "reveals" in l and l["candidate"]==d["candidate"]]; slots={}
    for l in steps:
        slots.update(((r["hole"],r["slot"]),r["logprob"]) for r in l["reveals"])
        for r in l.get("reopened",[]): slots.pop((r["hole"],r["slot"]),None)
    assert abs(sum(slots.values())-d["logprob"])<1e-4 and steps[-1]["open"]==0'
done
"$lacuna" infill --candidates 70 --temp 1 --max-tokens 2 --json a.py | py '
import json,sys
L=[json.loads(l) for l in sys.stdin]; n=len({l["candidate"] for l in L[:-1]}); assert n>=70 and {l["candidate"] for l in L[:-1]}==set(range(n)) and len(L[-1]["candidates"])==70'; say $? "--candidates: more than fit in one pass"
t "--lang" "$lacuna" infill --lang c --max-tokens 4 a.py
fails "--lang that the model has not" 1 "does not know the language 'perl'" "$lacuna" infill --lang perl a.py
"$lacuna" infill --candidates 5 --regex '1:a|b' --temp 1 --json a.py | py '
import json,sys
L=[json.loads(l) for l in sys.stdin]; assert len(L[-1]["candidates"])<=2 and {l["candidate"] for l in L[:-1]}==set(range(20))'; say $? "--candidates: where there are not so many texts, four tries for each"
"$lacuna" infill -v --max-tokens 2 a.py 2>&1 >/dev/null | grep -q 'lacuna: .*language py'; say $? "-v says what is done"
"$lacuna" infill --stream --max-tokens 6 a.py | cmp -s - x.out; say $? "--stream into a pipe is plain"
printf 'a @@ b @@ c' | "$lacuna" infill --marker @@ --max-tokens 2 --one-line | grep -q '^a .* b .* c$'; say $? "--marker; no line feed is added"
"$lacuna" infill --at 1:4 --at 2:5 --one-line --max-tokens 2 plain.txt | py '
import re,sys
s=sys.stdin.read(); assert re.fullmatch("one.* two three\nfour.* five\n",s), s'; say $? "--at, twice"
"$lacuna" infill --range 2:1-2:5 --range 1:5-1:8 --one-line --max-tokens 2 plain.txt | py '
import re,sys
s=sys.stdin.read(); assert re.fullmatch("one .* three\n.* five\n",s), s'; say $? "--range, twice, in any order"
"$lacuna" infill --at 1:1 --max-tokens 2 a.py | grep -q '<|fill|>'; say $? "with --at a marker is text"
printf 'x' | "$lacuna" infill --at 1:2 --max-tokens 2 | grep -q '^x'; say $? "--at one past the end"
"$lacuna" infill --at 1:1 --max-tokens 2 </dev/null >/dev/null; say $? "--at in an empty text"
py 'import random
r=random.Random(7); open("bin","wb").write(r.randbytes(3000)+b"\xC2\x85 \xE2\x80\xA8<|fill|>"+r.randbytes(3000))' # line ends of Unicode too
"$lacuna" infill --max-tokens 3 bin >bin.out; cat bin >bin.in
t "binary file comes back as it was" py '
a,b=open("bin.in","rb").read().split(b"<|fill|>"); o=open("bin.out","rb").read(); assert o.startswith(a) and o.endswith(b)'
"$lacuna" infill --max-tokens 3 --json bin >bin.json
t "invalid UTF-8 in JSON: replaced, and exact in base64" py '
import base64,json
d=json.loads(open("bin.json","rb").read().rstrip(b"\n").split(b"\n")[-1].decode("utf-8")); assert "\ufffd" in d["text"]
assert base64.b64decode(d["text_bytes"])==open("bin.out","rb").read()'
py 'open("long.txt","w").write("many words here\n"*3000+"the <|fill|> end\n"+"and more\n"*3000)'
"$lacuna" infill --max-tokens 3 --json long.txt | tail -1 | py 'import json,sys; d=json.load(sys.stdin); assert d["dropped"]>0 and len(d["text"])>70000'; say $? "long text: far context is dropped"
fails "--strict-context" 1 "token" "$lacuna" infill --strict-context long.txt
"$lacuna" infill -v --context 100000 --max-tokens 2 a.py 2>&1 >/dev/null | grep -q 'trained with [0-9]* positions'; say $? "-v: --context beyond what was trained"
t "--context" "$lacuna" infill --context 128 --max-tokens 3 long.txt
py 'print("a <|fill|> b\n"*3000)' >holes.txt
fails "too many holes" 1 "(fewer holes.*--context" "$lacuna" infill holes.txt
fails "--strict-context tells what to do" 1 "without --strict-context" "$lacuna" infill --strict-context long.txt
"$lacuna" infill -v --max-tokens 6 a.py 2>k.err >/dev/null
LACUNA_KERNEL=ref "$lacuna" infill -v --max-tokens 6 a.py 2>&1 >/dev/null | grep -q 'kernel ref'; say $? "LACUNA_KERNEL"
LACUNA_KERNEL= "$lacuna" infill -v --max-tokens 6 a.py 2>&1 >/dev/null | grep -q "$(grep -o 'kernel .*' k.err)"; say $? "LACUNA_KERNEL that is empty"
fails "LACUNA_KERNEL that is unknown" 1 "LACUNA_KERNEL: kernel 'sse'.*avx512vnni" env LACUNA_KERNEL=sse "$lacuna" infill a.py
fails "--max-tokens beyond the context" 1 "" "$lacuna" infill --max-tokens 4294967295 a.py
fails "missing file" 1 "nosuch: No such file" "$lacuna" infill nosuch
fails "directory" 1 "Is a directory" "$lacuna" infill "$tmp"
fails "empty input" 1 "no hole" "$lacuna" infill
fails "no marker" 1 "no hole.*--at LINE:COL" "$lacuna" infill plain.txt
fails "empty marker" 2 "marker is empty" "$lacuna" infill --marker '' a.py
fails "--at outside" 1 "line 9.*line 3" "$lacuna" infill --at 9:1 plain.txt
fails "--at past the line" 1 "columns go from 1 to 14" "$lacuna" infill --at 1:15 plain.txt
fails "--at of another form" 2 "expected LINE:COL" "$lacuna" infill --at 3 plain.txt
fails "--range backwards" 1 "ends before it starts" "$lacuna" infill --range 1:3-1:2 plain.txt
fails "--range of another form" 2 "expected LINE:COL-LINE:COL" "$lacuna" infill --range 1:3 plain.txt
fails "overlapping ranges" 1 "overlap" "$lacuna" infill --range 1:1-1:5 --range 1:3-1:8 plain.txt
printf 'a\303\251b\n' >utf.txt
fails "hole inside a character" 1 "UTF-8" "$lacuna" infill --at 1:3 utf.txt
fails "--marker with --at" 2 "cannot be used" "$lacuna" infill --marker x --at 1:1 plain.txt
for o in "--temp nan" "--temp -1" "--temp inf" "--alpha0 nan" "--alpha0 2" "--top-p 1.5" "--top-p nan" "--min-p -1" "--gamma nan" "--top-k -1" \
    "--seed 99999999999999999999" "--max-tokens 0" "--max-tokens 1e3" "--steps 0" "--steps 4294967296" "--candidates 0" "--threads 0" "--threads x" "--order up" "--rule none" "--cache-type f16" "--draft 0" "--block 0"; do
    fails "usage: $o" 2 "option ${o%% *}" "$lacuna" infill $o a.py
done
fails "missing model" 1 "nosuch.gguf" "$lacuna" infill -m ./nosuch.gguf a.py
fails "missing model by name" 1 "looked in" "$lacuna" infill -m nosuch a.py
fails "not a model" 1 "" "$lacuna" infill -m a.py a.py
if [ -w /dev/full ]; then
    for c in "infill a.py" "infill --json a.py" "sample --length 4" "score plain.txt" info "--help"; do
        sh -c '"$1" $2 >/dev/full' - "$lacuna" "$c" 2>x.err; [ $? -eq 1 ] && grep -q '^lacuna: standard output: ' x.err; say $? "full disk: $c"
    done
else
    echo "not ok no /dev/full"
fi
for c in "infill --json --candidates 20 --temp 1 a.py" "score --json plain.txt" "sample --length 8"; do
    { "$lacuna" $c; echo $? >rc; } 2>x.err | head -c 1 >/dev/null; [ "$(cat rc)" = 0 ] && [ ! -s x.err ]; say $? "closed pipe: $c"
done

# ---- infill --jsonl -----------------------------------------------------------------------------
py '
import json
for i in range(12):
    print(json.dumps({"task_id":"t/%d"%i,"n":1.50,"prompt":"def f%d(x):\n    return "%i,"suffix":"\n","z":[1,{"a":None}]}),end=["\n","\r\n"][i%2])
    if i==3: print("\n   ")
print("{\"prompt\":\"a\",\"suffix\":\"b\",\"nfe\":7,\"k\":1}",end="")' >in.jsonl
"$lacuna" infill --jsonl --max-tokens 4 in.jsonl >out.jsonl 2>x.err; rc=$?
[ $rc -eq 0 ] && [ ! -s x.err ]; say $? "jsonl: exit code and silence"
t "jsonl: same objects in the same order, three fields more" py '
import json
I=[json.loads(l) for l in open("in.jsonl") if l.strip()]; O=[json.loads(l) for l in open("out.jsonl")]
assert len(I)==len(O)==13
for a,b in zip(I[:-1],O):
    assert list(b)==list(a)+["completion","logprob","nfe"] and all(a[k]==b[k] for k in a)
assert list(O[-1])[:4]==["prompt","suffix","nfe","k"] and O[-1]["nfe"]<=5 and O[-1]["k"]==1 # one to spell'
printf '{"prompt":"a","suffix":"b"}\nnonsense\n[1]\n{"prompt":1,"suffix":"b"}\n{"prompt":"a"}\n{"prompt":"c","suffix":"d"}\n' >bad.jsonl
"$lacuna" infill --jsonl --max-tokens 2 bad.jsonl >out.jsonl 2>x.err; rc=$?
[ $rc -eq 1 ] && grep -q '^lacuna: line 2: ' x.err; say $? "jsonl: bad lines are named and end in 1"
t "jsonl: bad lines keep the alignment" py '
import json
O=[json.loads(l) for l in open("out.jsonl")]
assert len(O)==6 and [("error" in o) for o in O]==[0,1,1,1,1,0] and [o.get("line") for o in O]==[None,2,3,4,5,None]'
py 'import json; print(json.dumps({"prompt":"x = 1\n"*200000,"suffix":"y"}))' | "$lacuna" infill --jsonl --max-tokens 2 | py 'import json,sys; assert json.loads(sys.stdin.readline())["dropped"]>0'; say $? "jsonl: a line of a megabyte"
t "jsonl: flushed line by line" py '
import subprocess,sys
p=subprocess.Popen([sys.argv[1],"infill","--jsonl","--max-tokens","2"],stdin=subprocess.PIPE,stdout=subprocess.PIPE)
for i in range(3):
    p.stdin.write(b"{\"prompt\":\"a\",\"suffix\":\"b\"}\n"); p.stdin.flush(); assert b"completion" in p.stdout.readline()
p.stdin.close(); assert p.wait()==0' "$lacuna"
"$lacuna" infill --jsonl </dev/null >x.out; [ $? -eq 0 ] && [ ! -s x.out ]; say $? "jsonl: no line"
fails "jsonl: missing file" 1 "nosuch: No such file" "$lacuna" infill --jsonl nosuch
fails "jsonl: directory" 1 "Is a directory" "$lacuna" infill --jsonl "$tmp"
fails "jsonl with --at" 2 "jsonl" "$lacuna" infill --jsonl --at 1:1

# ---- sample -------------------------------------------------------------------------------------
"$lacuna" sample --length 12 --steps 4 --alpha0 1 --seed 9 --ids --json >s1; "$lacuna" sample --length 12 --steps 4 --alpha0 1 --seed 9 --ids --json --threads 2 >s2
cmp -s s1 s2 && py 'import json; d=json.load(open("s1")); assert list(d)==["ids","nfe"] and len(d["ids"])==12 and 1<=d["nfe"]<=5'; say $? "sample --ids --json, same with two threads"
echo '{"order":[3,1,0,2],"groups":[2,1,1]}' >plan.json
"$lacuna" sample --plan plan.json --greedy --ids --json --logits l.f32 >s1; rc=$?
v=$("$lacuna" info --json | py 'import json,sys; print(json.load(sys.stdin)["vocab"])')
[ $rc -eq 0 ] && [ "$(wc -c <l.f32)" -eq $((4 * 4 * v)) ] && py 'import json; d=json.load(open("s1")); assert d["nfe"]==3 and len(d["ids"])==4'; say $? "sample --plan --greedy --logits"
t "logits: the first step's argmax is what was taken" py '
import json,struct,sys
v=int(sys.argv[1]); m=int(sys.argv[2]); f=struct.unpack("<%df"%(4*v),open("l.f32","rb").read()); ids=json.load(open("s1"))["ids"]
for row,slot in zip(range(4),[3,1,0,2]):
    r=list(f[row*v:row*v+v]); r[m]=-1e30; assert r.index(max(r))==ids[slot] or row>=0 and sorted(r)[-8:][0]<=r[ids[slot]]' "$v" "$("$lacuna" info --json | py 'import json,sys; print(json.load(sys.stdin)["mask"])')"
ls l.f32.* >/dev/null 2>&1; [ $? -ne 0 ]; say $? "logits: no temporary file is left"
"$lacuna" sample --length 8 --temp 0.9 --top-k 40 --top-p 0.95 --min-p 0.01 --order left --rule independent >x.out && [ -s x.out ]; say $? "sample prints text"
t "sample --json" sh -c '"$1" sample --length 8 --json | python3 -c "import json,sys; d=json.load(sys.stdin); assert len(d[\"ids\"])==8 and \"text\" in d"' - "$lacuna"
t "sample --lang --stream" "$lacuna" sample --length 8 --lang py --stream
echo '{"order":[0,0],"groups":[2]}' >p1; fails "plan: not a permutation" 1 "permutation" "$lacuna" sample --plan p1
echo '{"order":[0,1],"groups":[3]}' >p2; fails "plan: groups" 1 "groups" "$lacuna" sample --plan p2
echo '{"order":[0,1],"groups":[1]}' >p3; fails "plan: groups do not sum" 1 "sum to 1" "$lacuna" sample --plan p3
echo '{"order":[0,2],"groups":[2]}' >p4; fails "plan: slot outside" 1 "order\[1\]" "$lacuna" sample --plan p4
echo 'x' >p5; fails "plan: not JSON" 1 "not JSON" "$lacuna" sample --plan p5
echo '{"groups":[1]}' >p6; fails "plan: no order" 1 "order: missing" "$lacuna" sample --plan p6
echo '[]' >p7; fails "plan: an array" 1 "order" "$lacuna" sample --plan p7
fails "plan and --length differ" 1 "length" "$lacuna" sample --plan plan.json --length 5
fails "plan: missing file" 1 "nosuch" "$lacuna" sample --plan nosuch
fails "--plan with --rule bd3" 2 "--plan cannot be used with --rule bd3" "$lacuna" sample --plan plan.json --rule bd3
fails "--greedy with --temp" 2 "exclude" "$lacuna" sample --greedy --temp 1
fails "--logits that cannot be written" 1 "nodir/x: No such file" "$lacuna" sample --length 2 --logits nodir/x
fails "--length beyond the context" 1 "" "$lacuna" sample --length 100000000

"$lacuna" sample --alpha0 0 --length 16 --ids --json >a0.out
t "sample --alpha0 0 is one slot a pass" py 'import json; assert json.load(open("a0.out"))["nfe"]==16'
"$lacuna" sample --lang py --length 24 --seed 5 >l1; "$lacuna" sample --lang prose --length 24 --seed 5 >l2
cmp -s l1 l2; [ $? -eq 1 ]; say $? "sample --lang tells the kind of text"
echo '{"task_id":5,"big":12345678901234567,"prompt":"a = ","suffix":"","nfe":1}' | "$lacuna" infill --jsonl --max-tokens 2 >again.out
t "jsonl: a name that is there is replaced, the others stay" py '
import json; d=json.load(open("again.out")); assert d["task_id"]==5 and d["big"]==12345678901234567 and d["nfe"]!=1 or d["nfe"] in (1,2) and "5.0" not in open("again.out").read()'
grep -q '"task_id":5,' again.out; say $? "jsonl: integers stay integers"
t "infill --jsonl stops at the first SIGINT" py '
import signal,subprocess,sys,time
p=subprocess.Popen(["'"$lacuna"'","infill","--jsonl"],stdin=subprocess.PIPE,stdout=subprocess.PIPE,preexec_fn=lambda: signal.signal(signal.SIGINT,signal.SIG_DFL))
p.stdin.write(b"{\"prompt\":\"a\",\"suffix\":\"b\"}\n"); p.stdin.flush(); p.stdout.readline()
p.send_signal(signal.SIGINT); assert p.wait(60)==130'
s="--length 24 --temp 1 --seed 3 --ids --json"
"$lacuna" sample --order left --alpha0 0 --rule independent $s >a0.out; "$lacuna" sample --lossless $s >a1.out
t "sample --lossless: the same ids" py 'import json; a,b=json.load(open("a0.out")),json.load(open("a1.out")); assert a["ids"]==b["ids"] and b["nfe"]<=a["nfe"]==24'
for r in mdlm "bd3 --block 8"; do t "sample --rule $r" "$lacuna" sample --rule $r --length 20 --steps 5; done
# ---- score --------------------------------------------------------------------------------------
"$lacuna" score --json plain.txt >sc.out
t "score: tokens cover the text and sum to the total" py '
import json,math
d=json.load(open("sc.out")); n=0
for x in d["tokens"]:
    assert x["start"]==n; n=x["end"]
assert n==len(open("plain.txt").read()) and abs(sum(x["logprob"] for x in d["tokens"])-d["logprob"])<1e-3
assert abs(d["bits_per_byte"]+d["logprob"]/math.log(2)/n)<1e-6 and "bound" not in d'
"$lacuna" score --range 1:5-1:8 --json plain.txt >sr.out; "$lacuna" score --range 1:5-1:8 --no-end --json plain.txt >sn.out
t "score --range and --no-end" py '
import json
a,b=json.load(open("sr.out")),json.load(open("sn.out")); assert a["tokens"][0]["start"]==4 and b["tokens"][-1]["end"]==7 and len(a["tokens"])==len(b["tokens"])+1'
"$lacuna" score --range 1:5-1:8 --exact --json plain.txt >sx.out
t "score --exact has one slot a token" py '
import json
a,b=json.load(open("sx.out")),json.load(open("sn.out")); assert len(a["tokens"])==len(b["tokens"]) and a["logprob"]!=b["logprob"]'
"$lacuna" score --json "$root/lib/net/net.c" >sl.out
t "score of a text longer than the context: every byte once" py '
import json
d=json.load(open("sl.out")); n=0
for x in d["tokens"]:
    assert x["start"]==n; n=x["end"]
assert n==len(open("'"$root"'/lib/net/net.c").read()) and len(d["tokens"])>2000'
"$lacuna" score plain.txt | grep -q '^logprob  *-[0-9.]*$'; say $? "score in plain form"
"$lacuna" score --orders 4 --seed 2 --json plain.txt | grep -q '"bound":-'; say $? "score --orders gives the bound"
t "score --order random --alpha0 --spare --lang --context" "$lacuna" score --order random --alpha0 0.5 --spare 4 --lang prose --context 256 plain.txt
echo '{"ids":[20,30,40,50],"order":[2,0,3,1]}' >ids.json
"$lacuna" score --ids ids.json --json >i.out
t "score --ids" py 'import json; d=json.load(open("i.out")); assert list(d)==["logprobs","total"] and len(d["logprobs"])==4 and abs(sum(d["logprobs"])-d["total"])<1e-5'
"$lacuna" score --ids ids.json --orders 3 --json | grep -q '"bound":-'; say $? "score --ids --orders"
echo '{"ids":[20,30]}' | "$lacuna" score --ids - --json | grep -q '"order":\[0,1\]'; say $? "score --ids without an order"
echo '{"ids":[20,30],"order":[0]}' >i1; fails "ids: order too short" 1 "order: 1 ranks" "$lacuna" score --ids i1
echo '{"ids":[20,30],"order":[0,0]}' >i2; fails "ids: not a permutation" 1 "" "$lacuna" score --ids i2
echo '{"ids":[20,99999999]}' >i3; fails "ids: outside the vocabulary" 1 "" "$lacuna" score --ids i3
echo '{"ids":[]}' >i4; fails "ids: none" 1 "empty" "$lacuna" score --ids i4
fails "score: empty input" 1 "nothing to score" "$lacuna" score
fails "score: range outside" 1 "line 9" "$lacuna" score --range 9:1-9:2 plain.txt
fails "score: --ids with FILE" 2 "ids" "$lacuna" score --ids i1 plain.txt

# ---- info, convert ------------------------------------------------------------------------------
"$lacuna" info "$model" | grep -q '^variant  *house'; say $? "info"
t "info --json --verify" sh -c '"$1" info --json --verify "$2" | python3 -c "import json,sys; d=json.load(sys.stdin); assert d[\"verified\"] and d[\"tokenizer\"] and d[\"vocab\"]>0"' - "$lacuna" "$model"
fails "info: no model" 1 "nosuch" "$lacuna" info ./nosuch
m1=$root/tests/golden/m1
for type in f32 bf16 q8_0; do
    t "convert --type $type" "$lacuna" convert "$m1.safetensors" --config "$m1.config.json" -o $type.gguf --type $type --name tiny --license MIT
done
"$lacuna" info f32.gguf 2>/dev/null | grep -q 'no tokenizer'; say $? "info of a model without tokenizer"
"$lacuna" sample -m f32.gguf --greedy --ids --json --length 8 2>/dev/null | grep -q '"nfe"'; say $? "sample --ids without tokenizer"
t "bench" "$lacuna" bench --threads 2 --loaded --json b.json ./q8_0.gguf
t "bench --json: every figure stands beside its floor or its rival" py '
import json
d=json.load(open("b.json")); r=d["runs"][0]
assert len(d["runs"])==1 and r["threads"]==2 and r["machine"]["read_bytes"]>0 and 0<=d["others"]<=1 and d["model"]["weights"]
assert [(p["masks"],p["cached"]) for p in r["pass"]]==[(m,c) for c in (512,2048) for m in (1,2,4,8,16,32)]
for p in r["pass"]+r["prefill"]: assert 0<p["ms"]["min"]<=p["ms"]["median"]<=p["ms"]["max"] and p["floor_ms"]>0 and p["ms"]["n"]>=3
assert [f["passes"] for f in r["fill"][:5]]==[32,16,8,4,2] and r["fill"][5]["same_text"]==1 and r["fill"][6]["reused"]>0.98 and r["loaded"]["times_idle"]>0'
fails "bench: no list of threads" 2 "1,x" "$lacuna" bench --threads 1,x
fails "bench: --json in no folder" 1 "nodir/b.json: No such file" "$lacuna" bench --json nodir/b.json
fails "bench: --json that is a folder" 1 "Is a directory" "$lacuna" bench --json "$tmp"
fails "bench: --json on a full device" 1 "/dev/full: No space" "$lacuna" bench --json /dev/full
ls b.json.* >/dev/null 2>&1; [ $? -ne 0 ]; say $? "bench: no temporary file is left"
fails "bench: text too short" 1 "plain.txt: [0-9]* tokens, and at least 128" "$lacuna" bench --text plain.txt
fails "bench: text that is a folder" 1 "Is a directory" "$lacuna" bench --text "$tmp"
fails "bench: missing text" 1 "nosuch.txt: No such file" "$lacuna" bench --text nosuch.txt
fails "sample needs --ids without tokenizer" 1 "ids" "$lacuna" sample -m ./f32.gguf
fails "infill without tokenizer" 1 "tokenizer" "$lacuna" infill -m ./f32.gguf a.py
t "convert --tokenizer is read" sh -c '! "$1" convert "$2.safetensors" --config "$2.config.json" -o t.gguf --tokenizer /nosuch 2>/dev/null && [ ! -e t.gguf ]' - "$lacuna" "$m1"
fails "convert: no --config" 2 "config" "$lacuna" convert "$m1.safetensors" -o x.gguf
fails "convert: no -o" 2 "option -o" "$lacuna" convert "$m1.safetensors" --config "$m1.config.json"
fails "convert: no input" 2 "input" "$lacuna" convert -o x.gguf --config "$m1.config.json"
fails "convert: missing input" 1 "nosuch" "$lacuna" convert nosuch --config "$m1.config.json" -o x.gguf
fails "convert: unwritable output" 1 "" "$lacuna" convert "$m1.safetensors" --config "$m1.config.json" -o nodir/x.gguf

python3 "$here/golden_cli.py" "$lacuna" "$root/tests/golden" 2>&1

# ---- serve and terminal -------------------------------------------------------------------------
python3 "$here/serve.py" "$lacuna"
rc=$?; [ $rc -eq 0 ] || echo "not ok serve.py ended with $rc"
python3 "$here/in_terminal.py" 20 60 0 "$lacuna" infill --stream --max-tokens 6 a.py >p.out
grep -q "$(printf '\342\226\221')" p.out && grep -q "$(printf '\033')" p.out && grep -qF '[exit 0]' p.out; say $? "--stream on a terminal shows masks"
python3 "$here/in_terminal.py" -20 60 0 "$lacuna" infill --stream --max-tokens 6 a.py | tr -d '\r' >p.out
{ cat x.fill 2>/dev/null; "$lacuna" infill --max-tokens 6 a.py; } >x.out
py '
a=open("p.out").read().rsplit("\n[exit 0]",1)[0]; b=open("x.out").read().expandtabs(8); assert a.split()==b.split(),(a,b)'; say $? "--stream: the text stands at the end"
NO_COLOR=1 LC_ALL=C python3 "$here/in_terminal.py" 20 60 0 "$lacuna" infill --stream --max-tokens 6 a.py >p.out
grep -q '_____' p.out && ! grep -q "$(printf '\033')\[[0-9;]*m" p.out; say $? "--stream: NO_COLOR, and _ without UTF-8"
TERM=dumb python3 "$here/in_terminal.py" 20 60 0 "$lacuna" infill --stream --max-tokens 6 a.py >p.out
grep -q "$(printf '\033')" p.out; [ $? -ne 0 ] && grep -q '^def add' p.out; say $? "--stream: TERM=dumb is plain"
python3 "$here/in_terminal.py" -10 40 0 "$lacuna" infill --stream --max-tokens 8 --alpha0 1 --steps 3 long.txt >p.out
grep -qF '[exit 0]' p.out; say $? "--stream: a long text on a small screen"
python3 "$here/in_terminal.py" -10 40 0.3 "$lacuna" infill --stream --candidates 10000 --temp 1 a.py >p.out
grep -qF '[exit 130]' p.out; say $? "--stream: ^C ends with 130"
t "SIGINT ends a jsonl run with 130" py '
import subprocess,sys,signal,time
p=subprocess.Popen([sys.argv[1],"infill","--jsonl","--candidates","10000","--temp","1"],stdin=subprocess.PIPE,stdout=subprocess.PIPE,stderr=subprocess.PIPE,preexec_fn=lambda: signal.signal(signal.SIGINT,signal.SIG_DFL))
p.stdin.write(b"{\"prompt\":\"a\",\"suffix\":\"b\"}\n"); p.stdin.flush(); time.sleep(0.5); p.send_signal(signal.SIGINT)
out,err=p.communicate(timeout=120); assert p.returncode==130 and not err,(p.returncode,err)' "$lacuna"
exit 0
