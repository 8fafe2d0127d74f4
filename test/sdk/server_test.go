package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/test/process"
)

const devKey = "mr_dev_sdk"

// Keys in the form that each system gives them out, as apps in the field have them.
const (
	segmentKey   = "Sg7Kq2vXw9bN4mTzR1cY8dLpHf3JaEuQ"
	rudderKey    = "2aBcDeFgHiJkLmNoPqRsTuVwXyZ"
	jitsuKey     = "kq3v8x2m5n:Zt7LwPq4RsBcYdFg9hJk"
	posthogKey   = "phc_7Hn3kQwErTyUiOpAsDfGhJkLzXcVbNm1234567890ab"
	amplitudeKey = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	mixpanelKey  = "9a8b7c6d5e4f30211203f4e5d6c7b8a9"
)

// server is the product with its embedded engines.
type server struct {
	dir   string
	cmd   *exec.Cmd
	log   *process.Output
	ports map[string]string
	done  chan struct{} // closed when the process has ended
}

// startServer adopts the keys that the SDKs send, starts the server and waits until it is ready.
func startServer(binary, dir string) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, k := range []struct{ name, dialect, text string }{
		{"segment", "segment", segmentKey},
		{"rudderstack", "segment", rudderKey},
		{"jitsu", "segment", jitsuKey},
		{"posthog", "posthog", posthogKey},
		{"amplitude", "amplitude", amplitudeKey},
		{"mixpanel", "mixpanel", mixpanelKey},
	} {
		adopt := exec.Command(binary, "keys", "create", k.name, "--dialect", k.dialect, "--adopt", "-", "--data", dir)
		adopt.Stdin = strings.NewReader(k.text)
		if out, err := adopt.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("keys create %s: %w\n%s", k.name, err, out)
		}
	}
	s := &server{dir: dir, log: new(process.Output), done: make(chan struct{})}
	s.cmd = exec.Command(binary, "serve", "--data", dir)
	s.cmd.Env = append(os.Environ(), "MILLRACE_DEV_KEY="+devKey)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // the exit status is of no interest
		close(s.done)
	}()
	if !process.Within(time.Minute, s.ready) {
		s.kill()
		return nil, fmt.Errorf("the server is not ready after a minute:\n%s", process.Tail(s.log.String(), 60))
	}
	return s, nil
}

func (s *server) ready() bool {
	raw, err := os.ReadFile(filepath.Join(s.dir, "run", "ports.json"))
	if err != nil || json.Unmarshal(raw, &s.ports) != nil {
		return false
	}
	resp, err := client.Get("http://" + s.ports["ingest"] + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close() //nolint:errcheck // only read from
	return resp.StatusCode == http.StatusOK
}

// kill ends the server and every process that it started.
func (s *server) kill() {
	process.Kill(s.cmd.Process.Pid)
	<-s.done
}

var client = &http.Client{Timeout: 20 * time.Second}

// sql runs a query on the server's ClickHouse and returns its rows; numbers are json.Number.
func (s *server) sql(query string) ([]map[string]any, error) {
	u := "http://" + s.ports["clickhouse_http"] + "/?default_format=JSONEachRow&output_format_json_quote_64bit_integers=0&query=" + url.QueryEscape(query)
	resp, err := client.Get(u)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("%s: %s: %s", query, resp.Status, text)
	}
	var rows []map[string]any
	decoder := json.NewDecoder(resp.Body)
	decoder.UseNumber()
	for {
		var row map[string]any
		err := decoder.Decode(&row)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

// count is the single number that a query gives.
func (s *server) count(t *testing.T, query string) int {
	t.Helper()
	rows, err := s.sql(query)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range rows[0] {
		n, _ := strconv.Atoi(fmt.Sprint(v))
		return n
	}
	return 0
}

// literal is text as a string of SQL.
func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
