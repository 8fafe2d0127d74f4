package broker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// authority is a certificate authority for one test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = a.newKey()
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der := a.sign(a.cert, &a.key.PublicKey)
	a.file = a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) sign(cert *x509.Certificate, key *ecdsa.PublicKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// issue writes a certificate for 127.0.0.1, or for a name only, with its end of life.
func (a *authority) issue(name string, end time.Time) (certFile, keyFile string) {
	a.t.Helper()
	key := a.newKey()
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		cert.IPAddresses = []net.IP{ip}
	} else {
		cert.DNSNames = []string{name}
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", a.sign(cert, &key.PublicKey)), a.write(name+".key", "EC PRIVATE KEY", der)
}

func (a *authority) server(name string, end time.Time) *tls.Config {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(a.issue(name, end))
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// works runs a request of each kind: over the pool, over the coordinator, over the group's own connections.
func works(t *testing.T, c *Client) {
	t.Helper()
	if err := c.Probe(within(t)); err != nil {
		t.Errorf("probe: %v", err)
	}
	if r := mustProduce(t, c, PartitionBatch{"events", 0, sealed(numbered(3)...)})[0]; r.Err != nil {
		t.Error(r.Err)
	}
	if n := len(mustRead(t, fetchOne(t, c, 0, 0, 1<<20).Records)); n < 3 {
		t.Errorf("%d records", n)
	}
	g := joinGroup(t, c, GroupConfig{})
	gen := nextGeneration(t, g)
	if err := commit(t, c, gen.ID, gen.MemberID, PartitionOffset{"events", 0, 1, "m"})[TopicPartition{"events", 0}]; err != nil {
		t.Error(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	later := time.Now().Add(time.Hour)
	cluster := startCluster(t, kfake.TLS(ca.server("127.0.0.1", later)))
	cfg := testConfig(cluster.ListenAddrs()...)
	cfg.TLS = TLSConfig{Enabled: true, CAFile: ca.file}
	works(t, newClient(t, cfg))

	t.Run("unknown authority", func(t *testing.T) {
		cfg := cfg
		cfg.TLS.CAFile = newAuthority(t).file
		c := newClient(t, cfg)
		wantWords(t, c.Probe(within(t)), cfg.Addresses[0], "not trusted", "broker.tls.ca_file")
		_, err := c.Metadata(within(t))
		if Classify(err) != ClassFatal {
			t.Errorf("metadata: %v (%v), want fatal", err, Classify(err))
		}
	})
	t.Run("plaintext client", func(t *testing.T) {
		cfg := testConfig(cfg.Addresses...)
		wantWords(t, newClient(t, cfg).Probe(within(t)), cfg.Addresses[0], "broker.tls.enabled: true")
	})
	t.Run("other name", func(t *testing.T) {
		cluster := startCluster(t, kfake.TLS(ca.server("broker.example", later)))
		cfg := cfg
		cfg.Addresses = cluster.ListenAddrs()
		wantWords(t, newClient(t, cfg).Probe(within(t)), `"127.0.0.1"`, "broker.tls.server_name")
		cfg.TLS.ServerName = "broker.example"
		works(t, newClient(t, cfg))
	})
	t.Run("expired", func(t *testing.T) {
		cluster := startCluster(t, kfake.TLS(ca.server("127.0.0.1", time.Now().Add(-time.Minute))))
		cfg := cfg
		cfg.Addresses = cluster.ListenAddrs()
		wantWords(t, newClient(t, cfg).Probe(within(t)), "not valid", "expired")
	})
	t.Run("old TLS only", func(t *testing.T) {
		server := ca.server("127.0.0.1", later)
		server.MinVersion, server.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
		cluster := startCluster(t, kfake.TLS(server))
		cfg := cfg
		cfg.Addresses = cluster.ListenAddrs()
		wantWords(t, newClient(t, cfg).Probe(within(t)), "TLS handshake")
	})
	t.Run("plaintext broker", func(t *testing.T) {
		cluster := startCluster(t)
		cfg := cfg
		cfg.Addresses = cluster.ListenAddrs()
		cfg.DialTimeout = 500 * time.Millisecond
		err := newClient(t, cfg).Probe(within(t))
		wantWords(t, err, cfg.Addresses[0], "TLS")
	})
}

func TestMutualTLS(t *testing.T) {
	ca := newAuthority(t)
	server := ca.server("127.0.0.1", time.Now().Add(time.Hour))
	server.ClientAuth = tls.RequireAndVerifyClientCert
	server.ClientCAs = x509.NewCertPool()
	server.ClientCAs.AddCert(mustParse(t, ca.file))
	cluster := startCluster(t, kfake.TLS(server))
	cfg := testConfig(cluster.ListenAddrs()...)
	cfg.TLS = TLSConfig{Enabled: true, CAFile: ca.file}
	wantWords(t, newClient(t, cfg).Probe(within(t)), "certificate", "broker.tls.cert_file")
	cfg.TLS.CertFile, cfg.TLS.KeyFile = ca.issue("millrace", time.Now().Add(time.Hour))
	works(t, newClient(t, cfg))
}

func mustParse(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestSASL(t *testing.T) {
	cluster := startCluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "pia", "secret-1"),
		kfake.Superuser("SCRAM-SHA-256", "sam", "secret-2"), kfake.Superuser("SCRAM-SHA-512", "sue", "secret-3"))
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret-3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(cluster.ListenAddrs()...)
	for _, s := range []SASLConfig{
		{Mechanism: SASLPlain, Username: "pia", Password: "secret-1"},
		{Mechanism: SASLScramSHA256, Username: "sam", Password: "secret-2"},
		{Mechanism: SASLScramSHA512, Username: "sue", PasswordFile: file},
	} {
		cfg.SASL = s
		works(t, newClient(t, cfg))
		cfg.SASL.Password, cfg.SASL.PasswordFile = "wrong-one", ""
		c := newClient(t, cfg)
		err := c.Probe(within(t))
		wantWords(t, err, cfg.Addresses[0], `"`+s.Username+`"`, "broker.sasl.username", s.Mechanism)
		if err != nil && strings.Contains(err.Error(), "wrong-one") {
			t.Errorf("the password is in the error: %v", err)
		}
		if _, err = c.Metadata(within(t)); err == nil {
			t.Error("a wrong password got metadata")
		}
	}
	cfg.SASL = SASLConfig{}
	wantWords(t, newClient(t, cfg).Probe(within(t)), cfg.Addresses[0], "broker.sasl.mechanism")
}

func TestProbeOfMechanismNotOffered(t *testing.T) {
	cluster := startCluster(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "sue", "x"))
	cfg := testConfig(cluster.ListenAddrs()...)
	cfg.SASL = SASLConfig{Mechanism: SASLScramSHA256, Username: "sue", Password: "x"}
	err := newClient(t, cfg).Probe(within(t))
	wantWords(t, err, cfg.Addresses[0])
	t.Log(err)
}

func TestProbe(t *testing.T) {
	cluster := startCluster(t)
	good := cluster.ListenAddrs()[0]
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(nobody, good)
	if err := newClient(t, cfg).Probe(within(t)); err != nil {
		t.Errorf("one of two works: %v", err)
	}
	cfg = testConfig(nobody)
	err = newClient(t, cfg).Probe(within(t))
	wantWords(t, err, nobody, "nothing listens", "broker.addresses")
	if Classify(err) != ClassRetriable {
		t.Errorf("%v", Classify(err))
	}
	cfg = testConfig("no-such-host.invalid:9092")
	wantWords(t, newClient(t, cfg).Probe(within(t)), "no-such-host.invalid:9092", "cannot be resolved")
}

// A listener that takes connections and says nothing, as a load balancer without backends does.
func TestProbeOfSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	cfg := testConfig(l.Addr().String())
	cfg.DialTimeout = 200 * time.Millisecond
	start := time.Now()
	wantWords(t, newClient(t, cfg).Probe(within(t)), l.Addr().String(), "does not answer as a Kafka broker")
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the probe took %v", took)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := newClient(t, cfg).Probe(ctx); err == nil {
		t.Error("a cancelled probe succeeded")
	}
}

