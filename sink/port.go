package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/retry"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/sink/dedup"
	"github.com/millrace/millrace/sink/exact"
	"github.com/millrace/millrace/sink/failpoint"
)

// port is what the protocol sees of the world: one partition in one generation. It is used by one goroutine at a time: the worker's while the partition
// is taken over, the storing one afterwards. The ids belong to the worker's.
type port struct {
	sink       *Sink
	tp         broker.TopicPartition
	where      string // topic/partition
	topic      topic
	generation *broker.Generation
	handle     *handle
	stats      *partitionStats
	log        *slog.Logger
	tables     tables
	reader     reader
	rejecter   rejecter
	builder    *builder // that of the worker's cutter: its ids decide what has a row
	limit      *blockLimit
	staged     []int32 // months of the staging table

	// failedView is the view of a custom metric in which the last INSERT failed, and how many did in a row; empty: none.
	failedView     string
	failedViewRuns int

	said  retry.Reminder
	retry retry.Backoff

	// revoked is closed when the generation has ended, stop when the process ends: from then on nothing is tried again.
	revoked, stop <-chan struct{}
}

var _ exact.Port = (*port)(nil)

// Step is where failpoints are.
func (p *port) Step(s exact.Step) {
	p.sink.metrics.step(s)
	failpoint.Hit(string(s), p.where)
}

func (p *port) Now() int64 { return time.Now().UnixMilli() }

func (p *port) Committed(ctx context.Context) (offset int64, metadata string, err error) {
	offsets, err := p.sink.client.FetchOffsets(ctx, p.generation.GroupID, p.tp.Topic, []int32{p.tp.Partition})
	if err != nil {
		return 0, "", p.unrouted(err)
	}
	o := offsets[p.tp.Partition]
	// Nothing needs to be committed before the next record: until then this is what the lag is counted from.
	p.stats.confirmed.Store(max(0, o.Offset))
	return o.Offset, o.Metadata, nil
}

func (p *port) Bounds(ctx context.Context) (start, end int64, err error) {
	r, err := p.reader.bounds(ctx)
	if err != nil {
		return 0, 0, p.unrouted(err)
	}
	p.stats.highWatermark.Store(r.End)
	return r.Start, r.End, nil
}

func (p *port) Commit(ctx context.Context, offset int64, metadata string) error {
	outcome, err := p.sink.client.CommitOffsets(ctx, broker.OffsetCommit{
		Group: p.generation.GroupID, Generation: p.generation.ID, Member: p.generation.MemberID,
		Offsets: []broker.PartitionOffset{{Topic: p.tp.Topic, Partition: p.tp.Partition, Offset: offset, Metadata: metadata}},
	})
	if err == nil {
		err = outcome[p.tp]
	}
	class := broker.Classify(err)
	switch class {
	case broker.ClassNone:
		p.stats.confirmed.Store(offset)
		return nil
	case broker.ClassFenced:
		err = fmt.Errorf("%w: %w", exact.ErrFenced, err)
	}
	p.sink.metrics.commitErrors[class].Inc()
	return fmt.Errorf("commit: %w", err)
}

// unrouted looks for the leaders anew, since asking an old one is why most requests fail.
func (p *port) unrouted(err error) error {
	p.sink.client.RefreshRoutes()
	return err
}

func (p *port) Restore(ctx context.Context, offset int64, ids exact.IDs, newest int64) error {
	if p.builder.ids == nil {
		return nil
	}
	start := time.Now()
	if err := p.tables.restore(ctx, p.builder.ids, offset, ids, newest); err != nil {
		return err
	}
	p.builder.asked, p.builder.old = nil, nil
	p.sink.metrics.restoreSeconds.UpdateDuration(start)
	return nil
}

func (p *port) Read(ctx context.Context, first, next int64) (*exact.Block, error) {
	sets, err := p.reader.read(ctx, first, next)
	return p.build(ctx, sets, first, next, err)
}

func (p *port) ReadSome(ctx context.Context, first, next int64) (*exact.Block, error) {
	sets, end, err := p.reader.readSome(ctx, first, next, p.sink.cfg.BlockBytes)
	return p.build(ctx, sets, first, end, err)
}

