package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/millrace/millrace/cmd/internal/keys"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/access"
	"github.com/millrace/millrace/schema/clickhouse/promote"
)

// secretPath is where the secret of the SQL users lies.
func secretPath(c *config.Config) string {
	if c.Query.SecretFile != "" {
		return c.Query.SecretFile
	}
	return filepath.Join(c.Data, "sql-secret")
}

// sqlSecret reads the secret of the SQL users, and makes the one in the data directory when there is none. One that was named elsewhere is shared with
// other machines and never made here.
func sqlSecret(c *config.Config) (access.Secret, error) {
	if c.Query.SecretFile == "" {
		return access.MakeSecret(secretPath(c))
	}
	secret, err := access.ReadSecret(secretPath(c))
	if errors.Is(err, fs.ErrNotExist) {
		return secret, fmt.Errorf("query.secret_file: %w: make it with `openssl rand -hex 32` and give every machine the same", err)
	}
	return secret, err
}

// analystPassword returns the password of an SQL user of a server that was started before.
func analystPassword(c *config.Config, user string) (string, error) {
	secret, err := access.ReadSecret(secretPath(c))
	if errors.Is(err, fs.ErrNotExist) {
		return "", usageError{fmt.Errorf("%w: it is made when a server starts on the data directory; name another one with --data, or the shared secret with --query.secret-file", err)}
	}
	if err != nil {
		return "", err
	}
	return secret.Password(user), nil
}

// accessPlan is who may read what.
func accessPlan(c *config.Config, projects []uint32) (access.Plan, error) {
	secret, err := sqlSecret(c)
	if err != nil {
		return access.Plan{}, err
	}
	plan := access.Users(c.ClickHouse.Database, projects, secret.Password)
	// The query API tells ClickHouse its own limits with each query, which may ask for less than the user has, never for more.
	l, q := &plan.Limits, &c.Query
	l.MaxTime = max(l.MaxTime, q.Timeout+time.Second)
	l.MaxMemoryBytes = max(l.MaxMemoryBytes, q.MaxMemoryBytes)
	l.MaxRowsToRead = max(l.MaxRowsToRead, q.MaxRowsToRead)
	l.MaxResultRows = max(l.MaxResultRows, q.MaxResultRows)
	l.MaxResultBytes = max(l.MaxResultBytes, q.MaxResultBytes)
	l.MaxQueries = max(l.MaxQueries, q.MaxConcurrentPerProject)
	return plan, plan.Validate()
}

// showTables brings up to date what the SQL users of projects read, after anything that changes tables or views: promoted columns in events_q, then the database of views.
func showTables(ctx context.Context, db *clickhouse.DB) error {
	if err := promote.ShowColumns(ctx, db); err != nil {
		return err
	}
	return access.Mirror(ctx, db, db.Database())
}

// refreshShown is showTables where users of projects have been made. Where nobody reads anything, on a ClickHouse of one's own without "access apply", it brings events_q up to date alone.
func refreshShown(ctx context.Context, db *clickhouse.DB) error {
	shown, err := hasViews(ctx, db)
	if err != nil {
		return err
	}
	if !shown {
		return promote.ShowColumns(ctx, db)
	}
	if err := showTables(ctx, db); err != nil {
		return fmt.Errorf("done, but the users of projects do not see it yet: %w: run `millrace migrate up`", err)
	}
	return nil
}

// hideColumn takes a column away from what the users of projects see of events, before it is dropped.
func hideColumn(db *clickhouse.DB) func(context.Context, string) error {
	return func(ctx context.Context, column string) error {
		shown, err := hasViews(ctx, db)
		if err != nil || !shown {
			return err
		}
		return access.Mirror(ctx, db, db.Database(), column)
	}
}

// hasViews tells whether there is a database of views for the users of projects.
func hasViews(ctx context.Context, db *clickhouse.DB) (bool, error) {
	found, err := db.Rows(ctx, "SELECT name FROM system.databases WHERE name = '"+access.ViewsDatabase(db.Database())+"'")
	if err != nil {
		return false, fmt.Errorf("look for the views of the projects: %w", err)
	}
	return len(found) > 0, nil
}

