package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/promote"
)

// usageDays is how far back the use of properties is looked at, where the server keeps its query log as long.
const usageDays = 7

func newProperties() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "properties",
		Short: "See which properties events have, and make columns of those that are asked for",
		Long: `Table events keeps properties as the JSON that the client sent. A query that looks into it parses all of it; a promoted property has a column of its own, p_NAME, beside the JSON, which
stays as it is. Old rows compute it when they are read, until "materialize" writes it for them.`,
	}
	cmd.AddCommand(newPropertiesList(), newPropertiesPromote(),
		propertyCommand("demote KEY", "Drop the column of a property; the JSON keeps the values", "dropped", demote),
		propertyCommand("materialize KEY", "Write the column for the rows that were there before it; takes its time, in the background", "being written for all rows", promote.Materialize))
	return cmd
}

func newPropertiesList() *cobra.Command {
	var project uint32
	var keys int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the properties of the last 30 days, those that would gain most from a column first",
		Args:  cobra.NoArgs,
	}
	s := addSettings(cmd)
	cmd.Flags().Uint32Var(&project, "project", 1, "number of the project")
	cmd.Flags().IntVar(&keys, "limit", 100, "how many properties at most")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, c config.Config, db *clickhouse.DB, log *slog.Logger) error {
			surveyor, err := promote.NewSurveyor(c.Properties, promote.Deps{DB: db, Logger: log, Metrics: metrics.NewSet()})
			if err != nil {
				return err
			}
			// What a server has not looked at yet is looked at now.
			if _, err := surveyor.Look(ctx); err != nil {
				return err
			}
			listing, err := promote.List(ctx, db, project, keys, time.Now().AddDate(0, 0, -usageDays))
			if err != nil {
				return err
			}
			return printProperties(cmd, listing)
		})
	}
	return cmd
}

func printProperties(cmd *cobra.Command, listing promote.Listing) error {
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0) // Flush tells what went wrong
	_, _ = fmt.Fprintln(t, "PROPERTY\tTYPES\tEVENTS WITH IT\tDIFFERENT\tEXAMPLE\tCOLUMN\tQUERIES\tA COLUMN SPARES")
	for _, p := range listing.Properties {
		var types []string
		for _, share := range p.Types {
			types = append(types, fmt.Sprintf("%s %.0f%%", share.Type, 100*share.Share))
		}
		column, queries, spares := "-", "unknown", "unknown"
		switch {
		case p.Column != nil && p.Filling:
			column = fmt.Sprintf("%s %s, being written", p.Column.Name, p.Column.Type)
		case p.Column != nil:
			column = fmt.Sprintf("%s %s, in %.0f%% of rows", p.Column.Name, p.Column.Type, 100*p.Stored)
		case p.Suggested != "":
			column = fmt.Sprintf("could be %s (%.0f%%)", p.Suggested, 100*p.Fits)
		}
		if listing.UsageKnown {
			queries, spares = fmt.Sprint(p.Usage.Queries), p.Spared.Round(time.Millisecond).String()+" CPU"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%.1f%%\t%d\t%s\t%s\t%s\t%s\n", p.Key, strings.Join(types, ", "), 100*p.Share, p.Cardinality, p.Value, column, queries, spares)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "\n%d properties of %d events in 30 days, estimated from samples. Queries are those of the last %d days, as far as the server's log goes back.\n",
		len(listing.Properties), listing.Events, usageDays)
	return err
}

func newPropertiesPromote() *cobra.Command {
	var kind, column string
	cmd := &cobra.Command{
		Use:   "promote KEY",
		Short: "Give a property a typed column",
		Long: `Adds a column to table events that holds the property. Its value depends on the JSON alone: the first member with the key, at the outermost level, if it is of the type; else it is
absent, which is NULL, or the empty text. So a value of another type never stops an event.

Types: string (values that repeat), text (values that are nearly all different), number, integer, bool, time (ISO 8601).`,
		Example: `  millrace properties promote plan --type string
  millrace properties promote "cart total" --type number --column p_cart_total`,
		Args: cobra.ExactArgs(1),
	}
	s := addSettings(cmd)
	cmd.Flags().StringVar(&kind, "type", "", "what its values are: string, text, number, integer, bool or time")
	cmd.Flags().StringVar(&column, "column", "", "name of the column, p_… (default: made of the key)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := promote.ParseType(kind)
		if err != nil {
			return usageError{fmt.Errorf("--type: %w", err)}
		}
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, _ config.Config, db *clickhouse.DB, _ *slog.Logger) error {
			c, err := promote.Promote(ctx, db, promote.Column{Key: args[0], Type: t, Name: column})
			if err != nil {
				return err
			}
			if err := refreshShown(ctx, db); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "property %q is column %s (%s) of events and events_q. Rows that were there compute it when they are read; millrace properties materialize %q writes it\n",
				c.Key, c.Name, c.Type.ColumnType(), c.Key)
			return err
		})
	}
	return cmd
}

func demote(ctx context.Context, db *clickhouse.DB, key string) (promote.Column, error) {
	c, err := promote.Demote(ctx, db, key, hideColumn(db))
	if err != nil && !errors.Is(err, promote.ErrNotPromoted) {
		err = errors.Join(err, refreshShown(ctx, db))
	}
	return c, err
}

func propertyCommand(use, short, done string, do func(context.Context, *clickhouse.DB, string) (promote.Column, error)) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, _ config.Config, db *clickhouse.DB, _ *slog.Logger) error {
			c, err := do(ctx, db, args[0])
			if errors.Is(err, promote.ErrNotPromoted) {
				return usageError{err}
			}
			if err != nil {
				return err
			}
			if err := refreshShown(ctx, db); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "column %s of property %q is %s\n", c.Name, c.Key, done)
			return err
		})
	}
	return cmd
}

// surveyDelay is how long a server runs before it looks at properties for the first time: it has other things to do when it has just started. surveyRetry is how long it
// waits for a ClickHouse that is away.
const (
	surveyDelay = time.Minute
	surveyRetry = time.Minute
)

// survey keeps the catalogue of properties up to date until ctx ends. It is never the reason for which a server stops.
func (s *server) survey(ctx context.Context) error {
	log := s.log.With("component", "properties")
	t := time.NewTimer(surveyDelay)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := s.surveyUntil(ctx, log); err != nil && ctx.Err() == nil {
			log.Warn("the catalogue of properties is not kept; tried again", "error", err, "retry_in", surveyRetry)
		}
		t.Reset(surveyRetry)
	}
}

func (s *server) surveyUntil(ctx context.Context, log *slog.Logger) error {
	db, err := clickhouse.Open(ctx, s.c.ClickHouse)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // nothing is pending on it
	surveyor, err := promote.NewSurveyor(s.c.Properties, promote.Deps{DB: db, Logger: log, Metrics: s.metrics})
	if err != nil {
		return err
	}
	return surveyor.Run(ctx)
}
