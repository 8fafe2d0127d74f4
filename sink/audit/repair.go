package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// repairID names a repair: the fingerprint is made of all numbers of both sides.
type repairID struct {
	table       string
	bucket      int64
	fingerprint uint64
}

// sentRepair is what became of a repair.
type sentRepair struct {
	at   time.Time
	took int // how often the server has said that it took it
}

// mostRepairs is how often a bucket is repaired in a row. Two are normal: one for keys that have to be deleted first, one that puts them back.
const mostRepairs = 5

// mostHashes is how many keys are deleted by name; of a bucket with more, all are.
const mostHashes = 10_000

// outcome is what became of some buckets.
type outcome struct {
	drifted  map[int64]uint64 // buckets that differ, by how many rows when that was first seen
	repaired map[int64]bool   // those of them for which a repair was sent
	unclear  []int64          // buckets that could not be judged, or are not repaired though they should be: to be tried again
}

func newOutcome() outcome { return outcome{drifted: map[int64]uint64{}, repaired: map[int64]bool{}} }

func (o *outcome) add(p outcome) {
	for b, rows := range p.drifted {
		o.found(b, rows)
	}
	maps.Copy(o.repaired, p.repaired)
	o.unclear = append(o.unclear, p.unclear...)
}

// found notes that a bucket drifted, and tells whether that is new.
func (o *outcome) found(bucket int64, rows uint64) bool {
	_, known := o.drifted[bucket]
	if !known {
		o.drifted[bucket] = rows
	}
	return !known
}

// mostJudged is how many buckets are judged at once, and widest how many days lie between them.
const (
	mostJudged = 24 * 31
	widest     = 31
)

// mend judges buckets, which are sorted, and repairs what drifted.
func (a *Auditor) mend(ctx context.Context, r *rollup, buckets []int64, repair bool) (outcome, error) {
	o := newOutcome()
	for len(buckets) > 0 {
		n := 1
		for n < min(mostJudged, len(buckets)) && (r.rawRange == "" || max(buckets[0]-buckets[n], buckets[n]-buckets[0]) < widest*r.bucketsPerDay()) {
			n++
		}
		p, err := a.mendWithin(ctx, r, buckets[:n], repair)
		o.add(p)
		if err != nil {
			return o, err
		}
		buckets = buckets[n:]
	}
	return o, nil
}

// mendWithin is mend for as many buckets as a query can take; when they are too many after all, for one half after the other.
func (a *Auditor) mendWithin(ctx context.Context, r *rollup, buckets []int64, repair bool) (outcome, error) {
	o, err := a.mendOnce(ctx, r, buckets, repair)
	if half := len(buckets) / 2; half > 0 && beyondLimits(err) {
		first, err1 := a.mendWithin(ctx, r, buckets[:half], repair)
		o.add(first)
		second, err2 := a.mendWithin(ctx, r, buckets[half:], repair)
		o.add(second)
		return o, errors.Join(err1, err2)
	}
	return o, err
}

func (a *Auditor) mendOnce(ctx context.Context, r *rollup, buckets []int64, repair bool) (outcome, error) {
	o := newOutcome()
	for turn := 0; len(buckets) > 0; turn++ {
		j, err := a.judge(ctx, r, buckets, a.patience)
		if err != nil {
			return o, err
		}
		for _, b := range j.fine {
			a.setDrift(r, b, 0)
		}
		a.forget(r, j.fine)
		o.unclear = append(o.unclear, j.unclear...)
		buckets = nil
		for _, f := range j.drift {
			if o.found(f.bucket, f.rows) {
				a.log.Warn("rollup differs from events", "rollup", r.table, "bucket", r.name(f.bucket), "keys", f.keys, "rows", f.rows, "events", f.raw, "rollup_events", f.own)
			}
			a.setDrift(r, f.bucket, f.rows)
			if !repair || err != nil {
				continue
			}
			var sent bool
			if turn < mostRepairs {
				sent, err = a.repair(ctx, r, j, f)
			}
			if !sent {
				o.unclear = append(o.unclear, f.bucket)
				continue
			}
			o.repaired[f.bucket] = true
			buckets = append(buckets, f.bucket)
		}
		if err = errors.Join(err, a.dropStage(ctx, j.stage)); err != nil {
			return o, err
		}
	}
	return o, nil
}

