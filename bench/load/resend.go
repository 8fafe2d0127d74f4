package load

import (
	"net/http"
	"slices"
	"time"

	"github.com/millrace/millrace/bench/ledger"
)

// ResendPolicy says which requests are sent again.
type ResendPolicy uint8

// The policies.
const (
	Never   ResendPolicy = iota // each request is sent once, whatever comes of it
	Unclear                     // as an SDK does: the same bytes again while any event has no clear answer
	Always                      // every request once more after a clear answer, and as Unclear besides
)

// defaultResendFor is how long an unclear request is sent again.
const defaultResendFor = 30 * time.Second

// deliver sends the body, again as the policy says, and enters into e what came of it. It returns the kind of error that is left at the end, whether there is a time to
// record, and what was written.
func (w *worker) deliver(e *ledger.Entry, payload []byte, sent time.Duration) (kind string, timed bool, written int64) {
	kind, timed, written = w.attempt(e, payload, sent)
	policy := w.r.options.Resend
	if policy == Never {
		return kind, timed, written
	}
	var answers answers
	answers.add(e)
	until := sent + w.r.options.ResendFor
	extra := policy == Always // still to come
	for pauses := 0; extra || answers.unclear(); {
		if kind == kindAborted || w.stopped() || w.r.now() >= until {
			break
		}
		if answers.unclear() {
			if !w.wait(min(firstPause<<min(pauses, 10), lastPause)) {
				break
			}
			pauses++
		}
		if !w.client.fresh() {
			if err := w.client.connect(w.r.dialing, w.r.cut); err != nil {
				continue // the body has its numbers already: it stays the next to be sent
			}
		}
		wasClear := !answers.unclear()
		again := ledger.Entry{Producer: e.Producer, Seq: e.Seq, Events: e.Events, Answer: ledger.Unknown, Results: w.spare[:0]}
		var n int64
		kind, timed, n = w.attempt(&again, payload, w.r.now())
		w.spare = again.Results
		w.outcome.counts.Resent++
		written += n
		answers.add(&again)
		if wasClear {
			extra = false // clear or not: a repeat whose answer is lost has been sent all the same
		}
	}
	answers.enter(e)
	if !answers.unclear() && kind != "" && e.Status == http.StatusOK {
		kind = "" // an earlier answer was clear
	}
	return kind, timed, written
}

// attempt sends the payload once and enters the answer into e.
func (w *worker) attempt(e *ledger.Entry, payload []byte, sent time.Duration) (kind string, timed bool, written int64) {
	answer, written, err := w.client.exchange(payload, w.r.begin.Add(sent))
	switch {
	case err == nil:
		w.failures = 0
		kind = judge(e, &answer, w.r.options.ParseAnswers, w.hopeless[w.body])
	case w.r.cut.Err() != nil:
		kind = kindAborted
	default:
		w.failures++
		kind = failureKind(err)
	}
	return kind, err == nil || kind == kindTimeout, written
}

// answers is what several answers to the same events say together.
type answers struct {
	best   []ledger.Answer
	status uint16
}

// weight orders answers by how much they bind the server: an event that was accepted once must be stored, whatever was said of it at another time.
func weight(a ledger.Answer) int {
	switch a {
	case ledger.Accepted:
		return 3
	case ledger.Quarantined:
		return 2
	case ledger.Dropped:
		return 1
	}
	return 0
}

// add takes in one more answer.
func (a *answers) add(e *ledger.Entry) {
	if a.best == nil {
		a.best = make([]ledger.Answer, e.Events)
		for i := range a.best {
			a.best[i] = ledger.Unknown
		}
	}
	said := make([]ledger.Answer, e.Events)
	for i := range said {
		said[i] = e.Answer
	}
	for _, r := range e.Results {
		said[r.Index] = r.Answer
	}
	for i, s := range said {
		if weight(s) > weight(a.best[i]) {
			a.best[i] = s
		}
	}
	// The status says whether each event was looked at, which one such answer is enough for.
	if a.status != http.StatusOK && e.Status != 0 {
		a.status = e.Status
	}
}

// unclear tells whether an event has no clear answer yet.
func (a *answers) unclear() bool {
	return slices.Contains(a.best, ledger.Unknown)
}

// enter writes the sum of all answers into e.
func (a *answers) enter(e *ledger.Entry) {
	e.Status, e.Answer, e.Results = a.status, a.best[0], e.Results[:0]
	if slices.Contains(a.best, ledger.Accepted) {
		e.Answer = ledger.Accepted // the usual one: the others are listed
	}
	for i, b := range a.best {
		if b != e.Answer {
			e.Results = append(e.Results, ledger.Result{Index: uint16(i), Answer: b})
		}
	}
}
