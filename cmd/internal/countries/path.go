package countries

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed package-lock.json
var lockfile []byte

const pinned = "@ip-location-db/geo-whois-asn-country-mmdb"

var notAlphanumeric = regexp.MustCompile(`[^A-Za-z0-9]+`)

// Path returns where install.sh puts the pinned database: in the user's cache, in a folder named after the hash that the lockfile pins, so that two versions of millrace
// never share one.
func Path() (string, error) {
	var lock struct {
		Packages map[string]struct {
			Integrity string `json:"integrity"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(lockfile, &lock); err != nil {
		return "", fmt.Errorf("read lockfile: %w", err)
	}
	integrity, ok := strings.CutPrefix(lock.Packages["node_modules/"+pinned].Integrity, "sha512-")
	digest := notAlphanumeric.ReplaceAllString(integrity, "")
	if !ok || len(digest) < 16 {
		return "", fmt.Errorf("the lockfile pins no %s", pinned)
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find cache folder: %w", err)
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "millrace", digest[:16], "countries.mmdb"), nil
}
