package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/bench/faultlab"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/embedded"
	embeddedbroker "github.com/millrace/millrace/cmd/internal/embedded/broker"
	embeddedclickhouse "github.com/millrace/millrace/cmd/internal/embedded/clickhouse"
	"github.com/millrace/millrace/cmd/internal/logging"
	"github.com/millrace/millrace/cmd/internal/version"
	"github.com/millrace/millrace/sink/failpoint"
)

func newFaultlab() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "faultlab",
		Short: "Kill, freeze and cut a whole stack, and prove that nothing was lost or doubled",
		Long: `Starts gateway, sinks, broker and ClickHouse as processes of their own, puts a proxy on each link, sends events with a ledger, injects faults by a schedule that the
seed fixes, and compares in the end: every accepted event stored once, rollups equal to their recomputation, a fresh event queryable. Each run proves that its fault bit.

  millrace faultlab run              the short suite: 15 kinds of faults, some 15 minutes
  millrace faultlab run --only zombie --seed 7
  millrace faultlab list             the kinds
  millrace faultlab controls         the same with one protection switched off at a time: the checker must see the damage
  millrace faultlab soak --minutes 30

Faults at named steps need a build with failpoints: ` + "`make faultlab`" + ` makes it. Nothing outside the directory of the run is touched.

Exit status: 0 everything held, 99 something did not or a fault did not bite, 105 ended by a signal; 1, 2, 69 and 78 as everywhere.`,
	}
	cmd.AddCommand(newFaultlabRun(), newFaultlabList(), newFaultlabControls(), newFaultlabSoak())
	return cmd
}

// labFlags are what the commands of the lab have in common.
type labFlags struct {
	seed   uint64
	dir    string
	keep   bool
	binary string
}

func (f *labFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Uint64Var(&f.seed, "seed", 1, "of the events and of every schedule: the same seed injects the same faults")
	fs.StringVar(&f.dir, "dir", "", "where the directories of runs are made (default: a new one below the system's for temporary files)")
	fs.BoolVar(&f.keep, "keep", false, "keep logs, ledger and tables of runs that held, too")
	fs.StringVar(&f.binary, "binary", "", "program whose processes are started (default: this one)")
}

