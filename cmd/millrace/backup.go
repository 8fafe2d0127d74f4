package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/backup"
	"github.com/millrace/millrace/cmd/internal/config"
	embeddedclickhouse "github.com/millrace/millrace/cmd/internal/embedded/clickhouse"
	"github.com/millrace/millrace/cmd/internal/logging"
	"github.com/millrace/millrace/cmd/internal/version"
	"github.com/millrace/millrace/schema/clickhouse"
)

// backupsDir is where the embedded ClickHouse keeps its backups.
func backupsDir(data string) string { return filepath.Join(data, "backups") }

// external is the place of a backup that an external ClickHouse makes.
type external struct{ place, manifest string }

func newBackup() *cobra.Command {
	var to external
	cmd := &cobra.Command{
		Use:   "backup [NAME]",
		Short: "Copy the tables while everything runs, and note the offsets that belong to them",
		Long: `Copies all tables, while events come in and are loaded, and notes in a manifest what the sinks had confirmed. Works on a running server.

The embedded ClickHouse writes to DATA/backups/NAME. With a ClickHouse of your own, --to says where it writes, as its statement BACKUP takes it, and --manifest
where the manifest goes: keep both. A backup that fails is removed.`,
		Example: `  millrace backup monday
  millrace backup list
  millrace backup --to "S3('https://s3.example.com/backups/monday', 'key id', 'secret')" --manifest monday.json
  millrace backup --to "Disk('backups', 'monday')" --manifest monday.json`,
		Args: cobra.MaximumNArgs(1),
	}
	s := addSettings(cmd)
	cmd.Flags().StringVar(&to.place, "to", "", "where an external ClickHouse writes: S3('…'), Disk('…', '…') or File('…')")
	cmd.Flags().StringVar(&to.manifest, "manifest", "", "file for the manifest, with --to")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		ctx, stop := stopSignals()
		defer stop()
		return makeBackup(ctx, cmd.OutOrStdout(), c, append(args, "")[0], to)
	}
	cmd.AddCommand(newBackupList())
	return cmd
}

// makeBackup is the whole command, under the name or at the place.
func makeBackup(ctx context.Context, out io.Writer, c config.Config, name string, to external) error {
	embedded := len(c.ClickHouse.Addresses) == 0
	place, err := choosePlace(embedded, name, to, "--to")
	if err != nil {
		return err
	}
	if err := locate(&c); err != nil {
		return err
	}
	if embedded {
		asBackupUser(&c)
	}
	sys, closeAll, err := openSystem(ctx, c)
	if err != nil {
		return err
	}
	defer closeAll()
	if !embedded {
		return makeExternal(ctx, out, sys, place, to.manifest)
	}
	slot, err := backup.NewStore(backupsDir(c.Data)).Reserve(name)
	if err != nil {
		return err
	}
	show, clear := progressTo(os.Stderr)
	m, err := backup.Create(ctx, sys, slot.Destination, version.Get().Version, show)
	clear()
	if err == nil {
		m.Name = name
		err = slot.Keep(m)
	}
	if err != nil {
		return errors.Join(err, slot.Discard())
	}
	return printBackup(out, m, filepath.Join(backupsDir(c.Data), name))
}

// makeExternal takes the manifest's file first, so that no backup is made whose manifest has no place.
func makeExternal(ctx context.Context, out io.Writer, sys backup.System, place backup.Destination, manifest string) error {
	f, err := os.OpenFile(manifest, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("--manifest: %s exists: name another file", manifest)
	}
	if err != nil {
		return fmt.Errorf("--manifest: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("--manifest: %w", err)
	}
	show, clear := progressTo(os.Stderr)
	m, err := backup.Create(ctx, sys, place, version.Get().Version, show)
	clear()
	if err != nil {
		return errors.Join(err, os.Remove(manifest))
	}
	if err := backup.WriteManifest(manifest, m); err != nil {
		return fmt.Errorf("the tables are in %s, but: %w", place, err)
	}
	return printBackup(out, m, m.Destination+", manifest "+manifest)
}

func printBackup(out io.Writer, m *backup.Manifest, where string) error {
	var rows uint64
	for _, t := range m.Tables {
		if t.Name == "events" {
			rows = t.RowsAfter
		}
	}
	_, err := fmt.Fprintf(out, "database %s is backed up to %s: about %d events, %d files, %d MiB, in %v\n", m.Database, where, rows, m.Files, m.Bytes>>20, m.Ended.Sub(m.Begun).Round(10*time.Millisecond))
	return err
}

func newBackupList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the backups of the data directory", Args: cobra.NoArgs}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		all, err := backup.NewStore(backupsDir(c.Data)).List()
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "NAME\tMADE\tEVENTS\tMIB\tBUILD") // Flush tells
		for _, e := range all {
			if e.Manifest == nil {
				_, _ = fmt.Fprintf(w, "%s\tnot complete: %v\n", e.Name, e.Err)
				continue
			}
			var rows uint64
			for _, t := range e.Manifest.Tables {
				if t.Name == "events" {
					rows = t.RowsAfter
				}
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", e.Name, e.Manifest.Begun.Format("2006-01-02 15:04:05 UTC"), rows, e.Manifest.Bytes>>20, e.Manifest.Build)
		}
		return w.Flush()
	}
	return cmd
}

