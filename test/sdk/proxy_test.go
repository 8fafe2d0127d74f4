package sdk

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy stands between one SDK and the server. It forwards bytes as they come, one request at a time for each connection, and keeps them.
type proxy struct {
	listener net.Listener
	secure   bool
	upstream string
	fault    fault

	mu    sync.Mutex
	all   []*exchange
	bit   int // how many requests the fault has hit
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

// fault is what becomes of the first requests with events: the proxy answers them itself, or cuts the connection.
type fault struct {
	times  int
	drop   bool
	status int
	header http.Header
	body   string
}

// exchange is one request and its answer.
type exchange struct {
	method, path string
	query        url.Values
	header       http.Header
	raw          []byte // body as it was sent
	rawPath      string

	faulted bool
	status  int // 0: no answer
	answer  http.Header
	reply   []byte
}

// newProxy starts a proxy that ends with the test.
func newProxy(t *testing.T, upstream string, secure bool, f fault) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, secure: secure, upstream: upstream, fault: f, conns: map[net.Conn]bool{}}
	if secure {
		p.listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"http/1.1"}})
	}
	p.wait.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// certificate is one that nobody trusts, for SDKs that only do all they can over TLS.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (p *proxy) url() string {
	if p.secure {
		return "https://" + p.listener.Addr().String()
	}
	return "http://" + p.listener.Addr().String()
}

func (p *proxy) close() {
	p.listener.Close() //nolint:errcheck // ends accept
	p.mu.Lock()
	for c := range p.conns {
		c.Close() //nolint:errcheck // ends serve
	}
	p.mu.Unlock()
	p.wait.Wait()
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns[c] = true
		p.mu.Unlock()
		p.wait.Go(func() {
			p.serve(c)
			c.Close() //nolint:errcheck // the client sees the end
			p.mu.Lock()
			delete(p.conns, c)
			p.mu.Unlock()
		})
	}
}

// serve handles the requests of one connection in turn.
func (p *proxy) serve(c net.Conn) {
	var sent bytes.Buffer
	in := bufio.NewReader(io.TeeReader(c, &sent))
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			// The client went away in the middle: the server sees what came of it.
			if up, err := net.Dial("tcp", p.upstream); err == nil {
				_, _ = up.Write(sent.Bytes()) // cut off, as it was
				up.Close()                    //nolint:errcheck // of no use any more
			}
			return
		}
		e := &exchange{method: req.Method, path: req.URL.Path, rawPath: req.RequestURI, query: req.URL.Query(), header: req.Header, raw: body}
		if !p.note(e) {
			if !p.forward(c, e, sent.Bytes()) {
				return
			}
		} else if p.fault.drop || !p.refuse(c, e) {
			return
		}
		sent.Reset()
	}
}

// note keeps the exchange, and tells whether the fault hits it.
func (p *proxy) note(e *exchange) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, e)
	if e.bearsEvents() && p.bit < p.fault.times {
		p.bit++
		e.faulted = true
	}
	return e.faulted
}

// forward sends the request's bytes to the server, and the answer's to the client.
func (p *proxy) forward(c net.Conn, e *exchange, request []byte) bool {
	up, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return false
	}
	defer up.Close() //nolint:errcheck // of no use any more
	if _, err := up.Write(request); err != nil {
		return false
	}
	var answer bytes.Buffer
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(up, &answer)), &http.Request{Method: e.method})
	if err != nil {
		return false
	}
	reply, err := io.ReadAll(resp.Body)
	resp.Body.Close() //nolint:errcheck // only read from
	if err != nil {
		return false
	}
	p.answered(e, resp.StatusCode, resp.Header, reply)
	_, err = c.Write(answer.Bytes())
	return err == nil
}

// refuse answers with the fault.
func (p *proxy) refuse(c net.Conn, e *exchange) bool {
	resp := &http.Response{StatusCode: p.fault.status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(p.fault.body)), ContentLength: int64(len(p.fault.body))}
	for name, values := range p.fault.header {
		resp.Header[name] = values
	}
	if origin := e.header.Get("Origin"); origin != "" {
		resp.Header.Set("Access-Control-Allow-Origin", origin)
		resp.Header.Set("Access-Control-Allow-Credentials", "true")
		resp.Header.Set("Access-Control-Expose-Headers", "Retry-After")
	}
	p.answered(e, p.fault.status, resp.Header, []byte(p.fault.body))
	return resp.Write(c) == nil
}

func (p *proxy) answered(e *exchange, status int, header http.Header, reply []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.status, e.answer, e.reply = status, header, reply
}

// exchanges is a copy of what was recorded so far.
func (p *proxy) exchanges() []exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]exchange, len(p.all))
	for i, e := range p.all {
		out[i] = *e
	}
	return out
}

// hits is how many requests the fault has hit.
func (p *proxy) hits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bit
}

// idle tells whether all connections have ended: a program that has ended leaves bytes behind that are still on their way.
func (p *proxy) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) == 0
}

// bearsEvents tells requests with events from preflights, settings and flags.
func (e *exchange) bearsEvents() bool {
	switch first, _, _ := strings.Cut(strings.TrimPrefix(e.path, "/"), "/"); {
	case e.method == http.MethodGet:
		return e.query.Has("data")
	case e.method != http.MethodPost:
		return false
	default:
		return first != "flags" && first != "decide" && first != "array"
	}
}

// String is the exchange as a failing test prints it.
func (e *exchange) String() string {
	var b strings.Builder
	b.WriteString(e.method + " " + e.rawPath)
	for _, name := range []string{"Content-Type", "Content-Encoding", "Authorization", "User-Agent", "Retry-After", "X-Write-Key"} {
		if v := e.header.Get(name); v != "" {
			b.WriteString("\n  " + name + ": " + v)
		}
	}
	if text, err := e.text(); err == nil && len(text) > 0 {
		b.WriteString("\n  " + clip(string(text)))
	}
	b.WriteString("\n  -> " + strconv.Itoa(e.status))
	if e.faulted {
		b.WriteString(" by the proxy")
	}
	if v := e.answer.Get("Retry-After"); v != "" {
		b.WriteString(" Retry-After: " + v)
	}
	return b.String() + " " + clip(string(e.reply)) + "\n"
}

func clip(text string) string {
	const most = 3000
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
