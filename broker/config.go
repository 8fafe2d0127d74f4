package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

// Config is the section "broker".
type Config struct {
	// Addresses are the bootstrap brokers, host:port. Empty = the embedded broker, whose address is then filled in.
	Addresses []string `yaml:"addresses"`
	// ClientID names this program in the broker's logs and quotas. Default "millrace".
	ClientID string `yaml:"client_id"`
	// TLS of the connections to the brokers. Default off.
	TLS TLSConfig `yaml:"tls"`
	// SASL authentication. Default none.
	SASL SASLConfig `yaml:"sasl"`
	// Topic holds the events. Default "events".
	Topic string `yaml:"topic"`
	// QuarantineTopic holds what was refused. Default "quarantine".
	QuarantineTopic string `yaml:"quarantine_topic"`
	// Partitions of a topic that Millrace creates. Default 0 = 4 with the embedded broker, else 12.
	Partitions int `yaml:"partitions"`
	// Replication of a topic that Millrace creates. Default 0 = 1 with the embedded broker, else 3.
	Replication int `yaml:"replication"`
	// AckTimeout is how long a produce may stay unanswered before its requests are told to retry. Default 2s.
	AckTimeout time.Duration `yaml:"ack_timeout"`
	// DialTimeout bounds TCP, TLS and SASL of a new connection together. Default 3s.
	DialTimeout time.Duration `yaml:"dial_timeout"`
	// RequestTimeout bounds every other request, a fetch's wait apart. Default 10s.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	// AllowRelaxedDurability lets Millrace run on a topic whose settings can lose acknowledged events. Default false.
	AllowRelaxedDurability bool `yaml:"allow_relaxed_durability"`
	// RetentionCheckInterval is how often a gateway compares what the sinks have not loaded yet with the topics' retention.ms and retention.bytes; not
	// with the embedded broker, which keeps what is unread. 0 = never. Default 10s.
	RetentionCheckInterval time.Duration `yaml:"retention_check_interval"`
	// RetentionRefuseRatio is the share of the retention that unread events may use up before new ones are refused; they are taken again at 0.1 below it.
	// Default 0.9.
	RetentionRefuseRatio float64 `yaml:"retention_refuse_ratio"`
	// EmbeddedMaxBytes is the size of the embedded broker's log at which new events are refused, in bytes. Default 1 GiB.
	EmbeddedMaxBytes int64 `yaml:"embedded_max_bytes"`
	// EmbeddedMinFreeBytes is how much of the disk under the embedded broker must stay free; below it new events are refused. Default 256 MiB.
	EmbeddedMinFreeBytes int64 `yaml:"embedded_min_free_bytes"`
	// EmbeddedKeepRecords is how many consumed records per partition the embedded broker keeps. Default 100,000, never 0.
	EmbeddedKeepRecords int64 `yaml:"embedded_keep_records"`
}

// TLSConfig is the section "broker.tls". Certificates are always verified; TLS 1.2 is the least.
type TLSConfig struct {
	// Enabled turns TLS on. Default false.
	Enabled bool `yaml:"enabled"`
	// CAFile is a PEM file of the authorities to trust. Default empty = those of the system.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile are this client's certificate, PEM, both or none. Read again for each new connection.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ServerName is the name to verify. Default empty = the host of each address.
	ServerName string `yaml:"server_name"`
}

// SASLConfig is the section "broker.sasl".
type SASLConfig struct {
	// Mechanism is empty (none), plain, scram-sha-256 or scram-sha-512. Default empty.
	Mechanism string `yaml:"mechanism"`
	// Username of the account.
	Username string `yaml:"username"`
	// Password of the account; never printed. PasswordFile is the better place for it.
	Password Secret `yaml:"password"`
	// PasswordFile holds the password alone; a newline at its end is not part of it. Read when the client is made.
	PasswordFile string `yaml:"password_file"`
}

// Mechanisms of SASL.
const (
	SASLNone        = ""
	SASLPlain       = "plain"
	SASLScramSHA256 = "scram-sha-256"
	SASLScramSHA512 = "scram-sha-512"
)

// Secret is a string that no printing, logging or encoding shows.
type Secret string

const redacted = "***"

// String returns stars, or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for JSON and other encoders of text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML is String, for YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// DefaultConfig returns the defaults. Addresses is empty and must be filled in before New.
func DefaultConfig() Config {
	return Config{
		ClientID:        "millrace",
		Topic:           "events",
		QuarantineTopic: "quarantine",
		AckTimeout:      2 * time.Second,
		DialTimeout:     3 * time.Second,
		RequestTimeout:  10 * time.Second,

		RetentionCheckInterval: 10 * time.Second,
		RetentionRefuseRatio:   0.9,

		EmbeddedMaxBytes:     1 << 30,
		EmbeddedMinFreeBytes: 256 << 20,
		EmbeddedKeepRecords:  100_000,
	}
}

