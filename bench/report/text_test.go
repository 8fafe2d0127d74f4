package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/observe"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not as in %s (-update writes it anew):\n%s", path, got)
	}
}

func text(r *Result, color bool) string {
	var b bytes.Buffer
	Text(&b, r, color)
	return b.String()
}

func TestText(t *testing.T) {
	golden(t, "text.golden", text(generated(t, 60, 1), false))
}

func TestTextColor(t *testing.T) {
	r := fine()
	r.Ledger.Lost.Count = 3
	r.Judge()
	got := text(r, true)
	if !strings.Contains(got, red+"FAIL"+plain+"  lost ") || !strings.Contains(got, green+"pass"+plain+"  p99 ") {
		t.Errorf("no colours:\n%s", got)
	}
	if strings.Contains(text(r, false), "\x1b") {
		t.Error("colours although none were asked for")
	}
}

func TestTextLedger(t *testing.T) {
	r := fine()
	r.Ledger.Complete, r.Ledger.Drained, r.Ledger.Unrecorded = false, false, 77
	r.Ledger.Lost = ledger.Finding{Count: 5, Ranges: []ledger.Range{{Producer: 3, From: 1000, To: 1002}, {Producer: 9, From: 1, To: 2}}}
	r.Judge()
	got := text(r, false)
	for _, want := range []string{"DOES NOT BALANCE", "77 rows lie beyond", "may only be late", "lost 5: ", "producer 3: 1000–1002"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}

func TestTextLittleKnown(t *testing.T) {
	r := &Result{Aborted: true}
	r.Judge()
	got := text(r, false)
	for _, want := range []string{"FAIL", "aborted", "queryable   not measured", "ledger      not compared"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if page := render(t, r); strings.Contains(got, "had everything") || strings.Contains(page, "had everything") {
		t.Error("tells of the end of a wait that nobody waited")
	}
}

// TestTextHostile: what others have named cannot steer the terminal.
func TestTextHostile(t *testing.T) {
	const hostile = "a\x1b[2J\r\nb\u202e\x00"
	r := fine()
	r.Scenario.Name, r.Run, r.Target, r.Durability, r.Scenario.Load.Dialect = hostile, hostile, hostile, hostile, hostile
	r.Load.ErrorKinds = map[string]uint64{hostile: 1}
	r.Samples = []observe.Sample{{Processes: map[string]observe.Usage{hostile: {}}}}
	r.Ledger.Run = hostile
	r.Judge()
	got := text(r, false)
	if i := strings.IndexAny(got, "\x1b\r\u202e\x00"); i >= 0 {
		t.Errorf("%q", got[max(0, i-20):i+10])
	}
}
