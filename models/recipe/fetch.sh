#!/bin/sh
# fetch.sh LIST SRC: fetch the packages of the list, each into SRC/NAME_VERSION, where SHA256 then lists its archives.
#
# LIST has lines `src|deb name version classes licence [hold]`.  apt checks what it fetches against the signed index.
# Its configuration is our own copy of the system's, with source packages switched on; the system's is not touched.
# What is complete is not fetched again.  What cannot be had is reported, listed in SRC/MISSING, and no failure.
set -eu
list=$(realpath "$1")
mkdir -p "$2"
src=$(realpath "$2")
: >"$src/MISSING"

apt_set_up() {
    apt=$src/.apt
    mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial"
    for f in /etc/apt/sources.list.d/*.sources; do
        [ ! -e "$f" ] || sed 's/^Types:.*/Types: deb deb-src/' "$f" >"$apt/sources/${f##*/}"
    done
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -e "$f" ] || sed -n 's/^deb \(.*\)/deb \1\ndeb-src \1/p' "$f" >"$apt/sources/${f##*/}"
    done
    mv "$apt/sources/sources.list" "$apt/sources/main.list" 2>/dev/null || true
    cat >"$apt/apt.conf" <<EOF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "";
Acquire::http::Timeout "60";
Acquire::https::Timeout "60";
Acquire::Retries "1";
EOF
    export APT_CONFIG="$apt/apt.conf"
    apt-get update -qq
    ready=1
}
# get KIND NAME=VERSION, into the current folder.  Where a mirror has lost Debian's part, upstream's alone will do: the
# list states its licence.
get() {
    if [ "$1" = deb ]; then apt-get download -qq "$2"
    else apt-get source --download-only --only-source -qq "$2" || ls ./*.orig.tar.* >/dev/null; fi
}
ready=
grep -vE '^(#|$)' "$list" | while read -r kind name version _; do
    folder=$src/${name}_$version
    [ ! -s "$folder/SHA256" ] || continue
    [ -n "$ready" ] || apt_set_up
    mkdir -p "$folder"
    cd "$folder"
    if get "$kind" "$name=$version" >"$src/log" 2>&1; then
        find . -type f \( -name '*.tar.*' -o -name '*.deb' \) ! -name '*.asc' -printf '%f\n' | sort |
            xargs sha256sum >SHA256.new
        mv SHA256.new SHA256
    else
        echo "fetch.sh: $name $version cannot be had: $(grep -m1 '^E:' "$src/log" | cut -c1-160)" >&2
        echo "$name $version" >>"$src/MISSING"
    fi
done
