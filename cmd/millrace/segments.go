package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/people/segment"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

func newSegments() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "segments",
		Short: "Declare sets of people by rules, kept up to date on a schedule",
		Long: `A segment is everybody for whom a rule holds: did or did not do something, in an order, has a property, is in another segment. It is declared in a JSON file, one definition or
an array of them (docs/segments.md is the reference). The server builds it on its schedule, switches to the new members at once, and sends $segment_entered and $segment_left for
those who changed. Questions filter by it with the field "segment"; SQL reads the view segment_members_q.`,
	}
	cmd.AddCommand(newSegmentsPlan(), newSegmentsApply(), newSegmentsList(), newSegmentsMembers(), newSegmentsExplain(), newSegmentsDrop())
	return cmd
}

// segmentsCommand is a command on the segments of a project.
func segmentsCommand(cmd *cobra.Command, do func(ctx context.Context, cmd *cobra.Command, store *segment.Store, project uint32, args []string) error) *cobra.Command {
	none := func(*cobra.Command, []string) ([]*question.Segment, error) { return nil, nil }
	return segmentsCommandOf(cmd, none, func(ctx context.Context, cmd *cobra.Command, store *segment.Store, project uint32, args []string, _ []*question.Segment) error {
		return do(ctx, cmd, store, project, args)
	})
}

// segmentsCommandOf is one for which definitions are read before anything else.
func segmentsCommandOf(cmd *cobra.Command, read func(cmd *cobra.Command, args []string) ([]*question.Segment, error), do func(ctx context.Context, cmd *cobra.Command, store *segment.Store, project uint32, args []string, all []*question.Segment) error) *cobra.Command {
	project := cmd.Flags().Uint32("project", 1, "number of the project")
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *project == 0 {
			return usageError{errors.New("--project 0: projects are numbered from 1")}
		}
		all, err := read(cmd, args)
		if err != nil {
			return segmentsError(err)
		}
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, _ config.Config, db *clickhouse.DB, _ *slog.Logger) error {
			return segmentsError(do(ctx, cmd, segment.NewStore(db.Source()), *project, args, all))
		})
	}
	return cmd
}

// segmentsError makes usage errors of what the user can mend.
func segmentsError(err error) error {
	problems := question.Problems(err)
	switch {
	case errors.Is(err, segment.ErrUnknown):
		return usageError{fmt.Errorf("%w: see `millrace segments list`", err)}
	case errors.Is(err, segment.ErrInUse):
		return usageError{err}
	case len(problems) > 0:
		var b strings.Builder
		fmt.Fprintf(&b, "%d problems in the definitions", len(problems))
		for _, p := range problems {
			b.WriteString("\n  " + p.Error())
		}
		return usageError{errors.New(b.String())}
	}
	return err
}

// maxSegmentsFile bounds a file of definitions, in bytes.
const maxSegmentsFile = 64 << 20

// readSegments reads the file of a command; - is the standard input.
func readSegments(cmd *cobra.Command, args []string) ([]*question.Segment, error) {
	in, path := cmd.InOrStdin(), args[0]
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usageError{err}
		}
		defer f.Close() //nolint:errcheck // read only
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxSegmentsFile+1))
	if err != nil {
		return nil, usageError{err}
	}
	if len(text) > maxSegmentsFile {
		return nil, usageError{fmt.Errorf("%s is longer than %d bytes", path, maxSegmentsFile)}
	}
	return segment.Parse(text)
}

func newSegmentsPlan() *cobra.Command {
	return segmentsCommandOf(&cobra.Command{
		Use:     "plan FILE",
		Short:   "Check the definitions of a file and print what apply would change; changes nothing",
		Example: "  millrace segments plan segments.json",
		Args:    cobra.ExactArgs(1),
	}, readSegments, func(ctx context.Context, cmd *cobra.Command, store *segment.Store, project uint32, _ []string, all []*question.Segment) error {
		changes, err := store.Plan(ctx, project, all)
		if err != nil {
			return err
		}
		return printChanges(cmd.OutOrStdout(), changes)
	})
}

