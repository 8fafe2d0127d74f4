package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/backup"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/datadir"
)

func newRestore() *cobra.Command {
	var from external
	var replace bool
	cmd := &cobra.Command{
		Use:   "restore [NAME]",
		Short: "Bring the tables of a backup back; says how the sink goes on from there",
		Long: `Brings back what "millrace backup" has copied. Nothing may load meanwhile: stop the server, or with engines of your own every sink. For embedded engines the
command starts them by itself and stops them at the end.

Tables that hold rows are dropped only with --replace, and only after the whole backup was restored beside them and counted; that needs their space once more
for a while. The sinks' offsets are left as they are: the next sink notices that rows are missing, stops and waits, and the command prints how to load them
again from the topic.`,
		Example: `  millrace restore monday
  millrace restore monday --replace
  millrace restore --from "Disk('backups', 'monday')" --manifest monday.json`,
		Args: cobra.MaximumNArgs(1),
	}
	s := addSettings(cmd)
	cmd.Flags().StringVar(&from.place, "from", "", "where an external ClickHouse reads: S3('…'), Disk('…', '…') or File('…')")
	cmd.Flags().StringVar(&from.manifest, "manifest", "", "file of the manifest, with --from")
	cmd.Flags().BoolVar(&replace, "replace", false, "drop tables that hold rows, after the backup was found readable")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		ctx, stop := stopSignals()
		defer stop()
		return restore(ctx, cmd.OutOrStdout(), c, append(args, "")[0], from, replace)
	}
	return cmd
}

// restore is the whole command. What can be refused is refused before anything is started.
func restore(ctx context.Context, out io.Writer, c config.Config, name string, from external, replace bool) (err error) {
	embedded := len(c.ClickHouse.Addresses) == 0
	show, clear := progressTo(os.Stderr)
	o := backup.RestoreOptions{Replace: replace, Progress: show}
	if o.From, err = choosePlace(embedded, name, from, "--from"); err != nil {
		return err
	}
	if embedded {
		o.Manifest, o.From, err = backup.NewStore(backupsDir(c.Data)).Open(name)
	} else {
		o.Manifest, err = backup.ReadManifest(from.manifest)
	}
	if err != nil {
		return err
	}
	if embedded || len(c.Broker.Addresses) == 0 {
		stop, err := startEngines(ctx, &c)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	if embedded {
		asBackupUser(&c)
	}
	sys, closeAll, err := openSystem(ctx, c)
	if err != nil {
		return err
	}
	defer closeAll()
	if embedded {
		sys.DB.ReadAsDefault()
	}
	if err := sys.CheckIdle(ctx); err != nil {
		return err
	}
	report, err := backup.Restore(ctx, sys, o)
	clear()
	if err != nil {
		return err
	}
	if !embedded { // an embedded engine's are made at each start of its server
		if err := refreshShown(ctx, sys.DB); err != nil {
			return err
		}
	}
	for _, t := range report.Tables {
		if _, err := fmt.Fprintf(out, "%-20s %12d rows, %d before\n", t.Name, t.RowsAfter, t.RowsBefore); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "database %s is restored from the backup of %s, in %v\n\n%s", c.ClickHouse.Database, report.Manifest.Begun.Format("2006-01-02 15:04:05 UTC"), report.Took.Round(10*time.Millisecond), report.Advice())
	return err
}

// lockWait is how long a restore waits for a server that is just being stopped.
const lockWait = 2 * time.Second

// startEngines starts the embedded engines that the configuration asks for, as serve does, and fills their addresses in. The data directory is ours until
// stop, so no server of it can load meanwhile.
func startEngines(ctx context.Context, c *config.Config) (stop func() error, err error) {
	log, err := quietLog(*c)
	if err != nil {
		return nil, err
	}
	dir, err := datadir.Open(ctx, c.Data, lockWait, log)
	if errors.Is(err, datadir.ErrLocked) {
		return nil, fmt.Errorf("a restore needs the data directory alone: %w", err)
	}
	if err != nil {
		return nil, err
	}
	// A server that was killed has left its ports here; nobody may take them for those of our engines.
	if err := removePorts(dir.Run()); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	s := server{c: *c}
	s.resolve()
	e, err := newEngines(ctx, &s.c, &s.ports, dir, nil, log, metrics.NewSet())
	if err != nil {
		return nil, errors.Join(err, e.havePorts(), dir.Close())
	}
	*c = s.c
	// The engines outlive ctx, so that what runs in them can be cancelled in order.
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- e.run(running) }()
	stop = func() error {
		end()
		return errors.Join(<-ended, e.havePorts(), dir.Close())
	}
	select {
	case <-e.ready():
		if err := e.havePorts(); err != nil {
			return nil, errors.Join(err, stop())
		}
		return stop, nil
	case err := <-ended:
		ended <- nil
		return nil, errors.Join(err, stop())
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), stop())
	}
}
