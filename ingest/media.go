package ingest

import "bytes"

// encoding is how a body is compressed.
type encoding uint8

const (
	identity encoding = iota
	gzipped
	zstandard
)

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

// sniff tells by its first bytes that a body is compressed.
func sniff(body []byte) encoding {
	switch {
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return gzipped
	case bytes.HasPrefix(body, []byte("\x28\xb5\x2f\xfd")):
		return zstandard
	}
	return identity
}

// parseMedia reads a Content-Type. It is a hint only: SDKs send JSON under many names. ok is false for what cannot be JSON in UTF-8; lines tells that it names
// NDJSON.
func parseMedia(value []byte) (lines, ok bool) {
	media, params, _ := bytes.Cut(value, []byte(";"))
	for len(params) > 0 {
		var param []byte
		param, params, _ = bytes.Cut(params, []byte(";"))
		name, charset, _ := bytes.Cut(bytes.Trim(param, " \t"), []byte("="))
		charset = bytes.Trim(charset, `"' `)
		if equalFold(name, "charset") && !equalFold(charset, "utf-8") && !equalFold(charset, "utf8") && !equalFold(charset, "us-ascii") {
			return false, false
		}
	}
	media = bytes.Trim(media, " \t")
	kind, subtype, _ := bytes.Cut(media, []byte("/"))
	switch {
	case len(media) == 0:
		return false, true
	case equalFold(kind, "text"):
		return false, equalFold(subtype, "plain") || equalFold(subtype, "json")
	case len(subtype) > 5 && equalFold(subtype[len(subtype)-5:], "+json"):
		return false, true
	case !equalFold(kind, "application"):
		return false, false
	}
	for _, word := range [...]string{"x-ndjson", "ndjson", "x-jsonl", "jsonl", "x-jsonlines", "jsonlines"} {
		if equalFold(subtype, word) {
			return true, true
		}
	}
	for _, word := range [...]string{"json", "x-www-form-urlencoded", "octet-stream", "gzip", "x-gzip", "zstd"} {
		if equalFold(subtype, word) {
			return false, true
		}
	}
	return false, false
}
