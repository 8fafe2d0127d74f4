package exact

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// event is what befalls a history at one of its calls.
type event uint8

const (
	crash  event = iota // the owner ends before the call
	freeze              // the owner stands before the call while another takes over
	wake                // those that were frozen run on until they end
	arrive              // what is under way comes
	revoke              // the call fails, and there is no time for another
	cancel              // the context ends, and the call fails
	fault               // and more: the call fails, as verdict event-fault+1
)

const numEvents = fault + event(numVerdicts) - 1

func (e event) String() string {
	if e >= fault {
		return (verdict(e-fault) + 1).String()
	}
	return [...]string{"crash", "freeze", "wake", "arrive", "revoke", "cancel"}[e]
}

func failing(v verdict) event { return fault + event(v) - 1 }

// script is events by the number of the call, counted over all owners.
type script map[int]event

func (s script) String() string {
	var b strings.Builder
	for at := range 10_000 {
		if e, ok := s[at]; ok {
			fmt.Fprintf(&b, "%d:%v ", at, e)
		}
	}
	return b.String()
}

const maxCalls = 3000

// play runs a history to its end, and returns at which call each event took place.
func (w *world) play(s script) (calls []string, err error) {
	active := w.newOwner()
	var frozen []*owner
	defer func() {
		active.crash()
		for _, z := range frozen {
			z.crash()
		}
	}()
	thaw := func() {
		for _, z := range frozen {
			for !z.done && len(calls) < maxCalls {
				calls = append(calls, fmt.Sprintf("g%d:%s", z.generation, z.call))
				z.step(fine)
			}
		}
		frozen = nil
	}
	for len(calls) < maxCalls {
		if active.done {
			if errors.Is(active.err, errRevoked) || errors.Is(active.err, context.Canceled) {
				active = w.newOwner()
				continue
			}
			if active.generation == w.generation {
				break
			}
			return calls, fmt.Errorf("owner ended: %w", active.err)
		}
		e, hit := s[len(calls)]
		calls = append(calls, fmt.Sprintf("g%d:%s", active.generation, active.call))
		if w.people {
			for _, z := range frozen {
				z.crash()
			}
			frozen, w.people = nil, false
		}
		switch {
		case !hit:
			active.step(fine)
		case e == crash:
			active.crash()
			active = w.newOwner()
		case e == freeze:
			frozen = append(frozen, active)
			active = w.newOwner()
		case e == wake:
			thaw()
			active.step(fine)
		case e == revoke, e == cancel:
			if w.revoked = e == revoke; e == cancel {
				active.cancel()
			}
			active.step(fail)
			w.revoked = false
		case e == arrive:
			w.landAll()
			active.step(fine)
		default:
			active.step(verdict(e-fault) + 1)
		}
	}
	if len(calls) >= maxCalls {
		return calls, fmt.Errorf("no end after %d calls", maxCalls)
	}
	if active.err != nil {
		return calls, fmt.Errorf("the last owner: %w; %s", active.err, w.fatal)
	}
	if err := w.check(); err != nil {
		return calls, err
	}
	// What is still under way comes late, in both orders.
	w.landAll()
	thaw()
	if err := w.check(); err != nil {
		return calls, fmt.Errorf("after what came late: %w", err)
	}
	return calls, nil
}

func rec(k kind, id byte, ts int64, received int64) record {
	return record{kind: k, id: id, ts: ts, received: received}
}

// twoMonths is three blocks with a month's end, a client's repeat, a refused record and an offset without one.
func twoMonths() *world {
	return newWorld([]record{
		rec(good, 1, january, 10), rec(good, 2, february, 12), rec(refused, 3, january, 13), rec(good, 4, january+60_000, 11),
		rec(good, 1, january, 14), rec(gap, 0, 0, 0), rec(good, 5, february+hour, 15), rec(good, 6, january, 16),
		rec(good, 7, february, 17),
	})
}

// poisoned is blocks of one month with a row that the table does not take.
func poisoned() *world {
	return newWorld([]record{
		rec(good, 1, january, 10), rec(poison, 2, january, 30), rec(good, 3, january, 12), rec(good, 4, january, 13), rec(good, 5, january, 14),
		rec(good, 6, january, 15), rec(good, 6, january, 16),
	})
}

