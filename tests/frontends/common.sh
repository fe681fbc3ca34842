# What the scripts here begin with: `. "$here/common.sh"`, with the build folder as $1.  An empty folder to work in, a plain
# environment, and checks that print "ok NAME" or "not ok NAME".
lacuna=$(cd "$1" && pwd)/lacuna
root=$(cd "$here/../.." && pwd)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
unset LACUNA_MODEL LACUNA_GRAMMARS NO_COLOR
export XDG_DATA_HOME="$tmp/xdg" LC_ALL=C.UTF-8 TERM=xterm

say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2"; fi; }
# t NAME COMMAND...: the command succeeds.
t() { name=$1; shift; "$@" >t.out 2>t.err; rc=$?; say $rc "$name"; [ $rc -eq 0 ] || tail -n 5 t.out t.err; }
# fails NAME CODE PATTERN COMMAND...: exits with CODE, stdout empty, PATTERN on stderr behind "lacuna: ".
fails() {
    name=$1 code=$2 pattern=$3; shift 3
    "$@" >f.out 2>f.err </dev/null; rc=$?
    if [ $rc -eq "$code" ] && [ ! -s f.out ] && grep -q "^lacuna: .*$pattern" f.err; then echo "ok $name"; return; fi
    echo "not ok $name (exit $rc, expected $code and '$pattern')"; head -c 300 f.out; head -c 600 f.err
}
py() { python3 -c "$@"; }
