package clickhouse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Config is the section "clickhouse".
type Config struct {
	// Addresses of the native protocol, host:port, tried in turn. Empty = the embedded engine, whose address is then filled in.
	Addresses []string `yaml:"addresses"`
	// Database that holds the tables. Default "millrace".
	Database string `yaml:"database"`
	// Username of the account that inserts and migrates. Default "default".
	Username string `yaml:"username"`
	// Password of the account; never printed. PasswordFile is the better place for it.
	Password Secret `yaml:"password" secret:"true"`
	// PasswordFile holds the password alone; a newline at its end is not part of it. Read when a connection is set up.
	PasswordFile string `yaml:"password_file"`
	// TLS of the connections. Default off.
	TLS TLSConfig `yaml:"tls"`
	// DialTimeout bounds TCP, TLS and handshake of a new connection. Default 5s.
	DialTimeout time.Duration `yaml:"dial_timeout"`
	// Library is the path of libchdb for the embedded engine. Default empty = where `make deps` puts it.
	Library string `yaml:"library"`
	// Binary is the path of a clickhouse program for the embedded engine. Default empty = the one on PATH, else Library.
	Binary string `yaml:"binary"`
	// EmbeddedMaxMemoryBytes is what the embedded engine may use, in bytes. Default 4 GiB.
	EmbeddedMaxMemoryBytes int64 `yaml:"embedded_max_memory_bytes"`
}

// TLSConfig is the section "clickhouse.tls". Certificates are always verified; TLS 1.2 is the least.
type TLSConfig struct {
	// Enabled turns TLS on. Default false.
	Enabled bool `yaml:"enabled"`
	// CAFile is a PEM file of the authorities to trust. Default empty = those of the system.
	CAFile string `yaml:"ca_file"`
	// ServerName is the name to verify. Default empty = the host of each address.
	ServerName string `yaml:"server_name"`
}

// Secret is a string that no printing, logging or encoding shows.
type Secret string

// String returns stars, or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for JSON and other encoders of text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// DefaultConfig returns the defaults. Addresses is empty and must be filled in before Open.
func DefaultConfig() Config {
	return Config{Database: "millrace", Username: "default", DialTimeout: 5 * time.Second, EmbeddedMaxMemoryBytes: 4 << 30}
}

// identifier is what a database may be called without quotes anywhere.
var identifier = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,62}$`)

// leastEngineBytes is what ClickHouse needs for inserts and merges of full blocks.
const leastEngineBytes = 512 << 20

// Validate reports every problem of the section at once, each beginning with the full key. It touches neither files nor network. Empty
// Addresses are valid: they mean the embedded engine.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("clickhouse."+format, args...))
		}
	}
	for i, a := range c.Addresses {
		host, port, err := net.SplitHostPort(a)
		n, portErr := strconv.ParseUint(port, 10, 16)
		check(err == nil && portErr == nil && host != "" && n > 0, "addresses[%d]: %q is not host:port of the native protocol, e.g. clickhouse-0:9000", i, a)
	}
	check(identifier.MatchString(c.Database), "database: %q must be letters, digits and _ only, 63 at most; the default is millrace", c.Database)
	check(c.Username != "", "username: is empty; the default is \"default\"")
	check(c.Password == "" || c.PasswordFile == "", "password_file: is set beside clickhouse.password: keep one of them")
	check(c.DialTimeout > 0 && c.DialTimeout <= time.Minute, "dial_timeout: %v is not within 0 and 1m; the default is 5s", c.DialTimeout)
	check(c.Library == "" || c.Binary == "", "binary: is set beside clickhouse.library: keep one of them")
	check(c.EmbeddedMaxMemoryBytes >= leastEngineBytes, "embedded_max_memory_bytes: %d is below 512 MiB, which inserts and merges need; the default is 4GiB", c.EmbeddedMaxMemoryBytes)
	check(c.TLS.Enabled || (c.TLS.CAFile == "" && c.TLS.ServerName == ""), "tls.enabled: is false although other keys of clickhouse.tls are set: set it to true or remove them")
	return errors.Join(errs...)
}

// ReadPassword returns the password, from its file if it has one.
func (c Config) ReadPassword() (string, error) {
	if c.PasswordFile == "" {
		return string(c.Password), nil
	}
	text, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("clickhouse.password_file: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// Config returns the configuration for crypto/tls, nil when TLS is off.
func (t TLSConfig) Config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("clickhouse.tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("clickhouse.tls.ca_file: %s holds no certificate in PEM form", t.CAFile)
		}
	}
	return c, nil
}
