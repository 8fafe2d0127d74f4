package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/internal/rest"
)

// Deps are what the server needs from others. All but Live and Ready are required.
type Deps struct {
	Keys       Keyring
	ClickHouse Endpoint
	// Live answers /livez and Ready /readyz and its aliases: 200 while questions can be answered. verbose asks for each dependency. They are called concurrently and
	// must not block. nil: there are no such paths.
	Live, Ready func(verbose bool) (status int, body []byte)
	// Others answer on the same listener: each what its path, such as /v1/segments, names or begins. They see to their own authentication and limits; a connection is theirs for
	// Config.WriteTimeout after the request was read. May be nil.
	Others  map[string]http.Handler
	Log     *slog.Logger
	Metrics *metrics.Set
}

// Server answers questions. Make it with New; then Run it once, or serve Handler elsewhere and Close it at the end.
type Server struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	engine  *engine
	gauges  *gauges
	slots   *rest.Slots
	table   table
	handler http.Handler
	// patience is the usual one, but in tests.
	patience patience

	// stopping is closed by stop: queries that run are ended.
	stopping chan struct{}
	stop     func()
}

// New makes a server and registers its metrics; it starts nothing and asks ClickHouse nothing.
func New(cfg Config, deps Deps) (*Server, error) {
	err := errors.Join(cfg.Validate(), deps.ClickHouse.validate())
	for what, missing := range map[string]bool{
		"no keyring":                            deps.Keys == nil,
		"no logger":                             deps.Log == nil,
		"no metrics set":                        deps.Metrics == nil,
		"one health function without the other": (deps.Live == nil) != (deps.Ready == nil),
	} {
		if missing {
			err = errors.Join(err, errors.New(what))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	s := &Server{
		cfg:      cfg,
		deps:     deps,
		log:      deps.Log,
		engine:   newEngine(deps.ClickHouse, cfg),
		slots:    rest.NewSlots(cfg.MaxConcurrent, cfg.MaxConcurrentPerProject),
		table:    table{queries: map[string]*running{}},
		patience: usualPatience,
		stopping: make(chan struct{}),
	}
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	s.gauges = newGauges(deps.Metrics, s.slots)
	s.handler = http.HandlerFunc(s.route)
	return s, nil
}

// route finds whose request it is.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	for path, h := range s.deps.Others {
		if rest, ok := strings.CutPrefix(r.URL.Path, path); ok && (rest == "" || rest[0] == '/') {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout)) // not everywhere supported
			h.ServeHTTP(w, r)
			return
		}
	}
	s.serve(w, r)
}

// Handler answers the routes of this package, and any other path as unknown. It may be used with or without Run, by any number of goroutines.
func (s *Server) Handler() http.Handler { return s.handler }

// Running is the number of queries that are being answered.
func (s *Server) Running() int { return s.slots.Count() }

// Close ends the queries that run, whose requests are then refused, and lets go of idle connections. Requests that come later are refused as well. It does not wait for handlers.
func (s *Server) Close() {
	s.stop()
	s.engine.close()
}

// Ping asks ClickHouse whether it answers; it needs no account.
func (s *Server) Ping(ctx context.Context) error { return s.engine.ping(ctx) }
