package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/bench/compare"
	"github.com/millrace/millrace/bench/compare/discard"
	"github.com/millrace/millrace/bench/compare/null"
	"github.com/millrace/millrace/bench/naive"
)

func newBenchCompare() *cobra.Command {
	var targets []string
	var save string
	o := compare.Options{Versions: versions()}
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Measure CPU per event of several targets with the same events, in turn",
		Long: `Each round gives every target a window as fast as it answers, with the same bodies; the CPU time of its processes is divided by the events it accepted. On Linux a
target has one processor to itself, generator and broker have the others.

Targets: gateway (this program's door and pipeline), null (the same HTTP server with a handler that does nothing) and naive (net/http, encoding/json, a Kafka
writer with acks=all), all started by this command, with a broker that acknowledges and keeps nothing. Any other: NAME=URL for one that runs, or
NAME=URL COMMAND ARGUMENT… to have it started; {broker} in an argument becomes the broker's address, a user in the URL is sent as key. It must take POST /v1/batch.`,
		Example: `  millrace bench compare
  millrace bench compare --batch 100 --rounds 9 --target gateway --target null
  millrace bench compare --target gateway --target 'peer=http://127.0.0.1:9999 ./peer --kafka {broker}'`,
		Args: cobra.NoArgs,
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&targets, "target", []string{compare.Gateway, compare.Null, compare.Naive}, "what is compared (repeatable)")
	fs.IntSliceVar(&o.Batches, "batch", []int{1, 10, 100, 1000}, "events per request")
	fs.IntVar(&o.Rounds, "rounds", 5, "windows of each target at each batch size")
	fs.DurationVar(&o.Window, "window", compare.DefaultWindow, "length of a window; CPU time is counted in steps of 10 ms")
	fs.IntVar(&o.Connections, "connections", 0, "connections (default: 256 at batch 1, 64 at 10, 32 at 100, 16 at 1000)")
	fs.StringVar(&o.Dialect, "dialect", "segment", "segment or native")
	fs.Uint64Var(&o.Seed, "seed", 1, "of the events: the same seed makes the same events")
	fs.StringVar(&save, "json", "", "write the result with all windows to this file too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		for _, text := range targets {
			t, err := compare.ParseTarget(text)
			if err != nil {
				return usageError{err}
			}
			o.Targets = append(o.Targets, t)
		}
		if o.Self, err = os.Executable(); err != nil {
			return err
		}
		if err := o.Validate(); err != nil {
			return usageError{err}
		}
		display := newDisplay(0)
		o.Progress = func(p compare.Progress) {
			display.Phase(fmt.Sprintf("comparing (batch %d, round %d, %s)", p.Window.Batch, p.Window.Round, p.Window.Target), uint64(p.Done), uint64(p.Total))
		}
		ctx, stop := stopSignals()
		defer stop()
		result, err := compare.Run(ctx, o)
		display.Done()
		if result != nil {
			err = errors.Join(err, result.Text(cmd.OutOrStdout()))
			if save != "" {
				err = errors.Join(err, writeFile(save, result.JSON))
			}
		}
		switch {
		case ctx.Err() != nil && result == nil:
			return abortedError{errors.New("ended by a signal before the first window was over")}
		case ctx.Err() != nil:
			return abortedError{errors.New("ended by a signal; the figures are of the windows until then")}
		}
		return err
	}
	return cmd
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// newBenchPeer has what compare starts beside the gateway.
func newBenchPeer() *cobra.Command {
	cmd := &cobra.Command{Use: "peer", Short: "Serve one of the things that compare needs", Hidden: true}
	peer := func(name, short string, flags func(*cobra.Command) func(context.Context, io.Writer) error) {
		c := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs}
		run := flags(c)
		c.RunE = func(cmd *cobra.Command, _ []string) error {
			ctx, stop := stopSignals()
			defer stop()
			return run(ctx, cmd.OutOrStdout())
		}
		cmd.AddCommand(c)
	}
	peer("discard", "A Kafka broker that acknowledges and keeps nothing", func(c *cobra.Command) func(context.Context, io.Writer) error {
		var o discard.Options
		c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "host:port of the Kafka protocol")
		c.Flags().StringVar(&o.Count, "count", "127.0.0.1:0", "host:port of GET /count")
		c.Flags().IntVar(&o.Partitions, "partitions", discard.DefaultPartitions, "of every topic")
		return func(ctx context.Context, ready io.Writer) error { return discard.Run(ctx, o, ready) }
	})
	peer("null", "An HTTP server whose handler does nothing", func(c *cobra.Command) func(context.Context, io.Writer) error {
		var o null.Options
		c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "host:port")
		return func(ctx context.Context, ready io.Writer) error { return null.Run(ctx, o, ready) }
	})
	peer("naive", "The service that one would write first", func(c *cobra.Command) func(context.Context, io.Writer) error {
		var o naive.Options
		c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "host:port")
		c.Flags().StringVar(&o.Broker, "broker", "", "host:port of a Kafka broker")
		c.Flags().StringVar(&o.Topic, "topic", naive.DefaultTopic, "topic")
		return func(ctx context.Context, ready io.Writer) error { return naive.Run(ctx, o, ready) }
	})
	return cmd
}
