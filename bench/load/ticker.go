package load

import "time"

// meter turns what the recorder holds into intervals and a total. It belongs to the goroutine of Run.
type meter struct {
	r         *Runner
	from      time.Duration // where the interval began
	scheduled int64         // requests due before it
	interval  *cell
	total     *cell // of all intervals after the warm-up
}

func newMeter(r *Runner) *meter {
	return &meter{r: r, interval: newCell(), total: newCell()}
}

// run ends an interval at each boundary until done is closed, and then the last one.
func (m *meter) run(done <-chan struct{}) {
	timer := time.NewTimer(m.boundary() - m.r.now())
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			m.end(m.r.now())
			timer.Reset(m.boundary() - m.r.now())
		case <-done:
			m.finish(m.r.now())
			return
		}
	}
}

// boundary is where the interval that began at m.from should end: at the next multiple of the interval's length. The end of the warm-up is a boundary
// too. The interval in which sending ends goes on for a while, so that the last answers are in it and not in one of their own.
func (m *meter) boundary() time.Duration {
	every, warmup, duration := m.r.options.Interval, m.r.load.Warmup, m.r.duration
	next := m.from.Truncate(every) + every
	if m.from < warmup && warmup < next {
		return warmup
	}
	if m.from < duration && next >= duration {
		return duration + every/2
	}
	return next
}

// end closes the interval at now and tells of it. An interval of the warm-up ends with it at the latest.
func (m *meter) end(now time.Duration) {
	warmup := m.from < m.r.load.Warmup
	if warmup {
		now = min(now, m.r.load.Warmup)
	}
	m.interval.reset()
	m.r.recorder.collect(m.interval, warmup)
	if m.r.open() {
		due := m.r.dueBy(now)
		m.interval.counts.Scheduled = uint64(due-m.scheduled) * uint64(m.r.load.Batch)
		m.scheduled = due
	}
	m.emit(now, warmup)
}

// finish closes what is left. All workers have ended.
func (m *meter) finish(now time.Duration) {
	if m.from < m.r.load.Warmup {
		m.end(now)
		if now <= m.r.load.Warmup {
			return
		}
	}
	m.interval.reset()
	m.r.recorder.collect(m.interval, false)
	if m.r.open() {
		due := m.r.total
		if m.r.aborted {
			due = m.r.dueBy(now)
		}
		m.interval.counts.Scheduled = uint64(due-m.scheduled) * uint64(m.r.load.Batch)
	}
	if m.interval.counts == (Counts{}) && now-m.from < m.r.options.Interval/2 {
		return // the rest of an interval that ended with the run
	}
	m.emit(max(now, m.from+time.Microsecond), false) // what came in the very moment of a tick needs an interval too
}

// emit hands the interval out and adds it to the total.
func (m *meter) emit(now time.Duration, warmup bool) {
	seconds := (now - m.from).Seconds()
	m.from = now
	if !warmup {
		m.total.merge(m.interval)
	}
	if m.r.options.Tick == nil {
		return
	}
	m.r.options.Tick(Interval{
		At:      now.Seconds(),
		Seconds: seconds,
		Warmup:  warmup,
		Counts:  m.interval.counts,
		Latency: PercentilesOf(m.interval.latency),
		Service: PercentilesOf(m.interval.service),
	})
}

// summary is the whole run. Seconds counts to the last send, and to the end of the stages when none was later.
func (m *meter) summary() (*Summary, error) {
	r := m.r
	s := &Summary{
		Started: r.begin,
		Seconds: max(0, r.sentUntil()-r.load.Warmup).Seconds(),
		Counts:  m.total.counts,
		Latency: PercentilesOf(m.total.latency),
		Service: PercentilesOf(m.total.service),
		Aborted: r.aborted,
	}
	if len(m.total.kinds) > 0 {
		s.ErrorKinds = m.total.kinds
	}
	var err error
	if s.LatencyHDR, err = encode(m.total.latency); err != nil {
		return nil, err
	}
	if s.ServiceHDR, err = encode(m.total.service); err != nil {
		return nil, err
	}
	return s, nil
}
