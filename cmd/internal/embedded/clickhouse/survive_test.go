package clickhouse

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/schema/clickhouse/access"
)

// hostile are ways to treat the engine. Most end it when nothing stands before it: those that are marked each time, and at once.
var hostile = []struct {
	name  string
	http  bool // else native
	kills bool // an engine without the relay, each time
	do    func(t *testing.T, c *net.TCPConn)
}{
	{"a login with a wrong password", false, true, func(t *testing.T, c *net.TCPConn) { send(t, c, hello("backup", "wrong", "")); hear(c) }},
	{"a login as nobody", false, false, func(t *testing.T, c *net.TCPConn) { send(t, c, hello("nobody", "", "")); hear(c) }},
	{"a login as nobody, and a reset", false, false, func(t *testing.T, c *net.TCPConn) { send(t, c, hello("nobody", "", "")); reset(t, c) }},
	{"a database that does not exist", false, false, func(t *testing.T, c *net.TCPConn) { send(t, c, hello("default", "", "nowhere")); hear(c) }},
	{"no Hello", false, false, func(t *testing.T, c *net.TCPConn) { send(t, c, []byte{7, 1, 2}); hear(c) }},
	{"half a Hello", false, false, func(t *testing.T, c *net.TCPConn) { send(t, c, hello("default", "", "")[:9]); end(t, c) }},
	{"half an addendum", false, false, func(t *testing.T, c *net.TCPConn) {
		send(t, c, hello("default", "", ""))
		hear(c)
		send(t, c, []byte{5, 'a'})
		end(t, c)
	}},
	{"a reset while idle", false, true, func(t *testing.T, c *net.TCPConn) { login(t, c); reset(t, c) }},
	{"HTTP on the native port", false, false, func(t *testing.T, c *net.TCPConn) { send(t, c, []byte("GET / HTTP/1.0\r\n\r\n")); hear(c) }},
	{"a reset in a query's text", false, false, func(t *testing.T, c *net.TCPConn) { login(t, c); send(t, c, query("SELECT 1")[:30]); reset(t, c) }},
	{"a reset in an INSERT", false, false, func(t *testing.T, c *net.TCPConn) {
		login(t, c)
		send(t, c, query("INSERT INTO default.t VALUES"))
		hear(c)
		send(t, c, []byte{2, 0, 1})
		reset(t, c)
	}},
	{"an end in an INSERT", false, false, func(t *testing.T, c *net.TCPConn) {
		login(t, c)
		send(t, c, query("INSERT INTO default.t VALUES"))
		hear(c)
		end(t, c)
	}},
	{"a reset in a result", false, false, func(t *testing.T, c *net.TCPConn) {
		login(t, c)
		send(t, c, query("SELECT * FROM numbers(100000000)"))
		hear(c)
		reset(t, c)
	}},
	{"half a header over HTTP", true, false, func(t *testing.T, c *net.TCPConn) { send(t, c, []byte("POST / HTTP/1.1\r\nHo")); end(t, c) }},
	{"what is no HTTP", true, false, func(t *testing.T, c *net.TCPConn) { send(t, c, []byte("\x00\x01\xff\r\n\r\n")); end(t, c) }},
	{"a reset in a body over HTTP", true, false, func(t *testing.T, c *net.TCPConn) {
		send(t, c, []byte("POST /?query=INSERT+INTO+default.t+FORMAT+TSV HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n1\n2\n"))
		reset(t, c)
	}},
	{"a reset in a result over HTTP", true, false, func(t *testing.T, c *net.TCPConn) {
		send(t, c, []byte("GET /?query=SELECT+*+FROM+numbers(100000000) HTTP/1.1\r\nHost: h\r\n\r\n"))
		hear(c)
		reset(t, c)
	}},
}

