package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/bench/queries"
	"github.com/millrace/millrace/cmd/internal/embedded"
	embeddedclickhouse "github.com/millrace/millrace/cmd/internal/embedded/clickhouse"
)

func newBenchQueries() *cobra.Command {
	o := queries.Options{Versions: versions()}
	var server, save string
	var markdown bool
	cmd := &cobra.Command{
		Use:   "queries",
		Short: "Ask twelve questions of our tables and of a naive one, and compare latency and CPU",
		Long: `Makes the same events into our tables and into a naive one (one table, everything else as a JSON string, ordered by time), asks both the same twelve questions, cold and warm, in turn,
and compares answers, latency, CPU, rows and bytes read. It also says what an event takes on disk, and what an INSERT costs without rollups and with all of them.

By default it starts an engine of its own in a temporary folder. On a server named with --clickhouse it makes a database of its own, drops it at the end, and empties that
server's caches again and again.`,
		Example: `  millrace bench queries
  millrace bench queries --rows 20000000 --markdown
  millrace bench queries --clickhouse 127.0.0.1:9000 --rows 1000000 --json result.json`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd)
	fs := cmd.Flags()
	fs.IntVar(&o.Rows, "rows", 5_000_000, "number of events")
	fs.Uint64Var(&o.Seed, "seed", 1, "of the events: the same seed makes the same events")
	fs.IntVar(&o.Rounds, "rounds", 5, "how often each question is asked warm")
	fs.StringVar(&server, "clickhouse", "", "host:port of a server's native protocol to use instead of an engine of its own; username and password are those of the configuration")
	fs.StringVar(&o.Dir, "dir", "", "where the engine's folder is made (default: the system's folder for temporary files)")
	fs.BoolVar(&o.Keep, "keep", false, "leave folder or database as they are at the end")
	fs.BoolVar(&markdown, "markdown", false, "print the tables in Markdown")
	fs.StringVar(&save, "json", "", "write everything to this file too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		if server != "" {
			o.ClickHouse = c.ClickHouse
			o.ClickHouse.Addresses = []string{server}
		}
		if o.Binary, err = os.Executable(); err != nil {
			return err
		}
		o.Engine = func(e queries.Engine) ([]string, error) {
			return embedded.SelfArgs("clickhouse", embeddedclickhouse.Config{
				Dir: e.Dir, TCPPort: e.Port, HTTPPort: e.HTTPPort, MaxMemoryBytes: c.ClickHouse.EmbeddedMaxMemoryBytes, OpenDictionaries: true, Library: c.ClickHouse.Library, Binary: c.ClickHouse.Binary,
			})
		}
		if err := o.Validate(); err != nil {
			return usageError{err}
		}
		ctx, stop := stopSignals()
		defer stop()
		display := newDisplay(0)
		o.Progress = display.Phase
		r, err := queries.Run(ctx, o)
		display.Done()
		if r != nil {
			err = errors.Join(err, printTables(cmd, r, markdown, save))
		}
		return benchError(ctx, err, queries.ErrDiffer)
	}
	return cmd
}
