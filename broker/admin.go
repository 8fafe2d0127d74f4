package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
)

// TopicSpec is a topic to create.
type TopicSpec struct {
	Name        string
	Partitions  int // 0 = the broker's default
	Replication int // 0 = the broker's default
	// Config are topic settings, e.g. min.insync.replicas.
	Config map[string]string
}

// CreateTopic creates a topic and waits until every partition has a leader, so that it can be used at once. It returns
// ErrTopicExists when there is one of that name, whatever it looks like. ctx bounds the wait.
func (c *Client) CreateTopic(ctx context.Context, spec TopicSpec) error {
	topic := createtopics.RequestTopic{
		Name:              spec.Name,
		NumPartitions:     int32(orDefault(spec.Partitions)),
		ReplicationFactor: int16(orDefault(spec.Replication)),
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Config)) {
		topic.Configs = append(topic.Configs, createtopics.RequestConfig{Name: name, Value: spec.Config[name]})
	}
	for {
		err := c.createTopic(ctx, topic)
		if err == nil {
			break
		}
		// The controller may have moved since the layout was read.
		if !errors.Is(err, kafka.NotController) || !c.pause(ctx) {
			return fmt.Errorf("create topic %s: %w", spec.Name, err)
		}
		c.RefreshRoutes()
	}
	if err := c.awaitLeaders(ctx, spec.Name); err != nil {
		return fmt.Errorf("create topic %s: created, but not ready: %w", spec.Name, err)
	}
	return nil
}

func orDefault(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

func (c *Client) createTopic(ctx context.Context, topic createtopics.RequestTopic) error {
	m, err := c.call(ctx, controller, &createtopics.Request{
		Topics:    []createtopics.RequestTopic{topic},
		TimeoutMs: int32(c.cfg.RequestTimeout.Milliseconds() / 2),
	})
	if err != nil {
		return err
	}
	for _, t := range m.(*createtopics.Response).Topics {
		if t.Name != topic.Name {
			continue
		}
		if kafka.Error(t.ErrorCode) == kafka.TopicAlreadyExists {
			return ErrTopicExists
		}
		return codeError(t.ErrorCode, t.ErrorMessage)
	}
	return ErrNoAnswer
}

func (c *Client) awaitLeaders(ctx context.Context, topic string) error {
	for {
		md, err := c.Metadata(ctx, topic)
		if err == nil {
			tm := md.Topics[topic]
			err = tm.Err
			for _, p := range tm.Partitions {
				if err == nil && p.Leader < 0 {
					err = fmt.Errorf("partition %d has no leader: %w", p.ID, kafka.LeaderNotAvailable)
				}
			}
			if err == nil {
				return nil
			}
		}
		if Classify(err) == ClassFatal || !c.pause(ctx) {
			return err
		}
	}
}

// adminPause is the distance of attempts that wait for the cluster to settle.
const adminPause = 50 * time.Millisecond

// pause waits before the next attempt; false when ctx has ended.
func (c *Client) pause(ctx context.Context) bool {
	timer := time.NewTimer(adminPause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// TopicConfig returns a topic's settings as the broker applies them, defaults included, by name: min.insync.replicas,
// max.message.bytes, retention.ms, cleanup.policy, and Redpanda's write.caching. What the broker hides is left out.
func (c *Client) TopicConfig(ctx context.Context, topic string) (map[string]string, error) {
	const resourceTopic = 2
	m, err := c.call(ctx, anyBroker, &describeconfigs.Request{
		Resources: []describeconfigs.RequestResource{{ResourceType: resourceTopic, ResourceName: topic}},
	})
	if err != nil {
		return nil, fmt.Errorf("settings of topic %s: %w", topic, err)
	}
	for _, r := range m.(*describeconfigs.Response).Resources {
		if r.ResourceName != topic {
			continue
		}
		if err := codeError(r.ErrorCode, r.ErrorMessage); err != nil {
			return nil, fmt.Errorf("settings of topic %s: %w", topic, err)
		}
		settings := make(map[string]string, len(r.ConfigEntries))
		for _, e := range r.ConfigEntries {
			if !e.IsSensitive {
				settings[e.ConfigName] = e.ConfigValue
			}
		}
		return settings, nil
	}
	return nil, fmt.Errorf("settings of topic %s: %w", topic, ErrNoAnswer)
}

// InitProducerID asks for a new producer id, for an idempotent producer without transactions.
func (c *Client) InitProducerID(ctx context.Context) (ProducerID, error) {
	m, err := c.call(ctx, anyBroker, &initproducerid.Request{
		TransactionTimeoutMs: int32(time.Minute.Milliseconds()),
		// -1, not zero: zero would claim an id that some brokers then refuse.
		ProducerID: -1, ProducerEpoch: -1,
	})
	if err != nil {
		return NoProducerID, fmt.Errorf("init producer id: %w", err)
	}
	res := m.(*initproducerid.Response)
	if err := codeError(res.ErrorCode, ""); err != nil {
		return NoProducerID, fmt.Errorf("init producer id: %w", err)
	}
	return ProducerID{ID: res.ProducerID, Epoch: res.ProducerEpoch}, nil
}
