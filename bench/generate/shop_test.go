package generate

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/bench/scenario"
	"github.com/millrace/millrace/schema"
)

// TestShop: what the simulation tells looks like a shop.
func TestShop(t *testing.T) {
	s := scenario.Default()
	const events = 60_000
	r := rand.New(rand.NewPCG(1, 2))
	shop := newShop(&s, newWorld(&s), r, 3)
	names := map[string]int{}
	visits := map[*user]map[uint64]bool{}
	anonymous := 0
	wasAnonymous := map[*user]bool{}
	identified := 0
	var c call
	for range events {
		shop.next(&c)
		if c.typ == schema.Track {
			names[string(c.event)]++
		}
		if visits[c.user] == nil {
			visits[c.user] = map[uint64]bool{}
		}
		visits[c.user][c.session.id] = true
		if !c.known {
			anonymous++
			wasAnonymous[c.user] = true
		}
		if c.typ == schema.Identify {
			if !c.known {
				t.Fatal("an identify call of nobody")
			}
			if wasAnonymous[c.user] {
				identified++
			}
			delete(wasAnonymous, c.user)
		}
		if c.typ == schema.Group && len(c.user.groupID) == 0 {
			t.Fatal("a group call without a group")
		}
	}

	steps := [][]byte{productViewed, productAdded, checkoutStarted, orderCompleted}
	for i := 1; i < len(steps); i++ {
		before, after := names[string(steps[i-1])], names[string(steps[i])]
		if after < 100 || after*10 > before*9 {
			t.Errorf("%d times %s, %d times %s: nobody drops out", before, steps[i-1], after, steps[i])
		}
	}

	var others []int
	for _, name := range shop.world.names.plain {
		others = append(others, names[string(name)])
	}
	if !slices.ContainsFunc(others, func(n int) bool { return n > 0 }) || others[0] < 3*others[9] || others[0] < 10*others[len(others)-1] || others[len(others)-1] == 0 {
		t.Errorf("the other names are not spread as Zipf says: %v", others)
	}

	var counts []int
	for _, v := range visits {
		counts = append(counts, len(v))
	}
	slices.Sort(counts)
	if len(counts) < s.Events.Users*9/10 || counts[len(counts)/2] < 3 || counts[len(counts)-1] < 2*counts[len(counts)/2] {
		t.Errorf("%d users came, the median %d times, the most frequent %d times", len(counts), counts[len(counts)/2], counts[len(counts)-1])
	}
	if share := float64(anonymous) / events; share < 0.1 || share > 0.6 {
		t.Errorf("%.3f of the events are of nobody known", share)
	}
	if identified < 100 {
		t.Errorf("%d visitors said who they are", identified)
	}
}

func TestNames(t *testing.T) {
	for _, n := range []int{1, 9, 10, 40, 740, 5000} {
		all := newNames(n, true, true)
		seen := map[string]bool{}
		for _, name := range slices.Concat(all.plain, all.foreign, all.quoted, funnel) {
			if seen[string(name)] || len(name) == 0 || len(name) > 100 {
				t.Errorf("of %d names %q is one too many", n, name)
			}
			seen[string(name)] = true
		}
		if got := len(seen) - len(funnel); got != n {
			t.Errorf("%d names, want %d", got, n)
		}
		if seen[ProbeEvent] {
			t.Error("the probe's name is in use")
		}
	}
	if all := newNames(1000, false, false); len(all.foreign)+len(all.quoted) > 0 {
		t.Error("names that nobody asked for")
	}
}

func TestQuotaHoldsItsShare(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, share := range []float64{0, 0.001, 0.05, 0.3, 0.5} {
		q := newQuota(r, share)
		taken, forced := 0, 0
		const n = 20_000
		for i := range n {
			if i%500 == 7 && share >= 0.05 {
				q.force()
				forced++
				taken++
				continue
			}
			if q.take(r) {
				taken++
			}
		}
		if d := float64(taken) - share*n; d > 2 || d < -4 {
			t.Errorf("share %v: %d of %d taken, %d of them by force", share, taken, n, forced)
		}
	}
}

func TestWordsNeedNoEscapes(t *testing.T) {
	plain := func(what string, words ...string) {
		for _, w := range words {
			for _, c := range w {
				if c < ' ' || c > '~' || c == '\\' || c == '"' {
					t.Errorf("%s: %q", what, w)
				}
			}
		}
	}
	for _, list := range [][]string{
		eventObjects, eventActions, firstNames, lastNames, categories, brands, adjectives, colors, currencies, plans, industries, cities, filler, referrers, userAgents,
		locales, timezones, versions, textKeys, brokenTimes, brokenTypes, illegalIDs,
	} {
		plain("words", list...)
	}
	for _, phrase := range phrases {
		if !slices.ContainsFunc([]rune(phrase), func(c rune) bool { return c > '~' }) {
			t.Errorf("%q is ASCII", phrase)
		}
		for _, c := range phrase {
			if c < ' ' || c == '\\' || c == '"' {
				t.Errorf("%q needs escapes", phrase)
			}
		}
	}
	for _, text := range slices.Concat(escapedTexts, escapedKeys) {
		if !slices.Contains([]byte(text), '\\') {
			t.Errorf("%q has no escape", text)
		}
	}
}
