package dialect

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

// hostileBodies are bodies that make a decoder work as much as it can, of about n bytes.
func hostileBodies(n int) []struct{ path, name, body string } {
	rep := func(s string, k int) string { return strings.Repeat(s, max(k/len(s), 1)) }
	list := func(s string) string { return strings.TrimSuffix(s, ",") }
	var all []struct{ path, name, body string }
	add := func(path, name, body string) {
		all = append(all, struct{ path, name, body string }{path, name, body})
	}
	for _, f := range []struct{ path, around, event, props, key string }{
		{"/v1/events", `{"events":[`, `"event":"e","user_id":"u1"`, "properties", "events"},
		{"/v1/batch", `{"batch":[`, `"type":"track","event":"e","userId":"u1"`, "properties", "batch"},
		{"/posthog/batch", `{"batch":[`, `"event":"e","distinct_id":"u1"`, "properties", "batch"},
		{"/2/httpapi", `{"events":[`, `"event_type":"e","user_id":"user1"`, "event_properties", "events"},
		{"/mixpanel/track", `[`, `"event":"e"`, "properties", ""},
		{"/engage", `[`, `"$distinct_id":"u1"`, "$set", ""},
	} {
		end := strings.Map(func(r rune) rune { return map[rune]rune{'{': '}', '[': ']'}[r] }, strings.Trim(f.around, `"abcdefghijklmnopqrstuvwxyz:`))
		if strings.HasPrefix(f.around, "{") {
			end = "]}"
		}
		wrap := func(events string) string { return f.around + events + end }
		add(f.path, "unknown members", wrap("{"+f.event+","+list(rep(`"a":1,`, n))+"}"))
		add(f.path, "members twice", wrap("{"+f.event+","+list(rep(`"`+f.props+`":{"a":1},`, n))+"}"))
		add(f.path, "context twice", wrap("{"+f.event+","+list(rep(`"context":{"ip":"1.2.3.4"},`, n))+"}"))
		add(f.path, "properties", wrap("{"+f.event+`,"`+f.props+`":{`+list(rep(`"a":1,`, n))+"}}"))
		add(f.path, "tokens", wrap("{"+f.event+`,"`+f.props+`":{"x":1,`+list(rep(`"token":1,"$ip":1,`, n))+"}}"))
		add(f.path, "nested", wrap("{"+f.event+`,"`+f.props+`":`+strings.Repeat(`{"a":`, n/12)+"1"+strings.Repeat("}", n/12)+"}"))
		add(f.path, "nested lists", wrap("{"+f.event+`,"`+f.props+`":`+strings.Repeat(`[`, n/2)+strings.Repeat("]", n/2)+"}"))
		add(f.path, "escapes", wrap("{"+f.event+`,"`+f.props+`":{"a":"`+rep(`\u0041`, n)+`"}}`))
		add(f.path, "operations", wrap("{"+f.event+`,"$set":{`+list(rep(`"a":1,`, n/2))+`},"user_properties":{"$set":{`+list(rep(`"a":1,`, n/2))+`}}}`))
		add(f.path, "groups", wrap("{"+f.event+`,"groups":{`+list(rep(`"a":[],`, n/2))+`},"properties":{"$groups":{`+list(rep(`"a":[],`, n/2))+`}}}`))
		small := "{" + f.event + "},"
		add(f.path, "10,000 events", wrap(list(strings.Repeat(small, 9_999))))
		add(f.path, "events with unknown members", wrap(list(strings.Repeat("{"+f.event+","+list(rep(`"a":1,`, n/9_999))+"},", 9_999))))
		add(f.path, "broken lines", strings.Repeat(`{"a":`+rep(" ", n/9_999)+"\n", 9_999))
		if f.key != "" {
			others := list(rep(`"a":1,`, n/2))
			add(f.path, "many lists of events", "{"+others+","+list(rep(`"`+f.key+`":[],`, n/2))+"}")
			add(f.path, "many lists with events", "{"+others+","+list(rep(`"`+f.key+`":[{"a":1}],`, n/2))+"}")
			add(f.path, "lists of other things", "{"+others+","+list(rep(`"`+f.key+`":1,`, n/2))+"}")
		}
	}
	return all
}

