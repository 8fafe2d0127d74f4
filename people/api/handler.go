package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/internal/rest"
	"github.com/millrace/millrace/people/erase"
	"github.com/millrace/millrace/people/segment"
	"github.com/millrace/millrace/schema"
)

// Deps are what the handler needs from others. Keys, Log and Metrics are required; a resource whose store is nil has no routes.
type Deps struct {
	Keys     Keyring
	Segments *segment.Store
	Erasures *erase.Store
	// Timeout bounds what one request asks of ClickHouse. 0: 30s.
	Timeout time.Duration
	// MaxConcurrent is how many requests ask ClickHouse at once, and MaxConcurrentPerProject how many of one project. 0: 8 and 4. They are asked in the name of the operator, whom the
	// limits of the projects' own users do not bind.
	MaxConcurrent, MaxConcurrentPerProject int
	// WriteTimeout bounds the time in which a client must have taken an answer. 0: 30s.
	WriteTimeout time.Duration
	Log          *slog.Logger
	Metrics      *metrics.Set
}

// handler answers the routes.
type handler struct {
	deps   Deps
	routes []route
	slots  *rest.Slots
}

// route is one method of one path.
type route struct {
	method string
	path   string // a part in braces takes anything that is not empty; request.params has it by the name
	manage bool   // it changes something
	body   bool   // it takes one
	name   string // in metrics and logs
	serve  func(r *request) *refusal
}

// Prefixes are what the paths of the routes begin with, for whoever decides between handlers.
var Prefixes = []string{"/v1/segments", "/v1/erasures"}

// New makes the handler. It answers any other path as unknown. A missing dependency is a bug of the caller and panics.
func New(deps Deps) http.Handler {
	if deps.Keys == nil || deps.Log == nil || deps.Metrics == nil {
		panic("BUG: api.New without keys, log or metrics")
	}
	if deps.Timeout == 0 {
		deps.Timeout = 30 * time.Second
	}
	if deps.WriteTimeout == 0 {
		deps.WriteTimeout = 30 * time.Second
	}
	if deps.MaxConcurrent == 0 {
		deps.MaxConcurrent = 8
	}
	if deps.MaxConcurrentPerProject == 0 {
		deps.MaxConcurrentPerProject = 4
	}
	h := &handler{deps: deps, slots: rest.NewSlots(deps.MaxConcurrent, deps.MaxConcurrentPerProject)}
	if deps.Segments != nil {
		h.routes = append(h.routes, segmentRoutes...)
	}
	if deps.Erasures != nil {
		h.routes = append(h.routes, erasureRoutes...)
	}
	return http.HandlerFunc(h.serve)
}

// request is one request on its way through the handler, which owns it.
type request struct {
	h      *handler
	w      http.ResponseWriter
	http   *http.Request
	ctx    context.Context // ends with the request, or when it has taken too long
	start  time.Time
	id     schema.UUID
	route  route
	params map[string]string // parts of the path
	query  url.Values
	body   []byte
	caller Caller

	// What became of it.
	code     *code
	status   int
	document []byte // the answer, when there was no refusal
	sent     bool   // the answer has begun
}

const internalDetail = "something broke inside the service: report it with the request id"

// serve is the story of one request.
func (h *handler) serve(w http.ResponseWriter, hr *http.Request) {
	now := time.Now()
	ctx, cancel := context.WithTimeout(hr.Context(), h.deps.Timeout)
	defer cancel()
	r := &request{h: h, w: w, http: hr, ctx: ctx, start: now, id: schema.NewUUIDv7(now.UnixMilli()), route: route{name: "none"}, code: rest.OK, status: http.StatusOK}
	defer r.end()
	// A connection keeps the deadline of its last answer, which may be over.
	_ = http.NewResponseController(w).SetWriteDeadline(now.Add(h.deps.Timeout + h.deps.WriteTimeout)) // not everywhere supported
	head := w.Header()
	head.Set("X-Request-Id", r.id.String())
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	refused := r.admit()
	if refused == nil {
		refused = r.readBody()
	}
	if refused == nil {
		refused = r.work()
	}
	if refused != nil {
		r.refuse(refused)
		return
	}
	head.Set("Content-Type", "application/json")
	r.send(r.status, r.document)
}

// work answers a request that has arrived as a whole: one that is still on its way takes nobody's place.
func (r *request) work() *refusal {
	switch full := r.h.slots.Take(r.caller.Project); full {
	case nil:
		defer r.h.slots.Leave(r.caller.Project)
		return r.route.serve(r)
	case rest.TooManyQueries:
		return refuse(full, fmt.Sprintf("%d requests of the project are being answered (limit query.max_concurrent_per_project): ask again when one has ended", r.h.deps.MaxConcurrentPerProject))
	default:
		return refuse(full, fmt.Sprintf("%d requests are being answered (limit query.max_concurrent): ask again later", r.h.deps.MaxConcurrent))
	}
}