// Validate reports every problem of the section at once, each beginning with the full key. It touches neither files nor
// network. Empty Addresses are valid: they mean the embedded broker.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("broker.%s: "+format, append([]any{key}, args...)...))
	}
	for i, a := range c.Addresses {
		if err := checkAddress(a); err != nil {
			bad(fmt.Sprintf("addresses[%d]", i), "%q is not host:port (%v), e.g. redpanda-0:9092", a, err)
		}
	}
	if c.ClientID == "" {
		bad("client_id", "is empty; the default is millrace")
	}
	for _, t := range []struct{ key, name string }{{"topic", c.Topic}, {"quarantine_topic", c.QuarantineTopic}} {
		if err := checkTopic(t.name); err != nil {
			bad(t.key, "%q is not a topic name: %v", t.name, err)
		}
	}
	if c.Topic == c.QuarantineTopic && c.Topic != "" {
		bad("quarantine_topic", "%q is also broker.topic; refused events need a topic of their own", c.QuarantineTopic)
	}
	if c.Partitions < 0 || c.Partitions > 10_000 {
		bad("partitions", "%d is not within 0 (choose for me) and 10000", c.Partitions)
	}
	if c.Replication < 0 || c.Replication > 100 {
		bad("replication", "%d is not within 0 (choose for me) and 100", c.Replication)
	}
	for _, d := range []struct {
		key      string
		value    time.Duration
		min, max time.Duration
	}{
		{"ack_timeout", c.AckTimeout, 100 * time.Millisecond, time.Minute},
		{"dial_timeout", c.DialTimeout, 100 * time.Millisecond, time.Minute},
		{"request_timeout", c.RequestTimeout, time.Second, 5 * time.Minute},
	} {
		if d.value < d.min || d.value > d.max {
			bad(d.key, "%v is not within %v and %v", d.value, d.min, d.max)
		}
	}
	if c.RetentionCheckInterval != 0 && (c.RetentionCheckInterval < time.Second || c.RetentionCheckInterval > 10*time.Minute) {
		bad("retention_check_interval", "%v is not within 1s and 10m0s, nor 0 (never)", c.RetentionCheckInterval)
	}
	if r := c.RetentionRefuseRatio; math.IsNaN(r) || r < 0.2 || r > 1 {
		bad("retention_refuse_ratio", "%v is not within 0.2 and 1; the default is 0.9", r)
	}
	if c.EmbeddedMaxBytes < 64<<20 {
		bad("embedded_max_bytes", "%d is below 64 MiB, two segments of the embedded broker", c.EmbeddedMaxBytes)
	}
	if c.EmbeddedMinFreeBytes < 0 {
		bad("embedded_min_free_bytes", "%d is negative; 0 turns the check off", c.EmbeddedMinFreeBytes)
	}
	if c.EmbeddedKeepRecords < 1 {
		bad("embedded_keep_records", "%d is below 1: the last records of a partition carry its offsets over a restart", c.EmbeddedKeepRecords)
	}
	errs = append(errs, c.TLS.validate()...)
	errs = append(errs, c.SASL.validate()...)
	return errors.Join(errs...)
}

func (t TLSConfig) validate() []error {
	var errs []error
	if !t.Enabled {
		if t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" || t.ServerName != "" {
			errs = append(errs, errors.New("broker.tls.enabled: is false, but other keys of broker.tls are set; set it to true or remove them"))
		}
		return errs
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, errors.New("broker.tls.cert_file: cert_file and key_file must be set together"))
	}
	return errs
}

func (s SASLConfig) validate() []error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("broker.sasl.%s: "+format, append([]any{key}, args...)...))
	}
	switch s.Mechanism {
	case SASLNone:
		if s.Username != "" || s.Password != "" || s.PasswordFile != "" {
			bad("mechanism", "is empty, but a username or password is set; use plain, scram-sha-256 or scram-sha-512")
		}
		return errs
	case SASLPlain, SASLScramSHA256, SASLScramSHA512:
	default:
		bad("mechanism", "%q is not one of plain, scram-sha-256, scram-sha-512", s.Mechanism)
	}
	if s.Username == "" {
		bad("username", "is empty; %s needs one", s.Mechanism)
	}
	switch {
	case s.Password == "" && s.PasswordFile == "":
		bad("password_file", "neither password nor password_file is set")
	case s.Password != "" && s.PasswordFile != "":
		bad("password_file", "password is set too; keep one of them")
	}
	return errs
}

func checkAddress(a string) error {
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		var addrErr *net.AddrError
		if errors.As(err, &addrErr) {
			return errors.New(addrErr.Err)
		}
		return err
	}
	if host == "" {
		return errors.New("no host")
	}
	if strings.Contains(a, ",") {
		return errors.New("one address per entry")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("port is not within 1 and 65535")
	}
	return nil
}

// checkTopic applies Kafka's rules for names.
func checkTopic(name string) error {
	switch {
	case name == "":
		return errors.New("it is empty")
	case len(name) > 249:
		return fmt.Errorf("%d bytes, 249 at most", len(name))
	case name == "." || name == "..":
		return errors.New("reserved")
	}
	for _, r := range name {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			continue
		}
		return fmt.Errorf("%q is not a letter, digit, dot, underscore or hyphen", r)
	}
	return nil
}
