package custom

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/schema/clickhouse"
)

// The phases of a build.
const (
	attaching = "attaching" // table and view are made; whether in time is not known
	waiting   = "waiting"   // the view was there in time; the sinks have to get past the boundary
	filling   = "filling"   // what is below the boundary is added
	complete  = "complete"
	broken    = "broken"
	dropped   = "dropped"
)

// ErrTaken says that another process goes on with the metric, or has dropped it.
var ErrTaken = errors.New("another process has taken over")

// record is a row of table metrics: a build of a metric.
type record struct {
	name        string
	build       uint32
	version     uint64
	phase       string
	holder      string
	definition  string
	rollup      string
	fingerprint string
	boundary    boundary
	tableID     uuid.UUID
	days        uint32
	daysDone    uint32
	events      uint64
	eventsDone  uint64
	note        string
	begun, at   time.Time
}

func (r record) table() string { return tableName(r.name, r.build) }
func (r record) view() string  { return viewName(r.name, r.build) }

// statements begins the ids of the statements that fill the table.
func (r record) statements() as {
	return as("millrace-metric-" + r.name + "-" + strconv.Itoa(int(r.build)) + "-")
}

// unfinished tells whether the build may go on.
func (r record) unfinished() bool {
	return r.phase == attaching || r.phase == waiting || r.phase == filling
}

// book is table metrics. Each version of a row is written once: by the token, the server takes the first and drops the others. So of two processes at work on a build one is told
// that it no longer is, and every statement that adds to a table is for the holder only.
type book struct {
	server
	holder string
}

func newBook(db *clickhouse.DB) book { return book{server{db}, rand.Text()} }

// records returns all builds of a metric, or of all metrics when name is empty, by name and build.
func (b book) records(ctx context.Context, name string) ([]record, error) {
	var all []record
	var r record
	err := b.query(ctx, `SELECT name, build, version, phase, holder, definition, rollup, fingerprint, log, boundary, table_id, days, days_done, events, events_done, note, begun, at
		FROM `+b.db.Database()+`.metrics FINAL WHERE {name:String} IN ('', name) ORDER BY name, build`, names{"name": name}, nil, func() {
		all = append(all, r)
		r.boundary.offsets = nil
	}, &r.name, &r.build, &r.version, &r.phase, &r.holder, &r.definition, &r.rollup, &r.fingerprint, &r.boundary.log, &r.boundary.offsets, &r.tableID,
		&r.days, &r.daysDone, &r.events, &r.eventsDone, &r.note, &r.begun, &r.at)
	if err != nil {
		return nil, fmt.Errorf("read table %s.metrics: %w", b.db.Database(), err)
	}
	return all, nil
}

// lostTokens bounds write: a token is lost when the server noted it and died before it stored the row.
const lostTokens = 20

// write stores r as the next version of its build, in the name of this holder, and fills in version, holder and at. ErrTaken: somebody else has written one meanwhile.
func (b book) write(ctx context.Context, r *record) error {
	next := *r
	next.holder, next.at = b.holder, time.Now().UTC()
	if r.version == 0 {
		next.begun = next.at
	}
	for range lostTokens {
		next.version++
		err := b.insert(ctx, &next)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var version uint64
		var holder string
		readErr := b.query(ctx, "SELECT version, holder FROM "+b.db.Database()+".metrics FINAL WHERE name = {name:String} AND build = {build:UInt32}",
			names{"name": r.name, "build": strconv.Itoa(int(r.build))}, nil, func() {}, &version, &holder)
		switch {
		case readErr != nil:
			return fmt.Errorf("write table %s.metrics: %w", b.db.Database(), errors.Join(err, readErr))
		case version >= next.version && holder != b.holder:
			return fmt.Errorf("metric %s, build %d: %w: see `millrace metrics list`", r.name, r.build, ErrTaken)
		case version == next.version:
			*r = next
			return nil
		case err != nil:
			return fmt.Errorf("write table %s.metrics: %w", b.db.Database(), err)
		}
	}
	return fmt.Errorf("write table %s.metrics: %d rows were taken and not stored: look at the server's disk", b.db.Database(), lostTokens)
}

func (b book) insert(ctx context.Context, r *record) error {
	token := fmt.Sprintf("metric-%s-%d-%d", r.name, r.build, r.version)
	offsets := make([]string, len(r.boundary.offsets))
	for i, o := range r.boundary.offsets {
		offsets[i] = strconv.FormatUint(o, 10)
	}
	return b.exec(ctx, `INSERT INTO `+b.db.Database()+`.metrics
		(name, build, version, phase, holder, definition, rollup, fingerprint, log, boundary, table_id, days, days_done, events, events_done, note, begun, at)
		SELECT {name:String}, {build:UInt32}, {version:UInt64}, {phase:String}, {holder:String}, {definition:String}, {rollup:String}, {fingerprint:String}, {log:UInt16}, {boundary:Array(UInt64)},
		{table_id:UUID}, {days:UInt32}, {days_done:UInt32}, {events:UInt64}, {events_done:UInt64}, {note:String}, fromUnixTimestamp64Milli({begun:Int64}, 'UTC'), fromUnixTimestamp64Milli({at:Int64}, 'UTC')`,
		names{
			"name": r.name, "build": strconv.Itoa(int(r.build)), "version": strconv.FormatUint(r.version, 10), "phase": r.phase, "holder": r.holder,
			"definition": r.definition, "rollup": r.rollup, "fingerprint": r.fingerprint, "log": strconv.Itoa(int(r.boundary.log)), "boundary": "[" + strings.Join(offsets, ",") + "]",
			"table_id": r.tableID.String(), "days": strconv.Itoa(int(r.days)), "days_done": strconv.Itoa(int(r.daysDone)),
			"events": strconv.FormatUint(r.events, 10), "events_done": strconv.FormatUint(r.eventsDone, 10), "note": r.note,
			"begun": strconv.FormatInt(r.begun.UnixMilli(), 10), "at": strconv.FormatInt(r.at.UnixMilli(), 10),
		}, clickhouse.InsertSettings(token)...)
}

// held tells whether r is still this holder's.
func (b book) held(ctx context.Context, r *record) error {
	all, err := b.records(ctx, r.name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a record) bool { return a.build == r.build })
	if i < 0 || all[i].holder != b.holder || all[i].version != r.version {
		return fmt.Errorf("metric %s, build %d: %w: see `millrace metrics list`", r.name, r.build, ErrTaken)
	}
	return nil
}

// fence is a condition that holds while r is this holder's. The server evaluates it when it begins a statement: what began before another process took over is ended by that one.
func (b book) fence(r *record) (condition string, p names) {
	return "(SELECT argMax(holder, version) FROM " + b.db.Database() + ".metrics WHERE name = {name:String} AND build = {build:UInt32}) = {holder:String}",
		names{"name": r.name, "build": strconv.Itoa(int(r.build)), "holder": b.holder}
}
