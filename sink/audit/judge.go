package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/schema/clickhouse"
)

// Pending is how far a sink is with a partition of topic events: offsets below Offset are confirmed to be stored, those from there up to Next are announced.
// Next is Offset when nothing is.
type Pending struct {
	Topic        string
	Partition    int32
	Offset, Next int64
}

// finding is what is different in a bucket.
type finding struct {
	bucket      int64
	keys, hard  uint64 // keys that differ, and those of them that no insert mends
	rows        uint64 // by how many events, see driftQuery
	raw, own    int64  // events of these keys on both sides
	fingerprint uint64
}

// rawSums is which rows events has for a bucket.
type rawSums struct{ rows, checksum uint64 }

// judgement is what is known of some buckets; each is in one of the three.
type judgement struct {
	fine    []int64
	drift   []finding
	unclear []int64
	stage   string    // table that holds the keys of drift, or "" if there is none. It has to be dropped.
	read    time.Time // before events was counted for the last time
	clock   int64     // the same by the server's clock, Unix milliseconds
}

// judge judges buckets, which are sorted and not empty. It waits for announced blocks as long as patience.
func (a *Auditor) judge(ctx context.Context, r *rollup, buckets []int64, patience time.Duration) (judgement, error) {
	before, err := a.rawSums(ctx, r, buckets)
	if err != nil {
		return judgement{}, err
	}
	first, err := a.findings(ctx, r, "("+r.driftQuery(a.db.Database())+")", span(buckets))
	if err != nil {
		return judgement{}, fmt.Errorf("compare %s: %w", r.table, err)
	}
	var j judgement
	var suspects []int64
	for _, b := range buckets {
		if _, differs := first[b]; differs {
			suspects = append(suspects, b)
		} else {
			j.fine = append(j.fine, b)
		}
	}
	if len(suspects) == 0 {
		return j, nil
	}
	after, err := a.rawSums(ctx, r, suspects)
	if err != nil {
		return judgement{}, err
	}
	// Only now: a block that was announced before this is confirmed by now, or listed, and no row seen above is of a later one.
	pending, err := a.pending(ctx)
	if err != nil {
		return judgement{}, fmt.Errorf("ask for announced blocks: %w", err)
	}
	settled, err := a.settled(ctx, pending, patience)
	if err != nil {
		return judgement{}, err
	}
	if !settled {
		j.unclear = suspects
		return j, nil
	}
	before2, err := a.rawSums(ctx, r, suspects)
	if err != nil {
		return judgement{}, err
	}
	j.stage = a.db.StagingDatabase() + "." + stagePrefix + r.table + "_" + rand.Text()
	second, err := a.secondReading(ctx, r, suspects, j.stage)
	var after2 map[int64]rawSums
	if err == nil {
		j.read = time.Now()
		err = a.query(ctx, "SELECT toUnixTimestamp64Milli(now64(3))", nil, func() {}, &j.clock)
	}
	if err == nil {
		after2, err = a.rawSums(ctx, r, suspects)
	}
	if err != nil {
		return judgement{}, errors.Join(err, a.dropStage(ctx, j.stage))
	}
	for _, b := range suspects {
		f, differs := second[b]
		same := before[b] == after[b] && before[b] == before2[b] && before[b] == after2[b]
		switch {
		case !differs:
			j.fine = append(j.fine, b)
		case same && f == first[b]:
			j.drift = append(j.drift, f)
		default:
			j.unclear = append(j.unclear, b)
		}
	}
	if len(j.drift) == 0 {
		err, j.stage = a.dropStage(ctx, j.stage), ""
	}
	return j, err
}

// stagePrefix begins the names of the auditor's tables in the staging database.
const stagePrefix = "audit_"

// secondReading puts the keys that differ into a new table and adds up what it holds.
func (a *Auditor) secondReading(ctx context.Context, r *rollup, buckets []int64, stage string) (map[int64]finding, error) {
	create := "CREATE TABLE " + stage + " ENGINE = MergeTree ORDER BY b AS " + r.driftQuery(a.db.Database())
	if err := a.exec(ctx, create, span(buckets), a.limits); err != nil {
		return nil, fmt.Errorf("stage differences of %s: %w", r.table, err)
	}
	found, err := a.findings(ctx, r, stage, nil)
	if err != nil {
		return nil, fmt.Errorf("read staged differences of %s: %w", r.table, err)
	}
	return found, nil
}

