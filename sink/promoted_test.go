package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/promote"
	"github.com/millrace/millrace/sink/exact"
)

// open connects to the lab's tables.
func (l *lab) open() *clickhouse.DB {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := clickhouse.Open(ctx, l.tables)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			l.t.Error(err)
		}
	})
	return db
}

// propertyTypes are promoted by promoteAll, each from the key of its name.
var propertyTypes = []promote.Type{promote.String, promote.Text, promote.Number, promote.Integer, promote.Bool, promote.Time}

// columnsOf are the columns that promoteAll makes.
func columnsOf(types []promote.Type) (all []promote.Column) {
	for _, typ := range types {
		all = append(all, promote.Column{Name: promote.ColumnName(string(typ)), Key: string(typ), Type: typ})
	}
	return all
}

func (l *lab) promoteAll(db *clickhouse.DB) {
	l.t.Helper()
	for _, typ := range propertyTypes {
		if _, err := promote.Promote(context.Background(), db, promote.Column{Key: string(typ), Type: typ}); err != nil {
			l.t.Fatal(err)
		}
	}
}

// knows waits until the sink knows of so many promoted columns.
func (l *lab) knows(r *running, columns int) {
	l.t.Helper()
	n := -1
	l.until(func() bool {
		n = 0
		if set := r.promotions.set(); set != nil {
			n = len(set.columns)
		}
		r.promotions.lookAgain()
		return n == columns
	}, func() string { return fmt.Sprintf("the sink knows %d columns, want %d", n, columns) })
}

// withProps are records of events with these properties.
func withProps(first int, props ...string) [][]byte {
	var bodies [][]byte
	for i, p := range props {
		e := plainEvent(first+i, testNow.UnixMilli())
		e.properties = p
		bodies = append(bodies, e.body())
	}
	return bodies
}

// asComputed checks that each promoted column of each row is what ClickHouse computes for its props.
func (l *lab) asComputed(rows int) {
	l.t.Helper()
	var differs []string
	for _, typ := range propertyTypes {
		c := promote.Column{Key: string(typ), Type: typ}
		differs = append(differs, fmt.Sprintf("tuple(%s) != tuple(CAST(%s, '%s'))", promote.ColumnName(c.Key), c.Expression(), strings.ReplaceAll(typ.ColumnType(), "'", `\'`)))
	}
	if got := fmt.Sprint(l.query("SELECT count(), countIf(%s) FROM events", strings.Join(differs, " OR "))); got != fmt.Sprintf("[[%d 0]]", rows) {
		l.t.Errorf("rows and rows that differ are %s, want %d and 0", got, rows)
	}
}

// inserts counts the INSERTs that were sent with the promoted columns, and those without.
func (l *lab) inserts() (with, without string) {
	l.t.Helper()
	l.query("SYSTEM FLUSH LOGS")
	rows := l.query("SELECT countIf(position(query, 'p_number') > 0), countIf(position(query, 'p_number') = 0) FROM system.query_log WHERE type = 'QueryFinish' AND startsWith(query, 'INSERT INTO `events`')")
	return rows[0][0], rows[0][1]
}

func TestPromotedColumnsAreFilled(t *testing.T) {
	l := newLab(t, 1)
	db := l.open()
	l.promoteAll(db)
	r := l.start(testConfig(), t.TempDir())
	l.knows(r, len(propertyTypes))
	ordinary := []string{
		`{"string":"pro","text":"a\u00e9\"","number":1.5,"integer":7,"bool":true,"time":"2026-01-02T03:04:05.678+01:00"}`, `{}`, ``, `{"string":1,"text":null,"number":"1","integer":1.5,"bool":0,"time":"soon"}`,
		`{"string":"","number":-0.0,"integer":-9223372036854775808,"bool":false,"time":"2024-02-29"}`, `{"string":"free","string":"pro","number":1e-7}`, `{"other":1e400}`,
	}
	l.produce("events", 0, withProps(0, ordinary...)...)
	l.committed("events", 0, int64(len(ordinary)))
	l.asComputed(len(ordinary))
	if got := fmt.Sprint(l.query("SELECT p_string, p_text, p_number, p_integer, p_bool, p_time FROM events WHERE _offset = 0")); got != "[[pro aé\" 1.5 7 true 2026-01-02 02:04:05.678]]" {
		t.Errorf("the first row has %s", got)
	}
	if with, without := l.inserts(); with != "1" || without != "0" {
		t.Errorf("%s inserts with promoted columns, %s without", with, without)
	}
	// A document that ClickHouse cannot read leaves the columns of its block to the server, of the next no more.
	odd := []string{`{"string":"pro","number":1,"x":18446744073709551616}`, `{"string":"team","number":2}`}
	l.produce("events", 0, withProps(100, odd...)...)
	l.committed("events", 0, int64(len(ordinary)+len(odd)))
	l.produce("events", 0, withProps(200, ordinary...)...)
	all := 2*len(ordinary) + len(odd)
	l.committed("events", 0, int64(all))
	l.asComputed(all)
	if with, without := l.inserts(); with != "2" || without != "1" {
		t.Errorf("%s inserts with promoted columns, %s without", with, without)
	}
}

