package custom

import (
	"context"
	"errors"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// tooMuch tells whether a statement wanted more memory or keys than it may have.
func tooMuch(err error) bool {
	switch code(err) {
	case 158, 241: // TOO_MANY_ROWS, MEMORY_LIMIT_EXCEEDED
		return true
	}
	return false
}

// passing tells whether an error may be over soon: no answer at all, or one of a server that is busy, full or about to stop.
func passing(err error) bool {
	var e *driver.Exception
	if !errors.As(err, &e) {
		return true
	}
	switch e.Code {
	case 159, 164, 202, 203, 209, 210, 236, 242, 243, 252, 319, 394, 425, 999:
		return true // time, read-only, too many queries, network, stopping, read-only replica, disk, parts, quorum, killed, system, Keeper
	}
	return false
}

// note is write, by persist.
func (b *builder) note(ctx context.Context, r *record) error {
	return b.persist(ctx, func() error { return b.write(ctx, r) })
}

// persist calls f until it succeeds, or fails for good, or pace.retry is over.
func (b *builder) persist(ctx context.Context, f func() error) error {
	wait := 100 * time.Millisecond
	for deadline := time.Now().Add(b.pace.retry); ; {
		err := f()
		if err == nil || ctx.Err() != nil || tooMuch(err) || !passing(err) || errors.Is(err, ErrTaken) || !time.Now().Before(deadline) {
			return err
		}
		b.tell(Progress{What: "tries again: " + firstLine(err)})
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, 5*time.Second)
	}
}
