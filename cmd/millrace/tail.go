package main

import (
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/live"
)

func newTail() *cobra.Command {
	var rejected, asJSON bool
	var opts live.Options
	cmd := &cobra.Command{
		Use:   "tail [TEXT]",
		Short: "Watch events arrive on the topic; --rejected: watch what is refused, and why",
		Long: `Follows the topic that every accepted event goes to (with --rejected the one of refused events) and prints a line for each. It reads beside the sink and
disturbs nothing. With TEXT only records that contain it.`,
		Example: `  millrace tail
  millrace tail --rejected
  millrace tail u-17 --from-start --json | jq .properties`,
		Args: cobra.MaximumNArgs(1),
	}
	s := addSettings(cmd)
	cmd.Flags().BoolVar(&rejected, "rejected", false, "show refused events with code, field and reason")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one line of JSON for each record")
	cmd.Flags().BoolVar(&opts.FromStart, "from-start", false, "begin with the oldest record that the broker has")
	cmd.Flags().IntVar(&opts.Limit, "limit", 0, "stop after so many records (0: never)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		client, err := openBroker(c)
		if err != nil {
			return err
		}
		defer client.Close()
		ctx, stop := stopSignals()
		defer stop()
		if err := client.Probe(ctx); err != nil {
			return unavailableError{err}
		}
		opts.Topic = c.Broker.Topic
		render := live.AppendEvent
		if rejected {
			opts.Topic = c.Broker.QuarantineTopic
			render = live.AppendRejection
		}
		if len(args) == 1 {
			opts.Match = []byte(args[0])
		}
		var line []byte
		return live.Follow(ctx, client, opts, func(partition int32, rec *broker.Record) error {
			if asJSON {
				line = live.AppendJSON(line[:0], rec, rejected)
			} else {
				line = render(line[:0], partition, rec)
			}
			_, err := cmd.OutOrStdout().Write(line)
			return err
		})
	}
	return cmd
}
