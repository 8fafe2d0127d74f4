package query

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/rest"
	"github.com/millrace/millrace/schema"
)

// root is what every route begins with.
const root = "/v1/query/"

// Routes beside the questions, by the name that metrics and logs give them.
const (
	routeSQL    = "sql"
	routeCancel = "cancel"
	routeHealth = "health"
	routeNone   = "none"
)

// findRoute finds what a path is for. target is the id of a query, of routeCancel.
func (s *Server) findRoute(path string) (name, target string) {
	path = strings.TrimSuffix(path, "/")
	if s.deps.Ready != nil && slices.Contains(healthPaths, path) {
		return routeHealth, ""
	}
	rest, ok := strings.CutPrefix(path, root)
	_, typed := questions[rest]
	switch {
	case !ok || rest == "" || strings.Contains(rest, "/"):
		return routeNone, ""
	case typed || rest == routeSQL:
		return rest, ""
	case looksLikeID(rest):
		return routeCancel, rest
	}
	return routeNone, ""
}

// pathLive is the path that depends on nothing else; the other healthPaths ask whether questions can be answered, as those of ingest.
const pathLive = "/livez"

var healthPaths = []string{pathLive, "/readyz", "/healthz", "/health"}

// admit decides all that can be decided before the body. It changes nothing outside the request.
func (r *request) admit() *refusal {
	r.question, r.target = r.s.findRoute(r.http.URL.Path)
	allow := http.MethodPost
	switch r.question {
	case routeNone:
		return refuse(codeUnknownRoute, fmt.Sprintf("there is no such path; there are %s{%s,%s} and, to end a query, DELETE %s{query_id}", root, strings.Join(questionNames, ","), routeSQL, root))
	case routeHealth:
		return nil
	case routeCancel:
		allow = http.MethodDelete
	}
	if r.http.Method != allow {
		return &refusal{code: codeMethodNotAllowed, allow: allow, detail: "the path takes " + allow + " only"}
	}
	if refused := r.authenticate(); refused != nil {
		return refused
	}
	if refused := r.options(); refused != nil || r.question == routeCancel {
		return refused
	}
	h := r.http.Header
	var ok bool
	if r.format, ok = negotiate(strings.Join(h["Accept"], ",")); !ok {
		return refuse(codeNotAcceptable, "none of the formats in Accept is there: ask for application/json, text/csv or application/vnd.apache.parquet")
	}
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return refuse(codeUnsupportedEncoding, "the body is compressed; questions are short: send it as it is")
	}
	if !rest.JSONMedia(h.Get("Content-Type")) {
		return refuse(codeUnsupportedMediaType, "Content-Type is not JSON in UTF-8: send application/json, with charset utf-8 or none")
	}
	if r.http.ContentLength > r.s.cfg.MaxBodyBytes {
		return r.tooLarge()
	}
	return nil
}

// options reads the URL's parameters: timeout_ms and query_id. What is not known is refused, so that a slip of the pen is not taken for consent.
func (r *request) options() *refusal {
	r.timeout = r.s.cfg.Timeout
	r.queryID = queryID(r.caller.Project, r.id)
	values, err := url.ParseQuery(r.http.URL.RawQuery)
	if err != nil {
		return refuse(codeInvalidRequest, "the parameters of the URL cannot be read: escape them as RFC 3986 has it")
	}
	for name, all := range values {
		known := r.question != routeCancel && (name == "timeout_ms" || name == "query_id")
		if !known || len(all) != 1 {
			return refuse(codeInvalidRequest, "the URL takes timeout_ms and query_id, each once, with a question, and nothing else; keys go into a header")
		}
	}
	if text := values.Get("query_id"); values.Has("query_id") {
		id, ok := schema.ParseUUID([]byte(text))
		if !ok {
			return refuse(codeInvalidRequest, "query_id in the URL is no UUID: send one like 0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55, and a new one each time")
		}
		r.queryID = queryID(r.caller.Project, id)
	}
	if text := values.Get("timeout_ms"); values.Has("timeout_ms") {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return refuse(codeInvalidRequest, "timeout_ms in the URL is no whole number of milliseconds")
		}
		return r.shorten(ms)
	}
	return nil
}

// leastTimeout is the shortest that a request may ask for.
const leastTimeout = 10 * time.Millisecond

// shorten sets the query's timeout, which may only be less than the configured one.
func (r *request) shorten(ms int64) *refusal {
	if most := r.s.cfg.Timeout; ms < leastTimeout.Milliseconds() || ms > most.Milliseconds() {
		return refuse(codeInvalidRequest, fmt.Sprintf("timeout_ms %d is not between %d and %d (limit query.timeout)", ms, leastTimeout.Milliseconds(), most.Milliseconds()))
	}
	r.timeout = time.Duration(ms) * time.Millisecond
	return nil
}

func (r *request) tooLarge() *refusal {
	return refuse(codeTooLarge, fmt.Sprintf("the body is longer than %d bytes (limit query.max_body_bytes)", r.s.cfg.MaxBodyBytes))
}

// queryID is the id of a query in ClickHouse: a project's queries can be told from those of others, and nobody can guess one.
func queryID(project uint32, id schema.UUID) string {
	return strconv.FormatUint(uint64(project), 10) + "-" + id.String()
}

// looksLikeID tells whether a path's last part can be the id of a query, with its project or without.
func looksLikeID(text string) bool {
	_, ok := parseQueryID(text, 0)
	return ok
}

// parseQueryID reads the id of a query of the project, written in full or without the project. Project 0 stands for any.
func parseQueryID(text string, project uint32) (id string, ok bool) {
	if u, ok := schema.ParseUUID([]byte(text)); ok {
		return queryID(project, u), true
	}
	prefix, rest, _ := strings.Cut(text, "-")
	owner, err := strconv.ParseUint(prefix, 10, 32)
	u, ok := schema.ParseUUID([]byte(rest))
	if err != nil || !ok || project != 0 && uint32(owner) != project {
		return "", false
	}
	return queryID(uint32(owner), u), true
}
