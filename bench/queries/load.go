package queries

import (
	"context"
	"fmt"
	"strconv"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// block is the same events for both tables.
type block struct {
	number      int
	ours, naive *columns
	rows        int
	last        bool // of its partition: not full
}

// loader makes blocks on one goroutine and inserts them on another.
type loader struct {
	o      *Options
	s      *server
	stream *stream
	data   int64 // bytes of the naive table's JSON
}

// inserted is a statement that put a block into a table.
type inserted struct {
	table string
	id    string
	pair  int // from 1; 0: not one of those that are compared
	rows  int
}

// load puts all events into both tables, and some blocks into the table without rollups.
func (l *loader) load(ctx context.Context) (all []inserted, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// One block grows for each partition, one is being inserted, one waits.
	free, full := make(chan *block, partitions+2), make(chan *block, 1)
	for range cap(free) {
		free <- &block{ours: newOurs(), naive: newNaive()}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(full)
		l.make(ctx, free, full)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	// At least so many blocks will be full. The first one is not compared: whatever the server does for the first time, it does for that.
	sure := l.o.Rows/l.o.BlockRows - partitions
	done, pair := 0, 0
	for b := range full {
		compared := 0
		if !b.last && pair < l.o.Pairs && b.number >= 1+pair*(sure-1)/l.o.Pairs {
			pair++
			compared = pair
		}
		these, err := l.insert(ctx, b, compared)
		if err != nil {
			return nil, err
		}
		all = append(all, these...)
		done += b.rows
		l.o.Progress("loading", uint64(done), uint64(l.o.Rows))
		b.ours.input.Reset()
		b.naive.input.Reset()
		free <- b
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if done != l.o.Rows {
		return nil, fmt.Errorf("BUG: %d events were inserted of %d", done, l.o.Rows)
	}
	return all, nil
}

// make fills blocks until there are no more events, or ctx ends.
func (l *loader) make(ctx context.Context, free <-chan *block, full chan<- *block) {
	var open [partitions]*block
	number := 0
	send := func(b *block, last bool) bool {
		b.number, b.last = number, last
		number++
		select {
		case full <- b:
			return true
		case <-ctx.Done():
			return false
		}
	}
	var e event
	for l.stream.next(&e) {
		b := open[e.partition]
		if b == nil {
			select {
			case b = <-free:
			case <-ctx.Done():
				return
			}
			b.rows = 0
			open[e.partition] = b
		}
		b.ours.append(&e)
		b.naive.append(&e)
		l.data += int64(len(b.naive.scratch))
		if b.rows++; b.rows == l.o.BlockRows {
			open[e.partition] = nil
			if !send(b, false) {
				return
			}
		}
	}
	for _, b := range open {
		if b != nil && !send(b, true) {
			return
		}
	}
}

// insert puts a block into both tables, and into the one without rollups when it is compared; then the tables take turns in who is first.
func (l *loader) insert(ctx context.Context, b *block, pair int) ([]inserted, error) {
	token := schema.InsertSettings(strconv.Itoa(b.number))
	turns := []func() (inserted, error){
		func() (inserted, error) { return l.into(ctx, "events", b.ours, token, b.rows, pair) },
		func() (inserted, error) {
			return l.into(ctx, naiveTable, b.naive, schema.PlainInsertSettings(), b.rows, pair)
		},
	}
	if pair > 0 {
		turns = append(turns, func() (inserted, error) { return l.into(ctx, bareTable, b.ours, token, b.rows, pair) })
	}
	var all []inserted
	for i := range turns {
		one, err := turns[(i+pair)%len(turns)]()
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func (l *loader) into(ctx context.Context, table string, rows *columns, pinned []schema.Setting, n, pair int) (inserted, error) {
	id, err := l.s.insert(ctx, table, rows, pinned)
	return inserted{table: table, id: id, pair: pair, rows: n}, err
}
