#!/bin/sh
# tokenizer.sh SAMPLE OUT.model PIECES TAG...: train the tokenizer.
#
# Lossless: nothing is normalised, unknown characters become bytes, no blank is put in front.  Newline, tab and runs
# of blanks are pieces of their own, so code costs few tokens; digits stay apart.  Control pieces are never matched in
# text.  Seeded: the same sample gives the same model.
set -eu
sample=$1 out=$2 pieces=$3
shift 3
control='<mask>,<eom>'
for t in "$@"; do control="$control,<$t>"; done
b=▁ runs=$(printf '\n,\t')
for n in 2 3 4 6 8 12 16 20 24; do
    run=
    i=0
    while [ $i -lt $n ]; do run=$run$b i=$((i + 1)); done
    runs=$runs,$run
done
tmp=$(mktemp -d "${out%/*}/tok.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
spm_train --input="$sample" --model_prefix="$tmp/m" --model_type=bpe --vocab_size="$pieces" --random_seed=1 \
    --num_threads=2 --shuffle_input_sentence=true --input_sentence_size=1500000 --max_sentence_length=16384 \
    --normalization_rule_name=identity --byte_fallback=true --add_dummy_prefix=false --remove_extra_whitespaces=false \
    --allow_whitespace_only_pieces=true --split_digits=true --character_coverage=0.9997 \
    --user_defined_symbols="$runs" --control_symbols="$control" \
    --pad_id=0 --unk_id=1 --bos_id=2 --eos_id=-1 --pad_piece='<pad>' --bos_piece='<bos>' --minloglevel=2
mv "$tmp/m.model" "$out"
