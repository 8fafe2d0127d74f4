package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/bench/people"
	"github.com/millrace/millrace/cmd/internal/embedded"
	embeddedbroker "github.com/millrace/millrace/cmd/internal/embedded/broker"
	embeddedclickhouse "github.com/millrace/millrace/cmd/internal/embedded/clickhouse"
)

func newBenchPeople() *cobra.Command {
	o := people.Options{Versions: versions()}
	var save string
	var markdown bool
	cmd := &cobra.Command{
		Use:   "people",
		Short: "Measure what identities, profiles and segments cost on a history of many users",
		Long: `Makes a history of users who come as visitors and identify, starts a server on it and watches how persons and profiles are worked out from nothing; then measures how soon one more identify
is seen, what the dictionary of identities takes, what questions on events_q cost beside the same on table events, and how long segments take to build, with how much memory.

It starts engines and a server of its own in a temporary folder. Two million users take some 10 minutes on two processors, and 6 GiB of disk.`,
		Example: `  millrace bench people --users 200000
  millrace bench people --markdown --json result.json`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd)
	fs := cmd.Flags()
	fs.IntVar(&o.Users, "users", people.DefaultUsers, "number of users, of six events each")
	fs.Uint64Var(&o.Seed, "seed", 1, "of the history: the same seed makes the same events")
	fs.IntVar(&o.Rounds, "rounds", people.DefaultRounds, "how often each question is asked")
	fs.StringVar(&o.Dir, "dir", "", "where the run's folder is made (default: the system's folder for temporary files)")
	fs.BoolVar(&o.Keep, "keep", false, "leave the folder as it is at the end")
	fs.BoolVar(&markdown, "markdown", false, "print the tables in Markdown")
	fs.StringVar(&save, "json", "", "write everything to this file too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		if o.Binary, err = os.Executable(); err != nil {
			return err
		}
		o.Engine = func(name string, e people.Engine) ([]string, error) {
			if name == "broker" {
				return embedded.SelfArgs(name, embeddedbroker.Config{
					Dir: e.Dir, Port: e.Port, Partitions: e.Partitions, Topics: []string{c.Broker.Topic, c.Broker.QuarantineTopic},
					MaxBytes: c.Broker.EmbeddedMaxBytes, KeepRecords: c.Broker.EmbeddedKeepRecords, MaxMessageBytes: embeddedMaxMessageBytes(&c),
				})
			}
			return embedded.SelfArgs(name, embeddedclickhouse.Config{
				Dir: e.Dir, TCPPort: e.Port, HTTPPort: e.HTTPPort, MaxMemoryBytes: c.ClickHouse.EmbeddedMaxMemoryBytes, Library: c.ClickHouse.Library, Binary: c.ClickHouse.Binary,
				OpenDictionaries: true, // migrations run as an account of a server of one's own, not as the one that embedded engines have for it
			})
		}
		if err := o.Validate(); err != nil {
			return usageError{err}
		}
		ctx, stop := stopSignals()
		defer stop()
		display := newDisplay(0)
		o.Progress = display.Phase
		r, err := people.Run(ctx, o)
		display.Done()
		if r != nil {
			err = errors.Join(err, printTables(cmd, r, markdown, save))
		}
		return benchError(ctx, err, people.ErrWrong)
	}
	return cmd
}
