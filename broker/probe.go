package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
)

// Probe tries every step of reaching the cluster and says in words which one fails, with the address and the cure: name,
// TCP, TLS, protocol, SASL, and whether the addresses that the brokers advertise can be reached from here. It returns nil
// when one of the bootstrap addresses and one of the advertised ones work. Each address has DialTimeout; ctx bounds all.
func (c *Client) Probe(ctx context.Context) error {
	var errs []error
	for _, address := range c.cfg.Addresses {
		brokers, err := c.probe(ctx, address)
		if err == nil {
			return c.probeAdvertised(ctx, address, brokers)
		}
		errs = append(errs, fmt.Errorf("broker %s: %w", address, err))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// probe goes through one address and returns the brokers that it advertises.
func (c *Client) probe(ctx context.Context, address string) ([]BrokerNode, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.DialTimeout)
	defer cancel()
	conn, err := c.probeDial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	// The context must also end what has no deadline of its own.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()

	pc := protocol.NewConn(&guardedConn{Conn: conn}, c.cfg.ClientID)
	if err := c.probeVersions(pc); err != nil {
		return nil, c.explainFirstAnswer(err)
	}
	if err := c.probeSASL(ctx, pc, address); err != nil {
		return nil, err
	}
	m, err := pc.RoundTrip(&metadata.Request{TopicNames: []string{}})
	if err != nil {
		if c.sasl == nil && isHangUp(err) {
			return nil, fmt.Errorf("it hangs up at the first request without a login: it probably wants SASL; set broker.sasl.mechanism, username and password_file: %w", err)
		}
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return newMetadata(m.(*metadata.Response), nil).Brokers, nil
}

func (c *Client) probeDial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, explainDial(err)
	}
	if c.tls == nil {
		return conn, nil
	}
	cfg := c.tls
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName, _, _ = net.SplitHostPort(address) // it was dialled, so it splits
	}
	tc := tls.Client(conn, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, explainTLS(err, cfg.ServerName)
	}
	return tc, nil
}

func explainDial(err error) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Errorf("its name cannot be resolved from here; check broker.addresses: %w", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens there; is the broker running, and is the port that of the Kafka API? check broker.addresses: %w", err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("it does not answer; is it the right host, and does a firewall let this one through? (broker.dial_timeout): %w", err)
	default:
		return err
	}
}

func explainTLS(err error, name string) error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &header), isHangUp(err):
		return fmt.Errorf("it does not speak TLS there; use its TLS port or set broker.tls.enabled: false: %w", err)
	case errors.As(err, &unknown):
		return fmt.Errorf("its certificate is signed by an authority that is not trusted here; set broker.tls.ca_file: %w", err)
	case errors.As(err, &host):
		return fmt.Errorf("its certificate is not for %q; use one of its names in broker.addresses, or set broker.tls.server_name: %w", name, err)
	case errors.As(err, &invalid):
		return fmt.Errorf("its certificate is not valid: %w", err)
	default:
		return fmt.Errorf("TLS handshake: %w", err)
	}
}

// probeVersions asks what the broker can do, the one request that needs no login.
func (c *Client) probeVersions(pc *protocol.Conn) error {
	m, err := pc.RoundTrip(new(apiversions.Request))
	if err != nil {
		return err
	}
	res := m.(*apiversions.Response)
	if err := codeError(res.ErrorCode, ""); err != nil {
		return err
	}
	versions := make(map[protocol.ApiKey]int16, len(res.ApiKeys))
	for _, k := range res.ApiKeys {
		key := protocol.ApiKey(k.ApiKey)
		versions[key] = key.SelectVersion(k.MinVersion, k.MaxVersion)
	}
	if versions[protocol.Produce] < minProduceVersion || versions[protocol.Fetch] < minFetchVersion {
		return ErrTooOld
	}
	pc.SetVersions(versions)
	return nil
}

