package millrace_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/millrace/millrace"

// rule says what the packages that match a pattern may import of this module. A pattern is a path below the module, or a path with /...
// for it and everything below it. The most specific pattern counts.
type rule struct {
	packages string
	may      []string
	because  string
}

var rules = []rule{
	{"schema", []string{"schema/scan"}, "what an event is must be readable by everybody, so it rests on nothing but the scanner below it"},
	{"schema/...", []string{"schema", "schema/..."}, "what belongs to the event format knows the format and nobody who handles it"},
	{"broker", nil, "the broker moves bytes: knowing events would tie the transport to one schema"},
	{"ingest", []string{"schema", "schema/...", "ingest/dialect"}, "the door states what it needs as an interface and cmd plugs the pipeline in, so that either is replaced, tested and measured alone"},
	{"ingest/dialect", []string{"schema", "schema/..."}, "a dialect is a pure function over bytes; it must work without a server"},
	{"pipeline", []string{"schema", "schema/...", "broker", "pipeline/..."}, "the record on the topic is the only contract between pipeline and sink, and requests end at ingest"},
	{"pipeline/ring", nil, "the ring is a container: what it carries is not its business"},
	{"pipeline/enrich", []string{"schema", "schema/..."}, "enrichment is a function of the event and of data, with no way to the broker"},
	{"pipeline/spill", []string{"schema", "schema/...", "broker"}, "the spill log holds sealed record batches and knows neither shards nor requests"},
	{"internal/rest", nil, "what HTTP APIs share is a function of requests and answers: knowing what is asked would make it part of one of them"},
	{"internal/retry", nil, "waiting knows nothing of what is waited for"},
	{"sink", []string{"schema", "schema/...", "broker", "sink/...", "internal/retry"}, "the sink must load what anybody has written to the topic, so it may not lean on the pipeline"},
	{"sink/...", []string{"schema", "schema/...", "broker"}, "as the sink"},
	{"people", []string{"schema", "schema/...", "broker", "people/...", "internal/retry"}, "who people are is worked out from the tables: the stages come and go without it"},
	{"people/...", []string{"schema", "schema/...", "broker", "people", "people/...", "internal/retry"}, "as people"},
	{"people/api", []string{"schema", "schema/...", "people", "people/...", "internal/rest"}, "as people; what it has in common with other APIs is below both"},
	{"people/identity", []string{"schema"}, "who is whom is a function of what events said, and nothing else"},
	{"people/profile", []string{"schema", "schema/scan"}, "a profile is a function of what events said, and nothing else"},
	{"query", []string{"schema", "schema/...", "broker", "internal/rest"}, "queries read the tables and the topic; the stages come and go without them"},
	{"bench/...", []string{"schema", "schema/...", "broker", "bench/..."}, "the load generator is a black box against the HTTP door: sharing code with a stage would share its mistakes"},
	{"cmd/...", []string{"..."}, "wiring is what commands are for"},
	{"internal/enginetest", []string{"schema", "schema/...", "broker", "cmd/internal/..."}, "it starts the real engines for tests"},
	{"test/...", []string{"..."}, "tests of the whole look at everything"},
}

// ban says what packages must not import, whoever owns it. Without transitive only their own imports count: a library may bring in what
// we may not use ourselves.
type ban struct {
	packages   string
	except     []string
	imports    string // an import path, or one with /... for everything below
	transitive bool
	because    string
}

var bans = []ban{
	{"schema/...", []string{"schema/clickhouse/..."}, "net/http", true, "an event is the same whatever brought it"},
	{"schema/...", []string{"schema/clickhouse/..."}, "github.com/valyala/fasthttp/...", true, "an event is the same whatever brought it"},
	{"schema/...", nil, "github.com/segmentio/kafka-go/...", true, "an event is the same wherever it is stored"},
	{"schema/...", []string{"schema/clickhouse/..."}, "github.com/ClickHouse/...", true, "only the tables know ClickHouse"},
	{"schema/clickhouse/question", nil, "github.com/ClickHouse/...", true, "a question is a text and its parameters; who sends it is not its business"},
	{"broker", nil, "net/http", false, "the broker speaks Kafka"},
	{"broker", nil, "github.com/ClickHouse/...", true, "the broker speaks Kafka"},
	{"pipeline/ring", nil, "log/...", false, "the ring neither logs nor counts: its owner does, per batch"},
	{"pipeline/ring", nil, "github.com/VictoriaMetrics/metrics", true, "the ring neither logs nor counts: its owner does, per batch"},
	{"pipeline/...", nil, "net/http", false, "requests end at ingest"},
	{"pipeline/...", nil, "github.com/valyala/fasthttp/...", true, "requests end at ingest"},
	{"pipeline/...", nil, "github.com/ClickHouse/...", true, "the topic lies between pipeline and tables"},
	{"ingest/...", nil, "github.com/segmentio/kafka-go/...", true, "ingest hands batches on; where they go is not its business"},
	{"ingest/...", nil, "github.com/ClickHouse/...", true, "ingest hands batches on; where they go is not its business"},
	{"sink/...", nil, "github.com/valyala/fasthttp/...", true, "the sink sees records, never requests"},
	{"sink/...", nil, "net/http", false, "the sink sees records, never requests"},
	{"people/...", []string{"people/api"}, "net/http", false, "only its API sees requests; what it sends, cmd sends for it"},
	{"people/...", nil, "github.com/valyala/fasthttp/...", true, "only its API sees requests, and those are rare"},
	{"...", []string{"cmd/internal/admin"}, "net/http/pprof", false, "profiles are served on the admin listener only"},
	{"...", []string{"cmd/internal/embedded/...", "bench/compare/discard", "bench/faultlab/proxy"}, "github.com/twmb/franz-go/...", false, "a broker, and what stands in its place, needs its own idea of the protocol, and its types stay with it: the product speaks through kafka-go"},
}

