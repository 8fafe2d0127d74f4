package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/cmd/internal/backup"
	"github.com/millrace/millrace/cmd/internal/config"
	embeddedclickhouse "github.com/millrace/millrace/cmd/internal/embedded/clickhouse"
	"github.com/millrace/millrace/cmd/internal/topics"
	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
)

// asProgram makes the test binary the program itself, with the children that it starts.
const asProgram = "MILLRACE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// millrace runs a command to its end.
func millrace(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("millrace %s\n%s", strings.Join(args, " "), out)
	return string(out), err
}

// running is `millrace serve`.
type running struct {
	t    *testing.T
	cmd  *exec.Cmd
	data string
	done chan struct{} // closed when its log has ended
	p    ports
}

func startServe(t *testing.T, data string, args ...string) *running {
	t.Helper()
	r := &running{t: t, data: data, done: make(chan struct{})}
	args = append([]string{"serve", "--data", data, "--ingest.listen", "127.0.0.1:0", "--admin.listen", "127.0.0.1:0", "--log.format", "json"}, args...)
	r.cmd = exec.Command(os.Args[0], args...)
	r.cmd.Env = append(os.Environ(), asProgram+"=1")
	log, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	ready := make(chan struct{})
	var text bytes.Buffer
	go func() {
		defer close(r.done)
		up := false
		for lines := bufio.NewScanner(log); lines.Scan(); {
			text.Write(append(lines.Bytes(), '\n'))
			if !up && strings.Contains(lines.Text(), `"msg":"ready"`) {
				up = true
				close(ready)
			}
		}
	}()
	select {
	case <-ready:
	case <-r.done:
		t.Fatalf("the server ended:\n%s", &text)
	case <-time.After(time.Minute):
		t.Fatal("the server was not ready in a minute")
	}
	if r.p, err = runningPorts(data); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) stop() {
	if r.cmd == nil {
		return
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Error(err)
	}
	<-r.done
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("serve: %v", err)
	}
	r.cmd = nil
}

// send posts requests of 100 events each.
func (r *running) send(requests int) {
	r.t.Helper()
	for range requests {
		var body strings.Builder
		for i := range 100 {
			fmt.Fprintf(&body, `,{"type":"track","event":"Tested","userId":"user %d"}`, i)
		}
		if status, text := r.post(`{"batch":[` + body.String()[1:] + `]}`); status != http.StatusOK {
			r.t.Fatalf("status %d: %s", status, text)
		}
	}
}

// post sends a batch with the development key.
func (r *running) post(body string) (status int, text []byte) {
	r.t.Helper()
	key, err := os.ReadFile(filepath.Join(r.data, "dev-key"))
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.p.Ingest+"/v1/batch", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(strings.TrimSpace(string(key)), "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	text, err = io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, text
}

// await waits until the query gives the number.
func (r *running) await(sql string, want uint64) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses = []string{r.p.ClickHouseTCP}
	db, err := clickhouse.Open(ctx, cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read from
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var got uint64
		if err := db.Conn().QueryRow(ctx, sql).Scan(&got); err != nil {
			r.t.Fatalf("%s: %v", sql, err)
		}
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("%s is %d, want %d", sql, got, want)
		}
	}
}

// awaitParked waits until the sink has taken all partitions of events over and has parked those of a number.
func (r *running) awaitParked(want int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.p.Admin+"/sink", nil)
		if err != nil {
			r.t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			r.t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			r.t.Fatal(err)
		}
		if bytes.Count(text, []byte(`"parked"`)) == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("%d partitions should be parked: %s", want, text)
		}
	}
}

