package discard

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Buffers of a connection. The first holds the requests of a producer that sends one batch at a time.
const (
	firstBuffer = 64 << 10
	maxFrame    = 100 << 20 // Kafka's default of socket.request.max.bytes
)

// conn is one client. Its requests are answered in turn.
type conn struct {
	broker *Broker
	net.Conn
	buf        []byte // buf[start:end] was read and not handed out yet
	start, end int
	out        []byte
}

// serve answers until the client hangs up, or sends what no client does.
func (c *conn) serve(ctx context.Context) error {
	c.buf = make([]byte, firstBuffer)
	for {
		frame, err := c.next()
		if err != nil {
			return err
		}
		if err := c.answer(ctx, frame); err != nil {
			return err
		}
	}
}

// next returns the next request without its size, valid until the call after. Whatever has arrived is taken in one read.
func (c *conn) next() ([]byte, error) {
	need := 4
	for {
		if c.end-c.start >= 4 {
			n := binary.BigEndian.Uint32(c.buf[c.start:])
			if n < 8 || n > maxFrame {
				return nil, fmt.Errorf("%w of %d bytes", errMalformed, n)
			}
			need = 4 + int(n)
			if c.end-c.start >= need {
				frame := c.buf[c.start+4 : c.start+need]
				c.start += need
				return frame, nil
			}
		}
		if c.start+need > len(c.buf) {
			c.makeRoom(need)
		} else if c.start == c.end {
			c.start, c.end = 0, 0
		}
		n, err := c.Read(c.buf[c.end:])
		if err != nil {
			return nil, err
		}
		c.end += n
	}
}

// makeRoom moves what is there to the front of a buffer that holds need bytes, and as many again so that the next size is reached with few steps.
func (c *conn) makeRoom(need int) {
	buf := c.buf
	if need > len(buf) {
		buf = make([]byte, 2*need)
	}
	c.end = copy(buf, c.buf[c.start:c.end])
	c.buf, c.start = buf, 0
}

// answer handles one request: key, version, correlation id, client id, body.
func (c *conn) answer(ctx context.Context, frame []byte) error {
	in := cursor{b: frame}
	key, version := in.int16(), in.int16()
	correlation := in.next(4)
	in.string() // client id
	if in.bad {
		return errMalformed
	}
	c.out = append(append(c.out[:0], 0, 0, 0, 0), correlation...)
	if key == int16(kmsg.Produce) && version >= minProduce && version <= maxProduce {
		out, wanted, err := c.broker.produce(c.out, in.b, version)
		if c.out = out; err != nil || !wanted {
			return err
		}
		return c.send()
	}
	res, err := c.broker.handle(ctx, c.LocalAddr(), key, version, in.b)
	if err != nil {
		return err
	}
	c.out = res.AppendTo(c.out)
	return c.send()
}

func (c *conn) send() error {
	binary.BigEndian.PutUint32(c.out, uint32(len(c.out)-4))
	_, err := c.Write(c.out)
	return err
}
