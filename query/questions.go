package query

import (
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// asker is a typed question.
type asker interface {
	// Validate reports every problem, each a *question.Problem, joined.
	Validate() error
	// Build makes the statement of a valid question.
	Build(database string, project uint32) (question.Statement, error)
}

// typedBody is the body of a typed question: its fields, and what every question takes beside them.
type typedBody interface {
	asker() asker
	timeoutMS() *int64
}

// beside is what every question takes.
type beside struct {
	TimeoutMS *int64 `json:"timeout_ms"`
}

func (b beside) timeoutMS() *int64 { return b.TimeoutMS }

type (
	trendsBody struct {
		question.Trends
		beside
	}
	funnelBody struct {
		question.Funnel
		beside
	}
	retentionBody struct {
		question.Retention
		beside
	}
	pathsBody struct {
		question.Paths
		beside
	}
	timelineBody struct {
		question.Timeline
		beside
	}
)

func (b *trendsBody) asker() asker    { return &b.Trends }
func (b *funnelBody) asker() asker    { return &b.Funnel }
func (b *retentionBody) asker() asker { return &b.Retention }
func (b *pathsBody) asker() asker     { return &b.Paths }
func (b *timelineBody) asker() asker  { return &b.Timeline }

// questions are the typed questions by the last part of their path, and questionNames those names in order.
var (
	questions = map[string]func() typedBody{
		"trends":    func() typedBody { return new(trendsBody) },
		"funnel":    func() typedBody { return new(funnelBody) },
		"retention": func() typedBody { return new(retentionBody) },
		"paths":     func() typedBody { return new(pathsBody) },
		"timeline":  func() typedBody { return new(timelineBody) },
	}
	questionNames = []string{"trends", "funnel", "retention", "paths", "timeline"}
)

// typed reads a typed question and makes its statement.
func (r *request) typed(body []byte) (call, *refusal) {
	q := questions[r.question]()
	if refused := decode(body, q); refused != nil {
		return call{}, refused
	}
	if ms := q.timeoutMS(); ms != nil {
		if refused := r.shorten(*ms); refused != nil {
			return call{}, refused
		}
	}
	if err := q.asker().Validate(); err != nil {
		return call{}, invalidQuestion(flawsOf(err))
	}
	s, err := q.asker().Build(r.s.deps.ClickHouse.Database, r.caller.Project)
	if err != nil {
		// What Validate has passed can be built.
		r.broken("build the statement", err)
		return call{}, refuse(codeInternal, internalDetail)
	}
	return call{text: s.Text, params: s.Params, wire: wireParameters(s.Text, s.Params), account: r.s.deps.ClickHouse.Reader(r.caller.Project)}, nil
}

// flawsOf is what Validate has found, as the answer shows it.
func flawsOf(err error) []flaw {
	var flaws []flaw
	for _, p := range question.Problems(err) {
		flaws = append(flaws, flaw{Pointer: p.Pointer, Code: p.Code, Detail: p.Detail})
	}
	if flaws == nil {
		panic("BUG: a question is invalid without a problem: " + err.Error())
	}
	return flaws
}
