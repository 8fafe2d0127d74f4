package question_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func next(period string, t time.Time) time.Time {
	switch period {
	case "day":
		return t.AddDate(0, 0, 1)
	case "week":
		return t.AddDate(0, 0, 7)
	default:
		return t.AddDate(0, 1, 0)
	}
}

var periods = []string{"day", "week", "month"}

func testActivity(t *testing.T, s server, data map[uint32][]event) {
	for seed, events := range data {
		r := rand.New(rand.NewPCG(uint64(seed), 23))
		c, name, period := spanOf(r), []string{"", "A"}[r.IntN(2)], periods[seed%3]
		args := append(c.arguments(seed), argument{"event", "String", name}, argument{"period", "String", period})

		times := map[int]int{}
		for _, list := range persons(events, func(e event) bool { return c.holds(e) && named(e, name) }) {
			active := map[time.Time]bool{}
			for _, e := range list {
				active[bucketOf(period, e.ts)] = true
			}
			times[len(active)]++
		}
		var rows [][]string
		for n, users := range times {
			rows = append(rows, []string{fmt.Sprint(n), fmt.Sprint(users)})
		}
		compare(t, fmt.Sprintf("seed %d: stickiness %v", seed, args), s.call(t, "stickiness", args), rows, false)
		compare(t, fmt.Sprintf("seed %d: lifecycle %v", seed, args), s.call(t, "lifecycle", args), lifecycleRows(events, c, name, period), true)
	}
}

// lifecycleRows ask of each person and period what it is.
func lifecycleRows(events []event, c span, name, period string) (rows [][]string) {
	rowOf := map[time.Time]*[4]int{}
	for _, list := range persons(events, func(e event) bool { return e.ts < c.to && named(e, name) }) {
		active := map[time.Time]bool{}
		for _, e := range list {
			active[bucketOf(period, e.ts)] = true
		}
		firstOfAll := bucketOf(period, list[0].ts)
		// Any period of a state is one of these.
		candidates := map[time.Time]bool{}
		for p := range active {
			candidates[p], candidates[next(period, p)] = true, true
		}
		for p := range candidates {
			if p.Before(bucketOf(period, c.from)) || p.UnixMilli() >= c.to {
				continue
			}
			var previous bool
			for other := range active {
				previous = previous || next(period, other).Equal(p)
			}
			if rowOf[p] == nil {
				rowOf[p] = &[4]int{}
			}
			switch {
			case p.Equal(firstOfAll):
				rowOf[p][0]++
			case active[p] && previous:
				rowOf[p][1]++
			case active[p]:
				rowOf[p][2]++
			default:
				rowOf[p][3]++
			}
		}
	}
	for p, n := range rowOf {
		rows = append(rows, []string{p.Format("2006-01-02"), fmt.Sprint(n[0]), fmt.Sprint(n[1]), fmt.Sprint(n[2]), fmt.Sprint(n[3])})
	}
	slices.SortFunc(rows, func(a, b []string) int { return cmp.Compare(a[0], b[0]) })
	return rows
}

func testSessions(t *testing.T, s server, data map[uint32][]event) {
	for seed, events := range data {
		r := rand.New(rand.NewPCG(uint64(seed), 29))
		c, period := spanOf(r), periods[seed%3]
		sessions := map[string][]event{}
		for _, e := range events {
			if e.session != "" {
				sessions[e.session] = append(sessions[e.session], e)
			}
		}
		type metrics struct {
			bounces, events, views int
			revenue                int64
			seconds                []int64
		}
		all := map[time.Time]*metrics{}
		for _, list := range sessions {
			slices.SortFunc(list, before)
			// The data has ids whose time is the midnight before their first event.
			day := bucketOf("day", sessionMS(list[0].session)).UnixMilli()
			if day < bucketOf("day", c.from).UnixMilli() || day >= c.to {
				continue
			}
			m := all[bucketOf(period, day)]
			if m == nil {
				m = &metrics{}
				all[bucketOf(period, day)] = m
			}
			views := 0
			for _, e := range list {
				m.events++
				m.revenue += e.revenue
				if e.name == "$pageview" {
					views++
				}
			}
			m.views += views
			if views <= 1 {
				m.bounces++
			}
			m.seconds = append(m.seconds, list[len(list)-1].ts/1000-list[0].ts/1000)
		}
		var rows [][]string
		for bucket, m := range all {
			n := len(m.seconds)
			slices.Sort(m.seconds)
			sum := int64(0)
			for _, s := range m.seconds {
				sum += s
			}
			rows = append(rows, []string{
				bucket.Format("2006-01-02"), fmt.Sprint(n), fmt.Sprint(m.bounces), float(float64(m.bounces) / float64(n)), fmt.Sprint(m.events), fmt.Sprint(m.views), money(m.revenue),
				float(float64(sum) / float64(n)), float(float64(m.seconds[(n-1)/2]+m.seconds[n/2]) / 2),
			})
		}
		args := append(c.arguments(seed), argument{"period", "String", period})
		compare(t, fmt.Sprintf("seed %d: session_metrics %v", seed, args), s.call(t, "session_metrics", args), rows, false)
	}
}

// sessionMS is the time in the id of a session.
func sessionMS(id string) int64 {
	var high, low int64
	if _, err := fmt.Sscanf(id, "%08x-%04x", &high, &low); err != nil {
		panic(err)
	}
	return high<<16 | low
}
