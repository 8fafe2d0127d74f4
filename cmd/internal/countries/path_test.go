package countries

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oschwald/maxminddb-golang/v2"
)

// The script and the code must agree on the path.
func TestInstallScriptAgreesOnPath(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	want, err := Path()
	if err != nil {
		t.Fatal(err)
	}
	// With the file there the script has nothing to fetch.
	if err := os.MkdirAll(filepath.Dir(want), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(want, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("./install.sh").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("script %s, code %s", got, want)
	}
}

func TestInstallScriptWithoutNpm(t *testing.T) {
	bin := t.TempDir()
	for _, tool := range []string{"sh", "sed", "tr", "cut", "dirname"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("./install.sh")
	cmd.Env = []string{"PATH=" + bin, "XDG_CACHE_HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "npm is not installed") || !strings.Contains(string(out), "enrich.country_database") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestLockfileNamesNoAddress(t *testing.T) {
	if strings.Contains(string(lockfile), "resolved") || strings.Contains(string(lockfile), "://") {
		t.Error("the lockfile records where the package came from")
	}
}

// TestDatabase looks a few well-known networks up in what make deps has installed.
func TestDatabase(t *testing.T) {
	path, err := Path()
	if err != nil {
		t.Fatal(err)
	}
	db, err := maxminddb.Open(path)
	if err != nil {
		t.Fatalf("%v: run make deps", err)
	}
	defer func() { _ = db.Close() }()
	for address, want := range map[string]string{
		"8.8.8.8":       "US",
		"193.99.144.80": "DE", // a publisher in Hannover
		"133.11.0.1":    "JP", // a university in Tokyo
		"2a02:6b8::1":   "RU",
	} {
		var code string
		if err := db.Lookup(netip.MustParseAddr(address)).DecodePath(&code, "country_code"); err != nil || code != want {
			t.Errorf("%s is in %q (%v), want %q", address, code, err, want)
		}
	}
}
