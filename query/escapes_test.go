package query

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/access"
	"github.com/millrace/millrace/schema/clickhouse/access/escapes"
)

// siege makes attempts to see what is project 2's, with a key of project 1, and judges what comes back.
type siege struct {
	*world
	canaries escapes.World
	shown    []string // the views that everybody knows
	tallies  map[string]*tally
}

// tally counts the attempts of a category.
type tally struct {
	attempts, refused int
	// shown counts the attempts of the control, with project 2's own key, which did bring its values to light.
	shown int
}

// TestEscapes makes every known attempt to see or do what is not for the key's project, by way of every part of a request. Values that are nowhere but with project 2
// must not come to light, in a status, a header or a body, and no refusal may tell of machines or accounts. With project 2's key the same requests do show them.
func TestEscapes(t *testing.T) {
	s := startSiege(t)
	rows := s.operator("SELECT count(), groupBitXor(cityHash64(*)) FROM " + testDatabase + ".events")
	t.Run("statements", s.statements)
	t.Run("index", s.index)
	t.Run("views", s.views)
	t.Run("questions", s.questions)
	t.Run("settings", s.settings)
	t.Run("requests", s.requests)
	t.Run("bodies", s.bodies)
	t.Run("running", s.running)

	if now := s.operator("SELECT count(), groupBitXor(cityHash64(*)) FROM " + testDatabase + ".events"); now != rows {
		t.Errorf("the rows %s became %s", rows, now)
	}
	if made, err := filepath.Glob(s.canaries.Secret + "?*"); err != nil || made != nil {
		t.Errorf("files were written: %q, %v", made, err)
	}
	if got := s.operator("SELECT count() FROM system.tables WHERE name = 'mine'"); got != "0" {
		t.Errorf("%s tables were made", got)
	}
	if panics := s.counter("millrace_query_panics_total"); panics != "0" {
		t.Errorf("%s panics", panics)
	}
	// What was asked is in no log, and so is nothing that could have been seen.
	for _, planted := range append([]string{"SELECT", ourKey, theirKey}, secrets()...) {
		if strings.Contains(strings.ToLower(s.log.String()), strings.ToLower(planted)) {
			t.Errorf("the log has %q", planted)
		}
	}
	attempts, refused := 0, 0
	for _, category := range slices.Sorted(maps.Keys(s.tallies)) {
		n := s.tallies[category]
		t.Logf("%-24s %4d attempts, %4d refused, %3d of the control showed a secret", category, n.attempts, n.refused, n.shown)
		attempts, refused = attempts+n.attempts, refused+n.refused
	}
	t.Logf("%-24s %4d attempts, %4d refused", "in all", attempts, refused)
	if attempts < 1000 || refused < 500 {
		t.Errorf("%d attempts and %d refused: some are lost", attempts, refused)
	}
}

