package broker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/millrace/millrace/cmd/internal/embedded"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ChildMain is the whole life of the child process: it runs the broker until the parent ends it, and reports its address
// under the name "broker".
func ChildMain(cfg Config, life *embedded.Life, log *slog.Logger) error {
	syscall.Umask(0o077) // kfake creates its files for everybody
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-life.Done()
		cancel()
	}()
	return Run(ctx, cfg, log, func(addr string) error {
		return life.Ready(map[string]string{"broker": addr})
	})
}

// Run opens the log, calls ready with the broker's address once it can be used, and serves and trims until ctx ends. It
// then saves what makes the next start fast and returns nil. ErrLogLost and datadir.ErrLocked are among its errors.
func Run(ctx context.Context, cfg Config, log *slog.Logger, ready func(addr string) error) error {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	lock, err := datadir.Acquire(ctx, filepath.Join(cfg.Dir, "LOCK"), cfg.LockWait, log)
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	if err := errors.Join(serve(ctx, cfg, log, ready), lock.Release()); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	return nil
}

// serve is Run under the lock.
func serve(ctx context.Context, cfg Config, log *slog.Logger, ready func(addr string) error) error {
	marks, err := loadTrimmed(cfg.Dir)
	if err != nil {
		return err
	}
	if err := dropProducerState(cfg.Dir); err != nil {
		return err
	}
	cluster, listener, err := open(cfg, log)
	if err != nil {
		return err
	}
	defer cluster.Close()
	if err := marks.check(cluster); err != nil {
		return err
	}
	if err := createTopics(cfg, cluster, log); err != nil {
		return err
	}
	listener.open()
	addr := listener.Addr().String()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ClientID("millrace-trim"))
	if err != nil {
		return fmt.Errorf("client for trimming: %w", err)
	}
	defer client.Close()
	if err := alterTopics(ctx, cfg, cluster, client); err != nil {
		return err
	}
	if err := ready(addr); err != nil {
		return err
	}
	log.Info("broker is ready", "address", addr, "topics", cfg.Topics, "partitions", cfg.Partitions, "dir", cfg.Dir)

	var wg sync.WaitGroup
	defer wg.Wait()
	t := &trimmer{cfg: cfg, cluster: cluster, client: client, trimmed: marks, log: log}
	wg.Go(func() { t.run(ctx) })
	<-ctx.Done()
	return nil
}

// dropProducerState deletes what kfake saves of producers and sessions at a clean stop. After a later kill it would be out
// of date, and kfake would refuse the next batches of those producers for ever.
func dropProducerState(dir string) error {
	for _, name := range []string{"session_state.json", "seq_windows.json"} {
		if err := os.Remove(filepath.Join(dir, logDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("drop producer state: %w", err)
		}
	}
	return nil
}

// open loads the log and binds the port, which nobody is accepted at yet.
func open(cfg Config, log *slog.Logger) (*kfake.Cluster, *gatedListener, error) {
	id, err := newClusterID()
	if err != nil {
		return nil, nil, err
	}
	var listener *gatedListener
	cluster, err := kfake.NewCluster(
		kfake.Ports(cfg.Port), // one broker
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			l, err := listen(network, address)
			if err != nil {
				return nil, err
			}
			listener = l
			return l, nil
		}),
		kfake.ClusterID(id), // of a new log: an existing one keeps its own
		kfake.DataDir(filepath.Join(cfg.Dir, logDir)),
		kfake.SyncWrites(),
		kfake.DefaultNumPartitions(cfg.Partitions),
		kfake.BrokerConfigs(map[string]string{
			"message.max.bytes": strconv.Itoa(cfg.MaxMessageBytes),
			"log.segment.bytes": strconv.FormatInt(cfg.segmentBytes(), 10),
			// The log is trimmed by this package alone.
			"log.retention.ms":    "-1",
			"log.retention.bytes": "-1",
			// Offsets of a group without members would be forgotten after a week, and be read from the beginning again.
			"offsets.retention.minutes": "2147483647",
		}),
		kfake.WithLogger(logger{log}),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("open the log: %w", err)
	}
	return cluster, listener, nil
}

// newClusterID is random: each log must be told from the one that was there before it.
func newClusterID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make a cluster id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// topicConfig is said for each topic although the broker has the same, because clients ask for the topics' settings.
func topicConfig(cfg Config) map[string]string {
	return map[string]string{
		"max.message.bytes": strconv.Itoa(cfg.MaxMessageBytes),
		"segment.bytes":     strconv.FormatInt(cfg.segmentBytes(), 10),
		"retention.ms":      "-1",
		"retention.bytes":   "-1",
	}
}

func createTopics(cfg Config, cluster *kfake.Cluster, log *slog.Logger) error {
	for _, topic := range cfg.Topics {
		if cluster.TopicInfo(topic) == nil {
			if err := cluster.CreateTopic(topic, int32(cfg.Partitions), topicConfig(cfg)); err != nil {
				return fmt.Errorf("create topic %s: %w", topic, err)
			}
			continue
		}
		if n := len(cluster.PartitionInfos(topic)); n != cfg.Partitions {
			log.Warn("a topic has another number of partitions than configured; it keeps them", "topic", topic, "partitions", n, "configured", cfg.Partitions)
		}
	}
	return nil
}

// alterTopics brings the settings of topics from an earlier start up to date.
func alterTopics(ctx context.Context, cfg Config, cluster *kfake.Cluster, client *kgo.Client) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	for _, topic := range cfg.Topics {
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		has := cluster.TopicInfo(topic).Configs
		for name, value := range topicConfig(cfg) {
			if v := has[name]; v != nil && *v == value {
				continue
			}
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			c.Name, c.Value, c.Op = name, kmsg.StringPtr(value), kmsg.IncrementalAlterConfigOpSet
			r.Configs = append(r.Configs, c)
		}
		if len(r.Configs) > 0 {
			req.Resources = append(req.Resources, r)
		}
	}
	if len(req.Resources) == 0 {
		return nil
	}
	res, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("set topic settings: %w", err)
	}
	for _, r := range res.Resources {
		if r.ErrorCode != 0 {
			return fmt.Errorf("set settings of topic %s: code %d", r.ResourceName, r.ErrorCode)
		}
	}
	return nil
}

// logger passes kfake's log on. Its informational lines are about single requests.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error(fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn(fmt.Sprintf(format, args...))
	case kfake.LogLevelInfo:
		l.log.Debug(fmt.Sprintf(format, args...))
	}
}
