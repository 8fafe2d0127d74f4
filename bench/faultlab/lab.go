package faultlab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/millrace/millrace/bench/faultlab/stack"
	"github.com/millrace/millrace/bench/verify"
	kafka "github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema/clickhouse"
)

// Names that the servers of a lab use.
const (
	labKey      = "faultlab-development-key"
	labDatabase = "millrace"
	labGroup    = "millrace-sink"
	labTopic    = "events"
	labRefused  = "quarantine"
)

const (
	openTimeout   = time.Minute
	storeTimeout  = 30 * time.Second
	socketPattern = "faultlab-"
)

// lab is a stack under test: all processes, the proxies between them, and direct ways to broker and ClickHouse that no fault touches.
type lab struct {
	o    *Options
	kind *Kind
	dir  string
	log  *slog.Logger

	processes  map[string]*stack.Process
	sinks      []*stack.Process
	points     *stack.Coordinator
	links      *links
	client     *kafka.Client
	motion     *motion
	refused    *motion // of the quarantine topic
	db         *clickhouse.DB
	store      *verify.Store
	counters   *counters
	traffic    *traffic
	poisoned   []string // records of Poison, as partition/offset
	refusedIDs []string // events of BadRow
	armed      func()   // lets go of what an injection under way holds; nil: nothing

	brokerAddr, clickHouseAddr string // past the proxies
	metrics                    map[string]string
	socketDir                  string
	stopServers, stopEngines   context.CancelFunc
	servers, engines           sync.WaitGroup
	background                 sync.WaitGroup // coordinator and counters
	stopBackground             context.CancelFunc
	mu                         sync.Mutex
	failures                   []string // of processes when they were stopped, and of what runs in the background
}

// openLab starts a stack in dir. The caller closes the lab, also after an error.
func openLab(ctx context.Context, o *Options, k *Kind, dir string) (l *lab, err error) {
	l = &lab{o: o, kind: k, dir: dir, log: o.Logger, processes: make(map[string]*stack.Process), metrics: make(map[string]string)}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	for _, step := range []func(context.Context) error{l.openBackground, l.openEngines, l.openLinks, l.openDirect, l.migrate, l.openServers, l.openStore} {
		if err := step(ctx); err != nil {
			return l, fmt.Errorf("start the stack: %w", err)
		}
	}
	return l, nil
}

// openBackground starts what answers failpoints and reads metrics.
func (l *lab) openBackground(context.Context) (err error) {
	// A Unix socket's path is short by law; the directory of the run may be anything.
	if l.socketDir, err = os.MkdirTemp("", socketPattern); err != nil {
		return err
	}
	if l.points, err = stack.NewCoordinator(filepath.Join(l.socketDir, "points")); err != nil {
		return err
	}
	l.counters = newCounters()
	ctx, cancel := context.WithCancel(context.Background())
	l.stopBackground = cancel
	l.background.Go(func() { l.failed(l.points.Run(ctx)) })
	return nil
}

// add makes a process and its supervisor.
func (l *lab) add(ctx context.Context, wg *sync.WaitGroup, spec stack.Spec) (*stack.Process, error) {
	spec.Path, spec.Log = l.o.Binary, filepath.Join(l.dir, spec.Name+".log")
	p, err := stack.New(spec)
	if err != nil {
		return nil, err
	}
	l.processes[spec.Name] = p
	wg.Go(func() { l.failed(p.Run(ctx)) })
	return p, nil
}

// failed notes what went wrong beside the run.
func (l *lab) failed(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, err.Error())
}