// Whatever a body holds, the time that its decoding takes grows as its length does: twice the length takes no more than a few times as long.
func TestHostileBodiesAreLinear(t *testing.T) {
	n := 1 << 18
	if os.Getenv("MILLRACE_TEST_HOSTILE") != "" {
		n = 20 << 20
	}
	limits := schema.DefaultLimits()
	took := func(path, body string) time.Duration {
		route, ok := Lookup([]byte(path))
		if !ok {
			t.Fatal(path)
		}
		d := New(limits, 10_000)
		least := time.Duration(1 << 62)
		for range 3 {
			b := &schema.Batch{Buf: []byte(body)}
			began := time.Now()
			r, _ := d.Classify(route, b.Buf, 0, false)
			_, _ = d.Key(r, b.Buf)
			_ = d.Decode(r, b, Options{})
			least = min(least, time.Since(began))
			if least > 5*time.Second {
				break
			}
		}
		return least
	}
	small, large := hostileBodies(n/8), hostileBodies(n)
	for i, c := range large {
		a, b := took(c.path, small[i].body), took(c.path, c.body)
		perByte := float64(b) / float64(len(c.body))
		if os.Getenv("MILLRACE_TEST_HOSTILE") != "" || testing.Verbose() {
			fmt.Printf("%-18s %-30s %9d bytes %10v %8.2f ns/byte\n", c.path, c.name, len(c.body), b.Round(time.Microsecond), perByte)
		}
		// A quadratic decoder takes 64 times as long for 8 times the length, and far more than this for a byte.
		if perByte > 200 && b > 20*a {
			t.Errorf("%s, %s: %v for %d bytes, %v for %d", c.path, c.name, a, len(small[i].body), b, len(c.body))
		}
	}
}

// What a decoder notes of an event is bounded by the size that an event may have, whatever the size of the body: nothing else bounds it.
func TestNotesAreBounded(t *testing.T) {
	limits := schema.DefaultLimits()
	limits.MaxEventBytes = 1 << 10
	body := `{"event":"e","user_id":"u",` + strings.Repeat(`"a":1,`, 100_000) + `"events":[{"event":"e"}],"events":null,"b":1}`
	route, _ := Lookup([]byte("/v1/events"))
	d := New(limits, 100)
	b := &schema.Batch{Buf: []byte(body)}
	d.begin(b.Buf)
	d.batch, d.family, d.outermost = b, families[route.Dialect], true
	if !d.members() {
		t.Fatal(d.scan.Err())
	}
	if n := len(d.others); n < 100 || n > 1<<10 {
		t.Errorf("%d members are noted of an event that may have %d bytes", n, limits.MaxEventBytes)
	}
}

// What stands in the record twice counts twice: the broker would refuse it for good, and the client would send it, and all that came with it, for ever.
func TestTraitsOfTheContextCountTwice(t *testing.T) {
	limits := schema.DefaultLimits()
	for _, c := range []struct {
		size    int64
		refused bool
	}{{limits.MaxEventBytes/2 - 100, false}, {limits.MaxEventBytes / 2, true}} {
		body := `{"userId":"u","context":{"traits":{"a":"` + strings.Repeat("x", int(c.size)) + `"}}}`
		route, _ := Lookup([]byte("/v1/identify"))
		b := &schema.Batch{Buf: []byte(body)}
		if err := New(limits, 100).Decode(route, b, Options{}); err != nil {
			t.Fatal(err)
		}
		if e := &b.Events[0]; e.Refused() != c.refused || c.refused && e.Reason != schema.EventTooLarge {
			t.Errorf("%d bytes: %v %v", c.size, e.Reason, e.Detail)
		}
	}
}
