package ingest

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// code is the stable code of an answer to a whole request. The texts are part of the API and never change.
type code uint8

const (
	codeOK code = iota
	codeInvalidJSON
	codeInvalidEncoding
	codeNestedEncoding
	codeInvalidFraming
	codeInvalidRequest
	codeEmptyBatch
	codeInvalidKey
	codeForbiddenScope
	codeUnknownRoute
	codeMethodNotAllowed
	codeTimeout
	codeTooLarge
	codeDecompressedTooLarge
	codeUnsupportedMediaType
	codeUnsupportedEncoding
	codeRateLimited
	codeHeaderTooLarge
	codeOverloaded
	codeStorageFull
	codeBrokerUnavailable
	codeBacklog
	codeInternal
	codeNotReady // of health checks only
	numCodes
)

// codes is the one table of what each code means to HTTP.
var codes = [numCodes]struct {
	text   string
	status int
	title  string
	retry  time.Duration // the middle of Retry-After, for refusals that pass
}{
	codeOK:                   {"ok", 200, "OK", 0},
	codeInvalidJSON:          {"invalid_json", 400, "The body is not JSON", 0},
	codeInvalidEncoding:      {"invalid_encoding", 400, "The encoding of the body is broken", 0},
	codeNestedEncoding:       {"nested_encoding", 400, "The body is compressed more than once", 0},
	codeInvalidFraming:       {"invalid_framing", 400, "The HTTP message is ambiguous or broken", 0},
	codeInvalidRequest:       {"invalid_request", 400, "The body has the wrong shape", 0},
	codeEmptyBatch:           {"empty_batch", 400, "There is no event", 0},
	codeInvalidKey:           {"invalid_key", 401, "The write key is missing or unknown", 0},
	codeForbiddenScope:       {"forbidden_scope", 403, "The key is not for this", 0},
	codeUnknownRoute:         {"unknown_route", 404, "There is no such path", 0},
	codeMethodNotAllowed:     {"method_not_allowed", 405, "The path takes another method", 0},
	codeTimeout:              {"timeout", 408, "The request took too long to arrive", 2 * time.Second},
	codeTooLarge:             {"too_large", 413, "The request is too large", 0},
	codeDecompressedTooLarge: {"decompressed_too_large", 413, "The body is too large after decompression", 0},
	codeUnsupportedMediaType: {"unsupported_media_type", 415, "The content type is not JSON in UTF-8", 0},
	codeUnsupportedEncoding:  {"unsupported_encoding", 415, "The content encoding is not supported", 0},
	codeRateLimited:          {"rate_limited", 429, "Too much at once from one address", 2 * time.Second},
	codeHeaderTooLarge:       {"header_too_large", 431, "The header is too large", 0},
	codeOverloaded:           {"overloaded", 503, "The gateway is overloaded", 3 * time.Second},
	codeStorageFull:          {"storage_full", 503, "There is no room to store events", 25 * time.Second},
	codeBrokerUnavailable:    {"broker_unavailable", 503, "The broker does not acknowledge", 5 * time.Second},
	codeBacklog:              {"downstream_backlog", 503, "Events wait too long to be loaded", 25 * time.Second},
	codeInternal:             {"internal", 500, "Something broke inside the gateway", 5 * time.Second},
	codeNotReady:             {"not_ready", 503, "Events cannot be accepted durably now", 0},
}

func (c code) String() string { return codes[c].text }

// refusal is the answer to a request that is not taken. nil means that it may go on.
type refusal struct {
	code   code
	detail string
	// status is codes[code].status unless the SDK needs another.
	status int
	// allow lists the methods of the path, for codeMethodNotAllowed.
	allow string
	// close ends the connection, because where the next request begins cannot be trusted.
	close bool
}

func refuse(c code, detail string) *refusal {
	return &refusal{code: c, status: codes[c].status, detail: detail}
}

// retryAfter is the number of seconds to name in Retry-After: 1 to 30, within a fifth of the middle, spread so that clients who were refused together do not
// come back together. 0 for refusals that do not pass.
func (c code) retryAfter() int {
	middle := codes[c].retry
	if middle == 0 {
		return 0
	}
	spread := 0.8 + 0.4*rand.Float64()
	seconds := int(middle.Seconds()*spread + rand.Float64()) // rounded up or down by chance, so that small numbers are spread too
	return min(max(seconds, 1), 30)
}

// notice is what an answer says of a request that is refused.
type notice struct {
	code, title, detail string
	status              int  // as answered
	of                  code // of the request; codeOK when the code is that of an event
	results             bool // with what became of each event
}

// final tells that nothing changes when the request is sent again as it is.
func (n *notice) final() bool {
	switch n.status {
	case fasthttp.StatusRequestTimeout, fasthttp.StatusRequestEntityTooLarge, fasthttp.StatusTooManyRequests:
		return false // of what is too large the SDKs send parts
	}
	return n.status >= 400 && n.status < 500
}

// errorDocument is where codes are described, less the code.
const errorDocument = "docs/errors.md#"

// appendProblem appends a problem (RFC 9457) as an object that is still open, so that members can follow. code is the code's text, which may be that of an event.
func appendProblem(dst []byte, code, title string, status int, detail string, requestID []byte) []byte {
	dst = append(append(append(append(dst, `{"type":"`...), errorDocument...), code...), '"')
	dst = appendMember(dst, "title", title)
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(status), 10)
	dst = appendMember(dst, "detail", detail)
	dst = appendMember(dst, "code", code)
	dst = appendMember(dst, "message", detail)
	dst = appendMember(dst, "error", code)
	dst = appendMember(dst, "error_description", detail)
	return append(append(append(dst, `,"request_id":"`...), requestID...), '"')
}
