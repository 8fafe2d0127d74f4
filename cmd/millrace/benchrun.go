package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/millrace/millrace/bench"
	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/bench/progress"
	"github.com/millrace/millrace/bench/report"
	"github.com/millrace/millrace/bench/scenario"
	"github.com/millrace/millrace/bench/verify"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/logging"
	"github.com/millrace/millrace/cmd/internal/version"
)

// benchFlags are the options of "bench run" beside the configuration.
type benchFlags struct {
	url, key, out, metrics string
	processes              []string
	noVerify               bool
	drainIdle              time.Duration

	rate, bytes, batch, connections int
	duration                        time.Duration
	saturate                        bool
	dialect, compression            string
	seed                            uint64
}

func newBenchRun() *cobra.Command { return new(benchFlags).command() }

// command is "bench run" with f as its flags.
func (f *benchFlags) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [SCENARIO]",
		Short: "Run a load test with its ledger; result.json and report.html go to a directory of their own",
		Long: `SCENARIO is a built-in name (see "bench scenarios") or a YAML file; default quick. Without --url the server of the data directory is tested: its address, its
development key, its metrics, its processes and its ClickHouse are found there.

The generator shares the machine with what it tests when both run on one: its own CPU time is shown beside the server's.`,
		Example: `  millrace bench run
  millrace bench run --rate 20000 --duration 1m --batch 500
  millrace bench run soak --saturate --connections 16
  millrace bench run --url https://events.example.com --key mr_prod_… --clickhouse.addresses ch1:9000`,
		Args: cobra.MaximumNArgs(1),
	}
	s := addSettings(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.url, "url", "", "the server's address (default: the server of the data directory)")
	fs.StringVar(&f.key, "key", "", "write key (default: MILLRACE_DEV_KEY, else the development key of the data directory)")
	fs.StringVar(&f.out, "out", "bench-results", "where the directory of the run is made")
	fs.StringVar(&f.metrics, "metrics", "", "URL of the server's /metrics (default: that of the data directory's server)")
	fs.StringArrayVar(&f.processes, "process", nil, "NAME=PID of a further process to watch on this machine (repeatable)")
	fs.BoolVar(&f.noVerify, "no-verify", false, "do not compare with ClickHouse, which leaves the ledger to \"bench verify\"")
	fs.DurationVar(&f.drainIdle, "drain-idle", 30*time.Second, "stop waiting for missing rows when none has come for so long")
	fs.IntVar(&f.rate, "rate", 0, "events per second, in place of the scenario's stages")
	fs.DurationVar(&f.duration, "duration", 0, "how long, in place of the scenario's stages")
	fs.BoolVar(&f.saturate, "saturate", false, "as fast as the answers come, instead of a rate")
	fs.IntVar(&f.batch, "batch", 0, "events per request")
	fs.IntVar(&f.connections, "connections", 0, "connections, each with one request in flight")
	fs.IntVar(&f.bytes, "event-bytes", 0, "mean size of an event as JSON")
	fs.StringVar(&f.dialect, "dialect", "", "segment or native")
	fs.StringVar(&f.compression, "compression", "", "none, gzip or zstd")
	fs.Uint64Var(&f.seed, "seed", 0, "of the events: the same seed makes the same events")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := "quick"
		if len(args) == 1 {
			name = args[0]
		}
		sc, err := scenario.Read(name)
		if err != nil {
			return usageError{err}
		}
		f.change(cmd, &sc)
		if err := sc.Validate(); err != nil {
			return usageError{err}
		}
		c, settings, err := s.load()
		if err != nil {
			return err
		}
		return f.run(cmd, sc, c, settings)
	}
	return cmd
}

