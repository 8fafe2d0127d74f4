package faultlab

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/faultlab/stack"
	"github.com/millrace/millrace/schema/clickhouse"
)

// tables is how the lab reaches ClickHouse.
func (l *lab) tables() clickhouse.Config {
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses, cfg.Database = []string{l.clickHouseAddr}, labDatabase
	return cfg
}

// configPath is where the configuration of a process lies, and its data beside it.
func (l *lab) configPath(name string) string { return filepath.Join(l.dir, name+".yaml") }

const usualRebalance = 6 * time.Second

// writeConfig writes the configuration of a process. What differs from the defaults is what keeps a run short, as far as brokers allow: none lets a session end in less than 6 s.
func (l *lab) writeConfig(name string, ingestPort int, brokerAddr, clickHouseAddr string) error {
	ports, err := stack.FreePorts(1)
	if err != nil {
		return err
	}
	l.metrics[name] = loopback(ports[0])
	if name == "operator" {
		delete(l.metrics, name)
	}
	text := fmt.Sprintf(`data: %q
admin: {listen: "%s"}
ingest: {listen: "%s"}
broker:
  addresses: ["%s"]
  allow_relaxed_durability: true
  partitions: %d
  replication: 1
  request_timeout: 3s
clickhouse: {addresses: ["%s"], database: %s}
sink:
  group: %s
  block_age: 250ms
  session_timeout: 6s
  heartbeat_interval: 500ms
  rebalance_timeout: %v
  fetch_max_wait: 100ms
  insert_timeout: 10s
  backoff_max: 1s%s
log: {format: text}
`, filepath.Join(l.dir, name), loopback(ports[0]), loopback(ingestPort), brokerAddr, l.kind.partitions(), clickHouseAddr, labDatabase, labGroup,
		cmp.Or(l.kind.rebalance, usualRebalance), strings.Join(append([]string{""}, l.kind.sinkConfig...), "\n  "))
	return os.WriteFile(l.configPath(name), []byte(text), 0o644)
}
