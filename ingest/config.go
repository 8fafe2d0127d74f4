package ingest

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Config is the section "ingest".
type Config struct {
	// Listen is the address of the HTTP listener, host:port. Default 127.0.0.1:7080; :7080 with small and prod.
	Listen string `yaml:"listen"`
	// MaxBodyBytes is the largest body as sent, in bytes. Default 20 MiB.
	MaxBodyBytes int64 `yaml:"max_body_bytes"`
	// MaxDecompressedBytes is the largest body after decompression, in bytes. Default 32 MiB.
	MaxDecompressedBytes int64 `yaml:"max_decompressed_bytes"`
	// MaxRatio is how many times larger than as sent a body may become, beyond its first 64 KiB. Default 100.
	MaxRatio int64 `yaml:"max_ratio"`
	// MaxEvents is the largest number of events in one request. Default 10,000.
	MaxEvents int `yaml:"max_events"`
	// HeaderTimeout bounds the reading of a request's header. Default 5s.
	HeaderTimeout time.Duration `yaml:"header_timeout"`
	// BodyTimeout bounds the reading of a body, together with MinBodyBytesPerSecond: each second's worth of bytes at that rate adds a second. Default 15s.
	BodyTimeout time.Duration `yaml:"body_timeout"`
	// MinBodyBytesPerSecond is the rate that a large body must keep up, in bytes. Default 32 KiB.
	MinBodyBytesPerSecond int64 `yaml:"min_body_bytes_per_second"`
	// WriteTimeout bounds the writing of an answer. Default 10s.
	WriteTimeout time.Duration `yaml:"write_timeout"`
	// IdleTimeout is how long a connection may wait for its next request. Default 75s.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// MaxHeaderBytes is the largest request line and header together, in bytes. Default 16 KiB.
	MaxHeaderBytes int64 `yaml:"max_header_bytes"`
	// MaxConnections is the number of connections open at once. Default 16,384.
	MaxConnections int `yaml:"max_connections"`
	// MaxConnectionsPerIP is the number of connections open at once from one address (IPv6: one /64). Default 2,048.
	MaxConnectionsPerIP int `yaml:"max_connections_per_ip"`
	// MaxRequestsPerConnection is after how many requests a connection is closed, so that clients spread over gateways. Default 10,000.
	MaxRequestsPerConnection int `yaml:"max_requests_per_connection"`
	// MaxConcurrentRequests is the number of requests handled at once. Default 4,096.
	MaxConcurrentRequests int `yaml:"max_concurrent_requests"`
	// MaxInflightBytes bounds the bodies of all requests in flight together, as sent and decompressed, in bytes. Default 256 MiB.
	MaxInflightBytes int64 `yaml:"max_inflight_bytes"`
	// MaxUnauthenticatedBodies is the number of bodies read at once for one address before their key is known (it stands in the body). Default 64.
	MaxUnauthenticatedBodies int `yaml:"max_unauthenticated_bodies"`
	// MaxUnauthenticatedBytes bounds those bodies together, in bytes. Default 16 MiB.
	MaxUnauthenticatedBytes int64 `yaml:"max_unauthenticated_bytes"`
	// DrainTimeout is how long a stop waits for requests in flight. Default 5s.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
	// Recordings is what becomes of recordings of screens, which are no events: discard (answered as taken, and not kept) or refuse (404). Default discard.
	Recordings string `yaml:"recordings"`
}

// What becomes of recordings.
const (
	DiscardRecordings = "discard"
	RefuseRecordings  = "refuse"
)

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Listen:                   "127.0.0.1:7080",
		MaxBodyBytes:             20 << 20,
		MaxDecompressedBytes:     32 << 20,
		MaxRatio:                 100,
		MaxEvents:                10_000,
		HeaderTimeout:            5 * time.Second,
		BodyTimeout:              15 * time.Second,
		MinBodyBytesPerSecond:    32 << 10,
		WriteTimeout:             10 * time.Second,
		IdleTimeout:              75 * time.Second,
		MaxHeaderBytes:           16 << 10,
		MaxConnections:           16_384,
		MaxConnectionsPerIP:      2_048,
		MaxRequestsPerConnection: 10_000,
		MaxConcurrentRequests:    4_096,
		MaxInflightBytes:         256 << 20,
		MaxUnauthenticatedBodies: 64,
		MaxUnauthenticatedBytes:  16 << 20,
		DrainTimeout:             5 * time.Second,
		Recordings:               DiscardRecordings,
	}
}

// hardBody bounds every body: text is addressed by 31-bit offsets, and what is derived while decoding comes on top.
const hardBody = 512 << 20

// Validate reports every problem of the section at once, each beginning with the full key.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("ingest.%s: "+format, append([]any{key}, args...)...))
		}
	}
	_, _, err := net.SplitHostPort(c.Listen)
	check(err == nil, "listen", "%q is not host:port (%v), e.g. 127.0.0.1:7080, or :7080 for every interface", c.Listen, err)
	check(c.MaxBodyBytes >= 1<<10 && c.MaxBodyBytes <= hardBody, "max_body_bytes", "%d is not between 1 KiB and 512 MiB", c.MaxBodyBytes)
	check(c.MaxDecompressedBytes >= 1<<10 && c.MaxDecompressedBytes <= hardBody, "max_decompressed_bytes", "%d is not between 1 KiB and 512 MiB", c.MaxDecompressedBytes)
	check(c.MaxRatio >= 2 && c.MaxRatio <= 100_000, "max_ratio", "%d is not between 2 and 100000", c.MaxRatio)
	check(c.MaxEvents >= 1 && c.MaxEvents <= 1_000_000, "max_events", "%d is not between 1 and 1000000", c.MaxEvents)
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
	check(c.MinBodyBytesPerSecond >= 1, "min_body_bytes_per_second", "%d: must be positive; there is no unlimited", c.MinBodyBytesPerSecond)
	check(c.MaxHeaderBytes >= 1<<10 && c.MaxHeaderBytes <= 1<<20, "max_header_bytes", "%d is not between 1 KiB and 1 MiB", c.MaxHeaderBytes)
	for _, n := range []struct {
		key   string
		value int
	}{
		{"max_connections", c.MaxConnections},
		{"max_connections_per_ip", c.MaxConnectionsPerIP},
		{"max_requests_per_connection", c.MaxRequestsPerConnection},
		{"max_concurrent_requests", c.MaxConcurrentRequests},
		{"max_unauthenticated_bodies", c.MaxUnauthenticatedBodies},
	} {
		check(n.value >= 1, n.key, "%d: must be positive; there is no unlimited", n.value)
	}
	largest := c.MaxBodyBytes + c.MaxDecompressedBytes
	check(c.MaxInflightBytes >= largest, "max_inflight_bytes", "%d is less than the %d that one request may need (max_body_bytes + max_decompressed_bytes)", c.MaxInflightBytes, largest)
	check(c.Recordings == DiscardRecordings || c.Recordings == RefuseRecordings, "recordings", "%q is neither discard nor refuse", c.Recordings)
	check(c.MaxUnauthenticatedBytes >= 1<<10, "max_unauthenticated_bytes", "%d is below 1 KiB", c.MaxUnauthenticatedBytes)
	return errors.Join(errs...)
}