// admit decides all that can be decided before the body.
func (r *request) admit() *refusal {
	path := strings.TrimSuffix(r.http.URL.Path, "/")
	var allow []string
	for _, candidate := range r.h.routes {
		params, ok := match(candidate.path, path)
		if !ok {
			continue
		}
		if candidate.method == r.http.Method {
			r.route, r.params = candidate, params
			break
		}
		allow = append(allow, candidate.method)
	}
	switch {
	case r.route.serve != nil:
	case allow != nil:
		slices.Sort(allow)
		return &refusal{code: rest.MethodNotAllowed, allow: strings.Join(allow, ", "), detail: "the path takes " + strings.Join(allow, ", ") + " only"}
	default:
		return refuse(rest.UnknownRoute, "there is no such path; see the list of routes in the documentation")
	}
	if refused := r.authenticate(r.route.manage); refused != nil {
		return refused
	}
	var err error
	if r.query, err = url.ParseQuery(r.http.URL.RawQuery); err != nil {
		return refuse(rest.InvalidRequest, "the parameters of the URL cannot be read: escape them as RFC 3986 has it")
	}
	return nil
}

// match compares a path with one of a route.
func match(pattern, path string) (params map[string]string, ok bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	params = map[string]string{}
	for i, part := range want {
		if name, is := strings.CutPrefix(part, "{"); is && have[i] != "" {
			params[strings.TrimSuffix(name, "}")] = have[i]
			continue
		}
		if part != have[i] {
			return nil, false
		}
	}
	return params, true
}

// takes refuses parameters of the URL that the route does not know, or that are there twice: a slip of the pen is not taken for consent.
func (r *request) takes(names ...string) *refusal {
	for name, all := range r.query {
		if !slices.Contains(names, name) || len(all) != 1 {
			if len(names) == 0 {
				return refuse(rest.InvalidRequest, "the path takes no parameters in the URL; keys go into a header")
			}
			return refuse(rest.InvalidRequest, "the URL takes "+strings.Join(names, ", ")+", each once, and nothing else; keys go into a header")
		}
	}
	return nil
}

// answer makes a JSON document of what is to be sent, once the request's slot is free again: who reads slowly must not hold it. It has the shape of serve's result for the ease of those who call it last.
func (r *request) answer(status int, document any) *refusal {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // SQL is full of < and >
	if err := e.Encode(document); err != nil {
		return r.failed("write the answer", err)
	}
	r.status, r.document = status, b.Bytes()
	return nil
}

// send writes an answer that is complete.
func (r *request) send(status int, body []byte) {
	r.sent = true
	r.w.WriteHeader(status)
	r.w.Write(body) //nolint:errcheck // the client has gone: nobody to tell
}

// failed says what an error that is no fault of the caller means to him. Its text, which may hold SQL and values, goes to the log only.
func (r *request) failed(doing string, err error) *refusal {
	var said *clickhouse.Exception
	switch {
	case r.http.Context().Err() != nil:
		return refuse(rest.ClientGone, "")
	case errors.Is(err, context.DeadlineExceeded):
		return refuse(rest.QueryTimeout, fmt.Sprintf("it took longer than %v: ask again, or for less", r.h.deps.Timeout))
	}
	r.h.deps.Log.Error("a request could not be answered", "request_id", r.id.String(), "route", r.route.name, "project", r.caller.Project, "doing", doing, "error", err)
	if errors.As(err, &said) {
		return refuse(rest.Internal, internalDetail)
	}
	return refuse(rest.EngineUnavailable, "ClickHouse does not answer: ask again later")
}

// end counts and logs the request, and turns a panic into an answer. It is deferred by the handler.
func (r *request) end() {
	broken := false
	if p := recover(); p != nil {
		r.h.deps.Log.Error("BUG: a handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()), "request_id", r.id.String())
		if broken = r.sent; !broken {
			r.refuse(refuse(rest.Internal, internalDetail))
		}
	}
	took := time.Since(r.start)
	set := r.h.deps.Metrics
	set.GetOrCreateCounter(fmt.Sprintf("millrace_people_requests_total{route=%q,code=%q}", r.route.name, r.code.Text)).Inc()
	set.GetOrCreatePrometheusHistogram(fmt.Sprintf("millrace_people_request_seconds{route=%q}", r.route.name)).Update(took.Seconds())
	level := slog.LevelInfo
	if r.status >= 500 {
		level = slog.LevelWarn
	}
	r.h.deps.Log.LogAttrs(r.http.Context(), level, "request", slog.String("request_id", r.id.String()), slog.String("route", r.route.name), slog.Int("status", r.status),
		slog.String("code", r.code.Text), slog.Uint64("project", uint64(r.caller.Project)), slog.String("key_id", r.caller.KeyID), slog.String("client", r.http.RemoteAddr), slog.Duration("took", took))
	if broken || r.code == rest.ClientGone {
		panic(http.ErrAbortHandler) // ends the connection; net/http says nothing of it
	}
}
