package query

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/millrace/millrace/schema"
)

// request is one request on its way through the handler, which owns it.
type request struct {
	s     *Server
	w     http.ResponseWriter
	http  *http.Request
	start time.Time
	id    schema.UUID

	question string // the name of the route
	target   string // of routeCancel: the id as the path has it
	caller   Caller
	format   format
	timeout  time.Duration
	queryID  string

	// What became of it.
	code   code
	status int
	sent   bool // the answer has begun
	asked  bool // a query was made
	stats  stats
	bytes  int64 // of a result, as sent
}

const internalDetail = "something broke inside the service: report it with the request id"

// serve is the story of one request.
func (s *Server) serve(w http.ResponseWriter, hr *http.Request) {
	now := time.Now()
	r := &request{s: s, w: w, http: hr, start: now, id: schema.NewUUIDv7(now.UnixMilli()), question: routeNone, code: codeOK}
	defer r.end()
	// A connection keeps the deadline of its last answer, which may be over.
	_ = http.NewResponseController(w).SetWriteDeadline(now.Add(s.cfg.WriteTimeout)) // not everywhere supported
	h := w.Header()
	h.Set("X-Request-Id", r.id.String())
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if refused := r.admit(); refused != nil {
		r.refuse(refused)
		return
	}
	switch r.question {
	case routeHealth:
		r.health()
	case routeCancel:
		r.cancel()
	default:
		if refused := r.ask(); refused != nil {
			r.refuse(refused)
		}
	}
}

// ask reads the question, has it answered and sends the rows.
func (r *request) ask() *refusal {
	s := r.s
	body, refused := r.readBody()
	if refused != nil {
		return refused
	}
	read := r.typed
	if r.question == routeSQL {
		read = r.statement
	}
	c, refused := read(body)
	if refused != nil {
		return refused
	}
	switch full := s.slots.Take(r.caller.Project); full {
	case nil:
		defer s.slots.Leave(r.caller.Project)
	case codeTooManyQueries:
		return refuse(full, fmt.Sprintf("%d queries of the project are running (limit query.max_concurrent_per_project): ask again when one has ended", s.cfg.MaxConcurrentPerProject))
	default:
		return refuse(full, fmt.Sprintf("%d queries are running (limit query.max_concurrent): ask again later", s.cfg.MaxConcurrent))
	}
	r.asked = true
	res, release, why, err := s.execute(r.http.Context(), c, r.queryID, r.caller.Project, r.format, r.timeout)
	defer release()
	if err != nil {
		return r.failed(c, why, err)
	}
	r.stats = res.stats
	res.body = watchBody(res.body, s.cfg.WriteTimeout, release)
	defer res.body.Close() //nolint:errcheck // read only
	if refused := r.acceptable(res); refused != nil {
		io.CopyN(io.Discard, res.body, copyBytes) //nolint:errcheck // read to its end when that is near: ClickHouse takes less for a client who has gone
		return refused
	}
	if err := r.answer(c, res); err != nil {
		r.code = codeBrokenOff
		if r.http.Context().Err() != nil {
			r.code = codeClientGone
		} else {
			s.log.Warn("an answer broke off", "request_id", r.id.String(), "query_id", r.queryID, "error", err)
		}
	}
	return nil
}

// acceptable decides whether a complete result may be sent. ClickHouse ends a query early that passes its limits, but a statement can ask it for wider ones.
func (r *request) acceptable(res *result) *refusal {
	want := formats[r.format].engine
	switch {
	case res.format == "":
		return refuse(codeQueryRefused, "the statement has no result: send one SELECT")
	case res.format != want:
		return refuse(codeQueryRefused, "the statement chooses a format of its own: leave FORMAT out and say in the header Accept which you want")
	case res.stats.resultRows > r.s.cfg.MaxResultRows || res.stats.resultBytes > r.s.cfg.MaxResultBytes:
		return refuse(codeResultTooLarge, fmt.Sprintf("the result has %d rows and %d bytes, %s", res.stats.resultRows, res.stats.resultBytes, r.resultLimits()))
	}
	return nil
}

func (r *request) resultLimits() string {
	return fmt.Sprintf("more than %d rows or %d bytes (limits query.max_result_rows and query.max_result_bytes): ask for a shorter time, fewer columns or a LIMIT; nothing is ever cut off silently",
		r.s.cfg.MaxResultRows, r.s.cfg.MaxResultBytes)
}

