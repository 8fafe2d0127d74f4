package faultlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/bench/faultlab/stack"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/observe"
)

const (
	soakWarmup   = 75 * time.Second // of load without faults before the first reading, in which the ids that a sink remembers become as many as they may
	soakCooldown = 60 * time.Second // of load without faults before the second
	soakReadings = 10
	soakEvery    = time.Second
	soakMargin   = 0.05    // that the second reading may lie above the first
	soakFloor    = 4 << 20 // bytes that tell nothing: the runtime gives pages back when it likes
)

// LongestSoak is how long faults may be injected, so that the load lasts until the end.
const LongestSoak = (trafficHours - 1) * time.Hour

// survivor is the sink that is never killed: what it holds after all the faults shows whether they leave anything behind.
const survivor = "sink-1"

// soakKind is a stack of two sinks. The gateway and one of the sinks are frozen, cut off and robbed of answers, but never killed.
func soakKind() *Kind {
	return &Kind{
		Name: "soak", Suite: Full, Describe: "random faults of all kinds on one stack", Sinks: 2, Partitions: 6, Failpoints: true,
		sinkConfig: []string{"block_rows: 5000", "dedup_ids: 15000"},
		Plan:       func(r *rand.Rand, n int) []Injection { return plan(n, func(int) Injection { return soakInjection(r) }) },
	}
}

// soakInjection draws any fault.
func soakInjection(r *rand.Rand) Injection {
	in := Injection{Wait: between(r, 0, 2*time.Second)}
	switch r.IntN(8) {
	case 0:
		in.Action, in.Target, in.For = Kill, pick(r, sinkProcess, brokerProcess, clickHouseProcess), between(r, 0, time.Second)
	case 1:
		in.Action, in.Target, in.For = Freeze, pick(r, gatewayProcess, sinkProcess, survivor, brokerProcess, clickHouseProcess), between(r, time.Second, 8*time.Second)
	case 2:
		in.Action, in.Target = KillAt, sinkProcess
		in.Point = pick(r, "before-intent", "after-intent", "mid-send", "after-send")
	case 3:
		in.Action, in.Point, in.For = FreezeAt, pick(r, "after-intent", "mid-send", "after-send"), between(r, 0, time.Second)
	case 4:
		in.Action, in.Target, in.Point = ServerAt, clickHouseProcess, "mid-send"
	case 5:
		in.Action, in.Target = DropReply, pick(r, clientGateway, gatewayBroker, sinkBroker, sinkClickHouse)
		if in.APIKeys = keysOf(r, in.Target, r.IntN(10)); in.APIKeys == nil {
			in.MinRequest = insertBytes
		}
	case 6:
		in.Action, in.Target, in.After = Cut, pick(r, clientGateway, gatewayBroker, sinkBroker, sinkClickHouse), 1+r.Int64N(40)
		in.APIKeys = keysOf(r, in.Target, r.IntN(10))
	case 7:
		in.Action, in.Target, in.ToClient = pick(r, Latency, HalfOpen), pick(r, clientGateway, gatewayBroker, sinkBroker, sinkClickHouse), r.IntN(2) == 0
		in.For, in.Delay, in.Jitter = between(r, time.Second, 5*time.Second), 150*time.Millisecond, 100*time.Millisecond
	}
	return in
}

// reading is what a process holds.
type reading struct {
	PID        int     `json:"pid"`
	InUse      float64 `json:"in_use"`   // bytes of heap and stacks after a collection, the least of several readings, for information
	Resident   int64   `json:"resident"` // bytes, likewise
	Goroutines float64 `json:"goroutines"`
}

// Soak injects random faults into one stack for a time. Beside what every run must keep, memory and goroutines of the processes that lived through it must be back.
func Soak(ctx context.Context, o Options, d time.Duration) error {
	if err := o.validate(); err != nil {
		return fmt.Errorf("faultlab: %w", err)
	}
	if !o.Failpoints {
		return fmt.Errorf("faultlab: soak: %w", ErrNoFailpoints)
	}
	if d > LongestSoak {
		return fmt.Errorf("faultlab: soak: %v are more than %v, for which the load lasts", d, LongestSoak)
	}
	k := soakKind()
	var before, after map[string]reading
	// More than can be injected in the time: a soak is as long as it is, not as many.
	schedule := k.Schedule(o.Seed, int(d/time.Second)+1)
	r := o.run(ctx, k, fmt.Sprintf("soak-%d", o.Seed), schedule, func(ctx context.Context, l *lab, r *Result) error {
		var err error
		if before, err = l.readings(ctx, "before", soakWarmup); err != nil {
			return err
		}
		until := time.Now().Add(d)
		r.Outcomes = l.torment(ctx, schedule, l.told, func() bool { return time.Now().Before(until) })
		r.Planned = len(r.Outcomes)
		after, err = l.readings(ctx, "after", soakCooldown)
		if err == nil {
			r.compareReadings(before, after)
		}
		return err
	})
	writeBlock(o.Out, r, fmt.Sprintf("%s soak --seed %d --minutes %d", o.Replay, o.Seed, int(d/time.Minute)))
	writeReadings(o.Out, before, after)
	switch {
	case r.Aborted:
		return ErrAborted
	case !r.Pass:
		return ErrFailed
	}
	return nil
}

