#!/bin/sh
# test_readme.sh BUILD: the C example in the README is the one that was compiled, and it runs.
build=$1
sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d' | cmp -s - doc/examples/fill.c && echo "ok README example is doc/examples/fill.c" ||
    echo "not ok README example is doc/examples/fill.c"
"$build"/doc/examples/fill | grep -q '^fill: ' && echo "ok README example runs" || echo "not ok README example runs"
missing=$(grep -o '(\([a-zA-Z/._-]*\))' README.md | tr -d '()' | grep / | while read -r f; do [ -e "$f" ] || echo "$f"; done)
[ -z "$missing" ] && echo "ok README names files that exist" || echo "not ok README names files that exist: $missing"
