package query

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// Account is a user of ClickHouse. Printing it shows no password.
type Account struct{ User, Password string }

// String is the user's name.
func (a Account) String() string { return a.User }

// GoString is String, for %#v.
func (a Account) GoString() string { return strconv.Quote(a.User) }

// LogValue is String, for slog.
func (a Account) LogValue() slog.Value { return slog.StringValue(a.User) }

// Endpoint is where ClickHouse answers over HTTP, and as whom.
type Endpoint struct {
	// URLs of the servers, scheme://host:port, tried in turn; all serve the same tables.
	URLs []string
	// Database that names without one refer to.
	Database string
	// Reader and Analyst name the accounts of a project, for typed questions and for statements of people, as package access makes them: readonly = 1, with limits that a request may
	// lower and is told to, down to those of Config. Theirs must not be below Config's. They are called concurrently and must not block.
	Reader, Analyst func(project uint32) Account
	// Operator may KILL QUERY of any user.
	Operator Account
	// TLS of https URLs; nil: the defaults.
	TLS *tls.Config
}

func (e Endpoint) validate() error {
	var errs []error
	if len(e.URLs) == 0 {
		errs = append(errs, errors.New("no address of ClickHouse's HTTP interface: set query.http_addresses"))
	}
	for _, u := range e.URLs {
		if p, err := url.Parse(u); err != nil || p.Host == "" || p.Scheme != "http" && p.Scheme != "https" || p.Path != "" || p.RawQuery != "" || p.User != nil {
			errs = append(errs, fmt.Errorf("ClickHouse's address %q is not http://host:port", u))
		}
	}
	if e.Database == "" {
		errs = append(errs, errors.New("no database"))
	}
	if e.Reader == nil || e.Analyst == nil {
		errs = append(errs, errors.New("no accounts of the projects"))
	}
	if e.Operator.User == "" {
		errs = append(errs, errors.New("no operator account, which ends queries"))
	}
	return errors.Join(errs...)
}

const (
	dialTimeout = 3 * time.Second
	// idleTimeout is below ClickHouse's own keep-alive, 2 s in the embedded engine, whose stop waits for idle connections.
	idleTimeout = time.Second
	// resultBufferBytes is how much of a result ClickHouse holds in memory before it goes to a file.
	resultBufferBytes = 1 << 20
	// maxExceptionBytes is how much of an error's text is read.
	maxExceptionBytes = 64 << 10
)

// engine talks to ClickHouse over HTTP. Safe for concurrent use.
type engine struct {
	endpoint Endpoint
	limits   Config
	client   *http.Client
	// preferred is the place in URLs of the server that answered last; a store publishes nothing else.
	preferred atomic.Int64
}

func newEngine(e Endpoint, limits Config) *engine {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	return &engine{endpoint: e, limits: limits, client: &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // a database is not reached by way of the environment's proxy
			DialContext:            dialer.DialContext,
			TLSClientConfig:        e.TLS,
			TLSHandshakeTimeout:    dialTimeout,
			DisableCompression:     true,
			MaxIdleConnsPerHost:    limits.MaxConcurrent,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// A redirect would carry the account's password elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (e *engine) close() { e.client.CloseIdleConnections() }

// ping asks each server for /ping until one answers.
func (e *engine) ping(ctx context.Context) error {
	var failed error
	for _, server := range e.endpoint.URLs {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/ping", nil)
		if err != nil {
			return err
		}
		resp, err := e.client.Do(req)
		if err == nil {
			_, err = io.CopyN(io.Discard, resp.Body, maxExceptionBytes)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			err = errors.Join(err, resp.Body.Close())
			if resp.StatusCode == http.StatusOK {
				return err
			}
			err = errors.Join(err, fmt.Errorf("status %d", resp.StatusCode))
		}
		failed = errors.Join(failed, fmt.Errorf("ping ClickHouse: %w", err))
	}
	return failed
}

// stats is what a query cost, as ClickHouse counts.
type stats struct {
	rowsRead, bytesRead, resultRows, resultBytes int64
	elapsed                                      time.Duration
}

// result is the complete result of a query, still with the server. The body must be closed.
type result struct {
	stats stats
	body  io.ReadCloser
	// format is ClickHouse's name of the body's format; "" for a statement without a result.
	format string
}

// query runs a statement and returns when its result is complete on the server. A server that cannot be reached is passed over for the next; sent is told where
// each attempt goes. The error is an *exception when ClickHouse says no. Reading the body ends with ctx.
func (e *engine) query(ctx context.Context, c call, queryID, format string, timeout time.Duration, sent func(url string)) (*result, error) {
	settings := url.Values{
		"database":          {e.endpoint.Database},
		"query_id":          {queryID},
		"default_format":    {format},
		"wait_end_of_query": {"1"},
		"buffer_size":       {strconv.Itoa(resultBufferBytes)},
		// Whole seconds, of which one is the least that an account may ask for; what is finer is watched from here.
		"max_execution_time":   {strconv.FormatInt(int64((timeout+time.Second-1)/time.Second), 10)},
		"max_memory_usage":     {strconv.FormatInt(e.limits.MaxMemoryBytes, 10)},
		"max_rows_to_read":     {strconv.FormatInt(e.limits.MaxRowsToRead, 10)},
		"max_result_rows":      {strconv.FormatInt(e.limits.MaxResultRows, 10)},
		"max_result_bytes":     {strconv.FormatInt(e.limits.MaxResultBytes, 10)},
		"result_overflow_mode": {"throw"},
	}
	body, contentType, err := form(c.text, c.wire)
	if err != nil {
		return nil, err
	}
	first := int(e.preferred.Load())
	var failed error
	for i := range e.endpoint.URLs {
		at := (first + i) % len(e.endpoint.URLs)
		server := e.endpoint.URLs[at]
		sent(server)
		resp, err := e.post(ctx, server, settings, c.account, body, contentType)
		if err == nil {
			e.preferred.Store(int64(at))
			return read(resp)
		}
		failed = errors.Join(failed, err)
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" {
			break // the query may have begun
		}
	}
	return nil, failed
}

func (e *engine) post(ctx context.Context, server string, settings url.Values, account Account, body []byte, contentType string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/?"+settings.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "millrace")
	// An empty key lets the transport repeat a request whose idle connection the server has just closed, and is not sent.
	req.Header["Idempotency-Key"] = nil
	req.SetBasicAuth(account.User, account.Password)
	resp, err := e.client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		return nil, err
	}
	return resp, nil
}

