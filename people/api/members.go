package api

import (
	"net/http"
	"strconv"

	"github.com/millrace/millrace/internal/rest"
)

// Limits of what one answer has.
const (
	usualMembers = 1000
	mostMembers  = 10_000
	usualSizes   = 100
	mostSizes    = 10_000
)

// memberDocument is a member as answers have it. The number is a text, because many who read JSON take numbers for less exact ones.
type memberDocument struct {
	Person     string `json:"person_h"`
	DistinctID string `json:"distinct_id,omitempty"` // missing: none is stored any longer
}

func (r *request) segmentMembers() *refusal {
	if refused := r.takes("limit", "after"); refused != nil {
		return refused
	}
	limit, refused := r.pageSize(usualMembers, mostMembers)
	if refused != nil {
		return refused
	}
	var after *uint64
	if r.query.Has("after") {
		n, err := strconv.ParseUint(r.query.Get("after"), 10, 64)
		if err != nil {
			return refuse(rest.InvalidRequest, `after in the URL is no person: send "next" of the page before`)
		}
		after = &n
	}
	page, err := r.h.deps.Segments.Members(r.ctx, r.caller.Project, r.params["name"], after, limit)
	if err != nil {
		return r.segmentRefusal("read the members", err)
	}
	document := struct {
		Segment string           `json:"segment"`
		Build   *buildDocument   `json:"build"` // null: there is none yet
		Members []memberDocument `json:"members"`
		Next    *string          `json:"next"` // null: these are the last
	}{Segment: r.params["name"], Members: make([]memberDocument, 0, len(page.Members))}
	if page.Build.State.Readable() {
		document.Build = documentOfBuild(&page.Build)
	}
	for _, m := range page.Members {
		document.Members = append(document.Members, memberDocument{strconv.FormatUint(m.Person, 10), m.DistinctID})
	}
	if page.More {
		document.Next = &document.Members[len(document.Members)-1].Person
	}
	return r.answer(http.StatusOK, document)
}

func (r *request) segmentSizes() *refusal {
	if refused := r.takes("limit"); refused != nil {
		return refused
	}
	limit, refused := r.pageSize(usualSizes, mostSizes)
	if refused != nil {
		return refused
	}
	all, err := r.h.deps.Segments.Sizes(r.ctx, r.caller.Project, r.params["name"], limit)
	if err != nil {
		return r.segmentRefusal("read the builds", err)
	}
	sizes := make([]*buildDocument, 0, len(all))
	for i := range all {
		sizes = append(sizes, documentOfBuild(&all[i]))
	}
	return r.answer(http.StatusOK, map[string]any{"segment": r.params["name"], "sizes": sizes})
}

func (r *request) explainSegment() *refusal {
	if refused := r.takes(); refused != nil {
		return refused
	}
	e, err := r.h.deps.Segments.Explain(r.ctx, r.caller.Project, r.params["name"])
	if err != nil {
		return r.segmentRefusal("explain the segment", err)
	}
	return r.answer(http.StatusOK, struct {
		segmentDocument
		SQL        string            `json:"sql"`
		Parameters map[string]string `json:"parameters"`
	}{documentOf(e.Info), e.Statement.Text, e.Statement.Params})
}