// Columns come and go while a sink runs, which learns of it a little later.
func TestPromotedColumnsComeAndGo(t *testing.T) {
	l := newLab(t, 1)
	db := l.open()
	r := l.start(testConfig(), t.TempDir())
	r.loading(2)
	rows := 0
	load := func(props ...string) {
		t.Helper()
		l.produce("events", 0, withProps(rows, props...)...)
		rows += len(props)
		l.committed("events", 0, int64(rows))
	}
	load(`{"string":"a","number":1}`)
	l.promoteAll(db)
	load(`{"string":"b","number":4.5,"integer":1}`)
	l.knows(r, len(propertyTypes))
	load(`{"string":"c","number":5.5,"integer":5.5,"time":"x"}`, `{"number":6,"integer":6,"time":"2026-01-02"}`)
	l.asComputed(rows)
	for _, typ := range propertyTypes {
		if _, err := promote.Demote(context.Background(), db, string(typ), nil); err != nil {
			t.Fatal(err)
		}
	}
	load(`{"string":"d","number":7}`)
	l.knows(r, 0)
	load(`{"string":"e","number":8}`)
	l.eachOnce(0, rows)
	for _, p := range r.Status().Partitions {
		if p.State != StateLoading {
			t.Errorf("%+v", p)
		}
	}
}

// inserter is the hand of a sink that does not run, so that it learns of nothing.
func (l *lab) inserter() *port {
	l.t.Helper()
	s, err := New(testConfig(), Deps{
		Broker: l.client, Events: Topic{Name: "events", Log: eventsLog}, Quarantine: Topic{Name: "quarantine", Log: quarantineLog},
		ClickHouse: l.tables, DataDir: l.t.TempDir(), Logger: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(),
	})
	if err != nil {
		l.t.Fatal(err)
	}
	p := &port{sink: s, topic: s.topics["events"], generation: &broker.Generation{ID: 1}, limit: &blockLimit{}, tables: tables{conn: conn{dialer: s.dialer}}}
	l.t.Cleanup(p.tables.conn.close)
	return p
}

// promotedPart is a row with the columns of the set.
func promotedPart(t *testing.T, set *promotedSet) *part {
	t.Helper()
	c := newEventColumns()
	c.promote(set)
	e := plainEvent(1, testNow.UnixMilli())
	e.properties = `{"string":"a","text":"b","number":1.5,"integer":2,"bool":true,"time":"2026-01-02"}`
	_, value, ix := e.record()
	if err := e.DecodeRecord(value, ix); err != nil {
		t.Fatal(err)
	}
	c.append(&e.Envelope, value, place{log: eventsLog})
	return newPart(testNow.UnixMilli(), c)
}

// An INSERT with a column that is gone is refused once, and is then sent without.
func TestInsertGoesOnWithoutAColumnThatIsGone(t *testing.T) {
	l := newLab(t, 1)
	p := l.inserter()
	p.sink.promotions.saw(columnsOf(propertyTypes), time.Now(), p.sink.log)
	rows := promotedPart(t, p.sink.promotions.set())
	var refused *exact.InsertError
	if err := p.Insert(t.Context(), rows, "token"); !errors.As(err, &refused) || refused.Class != exact.Retriable || !strings.Contains(err.Error(), "p_string") {
		t.Fatalf("the first attempt: %v", err)
	}
	if len(p.sink.promotions.again) != 1 {
		t.Error("nobody looks at the columns")
	}
	if err := p.Insert(t.Context(), rows, "token"); err != nil {
		t.Fatalf("the second attempt: %v", err)
	}
	// One that is refused for another reason is not helped by that.
	l.query("DROP TABLE rollup_1m SYNC")
	if err := p.Insert(t.Context(), rows, "other"); !errors.As(err, &refused) || refused.Class == exact.Retriable {
		t.Errorf("without a view's target: %v", err)
	}
}

