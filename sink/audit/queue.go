package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/millrace/millrace/schema/clickhouse"
)

// queueReach is how far back marks are worked off. A round has been everywhere since.
const queueReach = 3 * 24 * time.Hour

// mostHours is how many hours a look takes on; those with older marks wait for the next one.
const mostHours = 500

// Enqueue has the rollups of these hours compared soon: hours are Unix seconds in UTC, any within the hour. It returns when the marks are stored.
func Enqueue(ctx context.Context, db *clickhouse.DB, hours []int64, reason string) error {
	set := map[int64]bool{}
	for _, h := range hours {
		set[floor(h, hourSeconds)] = true
	}
	for all := sorted(set); len(all) > 0; {
		n := min(len(all), 5000)
		err := db.Do(ctx, call(parameters{"hours": list(all[:n]), "reason": reason}, clickhouse.InsertSettings("")), func(ctx context.Context) error {
			return db.Conn().Exec(ctx, "INSERT INTO "+db.Database()+".audit_queue (at, hour, reason) SELECT now64(3), fromUnixTimestamp64Second(arrayJoin({hours:Array(Int64)}) * 3600, 'UTC'), {reason:String}")
		})
		if err != nil {
			return fmt.Errorf("queue %d hours for the auditor: %w", len(all), err)
		}
		all = all[n:]
	}
	return nil
}

// floor divides rounding down.
func floor(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

// mark is what is known of the marks of one hour.
type mark struct {
	at        int64  // when the last one was set
	count     uint64 // so that a second one of the same millisecond shows
	announced []Pending
	done      bool
}

// queue is what has to be looked at before anything else. Not safe for concurrent use.
type queue struct {
	auditor *Auditor
	marks   map[int64]*mark // by hour
	later   map[*rollup]map[int64]bool
}

func newQueue(a *Auditor) *queue {
	return &queue{auditor: a, marks: map[int64]*mark{}, later: map[*rollup]map[int64]bool{}}
}

// postpone has buckets judged at the next look.
func (q *queue) postpone(r *rollup, buckets []int64) {
	if q.later[r] == nil {
		q.later[r] = map[int64]bool{}
	}
	for _, b := range buckets {
		q.later[r][b] = true
	}
}

// look works off what is queued and what was postponed. A mark is done when its buckets are found in order, or repaired, after every block was confirmed that
// had been announced when the mark was first seen: whoever sets a mark may still be at work on the rows.
func (q *queue) look(ctx context.Context) error {
	fresh, clear, err := q.read(ctx)
	if err != nil {
		return err
	}
	maps.DeleteFunc(q.later, func(r *rollup, _ map[int64]bool) bool { return q.auditor.gone(r) })
	todo := q.later
	q.later = map[*rollup]map[int64]bool{}
	var errs []error
	if hours := append(fresh, clear...); len(hours) > 0 {
		for r, buckets := range todo {
			q.postpone(r, sorted(buckets))
		}
		if err := q.postponeHours(ctx, hours); err != nil {
			return err
		}
		todo, q.later = q.later, map[*rollup]map[int64]bool{}
	}
	for _, r := range q.auditor.all() {
		if len(todo[r]) == 0 {
			continue
		}
		first, err := q.auditor.horizon(ctx, r)
		var buckets []int64
		for _, b := range sorted(todo[r]) {
			if b >= first {
				buckets = append(buckets, b)
			}
		}
		if err == nil {
			var o outcome
			o, err = q.auditor.mend(ctx, r, buckets, true)
			q.auditor.metrics.checked.Add(len(buckets))
			q.postpone(r, o.unclear)
		}
		if err != nil {
			errs = append(errs, err)
			q.postpone(r, buckets)
		}
	}
	// What could not be judged is postponed for itself, so the marks of these hours are worked off either way.
	for _, h := range clear {
		q.marks[h].done = true
	}
	return errors.Join(errs...)
}

// read reads the marks and returns the hours to look at, those with the newest marks first: fresh ones have a mark that was not seen before and whose blocks may be
// under way, clear ones have not.
func (q *queue) read(ctx context.Context) (fresh, clear []int64, err error) {
	a := q.auditor
	now, err := a.pending(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for announced blocks: %w", err)
	}
	var hour, at int64
	var count uint64
	there := map[int64]bool{}
	err = a.query(ctx, "SELECT intDiv(toUnixTimestamp64Second(hour), 3600) AS h, toUnixTimestamp64Milli(max(at)) AS marked, count() FROM "+a.db.Database()+
		".audit_queue WHERE at > now64(3) - toIntervalSecond({reach:UInt32}) GROUP BY h ORDER BY marked DESC, h DESC", parameters{"reach": strconv.Itoa(int(queueReach / time.Second))}, func() {
		there[hour] = true
		if len(fresh)+len(clear) == mostHours {
			return
		}
		m := q.marks[hour]
		unseen := m == nil || m.at < at || m.at == at && m.count < count
		if unseen {
			m = &mark{at: at, count: count, announced: now}
			q.marks[hour] = m
		}
		switch {
		case m.done:
		case confirmed(m.announced, now):
			clear = append(clear, hour)
		case unseen:
			fresh = append(fresh, hour)
		}
	}, &hour, &at, &count)
	if err != nil {
		return nil, nil, fmt.Errorf("read audit_queue: %w", err)
	}
	for h := range q.marks {
		if !there[h] {
			delete(q.marks, h)
		}
	}
	return fresh, clear, nil
}

// postponeHours adds the buckets that rows of these hours belong to.
func (q *queue) postponeHours(ctx context.Context, hours []int64) error {
	days := map[int64]bool{}
	for _, h := range hours {
		days[floor(h, hoursPerDay)] = true
	}
	for _, r := range q.auditor.all() {
		switch {
		case r.unit == hourSeconds:
			q.postpone(r, hours)
		case r.rawRange != "":
			q.postpone(r, sorted(days))
		default:
			found, err := q.auditor.daysOf(ctx, r, hours)
			if err != nil {
				return err
			}
			// Rows that are gone from events belonged to a day nearby.
			for d := range days {
				for near := d - 1; near <= d+1; near++ {
					found[near] = true
				}
			}
			q.postpone(r, sorted(found))
		}
	}
	return nil
}

// daysOf returns the buckets of r, which does not go by ts, that events of these hours belong to.
func (a *Auditor) daysOf(ctx context.Context, r *rollup, hours []int64) (map[int64]bool, error) {
	hourly := rollups[0]
	found := map[int64]bool{}
	set := map[int64]bool{}
	for _, h := range hours {
		set[h] = true
	}
	var b int64
	for all := sorted(set); len(all) > 0; {
		n := 1
		for n < len(all) && all[0]-all[n] < widest*hoursPerDay {
			n++
		}
		err := a.query(ctx, fmt.Sprintf("SELECT DISTINCT %s FROM %s.events WHERE %s AND %s", r.raw, a.db.Database(), r.where, chosen(hourly.raw, hourly.rawRange, true)),
			span(all[:n]), func() { found[b] = true }, &b)
		if err != nil {
			return nil, fmt.Errorf("ask which days of %s the queued hours belong to: %w", r.table, err)
		}
		all = all[n:]
	}
	return found, nil
}

// confirmed tells whether all that was announced is confirmed now.
func confirmed(announced, now []Pending) bool {
	for _, p := range announced {
		if p.Next <= p.Offset {
			continue
		}
		done := false
		for _, n := range now {
			done = done || n.Topic == p.Topic && n.Partition == p.Partition && n.Offset >= p.Next
		}
		if !done {
			return false
		}
	}
	return true
}
