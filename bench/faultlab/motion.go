package faultlab

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/broker"
)

const (
	motionLook    = 50 * time.Millisecond
	motionRequest = time.Second // how long one question may take; a broker that is frozen is asked again
)

// motion watches how far the sinks have come, by asking the broker itself, past all proxies.
type motion struct {
	client *broker.Client
	group  string
	topic  string
	all    []int32 // partitions
}

func newMotion(client *broker.Client, group, topic string, partitions int) *motion {
	m := &motion{client: client, group: group, topic: topic}
	for p := range partitions {
		m.all = append(m.all, int32(p))
	}
	return m
}

// ends returns where each partition ends, as soon as the broker tells.
func (m *motion) ends(ctx context.Context) ([]int64, error) {
	return persist(ctx, func(ctx context.Context) ([]int64, error) {
		ranges, err := m.client.ListOffsets(ctx, m.topic, m.all)
		if err != nil {
			return nil, err
		}
		ends := make([]int64, len(m.all))
		for i, p := range m.all {
			ends[i] = ranges[p].End
		}
		return ends, nil
	})
}

// committed returns what the group has committed of each partition, 0 where it has nothing.
func (m *motion) committed(ctx context.Context) ([]int64, error) {
	return persist(ctx, func(ctx context.Context) ([]int64, error) {
		offsets, err := m.client.FetchOffsets(ctx, m.group, m.topic, m.all)
		if err != nil {
			return nil, err
		}
		committed := make([]int64, len(m.all))
		for i, p := range m.all {
			committed[i] = max(offsets[p].Offset, 0)
		}
		return committed, nil
	})
}

// past waits until everything below mark, and something above it, is confirmed.
func (m *motion) past(ctx context.Context, mark []int64) error {
	look := time.NewTicker(motionLook)
	defer look.Stop()
	for {
		committed, err := m.committed(ctx)
		if err != nil {
			return err
		}
		behind, sum := 0, int64(0)
		for i := range committed {
			if committed[i] < mark[i] {
				behind++
			}
			sum += committed[i] - mark[i]
		}
		if behind == 0 && sum > 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%d partitions of %s are behind (committed %v, wanted more than %v): %w", behind, m.topic, committed, mark, context.Cause(ctx))
		}
	}
}

// drained waits until everything in the topic is confirmed and nothing has come for quiet.
func (m *motion) drained(ctx context.Context, quiet time.Duration) error {
	look := time.NewTicker(motionLook)
	defer look.Stop()
	var last []int64
	since := time.Now()
	for {
		ends, err := m.ends(ctx)
		if err != nil {
			return err
		}
		committed, err := m.committed(ctx)
		if err != nil {
			return err
		}
		if !slices.Equal(ends, last) {
			last, since = ends, time.Now()
		}
		if slices.Equal(ends, committed) && time.Since(since) >= quiet {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("topic %s does not drain: it ends at %v, committed is %v: %w", m.topic, ends, committed, context.Cause(ctx))
		}
	}
}

// persist asks until there is an answer.
func persist[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	pause := time.NewTicker(motionLook)
	defer pause.Stop()
	for {
		one, cancel := context.WithTimeout(ctx, motionRequest)
		v, err := ask(one)
		cancel()
		if err == nil {
			return v, nil
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return v, fmt.Errorf("%w (last answer: %w)", context.Cause(ctx), err)
		}
	}
}