func printChanges(out io.Writer, changes []segment.Change) error {
	for _, c := range changes {
		text := fmt.Sprintf("segment %s: %s\n", c.Name, c.What)
		if c.What == "changed" {
			text += fmt.Sprintf("  - %s\n  + %s\n", c.Before, c.After)
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	return nil
}

func newSegmentsApply() *cobra.Command {
	var now bool
	cmd := segmentsCommandOf(&cobra.Command{
		Use:   "apply FILE",
		Short: "Declare the segments of a file, all or none of them",
		Long: `Declares the segments that are not there as the file has them; the others stay. A running server builds them soon, and then on their schedule. With --now each is asked for at
once, and the command waits until its members can be read.`,
		Example: "  millrace segments apply segments.json --now",
		Args:    cobra.ExactArgs(1),
	}, readSegments, func(ctx context.Context, cmd *cobra.Command, store *segment.Store, project uint32, _ []string, all []*question.Segment) error {
		changes, err := store.Declare(ctx, project, all)
		if err != nil {
			return err
		}
		if err := printChanges(cmd.OutOrStdout(), changes); err != nil || !now {
			return err
		}
		return buildNow(ctx, cmd.OutOrStdout(), store, project, all)
	})
	cmd.Flags().BoolVar(&now, "now", false, "have them built at once, and wait for that")
	return cmd
}

func newSegmentsList() *cobra.Command {
	return segmentsCommand(&cobra.Command{Use: "list", Short: "List the segments with their last builds", Args: cobra.NoArgs},
		func(ctx context.Context, cmd *cobra.Command, store *segment.Store, project uint32, _ []string) error {
			all, err := store.List(ctx, project)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0) // Flush tells what went wrong
			_, _ = fmt.Fprintln(w, "SEGMENT\tEVERY\tMEMBERS\tENTERED\tLEFT\tAS OF\tTOOK\tLAST BUILD\tNOTE")
			for _, info := range all {
				every, size, entered, left, at, took, state, note := "on demand", "-", "-", "-", "-", "-", "-", ""
				if d := info.Interval(); d > 0 {
					every = d.String()
				}
				if a := info.Active; a != nil {
					size, entered, left = strconv.FormatUint(a.Size, 10), strconv.FormatUint(a.Entered, 10), strconv.FormatUint(a.Left, 10)
					at, took = a.At.Format(time.RFC3339), a.Took.String()
				}
				if l := info.Last; l != nil {
					state, note = string(l.State), l.Note
				}
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", info.Name, every, size, entered, left, at, took, state, orDash(note))
			}
			return w.Flush()
		})
}

func newSegmentsMembers() *cobra.Command {
	var limit int
	var after string
	cmd := segmentsCommand(&cobra.Command{
		Use:     "members NAME",
		Short:   "Print members of a segment: the person, and an id of it",
		Example: "  millrace segments members buyers --limit 20",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, cmd *cobra.Command, store *segment.Store, project uint32, args []string) error {
		if limit < 1 {
			return usageError{fmt.Errorf("--limit %d: must be 1 or more", limit)}
		}
		var above *uint64
		if after != "" {
			n, err := strconv.ParseUint(after, 10, 64)
			if err != nil {
				return usageError{fmt.Errorf("--after %q is no person", after)}
			}
			above = &n
		}
		out := cmd.OutOrStdout()
		for limit > 0 {
			page, err := store.Members(ctx, project, args[0], above, min(limit, membersPage))
			if err != nil {
				return err
			}
			for _, m := range page.Members {
				if _, err := fmt.Fprintf(out, "%d\t%s\n", m.Person, orDash(m.DistinctID)); err != nil {
					return err
				}
				above = &m.Person
			}
			if limit -= len(page.Members); !page.More {
				return nil
			}
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "there are more: --after %d\n", *above) //nolint:errcheck // a remark
		return nil
	})
	cmd.Flags().IntVar(&limit, "limit", 100, "how many at most")
	cmd.Flags().StringVar(&after, "after", "", "only persons above this one")
	return cmd
}

// membersPage is how many members are read at a time.
const membersPage = 10_000

func newSegmentsExplain() *cobra.Command {
	return segmentsCommand(&cobra.Command{
		Use:   "explain NAME",
		Short: "Print the statement that finds the members of a segment, and what its last build cost",
		Args:  cobra.ExactArgs(1),
	}, func(ctx context.Context, cmd *cobra.Command, store *segment.Store, project uint32, args []string) error {
		e, err := store.Explain(ctx, project, args[0])
		if err != nil {
			return err
		}
		var b strings.Builder
		fmt.Fprintf(&b, "-- %s\n", e.Text)
		for _, name := range slices.Sorted(maps.Keys(e.Statement.Params)) {
			fmt.Fprintf(&b, "-- %s = %q\n", name, e.Statement.Params[name])
		}
		b.WriteString(e.Statement.Text + "\n")
		for _, one := range []struct {
			what  string
			build *segment.Build
		}{{"members are read from", e.Active}, {"last", e.Last}} {
			if one.build != nil {
				fmt.Fprintf(&b, "-- %s build %s: %s, of %s, %d members, %v, %.1f MiB %s\n", one.what, one.build.ID, one.build.State, one.build.At.Format(time.RFC3339), one.build.Size, one.build.Took,
					float64(one.build.Memory)/(1<<20), one.build.Note)
			}
		}
		_, err = io.WriteString(cmd.OutOrStdout(), b.String())
		return err
	})
}

func newSegmentsDrop() *cobra.Command {
	return segmentsCommand(&cobra.Command{
		Use:   "drop NAME",
		Short: "Remove a segment with its members and builds; nobody is told to have left",
		Args:  cobra.ExactArgs(1),
	}, func(ctx context.Context, cmd *cobra.Command, store *segment.Store, project uint32, args []string) error {
		if err := store.Drop(ctx, project, args[0]); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "segment %s is dropped\n", args[0])
		return err
	})
}
