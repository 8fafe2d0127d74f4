package sink

import (
	"strings"
	"testing"
	"time"
)

// The drain ends on time though ClickHouse is away, and what was held is loaded by the next start.
func TestDrainEndsOnTime(t *testing.T) {
	l := newLab(t, 1)
	cfg := testConfig()
	cfg.DrainTimeout = 300 * time.Millisecond
	r := l.start(cfg, t.TempDir())
	r.loading(2)
	l.engine.Kill()
	l.produce("events", 0, plainBodies(0, 10)...)
	l.until(func() bool { return r.counter(retries) > 0 }, func() string { return "no insert fails" })
	begun := time.Now()
	r.stop()
	if took := time.Since(begun); took < cfg.DrainTimeout || took > cfg.DrainTimeout+5*time.Second {
		t.Errorf("drain took %v, with a deadline of %v", took, cfg.DrainTimeout)
	}
	if log := r.logs.String(); !strings.Contains(log, "not stored before the deadline") || !strings.Contains(log, "rows=10") {
		t.Error("what is left is not told")
	}
	l.engine.Start()
	l.start(testConfig(), t.TempDir())
	l.committed("events", 0, 10)
	l.eachOnce(0, 10)
}

// A stop stores and commits what is held, though its age is not reached by far.
func TestDrainStoresWhatIsHeld(t *testing.T) {
	l := newLab(t, 1)
	cfg := testConfig()
	cfg.BlockAge = 10 * time.Minute
	dir := t.TempDir()
	r := l.start(cfg, dir)
	l.produce("events", 0, plainBodies(0, 10)...)
	l.until(func() bool { return r.counter("millrace_consumer_oldest_unflushed_age_seconds") > 0 }, func() string { return "nothing is held" })
	r.stop()
	l.committed("events", 0, 10)
	l.eachOnce(0, 10)
	if m, err := loadMember(dir); err != nil || m.Member != "" {
		t.Errorf("member file after a clean leave: %+v, %v", m, err)
	}
	if info := l.cluster.GroupInfo(cfg.Group); len(info.Members) != 0 {
		t.Errorf("%d members after the leave", len(info.Members))
	}
}
