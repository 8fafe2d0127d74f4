package api

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/rest"
)

// maxBodyBytes is the longest body that is read. Definitions are shorter by themselves.
const maxBodyBytes = 1 << 20

// readBody reads the whole body. It must be JSON in UTF-8 by its header, or say nothing of what it is. Where none is expected it must be empty, or an empty object: whoever sends more
// expects it to matter.
func (r *request) readBody() *refusal {
	h := r.http.Header
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return refuse(rest.UnsupportedEncoding, "the body is compressed: send it as it is")
	}
	if !rest.JSONMedia(h.Get("Content-Type")) {
		return refuse(rest.UnsupportedMediaType, "Content-Type is not JSON in UTF-8: send application/json, with charset utf-8 or none")
	}
	body, wrong := rest.ReadBody(r.w, r.http, maxBodyBytes)
	switch wrong {
	case nil:
	case rest.TooLarge:
		return refuse(wrong, fmt.Sprintf("the body is longer than %d bytes", maxBodyBytes))
	case rest.Timeout:
		return refuse(wrong, "the request did not arrive in time (limit query.body_timeout)")
	default:
		return refuse(wrong, "the body broke off")
	}
	if text := bytes.TrimSpace(body); !r.route.body && len(text) > 0 && string(text) != "{}" {
		return refuse(rest.InvalidRequest, "the path takes no body")
	}
	r.body = body
	return nil
}

// decode reads the body as one JSON object with the fields of into, a pointer to a struct, and no others, none of them twice.
func decode(body []byte, into any) *refusal {
	if err := rest.Decode(body, "", into); err != nil {
		return refuse(rest.InvalidJSON, strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
