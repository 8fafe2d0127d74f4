package keys

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/schema"
)

// Texts as the SDK families have them.
var foreign = map[string]string{
	"posthog":  "phc_0123456789abcdefghijABCDEFGHIJ0123456789abc",
	"segment":  "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345",
	"ampl":     "0123456789abcdef0123456789abcdef",
	"mixpanel": "fedcba98765432100123456789abcdef",
	"jitsu":    "js.0123456789abcdef:ABCDEFGHIJKLMNOPQRSTUVWX",
	"shortest": "sixteen-bytes-16",
	"longest":  strings.Repeat("k", 256),
	"unicode":  "ключ-от-дома-☃",
}

func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "prod", "")
	own := create(t, s, "own", 9, "prod")
	want := map[string]Key{}
	for i, name := range slices.Sorted(maps.Keys(foreign)) {
		k := Key{Name: name, Project: uint32(1 + i%3), Env: "prod", Scopes: Ingest, Dialect: dialects[i%len(dialects)], HasDialect: true, Address: addresses[i%len(addresses)]}
		id, err := s.Adopt(k, NewSecret(foreign[name]))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if k.ID = id; !validID(id) {
			t.Errorf("%s: id %q", name, id)
		}
		want[foreign[name]] = k
	}
	for range 2 {
		for text, k := range want {
			if got, ok := s.Lookup([]byte(text)); !ok || got != k {
				t.Errorf("%q: %+v, %v, want %+v", text, got, ok, k)
			}
			for _, other := range []string{text[:len(text)-1], text + "x", text[1:], " " + text, strings.ToUpper(text) + "!", text + "\x00"} {
				if got, ok := s.Lookup([]byte(other)); ok && want[other] != got {
					t.Errorf("%q was taken for %+v", other, got)
				}
			}
		}
		if got, ok := s.Lookup([]byte(own)); !ok || got.Name != "own" || got.HasDialect {
			t.Errorf("the own key: %+v, %v", got, ok)
		}
		if n, p := s.Len(), s.Projects(); n != len(foreign)+1 || !slices.Equal(p, []uint32{1, 2, 3, 9}) {
			t.Errorf("%d keys of the projects %v", n, p)
		}
		s = open(t, dir, "prod", "")
	}

	text, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range foreign {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("the file holds %q", secret)
		}
		if sum := fmt.Sprintf("sha256: \"%x\"", sha256.Sum256([]byte(secret))); !bytes.Contains(text, []byte(sum)) {
			t.Errorf("the file lacks %s", sum)
		}
	}
	if n := bytes.Count(text, []byte("    adopted: true\n")); n != len(foreign) {
		t.Errorf("%d keys are marked:\n%s", n, text)
	}
}

// An adopted text is no secret of a key of this program's form, although both are SHA-256 in one file.
func TestAdoptedTextIsNoSecret(t *testing.T) {
	s := open(t, t.TempDir(), "prod", "")
	text := foreign["ampl"] // as long as a secret
	if len(text) != secretLen {
		t.Fatalf("%q has %d bytes", text, len(text))
	}
	id, err := s.Adopt(Key{Name: "a", Project: 1, Env: "prod", Scopes: Ingest}, NewSecret(text))
	if err != nil {
		t.Fatal(err)
	}
	forged := compose("prod", keyID([]byte(id)), text)
	if _, ok := parse([]byte(forged)); !ok {
		t.Fatalf("%q is not well formed", forged)
	}
	if k, ok := s.Lookup([]byte(forged)); ok {
		t.Errorf("%q was taken for %+v", forged, k)
	}
	good := create(t, s, "b", 1, "prod")
	p, _ := parse([]byte(good))
	if k, ok := s.Lookup(p.secret); ok {
		t.Errorf("a secret alone was taken for %+v", k)
	}
}