// options makes the lab's options. done removes what nobody needs to see.
func (f *labFlags) options(cmd *cobra.Command) (o faultlab.Options, done func(), err error) {
	done = func() {}
	o = faultlab.Options{
		Binary: f.binary, Failpoints: failpoint.Enabled, Engine: labEngine, Seed: f.seed, Keep: f.keep, Out: cmd.OutOrStdout(), Replay: os.Args[0] + " faultlab",
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	if !logging.IsTerminal(os.Stderr) {
		o.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	if o.Binary == "" {
		if o.Binary, err = os.Executable(); err != nil {
			return o, done, fmt.Errorf("find own program: %w", err)
		}
	} else if o.Failpoints, err = hasFailpoints(o.Binary); err != nil {
		return o, done, usageError{err}
	}
	if f.dir == "" {
		if f.dir, err = os.MkdirTemp("", "millrace-faultlab-"); err != nil {
			return o, done, err
		}
		done = func() { _ = os.Remove(f.dir) } // it stays when something is in it
	}
	o.Dir, err = filepath.Abs(f.dir)
	return o, done, err
}

// labEngine returns the arguments by which this program runs an embedded engine, as serve starts it.
func labEngine(name string, e faultlab.Engine) ([]string, error) {
	c := config.Default()
	if name == "broker" {
		return embedded.SelfArgs(name, embeddedbroker.Config{
			Dir: e.Dir, Port: e.Port, Partitions: e.Partitions, Topics: []string{c.Broker.Topic, c.Broker.QuarantineTopic},
			MaxBytes: c.Broker.EmbeddedMaxBytes, KeepRecords: c.Broker.EmbeddedKeepRecords, MaxMessageBytes: embeddedMaxMessageBytes(&c),
		})
	}
	return embedded.SelfArgs(name, embeddedclickhouse.Config{Dir: e.Dir, HTTPPort: e.HTTPPort, TCPPort: e.Port, MaxMemoryBytes: c.ClickHouse.EmbeddedMaxMemoryBytes, OpenDictionaries: true})
}

// hasFailpoints asks another program of ours whether it was built with failpoints.
func hasFailpoints(path string) (bool, error) {
	out, err := exec.Command(path, "version", "--json").Output()
	if err != nil {
		return false, fmt.Errorf("--binary %s: %w: it must be a millrace program", path, err)
	}
	var info version.Info
	if err := json.Unmarshal(out, &info); err != nil {
		return false, fmt.Errorf("--binary %s: its version is not understood: %w", path, err)
	}
	return info.Failpoints, nil
}

// labError gives the lab's errors their exit codes.
func labError(err error) error {
	switch {
	case errors.Is(err, faultlab.ErrFailed):
		return failedError{err}
	case errors.Is(err, faultlab.ErrAborted):
		return abortedError{err}
	case errors.Is(err, faultlab.ErrNoFailpoints), errors.Is(err, faultlab.ErrUsage):
		return usageError{err}
	}
	return err
}

// inLab runs do with the options and until a signal.
func (f *labFlags) inLab(cmd *cobra.Command, do func(ctx context.Context, o faultlab.Options) error) error {
	o, done, err := f.options(cmd)
	if err != nil {
		return err
	}
	defer done()
	ctx, stop := stopSignals()
	defer stop()
	return labError(do(ctx, o))
}

func newFaultlabRun() *cobra.Command {
	var f labFlags
	var suite string
	var only []string
	var injections int
	var markdown bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run kinds of faults, each on a fresh stack, and compare",
		Example: `  millrace faultlab run
  millrace faultlab run --suite full --seed 42
  millrace faultlab run --only sink-kill,zombie --injections 50 --keep --dir /tmp/lab`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.inLab(cmd, func(ctx context.Context, o faultlab.Options) error {
				o.Suite, o.Only, o.Injections = suite, only, injections
				all, err := faultlab.Run(ctx, o)
				if markdown && len(all) > 0 {
					err = errors.Join(err, faultlab.Markdown(cmd.OutOrStdout(), all))
				}
				return err
			})
		},
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringVar(&suite, "suite", faultlab.Short, "short or full")
	fs.StringSliceVar(&only, "only", nil, "kinds to run instead of a suite, with commas; see \"faultlab list\"")
	fs.IntVar(&injections, "injections", 0, "faults in each run (default: what \"faultlab list\" says, and 50 for killed servers in the full suite)")
	fs.BoolVar(&markdown, "markdown", false, "print the table in Markdown at the end")
	return cmd
}

func newFaultlabList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the kinds of faults",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kinds, err := faultlab.Kinds(faultlab.Full)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, k := range kinds {
				needs := ""
				if k.Failpoints {
					needs = " (needs failpoints)"
				}
				fmt.Fprintf(w, "%s\t%s\t%d injections\t%s%s\n", k.Name, k.Suite, k.Injections, k.Describe, needs) //nolint:errcheck // Flush tells
			}
			return w.Flush()
		},
	}
}

func newFaultlabControls() *cobra.Command {
	var f labFlags
	var only []string
	cmd := &cobra.Command{
		Use:   "controls",
		Short: "Switch one protection off at a time and show that the checker sees the damage",
		Long: `Runs each control twice, once without one protection of the sink and once with it, and does the same damage to both at the same step. It fails when a control was not
caught, or when the run with the protection did not hold.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.inLab(cmd, func(ctx context.Context, o faultlab.Options) error {
				o.Only = only
				return faultlab.Controls(ctx, o)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringSliceVar(&only, "only", nil, "controls to run, with commas: "+strings.Join(faultlab.ControlNames(), ","))
	return cmd
}

func newFaultlabSoak() *cobra.Command {
	var f labFlags
	var minutes int
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Inject random faults of all kinds into one stack for a time, and compare",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most := int(faultlab.LongestSoak / time.Minute); minutes < 1 || minutes > most {
				return usageError{fmt.Errorf("--minutes is %d: give 1 to %d, and for longer run it again with another --seed", minutes, most)}
			}
			return f.inLab(cmd, func(ctx context.Context, o faultlab.Options) error {
				return faultlab.Soak(ctx, o, time.Duration(minutes)*time.Minute)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&minutes, "minutes", 30, "how long faults are injected")
	return cmd
}
