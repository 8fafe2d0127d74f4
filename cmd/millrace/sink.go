package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/audit"
)

func newSink() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sink",
		Short: "Look at the loading of ClickHouse, and take up what is parked",
		Long: `Each partition of the topics is loaded by one sink, block by block, each event exactly once. A partition that cannot go on without people is parked: it
keeps its place, the others go on. "millrace sink status" says why and what to do.

status asks the broker, and the sink of this machine (by the data directory, or --admin). resume and rewind speak with the sink that owns the partition, so run
them where that sink runs.`,
	}
	cmd.AddCommand(newSinkStatus(), newSinkResume(), newSinkRewind(), newSinkAdopt(), newSinkReconcile())
	return cmd
}

// sinkSettings are those of the commands that speak with a running sink.
type sinkSettings struct {
	settings
	admin *string
}

func addSinkSettings(cmd *cobra.Command) sinkSettings {
	return sinkSettings{settings: addSettings(cmd), admin: cmd.Flags().String("admin", "", "host:port of the sink's admin listener (default: that of the server of the data directory)")}
}

// adminURL is where the running sink listens.
func (s sinkSettings) adminURL(c config.Config) (string, error) {
	if *s.admin != "" {
		return "http://" + *s.admin, nil
	}
	p, err := runningPorts(c.Data)
	if err != nil {
		return "", err
	}
	return "http://" + p.Admin, nil
}

// sinkPatience bounds a request to the admin listener.
const sinkPatience = 10 * time.Second

// ask makes a request to a running sink and reads its answer into out.
func (s sinkSettings) ask(ctx context.Context, method string, c config.Config, path string, q url.Values, out any) error {
	base, err := s.adminURL(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sinkPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base+path+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return unavailableError{fmt.Errorf("ask the sink at %s: %w", base, err)}
	}
	defer res.Body.Close() //nolint:errcheck // it is read below
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return err
	}
	if res.StatusCode == http.StatusNotFound {
		return usageError{fmt.Errorf("the server at %s runs no sink", base)}
	}
	if res.StatusCode != http.StatusOK {
		var refused sinkAnswer
		if json.Unmarshal(body, &refused) != nil || refused.Error == "" {
			return fmt.Errorf("the sink at %s answers %s: %.200q", base, res.Status, body)
		}
		return errors.New(refused.Error)
	}
	return json.Unmarshal(body, out)
}

func newSinkResume() *cobra.Command {
	cmd := &cobra.Command{Use: "resume", Short: "Let parked partitions try again", Args: cobra.NoArgs, Example: "  millrace sink resume\n  millrace sink resume --topic events --partition 3"}
	s := addSinkSettings(cmd)
	topic, partition := addPartition(cmd, "all parked ones")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		ctx, stop := stopSignals()
		defer stop()
		var live sink.Status
		if err := s.ask(ctx, http.MethodGet, c, sinkStatusPath, nil, &live); err != nil {
			return err
		}
		resumed := 0
		var failed []error
		for _, p := range live.Partitions {
			if p.State != sink.StateParked || (*topic != "" && p.Topic != *topic) || (*partition >= 0 && p.Partition != *partition) {
				continue
			}
			resumed++
			if err := s.ask(ctx, http.MethodPost, c, sinkResumePath, partitionValues(p.Topic, p.Partition), &sinkAnswer{}); err != nil {
				failed = append(failed, err)
				continue
			}
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s partition %d tries again (it was parked: %s)\n", p.Topic, p.Partition, p.Reason); err != nil {
				return err
			}
		}
		if resumed == 0 {
			return errors.New("no such partition of this sink is parked: see `millrace sink status`")
		}
		return errors.Join(failed...)
	}
	return cmd
}

func addPartition(cmd *cobra.Command, none string) (topic *string, partition *int32) {
	topic = cmd.Flags().String("topic", "", "topic of the partition (default: "+none+")")
	partition = cmd.Flags().Int32("partition", -1, "number of the partition (default: "+none+")")
	cmd.Flags().Lookup("partition").DefValue = "0" // the help then names no second default
	return topic, partition
}

func partitionValues(topic string, partition int32) url.Values {
	return url.Values{"topic": {topic}, "partition": {strconv.Itoa(int(partition))}}
}

