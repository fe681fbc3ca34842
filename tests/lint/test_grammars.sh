#!/bin/sh
# test_grammars.sh BUILD: without npm, or with a package that is not the pinned one, grammars are left out in one line.
build=$1
tmp=$(mktemp -d "$build/grammars.XXXXXX") && tmp=$(realpath "$tmp") || exit 1
trap 'rm -rf "$tmp"' EXIT
# npm BODY: an npm that does this
npm() { printf '#!/bin/sh\n%s\n' "$1" >"$tmp/npm" && chmod +x "$tmp/npm"; }
# check NAME: one line, no failure, nothing built
check() {
    PATH="$tmp:$PATH" sh tests/lint/grammars.sh "$tmp/out" tests/lint/grammars.txt >"$tmp/said" 2>&1
    rc=$?
    if [ $rc = 0 ] && [ "$(wc -l <"$tmp/said")" = 1 ] && ! ls "$tmp"/out/*.so >/dev/null 2>&1; then echo "ok grammars: $1"
    else echo "not ok grammars: $1"; cat "$tmp/said"; fi
}
npm 'exit 1'
check 'npm fails'
npm 'echo something else >x.tgz'
check 'a package with another checksum is not built'
