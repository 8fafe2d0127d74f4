package faultlab

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Options say what is run, and with which program.
type Options struct {
	// Binary is the program whose processes are tormented.
	Binary string
	// Failpoints tells whether it was built with them.
	Failpoints bool
	// Engine returns the arguments that run an embedded engine in a process of its own, "broker" or "clickhouse".
	Engine func(name string, e Engine) ([]string, error)
	// Dir gets a directory for each run.
	Dir string
	// Seed fixes what is sent and every schedule.
	Seed uint64
	// Suite is Short or Full; Only, when not empty, names the kinds instead.
	Suite string
	Only  []string
	// Injections per run; 0: what each kind says.
	Injections int
	// Keep keeps the directories of runs that held. Those of others are always kept.
	Keep bool
	// Out gets the report, as it grows.
	Out io.Writer
	// Replay is the beginning of the command that runs the lab again, for the line that a failing seed prints.
	Replay string
	Logger *slog.Logger
}

// Engine is what an embedded engine needs to know.
type Engine struct {
	Dir        string
	Port       int // of the Kafka or the native protocol
	HTTPPort   int // of ClickHouse
	Partitions int // of the broker's topics
}

func (o *Options) validate() error {
	var problems []error
	if o.Binary == "" {
		problems = append(problems, errors.New("no program to run"))
	}
	if o.Engine == nil {
		problems = append(problems, errors.New("nobody tells how engines are started"))
	}
	if o.Dir == "" {
		problems = append(problems, errors.New("no directory"))
	}
	if o.Out == nil || o.Logger == nil {
		problems = append(problems, errors.New("nowhere to report to"))
	}
	if o.Injections < 0 {
		problems = append(problems, fmt.Errorf("%d injections: give a positive number, or none for each kind's own", o.Injections))
	}
	return errors.Join(problems...)
}

// ErrNoFailpoints says that a kind needs another build.
var ErrNoFailpoints = errors.New("this program was built without failpoints: `make bin/millrace-failpoints` makes one that has them, and so does `make faultlab`, which runs it")
