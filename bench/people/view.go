package people

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/sheet"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// Pair is a question that was asked of persons, and the same of ids.
type Pair struct {
	Name string `json:"name"`
	Asks string `json:"asks"`
	// SQL is that on events_q. The other has events in its place, and user_h in the place of person_h.
	SQL   string       `json:"sql"`
	Ours  []Cost       `json:"ours"`
	Raw   []Cost       `json:"raw"`
	Ratio sheet.Spread `json:"cpu_ratio"` // CPU of ours to raw, round by round
	// PerEvent is the difference in CPU time by event read, in nanoseconds, round by round.
	PerEvent sheet.Spread `json:"ns_per_event"`
}

// pairs are the questions, over the whole history.
func (r *run) pairs() ([]Pair, []question.Statement, error) {
	const history = "project_id = {project:UInt32} AND ts >= {from:DateTime('UTC')} AND ts < {until:DateTime('UTC')}"
	parameters := map[string]string{"project": fmt.Sprint(project), "from": r.o.from().UTC().Format(time.DateTime), "until": r.o.Until.UTC().Format(time.DateTime)}
	plain := func(columns, rest string) question.Statement {
		return question.Statement{Text: r.server.in("SELECT " + columns + "\nFROM {db}.events_q\nWHERE " + history + rest), Params: parameters}
	}
	from, until := question.At(r.o.from()), question.At(r.o.Until)
	funnel, err := (&question.Funnel{From: from, To: until, Steps: []question.Step{{Event: "product_viewed"}, {Event: "checkout_started"}, {Event: "purchase"}}}).Build(r.server.database, project)
	if err != nil {
		return nil, nil, err
	}
	retention, err := (&question.Retention{From: from, To: until, Birth: question.Step{Event: "product_viewed"}, Periods: 15}).Build(r.server.database, project)
	if err != nil {
		return nil, nil, err
	}
	pairs := []Pair{
		{Name: "events", Asks: "events by name (no person is asked for)"},
		{Name: "lookup", Asks: "sum of all persons: the lookup alone"},
		{Name: "persons", Asks: "how many persons"},
		{Name: "funnel", Asks: "funnel of three steps"},
		{Name: "retention", Asks: "retention of 15 days"},
	}
	statements := []question.Statement{plain("event, count() AS n", "\nGROUP BY event\nORDER BY n DESC, event"), plain("sum(person_h)", ""), plain("uniqExact(person_h)", ""), funnel, retention}
	for i := range pairs {
		pairs[i].SQL = statements[i].Text
	}
	return pairs, statements, nil
}

// raw is a question about ids, not persons.
func raw(q question.Statement) question.Statement {
	q.Text = strings.NewReplacer("events_q", "events", "person_h", "user_h").Replace(q.Text)
	return q
}

// view asks both sides in turn, who is first changing.
func (r *run) view(ctx context.Context) error {
	pairs, statements, err := r.pairs()
	if err != nil {
		return err
	}
	if err := r.compare(ctx, statements); err != nil {
		return err
	}
	ours, others := make([][]priced, len(pairs)), make([][]priced, len(pairs))
	for i := range pairs {
		for round := range r.o.Rounds + 1 { // the first does not count
			r.o.Progress("asking", uint64(i*(r.o.Rounds+1)+round), uint64(len(pairs)*(r.o.Rounds+1)))
			for step := range 2 {
				q, into := statements[i], &ours[i]
				if (round+step)%2 == 1 {
					q, into = raw(q), &others[i]
				}
				id, took, err := r.server.ask(ctx, q)
				if err != nil {
					return fmt.Errorf("%s: %w", pairs[i].Name, err)
				}
				if round > 0 {
					*into = append(*into, pricedAs(id, took))
				}
			}
		}
	}
	costs, err := r.server.costs(ctx)
	if err != nil {
		return err
	}
	for i := range pairs {
		p := &pairs[i]
		if p.Ours, err = price(costs, ours[i]); err != nil {
			return err
		}
		if p.Raw, err = price(costs, others[i]); err != nil {
			return err
		}
		p.finish()
	}
	r.result.View = pairs
	return nil
}

// finish computes what follows from the runs.
func (p *Pair) finish() {
	var ratios, each []float64
	for i := range p.Ours {
		o, raw := &p.Ours[i], &p.Raw[i]
		ratios = append(ratios, o.CPUMillis/max(raw.CPUMillis, 0.001))
		each = append(each, (o.CPUMillis-raw.CPUMillis)*1e6/float64(max(1, o.Rows)))
	}
	p.Ratio, p.PerEvent = sheet.Of(ratios), sheet.Of(each)
}

// compare demands what is known beforehand of the answers: the same events on both sides, a person for every two ids, and a funnel that only persons come through.
func (r *run) compare(ctx context.Context, statements []question.Statement) error {
	var n [2]uint64
	var events [2][]string
	var through [2][]uint64
	for i, q := range []func(question.Statement) question.Statement{func(q question.Statement) question.Statement { return q }, raw} {
		var event string
		var count uint64
		if err := r.server.rows(ctx, q(statements[0]).Text, statements[0].Params, func() { events[i] = append(events[i], fmt.Sprint(event, " ", count)) }, &event, &count); err != nil {
			return err
		}
		if err := r.server.row(ctx, q(statements[2]).Text, statements[2].Params, &n[i]); err != nil {
			return err
		}
		if err := r.server.rows(ctx, "SELECT persons FROM ("+q(statements[3]).Text+"\n) ORDER BY step", statements[3].Params, func() { through[i] = append(through[i], count) }, &count); err != nil {
			return err
		}
	}
	users := uint64(r.o.Users)
	switch {
	case strings.Join(events[0], ", ") != strings.Join(events[1], ", "):
		return fmt.Errorf("%w: events by name are %s in events_q and %s in events", ErrWrong, strings.Join(events[0], ", "), strings.Join(events[1], ", "))
	case n[0] != users || n[1] != 2*users:
		return fmt.Errorf("%w: %d users are %d persons and %d ids", ErrWrong, users, n[0], n[1])
	case len(through[0]) != 3 || len(through[1]) != 3 || through[0][0] != users || through[0][1] != users || through[0][2] <= users/2:
		return fmt.Errorf("%w: %d users came through the funnel as %d", ErrWrong, users, through[0])
	}
	r.result.Funnel = through
	return nil
}
