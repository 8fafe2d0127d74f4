package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/millrace/millrace/bench/ledger"
	schema "github.com/millrace/millrace/schema/clickhouse"
)

// The two halves of event_id as numbers, see ledger.ID: the run and the producer, and the sequence number.
const (
	idHigh = "reinterpretAsUInt64(event_id)"
	idLow  = "toUInt64(toUInt128(event_id))"
	// ofRun is true for rows of the run that is the parameter run.
	ofRun = "bitShiftRight(" + idHigh + ", 16) = {run:UInt64}"
)

// Store asks ClickHouse about runs. Safe for concurrent use.
type Store struct {
	db *schema.DB
	// byPart: the tables are local MergeTrees, whose parts never change, so that rows need to be counted only once per part.
	byPart bool

	mu     sync.Mutex // held while counting: two counts at once would do the same work twice
	run    ledger.RunID
	counts map[string]uint64 // rows of run by part
}

// OpenStore connects and looks for table events. The caller closes the Store.
func OpenStore(ctx context.Context, cfg schema.Config) (*Store, error) {
	db, err := schema.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db}
	var engine string
	err = s.conn().QueryRow(s.with(ctx, nil), "SELECT engine FROM system.tables WHERE database = {database:String} AND name = 'events'").Scan(&engine)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("clickhouse at %v: look for table %s.events: %w: check clickhouse.database; the tables are made when millrace starts", cfg.Addresses, cfg.Database, err), db.Close())
	}
	s.byPart = engine == "MergeTree" || strings.HasPrefix(engine, "Replicated")
	return s, nil
}

// Version is that of the server.
func (s *Store) Version(ctx context.Context) (v string, err error) {
	err = s.conn().QueryRow(ctx, "SELECT version()").Scan(&v)
	return v, err
}

// Close gives the connections back.
func (s *Store) Close() error { return s.db.Close() }

func (s *Store) conn() driver.Conn { return s.db.Conn() }

// with gives a query its parameters, the database among them, and settings.
func (s *Store) with(ctx context.Context, parameters clickhouse.Parameters, options ...clickhouse.QueryOption) context.Context {
	all := clickhouse.Parameters{"database": s.db.Database()}
	maps.Copy(all, parameters)
	return clickhouse.Context(ctx, append(options, clickhouse.WithParameters(all))...)
}

func runParameter(run ledger.RunID) string { return strconv.FormatUint(uint64(run), 10) }

// millis is t as a parameter of type DateTime64(3), which is given in seconds.
func millis(t time.Time) string {
	return fmt.Sprintf("%d.%03d", t.Unix(), t.UnixMilli()-t.Unix()*1000)
}

// whole lets a short query run to its end when ctx ends before: the driver ends a query by dropping the connection, which the embedded ClickHouse may
// not survive.
func whole(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), shortQuery)
}

// shortQuery is how long a query may take that is asked again and again.
const shortQuery = time.Minute

// Count counts the rows of the run in table events. since is a time that none of them lies before. Each part of the table is read once, the first
// time that it is seen, so that a call costs some milliseconds and about 40 ns for each row that is new or was merged since the call before. Tables
// of other engines than MergeTree are counted whole.
func (s *Store) Count(ctx context.Context, run ledger.RunID, since time.Time) (rows uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	ctx, cancel := whole(ctx)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.byPart {
		p := clickhouse.Parameters{"run": runParameter(run), "since": millis(since)}
		err := s.conn().QueryRow(s.with(ctx, p), "SELECT count() FROM {database:Identifier}.events WHERE ts >= {since:DateTime64(3, 'UTC')} AND "+ofRun).Scan(&rows)
		if err != nil {
			return 0, fmt.Errorf("count rows: %w", err)
		}
		return rows, nil
	}
	if s.run != run || s.counts == nil {
		s.run, s.counts = run, map[string]uint64{}
	}
	rows, err = s.countParts(ctx, since)
	if err != nil {
		return 0, fmt.Errorf("count rows: %w", err)
	}
	return rows, nil
}