// read makes the result of a response, or its error.
func read(resp *http.Response) (*result, error) {
	h := resp.Header
	res := &result{stats: parseSummary(h.Get("X-ClickHouse-Summary")), body: resp.Body, format: h.Get("X-ClickHouse-Format")}
	if resp.StatusCode == http.StatusOK && h.Get("X-ClickHouse-Exception-Code") == "" {
		return res, nil
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxExceptionBytes))
	if err != nil {
		return nil, fmt.Errorf("read the error of status %d: %w", resp.StatusCode, err)
	}
	x := parseException(string(text), h.Get("X-ClickHouse-Exception-Code"))
	if x == nil {
		return nil, fmt.Errorf("status %d, which is no answer of ClickHouse", resp.StatusCode)
	}
	x.stats = res.stats
	return nil, x
}

// parseSummary reads the header that ClickHouse sends when a query has ended; its numbers are texts.
func parseSummary(text string) stats {
	var s struct {
		ReadRows    int64 `json:"read_rows,string"`
		ReadBytes   int64 `json:"read_bytes,string"`
		ResultRows  int64 `json:"result_rows,string"`
		ResultBytes int64 `json:"result_bytes,string"`
		ElapsedNs   int64 `json:"elapsed_ns,string"`
	}
	if json.Unmarshal([]byte(text), &s) != nil {
		return stats{} // another server's idea of it: costs are then unknown
	}
	return stats{s.ReadRows, s.ReadBytes, s.ResultRows, s.ResultBytes, time.Duration(s.ElapsedNs)}
}

// kill ends a query of one of the two accounts on a server and tells whether there was one. It does not wait for the query's end.
func (e *engine) kill(ctx context.Context, server, queryID string, project uint32) (found bool, err error) {
	body, contentType, err := form(
		"KILL QUERY WHERE query_id = {id:String} AND user IN ({reader:String}, {analyst:String}) ASYNC FORMAT TabSeparated",
		map[string]string{"id": queryID, "reader": e.endpoint.Reader(project).User, "analyst": e.endpoint.Analyst(project).User},
	)
	if err != nil {
		return false, err
	}
	resp, err := e.post(ctx, server, url.Values{"database": {e.endpoint.Database}}, e.endpoint.Operator, body, contentType)
	if err != nil {
		return false, fmt.Errorf("kill query: %w", err)
	}
	res, err := read(resp)
	if err != nil {
		return false, fmt.Errorf("kill query: %w", err)
	}
	defer res.body.Close() //nolint:errcheck // read only
	// One line for each query, or nothing at all.
	n, err := io.Copy(io.Discard, io.LimitReader(res.body, maxExceptionBytes))
	if err != nil {
		return false, fmt.Errorf("kill query: %w", err)
	}
	return n > 0, nil
}
