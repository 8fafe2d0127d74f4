package sink

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/broker"
)

// store brings the blocks of one partition into ClickHouse and confirms them, one after the other. A block is never changed, cut anew or left out: it
// is stored, or the partition is given back and the next owner reads the records again.
type store struct {
	sink       *Sink
	tp         broker.TopicPartition
	topic      topic
	generation *broker.Generation
	stats      *partitionStats
	log        *slog.Logger
	conn       conn
	rejecter   rejecter
	said       reminder

	// life ends when nothing may be waited for any longer; revoked when the generation has ended, from which moment what is under way is finished and
	// nothing is tried again.
	life    context.Context
	revoked <-chan struct{}
}

// block stores one block. The error is errRevoked or errFenced.
func (s *store) block(b *block) error {
	if err := s.reject(b); err != nil {
		return err
	}
	// Here the exactly-once protocol will commit its intent for [first, next), before anything is inserted.
	for _, p := range b.parts {
		if err := s.insert(b, p); err != nil {
			return err
		}
	}
	if err := s.confirm(b); err != nil {
		return err
	}
	s.stats.confirmed.Store(b.next)
	if since := s.stats.waiting.Load(); since != 0 {
		s.log.Info("the partition goes on", "topic", s.tp.Topic, "partition", s.tp.Partition, "after", time.Since(time.UnixMilli(since)).Round(time.Millisecond))
	}
	s.stats.fine()
	m := s.sink.metrics
	m.blocks[s.topic.table].Inc()
	m.blockRows[s.topic.table].Update(float64(b.rows))
	m.succeeded()
	return nil
}

func (s *store) close() { s.conn.close() }

// reject produces what could not be read to the quarantine topic.
func (s *store) reject(b *block) error {
	left := b.refused
	retry := backoff{least: s.sink.cfg.BackoffMin, most: s.sink.cfg.BackoffMax}
	for len(left) > 0 {
		before := len(left)
		var err error
		left, err = s.rejecter.produce(s.life, left)
		s.sink.metrics.rejected.Add(before - len(left))
		if err == nil {
			continue
		}
		s.sink.metrics.rejectErrors[broker.Classify(err)].Inc()
		if broker.IsNotLeader(err) || broker.Classify(err) == broker.ClassAmbiguous {
			s.sink.client.RefreshRoutes()
		}
		if err := s.wait(s.revoked, retry.next(), fmt.Errorf("produce refused records: %w", err), "", slog.LevelWarn); err != nil {
			return err
		}
	}
	return nil
}

// insert sends one part until the server has it. Every attempt has the same rows and the same token, so a server that had it already drops it.
func (s *store) insert(b *block, p *part) error {
	m := s.sink.metrics
	insert := insertion{
		statement: s.topic.statement,
		token:     b.token(s.topic.log, s.tp.Partition, p),
		input:     p.Input(),
	}
	// The same for every attempt of this generation: the server refuses one while the former still runs.
	insert.queryID = fmt.Sprintf("%s-g%d", insert.token, s.generation.ID)
	retry := backoff{least: s.sink.cfg.BackoffMin, most: s.sink.cfg.BackoffMax}
	for {
		start := time.Now()
		err := s.conn.insert(s.life, insert)
		if err == nil {
			m.insertSeconds[s.topic.table].UpdateDuration(start)
			m.insertRows[s.topic.table].Add(p.Rows())
			return nil
		}
		if s.life.Err() != nil {
			return errRevoked
		}
		class, cure := classify(err)
		m.insertErrors[class].Inc()
		wait, level := retry.next(), slog.LevelWarn
		switch class {
		case classSchema:
			// Somebody has to act: trying more often does not help.
			wait, level = s.sink.cfg.BackoffMax, slog.LevelError
		case classUnknown:
			level = slog.LevelError
		}
		if err := s.wait(s.revoked, wait, fmt.Errorf("insert into %s: %w", s.topic.table, err), cure, level); err != nil {
			return err
		}
	}
}

// confirm commits the offset behind the block.
func (s *store) confirm(b *block) error {
	const slowest = 2 * time.Second // a commit must not miss the rest of its session
	retry := backoff{least: s.sink.cfg.BackoffMin, most: min(slowest, s.sink.cfg.BackoffMax)}
	commit := broker.OffsetCommit{
		Group: s.generation.GroupID, Generation: s.generation.ID, Member: s.generation.MemberID,
		Offsets: []broker.PartitionOffset{{Topic: s.tp.Topic, Partition: s.tp.Partition, Offset: b.next}},
	}
	for {
		outcome, err := s.sink.client.CommitOffsets(s.life, commit)
		if err == nil {
			err = outcome[s.tp]
		}
		class := broker.Classify(err)
		switch class {
		case broker.ClassNone:
			return nil
		case broker.ClassFenced:
			s.sink.metrics.commitErrors[class].Inc()
			return fmt.Errorf("%w: %w", errFenced, err)
		}
		s.sink.metrics.commitErrors[class].Inc()
		// The rows are stored: only the end of life keeps this from being tried again.
		if err := s.wait(nil, retry.next(), fmt.Errorf("commit: %w", err), "", slog.LevelWarn); err != nil {
			return err
		}
	}
}

// wait pauses before the next attempt, and says why. It returns errRevoked when there will be none.
func (s *store) wait(ended <-chan struct{}, d time.Duration, err error, cure string, level slog.Level) error {
	s.stats.failing(err.Error())
	if s.said.due(time.Now()) {
		attrs := []any{"topic", s.tp.Topic, "partition", s.tp.Partition, "error", err, "retry_in", d}
		if cure != "" {
			attrs = append(attrs, "cure", cure)
		}
		s.log.Log(s.life, level, "block waits: it is kept and sent again", attrs...)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ended:
		return errRevoked
	case <-s.life.Done():
		return errRevoked
	case <-t.C:
		return nil
	}
}
