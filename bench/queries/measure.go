package queries

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/bench/sheet"
)

// asked is one run of a question on one side.
type asked struct {
	question int
	naive    bool
	cold     bool
	warmup   bool
	id       string
	latency  time.Duration
}

// interview asks all questions, in turn, and compares the answers each time.
type interview struct {
	o       *Options
	s       *server
	cooler  *cooler
	example example
	runs    []asked
	result  []Question
	done    int
}

// measure returns what the questions cost. Cold rounds come first: in each, every question is asked on both sides, with caches emptied before each. Then each question is asked once on both
// sides without being counted, and Rounds times.
func (i *interview) measure(ctx context.Context) ([]Question, error) {
	for n := range questions {
		q := &questions[n]
		one := Question{Name: q.name, Asks: q.asks, Ours: Side{SQL: i.s.in(q.ours)}, Naive: Side{SQL: i.s.in(q.naive)}}
		for _, bound := range q.approximate {
			one.Bound = max(one.Bound, bound)
		}
		i.result = append(i.result, one)
	}
	for round := range i.o.ColdRounds {
		for n := range questions {
			if err := i.both(ctx, n, asked{cold: true}, round+n); err != nil {
				return nil, err
			}
		}
	}
	for n := range questions {
		for round := range i.o.Rounds + 1 {
			if err := i.both(ctx, n, asked{warmup: round == 0}, round+n); err != nil {
				return nil, err
			}
		}
	}
	return i.result, i.price(ctx)
}

// both asks one question on both sides, ours first when turn is even.
func (i *interview) both(ctx context.Context, n int, run asked, turn int) error {
	q, r := &questions[n], &i.result[n]
	kind, total := "warm", len(questions)*(i.o.ColdRounds+i.o.Rounds+1)
	if run.cold {
		kind = "cold"
	}
	i.o.Progress("asking "+kind, uint64(i.done), uint64(total))
	var ours, naive answer
	for step := range 2 {
		statement, into := q.ours, &ours
		if run.naive = (turn+step)%2 == 1; run.naive {
			statement, into = q.naive, &naive
		}
		if run.cold {
			if err := i.cooler.cool(ctx); err != nil {
				return err
			}
		}
		a, id, latency, err := i.s.ask(ctx, statement, q.parameters(i.o.Until, i.example))
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		*into = a
		run.question, run.id, run.latency = n, id, latency
		i.runs = append(i.runs, run)
	}
	i.done++
	r.Rows = len(ours)
	differs, deviation := difference(ours, naive, q.approximate)
	r.Deviation = max(r.Deviation, deviation)
	if r.Difference == "" {
		r.Difference = differs
	}
	return nil
}

// price gives the runs what the server has noted about them.
func (i *interview) price(ctx context.Context) error {
	i.o.Progress("reading the query log", 0, 0)
	costs, err := i.s.costs(ctx)
	if err != nil {
		return err
	}
	for _, run := range i.runs {
		cost, ok := costs[run.id]
		if !ok {
			return errNoLog(run.id)
		}
		cost.LatencyMillis = float64(run.latency.Microseconds()) / 1000
		side := &i.result[run.question].Ours
		if run.naive {
			side = &i.result[run.question].Naive
		}
		switch {
		case run.cold:
			side.ColdRuns = append(side.ColdRuns, cost)
		case !run.warmup:
			side.WarmRuns = append(side.WarmRuns, cost)
		}
	}
	for n := range i.result {
		i.result[n].finish()
	}
	return nil
}

// insertCosts pairs what the same block cost in each table.
func insertCosts(all []inserted, costs map[string]Cost, blockRows int) (Inserts, error) {
	pairs := map[int]*InsertPair{}
	for _, one := range all {
		if one.pair == 0 {
			continue
		}
		cost, ok := costs[one.id]
		if !ok {
			return Inserts{}, errNoLog(one.id)
		}
		p := pairs[one.pair]
		if p == nil {
			p = new(InsertPair)
			pairs[one.pair] = p
		}
		perRow := cost.CPUMillis * 1000 / float64(one.rows)
		switch one.table {
		case "events":
			p.Full = perRow
		case bareTable:
			p.Bare = perRow
		default:
			p.Naive = perRow
		}
	}
	in := Inserts{BlockRows: blockRows}
	for n := range len(pairs) {
		in.Pairs = append(in.Pairs, *pairs[n+1])
	}
	in.Bare = sheet.By(in.Pairs, func(p *InsertPair) float64 { return p.Bare })
	in.Full = sheet.By(in.Pairs, func(p *InsertPair) float64 { return p.Full })
	in.Rollups = sheet.By(in.Pairs, func(p *InsertPair) float64 { return p.Full - p.Bare })
	in.Naive = sheet.By(in.Pairs, func(p *InsertPair) float64 { return p.Naive })
	return in, nil
}

// unchilled are the questions with a cold run that was none.
func unchilled(all []Question) (names []string) {
	for i := range all {
		if q := &all[i]; !q.Ours.IsCold || !q.Naive.IsCold {
			names = append(names, q.Name)
		}
	}
	slices.Sort(names)
	return names
}
