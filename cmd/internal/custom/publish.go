package custom

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/schema/clickhouse"
)

// clockMargin is how far the clocks of this machine and of the server may be apart.
const clockMargin = time.Hour

// publish has people read a build that is complete, and drops those before.
func (b *builder) publish(ctx context.Context, r *record) error {
	database := b.db.Database()
	b.tell(Progress{What: "is complete; people read it from now on"})
	// What sinks had to repair meanwhile they have queued for rollups that were there; this one is compared now.
	err := b.exec(ctx, "INSERT INTO "+database+".audit_queue (at, hour, reason) SELECT now64(3), hour, {reason:String} FROM "+database+
		".audit_queue WHERE at >= fromUnixTimestamp64Milli({begun:Int64}, 'UTC') GROUP BY hour",
		names{"reason": "custom metric " + r.name, "begun": strconv.FormatInt(r.begun.Add(-clockMargin).UnixMilli(), 10)}, clickhouse.InsertSettings("")...)
	if err != nil {
		return fmt.Errorf("queue what was repaired meanwhile: %w", err)
	}
	if err := b.exec(ctx, b.rollup.createReader(database, r.build), nil); err != nil {
		return fmt.Errorf("make view %s: %w", readerName(r.name), err)
	}
	b.step(stepReadable)
	if err := b.held(ctx, r); err != nil {
		return errors.Join(err, b.takeBack(ctx, r))
	}
	records, err := b.records(ctx, r.name)
	if err != nil {
		return err
	}
	for i := range records {
		if old := &records[i]; old.build != r.build && old.phase != dropped {
			if err := b.abandon(ctx, old, "another build took its place"); err != nil {
				return err
			}
		}
	}
	b.Logger.Info("metric is complete", "metric", r.name, "build", r.build, "days", r.days, "events", r.events)
	return nil
}

// takeBack drops the view for people when it reads a build that was dropped meanwhile.
func (b book) takeBack(ctx context.Context, r *record) error {
	records, err := b.records(ctx, r.name)
	if err != nil {
		return err
	}
	for i := range records {
		if records[i].phase == complete {
			return nil // it is made again by whoever completed that one
		}
	}
	return b.dropReader(ctx, r.name)
}
