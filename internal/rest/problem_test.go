package rest

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

func TestProblem(t *testing.T) {
	for _, c := range []struct {
		problem     Problem
		name, value string // of a header
	}{
		{Problem{Code: InvalidKey, Detail: "d", RequestID: "r"}, "WWW-Authenticate", "Bearer"},
		{Problem{Code: MethodNotAllowed, Detail: "d", RequestID: "r", Allow: "GET"}, "Allow", "GET"},
		{Problem{Code: UnsupportedEncoding, Detail: "d", RequestID: "r"}, "Accept-Encoding", "identity"},
		{Problem{Code: EngineUnavailable, Detail: "d", RequestID: "r", Retry: 29500 * time.Millisecond}, "Retry-After", "30"},
		{Problem{Code: Timeout, Detail: "d", RequestID: "r"}, "Retry-After", ""},
	} {
		h := http.Header{}
		var document map[string]any
		if err := json.Unmarshal(c.problem.Encode(h), &document); err != nil {
			t.Fatal(err)
		}
		text := c.problem.Code.Text
		if document["code"] != text || document["error"] != text || document["type"] != "docs/errors.md#"+text || document["detail"] != "d" || document["message"] != "d" || document["request_id"] != "r" ||
			document["status"] != float64(c.problem.Code.Status) || document["problems"] != nil {
			t.Errorf("%s: %v", text, document)
		}
		if h.Get(c.name) != c.value || h.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %v", text, h)
		}
	}
}

// TestRetryAfter: clients who were refused together do not come back together, nor at once.
func TestRetryAfter(t *testing.T) {
	p := Problem{Code: &Code{Retry: 100 * time.Second}}
	seen := map[int]bool{}
	for range 200 {
		n := p.RetryAfter()
		if n < 80 || n > 121 {
			t.Fatalf("Retry-After %d of 100 s", n)
		}
		seen[n] = true
	}
	if len(seen) < 2 {
		t.Errorf("Retry-After is always %v", seen)
	}
}