// change puts what was said on the command line into the scenario.
func (f *benchFlags) change(cmd *cobra.Command, s *scenario.Scenario) {
	said := cmd.Flags().Changed
	if said("rate") || said("duration") {
		stage := scenario.Stage{Duration: s.Duration(), Rate: float64(f.rate)}
		if said("duration") {
			stage.Duration = f.duration
		}
		if !said("rate") {
			for _, given := range s.Load.Stages {
				stage.Rate = max(stage.Rate, given.Rate)
			}
		}
		s.Load.Stages = []scenario.Stage{stage}
		if s.Load.Warmup > stage.Duration/4 {
			s.Load.Warmup = 0 // a run so short is a look, not a measurement
		}
	}
	if said("saturate") && f.saturate {
		s.Load.Mode = scenario.Saturate
	} else if said("rate") {
		s.Load.Mode = scenario.Rate
	}
	changes := map[string]func(){
		"rate": nil, "duration": nil, "saturate": nil, // made above
		"batch": func() { s.Load.Batch = f.batch }, "connections": func() { s.Load.Connections = f.connections }, "event-bytes": func() { s.Events.Bytes = f.bytes },
		"dialect": func() { s.Load.Dialect = f.dialect }, "compression": func() { s.Load.Compression = f.compression }, "seed": func() { s.Seed = f.seed },
	}
	var words []string
	cmd.Flags().Visit(func(said *pflag.Flag) {
		if change, ok := changes[said.Name]; ok {
			if change != nil {
				change()
			}
			words = append(words, said.Name+" "+said.Value.String())
		}
	})
	if len(words) > 0 {
		s.Description = fmt.Sprintf("%s, changed on the command line: %s", s.Name, strings.Join(words, ", "))
	}
	if f.noVerify { // what only ClickHouse can tell is not asked for
		s.Thresholds.Ledger, s.Thresholds.Queryable = false, 0
	}
}

func (f *benchFlags) run(cmd *cobra.Command, sc scenario.Scenario, c config.Config, settings *config.Report) error {
	if f.drainIdle <= 0 {
		return usageError{fmt.Errorf("--drain-idle is %v: rows need some time to arrive, the default is 30s", f.drainIdle)}
	}
	ctx, stop := stopSignals()
	defer stop()
	o := bench.Options{Scenario: sc, URL: f.url, Key: f.key, Dir: f.out, MetricsURL: f.metrics, DrainIdle: f.drainIdle, Database: c.ClickHouse.Database, Versions: versions()}
	if err := f.find(&o, &c, settings); err != nil {
		return err
	}
	if !f.noVerify {
		if len(c.ClickHouse.Addresses) == 0 {
			return usageError{errors.New("where are the tables? Give clickhouse.addresses to compare with, or --no-verify to leave that out")}
		}
		store, err := verify.OpenStore(ctx, c.ClickHouse)
		if err != nil {
			return unavailableError{err}
		}
		defer store.Close() //nolint:errcheck // it is only read
		o.Store = store
		if o.Versions["clickhouse"], err = store.Version(ctx); err != nil {
			return unavailableError{err}
		}
	}
	if o.MetricsURL != "" {
		serverVersion(ctx, o.MetricsURL, o.Versions)
	}
	o.Progress = newDisplay(sc.Duration())
	result, dir, err := bench.Run(ctx, o)
	o.Progress.Done()
	switch {
	case err != nil && ctx.Err() != nil:
		return abortedError{fmt.Errorf("ended by a signal: %w", err)}
	case unreachable(err):
		return unavailableError{err}
	case err != nil:
		return err
	}
	report.Text(cmd.OutOrStdout(), result, colored(os.Stdout))
	fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n%s\n", filepath.Join(dir, report.FileName), filepath.Join(dir, bench.PageFile)) //nolint:errcheck // nobody is left to tell
	switch {
	case result.Aborted:
		return abortedError{fmt.Errorf("ended by a signal; what was sent is in the ledger, and `millrace bench verify %s` compares it", dir)}
	case !result.Pass:
		return failedError{errors.New("not every check passed")}
	}
	return nil
}

// unreachable tells whether the error is the network's: nobody answers there, or nobody who speaks the protocol.
func unreachable(err error) bool {
	var network *net.OpError
	var name *net.DNSError
	var record tls.RecordHeaderError
	return errors.As(err, &network) || errors.As(err, &name) || errors.As(err, &record)
}

