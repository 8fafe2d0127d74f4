package admin

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

// Check is one condition of being ready.
type Check struct {
	// Name is a short word, such as broker.
	Name string
	// Func says in detail how things are, or returns an error. It must end with ctx and may run concurrently with other checks, never
	// with itself.
	Func func(ctx context.Context) (detail string, err error)
	// Advisory checks are listed but do not make the process unready: what they look at may fail without an event being refused.
	Advisory bool
}

// State is where the process is in its life.
type State uint8

// The states, in order.
const (
	Starting State = iota
	Serving
	Draining
)

// String returns the state for people.
func (s State) String() string { return [...]string{"starting", "serving", "draining"}[s] }

const (
	// checkTimeout is how long one check may take; probes give up after a few seconds.
	checkTimeout = 2 * time.Second
	// checkTTL is how long results are reused, so that questions from outside cannot load what the checks ask.
	checkTTL = time.Second
)

// Health answers whether the process lives and whether it can take events in. It is safe for concurrent use.
type Health struct {
	checks []*running

	// state is apart from the results, which may take their time: draining must show at once.
	state atomic.Uint32

	turn    chan struct{} // holds a token while somebody uses the fields below
	at      time.Time     // of results; zero when there are none
	results []result
}

type running struct {
	Check
	busy chan struct{} // holds a token while the check runs
}

type result struct {
	detail string
	err    error
}

// NewHealth returns a Health in the state Starting.
func NewHealth(checks ...Check) *Health {
	h := &Health{turn: make(chan struct{}, 1)}
	for _, c := range checks {
		h.checks = append(h.checks, &running{Check: c, busy: make(chan struct{}, 1)})
	}
	return h
}

// SetState changes the state. Only a serving process can be ready.
func (h *Health) SetState(s State) { h.state.Store(uint32(s)) }

// Live answers /livez.
func (h *Health) Live(bool) (status int, body []byte) { return http.StatusOK, []byte("ok\n") }

// Ready answers /readyz: 200, or 503 with the names of what fails. With verbose the body lists every check with its detail. It blocks
// for at most two seconds, and the results may be a second old. An unready state is answered at once when not verbose.
func (h *Health) Ready(verbose bool) (status int, body []byte) {
	if state := State(h.state.Load()); state != Serving && !verbose {
		return http.StatusServiceUnavailable, []byte("not ready: " + state.String() + "\n")
	}
	results := h.latest()
	state := State(h.state.Load())
	var failed []string
	if state != Serving {
		failed = append(failed, state.String())
	}
	var list bytes.Buffer
	for i, c := range h.checks {
		r := results[i]
		switch {
		case r.err == nil && r.detail == "":
			fmt.Fprintf(&list, "[+] %s ok\n", c.Name)
		case r.err == nil:
			fmt.Fprintf(&list, "[+] %s ok: %s\n", c.Name, oneLine(r.detail))
		case c.Advisory:
			fmt.Fprintf(&list, "[!] %s warning: %s\n", c.Name, oneLine(r.err.Error()))
		default:
			fmt.Fprintf(&list, "[-] %s failed: %s\n", c.Name, oneLine(r.err.Error()))
			failed = append(failed, c.Name)
		}
	}
	verdict := "ready\n"
	status = http.StatusOK
	if len(failed) > 0 {
		verdict = "not ready: " + strings.Join(failed, ", ") + "\n"
		status = http.StatusServiceUnavailable
	}
	if !verbose {
		return status, []byte(verdict)
	}
	fmt.Fprintf(&list, "[%s] process %s\n%s", mark(state == Serving), state, verdict)
	return status, list.Bytes()
}

// latest returns results that are at most checkTTL old. The caller must not change them.
func (h *Health) latest() []result {
	// The turn lasts as long as the checks on purpose: those who ask meanwhile get the same answer.
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	if h.at.IsZero() || time.Since(h.at) >= checkTTL {
		h.results = h.run()
		h.at = time.Now()
	}
	return h.results
}

func mark(ok bool) string {
	if ok {
		return "+"
	}
	return "-"
}

// run runs all checks at once and waits for them, or for the deadline.
func (h *Health) run() []result {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	answers := make([]chan result, len(h.checks))
	for i, c := range h.checks {
		answers[i] = make(chan result, 1)
		select {
		case c.busy <- struct{}{}:
			go func() {
				defer func() { <-c.busy }()
				answers[i] <- c.call(ctx)
			}()
		default: // its last run has not come back; silence is its answer
		}
	}
	results := make([]result, len(h.checks))
	for i := range results {
		select {
		case results[i] = <-answers[i]:
		case <-ctx.Done():
			// Both may be true, and an answer is worth more.
			select {
			case results[i] = <-answers[i]:
			default:
				results[i].err = fmt.Errorf("no answer in %v", checkTimeout)
			}
		}
	}
	return results
}

func (c *running) call(ctx context.Context) (r result) {
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("BUG: check panicked: %v", p)
		}
	}()
	r.detail, r.err = c.Func(ctx)
	return r
}

// oneLine keeps texts from elsewhere from forging lines.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
