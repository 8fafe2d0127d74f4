package clickhouse

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// minBinary is the first release whose `clickhouse local` can open ports.
var minBinary = version{26, 6}

// ErrNoEngine reports that this machine has no ClickHouse that can be run.
var ErrNoEngine = errors.New("no ClickHouse engine found")

// Engine is a ClickHouse that can be run: one of the two is set.
type Engine struct {
	Library string // path of libchdb.so
	Binary  string // path of a clickhouse program
	// Skipped says why a clickhouse program on PATH was not taken; empty when there is none.
	Skipped string
}

// String names the engine for people.
func (e Engine) String() string {
	if e.Binary != "" {
		return e.Binary
	}
	return e.Library
}

// Locate finds the engine: the library or program that cfg names, else a `clickhouse` on PATH that is new enough, else the
// library that `make deps` installs. The error wraps ErrNoEngine and names the cures.
func Locate(ctx context.Context, cfg Config) (Engine, error) {
	switch {
	case cfg.Binary != "":
		if err := checkBinary(ctx, cfg.Binary); err != nil {
			return Engine{}, fmt.Errorf("%w: clickhouse.binary: %w", ErrNoEngine, err)
		}
		return Engine{Binary: cfg.Binary}, nil
	case cfg.Library != "":
		if _, err := os.Stat(cfg.Library); err != nil {
			return Engine{}, fmt.Errorf("%w: clickhouse.library: %w", ErrNoEngine, err)
		}
		return Engine{Library: cfg.Library}, nil
	}
	var e Engine
	if path, err := exec.LookPath("clickhouse"); err == nil {
		if err := checkBinary(ctx, path); err == nil {
			return Engine{Binary: path}, nil
		} else {
			e.Skipped = err.Error()
		}
	}
	path, err := LibraryPath()
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		if e.Skipped != "" {
			err = fmt.Errorf("%w; %s", err, e.Skipped)
		}
		return Engine{}, fmt.Errorf("%w: %w: run `make deps`, or put a clickhouse program of version %v or later on PATH, or set clickhouse.addresses to a running server", ErrNoEngine, err, minBinary)
	}
	e.Library = path
	return e, nil
}

//go:embed libchdb/package-lock.json
var lockfile []byte

// packages maps GOOS/GOARCH to the npm package with the library for it.
var packages = map[string]string{
	"linux/amd64":  "@chdb/lib-linux-x64-gnu",
	"linux/arm64":  "@chdb/lib-linux-arm64-gnu",
	"darwin/amd64": "@chdb/lib-darwin-x64",
	"darwin/arm64": "@chdb/lib-darwin-arm64",
}

var notAlphanumeric = regexp.MustCompile(`[^A-Za-z0-9]+`)

// LibraryPath returns where libchdb/install.sh puts the pinned library: in the user's cache, in a folder named after the
// hash that the lockfile pins, so that two versions of millrace never share a library.
func LibraryPath() (string, error) {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	var lock struct {
		Packages map[string]struct {
			Integrity string `json:"integrity"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(lockfile, &lock); err != nil {
		return "", fmt.Errorf("read lockfile: %w", err)
	}
	integrity, ok := strings.CutPrefix(lock.Packages["node_modules/"+packages[platform]].Integrity, "sha512-")
	if !ok {
		return "", fmt.Errorf("no library is pinned for %s", platform)
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find cache folder: %w", err)
		}
		cache = filepath.Join(home, ".cache")
	}
	digest := notAlphanumeric.ReplaceAllString(integrity, "")[:16]
	return filepath.Join(cache, "millrace", digest, "libchdb.so"), nil
}

// checkBinary asks the program for its version.
func checkBinary(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "local", "--version").Output()
	if err != nil {
		return fmt.Errorf("%s local --version: %w", path, err)
	}
	v, ok := parseVersion(string(out))
	if !ok {
		return fmt.Errorf("%s names no version: %q", path, strings.TrimSpace(string(out)))
	}
	if v.less(minBinary) {
		return fmt.Errorf("%s is version %v, and only from %v on can `clickhouse local` open ports", path, v, minBinary)
	}
	return nil
}

// version is a ClickHouse release: year and month, or what counts as such.
type version struct{ major, minor int }

func (v version) String() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }

func (v version) less(w version) bool {
	return v.major < w.major || v.major == w.major && v.minor < w.minor
}

var versionPattern = regexp.MustCompile(`\b(\d{2})\.(\d{1,2})\.\d`)

func parseVersion(text string) (version, bool) {
	m := versionPattern.FindStringSubmatch(text)
	if m == nil {
		return version{}, false
	}
	major, errMajor := strconv.Atoi(m[1])
	minor, errMinor := strconv.Atoi(m[2])
	return version{major, minor}, errMajor == nil && errMinor == nil
}
