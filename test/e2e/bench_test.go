package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/report"
)

// benchScenario is short and has nothing but valid events, so that every sequence number is one row.
const benchScenario = `
name: e2e
seed: 7
load:
  stages: [{duration: 3s, rate: 2000}]
  connections: 8
  batch: 20
events: {duplicates: 0, invalid: 0, pool_bytes: 4MiB}
thresholds: {p99: 0s, queryable: 0s}
`

// benchRun runs the scenario and returns its result and directory.
func benchRun(t *testing.T, s *server, args ...string) (*report.Result, string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "scenario.yaml")
	if err := os.WriteFile(file, []byte(benchScenario), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := command(t, append([]string{"bench", "run", file, "--data", s.dir, "--key", devKey, "--out", dir}, args...)...)
	if code != 0 {
		t.Fatalf("bench run: exit code %d\n%s", code, out)
	}
	results, err := filepath.Glob(filepath.Join(dir, "*", report.FileName))
	if err != nil || len(results) != 1 {
		t.Fatalf("results: %v, %v", results, err)
	}
	r, err := report.Read(results[0])
	if err != nil {
		t.Fatal(err)
	}
	return r, filepath.Dir(results[0])
}

// TestBenchLedger shows that a run balances, that the ledger finds what is done to the table by hand, and nothing else.
func TestBenchLedger(t *testing.T) {
	s := start(t, t.TempDir())
	r, dir := benchRun(t, s)
	v := r.Ledger
	if v == nil || !v.Pass() || v.Accepted < 6000 || v.Rows != v.Accepted || !r.Pass {
		t.Fatalf("a clean run: pass %v, ledger %+v", r.Pass, v)
	}
	if r.Queryable == nil || r.Queryable.Count == 0 || r.Load.Latency.Count == 0 {
		t.Errorf("nothing was measured: %+v, %+v", r.Queryable, r.Load.Latency)
	}
	for _, name := range []string{"generator", "gateway", "broker", "clickhouse"} {
		if last := r.Samples[len(r.Samples)-1]; last.Processes[name].Resident == 0 {
			t.Errorf("process %s was not watched: %v", name, last.Processes)
		}
	}
	for _, name := range []string{"server", "clickhouse", "millrace"} {
		if r.Environment.Versions[name] == "" {
			t.Errorf("no version of %s: %v", name, r.Environment.Versions)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil || !strings.Contains(string(page), r.Run) || strings.Contains(string(page), `src="http`) {
		t.Errorf("the page: %v, %d bytes", err, len(page))
	}

	// The same verdict later, until somebody touches the table.
	verify := func() (string, int) { return command(t, "bench", "verify", dir, "--data", s.dir) }
	if out, code := verify(); code != 0 {
		t.Fatalf("bench verify of a clean run: exit code %d\n%s", code, out)
	}
	run, err := ledger.ParseRunID(r.Run)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(producer uint16, from, to uint64) string {
		var list []string
		for seq := from; seq <= to; seq++ {
			list = append(list, fmt.Sprintf("'%s'", ledger.ID(run, producer, seq)))
		}
		return strings.Join(list, ",")
	}
	s.exec("DELETE FROM millrace.events WHERE event_id IN (" + ids(2, 100, 119) + "," + ids(5, 7, 7) + ")")
	s.exec("INSERT INTO millrace.events SELECT * FROM millrace.events WHERE event_id IN (" + ids(3, 40, 44) + ")")
	s.exec("ALTER TABLE millrace.events UPDATE props = '{}' WHERE event_id IN (" + ids(4, 9, 10) + ") SETTINGS mutations_sync = 1")
	out, code := verify()
	if code != 99 {
		t.Errorf("bench verify after the table was changed: exit code %d, want 99", code)
	}
	fields := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		"lost 21 accepted, but not in ClickHouse producer 2: 100–119; producer 5: 7",
		"duplicated 5 in ClickHouse more often than sent producer 3: 40–44",
		"corrupted 2 the fields or the time in ClickHouse are not those that were sent producer 4: 9–10",
		"invented 0", "misordered 0", "misjudged 0", "refused_stored 0", "quarantine_lost 0",
	} {
		if !strings.Contains(fields, want) {
			t.Errorf("the verdict does not say %q:\n%s", want, out)
		}
	}
}

// TestBenchExitCodes: a threshold that fails is 99, a wrong scenario is 2, no server is 69.
func TestBenchExitCodes(t *testing.T) {
	s := start(t, t.TempDir())
	dir := t.TempDir()
	file := filepath.Join(dir, "strict.yaml")
	strict := strings.Replace(benchScenario, "p99: 0s", "p50: 1us", 1)
	strict = strings.Replace(strict, "duration: 3s", "duration: 1s", 1)
	if err := os.WriteFile(file, []byte(strict), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := command(t, "bench", "run", file, "--data", s.dir, "--key", devKey, "--out", dir, "--no-verify")
	if code != 99 || !strings.Contains(out, "p50") {
		t.Errorf("a threshold that cannot be kept: exit code %d\n%s", code, out)
	}
	if out, code := command(t, "bench", "run", file, "--batch", "-1", "--data", s.dir); code != 2 || !strings.Contains(out, "batch") {
		t.Errorf("a scenario that is none: exit code %d\n%s", code, out)
	}
	if out, code := command(t, "bench", "run", file, "--data", t.TempDir(), "--key", devKey); code != 69 {
		t.Errorf("without a server: exit code %d\n%s", code, out)
	}
	for want, args := range map[int][][]string{
		2:  {{"run", file, "--url", "ftp://127.0.0.1:1"}, {"run", file, "--url", "http://127.0.0.1:1", "--drain-idle", "-1s"}, {"compare", "--batch", "0"}, {"verify", dir}, {"run", "no-such-scenario"}},
		69: {{"run", file, "--url", "http://127.0.0.1:1", "--no-verify"}},
	} {
		for _, a := range args {
			if out, code := command(t, append(append([]string{"bench"}, a...), ifRun(a, "--key", devKey, "--out", t.TempDir())...)...); code != want {
				t.Errorf("bench %v: exit code %d, want %d\n%s", a, code, want, out)
			}
		}
	}
	results, err := filepath.Glob(filepath.Join(dir, "*", report.FileName))
	if err != nil || len(results) != 1 {
		t.Fatalf("results: %v, %v", results, err)
	}
	if out, code := command(t, "bench", "diff", results[0], results[0], "--json"); code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("bench diff: exit code %d\n%s", code, out)
	}
}

// ifRun adds options that only "bench run" has.
func ifRun(args []string, more ...string) []string {
	if args[0] == "run" {
		return more
	}
	return nil
}
