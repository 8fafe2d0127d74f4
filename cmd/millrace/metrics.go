package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/custom"
	"github.com/millrace/millrace/schema/clickhouse"
)

func newMetrics() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "Declare rollups of your own, kept up to date by every insert",
		Long: `A custom metric counts events by dimensions of your choice, with sums and different users. It is declared in a file (configs/metrics.yaml is an example, docs/metrics.md the
reference); apply makes a table and a materialized view of it and back-fills the events that are there, each once, while others flow in. People read the view metric_NAME.`,
	}
	cmd.AddCommand(newMetricsPlan(), newMetricsApply(), newMetricsDrop(), newMetricsList())
	return cmd
}

// definitions reads the file of a command; what is wrong with it is the user's to mend.
func definitions(path string) ([]custom.Definition, error) {
	all, err := custom.Read(path)
	if err != nil {
		return nil, usageError{err}
	}
	return all, nil
}

func newMetricsPlan() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "plan FILE",
		Short:   "Print what apply would do, as SQL; changes nothing",
		Example: "  millrace metrics plan configs/metrics.yaml",
		Args:    cobra.ExactArgs(1),
	}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		all, err := definitions(args[0])
		if err != nil {
			return err
		}
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, _ config.Config, db *clickhouse.DB, log *slog.Logger) error {
			changes, err := custom.New(custom.Deps{DB: db, Logger: log}).Plan(ctx, all)
			for _, c := range changes {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), c); err != nil {
					return err
				}
			}
			return err
		})
	}
	return cmd
}

func newMetricsApply() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Build the metrics of a file that are not there as declared, and back-fill them",
		Long: `Builds one metric after the other. Events go on flowing in meanwhile and are counted once; a changed metric is built beside the old one, which people read until the new one is
whole. Ended early, it goes on where it was when it is run again. Metrics that are not in the file stay.`,
		Example: "  millrace metrics apply configs/metrics.yaml",
		Args:    cobra.ExactArgs(1),
	}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		all, err := definitions(args[0])
		if err != nil {
			return err
		}
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, c config.Config, db *clickhouse.DB, log *slog.Logger) error {
			client, err := broker.New(c.Broker)
			if err != nil {
				return err
			}
			defer client.Close()
			if err := client.Probe(ctx); err != nil {
				return unavailableError{err}
			}
			m := custom.New(custom.Deps{DB: db, Broker: client, Topic: c.Broker.Topic, Group: c.Sink.Group, Logger: log})
			for _, d := range all {
				if err := applyMetric(ctx, cmd, m, d); err != nil {
					return err
				}
				if err := refreshShown(ctx, db); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

func applyMetric(ctx context.Context, cmd *cobra.Command, m *custom.Metrics, d custom.Definition) error {
	display := newDisplay(0)
	built, err := m.Apply(ctx, d, func(p custom.Progress) { display.Phase(p.Metric+": "+p.What, p.Done, p.Total) })
	display.Done()
	switch {
	case err != nil && ctx.Err() != nil:
		return abortedError{fmt.Errorf("%w; run it again and it goes on from here", err)}
	case err != nil:
		return err
	}
	what := "is there as declared"
	if built {
		what = "is built"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "metric %s %s: SELECT * FROM metric_%s LIMIT 10\n", d.Name, what, d.Name)
	return err
}

func newMetricsDrop() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "drop NAME",
		Short:   "Remove a metric with all that it has counted; events stay",
		Example: "  millrace metrics drop sales",
		Args:    cobra.ExactArgs(1),
	}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, _ config.Config, db *clickhouse.DB, log *slog.Logger) error {
			err := custom.New(custom.Deps{DB: db, Logger: log}).Drop(ctx, args[0])
			if errors.Is(err, custom.ErrUnknown) {
				return usageError{fmt.Errorf("%w: see `millrace metrics list`", err)}
			}
			if err != nil {
				return err
			}
			if err := refreshShown(ctx, db); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "metric %s is dropped\n", args[0])
			return err
		})
	}
	return cmd
}

func newMetricsList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the metrics, how far their builds are, and what is wrong", Args: cobra.NoArgs}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, _ config.Config, db *clickhouse.DB, _ *slog.Logger) error {
			all, err := custom.List(ctx, db)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0) // Flush tells what went wrong
			_, _ = fmt.Fprintln(w, "METRIC\tBUILD\tPHASE\tBACK-FILLED\tROWS\tMIB\tREAD BY\tPROBLEM")
			for _, m := range all {
				filled := "-"
				if m.Days > 0 {
					filled = fmt.Sprintf("%d of %d days", m.DaysDone, m.Days)
				}
				_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%.1f\t%s\t%s\n", m.Metric, m.Build, m.Phase, filled, m.Rows, float64(m.Bytes)/(1<<20), orDash(m.Read), orDash(m.Problem))
			}
			return w.Flush()
		})
	}
	return cmd
}

// orDash is a cell of a table.
func orDash(text string) string { return cmp.Or(text, "-") }
