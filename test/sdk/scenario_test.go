package sdk

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/test/process"
)

// scenarios are the columns of the table.
var scenarios = []struct {
	name string
	try  func(*testing.T, *kit, id) string // what the table says
}{
	{"happy", happy}, {"three503", threeTimesBusy}, {"throttled", throttled}, {"cut", cut}, {"gzip", compression}, {"unicode", unicode}, {"bad", badAmongGood}, {"exit", exit},
}

// TestSDK tries each SDK in each scenario.
func TestSDK(t *testing.T) {
	if millrace == nil {
		t.Skip(howToRun)
	}
	// One process of the test is one run on the same server: ids hold when it began.
	begun := time.Now().Format("150405.000")
	t.Cleanup(func() { nothingLater(t) }) // after the parallel tests below
	for n := range kits {
		k := &kits[n]
		results.add(k, k.version(t))
		for _, s := range scenarios {
			if len(k.few) > 0 && !slices.Contains(k.few, s.name) {
				results.set(k, s.name, "")
				continue
			}
			t.Run(k.name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				results.set(k, s.name, "FAILED")
				said := s.try(t, k, id(k.name+"-"+s.name+"-"+begun))
				if !t.Failed() {
					results.set(k, s.name, said)
				}
			})
		}
	}
}

// happy makes all kinds of calls and compares the rows, field by field.
func happy(t *testing.T, k *kit, i id) string {
	r := k.send(t, i, k.calls(i), nil, fault{}, "flush")
	all := r.sent(t)
	good := r.stored(t, all)
	r.silent(t)
	if !t.Failed() {
		r.heard(t)
	}
	if got := len(all); got < len(r.calls) {
		t.Errorf("%d calls became %d events", len(r.calls), got)
	}
	return fmt.Sprintf("%d/%d", good, len(all))
}

// silent checks that the SDK reported no failure.
func (r *run) silent(t *testing.T) {
	t.Helper()
	if e := r.errors(); len(e) > 0 {
		t.Errorf("the SDK reports %q", e)
	}
}

// threeTimesBusy answers the first three requests with 503.
func threeTimesBusy(t *testing.T, k *kit, i id) string {
	f := k.busy
	f.times = 3
	return k.refused(t, i, f)
}

// throttled answers the first requests as the server does when there is too much for it.
func throttled(t *testing.T, k *kit, i id) string {
	f := k.overload
	f.times = 1
	return k.refused(t, i, f)
}

// cut closes the connection of the first request without an answer.
func cut(t *testing.T, k *kit, i id) string {
	return k.refused(t, i, fault{times: 1, drop: true})
}

// refused sends some events while the first requests fail: those of an SDK that tries again are all there once; one that does not must say so, and nothing is there twice.
func (k *kit) refused(t *testing.T, i id, f fault) string {
	calls := tracks(i)
	var options object
	if f.drop && k.mute {
		options = object{"timeoutMillis": 5000} // it would wait for ever
	}
	r := k.send(t, i, calls, options, f, "flush")
	all := r.sent(t)
	good := r.stored(t, all)
	if r.hits != f.times && !(k.once && r.hits == r.requests()) {
		t.Errorf("the fault has hit %d requests, want %d", r.hits, f.times)
	}
	if k.gives(f) {
		if len(r.errors()) == 0 {
			t.Error("events are lost and the SDK says nothing")
		}
		if lost := len(calls) - good; lost < 1 || r.requests() > len(calls) {
			t.Errorf("%d events are not there after %d requests of an SDK that never tries again", lost, r.requests())
		}
		if k.mute {
			return fmt.Sprintf("%d/%d, says nothing", good, len(calls))
		}
		return fmt.Sprintf("%d/%d, says so", good, len(calls))
	}
	if good != len(calls) {
		t.Errorf("%d of %d events are there", good, len(calls))
	}
	return fmt.Sprintf("%d/%d", good, len(calls))
}

// gives tells whether the SDK gives up at the fault.
func (k *kit) gives(f fault) bool {
	return k.once || f.drop && k.dropsOnCut
}

