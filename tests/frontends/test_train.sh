#!/bin/sh
# test_train.sh BUILD: lacuna train as users and scripts see it, on this project's own files and a tiny network.
# Prints "ok NAME" or "not ok NAME" a check.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"

echo '{"dim": 32, "layers": 2, "heads": 2, "ff": 64, "vocab": 8192, "qk_norm": true, "context_length": 64}' >net.json
tok="$root/tests/data/bpe8k.model"
new="--config net.json --tokenizer $tok --length 48 --batch 8 --lanes 2 --warmup 2 --seed 3"

# a folder as people have them: the project's files, and what is not for reading
mkdir mine && cp "$root"/lib/base/*.c "$root"/lib/base/*.h "$root"/tests/frontends/*.py "$root"/README.md mine/
mkdir mine/sub mine/.hidden && cp "$root"/lib/net/*.c mine/sub/ && cp "$root"/lib/net/net.h mine/.hidden/
head -c 2000 /dev/urandom | tr '\001-\177' '\000' >mine/data.dat
printf 'caf\351\n' >mine/latin1.txt
: >mine/empty.txt
py 'open("mine/large.txt","w").write("word\n"*300000)'
ln -s /etc mine/link

# ---- a run ----------------------------------------------------------------------------------------
"$lacuna" train $new --data mine --steps 12 --log-every 1 --out run --name tiny --license MIT >run.json 2>run.err; rc=$?
say $rc "a run of 12 steps"; [ $rc -eq 0 ] || cat run.err
t "log: one object a step, held-out measures before and after" py '
import json,math
L=[json.loads(l) for l in open("run.json")]
S=[l for l in L if "loss" in l and "held_out" not in l]
assert [l["step"] for l in S]==list(range(1,13)), S
assert all(k in l for l in S for k in "loss parts bits_per_byte tokens_per_second flops_per_second grad_norm rate eta_seconds epoch examples".split())
assert all(math.isfinite(l["loss"]) for l in S) and S[-1]["loss"]<S[0]["loss"] and S[-1]["eta_seconds"]==0
H=[l for l in L if "held_out" in l]
assert [h["held_out"] for h in H]==["before","after"] and H[1]["bits_per_byte"]<H[0]["bits_per_byte"], H
assert L[-1]["done"] is True and L[-1]["model"]=="run/model.gguf" and L[-1]["bits_per_byte_after"]==H[1]["bits_per_byte"]'
n=$(ls mine/*.c mine/*.h mine/*.py mine/README.md mine/sub/*.c | wc -l)
grep -q "^lacuna: $n text files (.* py.*held out; passed over: 1 binary, 1 above 1 MB, 1 not UTF-8, 1 empty; [0-9]* tokens" run.err; say $? "what was found is told"
grep -q 'run/model.gguf is ready: lacuna infill -m run/model.gguf' run.err; say $? "how to use it is told"
[ "$(ls run)" = "model.gguf
state.safetensors" ]; say $? "two files and no others"
"$lacuna" info --verify --json run/model.gguf | py 'import json,sys; d=json.load(sys.stdin); assert d["name"]=="tiny" and d["license"]=="MIT" and d["layers"]==2 and d["verified"], d'; say $? "the model is a model"
printf 'int f(void)\n{\n    return <|fill|>;\n}\n' | "$lacuna" infill -m run/model.gguf --max-tokens 4 | grep -q '^int f'; say $? "the model infills"
"$lacuna" train $new --data mine --steps 12 --log-every 1 --out again --name tiny --license MIT --threads 1 >again.json 2>/dev/null
cmp -s run/model.gguf again/model.gguf && cmp -s run/state.safetensors again/state.safetensors; say $? "the same again with one thread"

# ---- stopped and resumed --------------------------------------------------------------------------
# wait for a line of the log, at most 60 s
until_line() { i=0; while ! grep -q "$1" "$2" 2>/dev/null; do i=$((i + 1)); [ $i -gt 1200 ] && return 1; kill -0 "$3" 2>/dev/null || return 1; sleep 0.05; done; }
long="--data mine --steps 240 --log-every 1 --type f32 --name tiny"
"$lacuna" train $new $long --out whole >whole.json 2>/dev/null
"$lacuna" train $new $long --out killed --save-every 0 >killed.json 2>/dev/null &
pid=$!; until_line '"step":9,' killed.json $pid; kill -KILL $pid; wait $pid 2>/dev/null; [ $? -eq 137 ]; say $? "killed in the middle"
"$lacuna" train --resume killed/state.safetensors --data mine --type f32 --name tiny --log-every 1 >rest.json 2>rest.err; rc=$?
say $rc "resumed with --resume and --data alone"; [ $rc -eq 0 ] || cat rest.err
cmp -s whole/model.gguf killed/model.gguf; say $? "SIGKILL and resume: the model of an unbroken run, byte for byte"
cmp -s whole/state.safetensors killed/state.safetensors; say $? "and the same state"
t "and the same losses" py '
import json
def losses(f): return {l["step"]:l["loss"] for l in map(json.loads,open(f)) if "loss" in l and "held_out" not in l}
a,b=losses("whole.json"),losses("rest.json"); assert b and min(b)>1 and max(b)==240 and all(a[s]==b[s] for s in b), b'
for s in TERM INT; do
    "$lacuna" train $new $long --out stop$s >stop$s.json 2>stop$s.err &
    pid=$!; until_line '"step":5,' stop$s.json $pid; kill -$s $pid; wait $pid; rc=$?
    [ $rc -eq 0 ] && grep -q "^lacuna: stopped at step .*: stop$s/model.gguf is usable; go on with: lacuna train " stop$s.err && "$lacuna" info --verify stop$s/model.gguf >/dev/null; say $? "SIG$s: a checkpoint and a model, and it says so"
    eval "$(sed -n 's/.*go on with: lacuna/"$lacuna"/p' stop$s.err)" >/dev/null 2>&1 # the command that was named
    cmp -s whole/model.gguf stop$s/model.gguf; say $? "SIG$s and resume: the same model"
done
"$lacuna" train $new $long --out held --held-out-examples 1000000 >held.json 2>held.err &
pid=$!; i=0; until [ -s held/state.safetensors ] || [ $((i += 1)) -gt 1200 ]; do sleep 0.05; done; kill -TERM $pid; wait $pid; rc=$?
[ $rc -eq 0 ] && [ ! -s held.json ] && grep -q '^lacuna: stopped at step 0; go on with' held.err; say $? "SIGTERM while measuring: an end at once"
{ "$lacuna" train $new $long --out pipe 2>x.err; echo $? >rc; } | head -n 2 >/dev/null
[ "$(cat rc)" = 0 ] && grep -q 'stopped at step.*pipe/model.gguf is usable' x.err && [ -s pipe/state.safetensors ] && [ -s pipe/model.gguf ]; say $? "closed pipe: a checkpoint and a model"
if [ -w /dev/full ]; then
    sh -c '"$@" >/dev/full' - "$lacuna" train $new $long --out full 2>x.err; [ $? -eq 1 ] && grep -q '^lacuna: standard output: ' x.err && [ -s full/state.safetensors ]; say $? "log on a full disk: a checkpoint, and exit 1"
else
    echo "not ok no /dev/full"
fi
"$lacuna" train $new $long --out late.gguf --save-every 0 >late.json 2>late.err &
pid=$!; until_line '"step":5,' late.json $pid; until mkdir late.safetensors 2>/dev/null; do rm -f late.safetensors; done; wait $pid; rc=$?
[ $rc -eq 1 ] && grep -q 'the next attempt to save' late.err && [ -s late.gguf ] && tail -n 1 late.json | grep -q '"done":true'; say $? "no room for the state in the middle: the model all the same, and exit 1"
"$lacuna" train $new --data mine --minutes 0.03 --log-every 1 --out timed >timed.json 2>timed.err; rc=$?
t "--minutes: the rate falls to the end" py '
import json
S=[l for l in map(json.loads,open("timed.json")) if "rate" in l]
assert S[-1]["rate"]<0.5 and max(l["rate"] for l in S)==1 and S[-1]["eta_seconds"]==0, S[-1]'
"$lacuna" train $new --data mine --minutes 0.01 --log-every 7 --out timed7 >timed7.json 2>/dev/null
t "--minutes: the last step is logged, and it is the one that the end tells" py '
import json
L=[json.loads(l) for l in open("timed7.json")]
S=[l["step"] for l in L if "rate" in l]
assert L[-1]["done"] and L[-1]["step"]==S[-1]>7 and all(s%7==0 for s in S[:-1]), S'

# ---- on a terminal --------------------------------------------------------------------------------
export TERM=xterm
python3 "$here/in_terminal.py" 20 40 0 "$lacuna" train $new --data mine --steps 4 --out tty >tty.out 2>tty.err
t "terminal: what goes on is told before it is done, and every step" py '
import re
s=open("tty.out",newline="").read(); at=0
for w in ["lacuna: reading mine","text files","measuring","held out, before","step 0/4","step 1/4","step 4/4","measuring","held out, after","writing","[exit 0]"]:
    at=s.index(w,at)
assert chr(123) not in s'
t "terminal: the line of progress fits the width" py '
import re
L=re.findall(r"\r([^\r\n]*)\x1b\[K",open("tty.out",newline="").read()); assert len(L)>8 and max(map(len,L))<40, L'
python3 "$here/in_terminal.py" 20 60 0 "$lacuna" train --eval --resume tty/state.safetensors --held-out mine >tty3.out; grep -q 'measuring' tty3.out; say $? "terminal: --eval tells that it measures"
[ "$(grep -c 'reading\|measuring\|step ' run.err)" -eq 0 ]; say $? "no terminal: nothing of that"

python3 "$here/in_terminal.py" 20 40 1 "$lacuna" train $new --data mine --out tty2 >tty.out
grep -q 'finishing this step (again: stop now)' tty.out && grep -q 'stopped at step.*tty2/model.gguf is usable' tty.out && grep -q 'exit 0' tty.out; say $? "terminal: ^C finishes the step, and says so"

# ---- measuring, shards, fine-tuning ---------------------------------------------------------------
"$lacuna" train --eval --resume whole/state.safetensors --held-out mine/sub >e1 2>/dev/null && "$lacuna" train --eval --resume whole/state.safetensors --held-out mine/sub --threads 1 >e2 2>/dev/null
[ -s e1 ] && cmp -s e1 e2 && py 'import json; d=json.load(open("e1")); assert d["held_out"]=="now" and d["step"]==240 and d["bits_per_byte"]>0 and d["examples"]==64'; say $? "--eval"
t "--shard" "$lacuna" train --shard mine.bin --tokenizer "$tok" --data mine --seed 1
"$lacuna" train $new --data mine.bin --held-out mine/README.md --steps 3 --out fromshard >shard.json 2>shard.err; rc=$?
[ $rc -eq 0 ] && grep -q '^lacuna: 1 shard; ' shard.err && grep -q '"held_out":"after"' shard.json; say $? "training on a shard"
"$lacuna" train --base run/model.gguf --data mine --steps 4 --length 48 --batch 4 --log-every 1 >fit.json 2>fit.err; rc=$?
[ $rc -eq 0 ] && [ -s lacuna-mine.gguf ] && [ -s lacuna-mine.safetensors ] && grep -q 'lacuna infill -m ./lacuna-mine.gguf' fit.err; say $? "--base: lacuna-mine.gguf"
grep -q 'held out, before: .* bits a byte' fit.err && grep -q 'held out, after: ' fit.err; say $? "held-out bits a byte before and after"
if [ -f "$root/models/default/default.gguf" ]; then
    t "--base default" env LACUNA_MODEL="$root/models/default/default.gguf" "$lacuna" train --base default --data mine --steps 1 --length 64 --batch 2 --lanes 2 --held-out-examples 2 --out d.gguf
fi
for o in eso-b eso-a mdlm bd3 ar fim; do
    "$lacuna" train $new --objective $o --data mine --steps 2 --out o-$o.gguf >o.json 2>o.err; rc=$?
    say $rc "--objective $o"; [ $rc -eq 0 ] || cat o.err
    case $o in eso-*) grep -q 'is ready: lacuna infill' o.err ;; *) ! grep -q ': lacuna infill' o.err ;; esac; say $? "--objective $o: what the model is for"
done
"$lacuna" train $new --data mine --steps 2 --ema 0.9 --lr-muon 0 --clip 0 --decay 0 --cool 0 --next-weight 0 --cut-share 0 --precision f32 --kernel ref --out o.gguf >/dev/null 2>o.err; rc=$?
say $rc "other options"; [ $rc -eq 0 ] || cat o.err
"$lacuna" train $new --objective eso-b --alpha0 0.5 --split 0 --data mine --steps 2 --log-every 1 --out split.gguf >split.json 2>o.err; rc=$?
[ $rc -eq 0 ] && grep -q '"sequential"' split.json && ! grep -q '"diffusion"' split.json; say $? "--split 0: no example of diffusion"

"$lacuna" train $new --data mine --steps 5 --lr 3 --lr-muon 3 --clip 0 --out worse.gguf >/dev/null 2>o.err; rc=$?
[ $rc -eq 0 ] && grep -q 'held out got worse: bits a byte .* before, .* after' o.err; say $? "held out got worse"
cp run/model.gguf old.gguf; rm run/model.gguf
"$lacuna" train --resume run/state.safetensors --data mine --name tiny --license MIT >o.json 2>o.err; rc=$?
[ $rc -eq 0 ] && cmp -s run/model.gguf old.gguf && grep -q 'has all its 12 steps: give --steps or --minutes' o.err && grep -q '"done":true,"step":12' o.json; say $? "a run that is done: its model again"

# ---- what goes wrong ------------------------------------------------------------------------------
fails "no --data" 2 "data is missing" "$lacuna" train $new
fails "neither base nor config" 2 "one of --base" "$lacuna" train --data mine
fails "base and config" 2 "one of --base" "$lacuna" train --data mine --base default --config net.json
fails "--config without --tokenizer" 2 "go together" "$lacuna" train --data mine --config net.json
fails "--steps and --minutes" 2 "cannot be used together" "$lacuna" train $new --data mine --steps 3 --minutes 1
fails "--eval without --held-out" 2 "needs --held-out" "$lacuna" train --eval --resume whole/state.safetensors
fails "--resume with what cannot be changed" 2 "with --resume" "$lacuna" train --resume whole/state.safetensors --data mine --batch 4
fails "--lr 0" 2 "--lr must be above 0" "$lacuna" train $new --data mine --lr 0
fails "--ema 1" 2 "--ema must be below 1" "$lacuna" train $new --data mine --ema 1
fails "empty --out" 2 "--out is empty" "$lacuna" train $new --data mine -o ""
fails "empty --data" 2 "--data is empty" "$lacuna" train $new --data ""
fails "a fraction for a whole number" 2 "whole number" "$lacuna" train $new --data mine --steps 1.5
fails "extra operand" 2 "unexpected operand" "$lacuna" train $new --data mine more
for o in "--objective none" "--length 1" "--batch 0" "--lanes x" "--lr nan" "--lr -1" "--cool 2" "--alpha0 1.5" "--minutes 0" "--steps 0" "--ema inf" "--precision f16" "--type q4" "--log-every 0"; do
    fails "usage: $o" 2 "option ${o%% *}" "$lacuna" train $new --data mine $o
done
fails "another run's state" 1 "run/state.safetensors holds a run of 12 steps: --resume it" "$lacuna" train $new --data mine --steps 2 --out run
fails "another run's state, by --resume" 1 "run/state.safetensors holds a run of 12 steps" "$lacuna" train --resume whole/state.safetensors --data mine --out run
fails "the same by the default name" 1 "lacuna-mine.safetensors holds a run of 4 steps" "$lacuna" train $new --data mine --steps 2
echo weights >w.safetensors; fails "a file that is no state" 1 "w.safetensors is there already" "$lacuna" train $new --data mine --steps 2 --out w.gguf
t "--force" "$lacuna" train $new --data mine --steps 2 --out w.gguf --force
fails "lanes that do not divide the batch" 1 "power of two" "$lacuna" train $new --data mine --lanes 3 --out x.gguf
fails "missing data" 1 "nosuch: No such file" "$lacuna" train $new --data nosuch --out x.gguf
fails "binary file as text" 1 "not a text" "$lacuna" train $new --data mine/data.dat --out x.gguf
fails "not a shard" 1 "" "$lacuna" train $new --data net.bin --out x.gguf
cp mine/latin1.txt odd.bin; fails "a shard that is none" 1 "odd.bin" "$lacuna" train $new --data odd.bin --out x.gguf
mkdir void; fails "folder without text" 1 "no text" "$lacuna" train $new --data void --out x.gguf
fails "not a state" 1 "net.json" "$lacuna" train --resume net.json --data mine
fails "another corpus" 1 "tokens in" "$lacuna" train --resume whole/state.safetensors --data mine/sub
grep -q -e '--new-corpus' f.err; say $? "another corpus: the way is told"
mkfifo fifo; fails "a FIFO" 1 "fifo: not a regular file or folder" timeout 10 "$lacuna" train $new --data fifo --out x.gguf
t "another corpus, with --new-corpus" "$lacuna" train --resume whole/state.safetensors --data mine/sub --new-corpus --steps 241 --out n.gguf
t "which is from then on the corpus of the run" "$lacuna" train --resume n.safetensors --data mine/sub --steps 242 --out n.gguf
fails "missing model" 1 "nosuch" "$lacuna" train --base nosuch --data mine --out x.gguf
fails "--out in a folder that is not there" 1 "nowhere" "$lacuna" train $new --data mine --out nowhere/x.gguf
fails "--out a device" 1 "" "$lacuna" train $new --data mine --out /dev/full
sh -c 'trap "" XFSZ; ulimit -f 20; "$@"' - "$lacuna" train $new --data mine --steps 2 --out limit.gguf >x.out 2>x.err; rc=$?
[ $rc -eq 1 ] && grep -q '^lacuna: ' x.err && [ ! -e limit.safetensors ] && ! ls -A | grep -q '\.lacuna-'; say $? "no room for the checkpoint: said before the work, nothing left"
exit 0
