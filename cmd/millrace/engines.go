package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/cmd/internal/backlog"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/millrace/millrace/cmd/internal/embedded"
	embeddedbroker "github.com/millrace/millrace/cmd/internal/embedded/broker"
	embeddedclickhouse "github.com/millrace/millrace/cmd/internal/embedded/clickhouse"
)

// Default ports of the embedded engines.
const (
	brokerPort         = 9092
	clickHouseHTTPPort = 8123
	clickHouseTCPPort  = 9000
)

// engines are the children that stand in for what has no address. A field is nil when the engine is external.
type engines struct {
	broker, clickhouse *embedded.Supervisor
	up                 chan struct{} // closed by run when both are ready
	guard              *backlog.Guard
	// picking is held from the choice of ports until the engines have them, so that two servers that start at once do not choose the same; nil: not held.
	picking *datadir.Lock
}

// children are the engines that are embedded.
func (e *engines) children() []*embedded.Supervisor {
	var all []*embedded.Supervisor
	for _, s := range []*embedded.Supervisor{e.broker, e.clickhouse} {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// run keeps the children running until ctx ends, and stops them side by side. The first that cannot be kept running ends all.
func (e *engines) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	children := e.children()
	ended := make(chan error, len(children))
	for _, s := range children {
		go func() { ended <- s.Run(ctx) }()
	}
	for _, s := range children {
		select {
		case <-s.Ready():
		case <-ctx.Done():
		case err := <-ended: // before it was ever ready: counted below
			ended <- err
			cancel()
		}
	}
	if ctx.Err() == nil {
		close(e.up)
	}
	var errs []error
	for range children {
		errs = append(errs, <-ended)
		cancel()
	}
	return errors.Join(errs...)
}

// ready is closed when every child has been ready.
func (e *engines) ready() <-chan struct{} { return e.up }

// newEngines prepares the children and fills their addresses into the configuration and the ports. The projects are those that have SQL users in ClickHouse. Nothing is
// started yet.
func newEngines(ctx context.Context, c *config.Config, p *ports, dir *datadir.Dir, projects []uint32, log *slog.Logger, set *metrics.Set) (e engines, err error) {
	e.up = make(chan struct{})
	brokerDir, clickhouseDir := filepath.Join(dir.Path(), "broker"), filepath.Join(dir.Path(), "clickhouse")
	needBroker, needClickHouse := len(c.Broker.Addresses) == 0, len(c.ClickHouse.Addresses) == 0
	// The children of a server that was just killed hold their ports for some seconds yet: wait for them instead of moving to others.
	for folder, need := range map[string]bool{brokerDir: needBroker, clickhouseDir: needClickHouse} {
		if !need {
			continue
		}
		if err := awaitUnlocked(ctx, folder, log); err != nil {
			return e, err
		}
	}
	if needBroker || needClickHouse {
		if e.picking, err = lockPorts(ctx, log); err != nil {
			return e, err
		}
	}
	picked, err := embedded.PickPorts(brokerPort, clickHouseHTTPPort, clickHouseTCPPort)
	if err != nil {
		return e, err
	}
	if needBroker {
		p.Broker = loopback(picked[0])
		c.Broker.Addresses = []string{p.Broker}
		e.broker, err = supervise("broker", embeddedbroker.Config{
			Dir: brokerDir, Port: picked[0], Partitions: c.Broker.Partitions, Topics: []string{c.Broker.Topic, c.Broker.QuarantineTopic},
			MaxBytes: c.Broker.EmbeddedMaxBytes, KeepRecords: c.Broker.EmbeddedKeepRecords, MaxMessageBytes: embeddedMaxMessageBytes(c),
		}, log, set)
		if err != nil {
			return e, err
		}
		e.guard = backlog.New(backlog.Config{
			Dir: brokerDir, MaxBytes: c.Broker.EmbeddedMaxBytes, MinFreeBytes: c.Broker.EmbeddedMinFreeBytes, Interval: guardInterval, LogBytes: embeddedbroker.LogBytes,
		}, log.With("component", "backlog"), set)
	}
	if needClickHouse {
		p.ClickHouseHTTP, p.ClickHouseTCP = loopback(picked[1]), loopback(picked[2])
		c.ClickHouse.Addresses = []string{p.ClickHouseTCP}
		plan, err := accessPlan(c, projects)
		if err != nil {
			return e, err
		}
		users := filepath.Join(clickhouseDir, "access.json")
		if _, err := writeAccess(users, plan); err != nil {
			return e, err
		}
		e.clickhouse, err = supervise("clickhouse", embeddedclickhouse.Config{
			Dir: clickhouseDir, HTTPPort: picked[1], TCPPort: picked[2], MaxMemoryBytes: c.ClickHouse.EmbeddedMaxMemoryBytes,
			Library: c.ClickHouse.Library, Binary: c.ClickHouse.Binary, Backups: backupsDir(dir.Path()), Access: users,
		}, log, set)
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

// lockPorts takes the lock that this user's servers on this machine share while they choose ports. One that is held too long is not waited for: a race
// is unlikely, and the engine that loses it says which port it wanted.
func lockPorts(ctx context.Context, log *slog.Logger) (*datadir.Lock, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("millrace-ports-%d.lock", os.Getuid()))
	lock, err := datadir.Acquire(ctx, path, datadir.DefaultWait, log)
	if errors.Is(err, datadir.ErrLocked) {
		log.Warn("another server has been starting for long; its ports may collide with ours", "error", err)
		return nil, nil
	}
	return lock, err
}

// havePorts ends what lockPorts began: the engines that are ready hold their ports themselves.
func (e *engines) havePorts() error {
	if e.picking == nil {
		return nil
	}
	lock := e.picking
	e.picking = nil
	return lock.Release()
}

// embeddedMaxMessageBytes lets the embedded broker take the largest event and the largest batch.
func embeddedMaxMessageBytes(c *config.Config) int {
	return int(max(c.Limits.MaxEventBytes, c.Pipeline.MaxBatchBytes) + recordRoom)
}

func supervise(name string, childConfig any, log *slog.Logger, set *metrics.Set) (*embedded.Supervisor, error) {
	args, err := embedded.SelfArgs(name, childConfig)
	if err != nil {
		return nil, err
	}
	cfg := embedded.DefaultConfig()
	cfg.Name, cfg.Args = name, args
	return embedded.New(cfg, log, set)
}

func awaitUnlocked(ctx context.Context, folder string, log *slog.Logger) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	lock, err := datadir.Acquire(ctx, filepath.Join(folder, "LOCK"), datadir.DefaultWait, log)
	if err != nil {
		return err
	}
	return lock.Release()
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
