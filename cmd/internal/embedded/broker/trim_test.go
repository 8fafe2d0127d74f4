package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// opened is a broker whose trimming the test does by hand.
type opened struct {
	*trimmer
	client *broker.Client
	close  func()
}

func openTrimmer(t *testing.T, cfg Config) *opened {
	t.Helper()
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	marks, err := loadTrimmed(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	cluster, listener, err := open(cfg, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(marks.check(cluster), createTopics(cfg, cluster, testLog(t))); err != nil {
		t.Fatal(err)
	}
	listener.open()
	client, err := kgo.NewClient(kgo.SeedBrokers(listener.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	o := &opened{trimmer: &trimmer{cfg: cfg, cluster: cluster, client: client, trimmed: marks, log: testLog(t)}, client: newClient(t, listener.Addr().String())}
	closed := false
	o.close = func() {
		if !closed {
			closed = true
			client.Close()
			cluster.Close()
		}
	}
	t.Cleanup(o.close)
	return o
}

func (o *opened) mustTrim(t *testing.T) {
	t.Helper()
	if err := o.trim(within(t)); err != nil {
		t.Fatal(err)
	}
}

func TestTrimStopsAtTheLowestGroup(t *testing.T) {
	cfg := testConfig(t)
	o := openTrimmer(t, cfg)
	for range 20 {
		produce(t, o.client, "events", 0, 10, 100)
		produce(t, o.client, "events", 1, 10, 100)
	}
	o.mustTrim(t)
	if got := offsets(t, o.client, "events", 0); got.Start != 0 {
		t.Errorf("without any commit the log was trimmed to %d", got.Start)
	}
	commit(t, o.client, "sink", "events", 0, 150, "")
	commit(t, o.client, "slow", "events", 0, 95, "")
	o.mustTrim(t)
	if got := offsets(t, o.client, "events", 0); got != (broker.OffsetRange{Start: 95 - cfg.KeepRecords, End: 200}) {
		t.Errorf("range %v, want it to start %d before the slowest group's 95", got, cfg.KeepRecords)
	}
	if got := offsets(t, o.client, "events", 1); got.Start != 0 {
		t.Errorf("the other partition was trimmed to %d", got.Start)
	}
	if got := readOffsets(t, o.client, "events", 0, 95-cfg.KeepRecords); len(got) != int(105+cfg.KeepRecords) || got[0] != 95-cfg.KeepRecords {
		t.Errorf("%d records from %d", len(got), got[0])
	}
	// A commit that goes back is not followed by the log, and nothing fails.
	commit(t, o.client, "slow", "events", 0, 20, "")
	o.mustTrim(t)
	if got := offsets(t, o.client, "events", 0).Start; got != 85 {
		t.Errorf("start %d", got)
	}
}

// A group that reads, but has not committed, may begin anywhere.
func TestTrimSparesAGroupWithoutCommits(t *testing.T) {
	o := openTrimmer(t, testConfig(t))
	for range 10 {
		produce(t, o.client, "events", 0, 10, 10)
	}
	commit(t, o.client, "sink", "events", 0, 100, "")
	g, err := o.client.JoinGroup(broker.GroupConfig{ID: "tool", Topics: []string{"events"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Next(within(t)); err != nil {
		t.Fatal(err)
	}
	o.mustTrim(t)
	if got := offsets(t, o.client, "events", 0).Start; got != 0 {
		t.Errorf("trimmed to %d under a group that has read nothing yet", got)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	o.mustTrim(t)
	if got := offsets(t, o.client, "events", 0).Start; got != 90 {
		t.Errorf("after the group left: start %d, want 90", got)
	}
}

// With everything committed, and more, the last batch stays, and with it the end of the log over a restart.
func TestTrimKeepsTheLastBatch(t *testing.T) {
	cfg := testConfig(t)
	cfg.KeepRecords = 1
	cfg.MaxBytes = 4 << 20 // segments of 256 KiB
	o := openTrimmer(t, cfg)
	var end int64
	for range 30 {
		produce(t, o.client, "events", 0, 10, 10_000)
		end += 10
	}
	before, err := LogBytes(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, committed := range []int64{end - 25, end, end + 1000} {
		commit(t, o.client, "sink", "events", 0, committed, "")
		o.mustTrim(t)
		got := offsets(t, o.client, "events", 0)
		if got.End != end || got.Start > end-1 || got.Start > committed-cfg.KeepRecords {
			t.Fatalf("committed %d: range %v", committed, got)
		}
	}
	if got := readOffsets(t, o.client, "events", 0, end-1); len(got) != 1 {
		t.Errorf("the last record cannot be read: %v", got)
	}
	after, err := LogBytes(cfg.Dir)
	if err != nil || before < 3_000_000 || after > before/4 {
		t.Errorf("the log has %d bytes after trimming, had %d; %v", after, before, err)
	}
	o.close()
	o = openTrimmer(t, cfg)
	if got := offsets(t, o.client, "events", 0).End; got != end {
		t.Errorf("after a restart the log ends at %d, not %d", got, end)
	}
	if base := produce(t, o.client, "events", 0, 1, 1); base != end {
		t.Errorf("the next record is at %d, want %d: offsets repeat", base, end)
	}
}

// Records may be so large that the number to keep would fill the log for ever.
func TestTrimKeepsNoMoreThanHalfTheLimit(t *testing.T) {
	cfg := testConfig(t)
	cfg.KeepRecords, cfg.MaxBytes = 100_000, 8<<20
	o := openTrimmer(t, cfg)
	for i := range int64(12) {
		produce(t, o.client, "events", 0, 10, 100_000)
		commit(t, o.client, "sink", "events", 0, (i+1)*10, "")
		o.mustTrim(t)
	}
	n, err := LogBytes(cfg.Dir)
	if err != nil || n > cfg.MaxBytes {
		t.Errorf("%d bytes of %d with everything read; %v", n, cfg.MaxBytes, err)
	}
	if got := offsets(t, o.client, "events", 0); got.End != 120 || got.Start < 90 || got.Start > 119 {
		t.Errorf("range %v", got)
	}
}

// Run trims by itself, and a kill in between loses nothing.
func TestRunTrims(t *testing.T) {
	cfg := testConfig(t)
	cfg.TrimInterval = 5 * time.Millisecond
	p := startProcess(t, cfg)
	c := newClient(t, p.awaitReady())
	for i := range int64(10) {
		produce(t, c, "events", 0, 10, 100)
		commit(t, c, "sink", "events", 0, 10*i+10, fmt.Sprint("m", i))
	}
	awaitStart := func(want int64) {
		t.Helper()
		ctx := within(t)
		for offsets(t, c, "events", 0).Start < want {
			if ctx.Err() != nil {
				t.Fatalf("the log was not trimmed to %d", want)
			}
		}
	}
	awaitStart(90)
	p.kill()
	p = startProcess(t, cfg)
	c = newClient(t, p.awaitReady())
	awaitStart(90) // after a kill the broker has forgotten where it began, and trims again
	if got := offsets(t, c, "events", 0); got != (broker.OffsetRange{Start: 90, End: 100}) {
		t.Errorf("range %v", got)
	}
}

// Segment files that vanished: the broker refuses to start before it answers anybody, and names what is wrong.
func TestLostLogIsRefused(t *testing.T) {
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprint("clean stop ", clean), func(t *testing.T) {
			cfg := testConfig(t)
			cfg.TrimInterval = 5 * time.Millisecond
			p := startProcess(t, cfg)
			addr := p.awaitReady()
			c := newClient(t, addr)
			for range 10 {
				produce(t, c, "events", 0, 10, 100)
			}
			commit(t, c, "sink", "events", 0, 100, "")
			for ctx := within(t); offsets(t, c, "events", 0).Start < 90; {
				if ctx.Err() != nil {
					t.Fatal("not trimmed")
				}
			}
			if clean {
				if err := p.stop(); err != nil {
					t.Fatal(err)
				}
			} else {
				p.kill()
			}
			files, err := filepath.Glob(filepath.Join(cfg.Dir, logDir, "partitions", "events-0", "*.dat"))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			for _, f := range files {
				if err := os.Remove(f); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // and again: the refused start changed nothing that would make the next one pass
				p = startProcess(t, cfg)
				if got := p.awaitReady(); got != "" {
					t.Fatalf("a broker without its log is ready at %s", got)
				}
				if out := p.output.String(); p.err == nil || !strings.Contains(out, ErrLogLost.Error()) || !strings.Contains(out, "events partition 0 ends at offset 0") || !strings.Contains(out, cfg.Dir) {
					t.Errorf("exit %v: %s", p.err, out)
				}
			}
			// The cure: moved away, a new log begins.
			if err := os.Rename(cfg.Dir, cfg.Dir+".old"); err != nil {
				t.Fatal(err)
			}
			p = startProcess(t, cfg)
			if p.awaitReady() == "" {
				t.Errorf("a new log: %s", p.output)
			}
		})
	}
}

// An answer is given to nobody before the log was looked at.
func TestRefusedLogAnswersNobody(t *testing.T) {
	cfg := testConfig(t)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	marks, err := loadTrimmed(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := marks.raise("events", 1, 5); err != nil {
		t.Fatal(err)
	}
	err = Run(within(t), cfg, testLog(t), func(string) error { t.Error("ready"); return nil })
	if !errors.Is(err, ErrLogLost) {
		t.Errorf("%v", err)
	}
	if dialable(fmt.Sprint("127.0.0.1:", cfg.Port)) {
		t.Error("it still listens")
	}
}

func TestTrimmedFile(t *testing.T) {
	dir := t.TempDir()
	m, err := loadTrimmed(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ offset, want int64 }{{5, 5}, {3, 5}, {9, 9}} {
		if err := m.raise("events", 1, r.offset); err != nil {
			t.Fatal(err)
		}
		back, err := loadTrimmed(dir)
		if err != nil || back.offsets["events"][1] != r.want {
			t.Errorf("after %d: %v, %v", r.offset, back, err)
		}
	}
	path := filepath.Join(dir, trimmedFile)
	for _, content := range []string{"", "{", `{"version":2}`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadTrimmed(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", content, err)
		}
	}
	// What cannot be written down is not trimmed.
	m.dir = filepath.Join(dir, "gone")
	if err := m.raise("events", 1, 100); !errors.Is(err, fs.ErrNotExist) || m.offsets["events"][1] != 9 {
		t.Errorf("%v, %v", err, m.offsets)
	}
}

func TestTrimIsNotDoneWhenItCannotBeWrittenDown(t *testing.T) {
	o := openTrimmer(t, testConfig(t))
	for range 10 {
		produce(t, o.client, "events", 0, 10, 10)
	}
	commit(t, o.client, "sink", "events", 0, 100, "")
	o.trimmed.dir = filepath.Join(t.TempDir(), "gone")
	if err := o.trim(within(t)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if got := offsets(t, o.client, "events", 0).Start; got != 0 {
		t.Errorf("trimmed to %d without a note of it", got)
	}
}

// Retention of kfake's own evicts nothing, however old the records are, read or not.
func TestNoRetention(t *testing.T) {
	o := openTrimmer(t, testConfig(t))
	produce(t, o.client, "events", 0, 10, 10) // of 1970
	o.cluster.ApplyRetention()
	o.cluster.Compact()
	if got := offsets(t, o.client, "events", 0); got != (broker.OffsetRange{Start: 0, End: 10}) {
		t.Errorf("range %v", got)
	}
}

func TestWarnsWhoHoldsTheLog(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes = 2 << 20
	o := openTrimmer(t, cfg)
	lines := &lockedBuffer{}
	o.log = jsonLog(lines)
	for range 12 {
		produce(t, o.client, "events", 0, 1, 100_000)
	}
	commit(t, o.client, "forgotten-tool", "events", 0, 2, "")
	o.mustTrim(t)
	o.mustTrim(t)
	if out := lines.String(); strings.Count(out, "half full") != 1 || !strings.Contains(out, "forgotten-tool") || !strings.Contains(out, "broker.embedded_max_bytes") {
		t.Errorf("logged: %s", out)
	}
}

func TestLogBytes(t *testing.T) {
	cfg := testConfig(t)
	if n, err := LogBytes(cfg.Dir); n != 0 || err != nil {
		t.Errorf("nothing there: %d, %v", n, err)
	}
	o := openTrimmer(t, cfg)
	empty, err := LogBytes(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	produce(t, o.client, "events", 0, 10, 100_000)
	n, err := LogBytes(cfg.Dir)
	if err != nil || n < empty+1_000_000 || n > empty+1_100_000 {
		t.Errorf("1 MB more: %d after %d, %v", n, empty, err)
	}
}

func TestLowest(t *testing.T) {
	p := &kfake.PartitionInfo{Partition: 1, HighWatermark: 100, LogStartOffset: 7}
	group := func(name string, commit int64, member ...kfake.GroupMember) *kfake.GroupInfo {
		g := &kfake.GroupInfo{Group: name, Members: member}
		if commit >= 0 {
			g.Commits = map[string]map[int32]kfake.GroupCommit{"events": {1: {Offset: commit}}}
		}
		return g
	}
	reader := kfake.GroupMember{SubscribedTopics: []string{"events"}}
	other := kfake.GroupMember{SubscribedTopics: []string{"quarantine"}}
	assigned := kfake.GroupMember{Assignment: map[string][]int32{"events": {0}}}
	for name, c := range map[string]struct {
		groups []*kfake.GroupInfo
		offset int64
		group  string
		ok     bool
	}{
		"none":            {nil, 100, "", false},
		"one":             {[]*kfake.GroupInfo{group("a", 50)}, 50, "a", true},
		"two":             {[]*kfake.GroupInfo{group("a", 50), group("b", 40)}, 40, "b", true},
		"beyond the end":  {[]*kfake.GroupInfo{group("a", 500)}, 100, "", true},
		"other topic":     {[]*kfake.GroupInfo{group("a", 50), group("b", -1, other)}, 50, "a", true},
		"assigned":        {[]*kfake.GroupInfo{group("a", 50), group("b", -1, assigned)}, 7, "b", true},
		"joining":         {[]*kfake.GroupInfo{group("a", 50), group("b", -1, kfake.GroupMember{})}, 7, "b", true},
		"no commits yet":  {[]*kfake.GroupInfo{group("a", 50), group("b", -1, reader)}, 7, "b", true},
		"only commitless": {[]*kfake.GroupInfo{group("b", -1)}, 100, "", false},
	} {
		if offset, by, ok := lowest(c.groups, "events", p); offset != c.offset || by != c.group || ok != c.ok {
			t.Errorf("%s: %d %q %t, want %d %q %t", name, offset, by, ok, c.offset, c.group, c.ok)
		}
	}
}

// Offsets of a group that is away for long are not forgotten.
func TestOffsetsDoNotExpire(t *testing.T) {
	o := openTrimmer(t, testConfig(t))
	commit(t, o.client, "sink", "events", 0, 0, "")
	b, err := os.ReadFile(filepath.Join(o.cfg.Dir, logDir, "broker_configs.json"))
	if err != nil {
		t.Fatal(err)
	}
	var saved struct{ Configs map[string]string }
	if err := json.Unmarshal(b, &saved); err != nil || saved.Configs["offsets.retention.minutes"] != "2147483647" {
		t.Errorf("%s, %v", b, err)
	}
}