// No refusal shows the text, and none leaves a trace in the file.
func TestAdoptRefuses(t *testing.T) {
	const dev = "the-development-key"
	s := open(t, t.TempDir(), "dev", dev)
	if _, err := s.Adopt(Key{Name: "first", Project: 4, Env: "prod", Scopes: Ingest}, NewSecret(foreign["segment"])); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	made := create(t, open(t, t.TempDir(), "prod", ""), "elsewhere", 1, "prod")
	good := Key{Name: "x", Project: 1, Env: "prod", Scopes: Ingest}
	with := func(f func(*Key)) Key {
		k := good
		f(&k)
		return k
	}
	for _, c := range []struct {
		name string
		key  Key
		text string
		want string
	}{
		{"empty", good, "", "has 0 bytes, fewer than 16"},
		{"short", good, "fifteen-bytes15", "has 15 bytes, fewer than 16"},
		{"long", good, strings.Repeat("k", 257), "has 257 bytes, more than the 256"},
		{"own form", good, made, "begins with mr_"},
		{"nearly own form", good, "mr_prod_something-else", "begins with mr_"},
		{"own of the process", good, s.Own(1).Reveal(), "begins with own_"},
		{"nearly own of the process", good, "own_and_then_something", "begins with own_"},
		{"space", good, "sixteen bytes and a space", "white space"},
		{"no-break space", good, "sixteen-bytes\u00a0no-break", "white space"},
		{"line end", good, "sixteen-bytes-and-a-line-end\n", "white space"},
		{"control", good, "sixteen-bytes-\x00-and-zero", "cannot be seen"},
		{"zero width", good, "sixteen-bytes-\u200b-nothing", "cannot be seen"},
		{"not UTF-8", good, "sixteen-bytes-\xff-and-more", "not UTF-8"},
		{"development key", good, dev, "is the development key"},
		{"adopted by another project", good, foreign["segment"], "is adopted already, as key "},
		{"adopted by the same project", with(func(k *Key) { k.Project = 4 }), foreign["segment"], "of project 4"},
		{"query", with(func(k *Key) { k.Scopes = Query }), foreign["ampl"], "scope ingest only, not query"},
		{"ingest and query", with(func(k *Key) { k.Scopes |= Query }), foreign["ampl"], "scope ingest only, not ingest, query"},
		{"manage", with(func(k *Key) { k.Scopes |= Manage }), foreign["ampl"], "scope ingest only"},
		{"no scope", with(func(k *Key) { k.Scopes = 0 }), foreign["ampl"], "no scope"},
		{"no project", with(func(k *Key) { k.Project = 0 }), foreign["ampl"], "project 0"},
		{"name", with(func(k *Key) { k.Name = "<" + foreign["ampl"] + ">" }), foreign["ampl"], "its name contains the text"},
		{"no name", with(func(k *Key) { k.Name = "" }), foreign["ampl"], "name"},
		{"environment", with(func(k *Key) { k.Env = "Prod" }), foreign["ampl"], "environment"},
	} {
		id, err := s.Adopt(c.key, NewSecret(c.text))
		if !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), c.want) || id != "" {
			t.Errorf("%s: %q, %v, want %s", c.name, id, err, c.want)
			continue
		}
		// What is shown of a text is at most a beginning that all such texts have.
		if shown := err.Error(); len(c.text) > 4 && strings.Contains(shown, c.text[4:]) {
			t.Errorf("%s: the text shows: %s", c.name, shown)
		}
		if n := strings.Count(err.Error(), "create key"); n != 1 {
			t.Errorf("%s: it says %d times what it does: %v", c.name, n, err)
		}
	}
	after, err := os.ReadFile(s.Path())
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v; the file was\n%s\nand is\n%s", err, before, after)
	}
}

