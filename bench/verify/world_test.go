package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/internal/enginetest"
	schema "github.com/millrace/millrace/schema/clickhouse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within bounds a test's whole talk with the server.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// openStore starts a ClickHouse with the product's tables.
func openStore(t testing.TB) *Store {
	t.Helper()
	cfg := schema.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{enginetest.ClickHouse(t).TCP}, "bench_1"
	db, err := schema.Open(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Up(within(t), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := OpenStore(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// payload is what a client says in the event of a slot, by column. Every column has something, some of it awkward.
func payload(producer, slot int) map[string]string {
	return map[string]string{
		"type": "track", "event": fmt.Sprintf("Event %d", slot%5), "name": "Kasse \x00 é漢", "user_id": fmt.Sprint("u", producer), "anonymous_id": "anon\t'1'\\",
		"group_id": "g", "previous_id": "früher", "props": fmt.Sprintf(`{"slot":%d,"note":"\u00e9 \"q\""}`, slot), "context": `{"a":[1]}`, "traits": `{"e":"x"}`,
	}
}

func hashOf(columns map[string]string) uint64 {
	b := func(name string) []byte { return []byte(columns[name]) }
	return ledger.PayloadHash(b("type"), b("event"), b("name"), b("user_id"), b("anonymous_id"), b("group_id"), b("previous_id"), b("props"), b("context"), b("traits"))
}

// The world that the controls change: three producers send bodies of 7 events, of a pool of 21 slots.
const (
	producers = 3
	batch     = 7
	slots     = 21
	invalid   = 4  // this slot must be refused
	near      = 10 // this slot repeats the one 3 before it, in the same body
	far       = 16 // this slot repeats the one 5 before it, in the body before
	bodies    = 12 // sent by each producer
	total     = bodies * batch
)

// Every request is sent a second after the one before, from an hour ago on: table quarantine drops what is old.
var epoch = time.Now().Truncate(time.Second).Add(123*time.Millisecond - time.Hour)

// outcome is what becomes of a send.
type outcome struct {
	status uint16
	answer ledger.Answer
	rows   int // in table events
	kept   int // rows in table quarantine
}

// world is a run: its ledger and, as far as the outcomes say, its rows.
type world struct {
	t     testing.TB
	store *Store
	run   ledger.RunID
	path  string
}

// usual is what becomes of a send when everything is right: the sink drops what the client repeats.
func usual(_ uint16, _ uint64, kind ledger.Kind) outcome {
	switch kind {
	case ledger.Invalid:
		return outcome{200, ledger.Quarantined, 0, 1}
	case ledger.Duplicate:
		return outcome{200, ledger.Accepted, 0, 0}
	}
	return outcome{200, ledger.Accepted, 1, 0}
}

// newWorld sends everything. The answer of a request is that of its first event.
func newWorld(t testing.TB, s *Store, becomes func(producer uint16, seq uint64, kind ledger.Kind) outcome) *world {
	t.Helper()
	w := &world{t: t, store: s, run: ledger.NewRunID(), path: filepath.Join(t.TempDir(), "ledger")}
	h := ledger.Header{Run: w.run.String(), Started: epoch, Scenario: "test", Database: s.db.Database()}
	for p := range producers {
		var table []ledger.Slot
		for i := range slots {
			slot := ledger.Slot{Hash: hashOf(payload(p, i)), User: uint32(i % 4), Late: int64(i%2) * 86_400_000}
			switch i {
			case invalid:
				slot = ledger.Slot{Kind: ledger.Invalid, User: slot.User}
			case near:
				slot = table[near-3]
				slot.Kind, slot.Back = ledger.Duplicate, 3
			case far:
				slot = table[far-5]
				slot.Kind, slot.Back = ledger.Duplicate, 5
			}
			table = append(table, slot)
		}
		h.Producers = append(h.Producers, table)
	}
	book, err := ledger.Create(w.path, h)
	if err != nil {
		t.Fatal(err)
	}
	events := w.batch("events (project_id, type, event, name, ts, event_id, distinct_id, user_id, anonymous_id, group_id, previous_id, ts_source, user_h, props, context, traits, lag_ms, _log, _partition, _offset)")
	quarantine := w.batch("quarantine (at, project_id, stage, reason, event_id, payload)")
	offset := uint64(0)
	for body := range bodies {
		for p := range producers {
			at := epoch.Add(time.Duration(body) * time.Second)
			e := ledger.Entry{Producer: uint16(p), Seq: uint64(body * batch), Events: batch, Stamp: at.UnixMilli(), Intended: at.UnixNano(), Sent: at.UnixNano(), Done: at.UnixNano()}
			for i := range batch {
				seq := e.Seq + uint64(i)
				slot := h.Producers[p][seq%slots]
				o := becomes(e.Producer, seq, slot.Kind)
				if i == 0 {
					e.Status, e.Answer = o.status, o.answer
				} else if o.answer != e.Answer {
					e.Results = append(e.Results, ledger.Result{Index: uint16(i), Answer: o.answer})
				}
				id := w.id(e.Producer, seq-uint64(slot.Back))
				for range o.rows {
					offset++
					c := payload(p, int((seq-uint64(slot.Back))%slots))
					user := fmt.Sprint(p, "/", slot.User)
					err := events.Append(uint32(1), c["type"], c["event"], c["name"], at.Add(-time.Duration(slot.Late)*time.Millisecond), id, user, c["user_id"], c["anonymous_id"], c["group_id"],
						c["previous_id"], "client", uint64(slot.User), c["props"], c["context"], c["traits"], slot.Late, uint16(1), uint16(slot.User%2), offset)
					if err != nil {
						t.Fatal(err)
					}
				}
				for range o.kept {
					if err := quarantine.Append(at, uint32(1), "ingest", "missing_event", id, "{}"); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := book.Append(&e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := events.Send(); err != nil {
		t.Fatal(err)
	}
	if err := quarantine.Send(); err != nil {
		t.Fatal(err)
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

// sender is a block of rows to insert.
type sender interface {
	Append(values ...any) error
	Send() error
}

func (w *world) batch(table string) sender {
	w.t.Helper()
	b, err := w.store.conn().PrepareBatch(within(w.t), "INSERT INTO "+w.store.db.Database()+"."+table)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) id(producer uint16, seq uint64) string {
	return ledger.ID(w.run, producer, seq).String()
}

// exec changes the tables by hand. In the statement, EVENTS and QUARANTINE are the tables, and EV(p, seq) is an event id.
func (w *world) exec(statement string) {
	w.t.Helper()
	db := w.store.db.Database()
	statement = strings.NewReplacer("EVENTS", db+".events", "QUARANTINE", db+".quarantine").Replace(statement)
	for {
		head, rest, found := strings.Cut(statement, "EV(")
		if !found {
			break
		}
		var p uint16
		var seq uint64
		args, tail, _ := strings.Cut(rest, ")")
		if _, err := fmt.Sscanf(args, "%d, %d", &p, &seq); err != nil {
			w.t.Fatalf("BUG: %s: %v", args, err)
		}
		statement = head + "toUUID('" + w.id(p, seq) + "')" + tail
	}
	ctx := clickhouse.Context(within(w.t), clickhouse.WithSettings(clickhouse.Settings{"mutations_sync": 2, "lightweight_deletes_sync": 2, "insert_deduplicate": 0}))
	if err := w.store.conn().Exec(ctx, statement); err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
}

func (w *world) verify() *ledger.Verdict {
	w.t.Helper()
	r, err := ledger.Open(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	v, err := Verify(within(w.t), r, w.store, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// expect compares the findings with want, "" for none, and fails for everything that is not named.
func (w *world) expect(v *ledger.Verdict, want map[string]string) {
	w.t.Helper()
	for _, l := range v.Lines() {
		got := ""
		if l.Finding.Count > 0 {
			got = fmt.Sprintf("%d: %s", l.Finding.Count, l.Finding)
		}
		if got != want[l.Name] {
			w.t.Errorf("%s: found %q, want %q", l.Name, got, want[l.Name])
		}
	}
	if pass := len(want) == 0 && v.Complete; v.Pass() != pass {
		w.t.Errorf("pass: %v, want %v", v.Pass(), pass)
	}
	if w.t.Failed() {
		text, _ := json.Marshal(v)
		w.t.Logf("%s\n%s", v.Text(), text)
	}
}

// cut takes the end off the ledger, as a kill would.
func (w *world) cut(bytes int64) {
	w.t.Helper()
	info, err := os.Stat(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.Truncate(w.path, info.Size()-bytes); err != nil {
		w.t.Fatal(err)
	}
}
