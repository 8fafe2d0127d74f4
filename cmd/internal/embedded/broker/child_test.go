package broker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/datadir"
)

// readValues reads all records of a partition and returns their offsets.
func readOffsets(t testing.TB, c *broker.Client, topic string, partition int32, from int64) (got []int64) {
	t.Helper()
	end := offsets(t, c, topic, partition).End
	var r broker.RecordReader
	var rec broker.Record
	for from < end {
		f, err := c.Fetch(within(t), 0, broker.FetchRequest{
			MaxWait: time.Second, MinBytes: 1, MaxBytes: 8 << 20,
			Partitions: []broker.FetchPartition{{Topic: topic, Partition: partition, Offset: from, MaxBytes: 8 << 20}},
		})
		if err != nil || f.Partitions[0].Err != nil {
			t.Fatal(err, f)
		}
		for r.Reset(f.Partitions[0].Records, from); r.Next(&rec); {
			got = append(got, rec.Offset)
		}
		if r.Err() != nil || r.NextOffset() == from {
			t.Fatalf("no progress at %d: %v", from, r.Err())
		}
		from = r.NextOffset()
	}
	return got
}

// What was acknowledged survives kill -9, again and again, on the same port: records, offsets with metadata, the cluster's
// identity.
func TestKillLosesNothing(t *testing.T) {
	cfg := testConfig(t)
	want := fmt.Sprint("127.0.0.1:", cfg.Port)
	var cluster string
	var acked int64
	for life := range 4 {
		p := startProcess(t, cfg)
		if addr := p.awaitReady(); addr != want {
			t.Fatalf("life %d: address %q, want %q\n%s", life, addr, want, p.output)
		}
		c := newClient(t, want)
		md, err := c.Metadata(within(t), "events", "quarantine")
		if err != nil || len(md.Topics["events"].Partitions) != 2 || len(md.Topics["quarantine"].Partitions) != 2 {
			t.Fatalf("%+v, %v", md, err)
		}
		if b := md.Brokers; len(b) != 1 || b[0].Host != "127.0.0.1" || b[0].Port != cfg.Port {
			t.Errorf("advertised: %+v", b)
		}
		if cluster == "" {
			cluster = md.ClusterID
		}
		if md.ClusterID != cluster || len(cluster) < 20 {
			t.Errorf("cluster id %q, was %q", md.ClusterID, cluster)
		}
		if life > 0 {
			if got := readOffsets(t, c, "events", 1, 0); int64(len(got)) != acked || got[len(got)-1] != acked-1 {
				t.Fatalf("life %d: %d records, %d were acknowledged", life, len(got), acked)
			}
			o, err := c.FetchOffsets(within(t), "sink", "events", []int32{1})
			if err != nil || o[1].Offset != acked-1 || o[1].Metadata != fmt.Sprint("intent-", acked) {
				t.Errorf("life %d: offset %+v, %v", life, o, err)
			}
		}
		for range 20 {
			if base := produce(t, c, "events", 1, 7, 900); base != acked {
				t.Fatalf("base offset %d, want %d", base, acked)
			}
			acked += 7
		}
		commit(t, c, "sink", "events", 1, acked-1, fmt.Sprint("intent-", acked))
		p.kill()
	}
}