// brokenView is one whose view fails until people mend it.
func brokenView() *world {
	w := twoMonths()
	w.viewBroken, w.viewSaysBadRow = true, true
	return w
}

// setBack is one whose offsets were set back by a tool that knows no intents, after all of it was loaded, and then lost a row and the tokens' meaning.
func setBack() *world {
	w := twoMonths()
	if _, err := w.play(script{}); err != nil {
		panic(err)
	}
	w.rows = slices.DeleteFunc(w.rows, func(r Row) bool { return r.Offset == 3 })
	for _, row := range w.rows {
		w.audited[row.TS/hour] = true // its view is right already, and what is added again is seen by none
	}
	w.records = append(w.records, rec(good, 8, february, 18), rec(good, 2, february, 19))
	w.committed, w.metadata = 1, ""
	return w
}

// reloaded is one whose offsets and rows were deleted, to load all of it again; the server remembers the tokens.
func reloaded() *world {
	w := twoMonths()
	if _, err := w.play(script{}); err != nil {
		panic(err)
	}
	w.rows, w.committed, w.metadata = nil, 0, ""
	clear(w.view)
	return w
}

var histories = map[string]func() *world{
	"two months": twoMonths, "poisoned": poisoned, "broken view": brokenView, "set back": setBack, "reloaded": reloaded,
}

// interesting tells whether an event can matter at a call.
func interesting(e event, call string) bool {
	_, call, _ = strings.Cut(call, ":")
	switch e {
	case crash, freeze, wake, arrive, failing(fail):
		return true
	case failing(unknown):
		return strings.Contains("commit insert unstage stage attach delete audit quarantine", call)
	case failing(unsent), failing(odd), failing(lost), failing(late), failing(forget):
		return call == "insert"
	}
	return false
}

// walk plays a history with every event at every call, and with every second event at every later one. It returns how many it played, and the first
// that ended wrong.
func walk(make func() *world, steps map[Step]int) (played int, wrong error) {
	play := func(s script) []string {
		w := make()
		calls, err := w.play(s)
		played++
		for step, n := range w.steps {
			steps[step] += n
		}
		if err != nil && wrong == nil {
			wrong = fmt.Errorf("%v: %w\n%s", s, err, strings.Join(calls, " "))
		}
		return calls
	}
	for i, call := range play(script{}) {
		for e := range numEvents {
			if e == wake || e == arrive || !interesting(e, call) {
				continue
			}
			for j, second := range play(script{i: e}) {
				if j <= i {
					continue
				}
				for f := range numEvents {
					if interesting(f, second) && (f != wake || e == freeze) && (f != arrive || e == failing(late)) {
						play(script{i: e, j: f})
					}
				}
				if wrong != nil {
					return played, wrong
				}
			}
		}
	}
	return played, wrong
}

var allSteps = []Step{
	BeforeIntent, AfterIntent, MidSend, AfterSend, BeforeCommit, AfterCommit, TakeoverStart, TakeoverSameLog, TakeoverRowsLost, TakeoverBehind,
	TakeoverPending, RecoverKill, RecoverRead, RecoverInsert, RecoverVerify, RecoverMissing, RecoverAttach, RecoverSurplus, RecoverAudit, BisectCut,
	BisectQuarantine,
}

func TestEveryPairOfFaultsEndsExact(t *testing.T) {
	if underRace {
		t.Skip("it is the same without the detector, and ten times as fast")
	}
	steps := map[Step]int{}
	for name, make := range histories {
		played, err := walk(make, steps)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %d histories", name, played)
	}
	for _, step := range allSteps {
		if steps[step] == 0 {
			t.Errorf("step %s was never reached", step)
		}
	}
}

// TestModelSees switches protections off, one by one: the walk must then find what each protects from.
func TestModelSees(t *testing.T) {
	for name, off := range map[string]func(*Protections){
		"intent": func(p *Protections) { p.Intent = false },
		"token":  func(p *Protections) { p.Token = false },
		"verify": func(p *Protections) { p.Verify = false },
	} {
		t.Run(name, func(t *testing.T) {
			played, err := walk(func() *world {
				w := twoMonths()
				off(&w.protect)
				return w
			}, map[Step]int{})
			if err == nil {
				t.Fatalf("%d histories without %s ended exact", played, name)
			}
			t.Log(err)
		})
	}
}
