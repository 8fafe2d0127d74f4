package query

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// code is the stable code of an answer. The texts are part of the API and never change.
type code uint8

const (
	codeOK code = iota
	codeInvalidJSON
	codeUnknownField
	codeInvalidQuestion
	codeInvalidRequest
	codeQueryRefused
	codeResultTooLarge
	codeScanLimit
	codeMemoryLimit
	codeInvalidKey
	codeForbiddenScope
	codeUnknownRoute
	codeUnknownQuery
	codeMethodNotAllowed
	codeNotAcceptable
	codeTimeout
	codeQueryCancelled
	codeQueryExists
	codeTooLarge
	codeUnsupportedMediaType
	codeUnsupportedEncoding
	codeTooManyQueries
	codeQuotaExceeded
	codeInternal
	codeOverloaded
	codeEngineUnavailable
	codeQueryTimeout
	codeClientGone // nobody reads it: for log and metrics
	codeBrokenOff  // likewise: the answer had begun
	numCodes
)

// statusClientGone is what logs show when nobody was there to be answered.
const statusClientGone = 499

// codes is the one table of what each code means to HTTP.
var codes = [numCodes]struct {
	text   string
	status int
	title  string
	retry  time.Duration // the middle of Retry-After, for refusals that pass
}{
	codeOK:                   {"ok", http.StatusOK, "OK", 0},
	codeInvalidJSON:          {"invalid_json", http.StatusBadRequest, "The body is not a JSON object", 0},
	codeUnknownField:         {"unknown_field", http.StatusBadRequest, "The question has no such field", 0},
	codeInvalidQuestion:      {"invalid_question", http.StatusBadRequest, "The question cannot be asked like this", 0},
	codeInvalidRequest:       {"invalid_request", http.StatusBadRequest, "The request is not as the route expects it", 0},
	codeQueryRefused:         {"query_refused", http.StatusBadRequest, "ClickHouse refuses the statement", 0},
	codeResultTooLarge:       {"result_too_large", http.StatusBadRequest, "The result is too large", 0},
	codeScanLimit:            {"scan_limit", http.StatusBadRequest, "The query would read too much", 0},
	codeMemoryLimit:          {"memory_limit", http.StatusBadRequest, "The query needs too much memory", 0},
	codeInvalidKey:           {"invalid_key", http.StatusUnauthorized, "The key is missing or unknown", 0},
	codeForbiddenScope:       {"forbidden_scope", http.StatusForbidden, "The key may not ask questions", 0},
	codeUnknownRoute:         {"unknown_route", http.StatusNotFound, "There is no such path", 0},
	codeUnknownQuery:         {"unknown_query", http.StatusNotFound, "No such query is running", 0},
	codeMethodNotAllowed:     {"method_not_allowed", http.StatusMethodNotAllowed, "The path takes another method", 0},
	codeNotAcceptable:        {"not_acceptable", http.StatusNotAcceptable, "There is no such format", 0},
	codeTimeout:              {"timeout", http.StatusRequestTimeout, "The request took too long to arrive", 0},
	codeQueryCancelled:       {"query_cancelled", http.StatusConflict, "The query was cancelled", 0},
	codeQueryExists:          {"query_exists", http.StatusConflict, "A query of this id is running", 0},
	codeTooLarge:             {"too_large", http.StatusRequestEntityTooLarge, "The request is too large", 0},
	codeUnsupportedMediaType: {"unsupported_media_type", http.StatusUnsupportedMediaType, "The content type is not JSON in UTF-8", 0},
	codeUnsupportedEncoding:  {"unsupported_encoding", http.StatusUnsupportedMediaType, "The content encoding is not supported", 0},
	codeTooManyQueries:       {"too_many_queries", http.StatusTooManyRequests, "The project runs too many queries at once", 2 * time.Second},
	codeQuotaExceeded:        {"quota_exceeded", http.StatusTooManyRequests, "The project's quota is used up", time.Minute},
	codeInternal:             {"internal", http.StatusInternalServerError, "Something broke inside the service", 5 * time.Second},
	codeOverloaded:           {"overloaded", http.StatusServiceUnavailable, "Too many queries run at once", 3 * time.Second},
	codeEngineUnavailable:    {"engine_unavailable", http.StatusServiceUnavailable, "ClickHouse does not answer", 5 * time.Second},
	codeQueryTimeout:         {"query_timeout", http.StatusGatewayTimeout, "The query took too long", 0},
	codeClientGone:           {"client_gone", statusClientGone, "The client has gone", 0},
	codeBrokenOff:            {"broken_off", http.StatusOK, "The answer broke off", 0},
}

func (c code) String() string { return codes[c].text }

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

// problem is a refusal as a document (RFC 9457), in the shape of every problem of this service.
type problem struct {
	Type             string `json:"type"`
	Title            string `json:"title"`
	Status           int    `json:"status"`
	Detail           string `json:"detail"`
	Code             string `json:"code"`
	Message          string `json:"message"`
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	RequestID        string `json:"request_id"`
	Problems         []flaw `json:"problems,omitempty"`
	EngineError      string `json:"engine_error,omitempty"`
}

// refuse answers with a problem.
func (r *request) refuse(p *refusal) {
	entry := codes[p.code]
	r.code, r.status = p.code, entry.status
	if p.code == codeClientGone {
		return
	}
	text := p.code.String()
	body, err := json.Marshal(problem{
		Type: "docs/errors.md#" + text, Title: entry.title, Status: entry.status, Detail: p.detail, Code: text, Message: p.detail, Error: text,
		ErrorDescription: p.detail, RequestID: r.id.String(), Problems: p.problems, EngineError: p.engine,
	})
	if err != nil {
		panic("BUG: a problem cannot be written: " + err.Error())
	}
	h := r.w.Header()
	h.Set("Content-Type", "application/problem+json")
	if n := p.retryAfter(); n > 0 {
		h.Set("Retry-After", strconv.Itoa(n))
	}
	switch p.code {
	case codeInvalidKey:
		h.Set("WWW-Authenticate", "Bearer") // not Basic: browsers would ask their user
	case codeMethodNotAllowed:
		h.Set("Allow", p.allow)
	case codeUnsupportedEncoding:
		h.Set("Accept-Encoding", "identity")
	}
	r.send(entry.status, body)
}

// retryAfter is the number of seconds to name in Retry-After, or 0. The usual ones are spread by a fifth, so that clients who were refused together do not
// come back together.
func (p *refusal) retryAfter() int {
	if p.retry > 0 {
		return int((p.retry + time.Second - 1) / time.Second)
	}
	middle := codes[p.code].retry
	if middle == 0 {
		return 0
	}
	spread := 0.8 + 0.4*rand.Float64()
	return max(int(middle.Seconds()*spread+rand.Float64()), 1)
}
