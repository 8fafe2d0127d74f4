package load

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// target is where requests go.
type target struct {
	address string // host:port
	tls     *tls.Config
	head    []byte // of every request, up to the value of Content-Length
	timeout time.Duration
	dial    func(ctx context.Context, address string) (net.Conn, error)
}

// newTarget prepares requests of POST path to base.
func newTarget(base, path, key, encoding string, timeout time.Duration) (*target, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("url %q: must be http://host:port or https://host:port, with nothing but a path behind it", base)
	}
	t := &target{timeout: timeout}
	port := u.Port()
	if u.Scheme == "https" {
		t.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
		if port == "" {
			port = "443"
		}
	} else if port == "" {
		port = "80"
	}
	t.address = net.JoinHostPort(u.Hostname(), port)
	dialer := &net.Dialer{Timeout: timeout, KeepAlive: -1}
	t.dial = func(ctx context.Context, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address)
	}

	var head strings.Builder
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: millrace-bench\r\n", strings.TrimRight(u.EscapedPath(), "/")+path, u.Host)
	if key != "" {
		fmt.Fprintf(&head, "Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(key+":")))
	}
	head.WriteString("Content-Type: application/json\r\n")
	if encoding != "" {
		fmt.Fprintf(&head, "Content-Encoding: %s\r\n", encoding)
	}
	head.WriteString("Content-Length: ")
	t.head = []byte(head.String())
	return t, nil
}

// connect opens a connection, with TLS when the target has it. It blocks for at most the timeout of a request.
func (t *target) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	conn, err := t.dial(ctx, t.address)
	if err != nil || t.tls == nil {
		return conn, err
	}
	secure := tls.Client(conn, t.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error is the one that tells
		return nil, err
	}
	return secure, nil
}