func (l *lab) openEngines(ctx context.Context) error {
	ports, err := stack.FreePorts(3)
	if err != nil {
		return err
	}
	l.brokerAddr, l.clickHouseAddr = loopback(ports[0]), loopback(ports[1])
	var running context.Context
	running, l.stopEngines = context.WithCancel(context.Background())
	var all []*stack.Process
	for _, e := range []struct {
		name   string
		config Engine
	}{
		{brokerProcess, Engine{Dir: filepath.Join(l.dir, "broker"), Port: ports[0], Partitions: l.kind.partitions()}},
		{clickHouseProcess, Engine{Dir: filepath.Join(l.dir, "clickhouse"), Port: ports[1], HTTPPort: ports[2]}},
	} {
		if err := os.MkdirAll(e.config.Dir, 0o700); err != nil {
			return err
		}
		args, err := l.o.Engine(e.name, e.config)
		if err != nil {
			return err
		}
		p, err := l.add(running, &l.engines, stack.Spec{Name: e.name, Args: args, Engine: true})
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	return together(all, func(p *stack.Process) error { return p.Start(ctx) })
}

// together does the same to several processes at once.
func together(all []*stack.Process, do func(*stack.Process) error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() { errs[i] = do(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (l *lab) openLinks(context.Context) (err error) {
	ports, err := stack.FreePorts(1)
	if err != nil {
		return err
	}
	l.links, err = openLinks(map[string]string{
		clientGateway: loopback(ports[0]), gatewayBroker: l.brokerAddr, sinkBroker: l.brokerAddr, sinkClickHouse: l.clickHouseAddr,
	})
	if err != nil {
		return err
	}
	return l.writeConfig(gatewayProcess, ports[0], l.links.addr(gatewayBroker), l.clickHouseAddr)
}

func (l *lab) openDirect(ctx context.Context) error {
	cfg := kafka.DefaultConfig()
	cfg.Addresses, cfg.ClientID = []string{l.brokerAddr}, "faultlab"
	client, err := kafka.New(cfg)
	if err != nil {
		return err
	}
	l.client = client
	l.motion = newMotion(client, labGroup, labTopic, l.kind.partitions())
	l.refused = newMotion(client, labGroup, labRefused, l.kind.partitions())
	l.db, err = clickhouse.Open(ctx, l.tables())
	return err
}

// migrate makes tables and topics, as an operator would.
func (l *lab) migrate(ctx context.Context) error {
	if err := l.writeConfig("operator", 0, l.brokerAddr, l.clickHouseAddr); err != nil {
		return err
	}
	return l.command(ctx, "migrate", "migrate", "up")
}

func (l *lab) openServers(ctx context.Context) error {
	var running context.Context
	running, l.stopServers = context.WithCancel(context.Background())
	env := []string{"MILLRACE_DEV_KEY=" + labKey, "MILLRACE_FAILPOINTS=" + l.points.Path()}
	door, err := l.add(running, &l.servers, l.server(gatewayProcess, "ingest", "/readyz", env))
	if err != nil {
		return err
	}
	all := []*stack.Process{door}
	for i := range l.kind.sinks() {
		name := "sink-" + strconv.Itoa(i)
		if err := l.writeConfig(name, 0, l.links.addr(sinkBroker), l.links.addr(sinkClickHouse)); err != nil {
			return err
		}
		p, err := l.add(running, &l.servers, l.server(name, "sink", "/livez", append(env, l.kind.sinkEnv...)))
		if err != nil {
			return err
		}
		l.sinks = append(l.sinks, p)
	}
	return together(append(all, l.sinks...), func(p *stack.Process) error { return p.Start(ctx) })
}

func (l *lab) server(name, role, ready string, env []string) stack.Spec {
	return stack.Spec{
		Name: name, Args: []string{"serve", "--role", role, "--config", l.configPath(name)}, Env: env, ReadyURL: "http://" + l.metrics[name] + ready,
	}
}

func (l *lab) openStore(ctx context.Context) (err error) {
	if l.store, err = verify.OpenStore(ctx, l.tables()); err != nil {
		return err
	}
	background, cancel := context.WithCancel(context.Background())
	stop := l.stopBackground
	l.stopBackground = func() { cancel(); stop() }
	l.background.Go(func() { l.counters.run(background, l.metrics) })
	return nil
}

// close stops everything, the servers first, and reports what did not end well.
func (l *lab) close() []string {
	if l.armed != nil {
		l.armed()
	}
	if l.traffic != nil {
		l.failed(l.traffic.stop())
	}
	if l.stopServers != nil {
		l.stopServers()
		l.servers.Wait()
	}
	if l.store != nil {
		l.failed(l.store.Close())
	}
	if l.db != nil {
		l.failed(l.db.Close())
	}
	if l.client != nil {
		l.client.Close()
	}
	if l.links != nil {
		l.failed(l.links.close())
	}
	if l.stopEngines != nil {
		l.stopEngines()
		l.engines.Wait()
	}
	if l.stopBackground != nil {
		l.stopBackground()
		l.background.Wait()
	}
	if l.socketDir != "" {
		l.failed(os.RemoveAll(l.socketDir))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failures
}

// process finds a process by name or id.
func (l *lab) process(name string) *stack.Process {
	p := l.processes[name]
	if p == nil {
		panic("BUG: no process " + name)
	}
	return p
}

func (l *lab) byPID(pid int) *stack.Process {
	for _, p := range l.processes {
		if p.PID() == pid {
			return p
		}
	}
	return nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
