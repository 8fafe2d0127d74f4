package broker

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func TestDefaultsAreValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	if _, err := New(DefaultConfig()); err == nil {
		t.Error("a client without addresses was made")
	}
}

func TestValidateReportsEverything(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Addresses = []string{"localhost", "a:1,b:2", "host:0", ":9092", "ok:9092", "[::1]:9092", "x:99999"}
	cfg.ClientID = ""
	cfg.Topic, cfg.QuarantineTopic = "a b", ""
	cfg.Partitions, cfg.Replication = -1, 101
	cfg.AckTimeout, cfg.DialTimeout, cfg.RequestTimeout = 0, time.Hour, -1
	cfg.RetentionCheckInterval, cfg.RetentionRefuseRatio = time.Millisecond, math.NaN()
	cfg.EmbeddedMaxBytes, cfg.EmbeddedMinFreeBytes, cfg.EmbeddedKeepRecords = 1, -1, 0
	cfg.TLS = TLSConfig{Enabled: true, CertFile: "c.pem"}
	cfg.SASL = SASLConfig{Mechanism: "gssapi", Password: "hunter2", PasswordFile: "f"}
	err := cfg.Validate()
	wantWords(t, err, "broker.addresses[0]: ", "broker.addresses[1]: ", "broker.addresses[2]: ", "broker.addresses[3]: ", "broker.addresses[6]: ",
		"broker.client_id: ", "broker.topic: ", "broker.quarantine_topic: ", "broker.partitions: -1", "broker.replication: 101",
		"broker.ack_timeout: 0s", "broker.dial_timeout: 1h", "broker.request_timeout: -1ns", "broker.retention_check_interval: 1ms", "broker.retention_refuse_ratio: NaN", "broker.embedded_max_bytes: 1 ", "broker.embedded_min_free_bytes: -1", "broker.embedded_keep_records: 0",
		"broker.tls.cert_file: ", "broker.sasl.mechanism: \"gssapi\"", "broker.sasl.username: ", "broker.sasl.password_file: ")
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "addresses[4]") || strings.Contains(err.Error(), "addresses[5]") {
		t.Errorf("too much is said: %v", err)
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		if !strings.HasPrefix(line, "broker.") {
			t.Errorf("a problem does not begin with its key: %s", line)
		}
	}
	cfg = DefaultConfig()
	cfg.QuarantineTopic = cfg.Topic
	cfg.TLS.CAFile = "ca.pem"
	cfg.SASL.Username = "u"
	wantWords(t, cfg.Validate(), "broker.quarantine_topic: ", "broker.tls.enabled: ", "broker.sasl.mechanism: ")
	cfg = DefaultConfig()
	cfg.SASL = SASLConfig{Mechanism: SASLPlain, Username: "u"}
	wantWords(t, cfg.Validate(), "broker.sasl.password_file: neither")
}

func TestSecretIsNeverPrinted(t *testing.T) {
	cfg := DefaultConfig()
	cfg.SASL.Password = "hunter2"
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("config", "config", cfg, "password", cfg.SASL.Password)
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "config", cfg, "password", cfg.SASL.Password)
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(asJSON) + string(asYAML) + fmt.Sprintf("%v %+v %#v %s %q %x", cfg, cfg, cfg, cfg.SASL, cfg.SASL.Password, cfg.SASL.Password)
	if strings.Contains(all, "hunter2") || strings.Contains(all, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("the password was printed: %s", all)
	}
	if !strings.Contains(all, redacted) {
		t.Error("nothing was redacted: the test looks at nothing")
	}
	if fmt.Sprint(Secret("")) != "" {
		t.Error("an empty secret looks set")
	}
	var back Config
	if err := yaml.Unmarshal([]byte("sasl: {mechanism: plain, username: u, password: hunter2}\nack_timeout: 3s\n"), &back); err != nil || back.SASL.Password != "hunter2" || back.AckTimeout != 3*time.Second {
		t.Errorf("%v, %v", back.AckTimeout, err)
	}
}

func TestFilesOfTheConfig(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"broker.tls.ca_file: ":     func(c *Config) { c.TLS = TLSConfig{Enabled: true, CAFile: filepath.Join(dir, "none")} },
		"holds no PEM certificate": func(c *Config) { c.TLS = TLSConfig{Enabled: true, CAFile: empty} },
		"broker.tls.cert_file: ":   func(c *Config) { c.TLS = TLSConfig{Enabled: true, CertFile: empty, KeyFile: empty} },
		"broker.sasl.password_file: ": func(c *Config) {
			c.SASL = SASLConfig{Mechanism: SASLPlain, Username: "u", PasswordFile: filepath.Join(dir, "none")}
		},
		"broker.sasl.password_file: " + empty + " is empty": func(c *Config) { c.SASL = SASLConfig{Mechanism: SASLPlain, Username: "u", PasswordFile: empty} },
	} {
		cfg := testConfig("127.0.0.1:9092")
		change(&cfg)
		_, err := New(cfg)
		wantWords(t, err, name)
	}
}

// Refreshes that are asked for all the time grow apart, up to maxRefresh, and start anew after a calm.
func TestRefresherSpacesOut(t *testing.T) {
	var r refresher
	var at []time.Duration
	start := time.Now()
	for d := time.Duration(0); d < 20*time.Second; d += time.Millisecond {
		if r.due(start.Add(d)) {
			at = append(at, d)
		}
	}
	if at[0] != 0 || at[1] != minRefresh || at[2] != 3*minRefresh {
		t.Errorf("refreshed at %v", at)
	}
	for i := 1; i < len(at); i++ {
		if gap := at[i] - at[i-1]; gap > maxRefresh {
			t.Errorf("a gap of %v", gap)
		}
	}
	if len(at) > 20 {
		t.Errorf("%d refreshes in 20 s", len(at))
	}
	if !r.due(start.Add(20*time.Second+2*maxRefresh)) || r.gap != minRefresh {
		t.Errorf("after a calm the gap is %v", r.gap)
	}
}