// writeAccess writes the plan for the embedded engine, which reads it at each start. changed is false when it stood there already.
func writeAccess(path string, plan access.Plan) (changed bool, err error) {
	text, err := json.Marshal(plan)
	if err != nil {
		return false, err
	}
	if old, err := os.ReadFile(path); err == nil && string(old) == string(text) {
		return false, nil
	}
	return true, datadir.WriteFile(path, text, 0o600)
}

func newAccess() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access",
		Short: "The SQL users of the projects on your own ClickHouse",
		Long: `Each project has two users in ClickHouse: pN_reader, as whom the query API asks its typed questions, and pN_analyst, for people and for POST /v1/query/sql. They see the rows
of their project and nothing else, change nothing, and have limits. Projects are those that have a key in the data directory, and those named with --project.

The embedded engine gets them at each start by itself. Passwords are made from one secret: the file sql-secret in the data directory, or query.secret_file, the same on every
machine; "millrace connect" prints them.`,
	}
	cmd.AddCommand(
		accessCommand("plan", "Print the statements that apply would run; they hold hashes, not passwords", func(_ context.Context, cmd *cobra.Command, _ *clickhouse.DB, statements []string, _ *slog.Logger) error {
			for _, statement := range statements {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s;\n", statement); err != nil {
					return err
				}
			}
			return nil
		}),
		accessCommand("apply", "Make the users, or bring them up to date", func(ctx context.Context, cmd *cobra.Command, db *clickhouse.DB, statements []string, _ *slog.Logger) error {
			for _, statement := range statements {
				if err := db.Exec(ctx, statement); err != nil {
					return fmt.Errorf("%w: the account of clickhouse.username needs ACCESS MANAGEMENT and what it grants, WITH GRANT OPTION; another one can run what `millrace access plan` prints", err)
				}
			}
			if err := showTables(ctx, db); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d statements applied; `millrace connect TOOL --project N` shows how to log in\n", len(statements))
			return err
		}),
	)
	return cmd
}

func accessCommand(name, short string, do func(context.Context, *cobra.Command, *clickhouse.DB, []string, *slog.Logger) error) *cobra.Command {
	var more []uint
	cmd := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs}
	s := addSettings(cmd)
	cmd.Flags().UintSliceVar(&more, "project", nil, "further projects, with commas")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, c config.Config, db *clickhouse.DB, log *slog.Logger) error {
			if isEmbedded(&c) {
				return usageError{fmt.Errorf("the engine at %s is embedded: its users are made at each start of its server, from the keys in %s", strings.Join(c.ClickHouse.Addresses, ", "), c.Data)}
			}
			projects, err := keyProjects(&c)
			if err != nil {
				return err
			}
			for _, p := range more {
				if p == 0 || p > 1<<32-1 {
					return usageError{fmt.Errorf("--project %d is not between 1 and 4294967295", p)}
				}
				projects = append(projects, uint32(p))
			}
			if len(projects) == 0 {
				return usageError{fmt.Errorf("no key in %s and no --project: nobody to make users for", c.Data)}
			}
			plan, err := accessPlan(&c, projects)
			if err != nil {
				return err
			}
			return do(ctx, cmd, db, plan.SQL(c.ClickHouse.Username), log)
		})
	}
	return cmd
}

// isEmbedded tells whether the addresses are those of a running server's own engine.
func isEmbedded(c *config.Config) bool {
	own, err := runningPorts(c.Data)
	return err == nil && slices.Contains(c.ClickHouse.Addresses, own.ClickHouseTCP)
}

// keyProjects lists the projects that have a key.
func keyProjects(c *config.Config) ([]uint32, error) {
	store, err := keys.Open(c.Data, c.Profile, os.Getenv(keys.DevKeyEnv))
	if err != nil {
		return nil, err
	}
	return store.Projects(), nil
}
