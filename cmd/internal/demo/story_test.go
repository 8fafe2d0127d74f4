package demo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

// digest is a hash of every byte that is told, and the number of events.
func digest(t *testing.T, o Options, now time.Time) (sum [32]byte, n int) {
	t.Helper()
	s, err := newStory(o, now)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	told := s.stream()
	var line []byte
	for {
		e, ok := told.next()
		if !ok {
			return [32]byte(h.Sum(nil)), n
		}
		line = told.append(line[:0], &e)
		h.Write(line)
		n++
	}
}

func TestSameOptionsSameBytes(t *testing.T) {
	now := testNow
	o := Options{Days: 9, Users: 400, Seed: 3}
	sum, n := digest(t, o, now)
	if n < 1000 {
		t.Errorf("%d events only", n)
	}
	later := o
	later.Until = now.Add(17 * time.Hour) // the same day
	for what, same := range map[string]Options{"again": o, "at another hour of the day": later} {
		if again, _ := digest(t, same, now.Add(17*time.Hour)); again != sum {
			t.Errorf("%s: other bytes", what)
		}
	}
	for what, change := range map[string]func(*Options){
		"seed": func(o *Options) { o.Seed++ }, "days": func(o *Options) { o.Days++ }, "users": func(o *Options) { o.Users++ },
		"until": func(o *Options) { o.Until = now.AddDate(0, 0, -1) },
	} {
		changed := o
		change(&changed)
		if other, _ := digest(t, changed, now); other == sum {
			t.Errorf("another %s tells the same", what)
		}
	}
}

