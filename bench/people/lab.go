package people

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace/millrace/bench/faultlab/stack"
	schema "github.com/millrace/millrace/schema/clickhouse"
)

const (
	partitions = 4              // of the topics
	devKey     = "mr_dev_bench" // of the project below, which the server makes by itself
	project    = 1
	topic      = "events"
)

// lab is all processes of a run, in a folder of its own.
type lab struct {
	o          *Options
	dir        string
	broker     string // host:port
	clickhouse string // host:port of the native protocol
	door       int    // port of the server's HTTP API
	admin      string // host:port of the server's metrics

	engines           *group
	server            *group // nil: it does not run
	clickhouseProcess *stack.Process
	serverProcess     *stack.Process // nil: it has not been started yet
}

// group is processes that are stopped together.
type group struct {
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	all     []*stack.Process
	mu      sync.Mutex
	errs    []error
}

func newGroup() *group {
	g := new(group)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// add prepares a process and its supervisor.
func (g *group) add(spec stack.Spec) (*stack.Process, error) {
	p, err := stack.New(spec)
	if err != nil {
		return nil, err
	}
	g.all = append(g.all, p)
	g.running.Go(func() {
		if err := p.Run(g.ctx); err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.errs = append(g.errs, err)
		}
	})
	return p, nil
}

// stop stops all, and reports what did not end well and what died on the way.
func (g *group) stop() error {
	g.cancel()
	g.running.Wait()
	errs := g.errs
	for _, p := range g.all {
		if died := p.Unasked(); len(died) > 0 {
			errs = append(errs, fmt.Errorf("%s died %d times on the way (%s), so figures are of one that had just started", p.Name(), len(died), died[0]))
		}
	}
	return errors.Join(errs...)
}

// openLab starts the engines and makes tables and topics. The caller closes the lab.
func openLab(ctx context.Context, o *Options) (l *lab, err error) {
	if _, err := exec.LookPath(o.Binary); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "millrace-people-")
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	l = &lab{o: o, dir: dir, engines: newGroup()}
	err = l.openEngines(ctx)
	if err == nil {
		err = l.migrate(ctx)
	}
	switch {
	case err == nil:
		return l, nil
	case ctx.Err() != nil:
		return nil, errors.Join(err, l.close())
	}
	return nil, errors.Join(err, l.engines.stop()) // the folder stays: errors name the logs in it
}

func (l *lab) openEngines(ctx context.Context) error {
	ports, err := stack.FreePorts(5)
	if err != nil {
		return err
	}
	l.broker, l.clickhouse, l.door, l.admin = loopback(ports[0]), loopback(ports[1]), ports[3], loopback(ports[4])
	for _, e := range []struct {
		name   string
		config Engine
	}{
		{"broker", Engine{Dir: filepath.Join(l.dir, "broker"), Port: ports[0], Partitions: partitions}},
		{"clickhouse", Engine{Dir: filepath.Join(l.dir, "clickhouse"), Port: ports[1], HTTPPort: ports[2]}},
	} {
		if err := os.Mkdir(e.config.Dir, 0o700); err != nil {
			return err
		}
		args, err := l.o.Engine(e.name, e.config)
		if err != nil {
			return err
		}
		if l.clickhouseProcess, err = l.engines.add(stack.Spec{Name: e.name, Path: l.o.Binary, Args: args, Log: l.log(e.name), Engine: true}); err != nil {
			return err
		}
		if err := l.clickhouseProcess.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settings are the options that every command of the program gets.
func (l *lab) settings() []string {
	return []string{
		"--data", filepath.Join(l.dir, "data"), "--broker.addresses", l.broker, "--broker.partitions", strconv.Itoa(partitions), "--broker.replication", "1",
		"--broker.allow-relaxed-durability=true", "--clickhouse.addresses", l.clickhouse,
	}
}

// migrate makes tables and topics, as an operator would.
func (l *lab) migrate(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, l.o.Binary, append([]string{"migrate", "up"}, l.settings()...)...)
	cmd.Env = stack.CleanEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("millrace migrate up: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// serve starts the server, with all roles. The channel tells once when it takes events, or why it does not.
func (l *lab) serve(ctx context.Context) (<-chan error, error) {
	l.server = newGroup()
	args := append([]string{"serve", "--role", "all", "--profile", "dev"}, l.settings()...)
	args = append(args, "--ingest.listen", loopback(l.door), "--query.listen", loopback(0), "--admin.listen", l.admin, "--log.format", "text")
	p, err := l.server.add(stack.Spec{
		Name: "server", Path: l.o.Binary, Args: args, Env: []string{"MILLRACE_DEV_KEY=" + devKey}, Log: l.log("server"), ReadyURL: "http://" + loopback(l.door) + "/readyz",
	})
	if err != nil {
		return nil, err
	}
	l.serverProcess = p
	ready := make(chan error, 1)
	go func() { ready <- p.Start(ctx) }()
	return ready, nil
}

// stopServer ends the server in order. It may be called when none runs.
func (l *lab) stopServer() error {
	if l.server == nil {
		return nil
	}
	defer func() { l.server = nil }()
	return l.server.stop()
}

// close stops everything and removes the folder, unless it is to be kept or a process did not live as it should.
func (l *lab) close() error {
	if err := errors.Join(l.stopServer(), l.engines.stop()); err != nil {
		return fmt.Errorf("%w: see %s", err, l.dir)
	}
	if l.o.Keep {
		return nil
	}
	return os.RemoveAll(l.dir)
}

func (l *lab) log(name string) string { return filepath.Join(l.dir, name+".log") }

// tables is how this program reaches the tables.
func (l *lab) tables() schema.Config {
	cfg := schema.DefaultConfig()
	cfg.Addresses = []string{l.clickhouse}
	return cfg
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
