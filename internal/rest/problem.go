package rest

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Code is the stable code of an answer, and what it means to HTTP. Its text is part of the API and never changes; the same text means the same in every API.
type Code struct {
	Text   string
	Status int
	Title  string
	Retry  time.Duration // the middle of Retry-After, for refusals that pass; 0: none
}

// String is the text of the code.
func (c *Code) String() string { return c.Text }

// Codes that several APIs answer with.
var (
	InvalidJSON          = &Code{"invalid_json", http.StatusBadRequest, "The body is not a JSON object", 0}
	InvalidRequest       = &Code{"invalid_request", http.StatusBadRequest, "The request is not as the route expects it", 0}
	InvalidKey           = &Code{"invalid_key", http.StatusUnauthorized, "The key is missing or unknown", 0}
	ForbiddenScope       = &Code{"forbidden_scope", http.StatusForbidden, "The key is not for this", 0}
	UnknownRoute         = &Code{"unknown_route", http.StatusNotFound, "There is no such path", 0}
	MethodNotAllowed     = &Code{"method_not_allowed", http.StatusMethodNotAllowed, "The path takes another method", 0}
	Timeout              = &Code{"timeout", http.StatusRequestTimeout, "The request took too long to arrive", 0}
	TooLarge             = &Code{"too_large", http.StatusRequestEntityTooLarge, "The request is too large", 0}
	UnsupportedMediaType = &Code{"unsupported_media_type", http.StatusUnsupportedMediaType, "The content type is not JSON in UTF-8", 0}
	UnsupportedEncoding  = &Code{"unsupported_encoding", http.StatusUnsupportedMediaType, "The content encoding is not supported", 0}
	Internal             = &Code{"internal", http.StatusInternalServerError, "Something broke inside the service", 5 * time.Second}
	EngineUnavailable    = &Code{"engine_unavailable", http.StatusServiceUnavailable, "ClickHouse does not answer", 5 * time.Second}
	TooManyQueries       = &Code{"too_many_queries", http.StatusTooManyRequests, "The project runs too many queries at once", 2 * time.Second}
	Overloaded           = &Code{"overloaded", http.StatusServiceUnavailable, "Too many queries run at once", 3 * time.Second}
	QueryTimeout         = &Code{"query_timeout", http.StatusGatewayTimeout, "The query took too long", 0}
)

// Codes that nobody reads: for log and metrics.
var (
	OK         = &Code{"ok", http.StatusOK, "OK", 0}
	ClientGone = &Code{"client_gone", 499, "The client has gone", 0}
)

// Problem is a refusal.
type Problem struct {
	Code      *Code
	Detail    string
	RequestID string
	// Problems are the single things that are wrong with what was sent, a list that encodes as JSON; nil: they are not told one by one.
	Problems any
	// EngineError is the name that ClickHouse gives the error; "": it is none of its.
	EngineError string
	// Allow lists the methods of the path, for MethodNotAllowed.
	Allow string
	// Retry replaces that of the code, exactly; 0: it stays.
	Retry time.Duration
}

// document is a problem as it is sent (RFC 9457).
type document struct {
	Type             string `json:"type"`
	Title            string `json:"title"`
	Status           int    `json:"status"`
	Detail           string `json:"detail"`
	Code             string `json:"code"`
	Message          string `json:"message"`
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	RequestID        string `json:"request_id"`
	Problems         any    `json:"problems,omitempty"`
	EngineError      string `json:"engine_error,omitempty"`
}

// Encode returns the body of the answer, whose status is that of the code, and sets the headers that belong to it.
func (p *Problem) Encode(h http.Header) []byte {
	c := p.Code
	body, err := json.Marshal(document{
		Type: "docs/errors.md#" + c.Text, Title: c.Title, Status: c.Status, Detail: p.Detail, Code: c.Text, Message: p.Detail, Error: c.Text,
		ErrorDescription: p.Detail, RequestID: p.RequestID, Problems: p.Problems, EngineError: p.EngineError,
	})
	if err != nil {
		panic("BUG: a problem cannot be written: " + err.Error())
	}
	h.Set("Content-Type", "application/problem+json")
	if n := p.RetryAfter(); n > 0 {
		h.Set("Retry-After", strconv.Itoa(n))
	}
	switch c {
	case InvalidKey:
		h.Set("WWW-Authenticate", "Bearer") // not Basic: browsers would ask their user
	case MethodNotAllowed:
		h.Set("Allow", p.Allow)
	case UnsupportedEncoding:
		h.Set("Accept-Encoding", "identity")
	}
	return body
}

// RetryAfter is the number of seconds to name in Retry-After, or 0. Those of a code are spread by a fifth, so that clients who were refused together do not
// come back together.
func (p *Problem) RetryAfter() int {
	if p.Retry > 0 {
		return int((p.Retry + time.Second - 1) / time.Second)
	}
	if p.Code.Retry == 0 {
		return 0
	}
	spread := 0.8 + 0.4*rand.Float64()
	return max(int(p.Code.Retry.Seconds()*spread+rand.Float64()), 1)
}
