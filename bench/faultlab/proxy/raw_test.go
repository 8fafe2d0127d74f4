package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/ledger"
)

// Everything passes both ways, and an end of stream one way leaves the other open.
func TestPassesBothWays(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var echo sync.WaitGroup
	defer echo.Wait()
	defer l.Close() //nolint:errcheck // ends the echo
	echo.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			echo.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	p := start(t, l.Addr().String(), false)
	const conns, size = 4, 8 << 20
	var wg sync.WaitGroup
	for i := range conns {
		c := dial(t, p)
		seed := [32]byte{byte(i)}
		sent, got := sha256.New(), sha256.New()
		wg.Go(func() {
			if _, err := io.CopyN(io.MultiWriter(c, sent), rand.NewChaCha8(seed), size); err != nil {
				t.Error(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			n, err := io.Copy(got, c)
			if err != nil || n != size {
				t.Errorf("%d bytes came back, %v", n, err)
			}
		})
		defer func() {
			if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
				t.Error("other bytes came back")
			}
		}()
	}
	wg.Wait()
	until(t, "all ended", func() bool { return p.Stats().Open == 0 })
	if s := p.Stats(); s.Accepted != conns || s.ToUpstream != conns*size || s.ToClient != conns*size || len(s.Faults) != 0 {
		t.Errorf("%+v", s)
	}
}

// Upstream gets exactly the first bytes and an orderly end, the client a reset.
func TestCutToUpstreamIsExact(t *testing.T) {
	for _, n := range []int64{0, 1, 15, 1733, bufferBytes, bufferBytes + 1, 299_999} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := newServer(t)
			p := start(t, s.listener.Addr().String(), false)
			c := dial(t, p)
			mustExchange(t, c, 100, 100) // the connection is there before the fault
			shot := p.Arm(Fault{Kind: Cut, After: n})
			wantReset(t, exchange(c, 300_000, 10))
			if end := s.end(t, 0); end.bytes != 100+n || (!errors.Is(end.err, io.EOF) && !errors.Is(end.err, io.ErrUnexpectedEOF)) {
				t.Errorf("upstream: %d bytes, then %v; want %d and an orderly end", end.bytes, end.err, 100+n)
			}
			if _, answered, _ := s.counts(); answered != 1 {
				t.Errorf("upstream answered %d requests, want the first only", answered)
			}
			if what := fired(t, shot); !strings.HasPrefix(what, "cut after ") || !strings.HasSuffix(what, " bytes to upstream") {
				t.Error(what)
			}
			mustExchange(t, dial(t, p), 300_000, 10) // once only
			if f := p.Stats().Faults; len(f) != 1 || f[Cut] != 1 {
				t.Errorf("faults %v", f)
			}
		})
	}
}

// The client gets exactly the first bytes of the answer and a reset; upstream has answered and sees an orderly end.
func TestCutToClientIsExact(t *testing.T) {
	for _, n := range []int64{0, 1, 777, bufferBytes + 1, 199_999} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := newServer(t)
			p := start(t, s.listener.Addr().String(), false)
			c := dial(t, p)
			mustExchange(t, c, 100, 100)
			shot := p.Arm(Fault{Kind: Cut, After: n, Direction: ToClient})
			if _, err := c.Write(message(50, 200_000)); err != nil {
				t.Fatal(err)
			}
			got, err := io.Copy(io.Discard, c)
			wantReset(t, err)
			if got != n {
				t.Errorf("the client got %d bytes, want %d", got, n)
			}
			fired(t, shot)
			if end := s.end(t, 0); end.bytes != 150 {
				t.Errorf("upstream: %+v", end)
			}
			until(t, "upstream's side is closed", func() bool { return p.Stats().Open == 0 })
		})
	}
}

// Bursts that are shorter than the cut pass whole, and each is counted anew.
func TestCutWaitsForALongBurst(t *testing.T) {
	s := newServer(t)
	p := start(t, s.listener.Addr().String(), false)
	c := dial(t, p)
	shot := p.Arm(Fault{Kind: Cut, After: 1000})
	for range 5 {
		mustExchange(t, c, 900, 20)
	}
	silent(t, shot)
	wantReset(t, exchange(c, 1001, 20))
	if what := fired(t, shot); what != "cut after 1,000 bytes to upstream" {
		t.Error(what)
	}
	if end := s.end(t, 0); end.bytes != 5*900+1000 {
		t.Errorf("upstream heard %d bytes", end.bytes)
	}
}

