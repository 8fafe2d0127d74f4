package rest

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

func TestKey(t *testing.T) {
	encode := func(text string) string { return base64.RawStdEncoding.EncodeToString([]byte(text)) }
	for _, c := range []struct {
		header http.Header
		want   string
	}{
		{http.Header{"Authorization": {"Bearer k"}}, "k"},
		{http.Header{"Authorization": {"bearer  k "}}, "k"},
		{http.Header{"Authorization": {"Basic " + encode("k:")}}, "k"},
		{http.Header{"Authorization": {"Basic " + encode("k:pass:word")}}, "k"},
		{http.Header{"Authorization": {"Basic " + encode("k")}}, "k"},
		{http.Header{"Authorization": {"Basic " + encode(":p")}, "X-Write-Key": {"k"}}, "k"},
		{http.Header{"Authorization": {"Bearer k"}, "X-Write-Key": {"other"}}, "k"},
		{http.Header{"X-Write-Key": {"k"}}, "k"},
		{http.Header{"X-Write-Key": {"k", "k"}}, ""},
		{http.Header{"Authorization": {"Basic " + encode(strings.Repeat("k", 4*MaxKeyBytes))}, "X-Write-Key": {"k"}}, ""},
		{http.Header{"Authorization": {"Basic azo="}}, "k"},
		{http.Header{"Authorization": {"basic azo"}}, "k"},
		{http.Header{"Authorization": {"Basic !"}}, ""},
		{http.Header{"Authorization": {"Bearer a", "Bearer b"}}, ""},
		{http.Header{"Authorization": {"Bearer " + strings.Repeat("k", MaxKeyBytes)}}, strings.Repeat("k", MaxKeyBytes)},
		{http.Header{"Authorization": {"Bearer " + strings.Repeat("k", MaxKeyBytes+1)}}, ""},
		{http.Header{}, ""},
	} {
		if got := Key(c.header); got != c.want {
			t.Errorf("%v: %q, want %q", c.header, got, c.want)
		}
	}
}
