package people

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// Data is what was loaded.
type Data struct {
	Users   int       `json:"users"`
	Events  int       `json:"events"`
	Seed    uint64    `json:"seed"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Disk    uint64    `json:"disk_bytes"` // of table events
	CPU     float64   `json:"cpu_us"`     // of the server per row, rollups included
	Settled bool      `json:"settled"`    // nothing was left to merge when the server was started
}

// blockUsers is how many users an INSERT is of, about 70,000 rows for a month of three.
const blockUsers = 40_000

// loaders is how many INSERTs run at a time. Each works on one thread.
const loaders = 2

// piece is one INSERT.
type piece struct {
	month      uint32
	first, end int    // users
	base       uint64 // number of its first event, from which partitions and offsets follow
	rows       uint64
	id         string // set once it has run
}

// historyParameters are those of historySQL.
func (o *Options) historyParameters() map[string]string {
	return map[string]string{"seed": strconv.FormatUint(o.Seed, 10), "from": o.from().UTC().Format(time.DateTime), "first": "0", "end": strconv.Itoa(o.Users), "month": "0"}
}

// plan cuts the history into INSERTs. Offsets grow from month to month.
func (s *server) plan(ctx context.Context, o *Options) (all []*piece, events uint64, err error) {
	parameters := o.historyParameters()
	parameters["block"] = strconv.Itoa(blockUsers)
	var month uint32
	var block, n uint64
	err = s.rows(ctx, historyCounts, parameters, func() {
		first := int(block) * blockUsers
		all = append(all, &piece{month: month, first: first, end: min(o.Users, first+blockUsers), base: events, rows: n})
		events += n
	}, &month, &block, &n)
	return all, events, err
}

// load makes the history. progress is called with the number of events that are there.
func (s *server) load(ctx context.Context, o *Options) (d Data, err error) {
	pieces, events, err := s.plan(ctx, o)
	if err != nil {
		return d, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo, done := make(chan *piece), make(chan *piece, len(pieces))
	var working sync.WaitGroup
	for range loaders {
		working.Go(func() {
			for p := range todo {
				if err := s.insert(ctx, o, p); err != nil {
					cancel(err)
					return
				}
				done <- p
			}
		})
	}
	working.Go(func() {
		defer close(todo)
		for _, p := range pieces {
			select {
			case todo <- p:
			case <-ctx.Done():
				return
			}
		}
	})
	defer working.Wait()
	var there uint64
	for range pieces {
		select {
		case p := <-done:
			there += p.rows
			o.Progress("loading", there, events)
		case <-ctx.Done():
			return d, context.Cause(ctx)
		}
	}
	return s.loaded(ctx, o, pieces, events)
}

func (s *server) insert(ctx context.Context, o *Options, p *piece) (err error) {
	parameters := o.historyParameters()
	maps.Copy(parameters, map[string]string{
		"month": strconv.FormatUint(uint64(p.month), 10), "first": strconv.Itoa(p.first), "end": strconv.Itoa(p.end), "base": strconv.FormatUint(p.base, 10),
	})
	p.id, _, err = s.exec(ctx, historyInsert(), parameters, schema.InsertSettings(fmt.Sprintf("people-%d-%d", p.month, p.first))...)
	return err
}

// loaded says what there is now, and that it is what there should be.
func (s *server) loaded(ctx context.Context, o *Options, pieces []*piece, events uint64) (d Data, err error) {
	d = Data{Users: o.Users, Events: int(events), Seed: o.Seed, From: o.from(), Until: o.Until}
	var rows, places, visitors, users, outside uint64
	err = s.row(ctx, `
		SELECT count(), sum(_offset * {partitions:UInt64} + _partition), uniqExactIf(user_h, user_id = ''), uniqExactIf(user_h, type = 'identify'), countIf(ts < {from:DateTime('UTC')} OR ts >= {until:DateTime('UTC')})
		FROM {db}.events WHERE project_id = 1 AND _log = `+strconv.Itoa(historyLog),
		map[string]string{"from": d.From.UTC().Format(time.DateTime), "until": d.Until.UTC().Format(time.DateTime), "partitions": strconv.Itoa(partitions)}, &rows, &places, &visitors, &users, &outside)
	if err != nil {
		return d, err
	}
	if n := uint64(o.Users); rows != events || places != events*(events-1)/2 || visitors != n || users != n || outside != 0 {
		return d, fmt.Errorf("BUG: the history has %d events whose places sum up to %d, %d visitors and %d users, and %d events outside its days; planned were %d events of %d users", rows, places, visitors, users, outside, events, n)
	}
	if err := s.row(ctx, "SELECT sum(bytes_on_disk) FROM system.parts WHERE database = {database:String} AND table = 'events' AND active", map[string]string{"database": s.database}, &d.Disk); err != nil {
		return d, err
	}
	costs, err := s.costs(ctx)
	for _, p := range pieces {
		c, ok := costs[p.id]
		if !ok {
			return d, errors.Join(err, fmt.Errorf("system.query_log knows nothing of query %s", p.id))
		}
		d.CPU += c.CPUMillis * 1000 / float64(events)
	}
	return d, err
}
