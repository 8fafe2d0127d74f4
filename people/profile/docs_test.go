package profile

import (
	"context"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
)

var docsBlock = regexp.MustCompile("(?s)\n```(json events|json profile|sql)\n(.*?)```\n")

// views are those that the queries read, in a database that is another one here.
var views = regexp.MustCompile(`FROM (\w+_q)\b`)

// blocks are the examples of the page that can be tried, by what they are.
func blocks(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/profiles.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, m := range docsBlock.FindAllStringSubmatch(string(page), -1) {
		all[m[1]] = append(all[m[1]], m[2])
	}
	return all
}

// The example of the page is what Fold makes.
func TestDocsExample(t *testing.T) {
	all := blocks(t)
	if len(all["json events"]) != 1 || len(all["json profile"]) != 1 {
		t.Fatalf("the page has the blocks %q", all)
	}
	var tab table
	var id byte
	for line := range strings.Lines(all["json events"][0]) {
		id++
		tab.write(event{id: id, ts: int64(id), traits: line})
	}
	props, _, _, _ := Fold(tab.all())
	if got := string(props) + "\n"; got != all["json profile"][0] {
		t.Errorf("the page says %s, it is %s", all["json profile"][0], got)
	}
	tab.write(event{id: id + 1, ts: int64(id) + 1, traits: `{"$clear":true,"$set":{"plan":"free"}}`})
	if props, _, _, _ := Fold(tab.all()); string(props) != `{"plan":"free"}` {
		t.Errorf("the page says that it ends as {\"plan\":\"free\"}, it is %s", props)
	}
}

// Each query of the page runs on the tables as they are, and finds something.
func TestDocsQueries(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{enginetest.ClickHouse(t).TCP}, "profiles"
	db, err := clickhouse.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the server ends with the test
	if err := clickhouse.Up(ctx, db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO profiles.profiles (project_id, person_h, distinct_id, props, ids, first_at, updated_at, version) SELECT 1, cityHash64('ada'), 'ada', '{"plan":"pro","visits":3}', 1, now64(3), now64(3), 1`,
		`INSERT INTO profiles.groups (project_id, group_h, group_id, props, first_at, updated_at, version) SELECT 1, cityHash64('acme'), 'acme', '{"name":"Acme","seats":5}', now64(3), now64(3), 1`,
		`INSERT INTO profiles.events (project_id, event_id, type, event, distinct_id, user_h, ts, revenue) SELECT 1, generateUUIDv4(), 'track', 'Order Paid', 'ada', cityHash64('ada'), now64(3), 49.9`,
	} {
		if err := db.Conn().Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	queries := blocks(t)["sql"]
	if len(queries) < 4 {
		t.Errorf("the page has %d queries", len(queries))
	}
	for _, query := range queries {
		query = views.ReplaceAllString(query, "FROM profiles.$1")
		var rows uint64
		if err := db.Conn().QueryRow(ctx, "SELECT count() FROM ("+query+")").Scan(&rows); err != nil || rows != 1 {
			t.Errorf("%d rows, %v, of %s", rows, err, query)
		}
	}
}
