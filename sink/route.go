package sink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
)

// routePause is the least time between two looks at the layout of the cluster.
const routePause = 100 * time.Millisecond

// run fetches until ctx ends, then closes the channels of all sources.
func (f *fetcher) run(ctx context.Context) {
	var loops sync.WaitGroup
	retry := backoff{least: routePause, most: f.cfg.BackoffMax}
	for ctx.Err() == nil {
		wait := time.Duration(-1) // until told
		started, err := f.route(ctx)
		for _, leader := range started {
			loops.Go(func() { f.loop(ctx, leader) })
		}
		if err != nil {
			wait = retry.next()
			f.metrics.fetchErrors[broker.Classify(err)].Inc()
			if retry.attempts == 1 || wait > logEvery {
				f.log.Warn("layout of the topics", "error", err, "retry_in", wait)
			}
		} else {
			retry.reset()
		}
		pause(ctx, routePause)
		if wait >= 0 {
			pause(ctx, wait)
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

// pause waits for d, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
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
