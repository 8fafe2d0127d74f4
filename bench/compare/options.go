package compare

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/bench/compare/discard"
	"github.com/millrace/millrace/bench/scenario"
)

// Options say what is compared and how.
type Options struct {
	// Self is the path of the millrace program, which plays the built-in targets and the broker. Not needed when all targets are external ones
	// that do not use the broker.
	Self string
	// Targets in the order of each round. Default gateway, null, naive.
	Targets []Target
	// Batches are the numbers of events per request. Default 1, 10, 100, 1000.
	Batches []int
	// Connections is the number at every batch size. Default 0: 256 at batch 1, 64 at 10, 32 at 100, 16 at 1000.
	Connections int
	// Rounds is how often each target has its window at a batch size. Default 5.
	Rounds int
	// Window is how long. CPU time is counted in steps of 10 ms, so a window below 2 s is not worth much. Default 2 s.
	Window time.Duration
	// Warmup is a window before the first that is not counted. Default 1 s.
	Warmup time.Duration
	// Dialect of the bodies, segment or native. Default segment.
	Dialect string
	// Seed of the events. Default 1.
	Seed uint64
	// PoolBytes is how much is rendered per batch size. Default 64 MiB, far more than a processor's caches.
	PoolBytes int64
	// Partitions of every topic. Default discard.DefaultPartitions.
	Partitions int
	// Floor and Subject are the targets that the others are set in relation to: every target to Floor, and every other one to Subject. Default null and gateway;
	// a name that is not among the targets makes no ratios.
	Floor, Subject string
	// GatewayArgs are options for millrace serve behind those that Run chooses.
	GatewayArgs []string
	// Versions go into the result's environment: millrace, commit.
	Versions map[string]string
	// ReadyTimeout is how long a target may take from its start until it can be used. Default 30 s.
	ReadyTimeout time.Duration
	// Progress is told of each window when it is over, from the goroutine of Run. Nil: nobody is.
	Progress func(Progress)
}

// Defaults of Options.
const (
	DefaultRounds       = 5
	DefaultWindow       = 2 * time.Second
	DefaultWarmup       = time.Second
	DefaultReadyTimeout = 30 * time.Second
	defaultPoolBytes    = 64 << 20
)

// Progress is a window that is over, and how many there were and will be.
type Progress struct {
	Done, Total int
	Window      Window
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	if len(o.Targets) == 0 {
		o.Targets = []Target{{Name: Gateway}, {Name: Null}, {Name: Naive}}
	}
	if len(o.Batches) == 0 {
		o.Batches = []int{1, 10, 100, 1000}
	}
	if o.Rounds == 0 {
		o.Rounds = DefaultRounds
	}
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	if o.Warmup == 0 {
		o.Warmup = DefaultWarmup
	}
	if o.Dialect == "" {
		o.Dialect = "segment"
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.PoolBytes == 0 {
		o.PoolBytes = defaultPoolBytes
	}
	if o.Partitions == 0 {
		o.Partitions = discard.DefaultPartitions
	}
	if o.Floor == "" {
		o.Floor = Null
	}
	if o.Subject == "" {
		o.Subject = Gateway
	}
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = DefaultReadyTimeout
	}
	return o
}

// Validate reports every problem. What a scenario has is the scenario's to check.
func (o Options) Validate() error {
	o = o.withDefaults()
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Rounds < 0 {
		add("%d rounds: choose 1 or more, 5 for a median that means something", o.Rounds)
	}
	if o.Window < 0 || o.Warmup < 0 || o.ReadyTimeout < 0 {
		add("a negative time: window %v, warm-up %v, ready timeout %v", o.Window, o.Warmup, o.ReadyTimeout)
	}
	seen := map[string]bool{}
	for i := range o.Targets {
		t := &o.Targets[i]
		problems = append(problems, t.validate())
		if seen[t.Name] {
			add("target %s: there are two of that name", t.Name)
		}
		seen[t.Name] = true
	}
	if o.Self == "" && slices.ContainsFunc(o.Targets, func(t Target) bool { return t.builtIn() || t.wantsBroker() }) {
		add("the path of the millrace program is missing, which plays the built-in targets and the broker")
	}
	for _, batch := range o.Batches {
		s := o.scenario(batch, o.Window)
		if err := s.Validate(); err != nil {
			add("batch %d: %w", batch, err)
		}
	}
	return errors.Join(problems...)
}

// connections is how many a batch size gets: enough that a target is never without a request, few enough that none waits for long.
func (o *Options) connections(batch int) int {
	switch {
	case o.Connections > 0:
		return o.Connections
	case batch < 10:
		return 256
	case batch < 100:
		return 64
	case batch < 1000:
		return 32
	}
	return 16
}

// scenario is a closed loop for so long. All of its events are valid: a request that is refused costs something else than one that is taken.
func (o *Options) scenario(batch int, length time.Duration) scenario.Scenario {
	s := scenario.Default()
	s.Name = fmt.Sprintf("compare, batch %d", batch)
	s.Seed = o.Seed
	s.Load.Mode = scenario.Saturate
	s.Load.Stages = []scenario.Stage{{Duration: length}}
	s.Load.Connections = o.connections(batch)
	s.Load.Batch = batch
	s.Load.Dialect = o.Dialect
	s.Events.Invalid = 0
	s.Events.PoolBytes = o.PoolBytes
	return s
}
