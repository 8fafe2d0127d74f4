package null

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// Options is how Run serves.
type Options struct {
	Listen string // host:port. Default 127.0.0.1:0, any free port.
}

// answer is as long as the gateway's to a batch of which all is accepted.
const answer = `{"success":true,"request_id":"01890a5d-ac96-774b-bcce-b302099a8057","accepted":100,"rejected":0,"durability":"broker","results":[]}`

// stopTimeout bounds the wait for answers that are being written.
const stopTimeout = 2 * time.Second

// Run serves until ctx ends, which is no error. Once it listens it writes the line "ready ADDRESS" to ready.
func Run(ctx context.Context, o Options, ready io.Writer) error {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("null: %w", err)
	}
	server := newServer()
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	if _, err = fmt.Fprintf(ready, "ready %s\n", ln.Addr()); err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
			served <- nil
		}
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if stopped := server.ShutdownWithContext(grace); !errors.Is(stopped, context.DeadlineExceeded) { // clients who hold a connection are of no interest
		err = errors.Join(err, stopped)
	}
	_ = ln.Close() // Shutdown does it unless Serve has not begun
	if err = errors.Join(err, <-served); err != nil {
		return fmt.Errorf("null: %w", err)
	}
	return nil
}

// newServer has the gateway's defaults: https://pkg.go.dev/github.com/valyala/fasthttp#Server says what each costs.
func newServer() *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      handle,
		HeaderReceived:               bodyTimeout,
		Concurrency:                  16384,
		MaxRequestsPerConn:           10_000,
		MaxRequestBodySize:           maxBody,
		ReadBufferSize:               16 << 10,
		WriteBufferSize:              4 << 10,
		ReadTimeout:                  5 * time.Second,
		WriteTimeout:                 10 * time.Second,
		IdleTimeout:                  75 * time.Second,
		MaxIdleWorkerDuration:        75 * time.Second,
		TCPKeepalive:                 true,
		TCPKeepalivePeriod:           30 * time.Second,
		LazyRequestTime:              true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
	}
}

// bodyTimeout gives a body more time than a header, as the gateway does.
func bodyTimeout(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if h.ContentLength() == 0 {
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{ReadTimeout: 15 * time.Second}
}

// maxBody is the largest body, in bytes.
const maxBody = 20 << 20

// handle asks for the body, which fasthttp has read into its buffer, and answers.
func handle(ctx *fasthttp.RequestCtx) {
	if !ctx.IsPost() {
		ctx.SetStatusCode(fasthttp.StatusMethodNotAllowed)
		return
	}
	if len(ctx.PostBody()) == 0 {
		ctx.SetStatusCode(fasthttp.StatusBadRequest)
		return
	}
	ctx.SetContentType("application/json")
	ctx.SetBodyString(answer)
}
