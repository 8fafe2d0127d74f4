package question_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

// timelineRows are time, name, id and cursor of a user's events, the latest first.
func timelineRows(events []event, user string, holds func(event) bool) (rows [][]string) {
	list := persons(events, holds)[user]
	for _, e := range slices.Backward(list) {
		rows = append(rows, []string{stamp(e.ts), e.name, e.id, fmt.Sprintf("%d.%d.%d.%d", e.ts, e.log, e.partition, e.offset)})
	}
	return rows
}

// narrow keeps those columns of a timeline.
func narrow(t *testing.T, a answer) answer {
	t.Helper()
	var places []int
	for _, name := range []string{"ts", "event", "event_id", "cursor"} {
		i := slices.IndexFunc(a.columns, func(c question.Column) bool { return c.Name == name })
		if i < 0 {
			t.Fatalf("no column %s in %v", name, a.columns)
		}
		places = append(places, i)
	}
	var rows [][]string
	for _, row := range a.rows {
		var kept []string
		for _, i := range places {
			kept = append(kept, row[i])
		}
		rows = append(rows, kept)
	}
	return answer{rows: rows}
}

func testTimeline(t *testing.T, s server, data map[uint32][]event) {
	for seed, events := range data {
		r := rand.New(rand.NewPCG(uint64(seed), 31))
		c, user, limit := spanOf(r), fmt.Sprint("u", r.IntN(3)), 1+r.IntN(9)
		want := timelineRows(events, user, c.holds)
		asked := user
		if other := user + append(otherIDs, "")[r.IntN(len(otherIDs)+1)]; merged(seed) && slices.ContainsFunc(events, func(e event) bool { return e.distinctID() == other }) {
			asked = other // any id will do that the person is known by
		}
		args := append(c.arguments(seed), argument{"user", "String", asked}, argument{"limit", "UInt32", fmt.Sprint(limit)})
		compare(t, fmt.Sprintf("seed %d: timeline %v", seed, args), narrow(t, s.call(t, "timeline", args)), want[:min(limit, len(want))], true)

		// A question goes through all pages; some have no ends, or one.
		q := question.Timeline{User: asked, From: c.From, To: c.To, Limit: limit}
		holds := c.holds
		switch seed % 4 {
		case 0:
			q.From, holds = question.Instant{}, func(e event) bool { return e.ts < c.to }
		case 1:
			q.To, holds = question.Instant{}, func(e event) bool { return e.ts >= c.from }
		case 2:
			q.From, q.To, holds = question.Instant{}, question.Instant{}, func(event) bool { return true }
		}
		want = timelineRows(events, user, holds)
		var got answer
		for page := 0; ; page++ {
			if page > len(want) {
				t.Fatalf("seed %d: %+v: pages without end", seed, q)
			}
			a := narrow(t, s.ask(t, &q, seed))
			if len(a.rows) == 0 {
				break
			}
			got.rows = append(got.rows, a.rows...)
			q.Before = a.rows[len(a.rows)-1][3]
		}
		compare(t, fmt.Sprintf("seed %d: question %+v", seed, q), got, want, true)
	}
}

func testEventByID(t *testing.T, s server, data map[uint32][]event) {
	for seed, events := range data {
		if len(events) == 0 {
			continue
		}
		e := events[int(seed)%len(events)]
		wanted := map[uint32]int{seed: 1}
		if seed%5 == 0 {
			wanted[seed+1] = 0
		}
		for project, want := range wanted {
			a := s.call(t, "event_by_id", arguments{{"project", "UInt32", fmt.Sprint(project)}, {"id", "UUID", e.id}})
			if len(a.rows) != want {
				t.Errorf("seed %d: %d events of id %s in project %d, want %d", seed, len(a.rows), e.id, project, want)
			}
			for _, row := range a.rows {
				if text := strings.Join(row, " "); !strings.Contains(text, e.id) || !strings.Contains(text, stamp(e.ts)) {
					t.Errorf("seed %d: event %s: %v", seed, e.id, row)
				}
			}
		}
	}
}
