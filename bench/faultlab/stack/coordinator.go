package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Answer is what a process that waits at a failpoint is told.
type Answer string

// The answers.
const (
	Go     Answer = "go"   // the step happens
	Die    Answer = "kill" // the process ends itself with SIGKILL
	Freeze Answer = "stop" // the process freezes itself with SIGSTOP
)

// helloTimeout bounds the reading of the line that a failpoint sends, which it does at once.
const helloTimeout = 5 * time.Second

// Hit is a process that waits at a failpoint.
type Hit struct {
	Point     string
	Topic     string
	Partition int32
	PID       int
	answer    chan Answer
}

// Answer lets the process go on, once.
func (h *Hit) Answer(a Answer) { h.answer <- a }

// Expectation is a failpoint that the lab waits for. It takes one hit.
type Expectation struct {
	point string
	where func(*Hit) bool
	hit   chan *Hit
}

// Hit delivers the process that waits. Whoever receives it must answer.
func (e *Expectation) Hit() <-chan *Hit { return e.hit }

// Coordinator answers the failpoints of all processes: "go" to every step but those that are expected. Safe for concurrent use.
type Coordinator struct {
	path     string
	listener net.Listener

	mu       sync.Mutex
	expected []*Expectation
	counts   map[string]uint64 // hits by point
}

// NewCoordinator listens at path, a Unix socket, which must be short.
func NewCoordinator(path string) (*Coordinator, error) {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("failpoints: %w", err)
	}
	return &Coordinator{path: path, listener: ln, counts: make(map[string]uint64)}, nil
}

// Path is that of the socket.
func (c *Coordinator) Path() string { return c.path }

// Expect waits for one hit of point for which where (nil: any) is true. The first expectation that fits takes a hit.
func (c *Coordinator) Expect(point string, where func(*Hit) bool) *Expectation {
	e := &Expectation{point: point, where: where, hit: make(chan *Hit, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expected = append(c.expected, e)
	return e
}

// Cancel gives an expectation up. False: it has been hit, and the hit waits for an answer.
func (c *Coordinator) Cancel(e *Expectation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remove(e)
}

func (c *Coordinator) remove(e *Expectation) bool {
	for i, other := range c.expected {
		if other == e {
			c.expected = append(c.expected[:i], c.expected[i+1:]...)
			return true
		}
	}
	return false
}

// Counts is how often each point was hit.
func (c *Coordinator) Counts() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]uint64, len(c.counts))
	for point, n := range c.counts {
		all[point] = n
	}
	return all
}

// Run answers until ctx ends; those that wait then are told to go on.
func (c *Coordinator) Run(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	stop := context.AfterFunc(ctx, func() { _ = c.listener.Close() })
	defer stop()
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("failpoints: %w", err)
		}
		asking.Go(func() { c.serve(ctx, conn) })
	}
}

// serve answers one process. A line that cannot be read is one of a process that was killed.
func (c *Coordinator) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close() //nolint:errcheck // the answer has left, or nobody is there
	_ = conn.SetReadDeadline(time.Now().Add(helloTimeout))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	hit, err := parseHit(line)
	if err != nil {
		return
	}
	answer := Go
	if e := c.take(hit); e != nil {
		e.hit <- hit
		select {
		case answer = <-hit.answer:
		case <-ctx.Done():
		}
	}
	_, _ = fmt.Fprintln(conn, answer) // a process that is gone needs none
}

// take counts the hit and returns the expectation that it is for.
func (c *Coordinator) take(hit *Hit) *Expectation {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[hit.Point]++
	for _, e := range c.expected {
		if e.point == hit.Point && (e.where == nil || e.where(hit)) {
			c.remove(e)
			return e
		}
	}
	return nil
}

// parseHit reads "NAME TOPIC/PARTITION PID".
func parseHit(line string) (*Hit, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return nil, errors.New("want NAME TOPIC/PARTITION PID")
	}
	h := &Hit{Point: fields[0], answer: make(chan Answer, 1)}
	slash := strings.LastIndexByte(fields[1], '/')
	if slash < 0 {
		return nil, fmt.Errorf("%q is not TOPIC/PARTITION", fields[1])
	}
	h.Topic = fields[1][:slash]
	if _, err := fmt.Sscanf(fields[1][slash+1:]+" "+fields[2], "%d %d", &h.Partition, &h.PID); err != nil {
		return nil, fmt.Errorf("%q: %w", line, err)
	}
	return h, nil
}
