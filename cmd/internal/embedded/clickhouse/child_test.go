package clickhouse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/millrace/millrace/cmd/internal/embedded"
)

// The test binary is also the child and, under the name that PATH knows, a `clickhouse` program: the real engine behind
// the command line of the real program.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == "embedded":
		err = childRole(strings.TrimPrefix(os.Args[3], "--config-json="))
	case len(os.Args) == 3 && os.Args[1] == "local" && os.Args[2] == "--version":
		fmt.Println("ClickHouse local version " + os.Getenv("CLICKHOUSE_TEST_VERSION") + ".1 (official build).")
	case len(os.Args) > 1 && os.Args[1] == "local":
		path, pathErr := LibraryPath()
		err = errors.Join(pathErr, runLibrary(path, os.Args[2:]))
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func childRole(config string) error {
	life, err := embedded.ChildLife()
	if err != nil {
		return err
	}
	var cfg Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		return err
	}
	return ChildMain(cfg, life, embedded.ChildLogger())
}

// engine is a supervised child under test.
type engine struct {
	*embedded.Supervisor
	cfg    Config
	cancel context.CancelFunc
	result chan error
	log    *syncBuffer
	client *http.Client
}

func newConfig(t testing.TB) Config {
	t.Helper()
	ports, err := embedded.PickPorts(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Dir, cfg.HTTPPort, cfg.TCPPort, cfg.MaxMemoryBytes = t.TempDir(), ports[0], ports[1], 1<<30
	return cfg
}

func start(t testing.TB, cfg Config) *engine {
	t.Helper()
	e := &engine{cfg: cfg, result: make(chan error, 1), log: &syncBuffer{}, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	args, err := embedded.SelfArgs("clickhouse", cfg)
	if err != nil {
		t.Fatal(err)
	}
	sup := embedded.DefaultConfig()
	sup.Name, sup.Args, sup.BackoffMin = "clickhouse", args, time.Millisecond
	e.Supervisor, err = embedded.New(sup, slog.New(slog.NewTextHandler(e.log, nil)), metrics.NewSet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	go func() { e.result <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-e.result; err != nil {
			t.Logf("the engine ended with: %v", err)
		}
	})
	return e
}

func startReady(t testing.TB, cfg Config) *engine {
	t.Helper()
	e := start(t, cfg)
	select {
	case <-e.Ready():
	case err := <-e.result:
		e.result <- err
		t.Fatalf("not ready: %v\n%s", err, e.log)
	}
	return e
}

// stop ends the engine and fails the test when it does not end well.
func (e *engine) stop(t *testing.T) {
	t.Helper()
	e.cancel()
	err := <-e.result
	e.result <- err
	if err != nil {
		t.Fatalf("stop: %v\n%s", err, e.log)
	}
}

// query posts a statement over HTTP; the error holds ClickHouse's text.
func (e *engine) query(sql string, settings ...string) (string, error) {
	params := url.Values{}
	for i := 0; i+1 < len(settings); i += 2 {
		params.Set(settings[i], settings[i+1])
	}
	resp, err := e.client.Post("http://"+e.Addrs()[AddrHTTP]+"/?"+params.Encode(), "text/plain", strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(text)
	}
	return text, nil
}

func (e *engine) must(t testing.TB, sql string, settings ...string) string {
	t.Helper()
	text, err := e.query(sql, settings...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", sql, err, e.log)
	}
	return text
}

const createTable = `CREATE TABLE IF NOT EXISTS d.t (a UInt64) ENGINE = MergeTree ORDER BY a
	SETTINGS non_replicated_deduplication_window = 100, fsync_after_insert = 1, fsync_part_directory = 1`

func TestEngineServesBothPortsAndStops(t *testing.T) {
	t.Setenv("TZ", "Asia/Kolkata")
	e := startReady(t, newConfig(t))
	if got := e.must(t, "SELECT version() LIKE '2%', currentUser(), timezone(), getMaxTableNameLengthForDatabase('x') > 0"); got != "1\tdefault\tUTC\t1" {
		t.Errorf("got %q", got)
	}
	native, err := ch.Dial(t.Context(), ch.Options{Address: e.Addrs()[AddrTCP]})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(native.Ping(t.Context()), native.Close()); err != nil {
		t.Fatal(err)
	}
	e.must(t, "CREATE DATABASE d")
	e.must(t, createTable)
	e.must(t, "INSERT INTO d.t SELECT number FROM numbers(1000)")
	// A mutation needs free slots in the pool, which a small machine must not run out of.
	e.must(t, "ALTER TABLE d.t DELETE WHERE a < 10", "mutations_sync", "2", "max_execution_time", "20")
	if got := e.must(t, "SELECT count() FROM d.t"); got != "990" {
		t.Errorf("rows after delete: %s", got)
	}
	e.stop(t)
	if !strings.Contains(e.log.String(), "engine stopped") {
		t.Errorf("not a graceful stop:\n%s", e.log)
	}
	if strings.Contains(e.log.String(), "level=ERROR") || strings.Contains(e.log.String(), "level=WARN") {
		t.Errorf("a quiet life, but:\n%s", e.log)
	}
}

// Clients that stay connected, as most do, must not turn a stop into a kill; nor may a query that runs on.
func TestStopWithClients(t *testing.T) {
	for _, busy := range []bool{false, true} {
		e := startReady(t, newConfig(t))
		e.client = &http.Client{Transport: &http.Transport{}}
		defer e.client.CloseIdleConnections()
		e.must(t, "SELECT 1")
		idle, err := ch.Dial(t.Context(), ch.Options{Address: e.Addrs()[AddrTCP]})
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close() //nolint:errcheck // the server is gone by then
		ended := make(chan error, 1)
		if busy {
			go func() {
				_, err := e.query("SELECT sum(sleepEachRow(0.1)) FROM numbers(600) SETTINGS max_block_size = 1")
				ended <- err
			}()
			for e.must(t, "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%' AND query NOT LIKE '%processes%'") != "1" {
				select {
				case err := <-ended:
					t.Fatalf("the query that should run on: %v", err)
				default:
				}
			}
		}
		e.stop(t)
		if busy {
			if err := <-ended; err == nil {
				t.Error("the query ran to its end: nothing was proven")
			}
		}
		if !strings.Contains(e.log.String(), "engine stopped") {
			t.Errorf("busy %v: not a graceful stop:\n%s", busy, e.log)
		}
	}
}

func TestRowsAndTokensSurviveStopAndKill(t *testing.T) {
	cfg := newConfig(t)
	e := startReady(t, cfg)
	e.must(t, "CREATE DATABASE d")
	e.must(t, createTable)
	e.must(t, "INSERT INTO d.t SELECT number FROM numbers(10)", "insert_deduplication_token", "first")
	e.stop(t)

	e = startReady(t, cfg)
	pid := e.PID()
	e.must(t, "INSERT INTO d.t SELECT number + 100 FROM numbers(10)", "insert_deduplication_token", "second")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.log.wait(t, func() bool { return e.Up() && e.PID() != pid })
	for _, token := range []string{"first", "second"} {
		e.must(t, "INSERT INTO d.t SELECT number + 1000 FROM numbers(10)", "insert_deduplication_token", token)
	}
	if got := e.must(t, "SELECT count(), max(a) FROM d.t"); got != "20\t109" {
		t.Errorf("count and max: %s, want the 20 rows of before and none of the repeats", got)
	}
	e.stop(t)
}

func TestQueryLogOutlivesRestart(t *testing.T) {
	cfg := newConfig(t)
	for life := 1; life <= 2; life++ {
		e := startReady(t, cfg)
		e.must(t, fmt.Sprintf("SELECT 'mark', %d", life))
		e.must(t, "SYSTEM FLUSH LOGS")
		if got := e.must(t, "SELECT count() FROM system.query_log WHERE type = 'QueryStart' AND query LIKE 'SELECT \\'mark\\'%'"); got != fmt.Sprint(life) {
			t.Errorf("life %d: %s queries logged, want %d", life, got, life)
		}
		logs := e.must(t, "SELECT name, engine_full FROM system.tables WHERE database = 'system' AND name LIKE '%\\_log%' FORMAT TSVRaw")
		for line := range strings.Lines(logs) {
			if !strings.Contains(line, "TTL") {
				t.Errorf("a system log without a TTL: %s", line)
			}
		}
		if !strings.HasPrefix(logs, "query_log\t") || strings.Contains(logs, "\n") {
			t.Errorf("system logs: %s", logs)
		}
		e.stop(t)
		if strings.Contains(e.log.String(), "level=ERROR") {
			t.Errorf("life %d:\n%s", life, e.log)
		}
	}
}

// TestFullDiskOnceDoesNotEndEveryLaterStart: the engine creates its log on a full disk and leaves a definition without content.
func TestFullDiskOnceDoesNotEndEveryLaterStart(t *testing.T) {
	cfg := newConfig(t)
	e := startReady(t, cfg)
	e.must(t, "CREATE TABLE kept ENGINE = MergeTree ORDER BY x AS SELECT 7 AS x")
	e.must(t, "SYSTEM FLUSH LOGS")
	e.stop(t)
	definition := filepath.Join(cfg.Dir, "db", "store", systemUUID[:3], systemUUID, "query_log.sql")
	if err := os.Truncate(definition, 0); err != nil {
		t.Fatal(err)
	}
	e = startReady(t, cfg)
	if got := e.must(t, "SELECT x FROM kept"); got != "7" {
		t.Errorf("the table holds %q, want 7", got)
	}
	e.must(t, "SYSTEM FLUSH LOGS")
	if got := e.must(t, "SELECT count() > 0 FROM system.query_log"); got != "1" {
		t.Error("the query log is not written again")
	}
	e.stop(t)
}

// Whoever reaches the port reaches the data, and next to nothing else on this machine.
func TestDefaultUserReachesNothingOutside(t *testing.T) {
	e := startReady(t, newConfig(t))
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	knocked := make(chan struct{}, 1)
	outside := http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { knocked <- struct{}{} }), ReadHeaderTimeout: time.Minute}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = outside.Serve(l) }()
	t.Cleanup(func() { _ = outside.Close() })
	web := "http://" + l.Addr().String()
	e.must(t, "CREATE TABLE default.t ENGINE = MergeTree ORDER BY a AS SELECT 1 AS a")
	dictionary := func(source string) string {
		return "CREATE DICTIONARY default.d (a String) PRIMARY KEY a SOURCE(" + source + ") LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)"
	}
	for sql, want := range map[string]string{
		"SELECT * FROM file('" + secret + "', LineAsString)":                                             "ACCESS_DENIED",
		"INSERT INTO FUNCTION file('" + secret + ".2', LineAsString) SELECT 'x'":                         "ACCESS_DENIED",
		"SELECT * FROM url('" + web + "', LineAsString)":                                                 "ACCESS_DENIED",
		"SELECT * FROM remote('" + e.Addrs()[AddrTCP] + "', system.one)":                                 "ACCESS_DENIED",
		"CREATE TABLE default.f (a String) ENGINE = File(LineAsString, '" + secret + "')":                "ACCESS_DENIED",
		"CREATE DATABASE f ENGINE = Filesystem('/')":                                                     "ACCESS_DENIED",
		"CREATE FUNCTION f AS x -> x":                                                                    "ACCESS_DENIED",
		"BACKUP TABLE system.query_log TO File('" + secret + ".3')":                                      "ACCESS_DENIED",
		"BACKUP TABLE default.t TO File('inside')":                                                       "ACCESS_DENIED",
		"BACKUP TABLE default.t TO S3('" + web + "/bucket/key', 'id', 'secret')":                         "ACCESS_DENIED",
		dictionary("FILE(PATH '" + secret + "' FORMAT 'LineAsString')"):                                  "ACCESS_DENIED",
		dictionary("HTTP(URL '" + web + "' FORMAT 'LineAsString')"):                                      "ACCESS_DENIED",
		dictionary("EXECUTABLE(COMMAND 'cat " + secret + "' FORMAT 'LineAsString')"):                     "ACCESS_DENIED",
		"SELECT file('" + secret + "')":                                                                  "function file is not allowed",
		"INSERT INTO default.t SELECT length(file('" + secret + "'))":                                    "function file is not allowed",
		"SELECT formatRow('Template')":                                                                   "formatRow",
		"SELECT formatRow(1)":                                                                            "function formatRow is not allowed",
		"SELECT * FROM (SELECT formatRowNoNewline('x') SETTINGS format_template_row = '" + secret + "')": "function formatRowNoNewline is not allowed",
		"SELECT 1 AS a FORMAT Template SETTINGS format_template_row = '" + secret + "'":                  "SETTING_CONSTRAINT_VIOLATION",
		"SELECT 1 AS a FORMAT Protobuf SETTINGS output_format_schema = '" + secret + ".4'":               "SETTING_CONSTRAINT_VIOLATION",
		"SELECT 1 AS a FORMAT CapnProto SETTINGS format_schema = '" + secret + ":x'":                     "SETTING_CONSTRAINT_VIOLATION",
		"DROP FUNCTION file": "CANNOT_DROP_FUNCTION",
	} {
		if out, err := e.query(sql); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "x\n\n") {
			t.Errorf("%s: got %q, %v, want %s", sql, out, err, want)
		}
	}
	if made, err := filepath.Glob(secret + ".*"); err != nil || made != nil {
		t.Errorf("files were written: %q, %v", made, err)
	}
	select {
	case <-knocked:
		t.Error("the engine called another server")
	default:
	}
	if got := e.must(t, "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'"); got != fmt.Sprint(1<<30) {
		t.Errorf("memory cap %s", got)
	}
	if _, err := e.query("SELECT groupArray(number) FROM numbers(1000000000)"); err == nil || !strings.Contains(err.Error(), "MEMORY_LIMIT_EXCEEDED") {
		t.Errorf("a query beyond the memory: %v", err)
	}
	e.must(t, "SELECT 1")
}

