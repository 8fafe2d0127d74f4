package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
)

// A gateway before a broker whose retention is about to remove what no sink has loaded refuses new events and says why; when it is loaded, it takes them.
func TestGatewayRefusesBeforeRetentionDoes(t *testing.T) {
	server, kafka := enginetest.ClickHouse(t), enginetest.Broker(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tables := clickhouse.DefaultConfig()
	tables.Addresses = []string{server.TCP}
	db, err := clickhouse.Open(ctx, tables)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing is pending on it
	if err := clickhouse.Up(ctx, db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	cfg := broker.DefaultConfig()
	cfg.Addresses = []string{kafka.Broker}
	client, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, topic := range []string{"short", "short-quarantine"} {
		spec := broker.TopicSpec{Name: topic, Partitions: 1, Replication: 1, Config: map[string]string{"retention.ms": "3600000"}}
		if err := client.CreateTopic(ctx, spec); err != nil {
			t.Fatal(err)
		}
	}
	var b broker.BatchBuilder
	b.Append(broker.AppendRecordBody(nil, nil, []byte("{}")), time.Now().Add(-58*time.Minute).UnixMilli())
	md, err := client.Metadata(ctx, "short")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Produce(ctx, md.Topics["short"].Partitions[0].Leader, time.Second, []broker.PartitionBatch{{Topic: "short", Records: b.Seal(broker.NoProducerID, -1)}}); err != nil {
		t.Fatal(err)
	}

	s := startServe(t, filepath.Join(t.TempDir(), "data"), "--role", "ingest", "--clickhouse.addresses", server.TCP, "--broker.addresses", kafka.Broker,
		"--broker.topic", "short", "--broker.quarantine-topic", "short-quarantine", "--broker.allow-relaxed-durability", "--broker.retention-check-interval", "1s")
	get := func(path string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.p.Admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // read only
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	await := func(path string, words ...string) {
		t.Helper()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			text := get(path)
			missing := 0
			for _, word := range words {
				if !strings.Contains(text, word) {
					missing++
				}
			}
			if missing == 0 {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("%s lacks one of %q:\n%s", path, words, text)
			}
		}
	}
	await("/readyz?verbose", "retention", "topic short partition 0", "new events are refused")
	if status, text := s.post(`{"batch":[{"type":"track","event":"E","userId":"u"}]}`); status != http.StatusServiceUnavailable || !bytes.Contains(text, []byte("downstream_backlog")) {
		t.Errorf("status %d: %s", status, text)
	}
	await("/metrics", `millrace_retention_headroom_ratio{topic="short"} 0.0`, `millrace_retention_headroom_ratio{topic="short-quarantine"} 1`)

	outcome, err := client.CommitOffsets(ctx, broker.OffsetCommit{Group: "millrace-sink", Generation: -1, Offsets: []broker.PartitionOffset{{Topic: "short", Offset: 1}}})
	if err != nil || outcome[broker.TopicPartition{Topic: "short"}] != nil {
		t.Fatal(outcome, err)
	}
	await("/metrics", `millrace_retention_headroom_ratio{topic="short"} 1`)
	if status, text := s.post(`{"batch":[{"type":"track","event":"E","userId":"u"}]}`); status != http.StatusOK {
		t.Errorf("status %d: %s", status, text)
	}
}
