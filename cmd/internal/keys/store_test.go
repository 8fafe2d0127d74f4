package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
)

func open(t *testing.T, dir, profile, devKey string) *Store {
	t.Helper()
	s, err := Open(dir, profile, devKey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t *testing.T, s *Store, name string, project uint32, env string) string {
	t.Helper()
	key, err := s.Create(Key{Name: name, Project: project, Env: env, Scopes: Ingest})
	if err != nil {
		t.Fatal(err)
	}
	return key.Reveal()
}

func TestCreateLookupReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, "prod", "")
	if s.Len() != 0 {
		t.Errorf("%d keys in an empty store", s.Len())
	}
	odd := "wéb😀 \"\\ : # ☃ '"
	first := create(t, s, odd, 7, "prod")
	second := create(t, s, "ios", 4294967295, "staging2")
	if form := regexp.MustCompile(`^mr_prod_[a-z][0-9a-z]{7}_[0-9a-z]{32}_[0-9a-z]{7}$`); !form.MatchString(first) {
		t.Errorf("key %q has another form", first)
	}
	for range 2 {
		for _, c := range []struct {
			text string
			want Key
		}{
			{first, Key{ID: first[8:16], Project: 7, Name: odd, Env: "prod", Scopes: Ingest}},
			{second, Key{ID: second[12:20], Project: 4294967295, Name: "ios", Env: "staging2", Scopes: Ingest}},
		} {
			got, ok := s.Lookup([]byte(c.text))
			if !ok || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, ok, c.want)
			}
		}
		s = open(t, dir, "prod", "")
	}

	text, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{first, second} {
		p, ok := parse([]byte(key))
		if !ok {
			t.Fatal(key)
		}
		if strings.Contains(string(text), string(p.secret)) {
			t.Errorf("the file holds a secret:\n%s", text)
		}
	}
	if info, err := os.Stat(s.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(dir, "dev-key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the profile prod has a development key: %v", err)
	}
}

// TestLookupRefuses: every single changed byte of a good key is refused, and so is a well-formed key of somebody else.
func TestLookupRefuses(t *testing.T) {
	s := open(t, t.TempDir(), "small", "")
	good := create(t, s, "web", 1, "prod")
	for i := range len(good) {
		for _, c := range []byte{'0', 'z', '_', 'A', 0, good[i] ^ 0x20} {
			bad := []byte(good)
			if bad[i] == c {
				continue
			}
			bad[i] = c
			if k, ok := s.Lookup(bad); ok {
				t.Fatalf("%q was taken for %+v", bad, k)
			}
		}
	}
	p, _ := parse([]byte(good))
	other := newID()
	for name, bad := range map[string]string{
		"empty": "", "prefix": "mr_", "cut": good[:len(good)-1], "longer": good + "0", "upper": strings.ToUpper(good),
		"wrong secret": compose("prod", p.id, newSecret()), "other env": compose("dev", p.id, string(p.secret)),
		"unknown id": compose("prod", other, string(p.secret)), "no env": compose("", p.id, string(p.secret)),
		"long env": compose(strings.Repeat("e", 17), p.id, string(p.secret)), "huge": strings.Repeat("x", 1<<20),
	} {
		if k, ok := s.Lookup([]byte(bad)); ok {
			t.Errorf("%s: taken for %+v", name, k)
		}
	}
}

func TestSeveralSecretsPerKey(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "prod", "")
	first := create(t, s, "web", 3, "prod")
	second := create(t, s, "web", 3, "prod")
	records, err := readFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	// The second key's secret becomes another secret of the first one, as a rotation would make it.
	records[0].Secrets = append(records[0].Secrets, records[1].Secrets...)
	if err := writeFile(s.Path(), records[:1]); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	a, _ := parse([]byte(first))
	b, _ := parse([]byte(second))
	for _, text := range []string{first, compose("prod", a.id, string(b.secret))} {
		if k, ok := s.Lookup([]byte(text)); !ok || k.Project != 3 {
			t.Errorf("%+v, %v", k, ok)
		}
	}
	if _, ok := s.Lookup([]byte(second)); ok {
		t.Error("a removed key is still valid")
	}
}

