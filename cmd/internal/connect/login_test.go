package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	clickhousego "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/goccy/go-yaml"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/access"
)

// login is what a recipe makes a tool log in with, read from where the tool or a person reads it.
type login struct {
	address, user, password, database string
}

// logins read a recipe that shows the password.
var logins = map[string]func(r Recipe) (login, error){
	"clickhouse-client": func(r Recipe) (login, error) {
		return fields(r.Steps[0].Code, `^CLICKHOUSE_PASSWORD='(?P<password>\S+)' clickhouse-client --host (?P<host>\S+) --port (?P<port>\S+) --user (?P<user>\S+) --database (?P<database>\S+)$`)
	},
	"grafana": func(r Recipe) (login, error) {
		var file struct {
			Datasources []struct {
				JSON struct {
					Host, Protocol, Username string
					Port                     int
					Database                 string `yaml:"defaultDatabase"`
				} `yaml:"jsonData"`
				Secure struct{ Password string } `yaml:"secureJsonData"`
			}
		}
		if err := yaml.Unmarshal([]byte(r.Steps[1].Code), &file); err != nil {
			return login{}, err
		}
		d := file.Datasources[0]
		if d.JSON.Protocol != "native" {
			return login{}, fmt.Errorf("protocol %q", d.JSON.Protocol)
		}
		return login{fmt.Sprintf("%s:%d", d.JSON.Host, d.JSON.Port), d.JSON.Username, d.Secure.Password, d.JSON.Database}, nil
	},
	"curl": func(r Recipe) (login, error) {
		return fields(r.Steps[0].Code, `(?s)' (?P<user>\w+) '(?P<password>\w+)' \|.*'http://(?P<host>[^:]+):(?P<port>\d+)/\?database=(?P<database>\w+)&`)
	},
	"dbeaver":  form("Host", "Port", "Username", "Password", "Database"),
	"metabase": form("Host", "Port", "Username", "Password", "Databases"),
	"superset": func(r Recipe) (login, error) { return fromURL(r.URL) },
	"jdbc": func(r Recipe) (login, error) {
		l, err := fromURL(strings.TrimPrefix(setting(r, "URL"), "jdbc:"))
		l.user, l.password = setting(r, "user"), setting(r, "password")
		return l, err
	},
	"python": func(r Recipe) (login, error) {
		l, err := fields(r.Steps[2].Code, `(?s)host="(?P<host>\S+)", port=(?P<port>\d+), .*username="(?P<user>\w+)", (?P<password>password).*database="(?P<database>\w+)"`)
		if err != nil {
			return l, err
		}
		env, err := fields(r.Steps[1].Code, `^export MILLRACE_SQL_PASSWORD='(?P<password>\w+)'$`)
		l.password = env.password
		return l, err
	},
}

func setting(r Recipe, name string) string {
	for _, s := range r.Settings {
		if s.Name == name {
			return s.Value
		}
	}
	return ""
}

func form(host, port, user, password, database string) func(r Recipe) (login, error) {
	return func(r Recipe) (login, error) {
		return login{setting(r, host) + ":" + setting(r, port), setting(r, user), setting(r, password), setting(r, database)}, nil
	}
}

func fromURL(text string) (login, error) {
	u, err := url.Parse(text)
	if err != nil {
		return login{}, err
	}
	password, _ := u.User.Password()
	return login{u.Host, u.User.Username(), password, strings.TrimPrefix(u.Path, "/")}, nil
}

func fields(text, pattern string) (login, error) {
	re := regexp.MustCompile(pattern)
	m := re.FindStringSubmatch(text)
	if m == nil {
		return login{}, fmt.Errorf("%q does not match %s", text, pattern)
	}
	named := func(name string) string {
		if i := re.SubexpIndex(name); i >= 0 {
			return m[i]
		}
		return ""
	}
	return login{named("host") + ":" + named("port"), named("user"), named("password"), named("database")}, nil
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Minute, errors.New("the test took too long"))
	t.Cleanup(cancel)
	return ctx
}

