package question_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

type retentionCase struct {
	span
	birth, back, period, mode string
	periods                   int
}

func retentionOf(seed uint32) retentionCase {
	r := rand.New(rand.NewPCG(uint64(seed), 17))
	c := retentionCase{
		span: spanOf(r), birth: []string{"A", "", "B"}[r.IntN(3)], back: []string{"A", "B", "", "$pageview"}[r.IntN(4)],
		period: []string{"day", "week"}[seed/3%2], mode: []string{"n_day", "rolling", "unbounded"}[seed%3], periods: 1 + r.IntN(9),
	}
	if c.to-c.from > 400*dayMS { // of all time a question is refused
		c.span = newSpan(base-base%dayMS-3*dayMS, base-base%dayMS+12*dayMS+1)
	}
	return c
}

// rows ask of each cohort and k whether each of its persons came back, event by event.
func (c retentionCase) rows(events []event) (rows [][]string) {
	type person struct {
		first  event
		events []event
	}
	cohorts := map[time.Time][]person{}
	for _, list := range persons(events, c.holds) {
		for _, e := range list {
			if named(e, c.birth) {
				b := bucketOf(c.period, e.ts)
				cohorts[b] = append(cohorts[b], person{e, list})
				break
			}
		}
	}
	days := 1
	if c.period == "week" {
		days = 7
	}
	length := int64(days) * dayMS
	for b := bucketOf(c.period, c.from); b.UnixMilli() < c.to; b = b.AddDate(0, 0, days) {
		size := len(cohorts[b])
		if size == 0 {
			continue
		}
		for k := range c.periods {
			begins := b.AddDate(0, 0, k*days)
			if begins.UnixMilli() >= c.to {
				break
			}
			came := 0
			for _, p := range cohorts[b] {
				for _, e := range p.events {
					if !named(e, c.back) {
						continue
					}
					since := e.ts - p.first.ts
					if c.mode == "n_day" && bucketOf(c.period, e.ts).Equal(begins) ||
						c.mode == "unbounded" && !bucketOf(c.period, e.ts).Before(begins) ||
						c.mode == "rolling" && before(e, p.first) > 0 && since >= int64(k)*length && since < int64(k+1)*length {
						came++
						break
					}
				}
			}
			rows = append(rows, []string{b.Format("2006-01-02"), fmt.Sprint(size), fmt.Sprint(k), fmt.Sprint(came), float(float64(came) / float64(size))})
		}
	}
	return rows
}

func testRetention(t *testing.T, s server, data map[uint32][]event) {
	for seed, events := range data {
		c := retentionOf(seed)
		want := c.rows(events)
		compare(t, fmt.Sprintf("seed %d: retention %+v", seed, c), s.call(t, "retention", append(c.arguments(seed),
			argument{"birth", "String", c.birth}, argument{"return", "String", c.back}, argument{"period", "String", c.period}, argument{"mode", "String", c.mode}, argument{"periods", "UInt16", fmt.Sprint(c.periods)})), want, true)
		q := question.Retention{From: c.From, To: c.To, Birth: question.Step{Event: c.birth}, Return: question.Step{Event: c.back}, Period: c.period, Mode: c.mode, Periods: c.periods}
		compare(t, fmt.Sprintf("seed %d: question %+v", seed, q), s.ask(t, &q, seed), want, true)
	}
}
