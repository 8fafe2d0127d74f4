package clickhouse

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigReportsEveryProblem(t *testing.T) {
	cfg := Config{
		Addresses: []string{"good:9000", "bad", ":9000", "h:0"}, Database: "a-b; DROP", Password: "p", PasswordFile: "f", DialTimeout: -1,
		Library: "l", Binary: "b", EmbeddedMaxMemoryBytes: 1, TLS: TLSConfig{CAFile: "ca"},
	}
	err := cfg.Validate()
	mustContain(t, err, "clickhouse.addresses[1]:", "clickhouse.addresses[2]:", "clickhouse.addresses[3]:", "clickhouse.database:", "clickhouse.username:",
		"clickhouse.password_file:", "clickhouse.dial_timeout:", "clickhouse.binary:", "clickhouse.embedded_max_memory_bytes:", "clickhouse.tls.enabled:")
	if strings.Contains(err.Error(), "addresses[0]") {
		t.Errorf("a good address is refused: %v", err)
	}
}

func TestPasswordIsNeverPrinted(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Password = "hunter2"
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "password", cfg.Password, "config", cfg)
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v %#v %s %q", cfg, cfg, cfg.Password, cfg.Password), logged.String(), string(encoded)} {
		if strings.Contains(s, "hunter2") {
			t.Errorf("printed: %s", s)
		}
	}
	if got, err := cfg.ReadPassword(); err != nil || got != "hunter2" {
		t.Errorf("ReadPassword: %q, %v", got, err)
	}
}

func TestPasswordFile(t *testing.T) {
	cfg := DefaultConfig()
	cfg.PasswordFile = filepath.Join(t.TempDir(), "password")
	_, err := cfg.ReadPassword()
	mustContain(t, err, "clickhouse.password_file")
	if err := os.WriteFile(cfg.PasswordFile, []byte(" p w \r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := cfg.ReadPassword(); err != nil || got != " p w " {
		t.Errorf("got %q, %v: only the end of the line is not part of it", got, err)
	}
}

func TestTLSNeedsACertificate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := TLSConfig{Enabled: true, CAFile: file}.Config()
	mustContain(t, err, "clickhouse.tls.ca_file", file)
	_, err = TLSConfig{Enabled: true, CAFile: file + ".none"}.Config()
	mustContain(t, err, "clickhouse.tls.ca_file")
	if c, err := (TLSConfig{}).Config(); c != nil || err != nil {
		t.Errorf("off: %v, %v", c, err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	_, err = Open(within(t), cfg)
	mustContain(t, err, "clickhouse.addresses")
	cfg.Addresses = []string{address}
	_, err = Open(within(t), cfg)
	mustContain(t, err, address, "refused", "clickhouse.addresses")
}
