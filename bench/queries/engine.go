package queries

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/millrace/millrace/bench/faultlab/stack"
	schema "github.com/millrace/millrace/schema/clickhouse"
)

// engine is the server under test: a process of this run, or somebody else's.
type engine struct {
	cfg  schema.Config
	own  bool
	dir  string // of an own one
	stop func() error
}

// startEngine starts an engine of the run's own when no other is named. The caller stops it.
func startEngine(ctx context.Context, o *Options) (*engine, error) {
	if len(o.ClickHouse.Addresses) > 0 {
		return &engine{cfg: o.ClickHouse, stop: func() error { return nil }}, nil
	}
	if _, err := exec.LookPath(o.Binary); err != nil {
		return nil, err
	}
	if err := roomFor(cmp.Or(o.Dir, os.TempDir()), int64(o.Rows)*bytesPerRow); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "millrace-queries-")
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	e := &engine{cfg: schema.DefaultConfig(), own: true, dir: dir}
	remove := func() error {
		if o.Keep {
			return nil
		}
		return os.RemoveAll(dir)
	}
	if err := e.start(ctx, o); err != nil {
		return nil, err // which names the log in the folder
	}
	end := e.stop
	e.stop = func() error { return errors.Join(end(), remove()) }
	return e, nil
}

// start starts the process and one goroutine that watches it, which ends with stop.
func (e *engine) start(ctx context.Context, o *Options) error {
	ports, err := stack.FreePorts(2)
	if err != nil {
		return err
	}
	config := Engine{Dir: filepath.Join(e.dir, "clickhouse"), Port: ports[0], HTTPPort: ports[1]}
	if err := os.Mkdir(config.Dir, 0o700); err != nil {
		return err
	}
	args, err := o.Engine(config)
	if err != nil {
		return err
	}
	process, err := stack.New(stack.Spec{Name: "clickhouse", Path: o.Binary, Args: args, Log: filepath.Join(e.dir, "clickhouse.log"), Engine: true})
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- process.Run(running) }()
	e.stop = func() error {
		cancel()
		err := <-ended
		if died := process.Unasked(); len(died) > 0 {
			err = errors.Join(err, fmt.Errorf("the engine died %d times on the way (%s), so its figures are of an engine that had just started: see %s", len(died), died[0], e.dir))
			o.Keep = true
		}
		return err
	}
	if err := process.Start(ctx); err != nil {
		return errors.Join(err, e.stop())
	}
	e.cfg.Addresses = []string{"127.0.0.1:" + strconv.Itoa(ports[0])}
	return nil
}

// bytesPerRow is what both tables and their merges take on disk at most.
const bytesPerRow = 800

// roomFor demands free space. A system that does not tell is believed to have enough.
func roomFor(dir string, need int64) error {
	free, ok := freeBytes(dir)
	if !ok || free >= need {
		return nil
	}
	return fmt.Errorf("%s has %.1f GiB of free space, the tables and their merges need up to %.1f: choose another place with --dir, or fewer --rows", dir, gib(free), gib(need))
}

func gib(n int64) float64 { return float64(n) / (1 << 30) }
