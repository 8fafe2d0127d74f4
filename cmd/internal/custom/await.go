package custom

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// await waits until every event below the boundary is in table events, and turns to filling. why is not empty when that will not be: then the build has to begin anew.
func (b *builder) await(ctx context.Context, r *record) (why string, err error) {
	grown := make([]time.Time, len(r.boundary.offsets)) // when each partition was last seen to grow
	end := make([]int64, len(r.boundary.offsets))
	failing := time.Time{}
	for noted := time.Now(); ; {
		now, err := b.topic.read(ctx, true)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil:
			if failing.IsZero() {
				failing = time.Now()
			}
			if time.Since(failing) > b.pace.retry {
				return "", err
			}
			b.tell(Progress{What: "tries again: " + firstLine(err)})
			if err := pause(ctx, b.pace.poll); err != nil {
				return "", err
			}
			continue
		}
		failing = time.Time{}
		if now.log != r.boundary.log {
			return fmt.Sprintf("the topic became log %d", now.log), nil
		}
		behind, err := r.boundary.behind(now)
		if err != nil {
			return "", err
		}
		if len(behind) == 0 {
			return "", b.beginFilling(ctx, r)
		}
		short := false
		for _, p := range behind {
			if e := now.held[int32(p)].End; grown[p].IsZero() || e > end[p] {
				grown[p], end[p] = now.at, e
			}
			// A partition that has reached its boundary waits for the sinks; one that has not waits for events.
			if end[p] < r.boundary.of(p) {
				short = true
				if now.at.Sub(grown[p]) >= b.pace.still {
					return fmt.Sprintf("partition %d has not grown for %v", p, b.pace.still), nil
				}
			}
		}
		b.tell(Progress{What: waitsFor(r.boundary, now, behind, short)})
		if time.Since(noted) >= b.pace.note {
			noted = time.Now()
			if err := b.note(ctx, r); err != nil {
				return "", err
			}
		}
		if err := pause(ctx, b.pace.poll); err != nil {
			return "", err
		}
	}
}

// mostShown is how many partitions a message names.
const mostShown = 3

func waitsFor(b boundary, now ends, behind []int, short bool) string {
	what := "waits for the sinks, of which one must run"
	if short {
		what = "waits for the topic to grow beyond where the view begins"
	}
	var shown []string
	for _, p := range behind[:min(mostShown, len(behind))] {
		shown = append(shown, b.shown(p, now))
	}
	if len(behind) > mostShown {
		shown = append(shown, fmt.Sprintf("and %d more", len(behind)-mostShown))
	}
	return what + ": " + strings.Join(shown, "; ")
}

func (b *builder) beginFilling(ctx context.Context, r *record) error {
	r.phase = filling
	if err := b.note(ctx, r); err != nil {
		return err
	}
	b.step(stepFilling)
	return nil
}