// compression sends with the switch on and off, and looks at the bytes.
func compression(t *testing.T, k *kit, i id) string {
	if k.gzipOff == nil {
		r := k.send(t, i, tracks(i), nil, fault{}, "flush")
		r.zipped(t, false)
		all := r.sent(t)
		r.stored(t, all)
		return "never"
	}
	for name, c := range map[string]struct {
		options object
		zipped  bool
	}{"on": {k.gzipOn, true}, "off": {k.gzipOff, false}, "default": {nil, k.zips}} {
		i := id(i.of(name))
		r := k.send(t, i, tracks(i), c.options, fault{}, "flush")
		r.zipped(t, c.zipped)
		all := r.sent(t)
		r.stored(t, all)
		r.silent(t)
	}
	if k.zips {
		return "on, off; default on"
	}
	return "on, off; default off"
}

// zipped checks how all requests with events were sent.
func (r *run) zipped(t *testing.T, want bool) {
	t.Helper()
	for n := range r.exchanges {
		if e := &r.exchanges[n]; e.bearsEvents() && e.compressed() != want {
			t.Errorf("compressed: %v, want %v\n%v", e.compressed(), want, e)
		}
	}
}

func unicode(t *testing.T, k *kit, i id) string {
	r := k.send(t, i, unicodeCalls(i), nil, fault{}, "flush")
	all := r.sent(t)
	good := r.stored(t, all)
	r.silent(t)
	// What came over the wire is compared above; here, that it was the text that was given.
	for _, row := range i.rows(t) {
		if row["event"] == "plain" {
			continue
		}
		p, err := parse([]byte(fmt.Sprint(row["props"])))
		if err != nil {
			t.Errorf("props: %v", err)
			continue
		}
		for name, text := range unicodeTexts {
			if got := p.(object)[name]; got != text {
				t.Errorf("%s = %q, want %q", name, got, text)
			}
		}
	}
	return fmt.Sprintf("%d/%d", good, len(r.calls))
}

// badAmongGood sends an event that the server refuses between two that it takes.
func badAmongGood(t *testing.T, k *kit, i id) string {
	good := tracks(i)
	calls := []call{good[0], k.bad(i), good[1]}
	r := k.send(t, i, calls, nil, fault{}, "flush")
	all := r.sent(t)
	wants := slices.DeleteFunc(slices.Clone(all), func(w want) bool { return w.isBad() })
	if len(all) != len(wants)+1 || r.again > 0 {
		t.Errorf("%d bad events came over the wire, %d events more than once: want one, once", len(all)-len(wants), r.again)
	}
	stored := r.stored(t, wants)
	if len(wants) != 2 {
		t.Errorf("%d good events came over the wire", len(wants))
	}
	query := "SELECT reason, field, detail, dialect FROM millrace.quarantine WHERE position(payload, " + literal(string(i)+"-") + ") > 0"
	var rows []map[string]any
	process.Within(soon, func() bool {
		var err error
		rows, err = millrace.sql(query)
		return err == nil && len(rows) > 0
	})
	if len(rows) != 1 || rows[0]["reason"] != k.badCode || rows[0]["dialect"] != k.dialect {
		t.Errorf("quarantine holds %s, want one of %s with %s", show(rows), k.dialect, k.badCode)
	}
	if most := len(calls); r.requests() > most {
		t.Errorf("%d requests for %d events: it sends the bad one again", r.requests(), most)
	}
	return fmt.Sprintf("%d/2, %s", stored, k.badCode)
}

// isBad tells whether it is the event that is to be refused.
func (w *want) isBad() bool {
	return w.columns["distinct_id"] == "undefined" || strings.Contains(w.mark, "xxxxxxxx")
}

// exit ends the process right after the calls.
func exit(t *testing.T, k *kit, i id) string {
	calls := make([]call, 12)
	for n := range calls {
		calls[n] = call{"track", object{"user": i.of("u"), "event": fmt.Sprintf("Event %d", n), "properties": object{"n": n}}}
	}
	r := k.send(t, i, calls, object{"flushAt": 5}, fault{}, "exit")
	all := r.sent(t)
	good := r.stored(t, all)
	if r.again > 0 {
		return fmt.Sprintf("%d/%d, %d sent twice", good, len(calls), r.again)
	}
	return fmt.Sprintf("%d/%d", good, len(calls))
}
