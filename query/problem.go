package query

import (
	"net/http"
	"time"

	"github.com/millrace/millrace/internal/rest"
)

// code is the stable code of an answer.
type code = *rest.Code

var (
	codeInvalidJSON          = rest.InvalidJSON
	codeUnknownField         = &rest.Code{Text: "unknown_field", Status: http.StatusBadRequest, Title: "The question has no such field"}
	codeInvalidQuestion      = &rest.Code{Text: "invalid_question", Status: http.StatusBadRequest, Title: "The question cannot be asked like this"}
	codeInvalidRequest       = rest.InvalidRequest
	codeQueryRefused         = &rest.Code{Text: "query_refused", Status: http.StatusBadRequest, Title: "ClickHouse refuses the statement"}
	codeResultTooLarge       = &rest.Code{Text: "result_too_large", Status: http.StatusBadRequest, Title: "The result is too large"}
	codeScanLimit            = &rest.Code{Text: "scan_limit", Status: http.StatusBadRequest, Title: "The query would read too much"}
	codeMemoryLimit          = &rest.Code{Text: "memory_limit", Status: http.StatusBadRequest, Title: "The query needs too much memory"}
	codeInvalidKey           = rest.InvalidKey
	codeForbiddenScope       = rest.ForbiddenScope
	codeUnknownRoute         = rest.UnknownRoute
	codeUnknownQuery         = &rest.Code{Text: "unknown_query", Status: http.StatusNotFound, Title: "No such query is running"}
	codeMethodNotAllowed     = rest.MethodNotAllowed
	codeNotAcceptable        = &rest.Code{Text: "not_acceptable", Status: http.StatusNotAcceptable, Title: "There is no such format"}
	codeTimeout              = rest.Timeout
	codeQueryCancelled       = &rest.Code{Text: "query_cancelled", Status: http.StatusConflict, Title: "The query was cancelled"}
	codeQueryExists          = &rest.Code{Text: "query_exists", Status: http.StatusConflict, Title: "A query of this id is running"}
	codeTooLarge             = rest.TooLarge
	codeUnsupportedMediaType = rest.UnsupportedMediaType
	codeUnsupportedEncoding  = rest.UnsupportedEncoding
	codeTooManyQueries       = rest.TooManyQueries
	codeQuotaExceeded        = &rest.Code{Text: "quota_exceeded", Status: http.StatusTooManyRequests, Title: "The project's quota is used up", Retry: time.Minute}
	codeInternal             = rest.Internal
	codeOverloaded           = rest.Overloaded
	codeEngineUnavailable    = rest.EngineUnavailable
	codeQueryTimeout         = rest.QueryTimeout
)

// Codes that nobody reads: for log and metrics.
var (
	codeOK         = rest.OK
	codeClientGone = rest.ClientGone
	codeBrokenOff  = &rest.Code{Text: "broken_off", Status: http.StatusOK, Title: "The answer broke off"} // the answer had begun
)

// flaw is one thing wrong with a question.
type flaw struct {
	Pointer string `json:"pointer"` // RFC 6901, into the body
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// refusal is the answer to a request that gets no rows. nil means that it may go on.
type refusal struct {
	code   code
	detail string
	// problems are those of an invalid question.
	problems []flaw
	// engine is the name that ClickHouse gives the error, of a refused statement.
	engine string
	// allow lists the methods of the path, for codeMethodNotAllowed.
	allow string
	// retry replaces the code's own Retry-After; 0: it stays.
	retry time.Duration
}

func refuse(c code, detail string) *refusal { return &refusal{code: c, detail: detail} }

// refuse answers with a problem.
func (r *request) refuse(p *refusal) {
	r.code, r.status = p.code, p.code.Status
	if p.code == codeClientGone {
		return
	}
	said := rest.Problem{Code: p.code, Detail: p.detail, RequestID: r.id.String(), EngineError: p.engine, Allow: p.allow, Retry: p.retry}
	if len(p.problems) > 0 {
		said.Problems = p.problems
	}
	r.send(r.status, said.Encode(r.w.Header()))
}
