package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/exact"
)

func newSinkStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "status", Short: "Show each partition: what is stored, what is under way, what is parked and why", Args: cobra.NoArgs}
	s := addSinkSettings(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		ctx, stop := stopSignals()
		defer stop()
		client, err := openBroker(c)
		if err != nil {
			return err
		}
		defer client.Close()
		st, err := groupStatus(ctx, client, c)
		if err != nil {
			return unavailableError{err}
		}
		var live sink.Status
		liveErr := s.ask(ctx, http.MethodGet, c, sinkStatusPath, nil, &live)
		st.join(live)
		if asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(st)
		}
		if liveErr != nil {
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "what the sink itself says is not known: %v\n", liveErr)
		}
		return st.print(cmd.OutOrStdout())
	}
	return cmd
}

// sinkStatus is what the broker knows of the group, completed by what one sink says.
type sinkStatus struct {
	Group      string          `json:"group"`
	Partitions []sinkPartition `json:"partitions"`
}

type sinkPartition struct {
	sink.PartitionStatus
	// Rows of the block that is announced.
	Rows int `json:"rows"`
}

// groupStatus reads what the group has committed.
func groupStatus(ctx context.Context, client *broker.Client, c config.Config) (sinkStatus, error) {
	st := sinkStatus{Group: c.Sink.Group, Partitions: []sinkPartition{}}
	for _, topic := range []string{c.Broker.Topic, c.Broker.QuarantineTopic} {
		progress, err := client.Progress(ctx, c.Sink.Group, topic)
		if err != nil {
			return st, err
		}
		for _, o := range progress {
			p := sinkPartition{PartitionStatus: sink.PartitionStatus{
				Topic: topic, Partition: o.Partition, State: "unknown", Committed: o.Committed, Announced: o.Committed, End: o.End, Lag: o.Unread(),
			}}
			if in, err := exact.ParseIntent(o.Metadata); err == nil {
				p.Log, p.Announced, p.Rows = in.Log, max(in.Next, o.Committed), in.Rows
			}
			st.Partitions = append(st.Partitions, p)
		}
	}
	return st, nil
}

// join takes over what only the sink itself knows.
func (st *sinkStatus) join(live sink.Status) {
	for i := range st.Partitions {
		p := &st.Partitions[i]
		for _, l := range live.Partitions {
			if l.Topic == p.Topic && l.Partition == p.Partition {
				p.Log, p.State, p.Reason, p.Detail, p.Cure, p.Since = l.Log, l.State, l.Reason, l.Detail, l.Cure, l.Since
			}
		}
	}
}

func (st *sinkStatus) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) // Flush tells what went wrong
	_, _ = fmt.Fprintln(t, "TOPIC\tPARTITION\tSTATE\tLOG\tSTORED BELOW\tUNDER WAY\tEND\tLAG")
	for _, p := range st.Partitions {
		underWay := "-"
		if p.Announced > p.Committed && p.Committed >= 0 {
			underWay = fmt.Sprintf("%d to %d, %d rows", p.Committed, p.Announced-1, p.Rows)
		}
		stored := strconv.FormatInt(p.Committed, 10)
		if p.Committed < 0 {
			stored = "-"
		}
		_, _ = fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%s\t%s\t%d\t%d\n", p.Topic, p.Partition, p.State, p.Log, stored, underWay, p.End, p.Lag)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range st.Partitions {
		if p.State != sink.StateParked {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s partition %d is parked since %s: %s\n  %s\n  cure: %s\n", p.Topic, p.Partition, p.Since.UTC().Format("2006-01-02 15:04:05 UTC"), p.Reason, p.Detail, p.Cure); err != nil {
			return err
		}
	}
	return nil
}
