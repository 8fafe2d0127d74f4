package sink

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// certificate makes a self-signed one for 127.0.0.1 and the PEM file of its authority.
func certificate(t *testing.T) (cert tls.Certificate, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile
}

// terminateTLS listens with TLS and passes the plain bytes on to target.
func terminateTLS(t *testing.T, cert tls.Certificate, target string) (address string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				_ = in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				wg.Go(func() {
					_, _ = io.Copy(pair[0], pair[1]) // ends with either side
					_ = pair[0].Close()
					_ = pair[1].Close()
				})
			}
		}
	})
	return l.Addr().String()
}

func TestTLSToClickHouse(t *testing.T) {
	l := newLab(t, 1)
	cert, caFile := certificate(t)
	l.tables.Addresses = []string{terminateTLS(t, cert, l.engine.TCP)}
	l.tables.TLS.Enabled = true
	l.produce("events", 0, plainBodies(0, 10)...)

	// Without its authority the certificate is not trusted, and nothing is sent.
	r := l.start(testConfig(), t.TempDir())
	l.until(func() bool { return strings.Contains(r.logs.String(), "certificate") }, func() string { return "an unknown certificate is taken" })
	r.stop()
	if n := l.query("SELECT count() FROM events"); n[0][0] != "0" {
		t.Fatalf("%v rows through an untrusted connection", n)
	}
	l.tables.TLS.CAFile = caFile
	l.start(testConfig(), t.TempDir())
	l.committed("events", 0, 10)
	l.eachOnce(0, 10)
}

func TestRefusedUserIsToldWithTheCure(t *testing.T) {
	l := newLab(t, 1)
	l.tables.Username, l.tables.Password = "nobody", "a-secret-word"
	l.produce("events", 0, plainBodies(0, 10)...)
	cfg := testConfig()
	cfg.DrainTimeout = 100 * time.Millisecond
	r := l.start(cfg, t.TempDir())
	l.until(func() bool { return r.counter(retries) > 0 }, func() string { return "an unknown user is taken" })
	r.stop()
	log := r.logs.String()
	if !strings.Contains(log, "check clickhouse.username and clickhouse.password_file") {
		t.Error("the log does not name the cure")
	}
	if strings.Contains(log, "a-secret-word") {
		t.Error("the log shows the password")
	}
}

// The first address is dead: the next one is tried.
func TestAddressesAreTriedInTurn(t *testing.T) {
	l := newLab(t, 1)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	l.tables.Addresses = []string{dead.Addr().String(), l.engine.TCP}
	l.produce("events", 0, plainBodies(0, 10)...)
	r := l.start(testConfig(), t.TempDir())
	l.committed("events", 0, 10)
	if r.counter(retries) == 0 {
		t.Error("the dead address was not tried")
	}
}

// An attempt that is called off leaves nothing behind that still looks at the connection: the race detector tells in the first rounds, and without it a nil
// socket ends the process sooner or later.
func TestCancelledAttempt(t *testing.T) {
	l := newLab(t, 1)
	d, err := newDialer(l.tables, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		c := conn{dialer: d}
		if c.client, c.socket, err = d.dial(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.insert(ctx, insertion{statement: "SELECT 1"}); err == nil || c.client != nil || c.socket != nil {
			t.Fatalf("error %v, client %v, socket %v", err, c.client, c.socket)
		}
	}
}
