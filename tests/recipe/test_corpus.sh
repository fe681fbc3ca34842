#!/bin/sh
# test_corpus.sh BUILD: the recipe of the corpus, on packages made here; no network.
build=$1
tmp=$(mktemp -d "$build/recipe.XXXXXX") && tmp=$(realpath "$tmp") || exit 1
trap 'rm -rf "$tmp"' EXIT
export PYTHONDONTWRITEBYTECODE=1
# check NAME COMMAND...
check() {
    name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}
same() { [ "$1" = "$2" ] || { printf '%s\n-- is not --\n%s\n' "$1" "$2"; false; }; }
corpus() { python3 models/recipe/corpus.py "$tmp/list" "$tmp/src" "$@"; }

python3 tests/recipe/packages.py "$tmp"
corpus "$tmp/a" --target py=1,c=1,prose=1 >"$tmp/out" 2>"$tmp/complaints" || cat "$tmp/complaints"
kept=$(cd "$tmp/a" && find train val -type f ! -path '*/many/*' | sort)
check 'copyleft, generated, duplicate, bundled and useless files are dropped' same "$kept" 'train/c/alpha/choice/a.c
train/prose/alpha/doc/guide.rst
train/prose/alpha/doc/page.html.txt
train/prose/alpha/doc/x.1.txt
train/py/alpha/src/either.py
train/py/alpha/src/good.py
val/py/held/h/own.py'
check 'a copyleft package is left out and named' grep -q 'free-not: left out, its licence is GPL-3+' "$tmp/complaints"
check 'manifest and package table are what is there' python3 tests/recipe/check_tables.py "$tmp/a"
check 'where the licence is stated' same "$(cut -f1,3,4 "$tmp/a/packages.tsv" | sort -u | grep -v stated)" \
    "$(printf '%s\t%s\t%s\n' alpha MIT copyright held MIT copyright many BSD-3 list)"
check "a file's own licence is in the manifest" \
    grep -q '"path": "choice/a.c".*"licence": "GPL-2 or BSD-3-clause"' "$tmp/a/manifest.jsonl"
check 'archives are listed with their digests' same "$(cut -f5 "$tmp/a/archives.tsv" | sed 1d | sort)" \
    "$(find "$tmp/src" -name '*.tar.xz' -exec sha256sum {} + | cut -d' ' -f1 | sort)"

no_gaps() { ! grep -qzP '\n[ \t]*\n[ \t]*\n' "$1" && ! grep -qE '<[a-z]|.{80}' "$1"; }
check 'markup leaves short lines and single gaps' no_gaps "$tmp/a/train/prose/alpha/doc/page.html.txt"
check 'literal text stays' grep -q '^    as is$' "$tmp/a/train/prose/alpha/doc/page.html.txt"
man=$tmp/a/train/prose/alpha/doc/x.1.txt
check 'roff leaves words' same "$(head -n 1 "$man") $(grep -c 'f[BR]' "$man")" 'NAME 0'

corpus "$tmp/b" --target py=1,c=1,prose=1 >/dev/null 2>&1
check 'the same packages give the same corpus' diff -r "$tmp/a" "$tmp/b"
corpus "$tmp/c" --target py=0.02 --cap 10 >/dev/null 2>&1
bytes=$(find "$tmp/c/train" -type f -exec cat {} + | wc -c)
thinned() { [ "$bytes" -gt 12000 ] && [ "$bytes" -lt 28000 ] && diff -r "$tmp/a/val/py" "$tmp/c/val/py"; }
check 'thinned to about its target, held-out text untouched' thinned
check 'tables of a thinned corpus' python3 tests/recipe/check_tables.py "$tmp/c"
corpus "$tmp/d" --target py=0.1 --cap 0.1 >/dev/null 2>&1
capped() { [ "$(find "$tmp/d/train/py/many" -type f -exec cat {} + | wc -c)" -le 10000 ]; }
check 'no package has more than its share' capped

"$build/lacuna" train --shard "$tmp/train.bin" --tokenizer tests/data/bpe8k.model --data "$tmp/a/train" >"$tmp/out" 2>&1
bos() { od -An -v -tu2 -w2 "$1" | grep -c '^ *2$'; }
check 'every document is in the shard, with its tag' same "$(bos "$tmp/train.bin") $(grep -c 'of unknown kind' "$tmp/out")" \
    "$(find "$tmp/a/train" -type f | wc -l) 0"

# fetch.sh, with an apt-get that knows one package
mkdir "$tmp/bin"
cat >"$tmp/bin/apt-get" <<'EOF'
#!/bin/sh
echo "$*" >>"$CALLS"
case $* in
    update*) ;;
    source*here=1) echo x >here_1.orig.tar.gz; echo x >here_1.dsc ;;
    source*half=1) echo x >half_1.orig.tar.gz; exit 1 ;;
    download*bin=1+b1) echo x >bin_1+b1_all.deb ;;
    *) echo 'E: Version not found' >&2; exit 1 ;;
esac
EOF
chmod +x "$tmp/bin/apt-get"
printf '# list\nsrc here 1 py MIT\nsrc gone 2:1 py MIT\nsrc half 1 c MIT\ndeb bin 1+b1 py MIT\n' >"$tmp/list2"
fetch() { CALLS=$tmp/calls PATH="$tmp/bin:$PATH" sh models/recipe/fetch.sh "$tmp/list2" "$tmp/src2"; }
fetch >"$tmp/out" 2>&1
check 'what can be had is fetched' same "$(cat "$tmp"/src2/*/SHA256 | cut -c67- | tr '\n' ' ')" \
    'bin_1+b1_all.deb half_1.orig.tar.gz here_1.orig.tar.gz '
check 'what cannot is listed' same "$(cat "$tmp/src2/MISSING")" 'gone 2:1'
: >"$tmp/calls"
fetch >"$tmp/out" 2>&1
check 'nothing is fetched twice' same "$(grep -v update "$tmp/calls" | grep -c -v 'gone=2:1')" 0
