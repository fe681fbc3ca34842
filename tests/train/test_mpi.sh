#!/bin/sh
# test_mpi.sh BUILD: training over ranks (make MPI=1) gives the losses of one rank, bit for bit.
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
if ! command -v mpicc >/dev/null || ! command -v mpirun >/dev/null; then
    echo "ok mpi (skipped: no mpicc)"
    exit 0
fi
say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2"; fi; }
make -C "$root" -s MPI=1 SAN= WERROR= BUILD="$build/mpi" all >"$build/mpi.log" 2>&1; rc=$?
say $rc "make MPI=1"
if [ $rc -ne 0 ]; then tail -n 20 "$build/mpi.log"; exit 1; fi
lacuna=$(cd "$build/mpi/last/" && pwd -P)/lacuna
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
export OMPI_MCA_btl_base_warn_component_unused=0 OMPI_MCA_rmaps_base_oversubscribe=1
ranks() { n=$1; shift; mpirun -n "$n" --allow-run-as-root --oversubscribe "$lacuna" train "$@"; }

echo '{"dim": 32, "layers": 2, "heads": 2, "ff": 64, "vocab": 8192, "qk_norm": true, "context_length": 64}' >net.json
new="--config net.json --tokenizer $root/tests/data/bpe8k.model --data $root/lib/base --length 48 --batch 8 --lanes 4 --warmup 2 --log-every 1 --threads 1"
for o in infill eso-b; do
    rm -f one.* two.*
    "$lacuna" train $new --objective $o --steps 6 --out one.gguf --name x >one.json 2>one.err; a=$?
    ranks 2 $new --objective $o --steps 6 --out two.gguf --name x >two.json 2>two.err; b=$?
    [ $a -eq 0 ] && [ $b -eq 0 ]; say $? "$o: one rank and two"
    [ $b -eq 0 ] || cat two.err
    python3 -c '
import json
def log(f): return [(l["step"],l["loss"],l["parts"],l["bits_per_byte"],l.get("grad_norm"),l.get("held_out")) for l in map(json.loads,open(f)) if "loss" in l]
a,b=log("one.json"),log("two.json")
assert a==b and len(a)==8, (a,b)'; say $? "$o: the same losses, held-out ones too"
    cmp -s one.gguf two.gguf && cmp -s one.safetensors two.safetensors; say $? "$o: the same files"
done
"$lacuna" train --eval --resume one.safetensors --held-out "$root/README.md" >e1 2>/dev/null; ranks 2 --eval --resume one.safetensors --held-out "$root/README.md" >e2 2>/dev/null
[ -s e1 ] && cmp -s e1 e2; say $? "--eval over two ranks"
ranks 2 $new --lanes 1 --steps 2 --out x.gguf >x.out 2>x.err; [ $? -ne 0 ] && grep -q 'cannot be shared out to 2 ranks' x.err; say $? "more ranks than lanes"
exit 0
