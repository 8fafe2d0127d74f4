package load

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"time"
)

// staleAfter is how long a connection may rest before it is looked at before it is used again: the target may have closed it meanwhile, and a request
// written onto a closed connection has no clear outcome.
const staleAfter = time.Second

// client is one connection and the request in flight on it. It belongs to one goroutine.
type client struct {
	target *target
	conn   net.Conn // nil: not connected
	plain  *net.TCPConn
	uncut  func()
	used   time.Time
	reader reader
	head   []byte
	pieces [2][]byte
	vector net.Buffers
	joined []byte // head and body for connections that cannot take two pieces in one write
}

func newClient(t *target) *client {
	return &client{target: t, head: append(make([]byte, 0, len(t.head)+32), t.head...)}
}

// connect opens the connection. The end of dial gives up the attempt; the end of cut closes the connection whatever is going on.
func (c *client) connect(dial, cut context.Context) error {
	conn, err := c.target.connect(dial)
	if err != nil {
		return err
	}
	c.conn = conn
	c.plain, _ = conn.(*net.TCPConn)
	c.reader.src = conn
	c.used = time.Now()
	closed := make(chan struct{})
	stop := context.AfterFunc(cut, func() {
		defer close(closed)
		_ = conn.Close() // the request in flight fails, which says it all
	})
	c.uncut = func() {
		if !stop() {
			<-closed
		}
	}
	return nil
}

// close ends the connection, if there is one.
func (c *client) close() {
	if c.conn == nil {
		return
	}
	c.uncut()
	_ = c.conn.Close() // nothing unsent is left in it
	c.conn, c.plain, c.reader.src = nil, nil, nil
}

// fresh reports whether there is a connection that can be used; one that the target closed while it was idle is closed here too.
func (c *client) fresh() bool {
	if c.conn == nil {
		return false
	}
	if c.plain != nil && time.Since(c.used) > staleAfter && stale(c.plain) {
		c.close()
		return false
	}
	return true
}

// exchange sends one request and reads its answer, which is valid until the next call. n is what was written. After an error, and after an answer that
// says so, the connection is closed.
func (c *client) exchange(body []byte, now time.Time) (answer response, n int64, err error) {
	// Deadlines are kept by the runtime: setting one costs no system call.
	if err := c.conn.SetDeadline(now.Add(c.target.timeout)); err != nil {
		c.close()
		return response{}, 0, err
	}
	n, err = c.write(body)
	if err != nil && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)) {
		c.close()
		return response{}, n, err
	}
	// A target that refuses a body early closes before it has read it all: the write fails, and the answer is there nevertheless.
	answer, readErr := c.reader.read()
	if readErr != nil {
		c.close()
		if err == nil {
			err = readErr
		}
		return response{}, n, err
	}
	c.used = now
	if err != nil || answer.close {
		c.close()
	}
	return answer, n, nil
}

// write sends head and body with one system call, unless the socket's buffer cannot hold them.
func (c *client) write(body []byte) (int64, error) {
	c.head = strconv.AppendInt(c.head[:len(c.target.head)], int64(len(body)), 10)
	c.head = append(c.head, "\r\n\r\n"...)
	if c.plain == nil {
		c.joined = append(append(c.joined[:0], c.head...), body...)
		n, err := c.conn.Write(c.joined)
		return int64(n), err
	}
	c.pieces = [2][]byte{c.head, body}
	c.vector = c.pieces[:]
	n, err := c.vector.WriteTo(c.plain)
	c.pieces = [2][]byte{}
	return n, err
}