// Two stores on one directory are what two processes are: one of them adopts the text.
func TestAdoptConcurrently(t *testing.T) {
	dir := t.TempDir()
	stores := []*Store{open(t, dir, "prod", ""), open(t, dir, "prod", "")}
	var ids [8]string
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			id, err := stores[i%2].Adopt(Key{Name: "x", Project: uint32(1 + i), Env: "prod", Scopes: Ingest}, NewSecret(foreign["jitsu"]))
			if err != nil && !strings.Contains(err.Error(), "is adopted already") {
				t.Error(err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	winner := slices.IndexFunc(ids[:], func(id string) bool { return id != "" })
	if winner < 0 || slices.ContainsFunc(ids[winner+1:], func(id string) bool { return id != "" }) {
		t.Fatalf("ids %q", ids)
	}
	if k, ok := open(t, dir, "prod", "").Lookup([]byte(foreign["jitsu"])); !ok || k.ID != ids[winner] || k.Project != uint32(1+winner) {
		t.Errorf("%+v, %v, want %s", k, ok, ids[winner])
	}
}

// What web pages show must not become the key that may do everything, whichever of the two came first.
func TestDevKeyIsNotAdopted(t *testing.T) {
	text := foreign["posthog"]
	dir := t.TempDir()
	s := open(t, dir, "prod", "")
	id, err := s.Adopt(Key{Name: "web", Project: 1, Env: "prod", Scopes: Ingest}, NewSecret(text))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrDevKey) || !strings.Contains(err.Error(), "adopted key "+id) || strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, profile := range []string{"dev", "small"} {
		_, err := Open(dir, profile, text)
		refused(profile, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "dev-key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the refused development key was kept: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dev-key"), []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, "dev", "")
	refused("file", err)

	// A server that runs with the text does not take it for the lesser key.
	dir = t.TempDir()
	running := open(t, dir, "small", text)
	if id, err = open(t, dir, "prod", "").Adopt(Key{Name: "web", Project: 2, Env: "prod", Scopes: Ingest}, NewSecret(text)); err != nil {
		t.Fatal(err)
	}
	refused("reload", running.Reload())
	if k, ok := running.Lookup([]byte(text)); !ok || k.ID != "dev" {
		t.Errorf("%+v, %v", k, ok)
	}
}

func TestAdoptedTextsDoNotShow(t *testing.T) {
	s := open(t, t.TempDir(), "prod", "")
	text := foreign["mixpanel"]
	if _, err := s.Adopt(Key{Name: "x", Project: 1, Env: "prod", Scopes: Ingest}, NewSecret(text)); err != nil {
		t.Fatal(err)
	}
	k, ok := s.Lookup([]byte(text))
	if !ok {
		t.Fatal("not found")
	}
	var out strings.Builder
	slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "key", k, "snapshot", s.current.Load())
	fmt.Fprintf(&out, "%+v %#v %+v", k, k, s.current.Load())
	if strings.Contains(out.String(), text) {
		t.Errorf("the text shows in %s", out.String())
	}
}

// What a key says of its clients is read from the file as it was written, and keys without it are as they always were.
func TestClientsOfAKey(t *testing.T) {
	if len(dialects) != int(schema.NumDialects) {
		t.Errorf("%d of %d dialects are offered", len(dialects), schema.NumDialects)
	}
	dir := t.TempDir()
	s := open(t, dir, "prod", "")
	want := map[string]Key{}
	add := func(k Key) {
		k.Name, k.Project, k.Env, k.Scopes = "k", 1, "prod", Ingest|Query
		secret, err := s.Create(k)
		if err != nil {
			t.Fatal(err)
		}
		k.ID = secret.Reveal()[8:16]
		want[secret.Reveal()] = k
	}
	for _, d := range dialects {
		if got, err := ParseDialect(d.String()); got != d || err != nil {
			t.Errorf("%s: %v, %v", d, got, err)
		}
		for _, a := range addresses {
			add(Key{Dialect: d, HasDialect: true, Address: a})
		}
	}
	for _, a := range addresses {
		if got, err := ParseAddress(a.String()); got != a || err != nil {
			t.Errorf("%s: %v, %v", a, got, err)
		}
		add(Key{Address: a})
	}
	s = open(t, dir, "prod", "")
	for text, k := range want {
		if got, ok := s.Lookup([]byte(text)); !ok || got != k {
			t.Errorf("%+v, %v, want %+v", got, ok, k)
		}
	}
	for _, word := range []string{"", "PostHog", "rudderstack", "posthog "} {
		if _, err := ParseDialect(word); !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), "choose from native, segment, posthog, amplitude, mixpanel") {
			t.Errorf("dialect %q: %v", word, err)
		}
		if _, err := ParseAddress(word); !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), "choose from keep, truncate, hash, drop") {
			t.Errorf("address %q: %v", word, err)
		}
	}
}

