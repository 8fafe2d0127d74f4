package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/bench"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/report"
	"github.com/millrace/millrace/bench/scenario"
	"github.com/millrace/millrace/bench/verify"
	"github.com/millrace/millrace/cmd/internal/logging"
)

// failedError says that a run or a comparison ended and did not pass.
type failedError struct{ error }

// abortedError says that a signal ended a run before its time.
type abortedError struct{ error }

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Load-test a server, and prove that nothing was lost, doubled or changed",
		Long: `Sends events on a schedule that answers cannot delay, measures latency from the moment each request should have left, records every answer per event in a
ledger, waits until everything accepted is in ClickHouse, and compares: lost, duplicated, invented, corrupted, out of order, each with the sequence numbers.

  millrace bench run                 30 s at 10,000 events/s against the server of ./data
  millrace bench run spike --rate …  another scenario; "bench scenarios" lists them, a path of a YAML file works too
  millrace bench verify DIR          hold a run's ledger against ClickHouse once more
  millrace bench diff A B            what changed between two runs, with confidence intervals
  millrace bench compare             CPU per event of the gateway beside a null handler and a naive service
  millrace bench queries             latency and CPU of twelve questions beside a naive schema

Exit status: 0 passed, 99 a threshold or the ledger failed, 105 ended by a signal; 1, 2, 69 and 78 as everywhere.`,
	}
	cmd.AddCommand(newBenchRun(), newBenchScenarios(), newBenchVerify(), newBenchReport(), newBenchDiff(), newBenchCompare(), newBenchQueries(), newBenchPeople(), newBenchPeer())
	return cmd
}

func newBenchScenarios() *cobra.Command {
	return &cobra.Command{
		Use:   "scenarios [NAME|FILE]",
		Short: "List the built-in scenarios, or print one as YAML to start from",
		Example: `  millrace bench scenarios
  millrace bench scenarios spike > mine.yaml && millrace bench run mine.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				s, err := scenario.Read(args[0])
				if err != nil {
					return usageError{err}
				}
				_, err = cmd.OutOrStdout().Write(s.YAML())
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, s := range scenario.Builtin() {
				fmt.Fprintf(w, "%s\t%v\t%s\n", s.Name, s.Duration(), s.Description) //nolint:errcheck // Flush tells
			}
			return w.Flush()
		},
	}
}

func newBenchVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify RUN",
		Short: "Compare the ledger of a run with ClickHouse once more",
		Long: `RUN is the directory of a run, or its ledger. The tables are looked for as "bench run" does: in the server of the data directory, or at clickhouse.addresses.
The verdict is printed; result and page of the run stay as they are. Exit status 99 when the ledger does not balance.`,
		Example: `  millrace bench verify bench-results/6920f2a1c3d4`,
		Args:    cobra.ExactArgs(1),
	}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		path := args[0]
		if isDir(path) {
			path = filepath.Join(path, bench.LedgerFile)
		}
		reader, err := ledger.Open(path)
		if err != nil {
			return usageError{err}
		}
		defer reader.Close() //nolint:errcheck // it is only read
		if err := locate(&c); err != nil {
			return err
		}
		ctx, stop := stopSignals()
		defer stop()
		store, err := verify.OpenStore(ctx, c.ClickHouse)
		if err != nil {
			return unavailableError{err}
		}
		defer store.Close() //nolint:errcheck // it is only read
		display := newDisplay(0)
		verdict, err := verify.Verify(ctx, reader, store, func(done, total uint64) { display.Phase("comparing with ClickHouse", done, total) })
		display.Done()
		if err != nil {
			return err
		}
		if _, err := io.WriteString(cmd.OutOrStdout(), verdict.Text()); err != nil {
			return err
		}
		if !verdict.Pass() {
			return failedError{errors.New("the ledger does not balance")}
		}
		return nil
	}
	return cmd
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func newBenchReport() *cobra.Command {
	return &cobra.Command{
		Use:   "report RUN",
		Short: "Print the summary of a run and write its page anew",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := report.Read(args[0])
			if err != nil {
				return usageError{err}
			}
			dir := args[0]
			if !isDir(dir) {
				dir = filepath.Dir(dir)
			}
			if err := bench.Save(dir, r); err != nil {
				return err
			}
			report.Text(cmd.OutOrStdout(), r, colored(os.Stdout))
			return nil
		},
	}
}

func newBenchDiff() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Say what changed from run A to run B, with 95 % confidence intervals",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := report.Read(args[0])
			if err != nil {
				return usageError{err}
			}
			b, err := report.Read(args[1])
			if err != nil {
				return usageError{err}
			}
			d := report.Diff(a, b)
			if asJSON {
				return d.JSON(cmd.OutOrStdout())
			}
			d.Text(cmd.OutOrStdout(), colored(os.Stdout))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// colored tells whether f is a terminal whose user has nothing against colours: https://no-color.org
func colored(f *os.File) bool { return logging.IsTerminal(f) && os.Getenv("NO_COLOR") == "" }
