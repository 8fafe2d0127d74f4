package broker

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

const (
	// layoutTTL bounds the age of the layout that routes follow. The Transport asks at random intervals below it, and only
	// for the brokers, so it may be short.
	layoutTTL = 3 * time.Second
	// idleTimeout closes a connection before the brokers' own limits do (Kafka: 10 min, cloud load balancers: 350 s).
	idleTimeout = time.Minute
)

// newTransport makes the connections' pool. The TLS and SASL settings are shared with the groups' dialer.
func newTransport(cfg Config, tlsConfig *tls.Config, mechanism sasl.Mechanism) *kafka.Transport {
	return &kafka.Transport{
		Dial:        newDial(cfg.DialTimeout),
		DialTimeout: cfg.DialTimeout,
		IdleTimeout: idleTimeout,
		MetadataTTL: layoutTTL,
		// Not nil: nil asks for every topic of the cluster. Routes need the brokers only.
		MetadataTopics: []string{},
		ClientID:       cfg.ClientID,
		TLS:            tlsConfig,
		SASL:           mechanism,
	}
}

// newDial returns the one way to open a connection.
func newDial(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &guardedConn{Conn: conn}, nil
	}
}

var errHTTP = errors.New("the answer is HTTP, not the Kafka protocol")

// guardedConn refuses an HTTP server's answer. Read as Kafka's protocol, its "HTTP/1.1 400 B…" declares an array of 800
// million elements, which kafka-go would allocate.
type guardedConn struct {
	net.Conn
	checked bool
}

func (c *guardedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.checked && n > 0 {
		if bytes.HasPrefix(b[:n], []byte("HTTP/")) {
			return 0, errHTTP
		}
		c.checked = true
	}
	return n, err
}

// tlsConfig returns nil when TLS is off.
func (t TLSConfig) tlsConfig() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("broker.tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("broker.tls.ca_file: %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		load := func() (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("broker.tls.cert_file: %w", err)
			}
			return &cert, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		// Read per connection, so that a renewed certificate is used without a restart.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return c, nil
}

// mechanism returns nil when there is no authentication.
func (s SASLConfig) mechanism() (sasl.Mechanism, error) {
	if s.Mechanism == SASLNone {
		return nil, nil
	}
	password := string(s.Password)
	if s.PasswordFile != "" {
		b, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("broker.sasl.password_file: %w", err)
		}
		if password = strings.TrimRight(string(b), "\r\n"); password == "" {
			return nil, fmt.Errorf("broker.sasl.password_file: %s is empty", s.PasswordFile)
		}
	}
	var m sasl.Mechanism
	var err error
	switch s.Mechanism {
	case SASLPlain:
		m = plain.Mechanism{Username: s.Username, Password: password}
	case SASLScramSHA256:
		m, err = scram.Mechanism(scram.SHA256, s.Username, password)
	case SASLScramSHA512:
		m, err = scram.Mechanism(scram.SHA512, s.Username, password)
	default:
		err = errors.New("unknown mechanism " + s.Mechanism)
	}
	if err != nil {
		return nil, fmt.Errorf("broker.sasl: %w", err)
	}
	return m, nil
}
