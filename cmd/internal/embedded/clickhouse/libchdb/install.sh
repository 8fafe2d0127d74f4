#!/bin/sh
# Installs the pinned libchdb.so (ClickHouse as a shared library) into the cache folder, once, and prints its path:
#
#   ${XDG_CACHE_HOME:-$HOME/.cache}/millrace/DIGEST/libchdb.so
#
# npm fetches it from whatever registry it is configured for and checks it against the hash in package-lock.json. DIGEST is
# taken from that hash, so another version never overwrites a running one; millrace computes the same path.
set -eu

fail() {
	echo "libchdb: $*" >&2
	exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

case "$(uname -s)/$(uname -m)" in
Linux/x86_64) package=@chdb/lib-linux-x64-gnu ;;
Linux/aarch64) package=@chdb/lib-linux-arm64-gnu ;;
Darwin/arm64) package=@chdb/lib-darwin-arm64 ;;
Darwin/x86_64) package=@chdb/lib-darwin-x64 ;;
*) package=none ;;
esac

integrity=$(sed -n "\\,\"node_modules/$package\",,/}/s/.*\"integrity\": \"sha512-\\(.*\\)\".*/\\1/p" "$here/package-lock.json")
[ -n "$integrity" ] || fail "no library is pinned for $(uname -s) on $(uname -m);" \
	"put a clickhouse program of version 26.6 or later on PATH, or set clickhouse.addresses to a running server"

digest=$(printf %s "$integrity" | tr -dc 'A-Za-z0-9' | cut -c1-16)
cache=${XDG_CACHE_HOME:-${HOME:?libchdb: HOME is not set, so there is no cache folder; set XDG_CACHE_HOME}/.cache}/millrace
target=$cache/$digest/libchdb.so

if [ -f "$target" ]; then
	echo "$target"
	exit 0
fi

command -v npm >/dev/null 2>&1 || fail "npm is not installed, and it is needed to fetch $package;" \
	"install Node.js with npm, or put a clickhouse program of version 26.6 or later on PATH"

mkdir -p "$cache"
# Beside the target, so that the last step is a rename within one file system: the library is there whole or not at all.
work=$(mktemp -d "$cache/install.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

cp "$here/package.json" "$here/package-lock.json" "$work/"
echo "libchdb: fetching $package (about 180 MB, once)" >&2
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) ||
	fail "npm could not fetch $package; see its message above"

# npm skips an optional package that does not fit the machine without a word.
[ -f "$work/node_modules/$package/libchdb.so" ] || fail "npm did not install $package; it needs glibc on $(uname -s) $(uname -m)"
mkdir -p "$cache/$digest"
mv -f "$work/node_modules/$package/libchdb.so" "$target"
echo "$target"
