package e2e

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMisuse: words that make no sense end with 2, on one line that nothing stands before, also nothing of a library's.
func TestMisuse(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"frob", `unknown command "frob" for "millrace" (see millrace --help)`},
		{"serv", `unknown command "serv" for "millrace", did you mean send or serve? (see millrace --help)`},
		{"config frob", `unknown command "frob" for "millrace config" (see millrace config --help)`},
		{"migrate stats", `unknown command "stats" for "millrace migrate", did you mean status? (see millrace migrate --help)`},
		{"serve now", `unknown command "now" for "millrace serve" (see millrace serve --help)`},
		{"serve --lisen x", `unknown flag: --lisen (see millrace serve --help)`},
		{"serve --role both", `--role is "both": choose all, ingest, sink, query or jobs`},
		{"keys create", `accepts 1 arg(s), received 0 (see millrace keys create --help)`},
	} {
		out, code := command(t, strings.Fields(c.args)...)
		if want := "millrace: " + c.want + "\n"; out != want || code != 2 {
			t.Errorf("%s: exit code %d, want 2, output\n%s\nwant\n%s", c.args, code, out, want)
		}
	}
}

// TestBusyPortThatWasChosen: only a port that nobody asked for may be another one. The ports of a killed server are gone, too.
func TestBusyPortThatWasChosen(t *testing.T) {
	const address = "127.0.0.1:7080" // the default, written out
	if ln, err := net.Listen("tcp", address); err == nil {
		defer ln.Close() //nolint:errcheck // nothing was sent
	}
	dir := t.TempDir()
	stale := filepath.Join(dir, "run", "ports.json")
	if err := os.Mkdir(filepath.Dir(stale), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stale, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := command(t, "serve", "--data", dir, "--admin.listen", "127.0.0.1:0", "--ingest.listen", address)
	if code != 1 || !strings.Contains(out, address) || !strings.Contains(out, "choose another address with --ingest.listen") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ports of the server before are still there: %v", err)
	}
}

// command runs millrace and returns what it printed on both outputs.
func command(t *testing.T, args ...string) (string, int) {
	t.Helper()
	return commandWithin(t, 30*time.Second, args...)
}

// commandWithin is command for what takes longer.
func commandWithin(t *testing.T, within time.Duration, args ...string) (string, int) {
	t.Helper()
	// One that goes on although it should not is killed, which shows as exit code -1.
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !asExit(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
