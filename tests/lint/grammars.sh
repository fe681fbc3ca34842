#!/bin/sh
# grammars.sh OUT LIST: build OUT/NAME.so (tree_sitter_NAME inside) for every grammar of the list, from its npm package.
#
# Grammars are optional: where npm is absent or fails, one line says so and all else goes on.  What is built stays until
# its line of the list changes; OUT/built holds the lines.  Each package's licence is kept as OUT/NAME.LICENSE.
set -eu
out=$1 list=$2
mkdir -p "$out"
touch "$out/built"
todo=$(grep -v '^#' "$list" | grep -vxFf "$out/built" || true)
[ -n "$todo" ] || exit 0
without() { echo "lacuna: no syntax grammars ($1); everything else works without them"; exit 0; }
command -v npm >/dev/null || without "install npm, then make deps"
tmp=$(mktemp -d "$out/tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
tmp=$(cd "$tmp" && pwd)

# fetch PACKAGE@VERSION SHA512: unpack the package as ./package
fetch() {
    npm pack --silent --cache "$tmp/npm" --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000 \
        --ignore-scripts --no-update-notifier "$1" >/dev/null 2>&1 || return 1
    [ "$(python3 -c 'import base64, hashlib, sys
print(base64.b64encode(hashlib.sha512(open(sys.argv[1], "rb").read()).digest()).decode())' ./*.tgz)" = "$2" ] || return 2
    tar xzf ./*.tgz
}
# compile NAME SRC: one shared object
compile() {
    grep -qE '^#define LANGUAGE_VERSION 1[34]$' "$2/parser.c" || return 1
    link=cc objects=
    for f in "$2/parser.c" "$2"/scanner.c "$2"/scanner.cc; do
        [ -e "$f" ] || continue
        case $f in *.cc) link=c++ ;; esac
        objects="$objects ${f##*/}.o"
        $link -O2 -fPIC -w -I"$2" -c -o "${f##*/}.o" "$f" || return 1
    done
    $link -shared -o "$1.so" $objects
}
echo "$todo" | while read -r name package version licence src sha; do
    mkdir "$tmp/$name"
    cd "$tmp/$name"
    fetch "$package@$version" "$sha" || without "npm pack $package@$version failed, or its checksum is wrong"
    compile "$name" "package/$src" || without "$package@$version does not compile"
    cd - >/dev/null
    cp "$tmp/$name/package"/LICENSE* "$out/$name.LICENSE"
    mv "$tmp/$name/$name.so" "$out/$name.so"
    grep -v "^$name " "$out/built" >"$tmp/built" || true
    echo "$name $package $version $licence $src $sha" >>"$tmp/built"
    mv "$tmp/built" "$out/built"
    printf '  %-4s %s\n' SO "$name.so"
    rm -rf "${tmp:?}/$name"
done
