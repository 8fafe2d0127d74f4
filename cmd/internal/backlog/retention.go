package backlog

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// RetentionConfig says what to watch. It is made by the program from the sections "broker" and "sink".
type RetentionConfig struct {
	Topics   []string
	Group    string        // of the sinks
	Interval time.Duration // broker.retention_check_interval
	RefuseAt float64       // broker.retention_refuse_ratio
}

// Retention knows how near the topics are to losing unread records. Run is called once; the other methods are safe for concurrent use.
type Retention struct {
	cfg      RetentionConfig
	log      *slog.Logger
	observer observer
	// refused is nil while events may come in. Its store publishes nothing but itself.
	refused atomic.Pointer[error]
	lost    map[broker.TopicPartition]bool // partitions of which was said that records were removed unread; of Run alone
	blind   map[string]bool                // topics of which was said that sizes cannot be had; of Run alone

	mu     sync.Mutex
	level  level
	detail string              // of the last look
	looked time.Time           // when it was; zero: never
	failed error               // of the look after it
	topics map[string]headroom // the worst of each
}

// NewRetention makes a guard that lets everything through until Run has looked.
func NewRetention(cfg RetentionConfig, client *broker.Client, log *slog.Logger, set *metrics.Set) *Retention {
	r := &Retention{
		cfg: cfg, log: log, observer: observer{client: client, group: cfg.Group, before: map[broker.TopicPartition]sight{}},
		lost: map[broker.TopicPartition]bool{}, blind: map[string]bool{}, topics: map[string]headroom{},
	}
	for _, topic := range cfg.Topics {
		set.NewGauge(fmt.Sprintf("millrace_retention_headroom_ratio{topic=%q}", topic), func() float64 {
			return r.gauge(topic, func(h headroom) float64 { return min(max(1-h.used, 0), 1) })
		})
		set.NewGauge(fmt.Sprintf("millrace_retention_headroom_seconds{topic=%q}", topic), func() float64 {
			return r.gauge(topic, func(h headroom) float64 { return h.seconds })
		})
	}
	return r
}

// gauge is NaN until the topic was looked at.
func (r *Retention) gauge(topic string, f func(headroom) float64) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, ok := r.topics[topic]
	if !ok {
		return math.NaN()
	}
	return f(h)
}

// Gate returns nil, or an error that is schema.ErrBacklog and says what to do.
func (r *Retention) Gate() error {
	if p := r.refused.Load(); p != nil {
		return *p
	}
	return nil
}

// Check is for an advisory readiness check: the error tells of half the headroom gone, refused events and a broker that does not answer.
func (r *Retention) Check(context.Context) (detail string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.failed != nil && r.looked.IsZero():
		return "", fmt.Errorf("retention was never looked at: %w", r.failed)
	case r.failed != nil:
		return "", fmt.Errorf("the last look was %v ago (%s), its verdict holds: %w", time.Since(r.looked).Round(time.Second), r.detail, r.failed)
	case r.looked.IsZero():
		return "not looked at yet", nil
	case r.level > fine:
		return "", fmt.Errorf("unread events are near their removal: %s", r.detail)
	}
	return r.detail, nil
}

// Run looks at once and then at each interval, until ctx ends.
func (r *Retention) Run(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.Interval)
	defer tick.Stop()
	for {
		r.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// worst is the partition that decides.
type worst struct {
	headroom
	topic  string
	limits limits
	reading
}

// look reads all topics and decides. If one cannot be read, nothing changes.
func (r *Retention) look(ctx context.Context) {
	found := make(map[string]headroom, len(r.cfg.Topics))
	w := worst{headroom: headroom{used: -1}}
	for _, topic := range r.cfg.Topics {
		readings, l, blind, err := r.observer.look(ctx, topic)
		if err != nil {
			r.away(ctx, err)
			return
		}
		r.sayBlind(topic, l, blind)
		least := headroom{used: -1, seconds: math.Inf(1)}
		for i := range readings {
			h := judge(&readings[i], l)
			r.sayLost(topic, &readings[i])
			if h.used > w.used {
				w = worst{h, topic, l, readings[i]}
			}
			seconds := min(h.seconds, least.seconds)
			if h.used > least.used {
				least = h
			}
			least.seconds = seconds
		}
		found[topic] = least
	}
	r.decide(w, found)
}

func (r *Retention) decide(w worst, found map[string]headroom) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		r.log.Info("retention is watched again")
	}
	before := r.level
	r.level, r.topics, r.looked, r.failed, r.detail = before.next(w.used, r.cfg.RefuseAt), found, time.Now(), nil, w.String()
	switch {
	case r.level == refusing:
		err := fmt.Errorf("%w: %s; at %.0f %% new events are refused (broker.retention_refuse_ratio), below %.0f %% they are taken again: see why the sink does not load, or raise the topic's %s: unread events",
			schema.ErrBacklog, w.String(), 100*r.cfg.RefuseAt, 100*(r.cfg.RefuseAt-calm), w.setting())
		r.refused.Store(&err)
		if before != refusing {
			r.log.Error("new events are refused", "error", err)
		}
		return
	case before == refusing:
		r.log.Info("events are taken again", "retention", w.String())
	case r.level == tight && before == fine:
		r.log.Warn("half of the time or space in which unread events are kept is gone: see why the sink does not load, or raise the topic's "+w.setting(),
			"retention", w.String(), "refused_at", r.cfg.RefuseAt)
	}
	r.refused.Store(nil)
}

// away keeps the verdict and says so, once.
func (r *Retention) away(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.log.Warn("retention cannot be watched, the last verdict holds", "refusing", r.level == refusing, "error", err)
	}
	r.failed = err
}

// sayLost tells, once for each partition, that the broker has removed what nobody had read.
func (r *Retention) sayLost(topic string, p *reading) {
	tp := broker.TopicPartition{Topic: topic, Partition: p.partition}
	n := p.evicted()
	if n > 0 && !r.lost[tp] {
		r.log.Error("records were removed from the topic before they were loaded: raise the topic's retention, or the sinks' capacity",
			"topic", topic, "partition", p.partition, "records", n, "committed", p.next, "log_start", p.start)
	}
	r.lost[tp] = n > 0
}

// sayBlind tells, once for each topic, that a limit in bytes is not watched.
func (r *Retention) sayBlind(topic string, l limits, blind error) {
	if blind != nil && !r.blind[topic] {
		r.log.Warn("retention.bytes of a topic is not watched, because its size cannot be had: allow this client to describe the cluster", "topic", topic,
			"retention_bytes", l.bytes, "error", blind)
	}
	r.blind[topic] = blind != nil
}

// setting is the one to raise.
func (w *worst) setting() string {
	if w.byBytes {
		return "retention.bytes"
	}
	return "retention.ms"
}

// String says in words how things are.
func (w *worst) String() string {
	var b strings.Builder
	if w.unread() == 0 || w.used <= 0 {
		return "nothing unread is near its removal"
	}
	fmt.Fprintf(&b, "topic %s partition %d has %d unread records that have used %.0f %% of %s: ", w.topic, w.partition, w.unread(), 100*w.used, w.setting())
	if w.byBytes {
		fmt.Fprintf(&b, "about %d MiB of %d MiB", int64(w.unreadBytes())>>20, w.limits.bytes>>20)
	} else {
		fmt.Fprintf(&b, "the oldest is about %v old, %v is the limit", w.age.Round(time.Second), w.limits.age)
	}
	return b.String()
}