// build decides which of the records have rows. Asking the table may fail in the middle, when the ids are not what they were any longer: it is asked until
// it answers or the partition is given back.
func (p *port) build(ctx context.Context, sets []recordSet, first, next int64, err error) (*exact.Block, error) {
	if err != nil {
		return nil, p.unrouted(err)
	}
	p.builder.settled = nil
	built, err := p.builder.build(sets, first, next, nil)
	if err != nil {
		return nil, err
	}
	if err := p.reject(ctx, built); err != nil {
		return nil, err
	}
	return built.announced(), nil
}

func (p *port) Select(ctx context.Context, first, next int64, offsets []int64) (*exact.Block, error) {
	if len(offsets) == 0 {
		return &exact.Block{First: first, Next: next}, nil
	}
	sets, err := p.reader.read(ctx, offsets[0], offsets[len(offsets)-1]+1)
	if err != nil {
		return nil, p.unrouted(err)
	}
	built, err := p.again().build(sets, first, next, offsets)
	if err != nil {
		return nil, err
	}
	return built.announced(), nil
}

// again is a builder that makes a row of every record.
func (p *port) again() *builder {
	l, spares := p.topic.newLoader()
	return &builder{loader: l, spares: spares, log: p.topic.log, partition: p.tp.Partition, refuse: p.builder.refuse}
}

func (p *port) RecordID(ctx context.Context, offset int64) (id [16]byte, ok bool, err error) {
	var rec broker.Record
	switch err := p.record(ctx, offset, &rec); {
	case errors.Is(err, exact.ErrTrimmed), errors.Is(err, errNoRecord):
		return id, false, nil
	case err != nil:
		return id, false, err
	}
	l, _ := p.topic.newLoader()
	who, err := l.decode(&rec)
	return who.id, err == nil, nil //nolint:nilerr // a record that cannot be read has no row
}

// errNoRecord: the topic goes on behind an offset that no record has.
var errNoRecord = errors.New("no record has this offset")

// record reads one record again. It owns its bytes.
func (p *port) record(ctx context.Context, offset int64, rec *broker.Record) error {
	sets, err := p.reader.read(ctx, offset, offset+1)
	if err != nil {
		return p.unrouted(err)
	}
	var r broker.RecordReader
	for _, set := range sets {
		for r.Reset(set.records, set.from); r.Next(rec); {
			if rec.Offset == offset {
				return nil
			}
		}
	}
	return fmt.Errorf("record %d: %w", offset, errNoRecord)
}

func (p *port) Quarantine(ctx context.Context, offset int64, why error) error {
	var rec broker.Record
	if err := p.record(ctx, offset, &rec); err != nil {
		return err
	}
	if _, err := p.rejecter.produce(ctx, []refusal{newRefusal(p.topic.log, p.tp.Partition, &rec, why, time.Now())}); err != nil {
		return p.unrouted(err)
	}
	p.sink.metrics.rejected.Inc()
	return nil
}

// reject produces what could not be read to the quarantine topic, until all of it is there.
func (p *port) reject(ctx context.Context, b *block) error {
	left := b.refused
	for len(left) > 0 {
		before := len(left)
		var err error
		left, err = p.rejecter.produce(ctx, left)
		p.sink.metrics.rejected.Add(before - len(left))
		if err == nil {
			continue
		}
		p.sink.metrics.rejectErrors[broker.Classify(err)].Inc()
		if broker.IsNotLeader(err) || broker.Classify(err) == broker.ClassAmbiguous {
			p.sink.client.RefreshRoutes()
		}
		if err := p.Pause(ctx, fmt.Errorf("produce refused records: %w", err)); err != nil {
			return err
		}
	}
	p.Fine()
	return nil
}

func (p *port) Trimmed(wanted, start int64) {
	reportTrimmed(p.log, p.sink.metrics, p.tp, wanted, start)
}

func (p *port) Incident(what string, args ...any) {
	p.sink.metrics.incidents.Inc()
	p.log.Error(what, append([]any{"topic", p.tp.Topic, "partition", p.tp.Partition}, args...)...)
}

func (p *port) Pause(ctx context.Context, why error) error {
	d := p.retry.Next()
	p.sink.metrics.retries.Inc()
	p.stats.failing(why.Error())
	if p.said.Due(time.Now()) {
		level, cure := trouble(why)
		attrs := []any{"topic", p.tp.Topic, "partition", p.tp.Partition, "error", why, "retry_in", d}
		if cure != "" {
			attrs = append(attrs, "cure", cure)
		}
		p.log.Log(ctx, level, "the partition waits: what it holds is kept and tried again", attrs...)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.revoked:
	case <-ctx.Done():
	case <-t.C:
		return nil
	}
	return errRevoked
}