// running is an engine as a server has it, with an event of project 1 and two of project 2.
func running(t *testing.T, secret access.Secret) *enginetest.Engine {
	t.Helper()
	cfg := clickhouse.DefaultConfig()
	engine := enginetest.ClickHouseFor(t, access.Users(cfg.Database, []uint32{1, 2}, secret.Password))
	cfg.Addresses = []string{engine.TCP}
	db, err := clickhouse.Open(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing is left to be written
	if err := clickhouse.Up(within(t), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := access.Mirror(within(t), db, db.Database()); err != nil {
		t.Fatal(err)
	}
	if err := db.Conn().Exec(within(t), "INSERT INTO "+db.Database()+".events (project_id, event, ts) VALUES (1, 'Hello', now64(3)), (2, 'Hello', now64(3)), (2, 'Hello', now64(3))"); err != nil {
		t.Fatal(err)
	}
	return engine
}

// askNative asks as the ClickHouse data source of Grafana does: compressed, with a time limit of its own.
func askNative(t *testing.T, l login, sql string) (string, error) {
	t.Helper()
	conn, err := clickhousego.Open(&clickhousego.Options{
		Addr: []string{l.address}, Auth: clickhousego.Auth{Username: l.user, Password: l.password, Database: l.database},
		Compression: &clickhousego.Compression{Method: clickhousego.CompressionLZ4}, DialTimeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // only read from
	var answer string
	err = conn.QueryRow(within(t), "SELECT arrayStringConcat(groupArray(toString(tuple(*))), ' ') FROM ("+sql+")").Scan(&answer)
	return answer, err
}

// sent are the settings that drivers for HTTP send with a query by themselves.
var sent = url.Values{
	// JDBC, whose program has set a limit of rows and of time.
	"compress": {"0"}, "wait_end_of_query": {"0"}, "max_execution_time": {"20"}, "max_result_rows": {"200"}, "result_overflow_mode": {"break"},
	"async_insert": {"0"}, // before 0.11
	// The one of DBeaver.
	"output_format_binary_write_json_as_string": {"1"},
	// Metabase, when it has a time zone for reports.
	"session_timezone": {"Europe/Berlin"},
}

// askHTTP asks as drivers for HTTP do.
func askHTTP(t *testing.T, l login, sql string) (string, error) {
	t.Helper()
	values := url.Values{"database": {l.database}, "query_id": {fmt.Sprintf("%s-%d", t.Name(), time.Now().UnixNano())}}
	for name, value := range sent {
		values[name] = value
	}
	request, err := nethttp.NewRequestWithContext(within(t), nethttp.MethodPost, "http://"+l.address+"/?"+values.Encode(), strings.NewReader("SELECT toString(tuple(*)) FROM ("+sql+") FORMAT TSVRaw"))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(l.user, l.password)
	client := &nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != nethttp.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, text)
	}
	return strings.TrimSpace(string(text)), err
}

// macros are those of Grafana that the panel of the recipe has.
var macros = strings.NewReplacer("$__timeInterval(ts)", "toStartOfInterval(toDateTime(ts), INTERVAL 60 second)", "$__timeFilter_ms(ts)", "ts >= now64(3) - INTERVAL 1 HOUR AND ts <= now64(3) + INTERVAL 1 HOUR")

// Every recipe opens the views as the analyst of the project, on a real engine.
func TestEveryRecipeLogsIn(t *testing.T) {
	secret, err := access.MakeSecret(t.TempDir() + "/sql-secret")
	if err != nil {
		t.Fatal(err)
	}
	engine := running(t, secret)
	user := access.Analyst(1)
	i := Instance{
		Native: engine.TCP, HTTP: engine.HTTP, Database: access.ViewsDatabase(clickhouse.DefaultConfig().Database), User: user,
		PasswordCommand: "printf %s " + secret.Password(user), Password: func() (string, error) { return secret.Password(user), nil },
	}
	for _, tool := range Tools() {
		t.Run(tool.Name, func(t *testing.T) {
			r, err := For(tool.Name, i)
			if err != nil {
				t.Fatal(err)
			}
			read := logins[tool.Name]
			if read == nil {
				t.Fatal("nobody logs in with it")
			}
			l, err := read(r)
			if err != nil {
				t.Fatal(err)
			}
			ask := askHTTP
			if r.Protocol == "native" {
				ask = askNative
			}
			if got, err := ask(t, l, "SELECT currentUser(), currentDatabase()"); err != nil || got != "('p1_analyst','millrace_views')" {
				t.Errorf("logged in with %+v: %s, %v", l, got, err)
			}
			if got, err := ask(t, l, first); err != nil || got != "('Hello',1)" {
				t.Errorf("first question: %s, %v", got, err)
			}
			if tool.Name == "grafana" {
				if got, err := ask(t, l, macros.Replace(r.Steps[len(r.Steps)-1].Code)); err != nil || !strings.HasSuffix(got, ",'Hello',1)") {
					t.Errorf("panel: %s, %v", got, err)
				}
			}
			l.password += "x"
			if got, err := ask(t, l, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "Authentication failed") {
				t.Errorf("with a wrong password: %s, %v", got, err)
			}
		})
	}
	// What stands there to be pasted into a shell does it, with the password shown and without.
	t.Run("paste", func(t *testing.T) {
		if _, err := exec.LookPath("curl"); err != nil {
			t.Skip("the recipe is a command for curl, which this machine lacks")
		}
		hidden := i
		hidden.Password = nil
		for _, i := range []Instance{i, hidden} {
			r, err := For("curl", i)
			if err != nil {
				t.Fatal(err)
			}
			var row struct {
				Event string
				N     int
			}
			out := run(t, "curl() { command curl --silent --show-error \"$@\"; }", r.Steps[0].Code)
			if err := json.Unmarshal([]byte(out), &row); err != nil || row.Event != "Hello" || row.N != 1 {
				t.Errorf("%v: %s\n%s", err, out, r.Steps[0].Code)
			}
		}
	})
}
