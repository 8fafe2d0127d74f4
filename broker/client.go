package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
)

// Client talks to one cluster. It is safe for concurrent use. Requests to one broker that overlap use connections of their
// own; the caller keeps the order of what must be in order.
type Client struct {
	cfg       Config
	addr      net.Addr
	transport *kafka.Transport
	tls       *tls.Config
	sasl      sasl.Mechanism
	cancel    context.CancelFunc // ends the transport's background work

	correlation atomic.Int32
	buffers     bufferList
	refresh     refresher
}

// New makes a client. It opens no connection: see Probe. Addresses must not be empty.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(cfg.Addresses) == 0 {
		return nil, errors.New("broker.addresses: is empty")
	}
	tlsConfig, err := cfg.TLS.tlsConfig()
	if err != nil {
		return nil, err
	}
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{
		cfg:       cfg,
		addr:      kafka.TCP(cfg.Addresses...),
		transport: newTransport(cfg, tlsConfig, mechanism),
		tls:       tlsConfig,
		sasl:      mechanism,
		cancel:    cancel,
	}
	c.transport.Context = ctx
	return c, nil
}

// Close closes all idle connections and lets those in use close when their request ends. Requests made after it fail.
// Groups must be closed before.
func (c *Client) Close() {
	c.cancel()
	c.transport.CloseIdleConnections()
}

// RefreshRoutes makes the next request find out anew which broker is where: it closes idle connections, so the layout is
// asked for again. It returns at once. Calls that follow each other closely are one, with a growing distance, so it may be
// called for each failed partition.
func (c *Client) RefreshRoutes() {
	if c.refresh.due(time.Now()) {
		c.transport.CloseIdleConnections()
	}
}

const (
	minRefresh = 20 * time.Millisecond
	maxRefresh = 2 * time.Second
)

// refresher spaces refreshes out: the distance doubles while they are asked for all the time, and starts anew after a calm
// of twice the greatest distance.
type refresher struct {
	mu   sync.Mutex
	last time.Time
	gap  time.Duration
}

func (r *refresher) due(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := now.Sub(r.last)
	switch {
	case r.gap == 0 || since >= 2*maxRefresh:
		r.gap = minRefresh
	case since < r.gap:
		return false
	default:
		r.gap = min(2*r.gap, maxRefresh)
	}
	r.last = now
	return true
}
