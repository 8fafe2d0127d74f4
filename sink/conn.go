package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/sink/failpoint"
)

// dialer opens connections to ClickHouse, to the addresses in turn. Safe for concurrent use.
type dialer struct {
	cfg  clickhouse.Config
	tls  *tls.Config // nil: none
	opts ch.Options
	turn atomic.Uint32
	// timeout bounds one attempt to insert.
	timeout time.Duration
}

func newDialer(cfg clickhouse.Config, timeout time.Duration) (*dialer, error) {
	if len(cfg.Addresses) == 0 {
		return nil, errors.New("clickhouse.addresses: is empty")
	}
	password, err := cfg.ReadPassword()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.TLS.Config()
	if err != nil {
		return nil, err
	}
	return &dialer{cfg: cfg, tls: tlsConfig, timeout: timeout, opts: ch.Options{
		ClientName:       "millrace-sink",
		Database:         cfg.Database,
		User:             cfg.Username,
		Password:         password,
		Compression:      ch.CompressionDisabled, // dearer than a local network
		HandshakeTimeout: cfg.DialTimeout,
		ReadTimeout:      timeout,
	}}, nil
}

func (d *dialer) dial(ctx context.Context, midway func()) (*ch.Client, net.Conn, error) {
	address := d.cfg.Addresses[int(d.turn.Add(1)-1)%len(d.cfg.Addresses)]
	ctx, cancel := context.WithTimeout(ctx, d.cfg.DialTimeout)
	defer cancel()
	// Not ch.Dial: it leaves the connection open when the server refuses the user.
	var conn net.Conn
	var err error
	if d.tls != nil {
		conn, err = (&tls.Dialer{Config: d.tls}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	if failpoint.Enabled && midway != nil {
		conn = &halfway{Conn: conn, hit: midway}
	}
	client, err := ch.Connect(ctx, conn, d.opts)
	if err != nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return client, conn, nil
}

// insertion is one INSERT.
type insertion struct {
	statement string
	token     string
	queryID   string
	input     proto.Input
}

// conn is a connection of one partition. The zero value with a dialer is ready; it is dialled when first needed, and again after every error: what the
// server still has to say on the old one is of no use. Not safe for concurrent use.
type conn struct {
	dialer *dialer
	client *ch.Client
	socket net.Conn // of client
	// midway is called when half of an INSERT's rows have been sent. Only in builds with failpoints.
	midway func()
}

// insert makes one attempt, within the dialer's timeout. When it returns an error, the rows may be stored or not, unless it is errUnsent. The columns of
// the input are read until it returns, not longer.
func (c *conn) insert(ctx context.Context, in insertion) error {
	return c.query(ctx, ch.Query{Body: in.statement, QueryID: in.queryID, Settings: c.dialer.settings(in.token), Input: in.input})
}

// errUnsent: there was no connection, so the server knows nothing of the query.
var errUnsent = errors.New("not sent")

// query makes one attempt at any query, within the dialer's timeout.
func (c *conn) query(ctx context.Context, q ch.Query) error {
	ctx, cancel := context.WithTimeout(ctx, c.dialer.timeout)
	defer cancel()
	if c.client == nil {
		client, socket, err := c.dialer.dial(ctx, c.midway)
		if err != nil {
			return fmt.Errorf("%w: %w", errUnsent, err)
		}
		c.client, c.socket = client, socket
	}
	// A server that is frozen takes nothing and sends nothing, and the client would wait for it beyond the end of ctx. The function may still run when this one has
	// returned, so it has the socket and not the conn.
	socket := c.socket
	stop := context.AfterFunc(ctx, func() { _ = socket.Close() })
	defer stop()
	if halting, ok := socket.(*halfway); ok {
		halting.armed = q.Input != nil
	}
	err := c.client.Do(ctx, q)
	if err != nil {
		c.close()
	}
	return err
}

func (c *conn) close() {
	if c.client != nil {
		_ = c.client.Close() // it is given up, in whatever state
		c.client, c.socket = nil, nil
	}
}

// halfway halts in the middle of the first large write of an INSERT.
type halfway struct {
	net.Conn
	hit   func()
	armed bool
}

// largeWrite tells the rows from what is said before them.
const largeWrite = 2 << 10

func (c *halfway) Write(b []byte) (n int, err error) {
	if !c.armed || len(b) < largeWrite {
		return c.Conn.Write(b)
	}
	c.armed = false
	if n, err = c.Conn.Write(b[:len(b)/2]); err != nil {
		return n, err
	}
	c.hit()
	m, err := c.Conn.Write(b[len(b)/2:])
	return n + m, err
}

// settings are the pinned ones of every insert, with this one's token (empty: none, and rows that are equal are not taken for repeats), and the time
// after which the server gives up to hear from us.
func (d *dialer) settings(token string) []ch.Setting {
	pinned := clickhouse.InsertSettings(token)
	if token == "" {
		pinned = clickhouse.PlainInsertSettings()
	}
	settings := make([]ch.Setting, 0, len(pinned)+2)
	settings = append(settings, ch.Setting{Key: "receive_timeout", Value: strconv.Itoa(int(d.timeout.Seconds()))})
	for _, s := range pinned {
		settings = append(settings, ch.Setting{Key: s.Name, Value: s.Value, Important: true})
	}
	if token == "" {
		// Where a server knows it, this overrides insert_deduplicate.
		settings = append(settings, ch.Setting{Key: "deduplicate_insert", Value: "disable"})
	}
	return settings
}
