package custom

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/schema/clickhouse"
)

// Bounds of what fills the table, so that it takes little from the sinks: one block of at most so many keys at a time, by one thread.
const (
	mostKeys        = 2_000_000
	fillMemoryBytes = 1 << 30
	// mostPieces is how many pieces a day may be cut into.
	mostPieces = 1024
)

// span is a day to fill.
type span struct {
	number int64 // from 1970
	events uint64
}

// name is the day for people.
func (s span) name() string { return time.Unix(s.number*86400, 0).UTC().Format(time.DateOnly) }

// piece is the keys of a day whose hash leaves part when divided by parts, a power of two. Each is divided into two.
type piece struct{ parts, part int }

// number is different for all pieces of a day, and above 0.
func (p piece) number() int { return p.parts + p.part }

func (p piece) halves() [2]piece {
	return [2]piece{{2 * p.parts, p.part}, {2 * p.parts, p.part + p.parts}}
}

// fill adds what is below the boundary, day by day, as far as it is not in yet.
func (b *builder) fill(ctx context.Context, r *record) error {
	days, err := b.days(ctx, r)
	if err != nil {
		return err
	}
	r.days, r.daysDone, r.events, r.eventsDone = uint32(len(days)), 0, 0, 0
	for _, d := range days {
		r.events += d.events
	}
	noted := time.Time{}
	for _, d := range days {
		if time.Since(noted) >= b.pace.note {
			if err := b.note(ctx, r); err != nil {
				return err
			}
			noted = time.Now()
		}
		b.tell(Progress{What: "back-fills " + d.name(), Done: r.eventsDone, Total: r.events})
		if err := b.fillDay(ctx, r, d); err != nil {
			return fmt.Errorf("back-fill %s: %w", d.name(), err)
		}
		r.daysDone++
		r.eventsDone += d.events
	}
	r.phase = complete
	if err := b.note(ctx, r); err != nil {
		return err
	}
	b.step(stepFilled)
	return nil
}

// days lists the days that have events below the boundary, by what the primary key can tell of them, those that the table would forget at once left out.
func (b *builder) days(ctx context.Context, r *record) ([]span, error) {
	d := b.rollup.definition
	conditions := append(d.cheapConditions(), r.boundary.fill())
	if d.KeepDays > 0 {
		conditions = append(conditions, fmt.Sprintf("events.ts >= toStartOfDay(now64(3)) - toIntervalDay(%d)", d.KeepDays))
	}
	var all []span
	var s span
	err := b.persist(ctx, func() error {
		all = nil
		return b.query(ctx, "SELECT toInt64(toInt32(toDate32(events.ts))) AS d, count() FROM "+b.db.Database()+".events WHERE "+and(conditions...)+" GROUP BY d ORDER BY d", nil,
			[]clickhouse.Setting{{Name: "max_threads", Value: "2"}, {Name: "max_memory_usage", Value: strconv.Itoa(fillMemoryBytes)}}, func() { all = append(all, s) }, &s.number, &s.events)
	})
	if err != nil {
		return nil, fmt.Errorf("list the days to back-fill: %w", err)
	}
	return all, nil
}

// fillDay adds the pieces of a day that are not in.
func (b *builder) fillDay(ctx context.Context, r *record, d span) error {
	in, err := b.pieces(ctx, r, d)
	if err != nil {
		return err
	}
	return b.fillPiece(ctx, r, d, piece{1, 0}, in)
}

// pieces are the numbers of those of a day that the table holds.
func (b *builder) pieces(ctx context.Context, r *record, d span) (map[int]bool, error) {
	var in map[int]bool
	var n uint16
	at := b.rollup.definition.Interval
	days := fmt.Sprintf("%s >= fromUnixTimestamp64Second(%d, 'UTC') AND %[1]s < fromUnixTimestamp64Second(%[3]d, 'UTC')", at, d.number*86400, (d.number+1)*86400)
	if at == day {
		days = fmt.Sprintf("day = addDays(toDate32('1970-01-01'), %d)", d.number)
	}
	err := b.persist(ctx, func() error {
		in = map[int]bool{}
		return b.query(ctx, fmt.Sprintf("SELECT DISTINCT %s FROM %s.%s WHERE %s AND %[1]s != 0", fillColumn, b.db.Database(), r.table(), days), nil, nil, func() { in[int(n)] = true }, &n)
	})
	if err != nil {
		return nil, fmt.Errorf("look which pieces are in: %w", err)
	}
	return in, nil
}

// begun tells whether a part of the piece is in by itself.
func (p piece) begun(in map[int]bool) bool {
	if p.parts >= mostPieces {
		return false
	}
	for _, h := range p.halves() {
		if in[h.number()] || h.begun(in) {
			return true
		}
	}
	return false
}

// errTooMuch: a piece is more than one INSERT may hold.
var errTooMuch = errors.New("too many keys for one INSERT")

