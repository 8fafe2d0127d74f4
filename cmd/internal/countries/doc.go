// Package countries knows where the database of countries by address is that `make deps` installs: pinned by package-lock.json, fetched once by install.sh, read by enrichment. The data is
// ip-location-db's geo-whois-asn-country (CC0-1.0). It does no more than work out a path.
package countries