// trouble tells how bad an error is that is tried again, and its cure. Of ClickHouse's it is what the same means for an INSERT.
func trouble(why error) (level slog.Level, cure string) {
	var exception *ch.Exception
	if !errors.As(why, &exception) {
		return slog.LevelWarn, ""
	}
	class, cure := classify(why)
	if class == exact.Retriable {
		return slog.LevelWarn, ""
	}
	return slog.LevelError, cure
}

func (p *port) Fine() {
	p.retry.Reset()
	if since := p.stats.waiting.Load(); since != 0 {
		p.log.Info("the partition goes on", "topic", p.tp.Topic, "partition", p.tp.Partition, "after", time.Since(time.UnixMilli(since)).Round(time.Millisecond))
	}
	p.stats.fine()
}

func (p *port) Park(ctx context.Context, parked exact.Parked) (exact.Decision, error) {
	p.stats.failing(fmt.Sprintf("parked, %s: %s", parked.Reason, parked.Detail))
	if p.said.Due(time.Now()) || !parked.Retry {
		p.log.Error("the partition is parked: nothing of it is loaded until somebody acts", "topic", p.tp.Topic, "partition", p.tp.Partition,
			"reason", parked.Reason, "detail", parked.Detail, "cure", parked.Cure)
	}
	decided := p.handle.park(&parked)
	var again <-chan time.Time
	if parked.Retry {
		t := time.NewTimer(p.sink.cfg.BackoffMax)
		defer t.Stop()
		again = t.C
	}
	var d exact.Decision
	var decision, over bool
	select {
	case d = <-decided:
		decision = true
	case <-again:
	case <-p.revoked:
		over = true
	case <-p.stop:
		over = true
	case <-ctx.Done():
		over = true
	}
	// Who decided in the same moment has been told that it counts.
	if late, ok := p.handle.leave(); ok {
		d, decision = late, true
	}
	switch {
	case over:
		return exact.Decision{}, errRevoked
	case decision:
		p.log.Info("the partition is taken up again", "topic", p.tp.Topic, "partition", p.tp.Partition, "rewind", d.Rewind, "to", d.To)
	}
	return d, nil
}

// newPort makes what a machine for the partition works with.
func (g *generation) newPort(tp broker.TopicPartition, c *cutter, stats *partitionStats, revoked <-chan struct{}) *port {
	s := g.sink
	t := s.topics[tp.Topic]
	where := tp.Topic + "/" + strconv.Itoa(int(tp.Partition))
	p := &port{
		sink: s, tp: tp, where: where, topic: t, generation: g.gen, stats: stats, log: g.log, builder: &c.builder, limit: c.limit, revoked: revoked, stop: g.stop,
		handle:   s.registry.add(tp),
		tables:   tables{conn: conn{dialer: s.dialer}, topic: t, partition: tp.Partition, staging: s.staging},
		reader:   reader{client: s.client, tp: tp, wait: s.cfg.FetchMaxWait},
		rejecter: rejecter{client: s.client, topic: s.quarantine, timeout: rejectTimeout},
		retry:    retry.Backoff{Least: s.cfg.BackoffMin, Most: s.cfg.BackoffMax},
	}
	p.tables.conn.midway = func() { p.Step(exact.MidSend) }
	return p
}

// newMachine makes the protocol of a partition.
func newMachine(p *port) *exact.Machine {
	cfg := &p.sink.cfg
	return exact.New(exact.Options{
		Topic: p.tp.Topic, Log: p.topic.log, Partition: p.tp.Partition, Codec: int(schema.CodecVersion), MaxOffsets: maxOffsets, TTL: p.topic.keeps,
		IDs: exact.IDs{Keep: cfg.DedupIDs, Window: cfg.DedupWindow},
		Protect: exact.Protections{
			Intent: !p.sink.without["intent"], Token: !p.sink.without["token"], Verify: !p.sink.without["verify"],
		},
	}, p)
}

// newIDs is the memory for the ids of a partition; nil when repeats are not looked for.
func (s *Sink) newIDs(t topic) *dedup.Set {
	if t.table != eventsTable || s.without["ids"] {
		return nil
	}
	return dedup.New(s.cfg.DedupIDs, s.cfg.DedupWindow)
}
