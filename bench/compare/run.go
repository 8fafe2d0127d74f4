package compare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/millrace/millrace/bench/compare/discard"
	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/broker"
)

// session is one Run.
type session struct {
	opts      Options
	placement Placement
	dir       string
	broker    *process // nil: nobody needs it
	brokerAt  string   // host:port
	countURL  string
	targets   []*running
	result    *Result
	done      int
}

// running is a target that can be used.
type running struct {
	Target
	process *process // nil: it ran before us
	pid     int
}

// Run compares the targets. It blocks until all windows are over or ctx ends. An error that comes after the first window leaves a result of the windows up to then, which is returned with
// it. All children have ended when it returns. Only one Run may go on in a process.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	o = o.withDefaults()
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	s := &session{opts: o}
	defer func() {
		if err != nil {
			err = fmt.Errorf("compare: %w", err)
		}
	}()
	environment := observe.ReadEnvironment()
	for name, version := range o.Versions {
		environment.Versions[name] = version
	}
	if s.dir, err = os.MkdirTemp("", "millrace-compare-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	placement, restore, err := place()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, restore()) }()
	s.placement = placement
	eventBytes := o.scenario(o.Batches[0], o.Window).Events.Bytes
	s.result = &Result{
		Version: Version, Started: time.Now(), Environment: environment, Placement: placement, Dialect: o.Dialect,
		EventBytes: eventBytes, Seed: o.Seed, Rounds: o.Rounds, WindowSeconds: o.Window.Seconds(),
	}

	// Stopped in the opposite order: the broker outlives those who write to it.
	defer s.stop()
	if err := s.startBroker(ctx); err != nil {
		return nil, err
	}
	if err := s.startTargets(ctx); err != nil {
		return nil, err
	}
	s.note()
	for _, batch := range o.Batches {
		if err = s.measure(ctx, batch); err != nil {
			break
		}
	}
	if len(s.result.Windows) == 0 {
		return nil, err
	}
	s.result.summarize(o.Floor, o.Subject)
	return s.result, err
}

// startBroker starts the broker when a target needs one.
func (s *session) startBroker(ctx context.Context) error {
	needed := false
	for i := range s.opts.Targets {
		needed = needed || s.opts.Targets[i].wantsBroker()
	}
	if !needed {
		return nil
	}
	command := []string{s.opts.Self, "bench", "peer", "discard", "--listen", "127.0.0.1:0", "--partitions", strconv.Itoa(s.opts.Partitions)}
	var err error
	if s.broker, err = startProcess("the discarding broker", command, nil, -1); err != nil {
		return err
	}
	words, err := s.broker.await(ctx, &Target{}, s.opts.ReadyTimeout)
	if err != nil {
		return err
	}
	if len(words) != 2 {
		return fmt.Errorf("the discarding broker is ready at %q, want two addresses", words)
	}
	s.brokerAt, s.countURL = words[0], "http://"+words[1]+"/count"
	return nil
}

// startTargets starts those that have a command and finds the processes of the others.
func (s *session) startTargets(ctx context.Context) error {
	st := stage{self: s.opts.Self, dir: s.dir, broker: s.brokerAt, partitions: s.opts.Partitions, args: s.opts.GatewayArgs}
	if s.broker != nil {
		id, err := clusterID(ctx, s.brokerAt)
		if err != nil {
			return err
		}
		st.clusterID = id
	}
	for _, t := range s.opts.Targets {
		t, err := st.set(t)
		if err != nil {
			return fmt.Errorf("target %s: %w", t.Name, err)
		}
		r, err := s.startTarget(ctx, t)
		if err != nil {
			return err
		}
		s.result.Targets = append(s.result.Targets, TargetInfo{Name: t.Name, Command: t.Command, URL: r.URL, Topic: t.Topic})
	}
	return nil
}