func TestEngineSurvivesClients(t *testing.T) {
	e := startReady(t, newConfig(t))
	e.must(t, "CREATE TABLE default.t (a UInt64) ENGINE = MergeTree ORDER BY a")
	pid := e.PID()
	for _, h := range hostile {
		addr := e.Addrs()[AddrTCP]
		if h.http {
			addr = e.Addrs()[AddrHTTP]
		}
		h.do(t, connect(t, addr))
		// The engine has met whatever came of that: it has answered somebody else on each port since.
		e.must(t, "SELECT 1")
		ping(t, e.Addrs()[AddrTCP])
		if e.PID() != pid || e.Restarts() != 0 {
			t.Fatalf("%s ended the engine:\n%s", h.name, e.log)
		}
	}
	// Nothing of these clients is left, and nothing that did not come whole was stored.
	for begun := time.Now(); e.must(t, "SELECT count() FROM system.processes WHERE query LIKE '%numbers(100000000)%' AND query NOT LIKE '%processes%'") != "0"; {
		if time.Since(begun) > time.Minute {
			t.Fatal("the queries of clients that are gone run on")
		}
	}
	if got := e.must(t, "SELECT count() FROM default.t"); got != "0" {
		t.Errorf("%s rows were stored", got)
	}
	e.stop(t)
}

// Without the relay they do end the engine: so the test above tries what it should.
func TestClientsEndAnEngineWithoutRelay(t *testing.T) {
	e := startReady(t, newConfig(t))
	for _, h := range hostile {
		if !h.kills {
			continue
		}
		pid, restarts := e.PID(), e.Restarts()
		ports := enginePortsOf(t, e.cfg)
		addr := loopback(ports.EngineTCPPort)
		if h.http {
			addr = loopback(ports.EngineHTTPPort)
		}
		h.do(t, connect(t, addr))
		e.log.wait(t, func() bool { return e.Restarts() > restarts && e.Up() && e.PID() != pid })
	}
}

// What a client sends is cut, changed or made up, in any way: the engine lives.
func TestEngineSurvivesNoise(t *testing.T) {
	e := startReady(t, newConfig(t))
	e.must(t, "CREATE TABLE default.t (a UInt64) ENGINE = MergeTree ORDER BY a")
	random := rand.New(rand.NewPCG(1, 2))
	native := [][]byte{
		append(append(hello("default", "", ""), addendum...), query("SELECT * FROM numbers(100000)")...),
		append(append(hello("default", "", ""), addendum...), query("INSERT INTO default.t VALUES")...),
	}
	web := []byte("POST /?query=INSERT+INTO+default.t+FORMAT+TSV HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1\n2\n\r\n0\r\n\r\nGET /?query=SELECT+1 HTTP/1.1\r\nHost: h\r\n\r\n")
	for round := range 600 {
		addr, text := e.Addrs()[AddrTCP], native[round%2]
		if round%3 == 0 {
			addr, text = e.Addrs()[AddrHTTP], web
		}
		text = bytes.Clone(text)
		switch round % 4 {
		case 0, 1:
			for range 1 + random.IntN(4) {
				text[random.IntN(len(text))] = byte(random.UintN(256))
			}
		case 2:
			text = text[:random.IntN(len(text))]
		}
		c := connect(t, addr)
		_, _ = c.Write(text) // it may be refused before it has ended
		if random.IntN(3) == 0 {
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			hear(c)
		}
		if random.IntN(2) == 0 {
			_ = c.SetLinger(0)
		}
		_ = c.Close()
	}
	e.must(t, "SELECT 1")
	ping(t, e.Addrs()[AddrTCP])
	if e.Restarts() != 0 {
		t.Errorf("the engine was restarted:\n%s", e.log)
	}
}

