package sink

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/promote"
)

// promotions knows which properties have columns of their own. Only speed depends on it: ClickHouse computes the column of a property that is not sent, and an INSERT with a column that is
// gone is repeated without.
type promotions struct {
	last  atomic.Pointer[promotionsSeen] // published by look; never nil
	again chan struct{}                  // has room for one: look now
}

// promotionsSeen is what a look at the table came to. It is not changed.
type promotionsSeen struct {
	set *promotedSet // the same one as long as nothing changes; nil: no property is promoted
	at  time.Time    // when the look began
}

// promotedSet is the columns of promoted properties at one time.
type promotedSet struct{ columns []promote.Column }

const (
	promotionInterval = 5 * time.Second
	// promotionTimeout bounds one look.
	promotionTimeout = 10 * time.Second
)

func newPromotions() *promotions {
	p := &promotions{again: make(chan struct{}, 1)}
	p.last.Store(&promotionsSeen{})
	return p
}

// set is the columns as last seen; nil: none.
func (p *promotions) set() *promotedSet { return p.last.Load().set }

// vouches tells whether an INSERT of the columns of set that begins now is over, within most, before any of their names can have become that of another column.
func (p *promotions) vouches(set *promotedSet, most time.Duration) bool {
	last := p.last.Load()
	return last.set == set && time.Since(last.at)+most < promote.ReuseAfter
}

// lookAgain makes watch look without waiting.
func (p *promotions) lookAgain() {
	select {
	case p.again <- struct{}{}:
	default:
	}
}

// watch looks at the columns of table events until ctx ends.
func (p *promotions) watch(ctx context.Context, open func(ctx context.Context) (*clickhouse.DB, error), log *slog.Logger) {
	t := time.NewTicker(promotionInterval)
	defer t.Stop()
	for {
		if db, err := open(ctx); err == nil {
			p.look(ctx, db, log)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-p.again:
		}
	}
}

// look reads the columns once. An error is not worth a word: while the server is away, those who insert say so.
func (p *promotions) look(ctx context.Context, db *clickhouse.DB, log *slog.Logger) {
	// A query is not left in the middle.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), promotionTimeout)
	defer cancel()
	start := time.Now()
	columns, err := promote.Columns(ctx, db)
	if err != nil {
		return
	}
	p.saw(columns, start, log)
}

func (p *promotions) saw(columns []promote.Column, at time.Time, log *slog.Logger) {
	set := p.set()
	var before []promote.Column
	if set != nil {
		before = set.columns
	}
	if !slices.Equal(before, columns) {
		set = nil
		if len(columns) > 0 {
			set = &promotedSet{columns: columns}
		}
		names := make([]string, len(columns))
		for i, c := range columns {
			names[i] = c.Name
		}
		log.Info("promoted properties", "columns", names)
	}
	p.last.Store(&promotionsSeen{set: set, at: at})
}
