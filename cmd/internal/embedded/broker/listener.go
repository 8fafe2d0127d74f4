package broker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRequestBytes is below what the first bytes of HTTP, TLS or SSH would mean as the size of a request.
const maxRequestBytes = 128 << 20

// gatedListener has its port at once, but accepts nobody before open: until the log has been looked at, a client waits. It
// guards every connection.
type gatedListener struct {
	net.Listener
	gate   chan struct{}
	opened sync.Once
}

func listen(network, address string) (*gatedListener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("listen for Kafka clients: %w", err)
	}
	return &gatedListener{Listener: l, gate: make(chan struct{})}, nil
}

func (l *gatedListener) open() { l.opened.Do(func() { close(l.gate) }) }

func (l *gatedListener) Accept() (net.Conn, error) {
	<-l.gate
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: conn, r: bufio.NewReaderSize(conn, 32<<10)}, nil
}

// Close also ends an Accept that waits at the gate.
func (l *gatedListener) Close() error {
	err := l.Listener.Close()
	l.open()
	return err
}

var errNoKafka = errors.New("not a Kafka request")

// guardedConn ends with errNoKafka where a request begins that kfake must not see: it allocates the size that the first four
// bytes declare, and crashes on an API key that it does not know.
type guardedConn struct {
	net.Conn
	r    *bufio.Reader
	left int // of the current request
}

func (c *guardedConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if c.left == 0 {
		head, err := c.r.Peek(6)
		if err != nil {
			return 0, err
		}
		size := binary.BigEndian.Uint32(head)
		key := int16(binary.BigEndian.Uint16(head[4:]))
		// 10: API key, version, correlation and the length of a client id.
		if size < 10 || size > maxRequestBytes || kmsg.RequestForKey(key) == nil {
			return 0, errNoKafka
		}
		c.left = 4 + int(size)
	}
	n, err := c.r.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}