// A wrong port that answers HTTP: no gigabytes are allocated for what its status line would mean in Kafka's protocol.
func TestHTTPPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("0", 100_000)))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-served })
	cfg := testConfig(l.Addr().String())
	c := newClient(t, cfg)
	wantWords(t, c.Probe(within(t)), cfg.Addresses[0], "HTTP", "Kafka API")
	_, err = c.Metadata(within(t))
	wantWords(t, err, "HTTP")
	g := joinGroup(t, c, GroupConfig{})
	if _, err := g.Next(within(t)); err == nil {
		t.Error("a group of an HTTP server was joined")
	}
}

// The broker works, but sends clients to an address that does not.
func TestProbeOfAdvertisedAddress(t *testing.T) {
	var real string
	startCluster(t, kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		if err == nil {
			real = l.Addr().String()
		}
		return misadvertised{l}, err
	}))
	c := newClient(t, testConfig(real))
	wantWords(t, c.Probe(within(t)), real+" works", "broker 0 at 127.0.0.1:1", "advertised.listeners")
	if _, err := c.Produce(within(t), 0, time.Second, []PartitionBatch{{"events", 0, sealed(numbered(1)...)}}); Classify(err) != ClassRetriable {
		t.Errorf("produce: %v (%v)", err, Classify(err))
	}
	wantWords(t, c.probeAdvertised(within(t), "b:9092", nil), "b:9092", "knows of no broker")
}

// misadvertised is a listener that names another address: kfake advertises what it names.
type misadvertised struct{ net.Listener }

func (misadvertised) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
