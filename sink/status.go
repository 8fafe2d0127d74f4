package sink

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/sink/exact"
)

// Status is what a sink does at present.
type Status struct {
	Group      string            `json:"group"`
	Generation int32             `json:"generation"` // 0: not a member at present
	Member     string            `json:"member,omitempty"`
	Partitions []PartitionStatus `json:"partitions"` // that are this process's, by topic and number
}

// PartitionStatus is one partition.
type PartitionStatus struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Log       uint16 `json:"log"`
	State     string `json:"state"`     // takeover, loading or parked
	Committed int64  `json:"committed"` // everything below is stored
	Announced int64  `json:"announced"` // end of the block that is announced; Committed when none is
	End       int64  `json:"end"`       // of the partition, when it was last seen
	Lag       int64  `json:"lag"`

	// Of a parked partition.
	Reason string     `json:"reason,omitempty"`
	Detail string     `json:"detail,omitempty"`
	Cure   string     `json:"cure,omitempty"`
	Since  *time.Time `json:"since,omitempty"`
}

// States of a partition.
const (
	StateTakeover = "takeover"
	StateLoading  = "loading"
	StateParked   = "parked"
)

// Errors of Resume and Rewind.
var (
	ErrNotAssigned = errors.New("the partition is not this process's at present")
	ErrNotParked   = errors.New("the partition is not parked")
)

// Status tells what each partition does. It asks nobody and never blocks.
func (s *Sink) Status() Status {
	st := Status{Group: s.cfg.Group, Partitions: []PartitionStatus{}}
	if gen := s.joined.Load(); gen != nil {
		st.Generation, st.Member = gen.ID, gen.MemberID
	}
	for tp, h := range s.registry.all() {
		p := h.status()
		p.Topic, p.Partition, p.Log = tp.Topic, tp.Partition, s.topics[tp.Topic].log
		p.Committed, p.End, p.Lag = -1, -1, 0
		if stats := s.metrics.statsOf(tp); stats != nil {
			p.Committed, p.End, p.Lag = stats.confirmed.Load(), stats.highWatermark.Load(), stats.lag()
		}
		p.Announced = max(p.Announced, p.Committed)
		st.Partitions = append(st.Partitions, p)
	}
	slices.SortFunc(st.Partitions, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return st
}

// Resume lets a parked partition try again. ErrNotAssigned, ErrNotParked.
func (s *Sink) Resume(topic string, partition int32) error {
	return s.registry.decide(broker.TopicPartition{Topic: topic, Partition: partition}, func(*exact.Parked) exact.Decision { return exact.Decision{} })
}

// Rewind makes a parked partition load again from offset to on what the table lacks; to below 0: from as far back as the table may have holes. It returns
// where it begins. Rows that are there stay as they are. ErrNotAssigned, ErrNotParked.
func (s *Sink) Rewind(topic string, partition int32, to int64) (from int64, err error) {
	err = s.registry.decide(broker.TopicPartition{Topic: topic, Partition: partition}, func(p *exact.Parked) exact.Decision {
		if from = to; from < 0 {
			from = max(0, p.Table+1-maxOffsets)
		}
		return exact.Decision{Rewind: true, To: from}
	})
	return from, err
}

// registry knows the partitions that are this process's. Safe for concurrent use.
type registry struct {
	mu      sync.Mutex
	handles map[broker.TopicPartition]*handle
}

// add makes the handle of a partition that was just assigned.
func (r *registry) add(tp broker.TopicPartition) *handle {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handles == nil {
		r.handles = make(map[broker.TopicPartition]*handle)
	}
	h := &handle{decision: make(chan exact.Decision, 1)}
	r.handles[tp] = h
	return h
}

// remove forgets a partition, unless it has been assigned again meanwhile.
func (r *registry) remove(tp broker.TopicPartition, h *handle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handles[tp] == h {
		delete(r.handles, tp)
	}
}

func (r *registry) all() map[broker.TopicPartition]*handle {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[broker.TopicPartition]*handle, len(r.handles))
	for tp, h := range r.handles {
		all[tp] = h
	}
	return all
}

// parked counts the partitions that wait for people.
func (r *registry) parked() (n int) {
	for _, h := range r.all() {
		if h.status().State == StateParked {
			n++
		}
	}
	return n
}

func (r *registry) decide(tp broker.TopicPartition, what func(*exact.Parked) exact.Decision) error {
	r.mu.Lock()
	h := r.handles[tp]
	r.mu.Unlock()
	if h == nil {
		return fmt.Errorf("%s partition %d: %w", tp.Topic, tp.Partition, ErrNotAssigned)
	}
	if !h.decide(what) {
		return fmt.Errorf("%s partition %d: %w", tp.Topic, tp.Partition, ErrNotParked)
	}
	return nil
}

// handle is one assigned partition as people see it. Safe for concurrent use.
type handle struct {
	decision chan exact.Decision // room for one

	mu      sync.Mutex
	machine *exact.Machine // nil until the partition is taken over
	loading bool
	parked  *exact.Parked
	since   time.Time
}

// take tells what the protocol of the partition is, and whether it has been taken over.
func (h *handle) take(m *exact.Machine, loading bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.machine, h.loading = m, loading
}

// park publishes why the partition cannot go on. Decisions come through the channel.
func (h *handle) park(p *exact.Parked) <-chan exact.Decision {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parked == nil || h.parked.Reason != p.Reason {
		h.since = time.Now()
	}
	h.parked = p
	return h.decision
}

// leave ends what park began. It returns a decision that came since the channel was looked at last.
func (h *handle) leave() (late exact.Decision, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parked = nil
	select {
	case late = <-h.decision:
		return late, true
	default:
		return late, false
	}
}

func (h *handle) decide(what func(*exact.Parked) exact.Decision) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parked == nil {
		return false
	}
	select {
	case h.decision <- what(h.parked):
		return true
	default:
		return false // one is on its way: the partition is being taken up
	}
}

func (h *handle) status() PartitionStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	st := PartitionStatus{State: StateTakeover}
	if h.loading {
		st.State = StateLoading
	}
	if h.machine != nil {
		st.Announced = h.machine.State().Next
	}
	if p := h.parked; p != nil {
		since := h.since
		st.State, st.Reason, st.Detail, st.Cure, st.Since = StateParked, p.Reason, p.Detail, p.Cure, &since
	}
	return st
}
