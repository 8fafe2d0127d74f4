package queries

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
	schema "github.com/millrace/millrace/schema/clickhouse"
)

// patience bounds a test's whole talk with the server.
const patience = 3 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// loaded is a server with both tables filled.
func loaded(t *testing.T, o *Options) (*server, *stream, []inserted) {
	t.Helper()
	cfg := schema.DefaultConfig()
	cfg.Addresses = []string{enginetest.ClickHouse(t).TCP}
	s, err := openServer(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(false); err != nil {
			t.Error(err)
		}
	})
	stream := newStream(o)
	all, err := (&loader{o: o, s: s, stream: stream}).load(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return s, stream, all
}

func mustExec(t *testing.T, s *server, statement string) {
	t.Helper()
	if err := s.exec(within(t), statement); err != nil {
		t.Fatal(err)
	}
}

// TestBrokenCopyIsNoticed changes one row on one side, in ways that a checksum must tell, and in one that an answer must.
func TestBrokenCopyIsNoticed(t *testing.T) {
	o := small(20_000)
	o.BlockRows = 2000
	o.Until = time.Now().UTC().Truncate(24 * time.Hour)
	s, stream, _ := loaded(t, &o)
	ctx := within(t)
	same, err := s.compareTables(ctx, o.Rows)
	if err != nil || same.Rows != uint64(o.Rows) || same.Days < Days {
		t.Fatalf("%+v, %v", same, err)
	}
	if _, err := s.compareTables(ctx, o.Rows+1); !errors.Is(err, ErrDiffer) {
		t.Errorf("one event more was made than is stored: %v", err)
	}
	i := &interview{o: &o, s: s, cooler: &cooler{s: s}, example: stream.example, result: make([]Question, len(questions))}
	all := func() (differing []string) {
		i.result = make([]Question, len(questions))
		for n := range questions {
			if err := i.both(ctx, n, asked{}, n); err != nil {
				t.Fatal(err)
			}
			if i.result[n].Difference != "" {
				differing = append(differing, questions[n].name)
			}
			if i.result[n].Rows == 0 {
				t.Errorf("%s: the answer is empty", questions[n].name)
			}
		}
		return differing
	}
	if differing := all(); len(differing) > 0 {
		for n := range i.result {
			t.Logf("%s: %s", questions[n].name, i.result[n].Difference)
		}
		t.Fatalf("the answers differ: %q", differing)
	}

	for _, change := range []string{
		"ALTER TABLE {db}.naive UPDATE data = replaceOne(data, '\"plan\":\"', '\"plan\":\"x') WHERE position(data, '" + stream.example.id + "') > 0",
		"ALTER TABLE {db}.naive UPDATE data = replaceOne(data, '\"country\":\"', '\"country\":\"X') WHERE position(data, '" + stream.example.id + "') > 0",
		"ALTER TABLE {db}.events UPDATE lag_ms = lag_ms + 1 WHERE event_id = '" + stream.example.id + "'",
	} {
		mustExec(t, s, change)
		if _, err := s.compareTables(ctx, o.Rows); !errors.Is(err, ErrDiffer) {
			t.Errorf("not noticed: %v: %s", err, change)
		}
	}
	mustExec(t, s, "ALTER TABLE {db}.naive DELETE WHERE position(data, '"+stream.example.id+"') > 0")
	if _, err := s.compareTables(ctx, o.Rows); !errors.Is(err, ErrDiffer) || !strings.Contains(err.Error(), "rows") {
		t.Errorf("a row is missing: %v", err)
	}
	differing := strings.Join(all(), " ")
	for _, want := range []string{"event-by-id", "events-per-day", "countries"} {
		if !strings.Contains(differing, want) {
			t.Errorf("%s has the same answer from a table that lacks one of its events; differing: %s", want, differing)
		}
	}
}
