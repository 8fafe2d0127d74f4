package proxy

import (
	"sync"
	"sync/atomic"
	"time"
)

// Shot is an armed fault. Its methods are safe for concurrent use.
type Shot struct {
	fault Fault
	proxy *Proxy
	fired chan struct{} // closed when the fault has bitten; publishes what

	mu    sync.Mutex
	state state
	until time.Time // of Latency and Refuse: when it has passed
	what  string
}

type state uint8

const (
	armed state = iota
	held        // a frame that it is to cut is being passed on
	spent
	cancelled
)

// Fired is closed when the fault has bitten: after the client's side was closed by Cut and DropReply, while upstream may still be drained; as soon as
// the first bytes or connection meet Latency, HalfOpen and Refuse. A shot that meets no matching moment never fires.
func (s *Shot) Fired() <-chan struct{} { return s.fired }

// What says what the shot did, for people, e.g. "cut after 1,733 bytes to upstream of Produce correlation 17". It is empty until Fired is closed.
func (s *Shot) What() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.what
}

// Cancel takes the shot back and reports whether that was in time: true means that it did nothing and never will; false that it has fired, or is just
// about to. What lasts then goes on for its time.
func (s *Shot) Cancel() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == spent {
		return false
	}
	s.state = cancelled
	s.proxy.shots.remove(s)
	return true
}

// hold reserves the shot for one frame: then take or release must follow.
func (s *Shot) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != armed {
		return false
	}
	s.state = held
	return true
}

// release gives a shot back whose frame broke off before its moment came.
func (s *Shot) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == held {
		s.state = armed
	}
}

// take uses the shot up. Whoever gets true must do the damage and call bit.
func (s *Shot) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == spent || s.state == cancelled {
		return false
	}
	s.state = spent
	s.proxy.shots.remove(s)
	return true
}

// bit publishes what a taken shot did.
func (s *Shot) bit(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bitLocked(what)
}

func (s *Shot) bitLocked(what string) {
	s.what = what
	s.proxy.faults[s.fault.Kind].Add(1)
	close(s.fired)
}

// covers tells whether a fault that lasts is in force now, which begins with the first call.
func (s *Shot) covers(now time.Time, say func() string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case armed:
		s.state, s.until = spent, now.Add(s.fault.For)
		s.bitLocked(say())
		return true
	case spent:
		if now.Before(s.until) {
			return true
		}
		s.proxy.shots.remove(s)
	}
	return false
}

// shots are the faults of a proxy that have not passed.
type shots struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*Shot] // publishes a list that is never changed again
}

// all returns the shots in the order in which they were armed. The slice is not to be changed.
func (l *shots) all() []*Shot {
	if list := l.list.Load(); list != nil {
		return *list
	}
	return nil
}

func (l *shots) add(s *Shot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.all()
	list := append(old[:len(old):len(old)], s)
	l.list.Store(&list)
}

func (l *shots) remove(s *Shot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*Shot
	for _, other := range l.all() {
		if other != s {
			list = append(list, other)
		}
	}
	l.list.Store(&list)
}
