package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/test/process"
)

// binary is the millrace that is tried; built once.
var binary string

const devKey = "mr_dev_e2e"

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "millrace-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	binary = filepath.Join(dir, "millrace")
	build := exec.Command("go", "build", "-o", binary, "github.com/millrace/millrace/cmd/millrace")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		return 1
	}
	return m.Run()
}

// server is one running millrace with all that it started.
type server struct {
	t     *testing.T
	dir   string
	cmd   *exec.Cmd
	log   *process.Output
	ports map[string]string
	done  chan struct{} // closed when the process has ended
}

// start runs `millrace serve` on dir and waits until it is ready.
func start(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	s := launch(t, dir, args...)
	s.waitReady()
	return s
}

func launch(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: dir, log: new(process.Output), done: make(chan struct{})}
	if err := os.Remove(filepath.Join(dir, "run", "ports.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	s.cmd = exec.Command(binary, append([]string{"serve", "--data", dir}, args...)...)
	s.cmd.Env = append(os.Environ(), "MILLRACE_DEV_KEY="+devKey)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // the exit status is read from ProcessState
		close(s.done)
	}()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("log of %v:\n%s", s.cmd.Args, process.Tail(s.log.String(), 60))
		}
	})
	return s
}

// eventually waits until ok, or fails the test.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	if !process.Within(within, ok) {
		t.Fatalf("%s: not within %v", what, within)
	}
}

func (s *server) waitReady() {
	s.t.Helper()
	eventually(s.t, 40*time.Second, "ready", func() bool {
		select {
		case <-s.done:
			s.t.Fatalf("serve ended with %v", s.cmd.ProcessState)
		default:
		}
		raw, err := os.ReadFile(filepath.Join(s.dir, "run", "ports.json"))
		if err != nil || json.Unmarshal(raw, &s.ports) != nil {
			return false
		}
		resp, err := http.Get("http://" + s.ports["ingest"] + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close() //nolint:errcheck // only read from
		return resp.StatusCode == http.StatusOK
	})
}

// stop sends SIGTERM and returns the exit code.
func (s *server) stop() int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		s.t.Fatal("still running 30 s after SIGTERM")
	}
	return s.cmd.ProcessState.ExitCode()
}

// kill ends the server and every process that it started with SIGKILL, all at once.
func (s *server) kill() {
	process.Kill(s.cmd.Process.Pid)
	<-s.done
}

// answer is what the door says.
type answer struct {
	Status     int
	Header     http.Header
	Raw        string
	Success    bool     `json:"success"`
	RequestID  string   `json:"request_id"`
	Accepted   int      `json:"accepted"`
	Rejected   int      `json:"rejected"`
	Durability string   `json:"durability"`
	ID         string   `json:"id"`
	Code       string   `json:"code"`
	Detail     string   `json:"detail"`
	Message    string   `json:"message"`
	Error      string   `json:"error"`
	Results    []result `json:"results"`
}

type result struct {
	Index       int    `json:"index"`
	ID          string `json:"id"`
	Result      string `json:"result"`
	Code        string `json:"code"`
	Field       string `json:"field"`
	Detail      string `json:"detail"`
	Quarantined bool   `json:"quarantined"`
}

var client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}

// post sends body to path with the development key and the header lines given ("Name: value").
func (s *server) post(path string, body []byte, header ...string) answer {
	s.t.Helper()
	a, err := s.tryPost(path, body, header...)
	if err != nil {
		s.t.Fatalf("POST %s: %v", path, err)
	}
	return a
}

func (s *server) tryPost(path string, body []byte, header ...string) (a answer, err error) {
	req, err := http.NewRequest(http.MethodPost, "http://"+s.ports["ingest"]+path, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.SetBasicAuth(devKey, "")
	req.Header.Set("Content-Type", "application/json")
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, err
	}
	a.Status, a.Header, a.Raw = resp.StatusCode, resp.Header, string(raw)
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fmt.Errorf("%s: not JSON: %q", resp.Status, raw)
	}
	return a, nil
}

// sql runs a query on the server's ClickHouse and returns its rows.
func (s *server) sql(query string) []map[string]any {
	s.t.Helper()
	rows, err := s.trySQL(query)
	if err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return rows
}

func (s *server) trySQL(query string) ([]map[string]any, error) {
	u := "http://" + s.ports["clickhouse_http"] + "/?default_format=JSONEachRow&output_format_json_quote_64bit_integers=0&query=" + url.QueryEscape(query)
	resp, err := client.Get(u)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("%s: %s", resp.Status, text)
	}
	var rows []map[string]any
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var row map[string]any
			if err := json.Unmarshal(line, &row); err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		if err != nil {
			return rows, nil
		}
	}
}

// exec runs a statement that changes something.
func (s *server) exec(statement string) {
	s.t.Helper()
	resp, err := client.Post("http://"+s.ports["clickhouse_http"]+"/", "text/plain", strings.NewReader(statement))
	if err != nil {
		s.t.Fatalf("%.80s…: %v", statement, err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%.80s…: %s: %s (%v)", statement, resp.Status, text, err)
	}
}

// count is the single number that a query gives, -1 when the server cannot answer yet.
func (s *server) count(query string) int {
	rows, err := s.trySQL(query)
	if err != nil || len(rows) != 1 {
		return -1
	}
	for _, v := range rows[0] {
		return int(v.(float64))
	}
	return -1
}

// waitRows waits until table holds n rows and returns how long that took.
func (s *server) waitRows(table string, n int) time.Duration {
	s.t.Helper()
	begun := time.Now()
	last := -1
	eventually(s.t, 30*time.Second, fmt.Sprintf("%d rows in %s", n, table), func() bool {
		last = s.count("SELECT count() FROM millrace." + table)
		if last > n {
			s.t.Fatalf("%d rows in %s, want %d", last, table, n)
		}
		return last == n
	})
	return time.Since(begun)
}
