#!/bin/sh
# build.sh [-l LIST] [-t TARGETS] [-m TOKENIZER] OUT: from Debian's archive to shards that `lacuna train` reads.
#
#   -l LIST       packages (packages.txt beside this script)
#   -t TARGETS    classes and megabytes of each (py=160,c=120,prose=120); also sh, lua, js, go, rs
#   -m TOKENIZER  a SentencePiece model to use; without it one is trained
#
#   OUT/src       fetched archives         fetch.sh
#   OUT/text      documents, manifest      corpus.py
#   OUT/tok.model the tokenizer            tokenizer.sh
#   OUT/train.bin, val.bin, val.CLASS.bin  lacuna train --shard
#
# A step whose inputs are those of the last time is not done again; an interrupted build goes on where it was.
set -eu
here=$(dirname "$(realpath "$0")") root=$(realpath "$(dirname "$0")/../..")
list=$here/packages.txt target=py=160,c=120,prose=120 model=
while getopts l:t:m: o; do
    case $o in l) list=$OPTARG ;; t) target=$OPTARG ;; m) model=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ $# = 1 ] || { echo "usage: build.sh [-l LIST] [-t TARGETS] [-m TOKENIZER] OUT" >&2; exit 2; }
out=$1 classes=$(echo "$target" | tr , '\n' | sed 's/=.*//' | tr '\n' ' ')
lacuna=${LACUNA:-$root/build/last/lacuna}
[ -x "$lacuna" ] || { echo "build.sh: $lacuna is not there; run make" >&2; exit 1; }
sh "$root/tests/lint/deps.sh" python3 xz-utils $([ -n "$model" ] || echo sentencepiece)

# fresh STEP INPUT...: whether the inputs and the targets have the checksum that OUT/.STEP keeps
fresh() {
    name=$1
    shift
    sum=$({ echo "$target"; cat "$@"; } | sha256sum)
    [ "$sum" = "$(cat "$out/.$name" 2>/dev/null)" ] || { echo "build.sh: $name"; return 1; }
}
done_with() { echo "$sum" >"$out/.$1"; }

mkdir -p "$out"
echo "build.sh: fetch"
grep -vE '^(#|$)' "$list" | awk -v want="$classes" 'BEGIN { n = split(want, w, " ") }
    { for (i = 1; i <= n; i++) if ("," $4 "," ~ "," w[i] ",") { print; next } }' >"$out/list"
sh "$here/fetch.sh" "$out/list" "$out/src"
fresh text "$out/list" "$here/corpus.py" "$here/clean.py" "$here/licences.py" "$out"/src/*/SHA256 || {
    python3 "$here/corpus.py" "$out/list" "$out/src" "$out/text" --target "$target"
    done_with text
}
if [ -n "$model" ]; then
    cp "$model" "$out/tok.model"
else
    fresh tokenizer "$here/tokenizer.sh" "$out/text/sample.txt" || {
        sh "$here/tokenizer.sh" "$out/text/sample.txt" "$out/tok.model" 8192 $classes
        done_with tokenizer
    }
fi
# shard NAME FOLDER
shard() {
    [ -d "$2" ] || return 0
    fresh "$1" "$out/tok.model" "$out/text/manifest.jsonl" || {
        "$lacuna" train --shard "$out/$1.bin" --tokenizer "$out/tok.model" --data "$2"
        done_with "$1"
    }
}
shard train "$out/text/train"
shard val "$out/text/val"
for c in $classes; do shard "val.$c" "$out/text/val/$c"; done
[ ! -s "$out/src/MISSING" ] || { echo "build.sh: cannot be had, left out:"; sed 's/^/    /' "$out/src/MISSING"; }
