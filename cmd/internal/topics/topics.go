package topics

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/broker"
)

// Topics is what was found. It does not change after Inspect.
type Topics struct {
	ClusterID string
	// Events and Quarantine count the partitions that the topics have now.
	Events, Quarantine int
	// MaxMessageBytes is the largest record batch that both topics take.
	MaxMessageBytes int64
	// Relaxed lists settings by which an acknowledged event can be lost, in words with the cure; empty when an acknowledgement is durable.
	Relaxed []string
}

// ErrMissing says that a topic does not exist.
var ErrMissing = errors.New("topic does not exist")

// defaultMaxMessageBytes is Kafka's default of max.message.bytes, for brokers that do not tell.
const defaultMaxMessageBytes = 1048588

// Create makes the topics that are missing, as cfg says. log is told what was done.
func Create(ctx context.Context, c *broker.Client, cfg broker.Config, log func(string)) error {
	for _, name := range []string{cfg.Topic, cfg.QuarantineTopic} {
		if err := create(ctx, c, cfg, name, cfg.Partitions, log); err != nil {
			return err
		}
	}
	return nil
}

// CreateJobs makes the topic by whose one partition it is settled who runs the jobs, when it is missing. Nothing is ever written to it.
func CreateJobs(ctx context.Context, c *broker.Client, cfg broker.Config, name string, log func(string)) error {
	return create(ctx, c, cfg, name, 1, log)
}

func create(ctx context.Context, c *broker.Client, cfg broker.Config, name string, partitions int, log func(string)) error {
	spec := broker.TopicSpec{Name: name, Partitions: partitions, Replication: cfg.Replication, Config: map[string]string{"cleanup.policy": "delete"}}
	if cfg.Replication > 1 {
		spec.Config["min.insync.replicas"] = strconv.Itoa(cfg.Replication/2 + 1)
	}
	switch err := c.CreateTopic(ctx, spec); {
	case errors.Is(err, broker.ErrTopicExists):
		log(fmt.Sprintf("topic %s exists", name))
	case err != nil:
		return fmt.Errorf("%w: set broker.replication to at most the number of brokers, or let an operator create the topic %s with %d partitions", err, name, partitions)
	default:
		log(fmt.Sprintf("topic %s created with %d partitions, replication %d", name, partitions, cfg.Replication))
	}
	return nil
}

// InspectJobs demands that the topic of CreateJobs is there, with one partition: with more, several processes would run the jobs at once.
func InspectJobs(ctx context.Context, c *broker.Client, name string) error {
	md, err := c.Metadata(ctx, name)
	if err != nil {
		return err
	}
	topic := md.Topics[name]
	if topic.Err != nil {
		return fmt.Errorf("%w: %s (%w): run `millrace migrate up`, which creates it, or set people.topic", ErrMissing, name, topic.Err)
	}
	if n := len(topic.Partitions); n != 1 {
		return fmt.Errorf("topic %s has %d partitions and must have 1, so that the jobs run in one place: name another one in people.topic", name, n)
	}
	return nil
}

// Inspect reads both topics. embedded tells that the broker is the embedded one, of whose single copy everybody has been told. A setting that can never work is an
// error; one that weakens the promise is listed in Relaxed.
func Inspect(ctx context.Context, c *broker.Client, cfg broker.Config, embedded bool) (*Topics, error) {
	md, err := c.Metadata(ctx, cfg.Topic, cfg.QuarantineTopic)
	if err != nil {
		return nil, err
	}
	t := &Topics{ClusterID: md.ClusterID, MaxMessageBytes: 1 << 62}
	var errs []error
	for _, name := range []string{cfg.Topic, cfg.QuarantineTopic} {
		topic := md.Topics[name]
		if topic.Err != nil {
			errs = append(errs, fmt.Errorf("%w: %s (%w): run `millrace migrate up`, which creates it, or set broker.topic and broker.quarantine_topic", ErrMissing, name, topic.Err))
			continue
		}
		settings, err := c.TopicConfig(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		relaxed, limit, err := judge(name, len(topic.Partitions[0].Replicas), settings, embedded)
		errs = append(errs, err)
		t.Relaxed = append(t.Relaxed, relaxed...)
		t.MaxMessageBytes = min(t.MaxMessageBytes, limit)
		if name == cfg.Topic {
			t.Events = len(topic.Partitions)
		} else {
			t.Quarantine = len(topic.Partitions)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// leastMessageBytes leaves room for the smallest useful event beside the 64 KiB that a record needs around it.
const leastMessageBytes = 128 << 10

// judge says what one topic's settings mean for an acknowledged event.
func judge(name string, replicas int, settings map[string]string, embedded bool) (relaxed []string, maxMessageBytes int64, err error) {
	maxMessageBytes = defaultMaxMessageBytes
	if text, ok := settings["max.message.bytes"]; ok {
		n, parseErr := strconv.ParseInt(text, 10, 64)
		if parseErr != nil {
			return nil, 0, fmt.Errorf("topic %s: max.message.bytes is %q: %w", name, text, parseErr)
		}
		maxMessageBytes = n
	}
	if maxMessageBytes < leastMessageBytes {
		err = errors.Join(err, fmt.Errorf("topic %s: max.message.bytes is %d, below %d: raise it to 1048588, Kafka's default", name, maxMessageBytes, leastMessageBytes))
	}
	// The key is the user: compaction would keep each user's last event only.
	if policy := settings["cleanup.policy"]; policy != "" && policy != "delete" {
		err = errors.Join(err, fmt.Errorf("topic %s: cleanup.policy is %q, which deletes all but the last event of each user: set it to delete", name, policy))
	}
	if embedded {
		return nil, maxMessageBytes, err
	}
	weak := func(format string, args ...any) {
		relaxed = append(relaxed, fmt.Sprintf("topic %s: "+format, append([]any{name}, args...)...))
	}
	if replicas < 2 {
		weak("replication is %d, so the loss of one broker's disk loses events: recreate it with replication 3", replicas)
	} else if n, _ := strconv.Atoi(settings["min.insync.replicas"]); n < 2 { // an absent or odd value counts as 1, Kafka's default
		weak("min.insync.replicas is %q, so one copy is enough for an acknowledgement: set it to 2", settings["min.insync.replicas"])
	}
	if settings["write.caching"] == "true" {
		weak("write.caching is true, so acknowledged events are in memory only: set it to false")
	}
	if settings["unclean.leader.election.enable"] == "true" {
		weak("unclean.leader.election.enable is true, so a copy that lags may take over: set it to false")
	}
	return relaxed, maxMessageBytes, err
}