// The account for backups has a password that only those know who can read the engine's folder, and writes to one folder of this machine.
func TestBackupUserReachesOneFolder(t *testing.T) {
	cfg := newConfig(t)
	cfg.Backups = filepath.Join(t.TempDir(), "there")
	var passwords []string
	for life := range 2 {
		e := startReady(t, cfg)
		text, err := os.ReadFile(BackupPasswordFile(cfg.Dir))
		if err != nil {
			t.Fatal(err)
		}
		passwords = append(passwords, strings.TrimSpace(string(text)))
		e.must(t, "CREATE TABLE IF NOT EXISTS default.t ENGINE = MergeTree ORDER BY a AS SELECT 1 AS a")
		as := []string{"user", BackupUser, "password", passwords[life]}
		e.must(t, fmt.Sprintf("BACKUP TABLE default.t TO File('b%d')", life), as...)
		if _, err := os.Stat(filepath.Join(cfg.Backups, fmt.Sprint("b", life), ".backup")); err != nil {
			t.Error(err)
		}
		for _, place := range []string{filepath.Join(t.TempDir(), "x"), "../x", "b/../../x"} {
			if out, err := e.query("BACKUP TABLE default.t TO File('"+place+"')", as...); err == nil || !strings.Contains(err.Error(), "not allowed") {
				t.Errorf("to %s: got %q, %v", place, out, err)
			}
		}
		e.stop(t)
	}
	if passwords[0] != passwords[1] || len(passwords[0]) != 32 {
		t.Errorf("passwords %q", passwords)
	}
	if info, err := os.Stat(BackupPasswordFile(cfg.Dir)); err != nil || info.Mode() != 0o600 {
		t.Errorf("the password's file: %v, %v", info, err)
	}
}