// readings lets the load run without faults for a while and reads the processes that are never killed. Meanwhile the survivor is the only sink: what a sink
// holds depends on its share of the partitions, and on whether it compares the rollups.
func (l *lab) readings(ctx context.Context, when string, rest time.Duration) (all map[string]reading, err error) {
	other := l.process(sinkProcess)
	if err := other.Stop(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, other.Start(ctx)) }()
	ends, err := l.motion.ends(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.motion.past(ctx, ends); err != nil {
		return nil, fmt.Errorf("%s alone: %w", survivor, err)
	}
	if err := pause(ctx, rest); err != nil {
		return nil, err
	}
	all = make(map[string]reading)
	for _, name := range []string{gatewayProcess, survivor} {
		one := reading{PID: l.process(name).PID()}
		for i := range soakReadings {
			now, err := l.reading(ctx, name)
			if err != nil {
				return nil, err
			}
			if i == 0 {
				one.InUse, one.Resident, one.Goroutines = now.InUse, now.Resident, now.Goroutines
			}
			one.InUse, one.Resident, one.Goroutines = min(one.InUse, now.InUse), min(one.Resident, now.Resident), min(one.Goroutines, now.Goroutines)
			if err := pause(ctx, soakEvery); err != nil {
				return nil, err
			}
		}
		all[name] = one
		if err := l.dumpGoroutines(ctx, name, when); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// dumpGoroutines writes what the process is doing beside its log, for a soak in which it does more afterwards than before.
func (l *lab) dumpGoroutines(ctx context.Context, name, when string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.metrics[name]+"/debug/pprof/goroutine?debug=1", nil)
	if err != nil {
		return err
	}
	resp, err := stack.Once.Do(req)
	if err != nil {
		return fmt.Errorf("read the goroutines of %s: %w", name, err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("read the goroutines of %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(l.dir, name+".goroutines-"+when+".txt"), text, 0o644)
}

// reading asks a process to collect its garbage, and reads it.
func (l *lab) reading(ctx context.Context, name string) (r reading, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.metrics[name]+"/debug/pprof/heap?gc=1", nil)
	if err != nil {
		return r, err
	}
	resp, err := stack.Once.Do(req)
	if err != nil {
		return r, fmt.Errorf("collect the garbage of %s: %w", name, err)
	}
	if err := resp.Body.Close(); err != nil {
		return r, err
	}
	series, err := observe.Scrape(ctx, "http://"+l.metrics[name]+"/metrics")
	if err != nil {
		return r, err
	}
	usage, err := observe.ReadUsage(observe.Process{Name: name, PID: l.process(name).PID()})
	if err != nil {
		return r, err
	}
	return reading{
		InUse: series["go_memstats_heap_inuse_bytes"] + series["go_memstats_stack_inuse_bytes"], Resident: usage.Resident, Goroutines: series["go_goroutines"],
	}, nil
}

// compareReadings notes what did not come back.
func (r *Result) compareReadings(before, after map[string]reading) {
	for name, b := range before {
		a := after[name]
		if a.PID != b.PID {
			r.problem("%s died by itself in between: what it holds now tells nothing", name)
		}
		if grown := a.Resident - b.Resident; float64(grown) > soakMargin*float64(b.Resident) && grown > soakFloor {
			r.problem("%s holds %s bytes after the faults, %s before", name, ledger.Grouped(uint64(a.Resident)), ledger.Grouped(uint64(b.Resident)))
		}
		if a.Goroutines > (1+soakMargin)*b.Goroutines+2 {
			r.problem("%s runs %.0f goroutines after the faults, %.0f before", name, a.Goroutines, b.Goroutines)
		}
	}
	for name := range before {
		if i := slices.IndexFunc(r.Outcomes, func(o Outcome) bool { return o.Target == name && o.Action == Kill }); i >= 0 {
			panic("BUG: " + name + " was to be left alive")
		}
	}
}