// The users of a plan log in on both ports, with their passwords and no others; the files that name them are their owner's alone.
func TestUsersOfProjects(t *testing.T) {
	cfg := newConfig(t)
	plan := access.Users("millrace", []uint32{1}, func(user string) string { return "the password of " + user })
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Access = filepath.Join(t.TempDir(), "access.json")
	if err := os.WriteFile(cfg.Access, text, 0o600); err != nil {
		t.Fatal(err)
	}
	e := startReady(t, cfg)
	for password, want := range map[string]bool{"the password of p1_analyst": true, "the password of p1_reader": false, "": false} {
		client, err := ch.Dial(t.Context(), ch.Options{Address: e.Addrs()[AddrTCP], User: "p1_analyst", Password: password})
		if err == nil {
			err = errors.Join(client.Ping(t.Context()), client.Close())
		} else if !ch.IsErr(err, proto.ErrAuthenticationFailed) {
			t.Errorf("native with %q: %v", password, err)
		}
		if (err == nil) != want {
			t.Errorf("native with %q: %v", password, err)
		}
		if got, err := e.query("SELECT currentUser()", "user", "p1_analyst", "password", password); (err == nil) != want || want && got != "p1_analyst" {
			t.Errorf("HTTP with %q: %s, %v", password, got, err)
		}
	}
	for _, name := range []string{"config.xml", "users.xml", "backup-password"} {
		if info, err := os.Stat(filepath.Join(cfg.Dir, name)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	// Other users of this machine see the arguments of a process.
	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", e.PID()))
	if err != nil || !bytes.Contains(arguments, []byte(cfg.Access)) || bytes.Contains(arguments, []byte("p1_")) || bytes.Contains(arguments, []byte(plan.Users[0].PasswordHash)) {
		t.Errorf("arguments %q, %v", arguments, err)
	}
	e.stop(t)
}

func TestUsersThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	sum := sha256.Sum256(nil)
	for name, c := range map[string]struct{ text, want string }{
		"missing": {"", "no such file"},
		"no JSON": {"{", "unexpected end"},
		"invalid": {`{"database":"millrace","users":[{"name":"default","project":1,"password_hash":"` + hex.EncodeToString(sum[:]) + `"}]}`, `"default" is there twice or no user of project 1`},
	} {
		path := filepath.Join(dir, name)
		if c.text != "" {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := readLogins(Config{Dir: dir, Access: path}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// revision is one of which a client sends an addendum of a text.
const revision = 54460

// addendum is an empty text.
var addendum = []byte{0}

func connect(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func hello(user, password, database string) []byte {
	var b proto.Buffer
	proto.ClientHello{Name: "test", Major: 1, ProtocolVersion: revision, User: user, Password: password, Database: database}.Encode(&b)
	return b.Buf
}

func query(text string) []byte {
	var b proto.Buffer
	proto.Query{Body: text, Stage: proto.StageComplete, Info: proto.ClientInfo{ProtocolVersion: revision, Interface: proto.InterfaceTCP, Query: proto.ClientQueryInitial, InitialAddress: "0.0.0.0:0"}}.EncodeAware(&b, revision)
	proto.ClientCodeData.Encode(&b)
	proto.ClientData{}.EncodeAware(&b, revision)
	if err := (proto.Block{}).EncodeBlock(&b, revision, nil); err != nil {
		panic(err)
	}
	return b.Buf
}

func send(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// hear reads what comes first, or nothing.
func hear(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }

func end(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func reset(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if err := errors.Join(c.SetLinger(0), c.Close()); err != nil {
		t.Fatal(err)
	}
}

// login returns when the engine waits for the first query.
func login(t *testing.T, c *net.TCPConn) {
	t.Helper()
	send(t, c, hello("default", "", "default"))
	hear(c)
	send(t, c, append(addendum[:1:1], 4)) // and a ping
	hear(c)
}

func ping(t *testing.T, addr string) {
	t.Helper()
	client, err := ch.Dial(t.Context(), ch.Options{Address: addr})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(client.Ping(t.Context()), client.Close()); err != nil {
		t.Fatal(err)
	}
}

// enginePortsOf reads the engine's own ports from its configuration.
func enginePortsOf(t testing.TB, cfg Config) enginePorts {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(cfg.Dir, "config.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var ports struct {
		HTTP int `xml:"http_port"`
		TCP  int `xml:"tcp_port"`
	}
	if err := xml.Unmarshal(text, &ports); err != nil || ports.HTTP == 0 || ports.TCP == 0 || ports.TCP == cfg.TCPPort {
		t.Fatalf("ports %+v, %v", ports, err)
	}
	return enginePorts{EngineHTTPPort: ports.HTTP, EngineTCPPort: ports.TCP}
}
