package proxy

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/millrace/millrace/bench/ledger"
)

// A request begins with its size (4 bytes, of what follows), API key (2), version (2) and correlation id (4); an answer with its size and the correlation
// id. https://kafka.apache.org/protocol#protocol_common
const (
	sizeBytes    = 4
	requestBytes = sizeBytes + 8
	answerBytes  = sizeBytes + 4
)

const (
	// maxFrameBytes is more than any broker takes: what claims more is not a frame.
	maxFrameBytes = 1 << 30
	// maxRewriteBytes bounds the answers that are read whole.
	maxRewriteBytes = 64 << 20
	// maxUnanswered is how many requests are remembered: those that have no answer (acks=0) fall out.
	maxUnanswered = 1024
)

// request is what is remembered until the answer comes.
type request struct {
	key, version int16
	correlation  int32
}

// requests of one connection.
type requests struct {
	mu   sync.Mutex
	sent []request // oldest first
}

func (l *requests) add(r request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sent) == maxUnanswered {
		l.sent = append(l.sent[:0], l.sent[1:]...)
	}
	l.sent = append(l.sent, r)
}

// answered removes and returns the request with this correlation id.
func (l *requests) answered(correlation int32) (request, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range l.sent {
		if r.correlation == correlation {
			l.sent = append(l.sent[:i], l.sent[i+1:]...)
			return r, true
		}
	}
	return request{}, false
}

// pumpRequests passes frames on to the broker.
func (s *stream) pumpRequests() error {
	for {
		if err := s.fill(requestBytes); err != nil {
			return s.rest(err)
		}
		b := s.buf[s.r:]
		r := request{
			key: int16(binary.BigEndian.Uint16(b[4:])), version: int16(binary.BigEndian.Uint16(b[6:])),
			correlation: int32(binary.BigEndian.Uint32(b[8:])),
		}
		size, err := s.frameBytes(b, requestBytes)
		if err != nil {
			return err
		}
		s.conn.requests.add(r) // before the answer can come
		if err := s.frame(size, subject{key: r.key, correlation: r.correlation}); err != nil {
			return err
		}
	}
}

// pumpAnswers passes frames on to the client.
func (s *stream) pumpAnswers() error {
	var whole, rewritten []byte // reused
	for {
		if err := s.fill(answerBytes); err != nil {
			return s.rest(err)
		}
		b := s.buf[s.r:]
		size, err := s.frameBytes(b, answerBytes)
		if err != nil {
			return err
		}
		of := subject{key: noKey, correlation: int32(binary.BigEndian.Uint32(b[4:]))}
		r, known := s.conn.requests.answered(of.correlation)
		if known {
			of.key = r.key
		} else {
			of.unknown = true
		}
		if namesBrokers(r.key) && known {
			if whole, err = s.collect(whole[:0], size); err != nil {
				return err
			}
			if rewritten, err = appendRewritten(rewritten[:0], whole, r, s.conn.proxy.host, s.conn.proxy.port); err != nil {
				return s.malformed(fmt.Errorf("answer%v version %d: %w", of, r.version, err))
			}
			s.conn.proxy.rewritten.Add(1)
			s.rewritten, size = rewritten, int64(len(rewritten))
		}
		if err := s.frame(size, of); err != nil {
			return err
		}
	}
}

// frameBytes returns the size of the frame that begins with b, its size field included.
func (s *stream) frameBytes(b []byte, least int) (int64, error) {
	size := sizeBytes + int64(int32(binary.BigEndian.Uint32(b)))
	if size < int64(least) || size > maxFrameBytes {
		return 0, s.malformed(fmt.Errorf("frame %v of %d bytes: not the Kafka protocol, or a part of it that this proxy cannot read", s.dir, size))
	}
	return size, nil
}

// malformed ends the connection: without its frames a link has no proof that nothing passes beside the proxy.
func (s *stream) malformed(err error) error {
	s.conn.proxy.fail(fmt.Errorf("proxy %s: %w", s.conn.proxy.options.Name, err))
	s.conn.sever()
	return errSevered
}

// collect appends the next size bytes.
func (s *stream) collect(dst []byte, size int64) ([]byte, error) {
	if size > maxRewriteBytes {
		return dst, s.malformed(fmt.Errorf("answer of %d bytes, at most %d can be rewritten", size, int64(maxRewriteBytes)))
	}
	for left := size; left > 0; {
		b, err := s.next(left)
		if err != nil {
			return dst, err
		}
		dst = append(dst, b...)
		left -= int64(len(b))
	}
	return dst, nil
}

// frame passes the next size bytes on, which belong together, with the faults that concern them.
func (s *stream) frame(size int64, of subject) error {
	var cut *Shot
	if len(s.conn.proxy.shots.all()) > 0 {
		if err := s.slow(of); err != nil {
			return err
		}
		if err := s.stall(of); err != nil {
			return err
		}
		if s.dir == ToClient {
			if dropped, err := s.drop(size, of); dropped {
				return err
			}
		}
		cut = s.holdCut(of)
	}
	if cut == nil {
		return s.pass(size, of, false)
	}
	after := min(cut.fault.After, size)
	held := int64(0) // of a request that passes whole, the last byte, with which its answer may come
	if after == size && s.dir == ToUpstream {
		held = 1
	}
	err := s.pass(after-held, of, false)
	if err == nil && held > 0 {
		speak := s.conn.silence()
		defer speak()
		err = s.pass(held, of, after > held)
	}
	if err != nil {
		cut.release()
		return err
	}
	if cut.take() {
		return s.cut(cut, after, of)
	}
	return s.pass(size-after, of, after > 0)
}

// pass passes the next size bytes on. Each read after the first of a frame may be slowed down, too.
func (s *stream) pass(size int64, of subject, slow bool) error {
	for size > 0 {
		b, err := s.next(size)
		if err != nil {
			return err
		}
		if slow && len(s.conn.proxy.shots.all()) > 0 {
			if err := s.slow(of); err != nil {
				return err
			}
		}
		slow = true
		if err := s.write(b); err != nil {
			return err
		}
		size -= int64(len(b))
	}
	return nil
}

// holdCut reserves the first shot that is to cut this frame.
func (s *stream) holdCut(of subject) *Shot {
	for _, shot := range s.conn.proxy.shots.all() {
		if shot.fault.matches(Cut, s.dir, of.key) && shot.hold() {
			return shot
		}
	}
	return nil
}

// drop reads the answer and ends the connection, if a fault says so. The answer's first bytes prove that upstream has acted, so the shot fires even if the
// rest does not come.
func (s *stream) drop(size int64, of subject) (dropped bool, err error) {
	for _, shot := range s.conn.proxy.shots.all() {
		if !shot.fault.matches(DropReply, s.dir, of.key) || !shot.take() {
			continue
		}
		for left := size; left > 0 && err == nil; {
			var b []byte
			b, err = s.next(left)
			left -= int64(len(b))
		}
		s.conn.sever()
		shot.bit(fmt.Sprintf("dropped the answer of %s bytes%v", ledger.Grouped(uint64(size)), of))
		return true, errSevered
	}
	return false, nil
}