// find fills in what was not said, from the server of the data directory.
func (f *benchFlags) find(o *bench.Options, c *config.Config, settings *config.Report) error {
	if o.Key == "" {
		key, err := developmentKey(c.Data)
		if err != nil {
			return usageError{err}
		}
		o.Key = key
	}
	if o.URL == "" {
		p, err := runningPorts(c.Data)
		if err != nil {
			return err
		}
		if p.Ingest == "" {
			return usageError{fmt.Errorf("the server of the data directory %s takes no events, it is a sink: name another one with --url or --data", c.Data)}
		}
		o.URL = "http://" + p.Ingest
		if o.MetricsURL == "" && p.Admin != "" {
			o.MetricsURL = "http://" + p.Admin + "/metrics"
		}
		o.Durability = durability(*c, p)
		if len(c.ClickHouse.Addresses) == 0 && p.ClickHouseTCP != "" {
			c.ClickHouse.Addresses = []string{p.ClickHouseTCP}
		}
		o.Config = chosen(settings)
	} else {
		if !strings.Contains(o.URL, "://") {
			o.URL = "http://" + o.URL
		}
		if u, err := url.Parse(o.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return usageError{fmt.Errorf("--url %q: it must be http://host:port or https://host:port", f.url)}
		}
		o.Durability = "not known: the target was given by its address; each answer's field durability tells"
	}
	o.Processes = append(o.Processes, observe.Process{Name: "generator", PID: os.Getpid()})
	if port, ok := localPort(o.URL); ok {
		server, err := observe.Server(port)
		if err != nil {
			fmt.Fprintf(os.Stderr, "millrace: the server's processes are not watched: %v\n", err)
		}
		o.Processes = append(o.Processes, server...)
	}
	for _, p := range f.processes {
		name, text, _ := strings.Cut(p, "=")
		pid, err := strconv.Atoi(text)
		if err != nil || name == "" {
			return usageError{fmt.Errorf("--process %q is not NAME=PID", p)}
		}
		process := observe.Process{Name: name, PID: pid, Tree: true}
		if _, err := observe.ReadUsage(process); err != nil {
			return usageError{fmt.Errorf("--process %s: %w", p, err)}
		}
		o.Processes = append(o.Processes, process)
	}
	return nil
}

// durability says in words what a 200 of the data directory's server means.
func durability(c config.Config, p ports) string {
	switch {
	case p.Broker != "":
		return "acknowledged by the embedded broker (acks=all, one copy), which syncs to disk before it acknowledges; no compression"
	case c.Broker.AllowRelaxedDurability:
		return "acknowledged by the broker with acks=all, relaxed durability allowed; no compression"
	}
	return fmt.Sprintf("acknowledged by the brokers %s with acks=all; copies and fsync as topic %s has them; no compression", strings.Join(c.Broker.Addresses, ","), c.Broker.Topic)
}

// chosen are the settings that somebody set, as this command reads them: those of the server when both are given the same file and environment.
func chosen(settings *config.Report) map[string]string {
	all := map[string]string{}
	for _, v := range settings.Values() {
		if v.Origin.Source != config.FromDefault {
			all[v.Path] = v.Value
		}
	}
	return all
}

func versions() map[string]string {
	v := version.Get()
	all := map[string]string{"millrace": v.Version, "commit": v.Commit}
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	return all
}

// serverVersion takes version and commit of the server from its metrics. One that does not tell is as good as unknown: the run says that its metrics cannot be read.
func serverVersion(ctx context.Context, metricsURL string, versions map[string]string) {
	series, err := observe.Scrape(ctx, metricsURL)
	if err != nil {
		return
	}
	for name := range series {
		if m := buildInfo.FindStringSubmatch(name); m != nil {
			versions["server"], versions["server commit"] = m[1], m[2]
		}
	}
}

var buildInfo = regexp.MustCompile(`^millrace_build_info\{version="([^"]*)",commit="([^"]*)"`)

// localPort is the port of a URL of this machine.
func localPort(text string) (port int, ok bool) {
	u, err := url.Parse(text)
	if err != nil {
		return 0, false
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return 0, false
	}
	port, err = strconv.Atoi(u.Port())
	return port, err == nil
}

// newDisplay shows progress on standard error, which leaves standard output to the result.
func newDisplay(total time.Duration) *progress.Progress {
	return progress.New(os.Stderr, progress.Options{
		Terminal: logging.IsTerminal(os.Stderr), Color: colored(os.Stderr), Total: total,
		Width: func() int {
			width, _, err := term.GetSize(int(os.Stderr.Fd()))
			if err != nil || width <= 0 {
				return 80
			}
			return width
		},
	})
}
