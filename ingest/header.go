package ingest

import (
	"bytes"
)

// header is what a request's header says that matters here, read from the raw bytes in one pass. The slices are parts of those and end with the handler.
type header struct {
	authorization   []byte
	writeKey        []byte
	contentType     []byte
	contentEncoding []byte
	correlationID   []byte
	traceparent     []byte
	idempotencyKey  []byte
	userAgent       []byte
	origin          []byte
	requestMethod   []byte // Access-Control-Request-Method
	requestHeaders  []byte // Access-Control-Request-Headers
	addressPolicy   []byte // X-IP-Policy, of Jitsu
	// Where SDKs of PostHog say when they sent the request, its id, and who they are.
	sentAt         []byte
	posthogRequest []byte
	posthogLibrary []byte
	encodings      int // lines of Content-Encoding
	authorizations int // lines of Authorization
}

// Why a header's framing is refused: what two HTTP parsers may read differently, so that one of them sees a request that the other does not
// (RFC 9112 §11.2).
const (
	framingFold      = "a header line is folded"
	framingBareLF    = "a header line does not end with CR LF"
	framingName      = "a header name holds a space or another character that no name has"
	framingBoth      = "Content-Length and Transfer-Encoding are both there"
	framingLengths   = "there are two Content-Length headers"
	framingEncodings = "there are two Transfer-Encoding headers"
	framingEncoding  = "Transfer-Encoding is something else than chunked"
	framingHosts     = "there are two Host headers"
	framingVersion   = "the version is not HTTP/1.0 or a later HTTP/1"
)

// readHeader reads the raw header lines, each ending with CR LF, up to the empty line. It returns why the framing must be refused, or "". It trusts nobody to have
// looked before: fasthttp joins folded lines, accepts a bare LF, spaces inside names and a length beside a transfer encoding.
func readHeader(raw []byte, h *header) (refused string) {
	*h = header{}
	lengths, encodings, hosts := 0, 0, 0
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return framingBareLF
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			return framingFold
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || !isToken(line[:colon]) {
			return framingName
		}
		name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
		switch len(name) {
		case 4:
			if equalFold(name, "host") {
				hosts++
			}
		case 6:
			if equalFold(name, "origin") {
				h.origin = value
			}
		case 10:
			if equalFold(name, "user-agent") {
				h.userAgent = value
			}
		case 11:
			switch {
			case equalFold(name, "x-write-key"):
				h.writeKey = value
			case equalFold(name, "traceparent"):
				h.traceparent = value
			case equalFold(name, "x-ip-policy"):
				h.addressPolicy = value
			}
		case 12:
			if equalFold(name, "content-type") {
				h.contentType = value
			}
		case 13:
			if equalFold(name, "authorization") {
				h.authorization = value
				h.authorizations++
			}
		case 14:
			if equalFold(name, "content-length") {
				lengths++
			}
		case 15:
			if equalFold(name, "idempotency-key") {
				h.idempotencyKey = value
			}
		case 16:
			if equalFold(name, "posthog-sdk-info") {
				h.posthogLibrary = value
			} else if equalFold(name, "content-encoding") {
				h.contentEncoding = value
				h.encodings++
			} else if equalFold(name, "x-correlation-id") {
				h.correlationID = value
			}
		case 17:
			if equalFold(name, "transfer-encoding") {
				encodings++
				if !equalFold(value, "chunked") {
					return framingEncoding
				}
			}
		case 18:
			if equalFold(name, "posthog-request-id") {
				h.posthogRequest = value
			}
		case 25:
			if equalFold(name, "posthog-request-timestamp") {
				h.sentAt = value
			}
		case 29:
			if equalFold(name, "access-control-request-method") {
				h.requestMethod = value
			}
		case 30:
			if equalFold(name, "access-control-request-headers") {
				h.requestHeaders = value
			}
		}
	}
	switch {
	case lengths > 0 && encodings > 0:
		return framingBoth
	case lengths > 1:
		return framingLengths
	case encodings > 1:
		return framingEncodings
	case hosts > 1:
		return framingHosts
	}
	return ""
}

// equalFold compares text with word, which is in lower case, without regard to the case of ASCII letters.
func equalFold(text []byte, word string) bool {
	if len(text) != len(word) {
		return false
	}
	for i, c := range text {
		if c-'A' <= 'Z'-'A' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// tokenBytes marks the bytes of a token (RFC 9110 §5.6.2).
var tokenBytes = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return t
}()

func isToken(text []byte) bool {
	for _, c := range text {
		if !tokenBytes[c] {
			return false
		}
	}
	return true
}

// validTraceparent checks a W3C trace context (Trace Context §3.2): version-trace_id-parent_id-flags in lower-case hexadecimal, no id all zero. Versions to come may
// append fields.
func validTraceparent(t []byte) bool {
	const length = 55
	if len(t) < length || t[2] != '-' || t[35] != '-' || t[52] != '-' {
		return false
	}
	if string(t[:2]) == "00" && len(t) != length || string(t[:2]) == "ff" || len(t) > length && t[length] != '-' {
		return false
	}
	for i, c := range t[:length] {
		if i != 2 && i != 35 && i != 52 && c-'0' > 9 && (c < 'a' || c > 'f') {
			return false
		}
	}
	return !allZero(t[3:35]) && !allZero(t[36:52])
}

func allZero(t []byte) bool {
	for _, c := range t {
		if c != '0' {
			return false
		}
	}
	return true
}

// printable tells whether text is visible ASCII, so that it can be echoed in a header and shown in a log.
func printable(text []byte) bool {
	for _, c := range text {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return len(text) > 0
}
