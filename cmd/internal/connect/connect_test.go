package connect

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// secret holds what shells, URLs and YAML would take for something else.
const secret = `S3'cret"$(id)/@:é`

func instance(show bool) Instance {
	i := Instance{Native: "127.0.0.1:9001", HTTP: "127.0.0.1:8124", Database: "millrace_views", User: "p1_analyst", PasswordCommand: "millrace connect --password --data 'my data'"}
	if show {
		i.Password = func() (string, error) { return secret, nil }
	}
	return i
}

func text(t *testing.T, tool string, i Instance) (Recipe, string) {
	t.Helper()
	r, err := For(tool, i)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	return r, b.String()
}

func TestEveryRecipeIsFilledIn(t *testing.T) {
	for _, tool := range Tools() {
		t.Run(tool.Name, func(t *testing.T) {
			r, got := text(t, tool.Name, instance(false))
			port := "8124"
			if r.Protocol == "native" {
				port = "9001"
			}
			for _, want := range []string{tool.Short, "127.0.0.1", port, "millrace_views", "p1_analyst", "millrace connect --password --data 'my data'", "--network host"} {
				if !strings.Contains(got, want) {
					t.Errorf("%q is missing in\n%s", want, got)
				}
			}
			if r.PasswordCommand == "" || r.Password != "" {
				t.Errorf("password %q, command %q", r.Password, r.PasswordCommand)
			}
			shown, shownText := text(t, tool.Name, instance(true))
			if shown.Password != secret || shown.PasswordCommand != "" || strings.Contains(shownText, placeholder) || strings.Contains(shownText, "millrace connect --password") {
				t.Errorf("with the password\n%s", shownText)
			}
			remote := instance(false)
			remote.Native, remote.HTTP, remote.TLS = "ch.example:9440", "ch.example:8443", true
			_, remoteText := text(t, tool.Name, remote)
			if strings.Contains(remoteText, "--network host") || !strings.Contains(remoteText, "ch.example") {
				t.Errorf("of another machine\n%s", remoteText)
			}
			plain := strings.NewReplacer("9440", "9001", "8443", "8124", "ch.example", "127.0.0.1").Replace(remoteText)
			if before, _, _ := strings.Cut(got, "Note: ClickHouse listens"); strings.TrimSpace(plain) == strings.TrimSpace(before) {
				t.Errorf("nothing says that it wants TLS:\n%s", remoteText)
			}
			encoded, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var back Recipe
			if err := json.Unmarshal(encoded, &back); err != nil || back.Port != r.Port || len(back.Steps) != len(r.Steps) {
				t.Errorf("%v: %s", err, encoded)
			}
		})
	}
}

// run lets a shell run a command in which programs are replaced, and returns what it prints.
func run(t *testing.T, functions, command string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", functions+"\n"+command).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, command, out)
	}
	return string(out)
}

// TestShellsPassThePassword runs what recipes say in a shell, with the programs replaced by ones that say what they were given.
func TestShellsPassThePassword(t *testing.T) {
	const fakes = `millrace() { printf '%s' 'by command'; }
clickhouse_client() { printf '%s|' "$CLICKHOUSE_PASSWORD" "$@"; }
curl() { cat; printf '%s|' "$@"; }
grafana() { printf '%s|' "$MILLRACE_SQL_PASSWORD" "$@"; }
`
	for _, show := range []bool{false, true} {
		want := "by command"
		if show {
			want = secret
		}
		for tool, begins := range map[string]string{"clickhouse-client": want + "|--host|127.0.0.1|--port|9001|--user|p1_analyst|", "curl": `user = "p1_analyst:` + want + `"`, "grafana": want + "|server|", "python": want, "jdbc": want} {
			r, _ := text(t, tool, instance(show))
			ran := false
			for _, step := range r.Steps {
				code := strings.ReplaceAll(step.Code, "clickhouse-client", "clickhouse_client")
				switch {
				case step.Language != "sh" || strings.HasPrefix(code, "pip ") || strings.HasPrefix(code, "grafana cli") || code == r.PasswordCommand:
					continue
				case strings.HasPrefix(code, "export "):
					code += `; printf '%s' "$MILLRACE_SQL_PASSWORD"`
				}
				ran = true
				if got := run(t, fakes, code); !strings.HasPrefix(got, begins) {
					t.Errorf("%s: %q does not begin with %q", step.Code, got, begins)
				}
			}
			if !ran && (tool != "grafana" || !show) {
				t.Errorf("%s, shown %v: nothing was run", tool, show)
			}
		}
	}
}

func TestGrafanaReadsItsFile(t *testing.T) {
	for _, show := range []bool{false, true} {
		r, _ := text(t, "grafana", instance(show))
		var file struct {
			Datasources []struct {
				JSON struct {
					Host, Username, Database string
					Port                     int
					Default                  string `yaml:"defaultDatabase"`
				} `yaml:"jsonData"`
				Secure map[string]string `yaml:"secureJsonData"`
			}
		}
		if err := yaml.Unmarshal([]byte(r.Steps[1].Code), &file); err != nil || len(file.Datasources) != 1 {
			t.Fatalf("%v\n%s", err, r.Steps[1].Code)
		}
		want := "$MILLRACE_SQL_PASSWORD"
		if show {
			want = strings.ReplaceAll(secret, "$", "$$")
		}
		d := file.Datasources[0]
		if d.Secure["password"] != want || d.JSON.Host != "127.0.0.1" || d.JSON.Port != 9001 || d.JSON.Username != "p1_analyst" || d.JSON.Default != "millrace_views" {
			t.Errorf("%+v", d)
		}
	}
}

func TestSupersetURI(t *testing.T) {
	r, _ := text(t, "superset", instance(true))
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := u.User.Password(); password != secret || u.User.Username() != "p1_analyst" || u.Host != "127.0.0.1:8124" || u.Path != "/millrace_views" || u.Scheme != "clickhousedb" {
		t.Errorf("%s: %v", r.URL, u)
	}
}

func TestPythonCompiles(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("the recipe is a program for python3, which this machine lacks")
	}
	i := instance(false)
	for _, i.TLS = range []bool{false, true} {
		r, _ := text(t, "python", i)
		cmd := exec.Command(python, "-c", "import sys; compile(sys.stdin.read(), 'recipe', 'exec')")
		cmd.Stdin = strings.NewReader(r.Steps[2].Code)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, r.Steps[2].Code)
		}
	}
}

func TestWhatCannotBeFilledIn(t *testing.T) {
	i := instance(false)
	i.HTTP = ""
	if _, err := For("dbeaver", i); !errors.Is(err, ErrNoAddress) || !strings.Contains(err.Error(), "query.http_addresses") {
		t.Error(err)
	}
	if _, err := For("grafana", i); err != nil {
		t.Errorf("grafana needs no HTTP: %v", err)
	}
	i.Native = "9000"
	if _, err := For("clickhouse-client", i); err == nil || errors.Is(err, ErrNoAddress) || !strings.Contains(err.Error(), `"9000"`) {
		t.Error(err)
	}
	if _, err := For("excel", i); !errors.Is(err, ErrUnknownTool) || !strings.Contains(err.Error(), "dbeaver") {
		t.Error(err)
	}
	broken := errors.New("no such file")
	i = instance(false)
	i.Password = func() (string, error) { return "", broken }
	if _, err := For("curl", i); !errors.Is(err, broken) {
		t.Error(err)
	}
}
