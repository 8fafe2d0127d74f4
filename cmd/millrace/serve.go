package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/admin"
	"github.com/millrace/millrace/cmd/internal/backlog"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/millrace/millrace/cmd/internal/erased"
	"github.com/millrace/millrace/cmd/internal/keys"
	"github.com/millrace/millrace/cmd/internal/logging"
	"github.com/millrace/millrace/cmd/internal/run"
	"github.com/millrace/millrace/cmd/internal/topics"
	"github.com/millrace/millrace/ingest"
	"github.com/millrace/millrace/people"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/enrich"
	"github.com/millrace/millrace/query"
	"github.com/millrace/millrace/sink"
)

// role is which stages a process runs.
type role string

const (
	roleAll    role = "all"
	roleIngest role = "ingest"
	roleSink   role = "sink"
	roleQuery  role = "query"
	roleJobs   role = "jobs"
)

func (r role) ingests() bool { return r == roleAll || r == roleIngest }
func (r role) sinks() bool   { return r == roleAll || r == roleSink }
func (r role) queries() bool { return r == roleAll || r == roleQuery }
func (r role) jobs() bool    { return r == roleAll || r == roleJobs }

// brokers tells whether the role works with the broker.
func (r role) brokers() bool { return r.ingests() || r.sinks() || r.jobs() }

func newServe() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server: HTTP in, ClickHouse out",
		Long: `Runs the server. Without addresses it starts a broker and a ClickHouse of its own below the data directory; broker.addresses and clickhouse.addresses
name yours instead.

SIGTERM or SIGINT drains and ends with 0, or with 1 when something is left behind, which the log names. A second signal ends at once; what was acknowledged is
stored all the same.`,
		Example: `  millrace serve
  millrace serve --data /srv/millrace --ingest.listen :7080
  millrace serve --role ingest --broker.addresses redpanda-0:9092,redpanda-1:9092 --clickhouse.addresses clickhouse-0:9000`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd)
	cmd.Flags().StringVar(&name, "role", string(roleAll), "what this process does: all, ingest (HTTP to topic), sink (topic to ClickHouse), query (questions over HTTP) or jobs (identities, profiles, segments, erasures)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, report, err := s.load()
		if err != nil {
			return err
		}
		r := role(name)
		switch {
		case !r.brokers() && !r.queries():
			return usageError{fmt.Errorf("--role is %q: choose all, ingest, sink, query or jobs", name)}
		case r == roleQuery && len(c.ClickHouse.Addresses) == 0:
			return usageError{fmt.Errorf("--role %s shares ClickHouse with other processes, so it needs clickhouse.addresses", r)}
		case r != roleAll && r != roleQuery && (len(c.Broker.Addresses) == 0 || len(c.ClickHouse.Addresses) == 0):
			return usageError{fmt.Errorf("--role %s shares the engines with other processes, so it needs broker.addresses and clickhouse.addresses", r)}
		}
		return serve(context.Background(), c, report, r)
	}
	return cmd
}

// server is what serve puts together, step by step.
type server struct {
	c       config.Config
	report  *config.Report
	role    role
	begun   time.Time
	log     *slog.Logger
	metrics *metrics.Set
	dir     *datadir.Dir
	keys    *keys.Store
	ports   ports
	engines engines
	health  *admin.Health

	// Set by prepare, once the engines are up.
	client    *broker.Client
	topics    *topics.Topics
	pins      topics.Pins
	warnings  []string
	pipeline  *pipeline.Pipeline
	sink      *sink.Sink
	retention atomic.Pointer[backlog.Retention] // nil: not watched; the admin listener is there before
	running   atomic.Pointer[sink.Sink]         // the same, for the admin listener, which is there before
	door      *ingest.Server
	query     *query.Server
	people    *people.Job
	erased    *erased.Set
	enrich    *enrich.Enricher
	tables    *tables // of the handlers of segments and erasures
}

