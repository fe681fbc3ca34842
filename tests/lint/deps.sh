#!/bin/sh
# deps.sh PACKAGE...: install the Debian packages that are missing, and only those.
set -eu
missing=
for p in "$@"; do
    dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "lacuna: these Debian packages (or their like) are needed:$missing" >&2
    exit 1
elif [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    sudo=sudo
else
    echo "lacuna: would install, but is neither root nor allowed sudo:" >&2
    echo "    apt-get install$missing" >&2
    exit 1
fi
echo "lacuna: installing$missing"
install() { DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends $missing >/dev/null; }
install 2>/dev/null || { $sudo apt-get update -q >/dev/null; install; }