// A fault that is armed in the midst of a long burst counts from there.
func TestCutTakesEffectAtOnce(t *testing.T) {
	s := newServer(t)
	p := start(t, s.listener.Addr().String(), false)
	c := dial(t, p)
	request := message(1<<20, 10)
	if _, err := c.Write(request[:100_000]); err != nil {
		t.Fatal(err)
	}
	until(t, "the first part arrives", func() bool { heard, _, _ := s.counts(); return heard == 100_000 })
	shot := p.Arm(Fault{Kind: Cut, After: 1000})
	_, err := c.Write(request[100_000:])
	if err == nil { // the system takes more than the proxy; it tells of a reset once
		_, err = c.Read(make([]byte, 1))
	}
	wantReset(t, err)
	fired(t, shot)
	if end := s.end(t, 0); end.bytes != 101_000 {
		t.Errorf("upstream heard %d bytes", end.bytes)
	}
}

// What a client has no room for when it is cut off is not called passed on.
func TestCutOfAClientThatDoesNotRead(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell what has arrived")
	}
	s := newServer(t)
	p := start(t, s.listener.Addr().String(), false)
	c := dial(t, p)
	shot := p.Arm(Fault{Kind: Cut, After: 500_000, Direction: ToClient})
	if _, err := c.Write(message(50, 1<<20)); err != nil {
		t.Fatal(err)
	}
	what := fired(t, shot)
	n, err := io.Copy(io.Discard, c)
	wantReset(t, err)
	if want := fmt.Sprintf("cut after %s bytes to client", ledger.Grouped(uint64(n))); what != want || n == 500_000 {
		t.Errorf("%q, want %q", what, want)
	}
}

// Of many connections exactly one is cut by each of several shots, and each connection by one at most.
func TestEachShotCutsOne(t *testing.T) {
	s := newServer(t)
	p := start(t, s.listener.Addr().String(), false)
	const conns, cuts = 16, 5
	var all []*net.TCPConn
	for range conns {
		c := dial(t, p)
		mustExchange(t, c, 20, 20)
		all = append(all, c)
	}
	var shots []*Shot
	for i := range cuts {
		shots = append(shots, p.Arm(Fault{Kind: Cut, After: int64(100 + 50*i), Direction: Direction(i % 2)}))
	}
	var broken atomic.Int64
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() {
			for range 20 {
				if err := exchange(c, 5000, 5000); err != nil {
					wantReset(t, err)
					broken.Add(1)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, shot := range shots {
		fired(t, shot)
	}
	if broken.Load() != cuts || p.Stats().Faults[Cut] != cuts {
		t.Errorf("%d connections broke, %d cuts fired, want %d", broken.Load(), p.Stats().Faults[Cut], cuts)
	}
}

// The large request is acted upon, and its client is none the wiser; small ones pass.
func TestDropReplyOverHTTP(t *testing.T) {
	var acted atomic.Int64
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		acted.Add(n)
		_, _ = fmt.Fprintf(w, "%d", n)
	}))
	defer h.Close()
	p := start(t, strings.TrimPrefix(h.URL, "http://"), false)
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer client.CloseIdleConnections()
	post := func(n int) error {
		// Unlike a reader with a known beginning, this one cannot be sent again behind the test's back.
		resp, err := client.Post("http://"+p.Addr(), "text/plain", io.LimitReader(rand.NewChaCha8([32]byte{}), int64(n)))
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // read only
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	shot := p.Arm(Fault{Kind: DropReply, MinRequest: 10_000})
	if err := post(1000); err != nil {
		t.Fatal(err)
	}
	silent(t, shot)
	wantReset(t, post(100_000))
	if what := fired(t, shot); !strings.HasPrefix(what, "dropped the reply of ") {
		t.Error(what)
	}
	if acted.Load() != 101_000 {
		t.Errorf("upstream acted upon %d bytes", acted.Load())
	}
	if err := post(100_000); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Faults[DropReply] != 1 || s.Accepted != 2 {
		t.Errorf("%+v", s)
	}
}

// An answer that begins before the work is done does not end it: upstream keeps its client until it is silent.
func TestDropReplyLetsUpstreamFinish(t *testing.T) {
	outcome := make(chan string, 1)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "progress")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			outcome <- "given up"
		case <-time.After(settleTimeout / 3): // the work
			_, _ = io.WriteString(w, "done")
			outcome <- "done"
		}
	}))
	defer h.Close()
	p := start(t, strings.TrimPrefix(h.URL, "http://"), false)
	c := dial(t, p)
	shot := p.Arm(Fault{Kind: DropReply})
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, c)
	wantReset(t, err)
	if got := <-outcome; n != 0 || got != "done" {
		t.Errorf("the client got %d bytes, upstream has %s", n, got)
	}
	fired(t, shot)
}

