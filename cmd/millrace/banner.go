package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace/cmd/internal/version"
)

// banner is what a person wants to know about a server that has just started.
type banner struct {
	profile, data, sources string
	ports                  ports
	key                    string // the development key; empty: there is none
	keys                   int    // keys in keys.yaml
	database               string
	topic                  string
	partitions             int
	embeddedBroker         bool
	brokerAddresses        []string
	clickhouseAddresses    []string
	relaxed                []string
	took                   time.Duration
}

func (b banner) write(w io.Writer) error {
	var s strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&s, "  %-8s "+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(&s, "\nmillrace %s  profile=%s  data=%s  (config: %s)\n", version.Get().Version, b.profile, b.data, b.sources)
	if b.ports.Ingest != "" {
		row("ingest", "http://%s   %s", b.ports.Ingest, b.keyLine())
	}
	if b.ports.Query != "" {
		row("query", "http://%s/v1/query/{trends,funnel,retention,paths,timeline,sql}", b.ports.Query)
	}
	if b.ports.ClickHouseTCP != "" {
		row("sql", "clickhouse://default@%s/%s   http://%s", b.ports.ClickHouseTCP, b.database, b.ports.ClickHouseHTTP)
	} else {
		row("sql", "%s   database %s", strings.Join(b.clickhouseAddresses, ","), b.database)
	}
	if b.embeddedBroker {
		row("kafka", "%s   topic %s (%d partitions, embedded, 1 copy)", b.ports.Broker, b.topic, b.partitions)
	} else {
		row("kafka", "%s   topic %s (%d partitions)", strings.Join(b.brokerAddresses, ","), b.topic, b.partitions)
	}
	row("admin", "http://%s   /metrics /readyz?verbose /debug/pprof", b.ports.Admin)
	for _, weak := range b.relaxed {
		row("RELAXED", "%s", weak)
	}
	if b.ports.Ingest != "" && b.key != "" {
		row("try it", `curl -u %s: http://%s/v1/track -d '{"event":"Hello","userId":"u1","properties":{"n":1}}'`, b.key, b.ports.Ingest)
		if b.ports.ClickHouseHTTP != "" {
			row("", "curl 'http://%s/?query=SELECT+event,distinct_id,props+FROM+%s.events'", b.ports.ClickHouseHTTP, b.database)
		}
		if ask := askLine(b.ports.Query, b.key); ask != "" {
			row("", "%s", ask)
		}
	}
	fmt.Fprintf(&s, "ready in %.1f s\n\n", b.took.Seconds())
	_, err := io.WriteString(w, s.String())
	return err
}

func (b banner) keyLine() string {
	switch {
	case b.key != "":
		return "key: " + b.key + "   (development key, " + b.data + "/dev-key)"
	case b.keys == 0:
		return "no key yet: millrace keys create NAME"
	}
	return fmt.Sprintf("%d keys", b.keys)
}
