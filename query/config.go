package query

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Config is the section "query".
type Config struct {
	// Listen is the address of the HTTP listener, host:port. Default 127.0.0.1:7082.
	Listen string `yaml:"listen"`
	// HTTPAddresses of ClickHouse's HTTP interface, host:port, tried in turn. Default empty = the embedded engine; required when clickhouse.addresses is set.
	HTTPAddresses []string `yaml:"http_addresses"`
	// SecretFile holds the secret that the passwords of the projects' ClickHouse users are made from; the same on every machine. Default empty = the file sql-secret
	// in the data directory, made at the first start.
	SecretFile string `yaml:"secret_file"`
	// Timeout is how long a query may run; a request can ask for less. Default 30s.
	Timeout time.Duration `yaml:"timeout"`
	// MaxResultRows is the largest number of rows in a result. Default 100,000.
	MaxResultRows int64 `yaml:"max_result_rows"`
	// MaxResultBytes is the largest result, in bytes as ClickHouse holds it in memory. Default 64 MiB.
	MaxResultBytes int64 `yaml:"max_result_bytes"`
	// MaxRowsToRead is how many rows a query may read from tables. Default 1,000,000,000.
	MaxRowsToRead int64 `yaml:"max_rows_to_read"`
	// MaxMemoryBytes is what one query may use of ClickHouse's memory, in bytes. Default 1 GiB.
	MaxMemoryBytes int64 `yaml:"max_memory_bytes"`
	// MaxConcurrent is the number of queries at once; as many requests for segments and erasures are answered beside them. Default 8.
	MaxConcurrent int `yaml:"max_concurrent"`
	// MaxConcurrentPerProject is the number of queries at once of one project, and of such requests. Default 4.
	MaxConcurrentPerProject int `yaml:"max_concurrent_per_project"`
	// MaxBodyBytes is the largest request body, in bytes. Default 1 MiB.
	MaxBodyBytes int64 `yaml:"max_body_bytes"`
	// HeaderTimeout bounds the reading of a request's header. Default 5s.
	HeaderTimeout time.Duration `yaml:"header_timeout"`
	// BodyTimeout bounds the reading of a request, header and body. Default 15s.
	BodyTimeout time.Duration `yaml:"body_timeout"`
	// WriteTimeout is how long an answer may make no progress, on the way from ClickHouse or to the client, which must also take in 64 KiB a second in the long run. Default 30s.
	WriteTimeout time.Duration `yaml:"write_timeout"`
	// IdleTimeout is how long a connection may wait for its next request. Default 75s.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// MaxHeaderBytes is the largest request line and header together, in bytes. Default 16 KiB.
	MaxHeaderBytes int64 `yaml:"max_header_bytes"`
	// MaxConnections is the number of connections open at once. Default 512.
	MaxConnections int `yaml:"max_connections"`
	// DrainTimeout is how long a stop waits for queries that run. Default 5s.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Listen:                  "127.0.0.1:7082",
		Timeout:                 30 * time.Second,
		MaxResultRows:           100_000,
		MaxResultBytes:          64 << 20,
		MaxRowsToRead:           1_000_000_000,
		MaxMemoryBytes:          1 << 30,
		MaxConcurrent:           8,
		MaxConcurrentPerProject: 4,
		MaxBodyBytes:            1 << 20,
		HeaderTimeout:           5 * time.Second,
		BodyTimeout:             15 * time.Second,
		WriteTimeout:            30 * time.Second,
		IdleTimeout:             75 * time.Second,
		MaxHeaderBytes:          16 << 10,
		MaxConnections:          512,
		DrainTimeout:            5 * time.Second,
	}
}

// Validate reports every problem of the section at once, each beginning with the full key.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("query.%s: "+format, append([]any{key}, args...)...))
		}
	}
	_, _, err := net.SplitHostPort(c.Listen)
	check(err == nil, "listen", "%q is not host:port (%v), e.g. 127.0.0.1:7082, or :7082 for every interface", c.Listen, err)
	for i, a := range c.HTTPAddresses {
		host, port, err := net.SplitHostPort(a)
		n, portErr := strconv.ParseUint(port, 10, 16)
		check(err == nil && portErr == nil && host != "" && n > 0, fmt.Sprintf("http_addresses[%d]", i), "%q is not host:port of ClickHouse's HTTP interface, e.g. clickhouse-0:8123", a)
	}
	check(c.Timeout >= 100*time.Millisecond && c.Timeout <= time.Hour, "timeout", "%v is not between 100ms and 1h", c.Timeout)
	check(c.MaxBodyBytes >= 1<<10 && c.MaxBodyBytes <= 16<<20, "max_body_bytes", "%d is not between 1 KiB and 16 MiB", c.MaxBodyBytes)
	check(c.MaxHeaderBytes >= 1<<10 && c.MaxHeaderBytes <= 1<<20, "max_header_bytes", "%d is not between 1 KiB and 1 MiB", c.MaxHeaderBytes)
	check(c.MaxMemoryBytes >= 16<<20, "max_memory_bytes", "%d is below 16 MiB, which the smallest query needs", c.MaxMemoryBytes)
	check(c.MaxResultBytes >= 64<<10, "max_result_bytes", "%d is below 64 KiB", c.MaxResultBytes)
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"header_timeout", c.HeaderTimeout},
		{"body_timeout", c.BodyTimeout},
		{"write_timeout", c.WriteTimeout},
		{"idle_timeout", c.IdleTimeout},
		{"drain_timeout", c.DrainTimeout},
	} {
		check(d.value > 0, d.key, "%v: must be positive; there is no unlimited", d.value)
	}
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"max_result_rows", c.MaxResultRows},
		{"max_rows_to_read", c.MaxRowsToRead},
		{"max_concurrent", int64(c.MaxConcurrent)},
		{"max_concurrent_per_project", int64(c.MaxConcurrentPerProject)},
		{"max_connections", int64(c.MaxConnections)},
	} {
		check(n.value >= 1, n.key, "%d: must be positive; there is no unlimited", n.value)
	}
	check(c.MaxConcurrentPerProject <= c.MaxConcurrent || c.MaxConcurrent < 1, "max_concurrent_per_project", "%d is more than query.max_concurrent (%d)", c.MaxConcurrentPerProject, c.MaxConcurrent)
	return errors.Join(errs...)
}
