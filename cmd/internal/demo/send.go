package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// requestTimeout bounds one attempt of a request.
const requestTimeout = time.Minute

// The pause before a request is sent again; it doubles from one to the other.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// batch is one request.
type batch struct {
	number int64 // in this run, from 0
	events int
	until  int64 // the time of its last event
	body   []byte
}

// sending is one call of Send.
type sending struct {
	story  *Story
	door   Door
	client *http.Client
	work   chan batch
	free   chan []byte // bodies to be used again

	mu       sync.Mutex
	result   Result
	answered map[int64]batch // beyond the first request without an answer, without bodies
	next     int64           // the first request without an answer
	progress func(done, total uint64)
	failure  error
	cancel   context.CancelFunc
}

// Send tells the story through the door, but for the first skip events, and returns when all are answered. Facts are those of Survey. progress, which may be
// nil, is called after each answer, one call at a time, with the events that are in and all of them.
//
// When ctx ends no further request is begun; those in flight are waited for, no longer than Door.Grace, and the result says what is in: there is no error then.
// An error comes with a result that says the same. Requests without a clear answer are sent again; what the server refuses for good is counted.
func (s *Story) Send(ctx context.Context, door Door, facts Facts, skip int64, progress func(done, total uint64)) (Result, error) {
	d, err := door.withDefaults()
	if err == nil && (skip < 0 || skip > facts.Events) {
		err = fmt.Errorf("--skip %d is not between 0 and %d, the events of the story", skip, facts.Events)
	}
	r := Result{Total: facts.Events, Skipped: skip, In: skip, Until: s.From(), End: s.To()}
	if err != nil {
		return r, err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: d.Connections, MaxConnsPerHost: d.Connections}
	defer transport.CloseIdleConnections()
	feeding, cancel := context.WithCancel(ctx)
	defer cancel()
	x := &sending{
		story: s, door: d, client: &http.Client{Transport: transport, Timeout: requestTimeout}, work: make(chan batch), free: make(chan []byte, d.Connections+1),
		result: r, answered: map[int64]batch{}, progress: progress, cancel: cancel,
	}
	// What is in flight outlives ctx by the grace: an answer that is waited for is one that need not be guessed.
	flight, land := context.WithCancel(context.WithoutCancel(ctx))
	defer land()
	defer context.AfterFunc(feeding, func() {
		grace := time.AfterFunc(d.Grace, land)
		context.AfterFunc(flight, func() { grace.Stop() })
	})()

	began := time.Now()
	var workers sync.WaitGroup
	for range d.Connections {
		workers.Go(func() { x.serve(feeding, flight) })
	}
	x.feed(feeding, skip)
	close(x.work)
	workers.Wait()
	x.result.Took = time.Since(began)
	x.result.Interrupted = x.failure == nil && x.result.In < x.result.Total
	return x.result, x.failure
}

// feed writes the requests, in the order of time, until the story or ctx ends.
func (x *sending) feed(ctx context.Context, skip int64) {
	stream := x.story.stream()
	for range skip {
		if _, ok := stream.next(); !ok {
			return
		}
	}
	began := time.Now()
	for number := int64(0); ; number++ {
		b := batch{number: number}
		select {
		case b.body = <-x.free:
		default:
		}
		b.body = append(b.body[:0], '[')
		for b.events < x.door.Batch {
			e, ok := stream.next()
			if !ok {
				break
			}
			if b.events > 0 {
				b.body = append(b.body, ',')
			}
			b.body = stream.append(b.body, &e)
			b.events++
			b.until = e.at
		}
		if b.events == 0 {
			return
		}
		b.body = append(b.body, ']')
		if x.door.Rate > 0 {
			due := time.Duration(float64(number) * float64(x.door.Batch) / float64(x.door.Rate) * float64(time.Second))
			if !pause(ctx, due-time.Since(began)) {
				return
			}
		}
		select {
		case x.work <- b:
		case <-ctx.Done():
			return
		}
	}
}

// serve is one connection.
func (x *sending) serve(feeding, flight context.Context) {
	for b := range x.work {
		o, err := x.deliver(feeding, flight, b.body)
		select {
		case x.free <- b.body:
		default:
		}
		b.body = nil
		x.enter(b, o, err)
	}
}

// deliver sends a body until the answer is clear. There is no error when feeding has ended and the answer is still not: the outcome is empty then.
func (x *sending) deliver(feeding, flight context.Context, body []byte) (outcome, error) {
	began := time.Now()
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		o, err := x.door.post(flight, x.client, body)
		var repeat *again
		if err == nil || !errors.As(err, &repeat) {
			return o, err
		}
		if time.Since(began) > x.door.RetryFor {
			return outcome{}, fmt.Errorf("%w: no clear answer in %v: %w", ErrUnavailable, x.door.RetryFor, repeat.why)
		}
		x.repeated()
		if !pause(feeding, max(wait, repeat.after)) {
			return outcome{}, nil
		}
	}
}

// pause waits; false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (x *sending) repeated() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.result.Repeated++
}

// enter notes what became of a request. The first error ends the sending.
func (x *sending) enter(b batch, o outcome, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		if x.failure == nil {
			x.failure = err
		}
		x.cancel()
		return
	}
	if o.accepted+o.refused == 0 {
		return // given up
	}
	r := &x.result
	r.Sent += int64(o.accepted)
	r.Refused += int64(o.refused)
	r.Requests++
	if r.Reason == "" {
		r.Reason = o.reason
	}
	r.Durability = o.durability
	x.answered[b.number] = b
	for {
		done, ok := x.answered[x.next]
		if !ok {
			break
		}
		delete(x.answered, x.next)
		x.next++
		r.In += int64(done.events)
		r.Until = time.UnixMilli(done.until).UTC()
	}
	if x.progress != nil {
		x.progress(uint64(r.Skipped+r.Sent+r.Refused), uint64(r.Total))
	}
}
