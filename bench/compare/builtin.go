package compare

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/millrace/millrace/bench/naive"
)

const (
	eventsTopic = "events" // millrace's default
	benchKey    = "bench"  // the gateway's development key
)

// stage is where built-in targets play.
type stage struct {
	self       string
	dir        string // for what a target keeps in files
	broker     string // host:port, empty when there is none
	clusterID  string
	partitions int
	args       []string // more options for the gateway
}

// set fills in the command of a built-in target, and the broker's address in that of any other.
func (s *stage) set(t Target) (Target, error) {
	if !t.builtIn() {
		command := make([]string, len(t.Command))
		for i, word := range t.Command {
			command[i] = strings.ReplaceAll(word, brokerMark, s.broker)
		}
		t.Command = command
		return t, nil
	}
	switch t.Name {
	case Gateway:
		return s.gateway(t)
	case Null:
		t.Command = []string{s.self, "bench", "peer", "null", "--listen", "127.0.0.1:0"}
	case Naive:
		t.Command = []string{s.self, "bench", "peer", "naive", "--listen", "127.0.0.1:0", "--broker", s.broker}
		t.Topic = naive.DefaultTopic
	}
	return t, nil
}

// gateway is the product with its defaults, but without ClickHouse, which a gateway only asks how many partitions were pinned at the first start; it takes that
// from a file in its data directory when ClickHouse is away.
func (s *stage) gateway(t Target) (Target, error) {
	dir := filepath.Join(s.dir, t.Name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return t, err
	}
	type pin struct {
		Log        int `json:"log"`
		Partitions int `json:"partitions"`
	}
	pins, err := json.Marshal(struct {
		ClusterID  string `json:"cluster_id"`
		Events     pin    `json:"events"`
		Quarantine pin    `json:"quarantine"`
	}{s.clusterID, pin{1, s.partitions}, pin{2, s.partitions}})
	if err != nil {
		return t, err
	}
	if err := os.WriteFile(filepath.Join(dir, "pins.json"), pins, 0o600); err != nil {
		return t, err
	}
	address, err := freeAddress()
	if err != nil {
		return t, err
	}
	t.Command = append([]string{
		s.self, "serve", "--role", "ingest", "--profile", "dev", "--data", dir, "--ingest.listen", address, "--admin.listen", "127.0.0.1:0",
		"--broker.addresses", s.broker, "--broker.topic", eventsTopic, "--broker.partitions", strconv.Itoa(s.partitions),
		"--broker.allow-relaxed-durability=true", // the broker is honest about what it keeps
		"--clickhouse.addresses", "127.0.0.1:1",  // nobody is there
		"--log.level", "warn",
	}, s.args...)
	t.Env = append(t.Env, "MILLRACE_DEV_KEY="+benchKey)
	t.URL, t.ReadyURL = "http://"+address, "http://"+address+"/readyz"
	t.Key, t.Topic, t.Answers = benchKey, eventsTopic, true
	return t, nil
}

// freeAddress is a port of loopback that was free a moment ago.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return ln.Addr().String(), ln.Close()
}

// cleanEnv is this process's environment without the settings of millrace, which would change what is compared.
func cleanEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MILLRACE_") {
			env = append(env, v)
		}
	}
	return env
}
