package ingest

import (
	"bytes"
	"strings"
)

// page is a path that takes no events: it is answered with a document, without a key.
type page struct {
	// path may have {} for one segment of any text.
	path string
	// methods are those that it takes, as the header Allow lists them.
	methods string
	// summary says what it is, for the description of the API.
	summary string
	// anyOrigin lets pages of other origins read the answer.
	anyOrigin bool
	// index is the label of metrics.
	index int
	serve func(r *request)
}

func (p *page) takes(method []byte) bool {
	for m := range strings.SplitSeq(p.methods, ", ") {
		if string(method) == m && m != "OPTIONS" {
			return true
		}
	}
	return false
}

// pages are all pages; init, because what serves them leads back to the table.
var pages []page

func init() {
	pages = append(append(pages, documents...), bootstraps...)
	openAPI = mustJSON(describeAPI())
}

// findPage finds the page of a path, with or without a trailing slash; nil when there is none.
func findPage(path []byte) *page {
	if n := len(path); n > 1 && path[n-1] == '/' {
		path = path[:n-1]
	}
	for i := range pages {
		if matches(pages[i].path, path) {
			return &pages[i]
		}
	}
	return nil
}

// matches compares a path with a pattern, segment by segment.
func matches(pattern string, path []byte) bool {
	for {
		want, restPattern, morePattern := strings.Cut(pattern, "/")
		got, restPath, morePath := bytes.Cut(path, []byte("/"))
		if morePattern != morePath || want != "{}" && want != string(got) || want == "{}" && len(got) == 0 {
			return false
		}
		if !morePath {
			return true
		}
		pattern, path = restPattern, restPath
	}
}