// choosePlace checks that a command names a backup in the way that fits the ClickHouse; the Destination is for an external one only.
func choosePlace(embedded bool, name string, e external, flag string) (backup.Destination, error) {
	switch {
	case embedded && (e.place != "" || e.manifest != ""):
		return backup.Destination{}, usageError{fmt.Errorf("the embedded ClickHouse keeps backups below DATA/backups only: give a NAME without %s and --manifest, or set clickhouse.addresses", flag)}
	case embedded && name == "":
		return backup.Destination{}, usageError{errors.New("give the backup a NAME")}
	case embedded:
		return backup.Destination{}, nil
	case name != "":
		return backup.Destination{}, usageError{fmt.Errorf("clickhouse.addresses names a ClickHouse of your own, which knows no NAME: say where with %s and --manifest", flag)}
	case e.place == "" || e.manifest == "":
		return backup.Destination{}, usageError{fmt.Errorf("clickhouse.addresses names a ClickHouse of your own: say where with both %s and --manifest", flag)}
	}
	place, err := backup.ParseDestination(e.place)
	if err != nil {
		return place, usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	return place, nil
}

// asBackupUser connects to the embedded ClickHouse with the account that may back up.
func asBackupUser(c *config.Config) {
	c.ClickHouse.Username, c.ClickHouse.Password = embeddedclickhouse.BackupUser, ""
	c.ClickHouse.PasswordFile = embeddedclickhouse.BackupPasswordFile(filepath.Join(c.Data, "clickhouse"))
}

// openSystem connects to broker and ClickHouse, the latter at one address: a server knows only of its own backups.
func openSystem(ctx context.Context, c config.Config) (sys backup.System, closeAll func(), err error) {
	client, err := broker.New(c.Broker)
	if err != nil {
		return sys, nil, err
	}
	if err := client.Probe(ctx); err != nil {
		client.Close()
		return sys, nil, unavailableError{err}
	}
	var db *clickhouse.DB
	var errs []error
	for _, address := range c.ClickHouse.Addresses {
		one := c.ClickHouse
		one.Addresses = []string{address}
		if db, err = clickhouse.Open(ctx, one); err == nil {
			break
		}
		errs = append(errs, err)
	}
	if err != nil {
		client.Close()
		return sys, nil, unavailableError{errors.Join(errs...)}
	}
	sys = backup.System{DB: db, Broker: client, Topics: []string{c.Broker.Topic, c.Broker.QuarantineTopic}, Group: c.Sink.Group}
	return sys, func() {
		_ = db.Close() // nothing is pending on it
		client.Close()
	}, nil
}

// progressTo shows progress: in one line on a terminal, which clear takes away, else in a line every ten seconds.
func progressTo(f *os.File) (show func(backup.Progress), clear func()) {
	every, begin, end := 10*time.Second, "", "\n"
	clear = func() {}
	if logging.IsTerminal(f) {
		every, begin, end = 500*time.Millisecond, "\r\x1b[K", ""
		clear = func() { _, _ = fmt.Fprint(f, begin) }
	}
	var said time.Duration
	return func(p backup.Progress) {
		if p.Elapsed < said { // another statement
			said = 0
		}
		if p.Elapsed-said < every {
			return
		}
		said = p.Elapsed
		share := "not known yet"
		if p.Total > 0 {
			share = fmt.Sprintf("%d %%, %d of %d MiB", 100*p.Done/p.Total, p.Done>>20, p.Total>>20)
		}
		_, _ = fmt.Fprintf(f, "%s%s: %s, %v%s", begin, p.What, share, p.Elapsed.Round(time.Second), end)
	}, clear
}

// quietLog is for engines that a command starts: their warnings matter, their life does not.
func quietLog(c config.Config) (*slog.Logger, error) {
	c.Log.Level = "warn"
	log, _, err := logging.New(c.Log, os.Stderr)
	return log, err
}
