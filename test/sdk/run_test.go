package sdk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/test/process"
)

// run is one scenario that has been sent.
type run struct {
	kit       *kit
	id        id
	calls     []call
	exchanges []exchange
	hits      int
	again     int // how many events came once more
	lines     []line
	stderr    string
	took      time.Duration
}

// line is what the SDK reported.
type line struct {
	Call   *int   `json:"call"`
	OK     bool   `json:"ok"`
	Error  string `json:"error"`
	End    bool   `json:"end"`
	Errors int    `json:"errors"`
}

// patience is how long a program may take: some SDKs wait half a minute when they are told that there is too much.
const patience = 100 * time.Second

// send makes the calls with the real SDK through a proxy with a fault. finish is "flush" or "exit".
func (k *kit) send(t *testing.T, i id, calls []call, more object, f fault, finish string) *run {
	t.Helper()
	p := newProxy(t, millrace.ports["ingest"], k.secure, f)
	options := object{}
	maps.Copy(options, k.options)
	maps.Copy(options, more)
	scenario, err := json.Marshal(object{"url": p.url(), "key": k.key, "options": options, "calls": calls, "finish": finish})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", append([]string{"node/" + k.program[0]}, k.program[1:]...)...)
	if k.python() {
		cmd = exec.Command(python, "python/"+k.program[0])
	}
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // its group: the browser, too
	defer late.Stop()
	r := &run{kit: k, id: i, calls: calls}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(r)
		}
	})
	if _, err := in.Write(append(scenario, '\n')); err != nil {
		t.Errorf("%s does not read its scenario: %v", k.program[0], err)
	}
	lines := make(chan line, 1000)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 16<<20)
		for scanner.Scan() {
			var l line
			if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
				l = line{Error: "no JSON: " + scanner.Text()}
			}
			lines <- l
		}
	}()
	if k.stays {
		// The page has nothing that says it is done: it is when the server has answered for all events. A page that has gone away may not have sent them all.
		limit := patience - 10*time.Second
		if finish == "exit" {
			limit = 5 * time.Second
		}
		process.Within(limit, func() bool { return k.settled(p.exchanges(), len(calls)) })
	}
	in.Close() //nolint:errcheck // the end of input
	for l := range lines {
		r.lines = append(r.lines, l)
	}
	err = cmd.Wait()
	process.Within(10*time.Second, p.idle)
	r.took, r.exchanges, r.hits, r.stderr = time.Since(begun), p.exchanges(), p.hits(), stderr.String()
	if err != nil || len(r.lines) == 0 || !r.lines[len(r.lines)-1].End {
		t.Errorf("%s %s: %v after %v, it did not come to its end", k.program[0], finish, err, r.took.Round(time.Millisecond))
	}
	return r
}

// environment is that of the test without proxies: one SDK would go through them and not to the server.
func environment() []string {
	env := []string{"CHROMIUM=" + chromium(), "PYTHONWARNINGS=ignore", "PYTHONDONTWRITEBYTECODE=1"}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			env = append(env, v)
		}
	}
	return env
}

// settled tells whether at least n events have got an answer that ends their matter.
func (k *kit) settled(exchanges []exchange, n int) bool {
	events := 0
	for _, e := range exchanges {
		if e.status == 0 || e.faulted || e.status >= 500 || e.status == 429 {
			continue
		}
		wants, _ := k.events(&e)
		events += len(wants)
	}
	return events >= n
}

// events are those in one request.
func (k *kit) events(e *exchange) ([]want, error) {
	if !e.bearsEvents() {
		return nil, nil
	}
	text, err := e.text()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", e.method, e.path, err)
	}
	body, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", e.method, e.path, err, clip(string(text)))
	}
	return k.read(e, body), nil
}

// sent are the events of the requests that came to the server. An event that came more than once, which its id tells, is one.
func (r *run) sent(t *testing.T) (all []want) {
	t.Helper()
	seen := map[string]bool{}
	for n := range r.exchanges {
		e := &r.exchanges[n]
		if e.faulted {
			continue
		}
		wants, err := r.kit.events(e)
		if err != nil {
			t.Errorf("request %d cannot be read: %v", n, err)
		}
		if e.status >= 500 {
			t.Errorf("the server answers request %d with %d", n, e.status)
			continue
		}
		for _, w := range wants {
			if w.given == "" || !seen[w.given] {
				all = append(all, w)
			} else {
				r.again++
			}
			seen[w.given] = true
		}
	}
	return all
}

// requests counts the requests with events, those that the fault hit, too.
func (r *run) requests() (n int) {
	for i := range r.exchanges {
		if r.exchanges[i].bearsEvents() {
			n++
		}
	}
	return n
}

// errors are what the SDK reported as failed.
func (r *run) errors() (texts []string) {
	for _, l := range r.lines {
		if l.Error != "" {
			texts = append(texts, l.Error)
		}
	}
	return texts
}

// String is all that is known of the run, for messages.
func (r *run) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "calls: %s\n", clip(show(r.calls)))
	for i := range r.exchanges {
		fmt.Fprintf(&b, "request %d: %v", i, &r.exchanges[i])
	}
	for _, l := range r.lines {
		if !l.OK {
			fmt.Fprintf(&b, "reported: %s\n", clip(show(l)))
		}
	}
	if r.stderr != "" {
		fmt.Fprintf(&b, "stderr: %s\n", process.Tail(r.stderr, 20))
	}
	return b.String()
}