// TestCreateConcurrently: two stores on one directory are what two processes are; no key may be lost.
func TestScopes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "dev", "mine")
	if key, ok := s.Lookup([]byte("mine")); !ok || key.Scopes != Ingest|Query|Manage {
		t.Errorf("the development key: %+v, %v", key, ok)
	}
	want := map[string]Scopes{}
	for i, scopes := range []Scopes{Ingest, Query, Ingest | Query, Manage, Query | Manage} {
		key, err := s.Create(Key{Name: "k", Project: uint32(5 - i), Env: "prod", Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		want[key.Reveal()] = scopes
	}
	for range 2 {
		for text, scopes := range want {
			if key, ok := s.Lookup([]byte(text)); !ok || key.Scopes != scopes {
				t.Errorf("got %+v, %v, want %v", key, ok, scopes)
			}
		}
		if got := s.Projects(); !slices.Equal(got, []uint32{1, 2, 3, 4, 5}) {
			t.Errorf("projects %v", got)
		}
		s = open(t, dir, "dev", "mine")
	}
	if _, err := s.Create(Key{Name: "k", Project: 1, Env: "prod"}); !errors.Is(err, ErrBadKey) {
		t.Errorf("no scope: %v", err)
	}
	for _, names := range [][]string{nil, {"admin"}, {"ingest", "ingest"}, {""}} {
		if got, err := ParseScopes(names); !errors.Is(err, ErrBadKey) {
			t.Errorf("%q: %v, %v", names, got, err)
		}
	}
}

// Files of version 1 knew no scopes: their keys go on sending events, and no more.
func TestKeysWithoutScope(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "prod", "")
	key := create(t, s, "old", 5, "prod")
	text, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	old := strings.NewReplacer("version: 3", "version: 1", "    scope: [ingest]\n", "").Replace(string(text))
	if old == string(text) {
		t.Fatalf("nothing to take away:\n%s", text)
	}
	if err := os.WriteFile(s.Path(), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, "prod", "")
	if got, ok := s.Lookup([]byte(key)); !ok || got.Scopes != Ingest {
		t.Errorf("got %+v, %v", got, ok)
	}
	create(t, s, "new", 5, "prod")
	if got, ok := open(t, dir, "prod", "").Lookup([]byte(key)); !ok || got.Scopes != Ingest {
		t.Errorf("after the next key: %+v, %v", got, ok)
	}
	if err := os.WriteFile(s.Path(), []byte(strings.Replace(old, "version: 1", "version: 2", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "prod", ""); !errors.Is(err, ErrBadKey) {
		t.Errorf("a key of version 2 without scope: %v", err)
	}
}

func TestCreateConcurrently(t *testing.T) {
	dir := t.TempDir()
	stores := []*Store{open(t, dir, "prod", ""), open(t, dir, "prod", "")}
	var made [16]string
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() {
			key, err := stores[i%2].Create(Key{Name: fmt.Sprint("k", i), Project: 1, Env: "prod", Scopes: Ingest})
			if err != nil {
				t.Error(err)
			}
			made[i] = key.Reveal()
		})
	}
	wg.Wait()
	s := open(t, dir, "prod", "")
	for i, text := range made {
		if k, ok := s.Lookup([]byte(text)); !ok || k.Name != fmt.Sprint("k", i) {
			t.Errorf("key %d: %+v, %v", i, k, ok)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	s := open(t, t.TempDir(), "prod", "")
	for _, c := range []struct {
		name    string
		project uint32
		env     string
	}{
		{"", 1, "prod"},
		{"a\nb", 1, "prod"},
		{strings.Repeat("x", 101), 1, "prod"},
		{"\xff", 1, "prod"},
		{"web", 0, "prod"},
		{"web", 1, ""},
		{"web", 1, "Prod"},
		{"web", 1, "a_b"},
		{"web", 1, "12345678901234567"},
	} {
		if _, err := s.Create(Key{Name: c.name, Project: c.project, Env: c.env, Scopes: Ingest}); !errors.Is(err, ErrBadKey) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := os.Stat(s.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused key left a file: %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	good := "version: 1\nkeys:\n  - {id: a2345678, project: 1, name: x, env: dev, created: 2026-01-02T03:04:05Z, secrets: [{sha256: %q, created: 2026-01-02T03:04:05Z}]}\n"
	good = fmt.Sprintf(good, strings.Repeat("00", 32))
	for _, c := range []struct{ text, want string }{
		{good, ""},
		{"", "version 0, want 1"},
		{"version: 4\nkeys: []\nmore: 1\n", "version 4, this program knows up to 3"},
		{good + "more: 1\n", "unknown field"},
		{good + good[strings.Index(good, "  - "):], "occurs twice"},
		{strings.Replace(good, "a2345678", "12345678", 1), "begin with a letter"},
		{strings.Replace(good, "a2345678", "a234567", 1), "the id must be 8 characters"},
		{strings.Replace(good, "env: dev", "env: dev, scope: [read]", 1), `scope "read"`},
		{strings.Replace(good, "project: 1", "project: 0", 1), "must be 1 or higher"},
		{strings.Replace(good, "project: 1", "project: 4294967296", 1), "4294967296"},
		{strings.Replace(good, "env: dev", "env: D", 1), `env "D"`},
		{strings.Replace(good, "00\"", "0\"", 1), "must be 64 hexadecimal digits"},
		{"version: 1\nkeys: [{id: a2345678, project: 1, name: x, env: dev, created: 2026-01-02T03:04:05Z, secrets: []}]\n", "no secret"},
		{"keys: [", "keys.yaml"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "keys.yaml")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, "prod", "")
		if c.want == "" && err == nil {
			continue
		}
		if c.want == "" || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q\n got: %v\nwant: %s", c.text, err, c.want)
		}
	}
}

// TestReloadKeepsKeysOnError: a file that was damaged while the server runs must not lock every client out.
func TestReloadKeepsKeysOnError(t *testing.T) {
	s := open(t, t.TempDir(), "prod", "")
	key := create(t, s, "web", 1, "prod")
	if err := os.WriteFile(s.Path(), []byte("version: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil {
		t.Error("a damaged file was taken")
	}
	if _, err := s.Create(Key{Name: "x", Project: 1, Env: "prod", Scopes: Ingest}); err == nil {
		t.Error("a damaged file was replaced")
	}
	if _, ok := s.Lookup([]byte(key)); !ok {
		t.Error("the key is gone")
	}
}

func TestReadableByOthers(t *testing.T) {
	for _, file := range []string{"keys.yaml", "dev-key"} {
		dir := t.TempDir()
		s := open(t, dir, "dev", "")
		create(t, s, "web", 1, "dev")
		path := filepath.Join(dir, file)
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, "dev", ""); err == nil || !strings.Contains(err.Error(), "mode 0640") || !strings.Contains(err.Error(), "run chmod 600 "+path) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestDevKey(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadDevKey(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no key yet: %v", err)
	}
	s := open(t, dir, "dev", "")
	dev, ok := s.DevKey()
	if !ok || !strings.HasPrefix(dev.Reveal(), "mr_dev_") {
		t.Fatalf("%v, %v", dev.Reveal(), ok)
	}
	if _, ok := parse([]byte(dev.Reveal())); !ok {
		t.Errorf("%q is not well formed", dev.Reveal())
	}
	want := Key{ID: "dev", Project: 1, Name: "development", Env: "dev", Scopes: Ingest | Query | Manage}
	expect := func(s *Store, text string, valid bool) {
		t.Helper()
		got, ok := s.Lookup([]byte(text))
		if ok != valid || ok && got != want {
			t.Errorf("%q: %+v, %v", text, got, ok)
		}
	}
	expect(s, dev.Reveal(), true)
	expect(open(t, dir, "dev", ""), dev.Reveal(), true)
	if info, err := os.Stat(filepath.Join(dir, "dev-key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	// The variable replaces the key, here and in the file.
	chosen := "mr_dev_check:☃"
	s = open(t, dir, "dev", chosen)
	expect(s, chosen, true)
	expect(s, chosen+"x", false)
	expect(s, chosen[:len(chosen)-1], false)
	expect(s, dev.Reveal(), false)
	if got, err := ReadDevKey(dir); err != nil || got.Reveal() != chosen {
		t.Errorf("the file holds %q, %v", got.Reveal(), err)
	}

	// Other profiles do not take what lies in the file.
	for _, profile := range []string{"small", "prod"} {
		s = open(t, dir, profile, "")
		expect(s, chosen, false)
		if _, ok := s.DevKey(); ok {
			t.Errorf("%s has a development key", profile)
		}
	}
	s = open(t, dir, "small", "given")
	expect(s, "given", true)
	if got, err := ReadDevKey(dir); err != nil || got.Reveal() != chosen {
		t.Errorf("the profile small changed the file to %q, %v", got.Reveal(), err)
	}
	_, err := Open(dir, "prod", "given")
	if !errors.Is(err, ErrDevKey) || !strings.Contains(err.Error(), "MILLRACE_DEV_KEY is set, but the profile prod") {
		t.Errorf("prod: %v", err)
	}
}

func TestDevKeysThatCannotBeSent(t *testing.T) {
	for _, c := range []struct{ key, want string }{
		{"a b", "white space"}, {"a\n", "white space"}, {"a\x00", "control"}, {"\xff", "not UTF-8"}, {strings.Repeat("x", 257), "257 bytes, more than the 256"},
	} {
		dir := t.TempDir()
		if _, err := Open(dir, "dev", c.key); !errors.Is(err, ErrDevKey) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.key, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "dev-key"), []byte(c.key+"x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, "dev", ""); !errors.Is(err, ErrDevKey) {
			t.Errorf("file with %q: %v", c.key, err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dev-key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "dev", ""); !errors.Is(err, ErrDevKey) || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("empty file: %v", err)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	s := open(t, t.TempDir(), "dev", "hunter2")
	secret, _ := s.DevKey()
	type nested struct {
		Public  Secret
		private Secret
	}
	n := nested{secret, secret}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%08.3f"} {
		fmt.Fprintf(&out, verb+"\n", secret)
		fmt.Fprintf(&out, verb+"\n", &secret)
		fmt.Fprintf(&out, verb+"\n", n)
		fmt.Fprintf(&out, verb+"\n", *s.dev)
		fmt.Fprintf(&out, verb+"\n", s.dev)
	}
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("x", "a", secret, "b", n, "c", &secret, "d", s.dev)
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		text, err := marshal(map[string]any{"a": secret, "b": n})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	shown := out.String()
	for _, bad := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), "104 117 110 116"} {
		if strings.Contains(strings.ToLower(shown), bad) {
			t.Errorf("%q shows in:\n%s", bad, shown)
		}
	}
	if !strings.Contains(shown, redacted) {
		t.Errorf("nothing was redacted:\n%s", shown)
	}
	if !(Secret{}).Empty() || secret.Empty() {
		t.Error("Empty is wrong")
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	s := open(t, t.TempDir(), "dev", "devtext")
	good := []byte(create(t, s, "web", 1, "prod"))
	p, _ := parse(good)
	if _, err := s.Adopt(Key{Name: "adopted", Project: 1, Env: "prod", Scopes: Ingest}, NewSecret(foreign["jitsu"])); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string][]byte{
		"adopted": []byte(foreign["jitsu"]), "not adopted": []byte(foreign["ampl"]), "longest": []byte(foreign["longest"]),
		"good": good, "dev": []byte("devtext"), "unknown": []byte(compose("prod", newID(), newSecret())),
		"wrong": []byte(compose("prod", p.id, newSecret())), "malformed": []byte("mr_x"),
	} {
		if n := testing.AllocsPerRun(100, func() { s.Lookup(key) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestIDsAreWellFormed(t *testing.T) {
	seen := map[keyID]bool{}
	for range 2000 {
		id := newID()
		if !validID(string(id[:])) {
			t.Fatalf("id %q", id[:])
		}
		if seen[id] {
			t.Fatalf("id %q came twice", id[:])
		}
		seen[id] = true
	}
}

// FuzzParse: what parses is exactly what compose makes of its parts.
func FuzzParse(f *testing.F) {
	f.Add([]byte(compose("prod", keyID([]byte("a2345678")), strings.Repeat("0", secretLen))))
	f.Add([]byte("mr_dev_check"))
	f.Add([]byte(strings.Repeat("_", 60)))
	f.Fuzz(func(t *testing.T, key []byte) {
		p, ok := parse(key)
		if ok && compose(string(p.env), p.id, string(p.secret)) != string(key) {
			t.Errorf("%q parses as %q %q %q", key, p.env, p.id, p.secret)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	s, err := Open(b.TempDir(), "prod", "")
	if err != nil {
		b.Fatal(err)
	}
	key, err := s.Create(Key{Name: "web", Project: 1, Env: "prod", Scopes: Ingest})
	if err != nil {
		b.Fatal(err)
	}
	// Many of the others, so that they would show in what the first kind costs.
	for i := range 100 {
		if _, err := s.Adopt(Key{Name: "adopted", Project: 1, Env: "prod", Scopes: Ingest}, NewSecret(fmt.Sprint(foreign["posthog"], i))); err != nil {
			b.Fatal(err)
		}
	}
	good := []byte(key.Reveal())
	p, _ := parse(good)
	for _, c := range []struct {
		name string
		key  []byte
	}{{"good", good}, {"adopted", []byte(foreign["posthog"] + "7")}, {"not adopted", []byte(foreign["segment"])}, {"wrong", []byte(compose("prod", p.id, newSecret()))}, {"unknown", []byte(compose("prod", newID(), newSecret()))}, {"malformed", []byte(good[:40])}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Lookup(c.key)
			}
		})
	}
}