// onlyFor lists packages that nothing but the named ones may import.
var onlyFor = []struct {
	imported string
	by       []string // nil: nobody
	because  string
}{
	{"bench/...", []string{"bench/...", "cmd/..."}, "measuring is not part of what is measured; cmd runs it as a command"},
	{"cmd/...", []string{"cmd/...", "internal/enginetest", "test/..."}, "cmd is the top"},
	{"internal/enginetest", nil, "it starts engines: only _test.go files may use it"},
	{"test/...", nil, "tests are not for use"},
}

// goPackage is what go list says about a package.
type goPackage struct {
	ImportPath, Dir, Name             string
	GoFiles, CgoFiles, IgnoredGoFiles []string
	Imports, Deps                     []string
	Error                             *struct{ Err string }
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,Name,GoFiles,CgoFiles,IgnoredGoFiles,Imports,Deps,Error", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

// ours returns the path below the module, false for other people's packages.
func ours(path string) (string, bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

func matches(pattern, path string) bool {
	if pattern == "..." {
		return true
	}
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == tree || strings.HasPrefix(path, tree+"/")
	}
	return pattern == path
}

func matchesAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, path) })
}

// ruleFor returns the most specific rule for the package.
func ruleFor(path string) (best rule, ok bool) {
	for _, r := range rules {
		exact := r.packages == path
		if matches(r.packages, path) && (!ok || exact || best.packages != path && len(r.packages) > len(best.packages)) {
			best, ok = r, true
		}
	}
	return best, ok
}

// violations returns what the table has against p.
func violations(p goPackage) []string {
	path, _ := ours(p.ImportPath)
	var found []string
	add := func(verb, imported, because string) {
		found = append(found, fmt.Sprintf("%s %s %s: %s", path, verb, imported, because))
	}
	r, ok := ruleFor(path)
	if !ok {
		return []string{fmt.Sprintf("%s has no rule: give it one in this file", path)}
	}
	for _, imp := range p.Imports {
		target, ok := ours(imp)
		if !ok {
			continue
		}
		if !matchesAny(r.may, target) {
			add("imports", target, r.because)
		}
		for _, o := range onlyFor {
			if matches(o.imported, target) && !matchesAny(o.by, path) {
				add("imports", target, o.because)
			}
		}
	}
	for _, b := range bans {
		if !matches(b.packages, path) || slices.ContainsFunc(b.except, func(except string) bool { return matches(except, path) }) {
			continue
		}
		imports := p.Imports
		if b.transitive {
			imports = p.Deps
		}
		// One of them is enough to be told: a library brings all of its packages along.
		if i := slices.IndexFunc(imports, func(imp string) bool { return matches(b.imports, imp) }); i >= 0 {
			verb := "imports"
			if !slices.Contains(p.Imports, imports[i]) {
				verb = "reaches"
			}
			add(verb, imports[i], b.because)
		}
	}
	return found
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		if p.Error != nil {
			t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
		}
		if len(p.GoFiles)+len(p.CgoFiles) == 0 {
			continue // tests only
		}
		for _, v := range violations(p) {
			t.Error(v)
		}
	}
}

