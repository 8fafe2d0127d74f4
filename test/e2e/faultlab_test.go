package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFaultlab runs one kind of fault for a few injections, as `make faultlab` does with all: the sink is killed, and the ledger balances.
func TestFaultlab(t *testing.T) {
	dir := t.TempDir()
	out, code := commandWithin(t, 3*time.Minute, "faultlab", "run", "--only", "sink-kill", "--injections", "3", "--dir", dir, "--keep")
	if code != 0 || !strings.Contains(out, "3 planned, 3 fired, 3 bit") || !strings.Contains(out, "each stored once, unchanged and in order") {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	results, err := filepath.Glob(filepath.Join(dir, "*", "result.json"))
	if err != nil || len(results) != 1 {
		t.Errorf("results: %v, %v", results, err)
	}

	// Without failpoints nothing can be stopped at a step, and a wrong name is told.
	if out, code := command(t, "faultlab", "run", "--only", "zombie", "--dir", dir); code != 2 || !strings.Contains(out, "make faultlab") {
		t.Errorf("zombie: exit code %d\n%s", code, out)
	}
	if out, code := command(t, "faultlab", "run", "--only", "sinkkill", "--dir", dir); code != 2 || !strings.Contains(out, "faultlab list") {
		t.Errorf("a wrong name: exit code %d\n%s", code, out)
	}
}
