package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/demo"
	"github.com/millrace/millrace/schema/clickhouse"
)

// demoFlags are the options of "demo" beside the configuration.
type demoFlags struct {
	story demo.Options
	until string
	door  demo.Door
	skip  int64
	again bool
}

func newDemo() *cobra.Command {
	f := demoFlags{story: demo.DefaultOptions()}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Tell a running server the story of a made-up product, to have something to ask about",
		Long: `Sends the events of a made-up product's first weeks through the door, spread over the past days up to midnight: visitors, sign-ups, subscriptions, a campaign, a
release that broke something. docs/queries.md asks about them. The same options tell the same events on the same day; sent twice within an hour they are stored once.

Ctrl-C ends it between two requests and says what is in and how to go on.`,
		Example: `  millrace demo
  millrace demo --days 90 --users 200000 --seed 7
  millrace demo --rate 2000 --url https://events.example.com --key mr_prod_…`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd)
	fs := cmd.Flags()
	fs.IntVar(&f.story.Days, "days", f.story.Days, "how many days are told")
	fs.IntVar(&f.story.Users, "users", f.story.Users, "how many people come for the first time in them")
	fs.Uint64Var(&f.story.Seed, "seed", f.story.Seed, "of everything random")
	fs.StringVar(&f.until, "until", "", "the first day that is not told, as 2006-01-02 (default: today, UTC)")
	fs.StringVar(&f.door.URL, "url", "", "the server's address (default: the server of the data directory)")
	fs.StringVar(&f.door.Key, "key", "", "write key (default: MILLRACE_DEV_KEY, else the development key of the data directory)")
	fs.IntVar(&f.door.Rate, "rate", 0, "events per second at most (0: as many as are answered)")
	fs.IntVar(&f.door.Batch, "batch", 1000, "events per request")
	fs.IntVar(&f.door.Connections, "connections", 4, "connections, each with one request in flight")
	fs.Int64Var(&f.skip, "skip", 0, "leave out so many events at the beginning, which a run that was ended has sent")
	fs.BoolVar(&f.again, "again", false, "send a story that is in the tables already a second time")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		return f.run(cmd, &c)
	}
	return cmd
}

func (f *demoFlags) run(cmd *cobra.Command, c *config.Config) error {
	if f.until != "" {
		var err error
		if f.story.Until, err = time.Parse(time.DateOnly, f.until); err != nil {
			return usageError{fmt.Errorf("--until %q is not a day such as 2006-01-02", f.until)}
		}
	}
	story, err := demo.New(f.story)
	if err != nil {
		return usageError{err}
	}
	ours, err := f.find(c)
	if err != nil {
		return err
	}
	ctx, stop := stopSignals()
	defer stop()
	display := newDisplay(0)
	defer display.Done()
	facts, err := story.Survey(ctx, func(done, total uint64) { display.Phase("making up the story", done, total) })
	if err != nil {
		return abortedError{errors.New("ended by a signal; nothing was sent")}
	}
	if ours && f.skip == 0 && !f.again {
		if err := notStored(ctx, c, &facts); err != nil {
			return err
		}
	}
	display.Done()
	out := cmd.OutOrStdout()
	fmt.Fprintln(out, facts.String()) //nolint:errcheck // nobody is left to tell
	display = newDisplay(0)
	result, err := story.Send(ctx, f.door, facts, f.skip, func(done, total uint64) { display.Phase("sending events", done, total) })
	if err == nil && ours && !result.Interrupted {
		err = awaitStored(ctx, c, func(done, total uint64) { display.Phase("loading into ClickHouse", done, total) })
	}
	display.Done()
	fmt.Fprintln(out, result.String()) //nolint:errcheck // nobody is left to tell
	switch {
	case errors.Is(err, demo.ErrUnavailable):
		return unavailableError{err}
	case err != nil:
		return err
	case result.Interrupted:
		return abortedError{errors.New("ended by a signal")}
	case result.Refused > 0:
		return fmt.Errorf("%d events were refused", result.Refused)
	}
	return nil
}

// find fills in what was not said, from the server of the data directory. ours tells that its tables can be asked.
func (f *demoFlags) find(c *config.Config) (ours bool, err error) {
	if f.door.Key == "" {
		if f.door.Key, err = developmentKey(c.Data); err != nil {
			return false, err
		}
	}
	if f.door.URL != "" {
		return false, nil
	}
	p, err := runningPorts(c.Data)
	if err != nil {
		return false, err
	}
	if p.Ingest == "" {
		return false, usageError{fmt.Errorf("the server of the data directory %s takes no events, it is a sink: name another one with --url or --data", c.Data)}
	}
	f.door.URL = "http://" + p.Ingest
	return true, locate(c)
}

func notStored(ctx context.Context, c *config.Config, facts *demo.Facts) error {
	db, err := clickhouse.Open(ctx, c.ClickHouse)
	if err != nil {
		return unavailableError{err}
	}
	defer db.Close() //nolint:errcheck // it is only read
	return facts.NotStored(ctx, db)
}

// storedPatience is how long the sinks may make no progress before nobody waits for them any longer; storedInterval is the time between two looks.
const (
	storedPatience = 30 * time.Second
	storedInterval = 200 * time.Millisecond
)

// awaitStored waits until the sinks have confirmed what is on the topic now, so that what is asked next sees all of it. A signal ends the waiting and is no error.
func awaitStored(ctx context.Context, c *config.Config, show func(done, total uint64)) error {
	client, err := broker.New(c.Broker)
	if err != nil {
		return err
	}
	defer client.Close()
	first, err := client.Progress(ctx, c.Sink.Group, c.Broker.Topic)
	if err != nil {
		return unavailableError{fmt.Errorf("the events are accepted; see how far ClickHouse is: %w", err)}
	}
	var total int64
	for _, p := range first {
		total += p.Unread()
	}
	t := time.NewTicker(storedInterval)
	defer t.Stop()
	for left, since := total, time.Now(); left > 0; {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		now, err := client.Progress(ctx, c.Sink.Group, c.Broker.Topic)
		if err == nil {
			var unread int64
			for i, p := range first {
				if i < len(now) {
					p.Committed = now[i].Committed
				}
				unread += p.Unread()
			}
			if unread < left {
				left, since = unread, time.Now()
			}
			show(uint64(total-left), uint64(total))
		}
		if time.Since(since) > storedPatience {
			return fmt.Errorf("the events are accepted, but ClickHouse has loaded none of the last %d for %v: `millrace sink status` tells why", left, storedPatience)
		}
	}
	return nil
}