// fillPiece adds a piece, as a whole or in halves. One that was begun in halves goes on so.
func (b *builder) fillPiece(ctx context.Context, r *record, d span, p piece, in map[int]bool) error {
	if in[p.number()] {
		return nil
	}
	if !p.begun(in) {
		err := b.sendPiece(ctx, r, d, p)
		switch {
		case !errors.Is(err, errTooMuch):
			return err
		case p.parts >= mostPieces:
			return fmt.Errorf("%w, even in %d pieces: choose fewer dimensions, or such with fewer values", err, p.parts)
		}
	}
	for _, h := range p.halves() {
		if err := b.fillPiece(ctx, r, d, h, in); err != nil {
			return err
		}
	}
	return nil
}

// mostTokens bounds how often a piece is sent under another token, because the server had noted the one before and lost the rows.
const mostTokens = 5

// sendPiece sends a piece until it is in. What an attempt has done is seen, not believed: an answer may be lost, and a server that was killed may have noted the token of rows that it
// has not stored. No two attempts are under way at once.
func (b *builder) sendPiece(ctx context.Context, r *record, d span, p piece) error {
	sent := false
	for token := range mostTokens {
		err := b.persist(ctx, func() error {
			if sent {
				if err := b.silence(ctx, r.statements()); err != nil {
					return err
				}
				if in, err := b.pieces(ctx, r, d); err != nil || in[p.number()] {
					return err
				}
			}
			sent = true
			err := b.insertPiece(ctx, r, d, p, token)
			b.step(stepPiece)
			return err
		})
		if err != nil && !tooMuch(err) {
			return err
		}
		in, lookErr := b.pieces(ctx, r, d)
		switch {
		case lookErr != nil:
			return lookErr
		case in[p.number()]:
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", errTooMuch, err)
		}
		any, err := b.hasRows(ctx, r, d, p)
		if err != nil || !any || b.forgets(d) {
			return err
		}
		if err := b.held(ctx, r); err != nil {
			return err
		}
	}
	return fmt.Errorf("the server took the rows of piece %d %d times and does not have them: look at its disk", p.number(), mostTokens)
}

// forgets tells whether the table drops rows of the day as they come, by its TTL.
func (b *builder) forgets(d span) bool {
	keep := b.rollup.definition.KeepDays
	return keep > 0 && time.Unix((d.number+int64(keep))*86400, 0).Before(time.Now().Add(clockMargin))
}

// of are the conditions for the events of a piece.
func (b *builder) of(r *record, d span, p piece) []string {
	conditions := append(b.rollup.conditions[:len(b.rollup.conditions):len(b.rollup.conditions)], r.boundary.fill(),
		// With < for the end, the primary key, which holds the day of ts, would have the next day read as well.
		fmt.Sprintf("events.ts >= fromUnixTimestamp64Milli(%d, 'UTC') AND events.ts <= fromUnixTimestamp64Milli(%d, 'UTC')", d.number*86400_000, (d.number+1)*86400_000-1))
	if p.parts > 1 {
		conditions = append(conditions, fmt.Sprintf("%s %% %d = %d", b.rollup.keyHash(), p.parts, p.part))
	}
	return conditions
}

// insertPiece makes one attempt. The block is one, whatever its size, so it is stored as a whole or not at all.
func (b *builder) insertPiece(ctx context.Context, r *record, d span, p piece, token int) error {
	fence, parameters := b.fence(r)
	statement := fmt.Sprintf("INSERT INTO %s.%s (%s)\n%s", b.db.Database(), r.table(), b.rollup.names(), b.rollup.selection(p.number(), b.db.Database()+".events", append(b.of(r, d, p), fence)...))
	id := fmt.Sprintf("%s%d-%d", r.statements(), d.number, p.number())
	if token > 0 {
		id += "-" + strconv.Itoa(token)
	}
	return b.execAs(ctx, r.statements(), statement, parameters, b.fillSettings(id)...)
}

func (b *builder) fillSettings(token string) []clickhouse.Setting {
	return append(clickhouse.InsertSettings(token),
		clickhouse.Setting{Name: "max_threads", Value: "1"}, clickhouse.Setting{Name: "max_insert_threads", Value: "1"},
		clickhouse.Setting{Name: "max_memory_usage", Value: strconv.Itoa(fillMemoryBytes)},
		clickhouse.Setting{Name: "max_rows_to_group_by", Value: strconv.Itoa(b.pace.keys)}, clickhouse.Setting{Name: "group_by_overflow_mode", Value: "throw"})
}

// hasRows tells whether any event counts for a piece.
func (b *builder) hasRows(ctx context.Context, r *record, d span, p piece) (bool, error) {
	var n uint64
	err := b.persist(ctx, func() (err error) {
		n, err = b.number(ctx, "SELECT count() FROM (SELECT 1 FROM "+b.db.Database()+".events WHERE "+and(b.of(r, d, p)...)+" LIMIT 1)", nil,
			clickhouse.Setting{Name: "max_threads", Value: "1"})
		return err
	})
	return n > 0, err
}