// serve runs until a signal, then drains. It is the story of the process, in order.
func serve(ctx context.Context, c config.Config, report *config.Report, r role) (err error) {
	s := &server{c: c, report: report, role: r, begun: time.Now(), metrics: metrics.NewSet(), warnings: c.Warnings()}
	var level *slog.LevelVar
	if s.log, level, err = logging.New(c.Log, os.Stderr); err != nil {
		return err
	}
	log.SetFlags(0)
	log.SetOutput(logging.Lines(s.log))
	ctx, stop := run.WithSignals(ctx, s.log)
	defer stop()

	// The data directory is ours alone from here on.
	if s.dir, err = datadir.Open(ctx, c.Data, datadir.DefaultWait, s.log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.dir.Close()) }()
	// A server that was killed has left its ports here; nobody may take them for ours.
	if err := removePorts(s.dir.Run()); err != nil {
		return err
	}
	if s.keys, err = keys.Open(s.dir.Path(), c.Profile, os.Getenv(keys.DevKeyEnv)); err != nil {
		return err
	}

	// Listeners first: a busy port shows before anything is started.
	adminListener, err := listen("admin.listen", c.Admin.Listen, !report.Chosen("admin.listen"))
	if err != nil {
		return err
	}
	s.ports.Admin = reachable(adminListener)
	var ingestListener net.Listener
	if r.ingests() {
		if ingestListener, err = listen("ingest.listen", c.Ingest.Listen, !report.Chosen("ingest.listen")); err != nil {
			return errors.Join(err, adminListener.Close())
		}
		s.ports.Ingest = reachable(ingestListener)
	}
	var queryListener net.Listener
	if r.queries() {
		if queryListener, err = listen("query.listen", c.Query.Listen, !report.Chosen("query.listen")); err != nil {
			return errors.Join(err, closeAll(adminListener, ingestListener))
		}
		s.ports.Query = reachable(queryListener)
	}

	s.resolve()
	if s.engines, err = newEngines(ctx, &s.c, &s.ports, s.dir, s.keys.Projects(), s.log, s.metrics); err != nil {
		return err
	}
	s.health = admin.NewHealth(s.checks()...)

	// Started from the top, stopped from the bottom: the door closes first, the engines end last.
	group := run.New(s.log)
	adminServer := admin.New(admin.Options{Health: s.health, Level: level, Sets: []*metrics.Set{s.metrics}, Routes: s.sinkRoutes(), Log: s.log.With("component", "admin")})
	group.Add(run.Stage{Name: "admin", Run: func(ctx context.Context) error { return adminServer.Run(ctx, adminListener) }, StopTimeout: adminStop})
	s.addEngines(group)
	group.Add(run.Stage{Name: "prepare", Start: s.prepare, Drain: s.release, StopTimeout: releaseStop})
	if r.queries() {
		group.Add(run.Stage{Name: "query", Run: func(ctx context.Context) error { return s.query.Run(ctx, queryListener) }, StopTimeout: c.Query.DrainTimeout + queryStop})
	}
	if r.sinks() {
		group.Add(run.Stage{Name: "properties", Run: s.survey, StopTimeout: adminStop})
		group.Add(run.Stage{Name: "sink", Run: func(ctx context.Context) error { return s.sink.Run(ctx) }, StopTimeout: c.Sink.DrainTimeout + stopMargin})
	}
	if r.jobs() {
		group.Add(run.Stage{Name: "jobs", Run: func(ctx context.Context) error { return s.people.Run(ctx) }, StopTimeout: jobsStop})
	}
	if s.watchesRetention() {
		group.Add(run.Stage{Name: "retention guard", Run: func(ctx context.Context) error { return s.retention.Load().Run(ctx) }, StopTimeout: adminStop})
	}
	if r.ingests() {
		group.Add(run.Stage{Name: "erased ids", Run: func(ctx context.Context) error { return s.erased.Run(ctx) }, StopTimeout: adminStop})
		group.Add(run.Stage{Name: "enrichment", Run: func(ctx context.Context) error { return s.enrich.Run(ctx) }, StopTimeout: adminStop})
		group.Add(run.Stage{
			Name: "pipeline", Run: func(ctx context.Context) error { return s.pipeline.Run(ctx) },
			Drain: func(ctx context.Context) error { return s.pipeline.Drain(ctx) }, StopTimeout: c.Pipeline.DrainTimeout + stopMargin,
		})
		group.Add(run.Stage{Name: "door", Run: func(ctx context.Context) error { return s.door.Run(ctx, ingestListener) }, StopTimeout: c.Ingest.DrainTimeout + stopMargin})
	}
	draining := context.AfterFunc(ctx, func() { s.health.SetState(admin.Draining) })
	defer draining()
	err = group.Run(ctx, s.announce)
	return errors.Join(err, removePorts(s.dir.Run()))
}

