package logging

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxRepeats bounds the messages that are watched at a time. Messages are constants of the program, so there are never that many; one
// that has a changing text in it must not eat the memory.
const maxRepeats = 1000

// Every returns a handler that passes records on to h, but of equal warnings, or equal errors, only the first burst in each interval.
// Equal means the same level and message; attributes do not count. What is held back is counted, and the count comes as one more
// record with the message and the attribute repeated, before the next record of any kind once the interval is over.
func Every(interval time.Duration, burst int, h slog.Handler) slog.Handler {
	return &every{Handler: h, state: &repeats{interval: interval, burst: burst, root: h, seen: map[repeatKey]*repeat{}}}
}

type every struct {
	slog.Handler
	state *repeats
}

func (e *every) Handle(ctx context.Context, r slog.Record) error {
	pass, due := e.state.take(r)
	for _, d := range due {
		// These are lines of their own: an error of theirs must not lose the record at hand.
		_ = e.state.root.Handle(ctx, d)
	}
	if !pass {
		return nil
	}
	return e.Handler.Handle(ctx, r)
}

func (e *every) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &every{Handler: e.Handler.WithAttrs(attrs), state: e.state}
}

func (e *every) WithGroup(name string) slog.Handler {
	return &every{Handler: e.Handler.WithGroup(name), state: e.state}
}

type repeatKey struct {
	level   slog.Level
	message string
}

type repeat struct {
	since  time.Time // begin of the interval
	passed int
	held   int
}

// repeats is shared by a handler and those derived from it.
type repeats struct {
	interval time.Duration
	burst    int
	root     slog.Handler // without the attributes of one caller: a count belongs to all of them

	mu   sync.Mutex
	seen map[repeatKey]*repeat
	next time.Time // no interval ends before
}

// take decides about one record and returns the counts that are due before it.
func (s *repeats) take(r slog.Record) (pass bool, due []slog.Record) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	due = s.sweepLocked(now)
	if r.Level < slog.LevelWarn {
		return true, due
	}
	key := repeatKey{r.Level, r.Message}
	seen := s.seen[key]
	if seen == nil {
		if len(s.seen) >= maxRepeats {
			return true, due
		}
		seen = &repeat{since: now}
		s.seen[key] = seen
		if end := now.Add(s.interval); len(s.seen) == 1 || end.Before(s.next) {
			s.next = end
		}
	}
	if seen.passed < s.burst {
		seen.passed++
		return true, due
	}
	seen.held++
	return false, due
}

// sweepLocked forgets the messages whose interval is over and returns the counts of those that were held back.
func (s *repeats) sweepLocked(now time.Time) []slog.Record {
	if len(s.seen) == 0 || now.Before(s.next) {
		return nil
	}
	var due []slog.Record
	s.next = now.Add(s.interval)
	for key, seen := range s.seen {
		end := seen.since.Add(s.interval)
		if end.After(now) {
			if end.Before(s.next) {
				s.next = end
			}
			continue
		}
		delete(s.seen, key)
		if seen.held == 0 {
			continue
		}
		r := slog.NewRecord(now, key.level, key.message, 0)
		r.AddAttrs(slog.Int("repeated", seen.held), slog.Duration("within", now.Sub(seen.since)))
		due = append(due, r)
	}
	slices.SortFunc(due, func(a, b slog.Record) int { return strings.Compare(a.Message, b.Message) })
	return due
}
