package null

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// start runs the server as the command does, and returns its URL. It ends with the test.
func start(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Run(ctx, Options{}, w)
		_ = w.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("no ready line: %v", err)
	}
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ok {
		t.Fatalf("ready line %q", line)
	}
	return "http://" + address
}

func TestAnswers(t *testing.T) {
	url := start(t)
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for name, c := range map[string]struct {
		method string
		body   []byte
		want   int
	}{
		"one event": {"POST", []byte(`{"batch":[{}]}`), 200},
		"large":     {"POST", bytes.Repeat([]byte("x"), 2<<20), 200},
		"no body":   {"POST", nil, 400},
		"a look":    {"GET", nil, 405},
	} {
		for range 3 {
			req, err := http.NewRequestWithContext(t.Context(), c.method, url+"/v1/batch", bytes.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != c.want {
				t.Errorf("%s: %d, want %d, %v", name, res.StatusCode, c.want, err)
			}
			var shape struct {
				Success  bool `json:"success"`
				Accepted int  `json:"accepted"`
			}
			if c.want == 200 && (json.Unmarshal(body, &shape) != nil || !shape.Success || shape.Accepted == 0 || res.Header.Get("Content-Type") != "application/json") {
				t.Errorf("%s: answer %q of type %q", name, body, res.Header.Get("Content-Type"))
			}
		}
	}
}

// TestTooLarge: the answer does not wait for a body that is too large.
func TestTooLarge(t *testing.T) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(start(t), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the server has closed it
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", maxBody+1); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 4") {
		t.Errorf("%q, %v", line, err)
	}
}

func TestBusyPort(t *testing.T) {
	address := strings.TrimPrefix(start(t), "http://")
	if err := Run(t.Context(), Options{Listen: address}, io.Discard); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("error %v, want one that names %s", err, address)
	}
}