// goodbye is how long the dropping of a staging table may take when everything else has ended.
const goodbye = 3 * time.Second

// dropStage drops a staging table, also when ctx has ended.
func (a *Auditor) dropStage(ctx context.Context, stage string) error {
	if stage == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if err := a.exec(ctx, "DROP TABLE IF EXISTS "+stage+" SYNC", nil, nil); err != nil {
		return fmt.Errorf("drop %s: %w", stage, err)
	}
	return nil
}

// dropLeftStages drops what auditors that were killed have left. No judgement takes as long as the tables must be old for that.
func (a *Auditor) dropLeftStages(ctx context.Context) error {
	var left []string
	var name string
	err := a.query(ctx, "SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {prefix:String}) AND metadata_modification_time < now() - INTERVAL 6 HOUR",
		parameters{"database": a.db.StagingDatabase(), "prefix": stagePrefix}, func() { left = append(left, name) }, &name)
	for _, name := range left {
		err = errors.Join(err, a.dropStage(ctx, a.db.StagingDatabase()+"."+name))
	}
	return err
}

func (a *Auditor) rawSums(ctx context.Context, r *rollup, buckets []int64) (map[int64]rawSums, error) {
	var b int64
	var s rawSums
	sums := map[int64]rawSums{}
	err := a.query(ctx, r.rawSumsQuery(a.db.Database()), span(buckets), func() { sums[b] = s }, &b, &s.rows, &s.checksum)
	if err != nil {
		return nil, fmt.Errorf("count events for %s: %w", r.table, err)
	}
	return sums, nil
}

func (a *Auditor) findings(ctx context.Context, r *rollup, from string, p parameters) (map[int64]finding, error) {
	var f finding
	found := map[int64]finding{}
	err := a.query(ctx, r.findings(from), p, func() { found[f.bucket] = f }, &f.bucket, &f.keys, &f.hard, &f.rows, &f.raw, &f.own, &f.fingerprint)
	return found, err
}

// settled waits until all blocks that were announced are confirmed, and tells whether they are.
func (a *Auditor) settled(ctx context.Context, announced []Pending, patience time.Duration) (bool, error) {
	type place struct {
		topic     string
		partition int32
	}
	open := map[place]int64{}
	for _, p := range announced {
		if p.Next > p.Offset {
			open[place{p.Topic, p.Partition}] = p.Next
		}
	}
	deadline := time.Now().Add(patience)
	for len(open) > 0 {
		if err := wait(ctx, min(a.poll, time.Until(deadline))); err != nil {
			return false, err
		}
		now, err := a.pending(ctx)
		if err != nil {
			return false, fmt.Errorf("ask for announced blocks: %w", err)
		}
		for _, p := range now {
			if next, ok := open[place{p.Topic, p.Partition}]; ok && p.Offset >= next {
				delete(open, place{p.Topic, p.Partition})
			}
		}
		if len(open) > 0 && !time.Now().Before(deadline) {
			a.log.Debug("blocks are not confirmed yet, so drift is judged later", "partitions", len(open), "waited", patience)
			return false, nil
		}
	}
	return true, nil
}

// wait waits, or returns ctx's error. No time or less: it only looks at ctx.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// insertSettings are those of a repair: one block, or an error.
func insertSettings(token string) []clickhouse.Setting {
	return append(clickhouse.InsertSettings(token), clickhouse.Setting{Name: "max_insert_threads", Value: "1"}, clickhouse.Setting{Name: "max_threads", Value: "1"},
		clickhouse.Setting{Name: "max_block_size", Value: "65409"}, clickhouse.Setting{Name: "max_execution_time", Value: fmt.Sprint(int(repairTime / time.Second))},
		clickhouse.Setting{Name: "timeout_overflow_mode", Value: "throw"})
}

// sorted returns the members of a set in descending order, so that what is new comes first.
func sorted(set map[int64]bool) []int64 {
	return slices.SortedFunc(maps.Keys(set), func(a, b int64) int { return int(min(1, max(-1, b-a))) })
}
