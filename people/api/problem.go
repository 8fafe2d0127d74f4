package api

import (
	"github.com/millrace/millrace/internal/rest"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// code is the stable code of an answer. Those of one kind of resource stand with its routes.
type code = rest.Code

// refusal is the answer to a request that is not served. nil means that it may go on.
type refusal struct {
	code   *code
	detail string
	// problems are those of what was declared.
	problems []*question.Problem
	// allow lists the methods of the path, for rest.MethodNotAllowed.
	allow string
}

func refuse(c *code, detail string) *refusal { return &refusal{code: c, detail: detail} }

// refuse answers with a problem.
func (r *request) refuse(p *refusal) {
	r.code, r.status = p.code, p.code.Status
	if p.code == rest.ClientGone {
		return
	}
	said := rest.Problem{Code: p.code, Detail: p.detail, RequestID: r.id.String(), Allow: p.allow}
	if len(p.problems) > 0 {
		said.Problems = p.problems
	}
	r.send(r.status, said.Encode(r.w.Header()))
}