// TestImportTableBites shows the table what must never pass, and what must: a table that allows everything would pass as well.
func TestImportTableBites(t *testing.T) {
	for _, c := range []struct {
		path    string
		imports []string
		deps    []string
		want    int
	}{
		{"ingest", []string{"schema", "schema/scan", "ingest/dialect"}, nil, 0},
		{"ingest", []string{"pipeline"}, nil, 1},
		{"ingest", []string{"sink", "broker"}, nil, 2},
		{"ingest", nil, []string{"github.com/segmentio/kafka-go/protocol"}, 1},
		{"ingest/dialect", []string{"ingest"}, nil, 1},
		{"schema", []string{"schema/scan"}, nil, 0},
		{"schema", []string{"schema/clickhouse"}, nil, 1},
		{"schema", nil, []string{"net/http", "github.com/ClickHouse/ch-go"}, 2},
		{"schema/scan", nil, []string{"github.com/ClickHouse/clickhouse-go/v2"}, 1},
		{"schema/clickhouse", []string{"schema"}, []string{"net/http", "github.com/ClickHouse/clickhouse-go/v2"}, 0},
		{"schema/clickhouse", []string{"broker"}, nil, 1},
		{"broker", []string{"schema"}, nil, 1},
		{"pipeline/ring", []string{"schema", "log/slog"}, nil, 2},
		{"pipeline", []string{"broker", "schema", "pipeline/ring"}, []string{"net/http"}, 0},
		{"pipeline", []string{"ingest", "sink", "net/http"}, nil, 3},
		{"sink", []string{"schema/clickhouse", "broker"}, nil, 0},
		{"sink", []string{"pipeline", "pipeline/ring"}, nil, 2},
		{"query", []string{"sink"}, nil, 1},
		{"bench", []string{"ingest"}, nil, 1},
		{"sink", []string{"bench"}, nil, 2},                   // not in its list, and nobody may
		{"pipeline", []string{"cmd/internal/config"}, nil, 2}, // likewise
		{"cmd/millrace", []string{"ingest", "pipeline", "sink", "cmd/internal/run", "bench"}, nil, 0},
		{"cmd/millrace", []string{"internal/enginetest"}, nil, 1},
		{"cmd/internal/run", []string{"net/http/pprof"}, nil, 1},
		{"util", nil, nil, 1},
	} {
		p := goPackage{ImportPath: module + "/" + c.path, Deps: c.deps}
		for _, imp := range c.imports {
			if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") && first != "log" && first != "net" {
				imp = module + "/" + imp
			}
			p.Imports = append(p.Imports, imp)
		}
		if got := violations(p); len(got) != c.want {
			t.Errorf("%s with %v %v: %d violations, want %d: %q", c.path, c.imports, c.deps, len(got), c.want, got)
		}
	}
}

// TestSchemaStartsNothing: the format is functions over bytes.
func TestSchemaStartsNothing(t *testing.T) {
	for _, p := range packages(t) {
		if path, _ := ours(p.ImportPath); !matches("schema/...", path) && path != "ingest/dialect" && path != "pipeline/ring" {
			continue
		}
		for _, name := range p.GoFiles {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if g, ok := n.(*ast.GoStmt); ok {
					t.Errorf("%v: a goroutine in a package that must not start any", fset.Position(g.Pos()))
				}
				return true
			})
		}
	}
}

// TestPackageComments: every package says what it is, once, in doc.go; a command of one file may do so in main.go.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		var where []string
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			text := f.Doc.Text()
			if text == "" {
				continue
			}
			where = append(where, name)
			begin := "Package " + p.Name + " "
			if p.Name == "main" {
				begin = "Command " + filepath.Base(p.Dir) + " "
			}
			if !strings.HasPrefix(text, begin) {
				t.Errorf("%s: %s: the package comment must begin with %q", p.ImportPath, name, begin)
			}
		}
		if tests := len(p.GoFiles)+len(p.CgoFiles) == 0; tests && len(where) == 0 {
			continue
		}
		if len(where) != 1 || where[0] != "doc.go" && (p.Name != "main" || where[0] != "main.go") {
			t.Errorf("%s: package comments in %q, want one in doc.go", p.ImportPath, where)
		}
	}
}

// foreign finds what belongs to the machine somebody worked on and not to the project. The patterns are taken apart so that they do not
// find themselves.
var foreign = []struct {
	pattern *regexp.Regexp
	what    string
}{
	{regexp.MustCompile(`(^|[^\w.~-])/(wo` + `rk|ro` + `ot|home/\w+|Us` + `ers/\w+)/`), "an absolute path of somebody's machine"},
	{regexp.MustCompile(`registry\.npm` + `js\.org|regis` + `try\.yarnpkg\.com|proxy\.gol` + `ang\.org|sum\.gol` + `ang\.org`), "the host of a package registry"},
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), "a note to self"},
}

func TestNothingForeign(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			switch e.Name() {
			case ".git", "bin", "data", "node_modules", "testdata", ".venv":
				return filepath.SkipDir
			}
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || !e.Type().IsRegular() || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		for n, line := range bytes.Split(text, []byte("\n")) {
			for _, f := range foreign {
				if m := f.pattern.Find(line); m != nil {
					t.Errorf("%s:%d: %q is %s", path, n+1, m, f.what)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