func (c *Client) explainFirstAnswer(err error) error {
	switch {
	case errors.Is(err, ErrTooOld):
		return err
	case errors.Is(err, errHTTP):
		return fmt.Errorf("it speaks HTTP; use the port of the Kafka API, not of the admin API or the HTTP proxy: %w", err)
	case c.tls == nil && (strings.Contains(err.Error(), "expecting TLS") || isHangUp(err)):
		return fmt.Errorf("it hangs up at the first byte: it probably wants TLS; set broker.tls.enabled: true: %w", err)
	case c.tls != nil && isAlert(err):
		return fmt.Errorf("it refuses this client's certificate; set broker.tls.cert_file and key_file: %w", err)
	default:
		return fmt.Errorf("it does not answer as a Kafka broker; is the port that of the Kafka API?: %w", err)
	}
}

func (c *Client) probeSASL(ctx context.Context, pc *protocol.Conn, address string) error {
	if c.sasl == nil {
		return nil
	}
	m, err := pc.RoundTrip(&saslhandshake.Request{Mechanism: c.sasl.Name()})
	if err != nil {
		return fmt.Errorf("it hangs up when asked for SASL; does this port want a login? else set broker.sasl.mechanism to nothing: %w", err)
	}
	res := m.(*saslhandshake.Response)
	if kafka.Error(res.ErrorCode) == kafka.UnsupportedSASLMechanism {
		return fmt.Errorf("it does not offer %s but %s; set broker.sasl.mechanism: %w", c.sasl.Name(), offered(res.Mechanisms), kafka.UnsupportedSASLMechanism)
	}
	if err := codeError(res.ErrorCode, ""); err != nil {
		return fmt.Errorf("SASL handshake: %w", err)
	}
	if err := c.login(ctx, pc, address); err != nil {
		return fmt.Errorf("it refuses user %q; check broker.sasl.username, password and mechanism (%s): %w", c.cfg.SASL.Username, c.cfg.SASL.Mechanism, err)
	}
	return nil
}

func offered(mechanisms []string) string {
	if len(mechanisms) == 0 {
		return "nothing"
	}
	return strings.Join(mechanisms, ", ")
}

func (c *Client) login(ctx context.Context, pc *protocol.Conn, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	session, state, err := c.sasl.Start(sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: n}))
	for done := false; err == nil && !done; {
		var m protocol.Message
		if m, err = pc.RoundTrip(&saslauthenticate.Request{AuthBytes: state}); err != nil {
			break
		}
		res := m.(*saslauthenticate.Response)
		if err = codeError(res.ErrorCode, res.ErrorMessage); err != nil {
			break
		}
		done, state, err = session.Next(ctx, res.AuthBytes)
	}
	return err
}

// probeAdvertised tries the addresses that every later request uses.
func (c *Client) probeAdvertised(ctx context.Context, bootstrap string, brokers []BrokerNode) error {
	if len(brokers) == 0 {
		return fmt.Errorf("broker %s: it knows of no broker, not even itself; is the cluster still starting?", bootstrap)
	}
	var errs []error
	for _, b := range brokers {
		address := net.JoinHostPort(b.Host, strconv.Itoa(b.Port))
		err := c.dialOnly(ctx, address)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("broker %s works, but sends clients to broker %d at %s, which fails from here; set the address it advertises (advertised_kafka_api, advertised.listeners): %w",
			bootstrap, b.ID, address, err))
	}
	return errors.Join(errs...)
}

func (c *Client) dialOnly(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.DialTimeout)
	defer cancel()
	conn, err := c.probeDial(ctx, address)
	if err != nil {
		return err
	}
	_ = conn.Close()
	return nil
}

// isHangUp tells whether the other side ended the connection.
func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isAlert tells whether the other side ended TLS with a reason.
func isAlert(err error) bool {
	var alert tls.AlertError
	var op *net.OpError
	return errors.As(err, &alert) || errors.As(err, &op) && op.Op == "remote error"
}
