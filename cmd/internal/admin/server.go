package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/millrace/millrace/cmd/internal/logging"
	"github.com/millrace/millrace/cmd/internal/version"
)

const (
	// writeTimeout bounds an answer; net/http/pprof extends it for a profile by the seconds that were asked for.
	writeTimeout = 10 * time.Second
	// shutdownTimeout is how long running answers may still take; a profile is cut off.
	shutdownTimeout = time.Second
	maxHeaderBytes  = 16 << 10
	maxBodyBytes    = 64
)

// Options is what a Server shows.
type Options struct {
	Health *Health
	// Level is what /log/level reads and sets.
	Level *slog.LevelVar
	// Sets are written to /metrics, each with its own metric families, before the metrics of Go and the process.
	Sets []*metrics.Set
	// Routes are further ones by pattern, as "POST /sink/resume", answered to clients on this machine only.
	Routes map[string]http.HandlerFunc
	Log    *slog.Logger
}

// Server is the admin listener.
type Server struct {
	opts Options
	info *metrics.Set
	http *http.Server
}

// New returns a server that listens to nothing yet. It turns on TYPE lines for all metrics of the process.
func New(opts Options) *Server {
	metrics.ExposeMetadata(true)
	s := &Server{opts: opts, info: metrics.NewSet()}
	v := version.Get()
	s.info.NewGauge(fmt.Sprintf("millrace_build_info{version=%q,commit=%q,go=%q}", v.Version, v.Commit, v.Go), nil).Set(1)
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(opts.Log.Handler(), slog.LevelWarn),
	}
	return s
}

// Run serves ln until ctx ends, then lets running answers finish for a second. It closes ln. Call it once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("admin: serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := s.http.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	if served := <-served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("admin: shut down: %w", err)
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /metrics", s.metrics)
	for _, path := range []string{"/livez", "/healthz", "/health"} {
		mux.HandleFunc("GET "+path, health(s.opts.Health.Live))
	}
	mux.HandleFunc("GET /readyz", health(s.opts.Health.Ready))
	mux.HandleFunc("GET /log/level", local(s.level))
	mux.HandleFunc("PUT /log/level", local(s.setLevel))
	for pattern, handler := range s.opts.Routes {
		mux.HandleFunc(pattern, local(handler))
	}
	mux.HandleFunc("GET /debug/pprof/", local(pprof.Index))
	mux.HandleFunc("GET /debug/pprof/cmdline", local(pprof.Cmdline))
	mux.HandleFunc("GET /debug/pprof/profile", local(pprof.Profile))
	mux.HandleFunc("GET /debug/pprof/symbol", local(pprof.Symbol))
	mux.HandleFunc("POST /debug/pprof/symbol", local(pprof.Symbol))
	mux.HandleFunc("GET /debug/pprof/trace", local(pprof.Trace))
	return mux
}

// health serves one of Health's answers; other listeners do the same with their own means.
func health(answer func(verbose bool) (status int, body []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, body := answer(r.URL.Query().Has("verbose"))
		text(w, status, string(body))
	}
}

// local refuses clients on other machines.
func local(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !peer.Addr().Unmap().IsLoopback() {
			text(w, http.StatusForbidden, r.URL.Path+" is answered to clients on this machine only\n")
			return
		}
		// A web page that got a name to point here could otherwise ask through the browser of someone on this machine.
		if host := r.Host; !loopbackName(host) {
			text(w, http.StatusForbidden, "address this listener as localhost or by its IP address\n")
			return
		}
		next(w, r)
	}
}

func loopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	_, err = netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost"
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	io.WriteString(w, body) //nolint:errcheck // the client has gone: nobody to tell
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, version.Get().String()+"\n\n/metrics\n/livez\n/readyz?verbose\n/log/level\n/debug/pprof/\n")
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	s.info.WritePrometheus(&b)
	for _, set := range s.opts.Sets {
		set.WritePrometheus(&b)
	}
	metrics.WriteProcessMetrics(&b)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(b.Bytes()) //nolint:errcheck // the client has gone: nobody to tell
}

func (s *Server) level(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, logging.LevelName(s.opts.Level.Level())+"\n")
}

func (s *Server) setLevel(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		text(w, http.StatusBadRequest, "send the level as the body: debug, info, warn or error\n")
		return
	}
	level, err := logging.ParseLevel(strings.TrimSpace(string(body)))
	if err != nil {
		text(w, http.StatusBadRequest, err.Error()+"\n")
		return
	}
	was := s.opts.Level.Level()
	s.opts.Level.Set(level)
	s.opts.Log.Info("log level changed", "from", logging.LevelName(was), "to", logging.LevelName(level))
	s.level(w, r)
}
