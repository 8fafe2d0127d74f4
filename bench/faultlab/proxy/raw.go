package proxy

import (
	"fmt"
	"math"
	"time"

	"github.com/millrace/millrace/bench/ledger"
)

// raw is what bytes on a raw link belong to.
var raw = subject{key: noKey}

// cutPoint is where a shot would cut a burst.
type cutPoint struct {
	shot *Shot
	left int64 // bytes that may still pass
}

// pumpRaw passes bytes on as they come.
func (s *stream) pumpRaw() error {
	for {
		b, err := s.next(bufferBytes)
		if err != nil {
			return err
		}
		// A new burst begins when the other direction has spoken since this one did.
		other := s.other.total.Load()
		asked := other - s.seen
		s.seen = other
		if asked > 0 {
			s.burst = s.burst[:0]
		}
		if len(s.conn.proxy.shots.all()) > 0 {
			if b, err = s.suffer(b, asked); err != nil {
				return err
			}
		}
		if err := s.write(b); err != nil {
			return err
		}
	}
}

// suffer applies the faults to bytes before they are passed on, and returns them or the error that ends the stream. asked is how much the other direction
// has said before them.
func (s *stream) suffer(b []byte, asked int64) ([]byte, error) {
	if err := s.slow(raw); err != nil {
		return nil, err
	}
	if err := s.stall(raw); err != nil {
		return nil, err
	}
	if s.dir == ToClient && asked > 0 {
		if shot := s.dropped(asked); shot != nil {
			n := int64(len(b)) + s.settle()
			s.conn.sever()
			shot.bit(fmt.Sprintf("dropped the reply of %s bytes to %s bytes", ledger.Grouped(uint64(n)), ledger.Grouped(uint64(asked))))
			return nil, errSevered
		}
	}
	return s.cutWithin(b)
}

// dropped takes the first shot that is for the reply to so many bytes.
func (s *stream) dropped(asked int64) *Shot {
	for _, shot := range s.conn.proxy.shots.all() {
		if shot.fault.matches(DropReply, s.dir, noKey) && asked >= int64(shot.fault.MinRequest) && shot.take() {
			return shot
		}
	}
	return nil
}

// cutWithin looks for the first cut that lies within b. If there is one it passes on what comes before it and returns errSevered. Otherwise it returns
// what of b is still to be passed on.
func (s *stream) cutWithin(b []byte) ([]byte, error) {
	for {
		first := s.firstCut(int64(len(b)))
		n := int64(len(b))
		if first != nil {
			n = first.left // which is at most that
		}
		for _, at := range s.burst {
			at.left -= n
		}
		if first == nil {
			return b, nil
		}
		shot := first.shot
		if err := s.write(b[:n]); err != nil {
			shot.release()
			return nil, err
		}
		if shot.take() {
			return nil, s.cut(shot, shot.fault.After, raw)
		}
		b = b[n:] // it was cancelled a moment ago
	}
}

// firstCut holds the shot that cuts the burst first within the next n bytes, and returns its place; nil if there is none.
func (s *stream) firstCut(n int64) *cutPoint {
	for {
		var first *cutPoint
		for _, shot := range s.conn.proxy.shots.all() {
			if shot.fault.matches(Cut, s.dir, noKey) {
				if at := s.cutPoint(shot); at.left <= n && (first == nil || at.left < first.left) {
					first = at
				}
			}
		}
		if first == nil || first.shot.hold() {
			return first
		}
		first.left = math.MaxInt64 // another connection is about to have it, or it was cancelled: not for this burst any more
	}
}

// cutPoint returns where a shot would cut the burst. It counts from here on if the burst meets it now.
func (s *stream) cutPoint(shot *Shot) *cutPoint {
	for _, at := range s.burst {
		if at.shot == shot {
			return at
		}
	}
	at := &cutPoint{shot, shot.fault.After}
	s.burst = append(s.burst, at)
	return at
}

// settle reads and forgets what upstream says until it is silent, and returns how many bytes that were. Upstream's side stays as it is meanwhile: a server
// that sees its client's end may give up what it has begun.
func (s *stream) settle() (n int64) {
	for end := time.Now().Add(drainTimeout); ; {
		now := time.Now()
		if !now.Before(end) {
			return n
		}
		_ = s.src.SetReadDeadline(now.Add(min(settleTimeout, end.Sub(now)))) // fails only on what is closed
		s.r, s.w = 0, 0
		if err := s.read(); err != nil {
			return n
		}
		n += int64(s.w)
	}
}
