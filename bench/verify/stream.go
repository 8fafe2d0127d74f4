package verify

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/millrace/millrace/bench/ledger"
)

// key is where an event stands in the ledger, in one number: 12 bits of producer above 48 of sequence number. The top bit marks an id of the run that
// is not of the form of ledger.ID.
type key uint64

const (
	seqBits   = 48
	malformed = key(1) << 63
)

func keyOf(producer uint16, seq uint64) key { return key(producer)<<seqBits | key(seq) }

func (k key) producer() uint16 { return uint16(k>>seqBits) & (ledger.MaxProducers - 1) }
func (k key) seq() uint64      { return uint64(k) & (1<<seqBits - 1) }

// keySQL is key over a row with an event_id of a run.
const keySQL = "bitOr(bitOr(bitShiftLeft(bitAnd(" + idHigh + ", 0xfff), 48), bitAnd(" + idLow + ", 0xffffffffffff)), " +
	"if(bitAnd(" + idHigh + ", 0xf000) = 0x8000 AND bitShiftRight(" + idLow + ", 48) = 0x8000, 0, bitShiftLeft(toUInt64(1), 63)))"

// row is a row of table events, by what it is compared with.
type row struct {
	key    key
	hash   uint64
	ts     int64  // Unix milliseconds
	place  uint32 // _log above _partition, 16 bits each
	offset uint64
}

func (r *row) log() uint32 { return r.place >> 16 }

// rowsSQL is not restricted by ts: a row whose time is wrong must be found, too.
const rowsSQL = "SELECT " + keySQL + " AS k, " + ledger.PayloadHashSQL + " AS h, toUnixTimestamp64Milli(ts) AS t, bitOr(bitShiftLeft(toUInt32(_log), 16), _partition) AS l, _offset AS o " +
	"FROM {database:Identifier}.events WHERE " + ofRun + " ORDER BY k, l, o"

const quarantineSQL = "SELECT " + keySQL + " AS k FROM {database:Identifier}.quarantine WHERE " + ofRun + " ORDER BY k"

// sorting bounds what ClickHouse takes for a query, whatever the number of rows: sorted runs of some 200 MB go to its disk, and merging takes about 5
// MB for each of them.
var sorting = clickhouse.Settings{
	"max_bytes_before_external_sort":       256 << 20,
	"max_bytes_ratio_before_external_sort": 0,
	"max_memory_usage":                     1 << 30,
	"max_threads":                          4,
	"max_block_size":                       8192,
	"max_execution_time":                   0,
	// By default the hash would be taken after the sort, which would drag the whole text of the events along: ten times the time and the memory.
	"query_plan_execute_functions_after_sorting": 0,
}

// stream is a sorted answer with one row in view. It has a goroutine that watches the caller's context and ends with it.
type stream struct {
	store  *Store
	caller context.Context // its end is an orderly end of the query, see kill
	id     string          // of the query
	rows   driver.Rows
	scan   func(driver.Rows, *row) error
	row    row  // in view
	ok     bool // row is one; false: the end

	abandon context.CancelFunc // drops the connection
	enough  chan struct{}      // closed: the rest is not wanted
	ended   chan struct{}      // closed: the server has nothing more to send
	watched chan struct{}      // closed: the goroutine has ended
}

// openRows streams the rows of the run in table events. progress is told how many rows ClickHouse has read since its last call, from
// another goroutine, until close has returned.
func (s *Store) openRows(ctx context.Context, run ledger.RunID, progress func(rows uint64)) (*stream, error) {
	return s.open(ctx, run, rowsSQL, progress, func(rows driver.Rows, r *row) error {
		return rows.Scan((*uint64)(&r.key), &r.hash, &r.ts, &r.place, &r.offset)
	})
}

// openQuarantine streams the keys of the run in table quarantine.
func (s *Store) openQuarantine(ctx context.Context, run ledger.RunID) (*stream, error) {
	return s.open(ctx, run, quarantineSQL, func(uint64) {}, scanKey)
}

func scanKey(rows driver.Rows, r *row) error { return rows.Scan((*uint64)(&r.key)) }

func (s *Store) open(ctx context.Context, run ledger.RunID, sql string, progress func(rows uint64), scan func(driver.Rows, *row) error) (*stream, error) {
	query, abandon := context.WithCancel(context.WithoutCancel(ctx))
	st := &stream{
		store: s, caller: ctx, id: "bench-" + rand.Text(), scan: scan, abandon: abandon,
		enough: make(chan struct{}), ended: make(chan struct{}), watched: make(chan struct{}),
	}
	go st.watch()
	rows, err := s.conn().Query(s.with(query, clickhouse.Parameters{"run": runParameter(run)}, clickhouse.WithSettings(sorting), clickhouse.WithQueryID(st.id),
		clickhouse.WithProgress(func(p *clickhouse.Progress) { progress(p.Rows) })), sql)
	if err != nil {
		st.end()
		return nil, st.failure(err)
	}
	st.rows = rows
	if err := st.next(); err != nil {
		st.close()
		return nil, err
	}
	return st, nil
}

// next moves on by one row.
func (s *stream) next() error {
	s.ok = s.rows.Next()
	err := s.rows.Err()
	if !s.ok {
		s.end()
	} else if err == nil {
		err = s.scan(s.rows, &s.row)
	}
	if err != nil {
		s.ok = false
		return s.failure(err)
	}
	return nil
}

// drain passes the rows that are left.
func (s *stream) drain() error {
	for s.ok {
		if err := s.next(); err != nil {
			return err
		}
	}
	return nil
}

// failure is err, or why the query was killed.
func (s *stream) failure(err error) error {
	if s.caller.Err() != nil {
		err = context.Cause(s.caller)
	}
	return fmt.Errorf("read rows: %w", err)
}

// close ends the query, also one that is not read to its end.
func (s *stream) close() {
	select {
	case <-s.ended:
	default:
		close(s.enough)
		_ = s.rows.Close() // reads what is on the way; next has told what went wrong
		s.end()
	}
}

// end is called once, when the server has nothing more to send.
func (s *stream) end() {
	close(s.ended)
	<-s.watched
	s.abandon()
}

// watch kills the query when it is not wanted any more.
func (s *stream) watch() {
	defer close(s.watched)
	select {
	case <-s.ended:
	case <-s.enough:
		s.kill()
	case <-s.caller.Done():
		s.kill()
	}
}

const (
	killEvery    = 200 * time.Millisecond
	killAttempts = 25
)

// kill asks the server to end the query, until it has. The driver would rather drop the connection, which the embedded ClickHouse may not survive:
// that is for a server that does not listen.
func (s *stream) kill() {
	pause := time.NewTicker(killEvery)
	defer pause.Stop()
	for range killAttempts {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.caller), time.Second)
		err := s.store.conn().Exec(s.store.with(ctx, clickhouse.Parameters{"id": s.id}), "KILL QUERY WHERE query_id = {id:String} ASYNC")
		cancel()
		if err != nil {
			break
		}
		select {
		case <-s.ended:
			return
		case <-pause.C: // it may not have begun when it was asked to end
		}
	}
	s.abandon()
}