// A half-open connection passes nothing in its direction and is not closed before its time; others work.
func TestHalfOpen(t *testing.T) {
	for _, dir := range []Direction{ToUpstream, ToClient} {
		t.Run(dir.String(), func(t *testing.T) {
			s := newServer(t)
			p := start(t, s.listener.Addr().String(), false)
			c := dial(t, p)
			mustExchange(t, c, 100, 100)
			const silence = 200 * time.Millisecond
			shot := p.Arm(Fault{Kind: HalfOpen, Direction: dir, For: silence})
			if _, err := c.Write(message(200, 50)); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			fired(t, shot)
			mustExchange(t, dial(t, p), 60, 10)
			n, err := io.Copy(io.Discard, c)
			wantReset(t, err)
			if took := time.Since(begin); n != 0 || took < silence/2 {
				t.Errorf("%d bytes, closed after %v", n, took)
			}
			want, answers := int64(100+60), 2
			if dir == ToClient {
				want, answers = want+200, 3
			}
			s.end(t, 0)
			if heard, answered, _ := s.counts(); heard != want || answered != answers {
				t.Errorf("upstream heard %d bytes and answered %d times, want %d and %d", heard, answered, want, answers)
			}
		})
	}
}

// Every read is held while the fault lasts, on all connections, and none afterwards.
func TestLatency(t *testing.T) {
	s := newServer(t)
	p := start(t, s.listener.Addr().String(), false)
	a, b := dial(t, p), dial(t, p)
	mustExchange(t, a, 20, 20)
	const delay, jitter, lasts = 60 * time.Millisecond, 20 * time.Millisecond, 400 * time.Millisecond
	shot := p.Arm(Fault{Kind: Latency, Direction: ToClient, Delay: delay, Jitter: jitter, For: lasts})
	for _, c := range []net.Conn{a, b} {
		begin := time.Now()
		mustExchange(t, c, 20, 20)
		if took := time.Since(begin); took < delay-jitter {
			t.Errorf("took %v, want %v at least", took, delay-jitter)
		}
	}
	if what := fired(t, shot); what != "held reads to client for 60ms ± 20ms over 400ms, first some bytes" {
		t.Error(what)
	}
	until(t, "the fault passes", func() bool {
		mustExchange(t, a, 20, 20)
		return len(p.shots.all()) == 0
	})
	if f := p.Stats().Faults; f[Latency] != 1 {
		t.Errorf("faults %v", f)
	}
}

// New connections are reset while the fault lasts, the open one works on.
func TestRefuse(t *testing.T) {
	s := newServer(t)
	p := start(t, s.listener.Addr().String(), false)
	old := dial(t, p)
	mustExchange(t, old, 20, 20)
	once := p.Arm(Fault{Kind: Refuse})
	wantReset(t, visit(p))
	fired(t, once)
	mustExchange(t, dial(t, p), 20, 20)
	shot := p.Arm(Fault{Kind: Refuse, For: 100 * time.Millisecond})
	wantReset(t, visit(p))
	if what := fired(t, shot); what != "turned connections away for 100ms" {
		t.Error(what)
	}
	mustExchange(t, old, 20, 20)
	until(t, "connections are served again", func() bool { return visit(p) == nil })
	if st := p.Stats(); st.Refused < 2 || st.Faults[Refuse] != 2 {
		t.Errorf("%+v", st)
	}
}

// Several faults are armed at once: each does its own part.
func TestLatencyAndCutTogether(t *testing.T) {
	s := newServer(t)
	p := start(t, s.listener.Addr().String(), false)
	slow := p.Arm(Fault{Kind: Latency, Delay: 30 * time.Millisecond, For: patience})
	cut := p.Arm(Fault{Kind: Cut, After: 50})
	never := p.Arm(Fault{Kind: Cut, After: 1 << 40, Direction: ToClient})
	begin := time.Now()
	wantReset(t, exchange(dial(t, p), 100, 20))
	fired(t, slow)
	fired(t, cut)
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Errorf("cut after %v, before the latency", took)
	}
	if end := s.end(t, 0); end.bytes != 50 {
		t.Errorf("upstream heard %d bytes", end.bytes)
	}
	if slow.Cancel() || cut.Cancel() || !never.Cancel() || !never.Cancel() {
		t.Error("Cancel tells fired and unfired shots apart")
	}
	silent(t, never)
}