// The whole circle with the program itself: events, a backup, more events, the backup brought back, the partitions that wait, and the printed commands that
// load again what the backup lacks.
func TestBackupRestoreRewind(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	const count = "SELECT count() FROM millrace.events"
	s := startServe(t, data)
	s.send(10)
	s.await(count, 1000)
	if out, err := millrace(t, "backup", "monday", "--data", data); err != nil || !strings.Contains(out, "about 1000 events") {
		t.Fatal(err)
	}
	s.send(5)
	s.await(count, 1500)
	if out, err := millrace(t, "restore", "monday", "--replace", "--data", data); err == nil || !strings.Contains(out, "needs the data directory alone") {
		t.Errorf("with the server running: %v", err)
	}
	s.await(count, 1500)
	s.stop()

	if out, err := millrace(t, "restore", "monday", "--data", data); err == nil || !strings.Contains(out, "give --replace") {
		t.Errorf("over rows: %v", err)
	}
	out, err := millrace(t, "restore", "monday", "--replace", "--data", data)
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^  millrace (sink rewind .*)$`).FindAllStringSubmatch(out, -1)
	if len(commands) == 0 {
		t.Fatal("no command to go on with was printed")
	}
	s = startServe(t, data)
	s.awaitParked(len(commands))
	s.await(count, 1000)
	for _, c := range commands {
		if _, err := millrace(t, append(strings.Fields(c[1]), "--data", data)...); err != nil {
			t.Error(err)
		}
	}
	s.await(count, 1500)
	s.await("SELECT uniqExact(_log, _partition, _offset) FROM millrace.events", 1500)
	s.await("SELECT uniqExact(event_id) FROM millrace.events", 1500)
	if out, err := millrace(t, "backup", "list", "--data", data); err != nil || !strings.Contains(out, "monday") {
		t.Errorf("list: %v", err)
	}
}

// An external ClickHouse writes where it is told, and the manifest goes where the caller says.
func TestExternalBackup(t *testing.T) {
	server, kafka := enginetest.ClickHouse(t), enginetest.Broker(t, 2)
	c := config.Default()
	c.Data = t.TempDir()
	c.Broker.Addresses, c.ClickHouse.Addresses = []string{kafka.Broker}, []string{"127.0.0.1:1", server.TCP}
	c.ClickHouse.Username, c.ClickHouse.PasswordFile = embeddedclickhouse.BackupUser, embeddedclickhouse.BackupPasswordFile(server.Dir)
	sys, closeAll, err := openSystem(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	if err := clickhouse.Up(t.Context(), sys.DB, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Inspect(t.Context(), sys.Broker, c.Broker, true); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	manifest := filepath.Join(t.TempDir(), "monday.json")
	place := external{"File('monday')", manifest}
	if err := makeBackup(t.Context(), &out, c, "", place); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), manifest) {
		t.Errorf("printed: %s", &out)
	}
	if err := makeBackup(t.Context(), &out, c, "", place); err == nil || !strings.Contains(err.Error(), "--manifest") {
		t.Errorf("over a manifest: %v", err)
	}
	// The place is taken: no manifest may stay behind.
	second := external{"File('monday')", manifest + ".2"}
	if err := makeBackup(t.Context(), &out, c, "", second); err == nil || !strings.Contains(err.Error(), "there is a backup at this place") {
		t.Errorf("over a backup: %v", err)
	}
	if _, err := os.Stat(second.manifest); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the manifest of a backup that failed: %v", err)
	}
	if err := restore(t.Context(), &out, c, "", place, false); err != nil {
		t.Errorf("over tables without events: %v", err)
	}
	if !strings.Contains(out.String(), "is restored from the backup") {
		t.Errorf("printed: %s", &out)
	}
	if err := restore(t.Context(), &out, c, "", external{"File('never')", manifest}, false); err == nil || !strings.Contains(err.Error(), "there is no backup at this place") {
		t.Errorf("of nothing: %v", err)
	}
	if err := restore(t.Context(), &out, c, "", external{"File('monday')", manifest + ".3"}, false); !errors.Is(err, backup.ErrNoManifest) {
		t.Errorf("without a manifest: %v", err)
	}
}

func TestPlacesFitTheClickHouse(t *testing.T) {
	for _, c := range []struct {
		embedded bool
		name     string
		e        external
		ok       bool
	}{
		{true, "monday", external{}, true},
		{true, "", external{}, false},
		{true, "monday", external{place: "File('x')"}, false},
		{true, "monday", external{manifest: "x"}, false},
		{false, "", external{"File('x')", "m"}, true},
		{false, "", external{"File('x')", ""}, false},
		{false, "", external{"", "m"}, false},
		{false, "", external{}, false},
		{false, "monday", external{"File('x')", "m"}, false},
		{false, "", external{"Nowhere('x')", "m"}, false},
	} {
		_, err := choosePlace(c.embedded, c.name, c.e, "--to")
		var usage usageError
		if (err == nil) != c.ok || err != nil && !errors.As(err, &usage) {
			t.Errorf("embedded %t, name %q, %+v: %v", c.embedded, c.name, c.e, err)
		}
	}
}
