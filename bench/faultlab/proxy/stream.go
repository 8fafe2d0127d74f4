package proxy

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/bench/ledger"
)

// bufferBytes is what is read at once.
const bufferBytes = 64 << 10

const (
	// flushTimeout is how long a client may take to make room for what comes before a cut, and flushPause how often that is looked at.
	flushTimeout = time.Second
	flushPause   = time.Millisecond
)

// noKey is the API key of bytes on a raw link, and of an answer without a request.
const noKey = -1

// stream is one direction of a connection. It belongs to one goroutine, but for total.
type stream struct {
	conn     *conn
	dir      Direction
	src, dst *net.TCPConn
	other    *stream

	buf       []byte
	r, w      int    // buf[r:w] was read and not yet passed on
	rewritten []byte // Kafka: to be passed on before buf

	// total is how many bytes were read. It is stored before they are passed on, so whoever sees an answer sees the size of its request.
	total atomic.Int64
	seen  int64       // other's total when this direction spoke last
	burst []*cutPoint // raw: where the shots would cut that this burst has met
}

// run pumps with a buffer of its own.
func (s *stream) run(pump func() error) error {
	buf := s.conn.proxy.buffers.Get().(*[bufferBytes]byte)
	defer s.conn.proxy.buffers.Put(buf)
	s.buf = buf[:]
	return pump()
}

// read appends to the buffer what there is, at least one byte. There must be room.
func (s *stream) read() error {
	n, err := s.src.Read(s.buf[s.w:])
	s.w += n
	s.total.Add(int64(n))
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// fill reads until n bytes are in the buffer, which is larger.
func (s *stream) fill(n int) error {
	if s.w-s.r >= n {
		return nil
	}
	if s.r > 0 {
		s.w = copy(s.buf, s.buf[s.r:s.w])
		s.r = 0
	}
	for s.w < n {
		if err := s.read(); err != nil {
			return err
		}
	}
	return nil
}

// next returns up to limit bytes that are to be passed on, at least one, valid until the next call.
func (s *stream) next(limit int64) ([]byte, error) {
	if len(s.rewritten) > 0 {
		b := s.rewritten[:min(int64(len(s.rewritten)), limit)]
		s.rewritten = s.rewritten[len(b):]
		return b, nil
	}
	if s.r == s.w {
		s.r, s.w = 0, 0
		if err := s.read(); err != nil {
			return nil, err
		}
	}
	b := s.buf[s.r:][:min(int64(s.w-s.r), limit)]
	s.r += len(b)
	return b, nil
}

// write passes bytes on.
func (s *stream) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if s.dir == ToClient {
		if err := s.conn.mayAnswer(); err != nil {
			return err
		}
	}
	n, err := s.dst.Write(b)
	s.conn.proxy.passed[s.dir].Add(int64(n))
	if err != nil {
		return errors.Join(errWrite, err)
	}
	return nil
}

// rest passes on what is left of a source that has ended with err.
func (s *stream) rest(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	b := s.buf[s.r:s.w]
	s.r = s.w
	if werr := s.write(b); werr != nil {
		return werr
	}
	return err
}

// subject names what bytes belong to.
type subject struct {
	key         int16 // noKey on raw links
	correlation int32
	unknown     bool // an answer to nothing that was asked
}

// String returns " of Produce correlation 17", or nothing on a raw link.
func (s subject) String() string {
	switch {
	case s.unknown:
		return fmt.Sprintf(" of an unknown request correlation %d", s.correlation)
	case s.key == noKey:
		return ""
	}
	return fmt.Sprintf(" of %s correlation %d", kmsg.NameForKey(s.key), s.correlation)
}

// slow holds bytes up as long as the faults in force say.
func (s *stream) slow(of subject) error {
	var d time.Duration
	for _, shot := range s.conn.proxy.shots.all() {
		f := &shot.fault
		if f.matches(Latency, s.dir, of.key) && shot.covers(time.Now(), func() string {
			return fmt.Sprintf("held reads %v for %v ± %v over %v, first%v", s.dir, f.Delay, f.Jitter, f.For, orBytes(of))
		}) {
			d += max(0, f.Delay-f.Jitter+rand.N(2*f.Jitter+1))
		}
	}
	if d > 0 && !s.conn.pause(d) {
		return errSevered
	}
	return nil
}

// stall lets the connection go silent if a fault says so. It then returns errSevered, when it is over.
func (s *stream) stall(of subject) error {
	for _, shot := range s.conn.proxy.shots.all() {
		if shot.fault.matches(HalfOpen, s.dir, of.key) && shot.take() {
			shot.bit(fmt.Sprintf("nothing passed on %v for %v, from%v on", s.dir, shot.fault.For, orBytes(of)))
			s.conn.pause(shot.fault.For)
			s.conn.sever()
			return errSevered
		}
	}
	return nil
}

// orBytes is a subject that must have words.
func orBytes(of subject) string {
	if text := of.String(); text != "" {
		return text[len(" of"):]
	}
	return " some bytes"
}

// cut ends the connection after so many bytes, for a shot that was taken. A reset would throw away what the client has no room for yet, so it gets some time
// to read that; what it then has not taken was not passed on.
func (s *stream) cut(shot *Shot, after int64, of subject) error {
	if s.dir == ToClient {
		left := unsent(s.dst)
		for end := time.Now().Add(flushTimeout); left > 0 && time.Now().Before(end) && s.conn.pause(flushPause); {
			left = unsent(s.dst)
		}
		after -= left
	}
	s.conn.sever()
	shot.bit(fmt.Sprintf("cut after %s bytes %v%v", ledger.Grouped(uint64(max(0, after))), s.dir, of))
	return errSevered
}
