package observe

import (
	"net"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestListener(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			if strings.HasPrefix(address, "[") {
				continue // a machine without IPv6
			}
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if pid, err := Listener(port); err != nil || pid != os.Getpid() {
			t.Errorf("%s: process %d, %v, want %d", address, pid, err, os.Getpid())
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestListenerNobody uses a port that is taken, so that nobody else can listen there, yet not listened at.
func TestListenerNobody(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := bound.(*syscall.SockaddrInet4).Port
	for name, f := range map[string]func() error{
		"Listener": func() error { _, err := Listener(port); return err },
		"Server":   func() error { _, err := Server(port); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), "nothing listens") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	running(t, "something", "else", "--config-json={}")
	broker := running(t, "embedded", "broker", `--config-json={"dir":"/a b"}`)
	clickhouse := running(t, "embedded", "clickhouse", "--config-json={}")
	// A command line is there when the program has been loaded; its answer shows that.
	broker.must(t, "burn 0s")
	clickhouse.must(t, "burn 0s")
	got, err := Server(l.Addr().(*net.TCPAddr).Port)
	want := []Process{{"gateway", os.Getpid(), false}, {"broker", broker.cmd.Process.Pid, true}, {"clickhouse", clickhouse.cmd.Process.Pid, true}}
	byName := func(all []Process) map[string]Process {
		m := make(map[string]Process)
		for _, p := range all {
			m[p.Name] = p
		}
		return m
	}
	if err != nil || len(got) != 3 || !reflect.DeepEqual(byName(got), byName(want)) || got[0] != want[0] {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, p := range got {
		if _, err := ReadUsage(p); err != nil {
			t.Error(err)
		}
	}
}

func TestListenersIn(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1BA8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:1BA8 0100007F:A7A1 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0200A8C0:1BA8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
   3: 00000000:1BA9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0
   4: 0000000000000000FFFF00000100007F:1BA8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0 100 0 0 10 0
   5: 00000000000000000000000000000000:1BA8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 16 1 0 100 0 0 10 0
   6: nonsense:1BA8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1 0 100 0 0 10 0
   7: 00:1BA8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 18 1 0 100 0 0 10 0
`
	if got, want := listenersIn([]byte(table), 7080), []string{"11", "15", "16"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEngineName(t *testing.T) {
	for line, want := range map[string]string{
		"bin/millrace\x00embedded\x00broker\x00--config-json={}\x00":      "broker",
		"/a b/millrace\x00embedded\x00clickhouse\x00--config-json={}\x00": "clickhouse",
		"clickhouse\x00local\x00--config-file=x\x00":                      "",
		"millrace\x00embedded\x00broker\x00--help\x00":                    "",
		"millrace\x00serve\x00":                                           "",
		"":                                                                "",
	} {
		if got := engineName([]byte(line)); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