// countParts adds up the rows of the parts that are active at one instant. The name of a part stands for its rows: a merge, a mutation and a DELETE
// make parts with other names.
func (s *Store) countParts(ctx context.Context, since time.Time) (rows uint64, err error) {
	for {
		parts, err := s.parts(ctx, since)
		if err != nil {
			return 0, err
		}
		known := make(map[string]uint64, len(parts))
		var unknown []string
		rows = 0
		for _, p := range parts {
			if n, ok := s.counts[p]; ok {
				known[p] = n
				rows += n
			} else {
				unknown = append(unknown, p)
			}
		}
		s.counts = known
		if len(unknown) == 0 {
			return rows, nil
		}
		// A part that gives no count holds no row of the run, or was merged away since it was listed. The next list tells: in the usual case, where each
		// new part has rows, the second list is the last.
		if err := s.learn(ctx, unknown, since); err != nil {
			return 0, err
		}
		still, err := s.parts(ctx, since)
		if err != nil {
			return 0, err
		}
		active := make(map[string]bool, len(still))
		for _, p := range still {
			active[p] = true
		}
		settled := true
		for _, p := range unknown {
			n, counted := s.counts[p]
			switch {
			case counted:
				rows += n
			case active[p]:
				s.counts[p] = 0
			default:
				settled = false
			}
		}
		if settled {
			return rows, nil
		}
	}
}

// parts lists the parts that can hold rows from since on.
func (s *Store) parts(ctx context.Context, since time.Time) (names []string, err error) {
	p := clickhouse.Parameters{"since": millis(since)}
	rows, err := s.conn().Query(s.with(ctx, p), `SELECT name FROM system.parts
		WHERE database = {database:String} AND table = 'events' AND active AND toUInt32OrZero(partition) >= toYYYYMM({since:DateTime64(3, 'UTC')})`)
	if err != nil {
		return nil, err
	}
	return collect[string](rows)
}

// learn counts the rows of parts.
func (s *Store) learn(ctx context.Context, parts []string, since time.Time) error {
	p := clickhouse.Parameters{"run": runParameter(s.run), "since": millis(since), "parts": "['" + strings.Join(parts, "','") + "']"}
	rows, err := s.conn().Query(s.with(ctx, p), `SELECT _part, count() FROM {database:Identifier}.events
		WHERE _part IN {parts:Array(String)} AND ts >= {since:DateTime64(3, 'UTC')} AND `+ofRun+` GROUP BY _part`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err has told
	for rows.Next() {
		var name string
		var n uint64
		if err := rows.Scan(&name, &n); err != nil {
			return err
		}
		s.counts[name] = n
	}
	return rows.Err()
}

// collect reads all rows of one column.
func collect[T any](rows driver.Rows) (all []T, err error) {
	defer rows.Close() //nolint:errcheck // Err has told
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// Since is a time that no row of a run with this header lies before, with a day to spare for clocks that differ.
func Since(h *ledger.Header) time.Time {
	const spare = 24 * time.Hour
	late := h.MaxLate // of a header that was read or written; the slots of any
	for _, slots := range h.Producers {
		for i := range slots {
			late = max(late, slots[i].Late)
		}
	}
	return h.Started.Add(-time.Duration(min(late, int64((1<<62)/time.Millisecond)))*time.Millisecond - spare)
}

// lookEvery is how often Wait counts, unless counting takes long.
const lookEvery = time.Second

// Wait counts the rows of the run until they are want or more and two looks agree, or until none has come for idle; drained is true then. progress
// (nil: nobody is told) is called after each look. Events whose answer was unclear and repeats by the client may be stored besides those in want,
// which is why want alone does not end the wait. When ctx ends, drained is false and err is its error.
func (s *Store) Wait(ctx context.Context, run ledger.RunID, h *ledger.Header, want uint64, idle time.Duration, progress func(rows uint64)) (rows uint64, drained bool, err error) {
	since := Since(h)
	timer := time.NewTimer(0)
	defer timer.Stop()
	first, moved := true, time.Now()
	for {
		select {
		case <-ctx.Done():
			return rows, false, context.Cause(ctx)
		case <-timer.C:
		}
		start := time.Now()
		n, err := s.Count(ctx, run, since)
		if err != nil {
			return rows, false, err
		}
		if progress != nil {
			progress(n)
		}
		changed := first || n != rows
		rows = n
		now := time.Now()
		switch {
		case !changed && rows >= want:
			return rows, true, nil
		case changed:
			first, moved = false, now
		case now.Sub(moved) >= idle:
			return rows, true, nil
		}
		// What takes long is asked less often, so that the asking does not slow down what it waits for.
		timer.Reset(max(lookEvery, 10*now.Sub(start)))
	}
}