// A set that was seen too long ago, or that is not the last one, is not sent: a name of it may be that of another column by now, and the server converts without a word.
func TestPromotionsVouchForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock: nobody waits
		p, log := newPromotions(), slog.New(slog.DiscardHandler)
		p.saw(columnsOf(propertyTypes[:2]), time.Now(), log)
		first := p.set()
		if !p.vouches(first, 30*time.Second) || p.vouches(first, promote.ReuseAfter) || p.vouches(&promotedSet{}, time.Second) {
			t.Error("just seen")
		}
		time.Sleep(promote.ReuseAfter - 31*time.Second)
		if !p.vouches(first, 30*time.Second) {
			t.Error("the set is given up too early")
		}
		time.Sleep(time.Second)
		if p.vouches(first, 30*time.Second) {
			t.Error("the set is vouched for too long")
		}
		p.saw(columnsOf(propertyTypes[:2]), time.Now(), log)
		if p.set() != first || !p.vouches(first, 30*time.Second) {
			t.Error("nothing has changed")
		}
		p.saw(columnsOf(propertyTypes[:1]), time.Now(), log)
		if p.vouches(first, 30*time.Second) || !p.vouches(p.set(), 30*time.Second) {
			t.Error("a column was dropped")
		}
		p.saw(nil, time.Now(), log)
		if p.set() != nil {
			t.Error("all were dropped")
		}
	})
}

// What is held when the columns change is sent without them: the names are there, and the server would take the values.
func TestHeldRowsDoNotSendFormerColumns(t *testing.T) {
	l := newLab(t, 1)
	l.promoteAll(l.open())
	p := l.inserter()
	p.sink.promotions.saw(columnsOf(propertyTypes), time.Now(), p.sink.log)
	swapped := columnsOf(propertyTypes)
	for i := range swapped {
		swapped[i].Key = string(propertyTypes[(i+1)%len(propertyTypes)])
	}
	if err := p.Insert(t.Context(), promotedPart(t, &promotedSet{columns: swapped}), "token"); err != nil {
		t.Fatal(err)
	}
	l.asComputed(1)
	// The check bites: a set that is believed is sent.
	p.sink.promotions.saw(swapped, time.Now(), p.sink.log)
	if err := p.Insert(t.Context(), promotedPart(t, p.sink.promotions.set()), "other"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(l.query("SELECT countIf(p_string = 'b') FROM events")); got != "[[1]]" {
		t.Errorf("%s rows have the text of another property", got)
	}
}

func TestPromotedColumnsAreTheContract(t *testing.T) {
	c := newEventColumns()
	set := &promotedSet{columns: columnsOf(propertyTypes)}
	plain := len(c.Input())
	c.promote(set)
	for i, col := range c.Input()[plain:] {
		if want := propertyTypes[i].ColumnType(); string(col.Data.Type()) != want {
			t.Errorf("column of type %s is %s, want %s", propertyTypes[i], col.Data.Type(), want)
		}
	}
	e := plainEvent(1, testNow.UnixMilli())
	_, value, ix := e.record()
	if err := e.DecodeRecord(value, ix); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for range 3 {
			c.append(&e.Envelope, value, place{})
		}
		for _, col := range c.Input() {
			if col.Data.Rows() != 3 {
				t.Errorf("column %s has %d rows", col.Name, col.Data.Rows())
			}
		}
		c.Reset()
	}
	if got := c.Input()[plain].Data; got.Rows() != 0 {
		t.Errorf("%d rows after Reset", got.Rows())
	}
	c.append(&e.Envelope, value, place{})
	if !c.leavePromoted() || c.leavePromoted() || len(c.Input()) != plain {
		t.Error("the columns are not left")
	}
	c.Reset()
	if len(c.Input()) != plain+len(propertyTypes) {
		t.Error("the columns stay left")
	}
	c.promote(nil)
	if len(c.Input()) != plain {
		t.Error("the columns stay")
	}
}