func TestCancelledShotDoesNothing(t *testing.T) {
	s := newServer(t)
	p := start(t, s.listener.Addr().String(), false)
	c := dial(t, p)
	for _, f := range []Fault{{Kind: Cut, After: 10}, {Kind: DropReply}, {Kind: Latency, Delay: patience, For: patience}, {Kind: HalfOpen, For: patience}, {Kind: Refuse, For: patience}} {
		shot := p.Arm(f)
		if !shot.Cancel() {
			t.Errorf("%v cannot be cancelled", f.Kind)
		}
		mustExchange(t, c, 100, 100)
		mustExchange(t, dial(t, p), 100, 100)
		silent(t, shot)
	}
	if f := p.Stats().Faults; len(f) != 0 {
		t.Errorf("faults %v", f)
	}
}

// A client's reset reaches upstream as an orderly end.
func TestClientResetIsAnEndToUpstream(t *testing.T) {
	s := newServer(t)
	p := start(t, s.listener.Addr().String(), false)
	c := dial(t, p)
	mustExchange(t, c, 100, 100)
	reset(c)
	if end := s.end(t, 0); !errors.Is(end.err, io.EOF) {
		t.Errorf("upstream sees %v", end.err)
	}
}

// Nobody is there: the client gets a reset; later connections go to the new place.
func TestUnreachableThenElsewhere(t *testing.T) {
	gone := newServer(t)
	p := start(t, gone.listener.Addr().String(), false)
	old := dial(t, p)
	mustExchange(t, old, 20, 20)
	gone.stop()
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("upstream ended in order, the client sees %v", err)
	}
	wantReset(t, visit(p))
	if n := p.Stats().Unreachable; n != 1 {
		t.Errorf("%d unreachable", n)
	}
	s := newServer(t)
	p.SetUpstream(s.listener.Addr().String())
	mustExchange(t, dial(t, p), 20, 20)
}

// The end of Run is a reset for clients and orderly for upstream; an upstream that does not end is waited for, but not for ever.
func TestRunEnds(t *testing.T) {
	s := newServer(t)
	s.set(&s.deaf)
	p, err := New(Options{Name: "link", Upstream: s.listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	c, stalled := dial(t, p), dial(t, p)
	mustExchange(t, c, 20, 20)
	shot := p.Arm(Fault{Kind: HalfOpen, For: time.Hour})
	if _, err := stalled.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	fired(t, shot)
	begin := time.Now()
	cancel()
	_, err = c.Read(make([]byte, 1))
	wantReset(t, err)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took < drainTimeout || took > drainTimeout+patience/2 {
		t.Errorf("Run ended after %v", took)
	}
	if end := s.end(t, 0); !errors.Is(end.err, io.EOF) {
		t.Errorf("upstream sees %v", end.err)
	}
	if st := p.Stats(); st.Open != 0 || st.Undrained != 2 {
		t.Errorf("%+v", st)
	}
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		t.Error("the port is open after Run", c.Close())
	}
}

func TestArmRefusesWhatCannotHappen(t *testing.T) {
	s := newServer(t)
	raw, kafka := start(t, s.listener.Addr().String(), false), start(t, s.listener.Addr().String(), true)
	for _, c := range []struct {
		p *Proxy
		f Fault
	}{
		{raw, Fault{}},
		{raw, Fault{Kind: Refuse + 1}},
		{raw, Fault{Kind: Cut, After: -1}},
		{raw, Fault{Kind: Cut, Direction: 2}},
		{raw, Fault{Kind: Latency, Delay: -1}},
		{raw, Fault{Kind: Cut, APIKeys: []int16{0}}},
		{kafka, Fault{Kind: Refuse, APIKeys: []int16{0}}},
		{kafka, Fault{Kind: DropReply, MinRequest: 1}},
	} {
		func() {
			defer func() {
				if r := recover(); r == nil {
					t.Errorf("%+v was armed", c.f)
				}
			}()
			c.p.Arm(c.f)
		}()
	}
	if _, err := New(Options{Upstream: "nowhere"}); err == nil {
		t.Error("an upstream without a port was taken")
	}
}

func BenchmarkRaw(b *testing.B) {
	s := newServer(b)
	p := start(b, s.listener.Addr().String(), false)
	c := dial(b, p)
	mustExchange(b, c, 64<<10, 100)
	b.SetBytes(64 << 10)
	b.ReportAllocs()
	request := message(64<<10, 100)
	answer := make([]byte, 100)
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			b.Fatal(err)
		}
	}
}
