package enginetest

import (
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func query(t *testing.T, e *Engine, sql string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post("http://"+e.HTTP+"/", "text/plain", strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v: %s", sql, resp.StatusCode, err, body)
	}
	return strings.TrimSpace(string(body))
}

func TestClickHouseKeepsDataOverKillAndStop(t *testing.T) {
	e := ClickHouse(t)
	query(t, e, "CREATE DATABASE d")
	query(t, e, "CREATE TABLE d.t (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS fsync_after_insert = 1, fsync_part_directory = 1")
	query(t, e, "INSERT INTO d.t VALUES (1)")
	e.Kill()
	if c, err := net.Dial("tcp", e.TCP); err == nil {
		t.Error("the port is still open after Kill", c.Close())
	}
	e.Start()
	query(t, e, "INSERT INTO d.t VALUES (2)")
	e.Stop()
	e.Start()
	if got := query(t, e, "SELECT sum(a) FROM d.t"); got != "3" {
		t.Errorf("sum %s, want 3", got)
	}
}

func TestBrokerStartsAndPauses(t *testing.T) {
	e := Broker(t, 2)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", e.Broker)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if err := dial().Close(); err != nil {
		t.Fatal(err)
	}
	e.Pause()
	// ApiVersions version 0, correlation id 7, no client id: whoever runs answers it.
	c := dial()
	defer c.Close() //nolint:errcheck // test connection
	if _, err := c.Write([]byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255}); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	if n, err := io.ReadFull(c, buf); err == nil || n > 0 {
		t.Fatalf("a paused broker answered %x", buf[:n])
	}
	e.Resume()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, buf); err != nil || buf[7] != 7 {
		t.Errorf("after Resume: %x, %v", buf, err)
	}
	e.Kill()
	e.Start()
	e.Stop()
}

func TestEngineEndsWithItsPipe(t *testing.T) {
	e := ClickHouse(t)
	p := e.proc
	p.close() // what the kernel does when the test program dies
	select {
	case <-p.exited:
	case <-time.After(6 * time.Second):
		t.Fatal("the engine outlived its pipe")
	}
	if err := syscall.Kill(p.cmd.Process.Pid, 0); err == nil {
		t.Error("the process is still there")
	}
	e.proc = nil
}