// TestEventsAreSound walks over a story that is longer than a month, so that everything that can happen does.
func TestEventsAreSound(t *testing.T) {
	s, err := newStory(Options{Days: 70, Users: 1500, Seed: 5}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	type visitEnd struct {
		id   schema.UUID
		last int64
	}
	ids, ended := map[schema.UUID]bool{}, map[uint32]visitEnd{}
	seq, at := map[uint32]uint32{}, map[uint32]int64{}
	kinds := [numKinds]int{}
	signed := map[uint32]bool{}
	var now int64
	told := s.stream()
	for {
		e, ok := told.next()
		if !ok {
			break
		}
		if e.at < now || e.at < s.from || e.at >= s.end() {
			t.Fatalf("an event at %d behind one at %d", e.at, now)
		}
		now = e.at
		kinds[e.kind]++
		id := s.eventID(&e)
		if ms, v7 := id.UnixMilli(); ids[id] || !v7 || ms != e.at {
			t.Fatalf("id %v of %+v", id, e)
		}
		ids[id] = true
		if last, seen := at[e.number]; seen && last >= e.at {
			t.Fatalf("person %d has two events at %d", e.number, e.at)
		}
		if seen := seq[e.number]; e.seq < seen {
			t.Fatalf("person %d: event %d behind %d", e.number, e.seq, seen)
		}
		seq[e.number], at[e.number] = e.seq, e.at
		if signed[e.number] != e.known && e.kind != signedUp {
			t.Fatalf("%s of person %d, signed up: %v", kindNames[e.kind], e.number, signed[e.number])
		}
		signed[e.number] = signed[e.number] || e.kind == signedUp
		if v := e.visit; v != nil {
			if before, seen := ended[e.number]; seen && before.id != v.session && e.at-before.last <= 30*minute {
				t.Fatalf("person %d begins a visit %d ms behind another", e.number, e.at-before.last)
			}
			ended[e.number] = visitEnd{v.session, e.at}
		}
		if line := told.append(nil, &e); !json.Valid(line) || len(line) > 2000 {
			t.Fatalf("not an event: %s", line)
		}
	}
	for k, n := range kinds {
		if n == 0 {
			t.Errorf("never: %s", kindNames[k])
		}
	}
	if len(seq) != s.users {
		t.Errorf("%d of %d people came", len(seq), s.users)
	}
}

// count is what TestWhatCanBeFound gathers.
type count map[string]float64

func (c count) share(part, whole string) float64 { return c[part] / max(c[whole], 1) }

// TestWhatCanBeFound: what the story is made for is in it, by a wide margin.
func TestWhatCanBeFound(t *testing.T) {
	s, f := small(t, 10_000)
	c, people := count{}, map[string]map[uint32]bool{}
	once := func(name string, number uint32) {
		if people[name] == nil {
			people[name] = map[uint32]bool{}
		}
		if !people[name][number] {
			people[name][number] = true
			c[name]++
		}
	}
	signedOn, visits := map[uint32]int{}, map[schema.UUID]bool{}
	events := map[uint32]int{}
	told := s.stream()
	for {
		e, ok := told.next()
		if !ok {
			break
		}
		d := s.on(e.at)
		events[e.number]++
		name := kindNames[e.kind]
		once(name, e.number)
		if d0, ok := signedOn[e.number]; ok {
			switch d - d0 {
			case 1:
				once("back on day 1", e.number)
			case 7:
				once("back on day 7", e.number)
			}
		}
		v := e.visit
		if v == nil {
			continue
		}
		once(name+" "+v.platform.device, e.number)
		once("here "+v.person.country.code, e.number)
		once(name+" "+v.person.country.code, e.number)
		if v.platform.browser == safari && (e.kind == signupStarted || e.kind == signedUp) {
			once(name+" safari "+v.release.name, e.number)
		} else {
			once(name+" other "+v.release.name, e.number)
		}
		if e.kind == signedUp {
			signedOn[e.number] = d
			if d < s.days-1 {
				once("could be back on day 1", e.number)
			}
			if d < s.days-7 {
				once("could be back on day 7", e.number)
			}
		}
		if !visits[v.session] {
			visits[v.session] = true
			c["visits on "+s.weekday(d).String()]++
			if v.channel == &launchCampaign {
				once("by campaign", e.number)
				if d == s.campaign {
					once("by campaign on its day", e.number)
				}
			}
		}
		if v.person.channel == &launchCampaign {
			once(name+" by campaign", e.number)
		}
	}
	check := func(ok bool, what string, values ...any) {
		t.Helper()
		if !ok {
			t.Errorf("%s: %v", what, values)
		}
	}
	steps := []string{"$pageview", "Signup Started", "Signed Up", "Project Created", "Checkout Started", "Subscription Started"}
	for i := 1; i < len(steps); i++ {
		share := c.share(steps[i], steps[i-1])
		check(share > 0.03 && share < 0.9, steps[i], share)
	}
	mobile, desk := c.share("Signed Up mobile", "$pageview mobile"), c.share("Signed Up desktop", "$pageview desktop")
	check(mobile < 0.8*desk, "sign-ups by phone and desktop", mobile, desk)
	india, home := c.share("Signed Up IN", "here IN"), c.share("Signed Up US", "here US")
	check(india < 0.8*home, "sign-ups of India and the USA", india, home)
	bad, good := c.share("Signed Up safari 3.2.0", "Signup Started safari 3.2.0"), c.share("Signed Up safari 3.1.0", "Signup Started safari 3.1.0")
	other := c.share("Signed Up other 3.2.0", "Signup Started other 3.2.0")
	check(bad < 0.5*good && bad < 0.5*other, "sign-ups with the broken release, before it, and in other browsers", bad, good, other)
	check(c.share("by campaign on its day", "by campaign") > 0.6, "the campaign's day", c["by campaign on its day"], c["by campaign"])
	campaign, all := c.share("Signed Up by campaign", "by campaign"), c["Signed Up"]/float64(f.Users)
	check(campaign < 0.75*all, "sign-ups by the campaign and at all", campaign, all)
	first, seventh := c.share("back on day 1", "could be back on day 1"), c.share("back on day 7", "could be back on day 7")
	check(first > 0.2 && first < 0.6 && seventh < first && seventh > 0.1, "retention of days 1 and 7", first, seventh)
	check(c["visits on Saturday"] < 0.75*c["visits on Wednesday"], "visits on Saturday and Wednesday", c["visits on Saturday"], c["visits on Wednesday"])
	most := 0
	for _, n := range events {
		most = max(most, n)
	}
	check(most > 20*int(f.Events)/f.Users, "events of the busiest person", most, f.Events, f.Users)
}

func TestSurvey(t *testing.T) {
	s, f := small(t, 500)
	var n, signed, cents int64
	told := s.stream()
	for {
		e, ok := told.next()
		if !ok {
			break
		}
		n++
		if e.kind == signedUp {
			signed++
		}
		var p struct{ Revenue json.Number }
		line := told.append(nil, &e)
		_, properties, _ := strings.Cut(string(line), `"properties":`)
		properties, _, _ = strings.Cut(properties, `,"context"`)
		if err := json.Unmarshal([]byte(properties), &p); err != nil {
			t.Fatalf("%v: %s", err, properties)
		}
		if p.Revenue != "" {
			whole, hundredths, ok := strings.Cut(p.Revenue.String(), ".")
			amount, err := json.Number(whole + hundredths).Int64()
			if !ok || len(hundredths) != 2 || err != nil {
				t.Fatalf("revenue %s", p.Revenue)
			}
			cents += amount
		}
	}
	if f.Events != n || int64(f.SignedUp) != signed || f.RevenueCents != cents || cents <= 0 || f.To.Sub(f.From) != 14*24*time.Hour || len(f.first) != looked {
		t.Errorf("%d events, %d sign-ups, %d cents; the facts are %+v", n, signed, cents, f)
	}
	text := f.String()
	for _, want := range []string{commas(n), "500 people", f.From.Format(time.DateOnly), f.Campaign.Format(time.DateOnly), "3.2.0"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Survey(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestEveryLengthHasItsDays(t *testing.T) {
	for days := MinDays; days <= 60; days++ {
		for weekday := range 7 {
			c := newCalendar(time.Date(2026, 6, 1+weekday, 12, 0, 0, 0, time.UTC), days)
			if c.broken < 1 || c.broken+brokenDays >= days || c.campaign < c.broken+brokenDays || c.campaign >= days {
				t.Errorf("%d days: broken %d, campaign %d", days, c.broken, c.campaign)
			}
			next := 0
			for d := range days {
				first, last := c.arrivals(d, 12_345)
				if first != next || last < first {
					t.Fatalf("%d days: on day %d come %d to %d, the next is %d", days, d, first, last, next)
				}
				next = last
				for _, number := range []int{first, last - 1} {
					if last > first && c.arrival(number, 12_345) != d {
						t.Fatalf("%d days: %d comes on %d, not on %d", days, number, d, c.arrival(number, 12_345))
					}
				}
			}
			if next != 12_345 {
				t.Errorf("%d days: %d people come", days, next)
			}
		}
	}
}

func TestOptionsSayEverythingAtOnce(t *testing.T) {
	now := testNow
	err := Options{Days: 3, Users: 7, Until: now.Add(time.Hour)}.validate(now)
	for _, want := range []string{"--days 3", "--users 7", "--until 2026-03-05", "future"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
	if err := (Options{Days: 30, Users: 100, Until: now.AddDate(-5, 0, 20)}).validate(now); err == nil || !strings.Contains(err.Error(), "limits.max_age") {
		t.Error(err)
	}
	if err := DefaultOptions().validate(now); err != nil {
		t.Error(err)
	}
}

func TestCommas(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1: "-1", -999: "-999", -1000: "-1,000", -123456: "-123,456"} {
		if got := commas(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
