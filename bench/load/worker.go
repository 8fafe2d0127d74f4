package load

import (
	"time"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
)

// Pauses after the first of several failures in a row and after many. A connection that pauses is not free, so meanwhile its share of the schedule falls to
// the others, or waits and may be dropped.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = time.Second
)

// worker sends the events of one producer over one connection, with one request in flight.
type worker struct {
	r        *Runner
	producer *generate.Producer
	hopeless []bool // by body: every event in it must be refused
	client   *client
	shard    *shard
	stop     chan struct{} // closed when nothing more is to be sent; one per worker, since a channel that all of them wait on is one lock for all
	timer    *time.Timer

	seq      uint64 // of the next event
	body     int    // the next to be sent
	failures int    // in a row
	packed   []byte // the compressed body
	spare    []ledger.Result
	outcome  outcome
	entry    ledger.Entry
	lastSent time.Duration
}

func newWorker(r *Runner, number int, p *generate.Producer) *worker {
	w := &worker{r: r, producer: p, client: newClient(r.target), shard: r.recorder.shard(number), stop: make(chan struct{}), timer: time.NewTimer(0)}
	w.timer.Stop()
	for i := range p.Bodies {
		w.hopeless = append(w.hopeless, hopeless(p, &p.Bodies[i]))
	}
	return w
}

func hopeless(p *generate.Producer, b *generate.Body) bool {
	for _, slot := range p.Slots[b.First : b.First+b.Events] {
		if slot.Kind != ledger.Invalid {
			return false
		}
	}
	return true
}

// run sends until there is nothing more to send.
func (w *worker) run() {
	for {
		due, warmup, ok := w.take()
		if !ok {
			return
		}
		if err := w.request(due, warmup); err != nil {
			w.r.fail(err)
			return
		}
		if w.failures > 0 && !w.pause() {
			return
		}
	}
}

// take waits for the next request of this connection. ok is false when there is none.
func (w *worker) take() (due time.Duration, warmup, ok bool) {
	r := w.r
	if !r.open() {
		now := r.now()
		return now, now < r.load.Warmup, now < r.duration && !w.stopped()
	}
	for !w.stopped() {
		i := r.next.Add(1) - 1
		if i >= r.total {
			return 0, false, false
		}
		due, warmup = r.schedule.At(i), i < r.measured
		now := r.now()
		if now < due {
			return due, warmup, w.wait(due - now)
		}
		if now-due <= r.load.DropAfter {
			return due, warmup, true
		}
		w.shard.record(&outcome{counts: Counts{Dropped: 1}}, warmup)
	}
	return 0, false, false
}

// request sends the next body as the request that was due then, reads the answer and tells of it. Its error is that of Record.
func (w *worker) request(due time.Duration, warmup bool) error {
	r := w.r
	o := &w.outcome
	*o = outcome{counts: Counts{Requests: 1}}
	if !w.client.fresh() {
		err := w.client.connect(r.dialing, r.cut)
		if r.dialing.Err() != nil {
			return nil // whatever came of it, nothing may be sent any more
		}
		if err != nil {
			w.failures++
			o.counts.Errors, o.kind = 1, failureKind(err)
			w.shard.record(o, warmup)
			return nil
		}
	}

	body := &w.producer.Bodies[w.body]
	stamp := r.unix(r.now()) / int64(time.Millisecond)
	body.Stamp(r.options.Run, w.producer.Number, w.seq, stamp)
	payload := body.JSON
	if r.compressor != nil {
		w.packed = r.compressor.append(w.packed[:0], body.JSON)
		payload = w.packed
	}
	sent := r.now()
	if !r.open() {
		due = sent
	}
	e := &w.entry
	*e = ledger.Entry{
		Producer: w.producer.Number, Seq: w.seq, Events: uint16(body.Events), Stamp: stamp,
		Intended: r.unix(due), Sent: r.unix(sent), Answer: ledger.Unknown, Results: e.Results[:0],
	}
	var written int64
	o.kind, o.timed, written = w.deliver(e, payload, sent)
	done := r.now()
	e.Done = r.unix(done)
	w.seq += uint64(body.Events)
	w.body = (w.body + 1) % len(w.producer.Bodies)
	w.lastSent = sent

	o.counts.Sent, o.counts.BytesSent = uint64(body.Events), uint64(written)
	o.counts.Tally(e)
	if o.kind != "" {
		o.counts.Errors = 1
	}
	if r.open() {
		if sent-due > r.load.LateAfter {
			o.counts.Late = 1
		}
	} else {
		o.counts.Scheduled = uint64(body.Events)
	}
	o.latency, o.service = done-due, done-sent
	w.shard.record(o, warmup)
	if r.options.Record == nil {
		return nil
	}
	return r.options.Record(e)
}

// pause lets some time pass after failures. It returns false when there is nothing more to send afterwards.
func (w *worker) pause() bool {
	if w.r.open() && w.r.next.Load() >= w.r.total {
		return false
	}
	return w.wait(min(firstPause<<min(w.failures-1, 10), lastPause))
}

// wait returns after d, or false as soon as nothing more is to be sent.
func (w *worker) wait(d time.Duration) bool {
	w.timer.Reset(d)
	select {
	case <-w.timer.C:
		return true
	case <-w.stop:
		w.timer.Stop()
		return false
	}
}

func (w *worker) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}
