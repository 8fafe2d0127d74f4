package ingest

import (
	"bytes"
	"fmt"

	"github.com/millrace/millrace/ingest/dialect"
)

// encoding is how a body is compressed.
type encoding uint8

const (
	identity encoding = iota
	gzipped
	deflated // with the frame of zlib, as the standard has it, or raw, as some clients do
	brotlied
	zstandard
)

// acceptedEncodings are all that a body may be compressed with, as the header Accept-Encoding lists them.
const acceptedEncodings = "gzip, deflate, br, zstd"

func (e encoding) String() string {
	return [...]string{identity: "identity", gzipped: "gzip", deflated: "deflate", brotlied: "br", zstandard: "zstd"}[e]
}

// parseEncoding reads a Content-Encoding of one line. The code is codeOK, codeNestedEncoding or codeUnsupportedEncoding.
func parseEncoding(value []byte, lines int) (encoding, code) {
	if lines > 1 {
		return identity, codeNestedEncoding
	}
	found, seen := identity, false
	for len(value) > 0 {
		var word []byte
		word, value, _ = bytes.Cut(value, []byte(","))
		word = bytes.Trim(word, " \t")
		var e encoding
		switch {
		case len(word) == 0 || equalFold(word, "identity"):
			continue
		case equalFold(word, "gzip") || equalFold(word, "x-gzip"):
			e = gzipped
		case equalFold(word, "deflate"):
			e = deflated
		case equalFold(word, "br"):
			e = brotlied
		case equalFold(word, "zstd"):
			e = zstandard
		default:
			return identity, codeUnsupportedEncoding
		}
		if seen {
			return identity, codeNestedEncoding
		}
		found, seen = e, true
	}
	return found, codeOK
}

// sniff tells by its first bytes that a body is compressed. No JSON, form or base64 begins like that. Raw deflate and brotli have no such bytes.
func sniff(body []byte) encoding {
	switch {
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return gzipped
	case bytes.HasPrefix(body, []byte("\x28\xb5\x2f\xfd")):
		return zstandard
	case len(body) >= 2 && body[0] == 0x78 && (body[1] == 0x01 || body[1] == 0x5e || body[1] == 0x9c || body[1] == 0xda):
		return deflated // what zlib writes at its levels, with its usual window
	}
	return identity
}

// isZlib tells a zlib header (RFC 1950 §2.2) from the begin of raw deflate. Read as that, the header would be a stored block with bits set that encoders leave 0.
func isZlib(body []byte) bool {
	return len(body) >= 2 && body[0]&0x0f == 8 && body[0]>>4 <= 7 && (int(body[0])<<8|int(body[1]))%31 == 0
}

// media is what a Content-Type says. It is a hint only: SDKs send JSON under many names.
type media struct {
	lines bool // NDJSON
	form  bool // application/x-www-form-urlencoded
}

// parseMedia reads a Content-Type. ok is false for what cannot be JSON in UTF-8.
func parseMedia(value []byte) (m media, ok bool) {
	name, params, _ := bytes.Cut(value, []byte(";"))
	for len(params) > 0 {
		var param []byte
		param, params, _ = bytes.Cut(params, []byte(";"))
		key, charset, _ := bytes.Cut(bytes.Trim(param, " \t"), []byte("="))
		charset = bytes.Trim(charset, `"' `)
		if equalFold(key, "charset") && !equalFold(charset, "utf-8") && !equalFold(charset, "utf8") && !equalFold(charset, "us-ascii") {
			return m, false
		}
	}
	name = bytes.Trim(name, " \t")
	kind, subtype, _ := bytes.Cut(name, []byte("/"))
	switch {
	case len(name) == 0:
		return m, true
	case equalFold(kind, "text"):
		return m, equalFold(subtype, "plain") || equalFold(subtype, "json")
	case len(subtype) > 5 && equalFold(subtype[len(subtype)-5:], "+json"):
		return m, true
	case !equalFold(kind, "application"):
		return m, false
	case equalFold(subtype, "x-www-form-urlencoded"):
		return media{form: true}, true
	}
	for _, word := range [...]string{"x-ndjson", "ndjson", "x-jsonl", "jsonl", "x-jsonlines", "jsonlines"} {
		if equalFold(subtype, word) {
			return media{lines: true}, true
		}
	}
	for _, word := range [...]string{"json", "octet-stream", "gzip", "x-gzip", "zlib", "zstd"} {
		if equalFold(subtype, word) {
			return m, true
		}
	}
	return m, false
}

// wrongMedia says why a Content-Type is refused, and what to send instead.
func wrongMedia(value []byte) string {
	name, _, _ := bytes.Cut(value, []byte(";"))
	if kind, _, _ := bytes.Cut(bytes.Trim(name, " \t"), []byte("/")); equalFold(kind, "multipart") {
		return fmt.Sprintf("Content-Type %s has parts, which are not read here: send the JSON itself as application/json, or as the field data of an application/x-www-form-urlencoded form",
			dialect.Quote(value))
	}
	return fmt.Sprintf("Content-Type %s is not JSON in UTF-8: send application/json or application/x-ndjson, with charset utf-8 or none", dialect.Quote(value))
}
