package access_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse/access"
	"github.com/millrace/millrace/schema/clickhouse/access/escapes"
)

// seeded is an engine with the rows of a world.
func seeded(t *testing.T, plan access.Plan) (*enginetest.Engine, escapes.World) {
	t.Helper()
	w := escapes.World{Database: database, Views: access.ViewsDatabase(database), Own: own, Canary: canary, Secret: filepath.Join(t.TempDir(), "secret")}
	if err := os.WriteFile(w.Secret, []byte(escapes.FileToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	engine := migrated(t, plan)
	all := overHTTP(engine, "default")
	for _, sql := range w.Seed() {
		must(t, all, sql)
	}
	return engine, w
}

// calls are the attempts with each view of the database, in pairs.
func calls(t *testing.T, engine *enginetest.Engine, w escapes.World) [][]escapes.Attempt {
	t.Helper()
	var all [][]escapes.Attempt
	for line := range strings.Lines(must(t, overHTTP(engine, "default"), "SELECT name, as_select FROM system.tables WHERE database = '"+database+"' AND engine = 'View' FORMAT TSVRaw")) {
		view, query, _ := strings.Cut(line, "\t")
		if pair := w.Calls(view, query); pair != nil {
			all = append(all, pair)
		}
	}
	if len(all) < 10 {
		t.Fatalf("found %d views with parameters", len(all))
	}
	return all
}

func TestNoEscape(t *testing.T) {
	engine, w := seeded(t, access.Users(database, []uint32{own, canary}, password))
	attempts := w.Attempts()
	views := calls(t, engine, w)
	distinct := map[string]bool{}
	for _, a := range attempts {
		distinct[fmt.Sprint(a.SQL, a.Params, a.Settings)] = true
	}
	if n := len(distinct) + len(views); n < 200 {
		t.Errorf("%d attempts only", n)
	}
	t.Logf("%d attempts, %d views with parameters", len(distinct), len(views))
	pid := engine.PID()
	t.Run("as", func(t *testing.T) {
		for _, user := range []string{access.Reader(own), access.Analyst(own)} {
			for way, ask := range map[string]asker{"HTTP": overHTTP(engine, user), "native": overNative(t, engine, user)} {
				t.Run(user+" over "+way, func(t *testing.T) {
					t.Parallel()
					try(t, w, ask, attempts, views)
				})
			}
		}
	})
	if engine.PID() != pid {
		t.Error("the engine did not live through it")
	}
	// What was tried has left nothing behind.
	if made, err := filepath.Glob(w.Secret + "?*"); err != nil || made != nil {
		t.Errorf("files were written: %q, %v", made, err)
	}
	all := overHTTP(engine, "default")
	if got := must(t, all, "SELECT count() FROM "+database+".events"); got != "8" {
		t.Errorf("%s rows of both projects are left", got)
	}
	if got := must(t, all, "SELECT count() FROM system.tables WHERE name = 'mine'"); got != "0" {
		t.Errorf("%s tables were made", got)
	}
}

// try makes all attempts.
func try(t *testing.T, w escapes.World, ask asker, attempts []escapes.Attempt, views [][]escapes.Attempt) {
	t.Helper()
	for _, a := range attempts {
		answer, err := ask(a.SQL, a.Params, a.Settings)
		if err := w.Judge(a, answer, err); err != nil {
			t.Errorf("%s: %v", a.Group, err)
		}
	}
	for _, pair := range views {
		var answers [2]string
		for i, a := range pair {
			answer, err := ask(a.SQL, nil, nil)
			if judged := w.Judge(a, answer, err); judged != nil || err != nil {
				t.Errorf("%s: %v, %v", a.SQL, judged, err)
			}
			answers[i] = answer
		}
		if answers[0] != answers[1] {
			t.Errorf("%s gave %q, and for a project that nobody has %q", pair[0].SQL, answers[0], answers[1])
		}
	}
}

// With the filter taken away, the attempts see the canary: they could tell.
func TestEscapesNoticeAMissingFilter(t *testing.T) {
	engine, w := seeded(t, access.Users(database, []uint32{own, canary}, password))
	all := overHTTP(engine, "default")
	for view := range strings.Lines(must(t, all, "SELECT name FROM system.tables WHERE database = '"+w.Views+"'")) {
		create := must(t, all, "SHOW CREATE TABLE "+w.Views+"."+strings.TrimSuffix(view, "\n")+" FORMAT TSVRaw")
		// In the name of somebody who sees all.
		unfiltered := strings.Replace(create, "DEFINER = "+access.Definer, "DEFINER = default", 1)
		if unfiltered == create {
			t.Fatalf("no view of %s: %s", access.Definer, create)
		}
		must(t, all, strings.Replace(unfiltered, "CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
	}
	ask := overHTTP(engine, access.Analyst(own))
	shown := map[string]int{}
	for _, a := range w.Attempts() {
		answer, err := ask(a.SQL, a.Params, a.Settings)
		if w.Judge(a, answer, err) != nil {
			shown[a.Group]++
		}
	}
	for group, least := range map[string]int{"rows": 40, "leaks": 15, "people": 100} {
		if shown[group] < least {
			t.Errorf("of group %s %d attempts notice, want %d at least", group, shown[group], least)
		}
	}
	noticed := 0
	for _, pair := range calls(t, engine, w) {
		canary, err := ask(pair[0].SQL, nil, nil)
		nobody, nobodyErr := ask(pair[1].SQL, nil, nil)
		if err != nil || nobodyErr != nil {
			t.Error(err, nobodyErr)
		}
		if w.Judge(pair[0], canary, nil) != nil || canary != nobody {
			noticed++
		}
	}
	if noticed < 8 {
		t.Errorf("%d calls of views notice, want 8 at least", noticed)
	}
	t.Logf("noticed: %v, and %d calls of views", shown, noticed)
}