func newSinkRewind() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rewind",
		Short: "Load a parked partition again from an earlier offset",
		Long: `For a partition that is parked because the table holds less than was confirmed (a restored backup, a power cut). It reads again from an earlier offset and
stores what the table lacks; rows that are there are kept and not doubled.`,
		Args:    cobra.NoArgs,
		Example: "  millrace sink rewind --topic events --partition 3\n  millrace sink rewind --topic events --partition 3 --to 120000",
	}
	s := addSinkSettings(cmd)
	topic, partition := addPartition(cmd, "none: say which")
	to := cmd.Flags().Int64("to", -1, "offset to begin at (default: as far below the table's highest as there may be holes)")
	cmd.Flags().Lookup("to").DefValue = "0" // as of --partition
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		if *topic == "" || *partition < 0 {
			return usageError{errors.New("say which partition with --topic and --partition")}
		}
		ctx, stop := stopSignals()
		defer stop()
		q := partitionValues(*topic, *partition)
		if *to >= 0 {
			q.Set("to", strconv.FormatInt(*to, 10))
		}
		var a sinkAnswer
		if err := s.ask(ctx, http.MethodPost, c, sinkRewindPath, q, &a); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s partition %d is loaded again from offset %d\n", *topic, *partition, a.From)
		return err
	}
	return cmd
}

func newSinkAdopt() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Take a topic that was made anew for what it is: a new log",
		Long: `Offsets of a topic that was deleted and made again mean other records, so the sink parks its partitions. adopt gives the topic the next log number: its
records are then loaded from the beginning, beside the rows of the former life. Restart every millrace process afterwards.`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd)
	topic := cmd.Flags().String("topic", "", "topic to adopt: broker.topic or broker.quarantine_topic")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, c config.Config, db *clickhouse.DB, _ *slog.Logger) error {
			if *topic != c.Broker.Topic && *topic != c.Broker.QuarantineTopic {
				return usageError{fmt.Errorf("--topic is %q: choose %s or %s", *topic, c.Broker.Topic, c.Broker.QuarantineTopic)}
			}
			client, err := broker.New(c.Broker)
			if err != nil {
				return err
			}
			defer client.Close()
			md, err := client.Metadata(ctx, *topic)
			if err != nil {
				return unavailableError{err}
			}
			if err := md.Topics[*topic].Err; err != nil {
				return fmt.Errorf("topic %s: %w", *topic, err)
			}
			l, err := clickhouse.AdoptLog(ctx, db, md.ClusterID, *topic, len(md.Topics[*topic].Partitions))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "topic %s is log %d now, with %d partitions: restart every millrace process\n", *topic, l.Number, l.Partitions)
			return err
		})
	}
	return cmd
}

func newSinkReconcile() *cobra.Command {
	var wait, dryRun bool
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare every rollup with the events, and repair what differs",
		Long: `The sink compares in the background all the time; this compares everything, now. Ends with 0 when every rollup is exact afterwards, with 1 when something
differs (--dry-run) or could not be judged because events are being loaded into it (--wait waits for those).`,
		Args: cobra.NoArgs,
	}
	s := addSettings(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for what is being loaded, until everything is judged")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "repair nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.withTables(cmd, func(ctx context.Context, cmd *cobra.Command, c config.Config, db *clickhouse.DB, log *slog.Logger) error {
			client, err := broker.New(c.Broker)
			if err != nil {
				return err
			}
			defer client.Close()
			a := audit.New(audit.Config{Interval: c.Sink.AuditInterval}, audit.Deps{
				DB: db, Pending: func(ctx context.Context) ([]audit.Pending, error) {
					return sink.Pending(ctx, client, c.Sink.Group, c.Broker.Topic)
				},
				Logger: log, Metrics: metrics.NewSet(),
			})
			report, err := a.Reconcile(ctx, audit.ReconcileOptions{Repair: !dryRun, Wait: wait})
			if err != nil {
				return err
			}
			if _, err := fmt.Fprint(cmd.OutOrStdout(), report); err != nil {
				return err
			}
			if !report.Exact() {
				return errors.New("not every rollup is exact, see above")
			}
			return nil
		})
	}
	return cmd
}
