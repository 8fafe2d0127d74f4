package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/rest"
	"github.com/millrace/millrace/people/segment"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

var segmentRoutes = []route{
	{http.MethodGet, "/v1/segments", false, false, "segments", (*request).listSegments},
	{http.MethodGet, "/v1/segments/{name}", false, false, "segment", (*request).getSegment},
	{http.MethodPut, "/v1/segments/{name}", true, true, "segment_declare", (*request).putSegment},
	{http.MethodDelete, "/v1/segments/{name}", true, false, "segment_drop", (*request).deleteSegment},
	{http.MethodPost, "/v1/segments/{name}/build", true, false, "segment_build", (*request).buildSegment},
	{http.MethodGet, "/v1/segments/{name}/members", false, false, "segment_members", (*request).segmentMembers},
	{http.MethodGet, "/v1/segments/{name}/sizes", false, false, "segment_sizes", (*request).segmentSizes},
	{http.MethodGet, "/v1/segments/{name}/explain", false, false, "segment_explain", (*request).explainSegment},
}

// Codes of segments.
var (
	codeInvalidSegment = &code{Text: "invalid_segment", Status: http.StatusBadRequest, Title: "The segment cannot be declared like this"}
	codeUnknownSegment = &code{Text: "unknown_segment", Status: http.StatusNotFound, Title: "There is no such segment"}
	codeSegmentInUse   = &code{Text: "segment_in_use", Status: http.StatusConflict, Title: "Other segments refer to it"}
)

// segmentDocument is a segment as answers have it.
type segmentDocument struct {
	Segment    string          `json:"segment"`
	Change     string          `json:"change,omitempty"` // of an answer to PUT
	Definition json.RawMessage `json:"definition"`
	ChangedAt  time.Time       `json:"changed_at"`
	Active     *buildDocument  `json:"active"` // members are read from it
	Last       *buildDocument  `json:"last"`
}

// buildDocument is a build as answers have it.
type buildDocument struct {
	Build     string        `json:"build"`
	At        time.Time     `json:"at"`
	State     segment.State `json:"state"`
	Size      uint64        `json:"size"`
	Entered   uint64        `json:"entered"`
	Left      uint64        `json:"left"`
	Announced uint64        `json:"announced"`
	TookMS    int64         `json:"took_ms"`
	Memory    uint64        `json:"memory_bytes"`
	Note      string        `json:"note,omitempty"`
}

func documentOf(info segment.Info) segmentDocument {
	return segmentDocument{Segment: info.Name, Definition: json.RawMessage(info.Text), ChangedAt: info.ChangedAt(), Active: documentOfBuild(info.Active), Last: documentOfBuild(info.Last)}
}

func documentOfBuild(b *segment.Build) *buildDocument {
	if b == nil {
		return nil
	}
	return &buildDocument{b.ID.String(), b.At, b.State, b.Size, b.Entered, b.Left, b.Announced, b.Took.Milliseconds(), b.Memory, b.Note}
}

// segmentRefusal says what an error of the store means to the caller.
func (r *request) segmentRefusal(doing string, err error) *refusal {
	problems := question.Problems(err)
	switch {
	case errors.Is(err, segment.ErrUnknown):
		return refuse(codeUnknownSegment, err.Error()+"; GET /v1/segments lists those that there are")
	case errors.Is(err, segment.ErrInUse):
		return refuse(codeSegmentInUse, err.Error())
	case len(problems) == 1 && problems[0].Code == question.CodeInvalidJSON && problems[0].Pointer == "":
		return refuse(rest.InvalidJSON, "the body "+problems[0].Detail)
	case len(problems) > 0:
		detail := strings.TrimSpace(problems[0].Pointer + " " + problems[0].Detail)
		if more := len(problems) - 1; more > 0 {
			detail = fmt.Sprintf("%s; and %d more, see problems", detail, more)
		}
		return &refusal{code: codeInvalidSegment, detail: detail, problems: problems}
	}
	return r.failed(doing, err)
}

func (r *request) listSegments() *refusal {
	if refused := r.takes(); refused != nil {
		return refused
	}
	all, err := r.h.deps.Segments.List(r.ctx, r.caller.Project)
	if err != nil {
		return r.segmentRefusal("list the segments", err)
	}
	documents := make([]segmentDocument, 0, len(all))
	for _, info := range all {
		documents = append(documents, documentOf(info))
	}
	return r.answer(http.StatusOK, map[string]any{"segments": documents})
}

func (r *request) getSegment() *refusal {
	if refused := r.takes(); refused != nil {
		return refused
	}
	info, err := r.h.deps.Segments.Get(r.ctx, r.caller.Project, r.params["name"])
	if err != nil {
		return r.segmentRefusal("read the segment", err)
	}
	return r.answer(http.StatusOK, documentOf(info))
}

func (r *request) putSegment() *refusal {
	if refused := r.takes(); refused != nil {
		return refused
	}
	name := r.params["name"]
	declared, err := question.ParseSegment(named(r.body, name))
	if err == nil && declared.Name != name {
		err = &question.Problem{Pointer: "/name", Code: question.CodeInvalidValue, Detail: fmt.Sprintf("%s is not %s, which the path says: leave it out", declared.Name, name)}
	}
	if err != nil {
		return r.segmentRefusal("read the definition", err)
	}
	changes, err := r.h.deps.Segments.Declare(r.ctx, r.caller.Project, []*question.Segment{declared})
	if err != nil {
		return r.segmentRefusal("declare the segment", err)
	}
	info, err := r.h.deps.Segments.Get(r.ctx, r.caller.Project, name)
	if err != nil {
		return r.segmentRefusal("read the segment", err)
	}
	document, status := documentOf(info), http.StatusOK
	if document.Change = changes[0].What; document.Change == "new" {
		status = http.StatusCreated
	}
	return r.answer(status, document)
}

// named gives a definition without a name that of the path. What is no object is left as it is.
func named(body []byte, name string) []byte {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return body
	}
	if _, there := members["name"]; there {
		return body
	}
	text, err := json.Marshal(name)
	if err != nil {
		return body
	}
	rest := bytes.TrimSpace(bytes.TrimSpace(body)[1:])
	comma := ","
	if len(members) == 0 {
		comma = ""
	}
	return append([]byte(`{"name":`+string(text)+comma), rest...)
}

func (r *request) deleteSegment() *refusal {
	if refused := r.takes(); refused != nil {
		return refused
	}
	if err := r.h.deps.Segments.Drop(r.ctx, r.caller.Project, r.params["name"]); err != nil {
		return r.segmentRefusal("drop the segment", err)
	}
	return r.answer(http.StatusOK, map[string]any{"segment": r.params["name"], "dropped": true})
}

func (r *request) buildSegment() *refusal {
	if refused := r.takes(); refused != nil {
		return refused
	}
	id, err := r.h.deps.Segments.Request(r.ctx, r.caller.Project, r.params["name"])
	if err != nil {
		return r.segmentRefusal("ask for a build", err)
	}
	return r.answer(http.StatusAccepted, map[string]any{"segment": r.params["name"], "build": id.String(), "state": segment.Building})
}

// pageSize reads parameter limit of the URL.
func (r *request) pageSize(usual, most int) (int, *refusal) {
	text := r.query.Get("limit")
	if !r.query.Has("limit") {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, refuse(rest.InvalidRequest, fmt.Sprintf("limit in the URL is not between 1 and %d", most))
	}
	return n, nil
}