func TestSignalsDoNotReachTheEngine(t *testing.T) {
	e := startReady(t, newConfig(t))
	pid := e.PID()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	e.must(t, "SELECT 1")
	e.stop(t)
	if e.Restarts() != 0 {
		t.Errorf("restarted %d times:\n%s", e.Restarts(), e.log)
	}
}

func TestPortInUseIsNoReadyEngine(t *testing.T) {
	other := startReady(t, newConfig(t))
	cfg := newConfig(t)
	cfg.HTTPPort = other.cfg.HTTPPort
	e := start(t, cfg)
	err := <-e.result
	e.result <- err
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(cfg.HTTPPort)) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error %v does not say that port %d is in use", err, cfg.HTTPPort)
	}
	select {
	case <-e.Ready():
		t.Error("ready, because another engine answered on its port")
	default:
	}
}

// The program on PATH is the test binary, which runs the real engine: what is proven is the handling of the process.
func TestProgramInsteadOfLibrary(t *testing.T) {
	t.Setenv("CLICKHOUSE_TEST_VERSION", "26.7.2")
	cfg := newConfig(t)
	cfg.Binary = os.Args[0]
	e := startReady(t, cfg)
	e.must(t, "CREATE DATABASE d")
	e.must(t, createTable)
	e.must(t, "INSERT INTO d.t SELECT number FROM numbers(10)")
	pid := e.PID()
	// Kill what is between the parent and the program: the program must end too, and give the folder to its successor.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.log.wait(t, func() bool { return e.Up() && e.PID() != pid })
	if got := e.must(t, "SELECT count() FROM d.t"); got != "10" {
		t.Errorf("rows: %s", got)
	}
	e.stop(t)
	if !strings.Contains(e.log.String(), "engine stopped") {
		t.Errorf("not a graceful stop:\n%s", e.log)
	}
	lock, err := datadir.Acquire(t.Context(), filepath.Join(cfg.Dir, "LOCK"), 0, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("the program outlived the stop: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}

// syncBuffer collects log lines and wakes a waiting test at each.
type syncBuffer struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	grew chan struct{}
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.grew != nil {
		close(b.grew)
		b.grew = nil
	}
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *syncBuffer) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.grew == nil {
		b.grew = make(chan struct{})
	}
	return b.grew
}

// wait returns when cond holds, which it checks after each line.
func (b *syncBuffer) wait(t *testing.T, cond func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		next := b.next()
		if cond() {
			return
		}
		select {
		case <-next:
		case <-deadline:
			t.Fatalf("condition not met, log:\n%s", b)
		}
	}
}
