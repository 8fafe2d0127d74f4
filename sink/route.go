package sink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/retry"
)

// routePause is the least time between two looks at the layout of the cluster.
const routePause = 100 * time.Millisecond

// run fetches until ctx ends, then closes the channels of all sources.
func (f *fetcher) run(ctx context.Context) {
	var loops sync.WaitGroup
	again := retry.Backoff{Least: routePause, Most: f.cfg.BackoffMax}
	for ctx.Err() == nil {
		wait := time.Duration(-1) // until told
		started, err := f.route(ctx)
		for _, leader := range started {
			loops.Go(func() { f.loop(ctx, leader) })
		}
		if err != nil {
			wait = again.Next()
			f.metrics.fetchErrors[broker.Classify(err)].Inc()
			if again.Attempts() == 1 || wait > retry.Every {
				f.log.Warn("layout of the topics", "error", err, "retry_in", wait)
			}
		} else {
			again.Reset()
		}
		retry.Pause(ctx, routePause)
		if wait >= 0 {
			retry.Pause(ctx, wait)
			continue
		}
		select {
		case <-ctx.Done():
		case <-f.stale:
		}
	}
	loops.Wait()
	for _, s := range f.sources {
		close(s.out)
	}
}

// route finds the leader of each source and returns those that need a loop. The error tells of a partition without a leader.
func (f *fetcher) route(ctx context.Context) (started []int32, err error) {
	md, err := f.client.Metadata(ctx, f.topics...)
	if err != nil {
		return nil, err
	}
	var errs []error
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sources {
		leader, err := leaderOf(md, s.tp)
		if err != nil {
			errs = append(errs, err)
			continue // the former leader is as good as none, and may come back
		}
		s.leader = leader
		wake, ok := f.wake[leader]
		if !ok {
			wake = make(chan struct{}, 1)
			f.wake[leader] = wake
			started = append(started, leader)
		}
		notify(wake)
	}
	return started, errors.Join(errs...)
}

func leaderOf(md *broker.Metadata, tp broker.TopicPartition) (int32, error) {
	topic := md.Topics[tp.Topic]
	if topic.Err != nil {
		return noLeader, fmt.Errorf("topic %s: %w", tp.Topic, topic.Err)
	}
	for _, p := range topic.Partitions {
		if p.ID == tp.Partition {
			if p.Leader < 0 {
				return noLeader, fmt.Errorf("topic %s partition %d: %w", tp.Topic, tp.Partition, errors.Join(errNoLeader, p.Err))
			}
			return p.Leader, nil
		}
	}
	return noLeader, fmt.Errorf("topic %s has no partition %d", tp.Topic, tp.Partition)
}
