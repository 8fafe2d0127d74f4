package clickhouse

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The script and the code must agree on the path; the library is there, or no test of this package could run.
func TestInstallScriptAgreesOnPath(t *testing.T) {
	want, err := LibraryPath()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("libchdb/install.sh").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("script %s, code %s", got, want)
	}
}

func TestInstallScriptWithoutNpm(t *testing.T) {
	bin := t.TempDir()
	for _, tool := range []string{"sh", "uname", "sed", "tr", "cut", "dirname"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("libchdb/install.sh")
	cmd.Env = []string{"PATH=" + bin, "XDG_CACHE_HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "npm is not installed") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestLockfileNamesNoAddress(t *testing.T) {
	if strings.Contains(string(lockfile), "resolved") || strings.Contains(string(lockfile), "://") {
		t.Error("the lockfile records where a package came from")
	}
	if !strings.Contains(string(lockfile), `"version": "26.7.3-stable.1"`) {
		t.Error("the lockfile pins another version")
	}
}

func TestLocateOrder(t *testing.T) {
	bin := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(bin, "clickhouse")); err != nil {
		t.Fatal(err)
	}
	installed, err := LibraryPath()
	if err != nil {
		t.Fatal(err)
	}
	onPath := filepath.Join(bin, "clickhouse")
	for _, c := range []struct {
		name, path, version, cache string
		cfg                        Config
		want                       Engine
		fails                      []string
	}{
		{name: "nothing on PATH", want: Engine{Library: installed}},
		{name: "new program on PATH", path: bin, version: "26.6.1", want: Engine{Binary: onPath}},
		{name: "old program on PATH", path: bin, version: "25.12.3", want: Engine{Library: installed, Skipped: onPath + " is version 25.12, and only from 26.6 on can `clickhouse local` open ports"}},
		{name: "broken program on PATH", path: bin, version: "x", want: Engine{Library: installed, Skipped: onPath + ` names no version: "ClickHouse local version x.1 (official build)."`}},
		{name: "configured library", path: bin, version: "26.6.1", cfg: Config{Library: os.Args[0]}, want: Engine{Library: os.Args[0]}},
		{name: "configured program", version: "27.1.2", cfg: Config{Binary: os.Args[0]}, want: Engine{Binary: os.Args[0]}},
		{name: "configured library is missing", cfg: Config{Library: "/none"}, fails: []string{"clickhouse.library", "/none"}},
		{name: "configured program is old", version: "24.8.1", cfg: Config{Binary: os.Args[0]}, fails: []string{"clickhouse.binary", "24.8", "26.6"}},
		{name: "nothing at all", cache: bin, fails: []string{"make deps", "clickhouse.addresses"}},
		{name: "only an old program", path: bin, version: "24.8.1", cache: bin, fails: []string{"make deps", "24.8"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("PATH", c.path)
			t.Setenv("CLICKHOUSE_TEST_VERSION", c.version)
			if c.cache != "" {
				t.Setenv("XDG_CACHE_HOME", c.cache)
			}
			got, err := Locate(t.Context(), c.cfg)
			if c.fails == nil {
				if err != nil || got != c.want {
					t.Errorf("got %#v, %v, want %#v", got, err, c.want)
				}
				return
			}
			if !errors.Is(err, ErrNoEngine) {
				t.Fatalf("error %v", err)
			}
			for _, want := range c.fails {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v does not name %s", err, want)
				}
			}
		})
	}
}

func TestConfigReportsEveryProblem(t *testing.T) {
	cfg := Config{Dir: "x", HTTPPort: 70000, Library: "a", Binary: "b"}
	err := cfg.Validate()
	for _, key := range []string{"clickhouse.dir", "clickhouse.http_port", "clickhouse.tcp_port", "clickhouse.embedded_max_memory_bytes", "clickhouse.library"} {
		if err == nil || !strings.Contains(err.Error(), key+":") {
			t.Errorf("%v does not name %s", err, key)
		}
	}
}
