#!/bin/sh
# test_recipe.sh BUILD: the GPU recipe, on a CPU: its golden data, its objectives, resuming, two processes, and that
# `lacuna convert` reads what it writes.  Prints "ok NAME" or "not ok NAME" a check.  Needs PyTorch (Debian: python3-torch).
lacuna=$(cd "$1" && pwd)/lacuna
here=$(cd "$(dirname "$0")" && pwd)
python=/usr/bin/python3
if ! $python -c 'import torch, numpy' 2>/dev/null; then echo "ok recipe (skipped: no PyTorch)"; exit 0; fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2"; fi; }

$python "$here/recipe_case.py" "$tmp"
rc=$?; [ $rc -eq 0 ] || echo "not ok recipe_case.py ended with $rc"
cd "$tmp" || exit 1
"$lacuna" convert learnt/model.safetensors --config learnt/config.json --tokenizer "$here/../data/bpe8k.model" -o m.gguf
say $? "recipe: lacuna convert reads the result"
printf 'def area(width, height):\n    return<|fill|>\nfor item in range(10):\n' | "$lacuna" infill -m ./m.gguf --lang py --only --one-line >fill
rc=$?; [ $rc -eq 0 ] && [ -s fill ]; say $? "recipe: the result infills"
