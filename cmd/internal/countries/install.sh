#!/bin/sh
# Installs the pinned database of countries by address (CC0-1.0) into the cache folder, once, and prints its path:
#
#   ${XDG_CACHE_HOME:-$HOME/.cache}/millrace/DIGEST/countries.mmdb
#
# npm fetches it from whatever registry it is configured for and checks it against the hash in package-lock.json. DIGEST is
# taken from that hash, so another version never overwrites one in use; millrace computes the same path.
set -eu

fail() {
	echo "countries: $*" >&2
	exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
package=@ip-location-db/geo-whois-asn-country-mmdb
file=geo-whois-asn-country.mmdb

integrity=$(sed -n "\\,\"node_modules/$package\",,/}/s/.*\"integrity\": \"sha512-\\(.*\\)\".*/\\1/p" "$here/package-lock.json")
[ -n "$integrity" ] || fail "package-lock.json pins no $package"

digest=$(printf %s "$integrity" | tr -dc 'A-Za-z0-9' | cut -c1-16)
cache=${XDG_CACHE_HOME:-${HOME:?countries: HOME is not set, so there is no cache folder; set XDG_CACHE_HOME}/.cache}/millrace
target=$cache/$digest/countries.mmdb

if [ -f "$target" ]; then
	echo "$target"
	exit 0
fi

command -v npm >/dev/null 2>&1 || fail "npm is not installed, and it is needed to fetch $package;" \
	"install Node.js with npm, or name a database of your own in enrich.country_database"

mkdir -p "$cache"
# Beside the target, so that the last step is a rename within one file system: the database is there whole or not at all.
work=$(mktemp -d "$cache/install.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

cp "$here/package.json" "$here/package-lock.json" "$work/"
echo "countries: fetching $package (about 5 MB, once)" >&2
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) ||
	fail "npm could not fetch $package; see its message above"

[ -f "$work/node_modules/$package/$file" ] || fail "$package has no file $file"
mkdir -p "$cache/$digest"
mv -f "$work/node_modules/$package/$file" "$target"
echo "$target"
