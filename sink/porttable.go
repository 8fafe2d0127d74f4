package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/sink/audit"
	"github.com/millrace/millrace/sink/exact"
)

// The port's side of the table: what it holds, INSERTs, and how it is mended.

func (p *port) Insert(ctx context.Context, rows exact.Part, token string) error {
	m := p.sink.metrics
	part := rows.(*part)
	if set := part.sendsPromoted(); set != nil && !p.sink.promotions.vouches(set, p.sink.cfg.InsertTimeout) {
		part.leavePromoted()
	}
	input := part.Input()
	in := insertion{statement: insertStatement("`"+p.topic.table+"`", input), token: token, input: input}
	if token != "" {
		// The same for every attempt of this generation: the server refuses one while the former still runs.
		in.queryID = fmt.Sprintf("%s-g%d", token, p.generation.ID)
	}
	start := time.Now()
	err := p.tables.conn.insert(ctx, in)
	if err == nil {
		p.failedView = ""
		m.insertSeconds[p.topic.table].UpdateDuration(start)
		m.insertRows[p.topic.table].Add(rows.Rows())
		p.limit.fits()
		return nil
	}
	if ch.IsErr(err, proto.ErrMemoryLimitExceeded) {
		p.limit.tooLarge()
	}
	failure := p.failure(fmt.Errorf("insert into %s: %w", p.topic.table, err))
	p.spareMetric(ctx, failure)
	if failure.Class != exact.Retriable && part.leavePromoted() {
		// Perhaps a promoted column is gone. What ClickHouse computes itself is right in any case.
		p.sink.promotions.lookAgain()
		failure.Class, failure.Cure = exact.Retriable, ""
	}
	p.sink.metrics.insertErrors[failure.Class].Inc()
	return failure
}

// failed says what the error of a statement means.
func (p *port) failed(err error) error {
	if err == nil {
		return nil
	}
	failure := p.failure(err)
	p.sink.metrics.insertErrors[failure.Class].Inc()
	return failure
}

func (p *port) failure(err error) *exact.InsertError {
	class, cure := classify(err)
	return &exact.InsertError{Class: class, Cure: cure, Unsent: errors.Is(err, errUnsent), Err: err}
}

func (p *port) Highest(ctx context.Context, from int64) (int64, error) {
	return p.tables.highest(ctx, from)
}

func (p *port) Stored(ctx context.Context, first, next int64, span *exact.Span) ([]exact.Row, error) {
	return p.tables.stored(ctx, first, next, span)
}

func (p *port) Kill(ctx context.Context, prefix string) error { return p.tables.kill(ctx, prefix) }

func (p *port) Unstage(ctx context.Context) error { return p.tables.unstage(ctx) }

func (p *port) Stage(ctx context.Context, b *exact.Block) error {
	p.staged = p.staged[:0]
	var parts []*part
	for _, rows := range b.Parts {
		part := rows.(*part)
		part.leavePromoted() // the staging table has whatever columns the table has when it is made
		parts = append(parts, part)
		p.staged = append(p.staged, rows.Month())
	}
	return p.failed(p.tables.stage(ctx, p.generation.ID, parts))
}

func (p *port) Attach(ctx context.Context) error {
	return p.tables.attach(ctx, p.staged)
}

func (p *port) Delete(ctx context.Context, first, next int64, parts []string) error {
	return p.tables.remove(ctx, first, next, parts)
}

func (p *port) Audit(ctx context.Context, b *exact.Block) error {
	if p.topic.table != eventsTable {
		return nil // no rollup is made of the others
	}
	const hour = int64(time.Hour / time.Millisecond)
	touched := make(map[int64]bool)
	var hours []int64
	for _, rows := range b.Parts {
		for i := range rows.Rows() {
			ts := rows.Row(i).TS
			start := ts - ((ts%hour)+hour)%hour
			if !touched[start] {
				touched[start] = true
				hours = append(hours, start/1000)
			}
		}
	}
	db, err := p.sink.database(ctx)
	if err != nil {
		return err
	}
	return audit.Enqueue(ctx, db, hours, "recovered")
}
