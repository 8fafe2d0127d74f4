package backlog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/broker"
)

// observer reads the state of topics. It remembers the look before for the pace.
type observer struct {
	client *broker.Client
	group  string
	before map[broker.TopicPartition]sight
}

// sight is what the pace is reckoned from.
type sight struct {
	at  time.Time
	end int64
}

// look reads one topic. blind tells why sizes could not be had, when the topic limits them; the readings are good all the same.
func (o *observer) look(ctx context.Context, topic string) (readings []reading, l limits, blind, err error) {
	settings, err := o.client.TopicConfig(ctx, topic)
	if err != nil {
		return nil, l, nil, err
	}
	if l, err = parseLimits(settings); err != nil {
		return nil, l, nil, fmt.Errorf("topic %s: %w", topic, err)
	}
	progress, err := o.client.Progress(ctx, o.group, topic)
	if err != nil {
		return nil, l, nil, err
	}
	now := time.Now()
	var ids []int32
	unread := map[int32]int64{}
	for _, p := range progress {
		r := reading{partition: p.Partition, start: p.Start, end: p.End, next: p.Committed, size: -1}
		if r.next < 0 {
			r.next = r.start
		}
		if r.unread() > 0 {
			unread[p.Partition] = max(r.next, r.start)
		}
		ids = append(ids, p.Partition)
		readings = append(readings, r)
	}
	ages, err := o.ages(ctx, topic, unread, l.age, now)
	if err != nil {
		return nil, l, nil, err
	}
	var sizes map[int32]int64
	if l.bytes > 0 {
		if sizes, blind = o.client.PartitionSizes(ctx, topic, ids); blind != nil && broker.Classify(blind) != broker.ClassFatal {
			return nil, l, nil, blind
		}
	}
	for i := range readings {
		r := &readings[i]
		r.age = ages[r.partition]
		if size, ok := sizes[r.partition]; ok {
			r.size = size
		}
		o.pace(topic, r, now)
	}
	return readings, l, blind, nil
}

// pace sets what has arrived per second since the look before.
func (o *observer) pace(topic string, r *reading, now time.Time) {
	tp := broker.TopicPartition{Topic: topic, Partition: r.partition}
	if b, ok := o.before[tp]; ok && r.size > 0 && r.end > b.end && now.After(b.at) {
		r.perSecond = float64(r.size) / float64(r.end-r.start) * float64(r.end-b.end) / now.Sub(b.at).Seconds()
	}
	o.before[tp] = sight{now, r.end}
}

const (
	// ageRounds halve what is not known of an age: to less than a hundredth of the limit.
	ageRounds = 8
	// ageFine is the share of the limit below which an age needs no better estimate.
	ageFine = 1.0 / 16
)

// ages finds how old the record at each of the offsets is, at most limit. Brokers find the first record at or after a time, not the time of a record; so the
// time is narrowed down, for all partitions at once, until an answer is the record itself or the span is small enough. The older end of the span is returned.
func (o *observer) ages(ctx context.Context, topic string, at map[int32]int64, limit time.Duration, now time.Time) (map[int32]time.Duration, error) {
	ages := make(map[int32]time.Duration, len(at))
	if limit <= 0 {
		return ages, nil
	}
	type span struct{ younger, older time.Duration }
	open := make(map[int32]span, len(at))
	for id := range at {
		open[id] = span{0, 2 * limit} // the first question is the limit itself
	}
	for range ageRounds {
		if len(open) == 0 {
			break
		}
		asked := make(map[int32]time.Time, len(open))
		for id, s := range open {
			asked[id] = now.Add(-(s.younger + s.older) / 2)
		}
		found, err := o.client.ListOffsetsByTime(ctx, topic, asked)
		if err != nil {
			return nil, err
		}
		for _, id := range slices.Collect(maps.Keys(open)) {
			s, f := open[id], found[id]
			middle := (s.younger + s.older) / 2
			switch {
			case f.Offset == at[id]: // the record itself
				s.younger, s.older = 0, max(min(now.Sub(f.Time), limit), 0)
			case f.Offset < 0 || f.Offset > at[id]: // it is older than that
				s.younger = middle
			default:
				s.older = middle
			}
			if ages[id] = min(s.older, limit); f.Offset == at[id] || s.younger >= limit || s.older <= time.Duration(ageFine*float64(limit)) {
				delete(open, id)
			} else {
				open[id] = s
			}
		}
	}
	return ages, nil
}

// parseLimits reads a topic's retention; -1 and what a broker does not tell are no limit.
func parseLimits(settings map[string]string) (l limits, err error) {
	ms, err := retention(settings, "retention.ms")
	if err != nil {
		return l, err
	}
	// More milliseconds than a Duration holds are 292 years.
	if ms < int64(1<<63-1)/int64(time.Millisecond)/4 {
		l.age = time.Duration(ms) * time.Millisecond
	}
	l.bytes, err = retention(settings, "retention.bytes")
	return l, err
}

func retention(settings map[string]string, name string) (int64, error) {
	text := settings[name]
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is %q: %w", name, text, err)
	}
	return max(n, 0), nil
}