// Files of version 2 knew neither dialects nor addresses; their keys have none, and have none after the next key was made.
func TestKeysOfVersion2(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "prod", "")
	key := create(t, s, "old", 5, "prod")
	text, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	old := bytes.Replace(text, []byte("version: 3\n"), []byte("version: 2\n"), 1)
	if bytes.Equal(old, text) || bytes.Contains(old, []byte("dialect")) || bytes.Contains(old, []byte("address")) || bytes.Contains(old, []byte("adopted")) {
		t.Fatalf("this is no file of version 2:\n%s", old)
	}
	if err := os.WriteFile(s.Path(), old, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, "prod", "")
	want := Key{ID: key[8:16], Project: 5, Name: "old", Env: "prod", Scopes: Ingest}
	if got, ok := s.Lookup([]byte(key)); !ok || got != want {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	if _, err := s.Adopt(Key{Name: "new", Project: 5, Env: "prod", Scopes: Ingest}, NewSecret(foreign["ampl"])); err != nil {
		t.Fatal(err)
	}
	if got, ok := open(t, dir, "prod", "").Lookup([]byte(key)); !ok || got != want {
		t.Errorf("after the next key: %+v, %v, want %+v", got, ok, want)
	}
	if text, err = os.ReadFile(s.Path()); err != nil || !bytes.Contains(text, []byte("version: 3\n")) {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestBadFilesOfVersion3(t *testing.T) {
	record := func(id, more, sum string) string {
		return fmt.Sprintf("  - {id: %s, project: 1, name: x, env: dev, scope: [ingest], %screated: 2026-01-02T03:04:05Z, secrets: [{sha256: %q, created: 2026-01-02T03:04:05Z}]}\n", id, more, sum)
	}
	zero, one := strings.Repeat("00", 32), strings.Repeat("1a", 32)
	for _, c := range []struct{ keys, want string }{
		{record("a2345678", "", zero), ""},
		{record("a2345678", "dialect: posthog, address: hash, adopted: true, ", zero), ""},
		{record("a2345678", "adopted: true, ", zero) + record("b2345678", "adopted: true, ", one), ""},
		{record("a2345678", "adopted: true, ", zero) + record("b2345678", "adopted: false, ", zero), ""},
		{record("a2345678", "", zero) + record("b2345678", "", zero), ""},

		{record("a2345678", "dialect: PostHog, ", zero), `dialect "PostHog": choose from native`},
		{record("a2345678", "dialect: [posthog], ", zero), "dialect"},
		{record("a2345678", "dialect: 2, ", zero), `dialect "2"`},
		{record("a2345678", "address: mask, ", zero), `address "mask": choose from keep`},
		{record("a2345678", "address: {keep: 1}, ", zero), "address"},
		{record("a2345678", "adopted: maybe, ", zero), "adopted"},
		{record("a2345678", "adopt: true, ", zero), "unknown field"},
		{record("a2345678", "dialect: segment, dialect: posthog, ", zero), "already defined"},
		{strings.Replace(record("a2345678", "adopted: true, ", zero), "[ingest]", "[query]", 1), "scope query is too much for an adopted key"},
		{strings.Replace(record("a2345678", "adopted: true, ", zero), "[ingest]", "[ingest, manage]", 1), "too much for an adopted key"},
		{record("a2345678", "adopted: true, ", one) + record("b2345678", "adopted: true, ", strings.ToUpper(one)), `adopts the same text as key "a2345678"`},
		{record("a2345678", "adopted: true, ", one[:62]), "must be 64 hexadecimal digits"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "keys.yaml")
		if err := os.WriteFile(path, []byte("version: 3\nkeys:\n"+c.keys), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, "prod", "")
		if c.want == "" && err == nil {
			continue
		}
		if c.want == "" || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q\n got: %v\nwant: %s", c.keys, err, c.want)
		}
	}
}

// FuzzAdopt: what is adopted is found again, from the file too, and never by the way of keys made here.
func FuzzAdopt(f *testing.F) {
	for _, text := range foreign {
		f.Add(text)
	}
	f.Add("mr_prod_a2345678_")
	f.Add("own_1_00000000000000")
	f.Add("\u2028sixteen bytes")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "keys.yaml")
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, "prod", "")
		id, err := s.Adopt(Key{Name: "x", Project: 1, Env: "prod", Scopes: Ingest}, NewSecret(text))
		if err != nil {
			if _, ok := s.Lookup([]byte(text)); ok || !errors.Is(err, ErrBadKey) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if _, ok := parse([]byte(text)); ok {
			t.Errorf("%q reads as a key made here", text)
		}
		for range 2 {
			if k, ok := s.Lookup([]byte(text)); !ok || k.ID != id {
				t.Errorf("%q: %+v, %v", text, k, ok)
			}
			s = open(t, dir, "prod", "")
		}
	})
}