// closeAll closes the listeners that are there.
func closeAll(listeners ...net.Listener) error {
	var errs []error
	for _, ln := range listeners {
		if ln != nil {
			errs = append(errs, ln.Close())
		}
	}
	return errors.Join(errs...)
}

// How long a stage may take beyond its own drain timeout, and those that have none.
const (
	stopMargin    = 2 * time.Second
	adminStop     = 2 * time.Second
	releaseStop   = 5 * time.Second
	engineStop    = 10 * time.Second
	queryStop     = 9 * time.Second  // for ending queries on a ClickHouse that hangs; one that answers needs a third of a second
	jobsStop      = 10 * time.Second // for ending a statement on a ClickHouse that hangs, and leaving the group
	guardInterval = time.Second
)

// resolve fills in the defaults that depend on whether the broker is embedded.
func (s *server) resolve() {
	partitions, replication := 12, 3
	if len(s.c.Broker.Addresses) == 0 {
		partitions, replication = 4, 1
	}
	if s.c.Broker.Partitions == 0 {
		s.c.Broker.Partitions = partitions
	}
	if s.c.Broker.Replication == 0 {
		s.c.Broker.Replication = replication
	}
}

func (s *server) addEngines(group *run.Group) {
	if len(s.engines.children()) > 0 {
		group.Add(run.Stage{Name: "embedded engines", Run: s.engines.run, Ready: s.engines.ready, StopTimeout: engineStop})
	}
	if g := s.engines.guard; g != nil {
		group.Add(run.Stage{Name: "backlog guard", Run: g.Run, StopTimeout: adminStop})
	}
}

// announce tells scripts and people that the server is ready.
func (s *server) announce() {
	s.health.SetState(admin.Serving)
	if err := s.ports.write(s.dir.Run()); err != nil {
		s.log.Error("write the ports", "error", err)
	}
	for _, w := range s.warnings {
		s.log.Warn(w)
	}
	took := time.Since(s.begun)
	s.log.Info("ready", "ingest", s.ports.Ingest, "query", s.ports.Query, "admin", s.ports.Admin, "clickhouse_http", s.ports.ClickHouseHTTP, "clickhouse_tcp", s.ports.ClickHouseTCP,
		"broker", s.ports.Broker, "role", string(s.role), "profile", s.c.Profile, "data", s.dir.Path(), "config", s.report.Sources(), "try", s.tryLine(), "took", took)
	if !logging.IsTerminal(os.Stdout) {
		return
	}
	if err := s.banner(took).write(os.Stdout); err != nil {
		s.log.Warn("print the banner", "error", err)
	}
}

// tryLine is a command to try the server with. It goes into logs, so it names the file of the development key and not the key.
func (s *server) tryLine() string {
	if _, ok := s.keys.DevKey(); !ok || s.ports.Ingest == "" {
		return ""
	}
	return fmt.Sprintf(`curl -u "$(cat %s/dev-key):" http://%s/v1/track -d '{"event":"Hello","userId":"u1"}'`, s.dir.Path(), s.ports.Ingest)
}

func (s *server) banner(took time.Duration) banner {
	b := banner{
		profile: s.c.Profile, data: s.c.Data, sources: s.report.Sources(), ports: s.ports, keys: s.keys.Len(), database: s.c.ClickHouse.Database,
		topic: s.c.Broker.Topic, partitions: s.pins.Events.Partitions, embeddedBroker: s.engines.broker != nil,
		brokerAddresses: s.c.Broker.Addresses, clickhouseAddresses: s.c.ClickHouse.Addresses, relaxed: s.topics.Relaxed, took: took,
	}
	if key, ok := s.keys.DevKey(); ok {
		b.key = key.Reveal()
	}
	return b
}
