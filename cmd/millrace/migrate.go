package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/logging"
	"github.com/millrace/millrace/cmd/internal/topics"
	"github.com/millrace/millrace/schema/clickhouse"
)

func newMigrate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring tables and topics up to date",
		Long: `Works on the configured ClickHouse and broker, or on the embedded ones of a running server. A server with embedded engines migrates them itself when it
starts; with external ones it refuses to start until "migrate up" was run.`,
	}
	cmd.AddCommand(
		migration("plan", "Print the statements that up would run", plan),
		migration("up", "Apply what is missing and create the topics", up),
		migration("status", "List the migrations and when they were applied", status),
	)
	return cmd
}

func migration(name, short string, do func(context.Context, *cobra.Command, config.Config, *clickhouse.DB, *slog.Logger) error) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return s.withTables(cmd, do) }
	return cmd
}

// withTables runs do on the configured ClickHouse, or on the embedded one of a running server. The addresses in the configuration that do gets are filled in.
func (s settings) withTables(cmd *cobra.Command, do func(context.Context, *cobra.Command, config.Config, *clickhouse.DB, *slog.Logger) error) error {
	c, _, err := s.load()
	if err != nil {
		return err
	}
	log, _, err := logging.New(c.Log, os.Stderr)
	if err != nil {
		return err
	}
	if err := locate(&c); err != nil {
		return err
	}
	ctx, stop := stopSignals()
	defer stop()
	db, err := clickhouse.Open(ctx, c.ClickHouse)
	if err != nil {
		return unavailableError{err}
	}
	defer db.Close() //nolint:errcheck // nothing is pending on it
	return do(ctx, cmd, c, db, log)
}

func plan(ctx context.Context, cmd *cobra.Command, c config.Config, db *clickhouse.DB, _ *slog.Logger) error {
	pending, err := clickhouse.Plan(ctx, db)
	if err != nil {
		return err
	}
	for _, m := range pending {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "-- %04d_%s\n", m.Version, m.Name); err != nil {
			return err
		}
		for _, statement := range m.Statements {
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s;\n", statement); err != nil {
				return err
			}
		}
	}
	retention, err := clickhouse.PlanRetention(ctx, db, c.Retention)
	if err != nil {
		return err
	}
	for _, statement := range retention {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "-- retention\n%s;\n", statement); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "-- %d migrations to apply; topics %s, %s and %s are created when they are missing\n", len(pending), c.Broker.Topic, c.Broker.QuarantineTopic, c.People.Topic)
	return err
}

func up(ctx context.Context, cmd *cobra.Command, c config.Config, db *clickhouse.DB, log *slog.Logger) error {
	client, err := broker.New(c.Broker)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Probe(ctx); err != nil {
		return unavailableError{err}
	}
	if err := clickhouse.Up(ctx, db, log); err != nil {
		return err
	}
	if !isEmbedded(&c) {
		if err := clickhouse.RenewDictionaries(ctx, db); err != nil {
			return err
		}
	}
	if err := clickhouse.ApplyRetention(ctx, db, c.Retention, log); err != nil {
		return err
	}
	if err := refreshShown(ctx, db); err != nil {
		return err
	}
	s := server{c: c}
	s.resolve()
	if err := topics.Create(ctx, client, s.c.Broker, func(what string) { log.Info(what) }); err != nil {
		return err
	}
	if err := topics.CreateJobs(ctx, client, s.c.Broker, c.People.Topic, func(what string) { log.Info(what) }); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "tables and topics are up to date")
	return err
}

func status(ctx context.Context, cmd *cobra.Command, _ config.Config, db *clickhouse.DB, _ *slog.Logger) error {
	all, err := clickhouse.Status(ctx, db)
	for _, m := range all {
		state := "pending"
		if !m.AppliedAt.IsZero() {
			state = "applied " + m.AppliedAt.UTC().Format("2006-01-02 15:04:05 UTC")
		}
		if _, printErr := fmt.Fprintf(cmd.OutOrStdout(), "%04d_%-16s %s\n", m.Version, m.Name, state); printErr != nil {
			return printErr
		}
	}
	return err
}