// A clean stop keeps the same, and says so by its exit code.
func TestStopAndStart(t *testing.T) {
	cfg := testConfig(t)
	p := startProcess(t, cfg)
	c := newClient(t, p.awaitReady())
	id, err := c.InitProducerID(within(t))
	if err != nil {
		t.Fatal(err)
	}
	var b broker.BatchBuilder
	b.Append(broker.AppendRecordBody(nil, nil, []byte("v")), 1)
	send := func(sequence int32) broker.ProduceResult {
		t.Helper()
		r, err := c.Produce(within(t), 0, 5*time.Second, []broker.PartitionBatch{{Topic: "events", Records: b.Seal(id, sequence)}})
		if err != nil {
			t.Fatal(err)
		}
		return r[0]
	}
	for sequence := range int32(3) {
		if r := send(sequence); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if err := p.stop(); err != nil {
		t.Fatalf("exit: %v\n%s", err, p.output)
	}
	p = startProcess(t, cfg)
	c = newClient(t, p.awaitReady())
	// Producer state was dropped: the next batch of the same producer is taken.
	if r := send(3); r.Err != nil || r.BaseOffset != 3 {
		t.Errorf("the next batch after a restart: %+v", r)
	}
	p.kill()
	p = startProcess(t, cfg)
	c = newClient(t, p.awaitReady())
	// Without that, kfake would now answer with a window from before: out of order, for ever.
	if r := send(4); r.Err != nil || r.BaseOffset != 4 {
		t.Errorf("the next batch after a stop and a kill: %+v", r)
	}
	if got := offsets(t, c, "events", 0); got != (broker.OffsetRange{Start: 0, End: 5}) {
		t.Errorf("range %v", got)
	}
}

// The files are nobody else's.
func TestModes(t *testing.T) {
	cfg := testConfig(t)
	p := startProcess(t, cfg)
	c := newClient(t, p.awaitReady())
	produce(t, c, "events", 0, 1, 10)
	err := filepath.Walk(cfg.Dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSecondChildIsRefused(t *testing.T) {
	cfg := testConfig(t)
	inProcess(t, cfg)
	second := cfg
	second.Port = freePort(t)
	start := time.Now()
	err := Run(within(t), second, testLog(t), func(string) error { t.Error("two brokers on one log"); return nil })
	if !errors.Is(err, datadir.ErrLocked) || time.Since(start) < cfg.LockWait {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	if dialable(fmt.Sprint("127.0.0.1:", second.Port)) {
		t.Error("the second broker listens")
	}
}

// A child that waits for the lock gets it when the first one ends.
func TestSecondChildWaits(t *testing.T) {
	cfg := testConfig(t)
	first := startProcess(t, cfg)
	c := newClient(t, first.awaitReady())
	produce(t, c, "events", 0, 5, 10)
	cfg.LockWait = 20 * time.Second
	second := startProcess(t, cfg)
	for !strings.Contains(second.output.String(), "waiting for a lock") { // said before it waits
		select {
		case <-second.done:
			t.Fatalf("the second child ended: %s", second.output)
		case <-time.After(5 * time.Millisecond):
		}
	}
	first.kill()
	c = newClient(t, second.awaitReady())
	if got := offsets(t, c, "events", 0).End; got != 5 {
		t.Errorf("end %d", got)
	}
}

func TestPortInUse(t *testing.T) {
	cfg := testConfig(t)
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", cfg.Port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	err = Run(within(t), cfg, testLog(t), func(string) error { return nil })
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(cfg.Port)) {
		t.Errorf("%v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	err := Run(within(t), Config{}, testLog(t), func(string) error { return nil })
	for _, key := range []string{"no Dir", "Partitions:", "Topics:", "MaxBytes:", "KeepRecords:", "MaxMessageBytes:"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named: %v", key, err)
		}
	}
}

// Settings that clients look at, on creation and after a change.
func TestTopicSettings(t *testing.T) {
	cfg := testConfig(t)
	addr, stop := inProcess(t, cfg)
	check := func(limit int) {
		t.Helper()
		c := newClient(t, addr)
		settings, err := c.TopicConfig(within(t), "events")
		if err != nil || settings["max.message.bytes"] != fmt.Sprint(limit) || settings["retention.ms"] != "-1" || settings["retention.bytes"] != "-1" {
			t.Errorf("%v, %v", settings, err)
		}
		produce(t, c, "events", 0, 1, limit-100)
	}
	check(cfg.MaxMessageBytes)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	cfg.MaxMessageBytes = 5 << 20
	cfg.Partitions = 3 // of new topics; those that exist keep theirs
	addr, _ = inProcess(t, cfg)
	check(cfg.MaxMessageBytes)
	if got := offsets(t, newClient(t, addr), "events", 1); got.End != 0 {
		t.Errorf("%v", got)
	}
}

// Two logs are never taken for each other.
func TestEachLogHasItsOwnID(t *testing.T) {
	ids := make(map[string]bool)
	for range 2 {
		addr, _ := inProcess(t, testConfig(t))
		md, err := newClient(t, addr).Metadata(within(t))
		if err != nil || ids[md.ClusterID] {
			t.Errorf("%+v, %v", md, err)
		}
		ids[md.ClusterID] = true
	}
}

func TestSegmentBytes(t *testing.T) {
	for _, c := range []struct {
		max        int64
		partitions int
		want       int64
	}{{1 << 30, 4, 16 << 20}, {1 << 30, 2, 32 << 20}, {64 << 20, 4, 1 << 20}, {1 << 40, 4, 32 << 20}, {1 << 20, 100, 256 << 10}} {
		cfg := Config{MaxBytes: c.max, Partitions: c.partitions, Topics: []string{"events", "quarantine"}}
		if got := cfg.segmentBytes(); got != c.want {
			t.Errorf("%d bytes over %d partitions: segments of %d, want %d", c.max, 2*c.partitions, got, c.want)
		}
	}
}
