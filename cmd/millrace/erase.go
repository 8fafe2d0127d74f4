package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/people/erase"
	"github.com/millrace/millrace/schema/clickhouse"
)

func newErase() *cobra.Command {
	var onlyThis, wait bool
	cmd := &cobra.Command{
		Use:   "erase",
		Short: "Delete a person, refuse what comes of them, and prove it",
		Long: `Deletes all events, properties, identities and memberships of a person from the tables. The id becomes a hash before anything is sent, and only hashes are kept. Gateways refuse
events that bear one of the ids within seconds (code "erased"; not even quarantine keeps them); the running server deletes what is stored within its erase.interval, and whatever turns up later.

Records on the broker's topics, backups, and ClickHouse's own logs keep what they have until they expire.`,
		Example: `  millrace erase --project 2 --user user-1042 --wait
  echo user-1042 | millrace erase --project 2 --user-stdin
  millrace erase proof 6f1c2a70-5a43-4e0e-9a3e-0d6a2a1c9b11 --project 2
  millrace erase allow --project 2 --user user-1042`,
		Args: cobra.NoArgs,
	}
	e := addErase(cmd)
	e.addUser(cmd)
	cmd.Flags().BoolVar(&onlyThis, "only-this-id", false, "erase this id alone, not the others of the person that it belongs to")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the job has been through all tables, and print the proof")
	e.run(cmd, func(ctx context.Context, cmd *cobra.Command, store *erase.Store, _ []string) error {
		user, err := e.id(cmd)
		if err != nil {
			return err
		}
		erasure, err := store.Request(ctx, e.project, user, onlyThis)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "erasure %s of %d ids\n", erasure.ID, erasure.IDs); err != nil {
			return err
		}
		if !wait {
			return nil
		}
		return awaitErasure(ctx, cmd.OutOrStdout(), store, e.project, erasure.ID)
	})
	cmd.AddCommand(newEraseProof(), newEraseAllow())
	return cmd
}

// eraseFlags are the flags of the commands on erasures.
type eraseFlags struct {
	settings  settings
	project   uint32
	user      string
	fromStdin bool
}

func addErase(cmd *cobra.Command) *eraseFlags {
	e := &eraseFlags{settings: addSettings(cmd)}
	cmd.Flags().Uint32Var(&e.project, "project", 1, "the number of the project")
	return e
}

func (e *eraseFlags) addUser(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.user, "user", "", "an id of the person: user id or anonymous id")
	cmd.Flags().BoolVar(&e.fromStdin, "user-stdin", false, "read the id from the standard input, one line, so that it does not stand in the list of processes")
}

// run makes do the command's work on the tables.
func (e *eraseFlags) run(cmd *cobra.Command, do func(ctx context.Context, cmd *cobra.Command, store *erase.Store, args []string) error) {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if e.project == 0 {
			return usageError{errors.New("--project 0: projects are numbered from 1")}
		}
		return e.settings.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, _ config.Config, db *clickhouse.DB, _ *slog.Logger) error {
			err := do(ctx, cmd, erase.NewStore(db.Source(), nil), args)
			if errors.Is(err, erase.ErrID) || errors.Is(err, erase.ErrUnknown) {
				return usageError{err}
			}
			return err
		})
	}
}

// id is the one that the command was given. No error names it.
func (e *eraseFlags) id(cmd *cobra.Command) (string, error) {
	switch {
	case e.fromStdin && e.user != "", !e.fromStdin && e.user == "":
		return "", usageError{errors.New("name the person with --user ID or with --user-stdin, one of them")}
	case !e.fromStdin:
		return e.user, nil
	}
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the id from the standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// eraseLook is how often a command that waits looks.
const eraseLook = time.Second

// awaitErasure waits until the job has been through all tables, and prints the proof.
func awaitErasure(ctx context.Context, out io.Writer, store *erase.Store, project uint32, id uuid.UUID) error {
	tick := time.NewTicker(eraseLook)
	defer tick.Stop()
	for {
		p, err := store.Proof(ctx, project, id)
		switch {
		case err != nil && ctx.Err() != nil:
			return abortedError{fmt.Errorf("%w; the erasure goes on: millrace erase proof %s --project %d", ctx.Err(), id, project)}
		case err != nil:
			return err
		case p.Done():
			return printProof(out, &p)
		}
		select {
		case <-ctx.Done():
			return abortedError{fmt.Errorf("%w; the erasure goes on: millrace erase proof %s --project %d", ctx.Err(), id, project)}
		case <-tick.C:
		}
	}
}

func newEraseProof() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "proof ERASURE",
		Short: "Print how many rows of the person each table had before and after each run",
		Args:  cobra.ExactArgs(1),
	}
	e := addErase(cmd)
	e.run(cmd, func(ctx context.Context, cmd *cobra.Command, store *erase.Store, args []string) error {
		id, err := uuid.Parse(args[0])
		if err != nil {
			return usageError{errors.New("the erasure is a UUID, as `millrace erase` has printed it")}
		}
		p, err := store.Proof(ctx, e.project, id)
		if err != nil {
			return err
		}
		return printProof(cmd.OutOrStdout(), &p)
	})
	return cmd
}

func printProof(out io.Writer, p *erase.Proof) error {
	state := "some rows were left by the last run"
	switch {
	case p.Allowed:
		state = "the person may come back"
	case len(p.Runs) == 0:
		state = "not begun: a server with the jobs must run"
	case p.Done():
		state = "done"
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) // Flush tells what went wrong
	_, _ = fmt.Fprintf(w, "erasure %s, requested %s, %d ids: %s\n", p.ID, p.RequestedAt.Format(time.RFC3339), p.IDs, state)
	for _, r := range p.Runs {
		_, _ = fmt.Fprintf(w, "\nrun %s at %s\nTABLE\tBEFORE\tAFTER\n", r.ID, r.At.Format(time.RFC3339))
		for _, c := range r.Counts {
			_, _ = fmt.Fprintf(w, "%s\t%d\t%d\n", c.Table, c.Before, c.After)
		}
	}
	return w.Flush()
}

func newEraseAllow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "allow",
		Short: "Let an erased person come back: their new events are taken again. Nothing that was deleted returns",
		Args:  cobra.NoArgs,
	}
	e := addErase(cmd)
	e.addUser(cmd)
	e.run(cmd, func(ctx context.Context, cmd *cobra.Command, store *erase.Store, _ []string) error {
		user, err := e.id(cmd)
		if err != nil {
			return err
		}
		if err := store.Allow(ctx, e.project, user); err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "the person may come back; gateways follow within seconds")
		return err
	})
	return cmd
}