// repair sends what mends a bucket as it was judged. It returns false when that must wait. After an error it may be done or not.
func (a *Auditor) repair(ctx context.Context, r *rollup, j judgement, f finding) (bool, error) {
	id := repairID{r.table, f.bucket, f.fingerprint}
	a.mu.Lock()
	s := a.sent[id]
	if time.Since(j.read) > staleAfter || !s.at.IsZero() && time.Since(s.at) < a.pause {
		a.mu.Unlock()
		return false, nil
	}
	s.at = time.Now()
	a.sent[id] = s
	a.mu.Unlock()

	if err := a.insertRepair(ctx, r, j, f, s.took); err != nil {
		return false, fmt.Errorf("repair %s, %s: %w", r.table, r.name(f.bucket), err)
	}
	if err := a.deleteHard(ctx, r, j, f); err != nil {
		return false, fmt.Errorf("repair %s, %s: %w", r.table, r.name(f.bucket), err)
	}
	s.took++
	a.mu.Lock()
	a.sent[id] = s
	a.mu.Unlock()
	a.metrics.repairs.Inc()
	a.log.Info("rollup repaired", "rollup", r.table, "bucket", r.name(f.bucket), "keys", f.keys, "deleted_keys", f.hard, "rows", f.rows, "attempt", s.took)
	return true, nil
}

// insertRepair inserts the differences of the keys that an insert mends. took is how often the server has taken the very same in vain.
func (a *Auditor) insertRepair(ctx context.Context, r *rollup, j judgement, f finding, took int) error {
	if f.hard == f.keys {
		return nil
	}
	token := fmt.Sprintf("audit-%s-%d-%016x", r.table, f.bucket, f.fingerprint)
	if took > 0 {
		token += "-" + strconv.Itoa(took)
	}
	p := parameters{"bucket": strconv.FormatInt(f.bucket, 10), "deadline": strconv.FormatInt(j.clock+staleAfter.Milliseconds(), 10)}
	if err := a.exec(ctx, r.repairStatement(a.db.Database(), j.stage), p, insertSettings(token)); err != nil {
		return fmt.Errorf("insert differences: %w", err)
	}
	return nil
}

// deleteHard deletes the keys that hold what no insert takes away.
func (a *Auditor) deleteHard(ctx context.Context, r *rollup, j judgement, f finding) error {
	if f.hard == 0 {
		return nil
	}
	p := span([]int64{f.bucket})
	if f.hard <= mostHashes {
		var hash uint64
		var hashes []uint64
		err := a.query(ctx, "SELECT "+r.keyHash("k_")+" FROM "+j.stage+" WHERE hard AND b = {low:Int64}", p, func() { hashes = append(hashes, hash) }, &hash)
		if err != nil {
			return fmt.Errorf("list keys to delete: %w", err)
		}
		p["hashes"] = list(hashes)
	}
	if err := a.exec(ctx, r.deleteStatement(a.db.Database(), f.hard <= mostHashes), p, mutationSettings); err != nil {
		return fmt.Errorf("delete keys: %w", err)
	}
	return nil
}

// forget drops what is known of repairs of buckets that are in order.
func (a *Auditor) forget(r *rollup, buckets []int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sent) == 0 {
		return
	}
	fine := make(map[int64]bool, len(buckets))
	for _, b := range buckets {
		fine[b] = true
	}
	for id, s := range a.sent {
		if id.table == r.table && fine[id.bucket] && time.Since(s.at) > a.pause {
			delete(a.sent, id)
		}
	}
}

// name is a bucket for people.
func (r *rollup) name(bucket int64) string {
	t := time.Unix(bucket*r.unit, 0).UTC()
	if r.unit == daySeconds {
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02T15")
}