func (s *session) startTarget(ctx context.Context, t Target) (*running, error) {
	r := &running{Target: t, pid: t.PID}
	if len(t.Command) == 0 {
		if r.pid == 0 {
			var err error
			if r.pid, err = listener(&t); err != nil {
				return nil, fmt.Errorf("target %s: %w", t.Name, err)
			}
		}
		s.targets = append(s.targets, r)
		return r, nil
	}
	cpu, env := -1, t.Env
	if s.placement.Pinned {
		cpu, env = s.placement.Target, append([]string{"GOMAXPROCS=1"}, env...)
	}
	var err error
	if r.process, err = startProcess(t.Name, t.Command, env, cpu); err != nil {
		return nil, err
	}
	s.targets = append(s.targets, r) // from here on stop looks after it
	r.pid = r.process.pid()
	words, err := r.process.await(ctx, &t, s.opts.ReadyTimeout)
	if err != nil {
		return nil, err
	}
	switch {
	case r.URL != "":
	case len(words) > 0:
		r.URL = "http://" + words[0]
	default:
		panic("BUG: a target without URL became ready without a line")
	}
	return r, nil
}

// listener finds the process behind a URL.
func listener(t *Target) (pid int, err error) {
	address, err := t.address()
	if err != nil {
		return 0, err
	}
	port, err := portOf(address)
	if err != nil {
		return 0, err
	}
	return observe.Listener(port)
}

// clusterID asks the broker for its name.
func clusterID(ctx context.Context, address string) (string, error) {
	cfg := broker.DefaultConfig()
	cfg.Addresses = []string{address}
	client, err := broker.New(cfg)
	if err != nil {
		return "", err
	}
	defer client.Close()
	md, err := client.Metadata(ctx)
	if err != nil {
		return "", fmt.Errorf("the discarding broker: %w", err)
	}
	return md.ClusterID, nil
}

// busy is the load average from which on the machine is not quiet.
const busy = 0.5

// note says what a reader must know beside the figures.
func (s *session) note() {
	if before := s.result.Environment.LoadBefore; before > busy {
		s.result.Notes = append(s.result.Notes, fmt.Sprintf("the machine was busy before (load average %.1f): figures are higher and wander more than on a quiet one", before))
	}
	if !s.placement.Pinned {
		s.result.Notes = append(s.result.Notes, "targets, generator and broker share the processors: "+s.placement.Why)
	}
	for _, t := range s.targets {
		if t.process == nil && s.placement.Pinned {
			s.result.Notes = append(s.result.Notes, t.Name+" ran before and was left on the processors that it has")
		}
	}
	if s.broker != nil {
		s.result.Notes = append(s.result.Notes, "the broker acknowledges at once and keeps nothing: the figures are the targets' own cost, and the latencies lack the broker's")
	}
}

// stop ends all children, those who write to the broker first.
func (s *session) stop() {
	for i := len(s.targets) - 1; i >= 0; i-- {
		if p := s.targets[i].process; p != nil {
			p.stop()
		}
	}
	if s.broker != nil {
		s.broker.stop()
	}
}

// measure goes through one batch size: a warm-up of every target, then the rounds.
func (s *session) measure(ctx context.Context, batch int) error {
	sc := s.opts.scenario(batch, s.opts.Window)
	pool, err := generate.New(&sc)
	if err != nil {
		return fmt.Errorf("batch %d: %w", batch, err)
	}
	for _, t := range s.targets {
		if _, err := s.window(ctx, t, pool, batch, s.opts.Warmup); err != nil {
			return err
		}
	}
	for round := range s.opts.Rounds {
		for _, t := range s.targets {
			w, err := s.window(ctx, t, pool, batch, s.opts.Window)
			if err != nil {
				return err
			}
			w.Round = round + 1
			s.result.Windows = append(s.result.Windows, w)
			s.done++
			if s.opts.Progress != nil {
				s.opts.Progress(Progress{Done: s.done, Total: len(s.opts.Batches) * s.opts.Rounds * len(s.targets), Window: w})
			}
		}
	}
	return nil
}

// records asks the broker how much a topic was sent.
func (s *session) records(ctx context.Context, topic string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var counts discard.Counts
	status, err := get(ctx, s.countURL, func(body io.Reader) error { return json.NewDecoder(body).Decode(&counts) })
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("ask the broker for its counts: %w", err), s.broker.check())
	}
	return counts.Topics[topic].Records, nil
}