// startSiege plants what is not to be seen: in rows, in the log of queries, in a file of the engine's.
func startSiege(t *testing.T) *siege {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(escapes.FileToken), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &siege{
		canaries: escapes.World{Database: testDatabase, Views: access.ViewsDatabase(testDatabase), Own: 1, Canary: 2, Secret: secret},
		tallies:  map[string]*tally{},
	}
	s.world = frontOf(t, startEmpty(t, func(ctx context.Context, db *clickhouse.DB) error {
		for _, statement := range s.canaries.Seed() {
			if err := db.Conn().Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}), nil)
	s.shown = strings.Fields(s.operator("SELECT name FROM system.tables WHERE database = '" + s.canaries.Views + "'"))
	// Its users come back, so that there are paths, and can be found by their names.
	s.operator("INSERT INTO " + testDatabase + ".events SELECT * REPLACE (ts + toIntervalMillisecond(1 + n) AS ts, event || repeat('!', n) AS event, cityHash64(distinct_id) AS user_h) FROM " + testDatabase +
		".events ARRAY JOIN [1, 2] AS n WHERE project_id = 2")
	// Project 2 has asked, too, and failed with a value of its own.
	s.do("POST", "/v1/query/sql", theirKey, sqlText("SELECT toUInt8({v:String}), '"+escapes.Tokens[0]+"'", map[string]any{"v": escapes.Tokens[0]}))
	s.operator("SYSTEM FLUSH LOGS")
	for _, planted := range []string{
		"SELECT count() FROM system.query_log WHERE query LIKE '%" + escapes.Tokens[0] + "%' AND user = 'p2_analyst'",
		"SELECT count() FROM " + testDatabase + ".quarantine WHERE payload LIKE '%" + escapes.Tokens[0] + "%'",
		"SELECT count() FROM " + testDatabase + ".events WHERE project_id = 2 AND event LIKE '%" + escapes.Tokens[0] + "%'",
	} {
		if s.operator(planted) == "0" {
			t.Fatalf("nothing is planted: %s", planted)
		}
	}
	return s
}

// secrets must never be seen, whatever the case of their letters.
func secrets() []string {
	sum := sha256.Sum256([]byte(accountPassword))
	return append([]string{accountPassword, hex.EncodeToString(sum[:])}, escapes.Tokens...)
}

// machinery is what no refusal tells.
func (s *siege) machinery() []string {
	return []string{"p1_", "p2_", access.Definer, "DB::", "(version", "Stack trace", s.engine.HTTP, s.engine.TCP, s.engine.Dir}
}

// tableNamed finds the tables behind the views, where a refusal names one.
var tableNamed = regexp.MustCompile(`\b` + testDatabase + "[.`]+(\\w+)")

// judge looks for what must not be seen in an answer to project 1. What was sent may come back.
func (s *siege) judge(t *testing.T, category, sent string, r reply) {
	t.Helper()
	n := s.tallies[category]
	if n == nil {
		n = &tally{}
		s.tallies[category] = n
	}
	n.attempts++
	for _, token := range secretsIn(r, sent) {
		t.Errorf("%s: %.500s shows %q: %v %.1000s", category, sent, token, r.header, r)
	}
	if r.status == http.StatusOK {
		return
	}
	n.refused++
	d := r.document(t)
	known := false
	for _, c := range codes {
		known = known || d["code"] == c.Text && r.status == c.Status
	}
	if !known || r.header.Get("Content-Type") != "application/problem+json" || d["code"] == codeInternal.String() || d["code"] == codeEngineUnavailable.String() {
		t.Errorf("%s: %.500s was not refused as it should be: %.1000s", category, sent, r)
	}
	for _, never := range s.machinery() {
		if strings.Contains(string(r.body), never) && !strings.Contains(sent, never) {
			t.Errorf("%s: the refusal of %.500s tells %q: %.1000s", category, sent, never, r)
		}
	}
	for _, m := range tableNamed.FindAllStringSubmatch(string(r.body), -1) {
		if !strings.Contains(sent, m[1]) && !slices.Contains(s.shown, m[1]) {
			t.Errorf("%s: the refusal of %.500s names the table %s: %.1000s", category, sent, m[0], r)
		}
	}
}

// secretsIn are those that an answer shows and that were not sent.
func secretsIn(r reply, sent string) []string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", r.status)
	_ = r.header.Write(&b) // a Builder takes everything
	b.Write(r.body)
	seen := strings.ToLower(b.String())
	if id := r.header.Get("X-Request-Id"); id != "" {
		seen = strings.ReplaceAll(seen, id, "") // any digits may be in it
	}
	var shown []string
	for _, token := range secrets() {
		if strings.Contains(seen, strings.ToLower(token)) && !strings.Contains(strings.ToLower(sent), strings.ToLower(token)) {
			shown = append(shown, token)
		}
	}
	return shown
}

// control counts what project 2 sees with its own key, and returns whether it is a secret.
func (s *siege) control(category string, r reply, sent string) bool {
	if len(secretsIn(r, sent)) == 0 {
		return false
	}
	s.tallies[category].shown++
	return true
}

// alive sees to it that questions are still answered, and rightly.
func (s *siege) alive(t *testing.T) {
	t.Helper()
	if got := s.sql("SELECT count(), max(project_id) FROM events").rows(t); got != "[[3,1]]" {
		t.Errorf("afterwards project 1 sees %s", got)
	}
}
