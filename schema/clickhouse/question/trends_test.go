package question_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

// bucketOf is the beginning of the period of a time, by the calendar of package time.
func bucketOf(interval string, ms int64) time.Time {
	t := time.UnixMilli(ms).UTC()
	switch interval {
	case "minute":
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	case "hour":
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), 0, 0, 0, time.UTC)
	case "day":
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	case "week":
		for t.Weekday() != time.Monday {
			t = t.AddDate(0, 0, -1)
		}
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	default:
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
}

func bucketText(t time.Time) string { return t.Format("2006-01-02 15:04:05") }

// counts are what trends tell of a group.
type counts struct {
	events  int
	revenue int64
	users   map[string]bool
}

// group counts events by a key.
func group(events []event, key func(event) string) map[string]*counts {
	all := map[string]*counts{}
	for _, e := range events {
		k := key(e)
		c := all[k]
		if c == nil {
			c = &counts{users: map[string]bool{}}
			all[k] = c
		}
		c.events++
		c.revenue += e.revenue
		c.users[e.user] = true
	}
	return all
}

func keep(events []event, holds func(event) bool) []event {
	return slices.DeleteFunc(slices.Clone(events), func(e event) bool { return !holds(e) })
}

// separator is in no text of the data.
const separator = "\x1f"

func testTrends(t *testing.T, s server, data map[uint32][]event) {
	for seed, events := range data {
		r := rand.New(rand.NewPCG(uint64(seed), 13))
		c := spanOf(r)
		interval := []string{"minute", "hour", "day", "week", "month"}[seed%5]
		name := []string{"", "A", "$pageview"}[r.IntN(3)]
		field := []string{"", "country", "device", "properties.p"}[r.IntN(4)]
		value := map[string]func(event) string{"": nothing, "country": countryOf, "device": func(e event) string { return e.device }, "properties.p": propertyOf}[field]

		args := append(c.arguments(seed), argument{"interval", "String", interval}, argument{"event", "String", name})
		args = append(args, splitBy(field)...)
		var trends, uniques [][]string
		for key, n := range group(keep(events, func(e event) bool { return c.holds(e) && named(e, name) }), func(e event) string {
			return bucketText(bucketOf(interval, e.ts)) + separator + value(e)
		}) {
			head := strings.Split(key, separator)
			trends = append(trends, append(slices.Clone(head), fmt.Sprint(n.events), money(n.revenue)))
			uniques = append(uniques, append(head, fmt.Sprint(len(n.users))))
		}
		compare(t, fmt.Sprintf("seed %d: trends %v", seed, args), s.call(t, "trends", args), trends, false)
		compare(t, fmt.Sprintf("seed %d: uniques %v", seed, args), s.call(t, "uniques", args), uniques, false)

		from, to := c.From, c.To
		if c.to-c.from > 6*dayMS && interval == "minute" || c.to-c.from > 400*dayMS && interval != "month" { // too many periods for one answer
			c = newSpan(base-base%dayMS-2*dayMS, base-base%dayMS+4*dayMS)
			from, to = c.From, c.To
		}
		q := question.Trends{
			From: from, To: to, Interval: interval, Breakdown: field, Limit: 1 + r.IntN(2), Measure: []string{"", "events", "persons", "revenue", "all"}[r.IntN(5)],
			Series: []question.Step{{Event: name}, {}, {Event: "B", Where: []question.Condition{{Field: "country", Op: "is_not", Values: []string{"DE"}}}}}[:1+r.IntN(3)],
		}
		if r.IntN(2) == 0 {
			q.Where = []question.Condition{{Field: "device", Op: "set"}}
		}
		compare(t, fmt.Sprintf("seed %d: question %+v", seed, q), s.ask(t, &q, seed), trendRows(q, c, events, value), false)
		if q.Measure != "persons" && q.Measure != "all" {
			q.Source = "events"
			compare(t, fmt.Sprintf("seed %d: question %+v", seed, q), s.ask(t, &q, seed), trendRows(q, c, events, value), false)
		}
	}
}

// trendRows are those of the questions that testTrends asks.
func trendRows(q question.Trends, c span, events []event, value func(event) string) (rows [][]string) {
	holds := []func(event) bool{
		func(e event) bool { return named(e, q.Series[0].Event) },
		func(event) bool { return true },
		func(e event) bool { return e.name == "B" && e.country != "DE" },
	}[:len(q.Series)]
	asked := keep(events, func(e event) bool {
		return c.holds(e) && (len(q.Where) == 0 || e.device != "") && slices.ContainsFunc(holds, func(h func(event) bool) bool { return h(e) })
	})
	ranked := group(asked, value)
	var values []string
	for v := range ranked {
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b string) int {
		if d := ranked[b].events - ranked[a].events; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	shown := values[:min(len(values), q.Limit)]
	for i, h := range holds {
		for key, n := range group(keep(asked, h), func(e event) string {
			key := fmt.Sprint(i) + separator + bucketText(bucketOf(q.Interval, e.ts))
			switch {
			case q.Breakdown == "":
				return key
			case slices.Contains(shown, value(e)):
				return key + separator + value(e) + separator + "0"
			default:
				return key + separator + "$other" + separator + "1"
			}
		}) {
			row := strings.Split(key, separator)
			if q.Measure == "" || q.Measure == "events" || q.Measure == "all" {
				row = append(row, fmt.Sprint(n.events))
			}
			if q.Measure == "persons" || q.Measure == "all" {
				row = append(row, fmt.Sprint(len(n.users)))
			}
			if q.Measure == "revenue" || q.Measure == "all" {
				row = append(row, money(n.revenue))
			}
			rows = append(rows, row)
		}
	}
	return rows
}
