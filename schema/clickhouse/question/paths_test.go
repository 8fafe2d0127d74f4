package question_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

type edge struct {
	step           int
	source, target string
}

// edgeRows walk every visit, event by event.
func edgeRows(events []event, holds func(event) bool, start string, depth int, gap int64, limit int) (rows [][]string) {
	visits, users := map[edge]int{}, map[edge]map[string]bool{}
	for user, list := range persons(events, holds) {
		var path []string
		finish := func() {
			for i := 1; i < len(path); i++ {
				e := edge{i, path[i-1], path[i]}
				visits[e]++
				if users[e] == nil {
					users[e] = map[string]bool{}
				}
				users[e][user] = true
			}
			path = nil
		}
		for i, e := range list {
			if i > 0 && e.ts-list[i-1].ts > gap {
				finish()
			}
			switch n := len(path); {
			case n == 0 && start != "" && e.name != start:
			case n > 0 && path[n-1] == e.name:
			case n < depth:
				path = append(path, e.name)
			}
		}
		finish()
	}
	var edges []edge
	for e := range visits {
		edges = append(edges, e)
	}
	byPlace := func(a, b edge) int { return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.target, b.target)) }
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(visits[b], visits[a]), cmp.Compare(a.step, b.step), byPlace(a, b))
	})
	edges = edges[:min(limit, len(edges))]
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(visits[b], visits[a]), byPlace(a, b))
	})
	for _, e := range edges {
		rows = append(rows, []string{fmt.Sprint(e.step), e.source, e.target, fmt.Sprint(visits[e]), fmt.Sprint(len(users[e]))})
	}
	return rows
}

func testPaths(t *testing.T, s server, data map[uint32][]event) {
	for seed, events := range data {
		r := rand.New(rand.NewPCG(uint64(seed), 19))
		c := spanOf(r)
		start, depth, gap, limit := []string{"", "A", "B", "nothing has this name"}[min(r.IntN(7), 3)%4], 2+r.IntN(6), []int64{1, 1000, 30 * minuteMS, dayMS}[r.IntN(4)], []int{3, 7, 1000}[r.IntN(3)]
		compare(t, fmt.Sprintf("seed %d: paths %v %q %d %d %d", seed, c, start, depth, gap, limit), s.call(t, "paths", append(c.arguments(seed),
			argument{"start", "String", start}, argument{"depth", "UInt8", fmt.Sprint(depth)}, argument{"gap_ms", "UInt64", fmt.Sprint(gap)}, argument{"limit", "UInt32", fmt.Sprint(limit)})),
			edgeRows(events, c.holds, start, depth, gap, limit), true)
		q := question.Paths{From: c.From, To: c.To, Start: start, Depth: depth, GapMS: gap, Limit: limit, Where: []question.Condition{{Field: "country", Op: "is_not", Values: []string{"FR", "x"}}}}
		compare(t, fmt.Sprintf("seed %d: question %+v", seed, q), s.ask(t, &q, seed),
			edgeRows(events, func(e event) bool { return c.holds(e) && e.country != "FR" }, start, depth, gap, limit), true)
	}
}
