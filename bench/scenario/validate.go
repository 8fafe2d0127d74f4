package scenario

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// What a scenario may ask for. An id has room for MaxConnections producers, an answer for MaxBatch events; a server of ours takes a body of 20 MiB.
const (
	MaxConnections = 4_000
	MaxBatch       = 10_000
	MinEventBytes  = 500
	MaxEventBytes  = 128 << 10
	MaxBodyBytes   = 16 << 20
	MaxNames       = 10_000
	MaxUsers       = 100_000    // of one connection
	MaxAllUsers    = 10_000_000 // of all connections
	MaxRate        = 1e8
	MaxStages      = 1_000
	MaxDuration    = 7 * 24 * time.Hour
	MaxPoolBytes   = 2 << 30
)

// The words that two texts are limited to.
var (
	dialects     = []string{"segment", "native"}
	compressions = []string{"none", "gzip", "zstd"}
)

// checks gathers problems.
type checks []error

func (c *checks) check(ok bool, key, format string, args ...any) {
	if !ok {
		*c = append(*c, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
}

func check[T int | int64 | time.Duration](c *checks, key string, v, low, high T, cure string) {
	c.check(v >= low && v <= high, key, "%v is not between %v and %v: %s", v, low, high, cure)
}

func (c *checks) share(key string, v float64) {
	c.check(v >= 0 && v <= 0.5, key, "%v is not between 0 and 0.5: it is a share, 0.01 is one event in a hundred", v)
}

// Validate reports every value that cannot work, each by its key, with the limit and what to do.
func (s *Scenario) Validate() error {
	var c checks
	c.check(s.Name != "", "name", "it is empty: name the scenario, results are compared by name")
	s.Load.validate(&c)
	s.Events.validate(&c)
	body := float64(s.Events.Bytes) * float64(s.Load.Batch)
	c.check(body <= MaxBodyBytes, "load.batch", "%d events of %d bytes are %.0f bytes in a request, more than %d: lower load.batch or events.bytes",
		s.Load.Batch, s.Events.Bytes, body, MaxBodyBytes)
	all := body * float64(s.Load.Connections)
	c.check(body > MaxBodyBytes || all <= MaxPoolBytes, "load.connections", "%d with a request of %.0f bytes each are %.0f bytes rendered beforehand, more than %d: lower load.connections, load.batch or events.bytes",
		s.Load.Connections, body, all, MaxPoolBytes)
	users := int64(s.Events.Users) * int64(s.Load.Connections)
	c.check(users <= MaxAllUsers, "events.users", "%d on each of %d connections are %d users, more than %d: lower events.users or load.connections",
		s.Events.Users, s.Load.Connections, users, MaxAllUsers)
	s.Thresholds.validate(&c)
	return errors.Join(c...)
}

func (l *Load) validate(c *checks) {
	c.check(l.Mode == Rate || l.Mode == Saturate, "load.mode", "%q is neither rate (a schedule sets the pace) nor saturate (the answers do)", l.Mode)
	l.validateStages(c)
	check(c, "load.connections", l.Connections, 1, MaxConnections, "each connection has one request in flight; more load comes from more processes")
	check(c, "load.batch", l.Batch, 1, MaxBatch, "it counts the events of one request")
	c.check(slices.Contains(dialects, l.Dialect), "load.dialect", "%q is not segment or native", l.Dialect)
	c.check(slices.Contains(compressions, l.Compression), "load.compression", "%q is not none, gzip or zstd", l.Compression)
	check(c, "load.timeout", l.Timeout, time.Millisecond, time.Hour, "it bounds one request, e.g. 30s")
	check(c, "load.late_after", l.LateAfter, time.Microsecond, time.Minute, "a send later than this is counted as late, e.g. 10ms")
	check(c, "load.drop_after", l.DropAfter, time.Millisecond, time.Hour, "a send that waited this long for a connection is dropped, e.g. 10s")
	c.check(l.DropAfter >= l.LateAfter, "load.drop_after", "%v is below load.late_after (%v): a send is late before it is dropped", l.DropAfter, l.LateAfter)
}

func (l *Load) validateStages(c *checks) {
	c.check(len(l.Stages) > 0, "load.stages", "there is none: give at least one, e.g. {duration: 30s, rate: 10000}")
	c.check(len(l.Stages) <= MaxStages, "load.stages", "there are %d, more than %d", len(l.Stages), MaxStages)
	var sum time.Duration
	var peak float64
	broken := false
	for i, st := range l.Stages {
		key := fmt.Sprintf("load.stages[%d]", i)
		good := st.Duration >= time.Millisecond && st.Duration <= MaxDuration
		c.check(good, key+".duration", "%v is not between 1ms and %v", st.Duration, MaxDuration)
		known := st.Rate >= 0 && st.Rate <= MaxRate
		c.check(known, key+".rate", "%v is not between 0 and %.0f events per second", st.Rate, MaxRate)
		if broken = broken || !good || !known; broken {
			continue
		}
		sum += min(st.Duration, MaxDuration+1-sum) // stays in range whatever comes
		peak = max(peak, st.Rate)
	}
	if broken || len(l.Stages) == 0 {
		return
	}
	c.check(sum <= MaxDuration, "load.stages", "they last longer than %v together", MaxDuration)
	c.check(l.Mode == Saturate || peak > 0, "load.stages", "no stage has a rate above 0, so nothing would be sent: set a rate, or load.mode: saturate")
	c.check(l.Warmup >= 0 && l.Warmup < sum, "load.warmup", "%v is not between 0 and less than all stages together (%v)", l.Warmup, sum)
}

func (e *Events) validate(c *checks) {
	check(c, "events.bytes", e.Bytes, MinEventBytes, MaxEventBytes, "it is the mean size of an event; one of a real SDK hardly fits less")
	check(c, "events.names", e.Names, 1, MaxNames, "it counts the event names beside those of the funnel")
	check(c, "events.users", e.Users, 1, MaxUsers, "it counts the users of one connection")
	c.share("events.unicode", e.Unicode)
	c.share("events.escapes", e.Escapes)
	c.share("events.late", e.Late)
	c.share("events.duplicates", e.Duplicates)
	c.share("events.invalid", e.Invalid)
	check(c, "events.pool_bytes", e.PoolBytes, 1<<10, MaxPoolBytes, "it bounds what is rendered beforehand and kept in memory, e.g. 64MiB")
}

func (t *Thresholds) validate(c *checks) {
	for _, d := range []struct {
		key string
		v   time.Duration
	}{{"p50", t.P50}, {"p99", t.P99}, {"p999", t.P999}, {"queryable", t.Queryable}} {
		c.check(d.v >= 0, "thresholds."+d.key, "%v is negative: 0 leaves it unchecked", d.v)
	}
	for _, d := range []struct {
		key string
		v   float64
	}{{"errors", t.Errors}, {"dropped", t.Dropped}} {
		c.check(d.v <= 1, "thresholds."+d.key, "%v is above 1: it is a share, 0.001 is one in a thousand; below 0 it is not checked", d.v)
	}
	c.check(t.MinRate <= MaxRate && !math.IsNaN(t.MinRate), "thresholds.min_rate", "%v is above %.0f events per second", t.MinRate, MaxRate)
}