// failed says what it means to the client that there is no result. why is the reason when the query was ended from here.
func (r *request) failed(c call, why, err error) *refusal {
	cfg := r.s.cfg
	var x *exception
	if errors.As(err, &x) {
		r.stats = x.stats
	}
	if x == nil || x.meaning() == codeQueryCancelled {
		switch {
		case errors.Is(why, errGone):
			return refuse(codeClientGone, "")
		case errors.Is(why, errStopping):
			return refuse(codeOverloaded, "the service is stopping; ask again")
		case errors.Is(why, errOverdue):
			return r.tooLong()
		case x != nil, errors.Is(why, errAsked):
			return refuse(codeQueryCancelled, "the query was cancelled")
		}
		r.broken("ask ClickHouse", errors.Join(why, err))
		return refuse(codeEngineUnavailable, "ClickHouse does not answer: ask again later")
	}
	switch meaning := x.meaning(); meaning {
	case codeQueryTimeout:
		return r.tooLong()
	case codeMemoryLimit:
		return refuse(meaning, fmt.Sprintf("the query needs more than %d bytes of memory (limit query.max_memory_bytes): ask for a shorter time or fewer groups", cfg.MaxMemoryBytes))
	case codeScanLimit:
		return refuse(meaning, fmt.Sprintf("the query would read more than %d rows (limit query.max_rows_to_read): ask for a shorter time", cfg.MaxRowsToRead))
	case codeResultTooLarge:
		return refuse(meaning, "the result has "+r.resultLimits())
	case codeQuotaExceeded:
		return &refusal{code: meaning, detail: "the project has asked more than its quota allows: ask again later", retry: x.quotaPause(time.Now())}
	case codeOverloaded:
		return refuse(meaning, "ClickHouse is at its limits: ask again later")
	case codeTooManyQueries:
		return refuse(meaning, "too many queries of the project are running: ask again when one has ended")
	case codeQueryExists:
		return refuse(meaning, "a query of this query_id is running: choose a new id for each")
	case codeEngineUnavailable:
		r.engineFailed(x)
		return refuse(meaning, "ClickHouse cannot answer now: ask again later")
	}
	if r.question == routeSQL {
		detail := fmt.Sprintf("ClickHouse error %d %s: %s", x.code, x.name, x.told(c.account))
		if x.code == errAccessDenied {
			detail += fmt.Sprintf("; what may be read is database %s, which names without one refer to", r.s.deps.ClickHouse.Database)
		}
		return &refusal{code: codeQueryRefused, detail: detail, engine: x.name}
	}
	r.engineFailed(x)
	switch x.code {
	case errUnknownTable, errUnknownDatabase, errAccessDenied:
		return refuse(codeEngineUnavailable, "the tables are not set up for questions: tell the operator")
	}
	return refuse(codeInternal, internalDetail)
}

func (r *request) tooLong() *refusal {
	return refuse(codeQueryTimeout, fmt.Sprintf("the query took longer than %v (limit query.timeout, or the request's own timeout_ms): ask for a shorter time", r.timeout))
}

// engineFailed logs an error of ClickHouse that is no fault of the caller. Its message may hold SQL and values.
func (r *request) engineFailed(x *exception) {
	r.broken("ask ClickHouse", x)
	r.s.log.Debug("ClickHouse said", "request_id", r.id.String(), "message", x.message)
}

// broken logs what is no fault of the caller.
func (r *request) broken(doing string, err error) {
	r.s.log.Error("a question could not be answered", "request_id", r.id.String(), "query_id", r.queryID, "question", r.question, "project", r.caller.Project, "doing", doing, "error", err)
}

// send writes an answer that is complete.
func (r *request) send(status int, body []byte) {
	client := r.client()
	r.sent = true
	r.w.WriteHeader(status)
	client.Write(body) //nolint:errcheck // the client has gone: nobody to tell
}

// health answers /livez and /readyz.
func (r *request) health() {
	if m := r.http.Method; m != http.MethodGet && m != http.MethodHead {
		r.refuse(&refusal{code: codeMethodNotAllowed, allow: "GET, HEAD", detail: "the path takes GET and HEAD only"})
		return
	}
	answer := r.s.deps.Ready
	if strings.TrimSuffix(r.http.URL.Path, "/") == pathLive {
		answer = r.s.deps.Live
	}
	status, body := answer(r.http.URL.Query().Has("verbose"))
	r.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	r.status = status
	r.send(status, body)
}

// end counts and logs the request, and turns a panic into an answer. It is deferred by the handler.
func (r *request) end() {
	if p := recover(); p != nil {
		r.s.gauges.panics.Inc()
		r.s.log.Error("BUG: a handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()), "request_id", r.id.String())
		if r.sent {
			r.code = codeBrokenOff
		} else {
			r.refuse(refuse(codeInternal, internalDetail))
		}
	}
	took := time.Since(r.start)
	r.s.gauges.answered(r, took.Seconds())
	r.log(took)
	if r.code == codeBrokenOff || r.code == codeClientGone {
		panic(http.ErrAbortHandler) // ends the connection; net/http says nothing of it
	}
}

// log writes the one line of a request. What was asked is nobody's business but the caller's.
func (r *request) log(took time.Duration) {
	level := slog.LevelInfo
	switch {
	case r.question == routeHealth:
		level = slog.LevelDebug
	case r.status >= 500:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("request_id", r.id.String()), slog.String("question", r.question), slog.Int("status", r.status), slog.String("code", r.code.String()),
		slog.Uint64("project", uint64(r.caller.Project)), slog.String("key_id", r.caller.KeyID), slog.String("client", r.http.RemoteAddr), slog.Duration("took", took),
	}
	if r.asked {
		attrs = append(attrs, slog.String("query_id", r.queryID), slog.Int64("rows_read", r.stats.rowsRead), slog.Int64("bytes_read", r.stats.bytesRead),
			slog.Duration("elapsed", r.stats.elapsed), slog.Int64("bytes_sent", r.bytes))
	}
	r.s.log.LogAttrs(r.http.Context(), level, "question", attrs...)
}
