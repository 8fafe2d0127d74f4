package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/millrace/millrace/cmd/internal/keys"
	"github.com/millrace/millrace/ingest"
	"github.com/millrace/millrace/schema"
)

// keysCommand runs millrace keys with the words and the standard input, and returns both outputs.
func keysCommand(t *testing.T, in io.Reader, words ...string) (out, errs string, err error) {
	t.Helper()
	cmd := newKeys()
	misuse(cmd)
	var o, e bytes.Buffer
	cmd.SetIn(in)
	cmd.SetOut(&o)
	cmd.SetErr(&e)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(words)
	err = cmd.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

// What the command was told of a key is what the door is told of it.
func TestKeysCreate(t *testing.T) {
	dir := t.TempDir()
	ring := func() keyring {
		store, err := keys.Open(dir, "prod", "")
		if err != nil {
			t.Fatal(err)
		}
		return keyring{store}
	}
	text := "phc_0123456789abcdefghijABCDEFGHIJ0123456789abc"
	colon := "js.0123456789abcdef:ABCDEFGHIJKLMNOPQRSTUVWX"
	for i, c := range []struct {
		words []string
		in    string
		text  string // that is adopted, else empty
		want  ingest.Key
	}{
		{nil, "", "", ingest.Key{Project: 1}},
		{[]string{"--project", "2", "--scope", "ingest,query"}, "", "", ingest.Key{Project: 2}},
		{[]string{"--scope", "query"}, "", "", ingest.Key{Project: 1, Forbidden: true}},
		{[]string{"--dialect", "native"}, "", "", ingest.Key{Project: 1, Dialect: schema.DialectNative, HasDialect: true}},
		{[]string{"--dialect", "posthog", "--address", "truncate"}, "", "", ingest.Key{Project: 1, Dialect: schema.DialectPostHog, HasDialect: true, Address: schema.TruncateAddress}},
		{[]string{"--address", "keep"}, "", "", ingest.Key{Project: 1}},
		{[]string{"--address", "drop"}, "", "", ingest.Key{Project: 1, Address: schema.DropAddress}},
		{[]string{"--adopt", text, "--dialect", "posthog"}, "", text, ingest.Key{Project: 1, Dialect: schema.DialectPostHog, HasDialect: true}},
		{[]string{"--adopt", "-", "--project", "3", "--dialect", "segment", "--address", "hash"}, colon + "\n", colon, ingest.Key{Project: 3, Dialect: schema.DialectSegment, HasDialect: true, Address: schema.HashAddress}},
		{[]string{"--adopt", "-"}, "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef", ingest.Key{Project: 1}},
		{[]string{"--adopt=-"}, "fedcba98765432100123456789abcdef\r\n", "fedcba98765432100123456789abcdef", ingest.Key{Project: 1}},
	} {
		name := fmt.Sprint("key ", i)
		out, errs, err := keysCommand(t, strings.NewReader(c.in), append([]string{"create", name, "--data", dir, "--profile", "prod"}, c.words...)...)
		if err != nil || errs != "" {
			t.Errorf("%s: %v\n%s", name, err, errs)
			continue
		}
		shown := strings.TrimSuffix(out, "\n")
		c.want.Name = name
		if c.text == "" {
			if !regexp.MustCompile(`^mr_prod_[0-9a-z]{8}_[0-9a-z]{32}_[0-9a-z]{7}$`).MatchString(shown) {
				t.Errorf("%s: printed %q", name, out)
				continue
			}
			c.text, c.want.ID = shown, shown[8:16]
		} else {
			if c.want.ID = shown; !regexp.MustCompile(`^[a-z][0-9a-z]{7}$`).MatchString(shown) {
				t.Errorf("%s: printed %q", name, out)
			}
		}
		if got, ok := ring().Lookup([]byte(c.text)); !ok || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, ok, c.want)
		}
		if got, ok := ring().Lookup([]byte(c.text + "x")); ok || got != (ingest.Key{}) {
			t.Errorf("%s: another text is %+v, %v", name, got, ok)
		}
	}
	file, err := os.ReadFile(filepath.Join(dir, "keys.yaml"))
	if err != nil || bytes.Contains(file, []byte(text)) || bytes.Contains(file, []byte(colon)) {
		t.Errorf("%v\n%s", err, file)
	}
}

func TestKeysCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	const text, dev = "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345", "0123456789abcdef0123456789abcdef"
	if _, _, err := keysCommand(t, strings.NewReader(text), "create", "first", "--adopt", "-", "--data", dir, "--profile", "prod"); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "keys.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(keys.DevKeyEnv, dev)
	var usage usageError
	for _, c := range []struct {
		words string
		in    io.Reader
		want  string
		usage bool
	}{
		{"--dialect PostHog", nil, `dialect "PostHog": choose from native, segment, posthog, amplitude, mixpanel`, true},
		{"--dialect=", nil, `dialect "": choose from`, true},
		{"--address mask", nil, `address "mask": choose from keep, truncate, hash, drop`, true},
		{"--address=", nil, `address "": choose from`, true},
		{"--scope read", nil, `scope "read"`, true},
		{"--dialect x --address y --scope z", nil, `address "y"`, true},
		{"--adopt=", nil, "has 0 bytes, fewer than 16", false},
		{"--adopt -", strings.NewReader(""), "has 0 bytes, fewer than 16", false},
		{"--adopt -", strings.NewReader("\n" + text), "white space", false},
		{"--adopt -", strings.NewReader(text + "\n\n"), "white space", false},
		{"--adopt -", strings.NewReader(text + "\n" + text + "\n"), "white space", false},
		{"--adopt -", strings.NewReader(strings.Repeat(text, 1000)), "has 1024 bytes, more than the 256", false},
		{"--adopt -", iotest.ErrReader(io.ErrClosedPipe), "read the key to adopt from the standard input: " + io.ErrClosedPipe.Error(), false},
		{"--adopt " + text + "6 --scope query", nil, "scope ingest only, not query", false},
		{"--adopt " + text + " --project 2", nil, "is adopted already, as key ", false},
		{"--adopt mr_" + text, nil, "begins with mr_", false},
		{"--adopt own_" + text, nil, "begins with own_", false},
		{"--adopt " + dev, nil, "is that of " + keys.DevKeyEnv, true},
		{"--adopt -", strings.NewReader(dev + "\n"), "is that of " + keys.DevKeyEnv, true},
	} {
		out, errs, err := keysCommand(t, c.in, append([]string{"create", "x", "--data", dir, "--profile", "prod"}, strings.Fields(c.words)...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &usage) != c.usage {
			t.Errorf("%s: %v, want %s", c.words, err, c.want)
			continue
		}
		if shown := out + errs + err.Error(); out != "" || strings.Contains(shown, text) || strings.Contains(shown, dev) {
			t.Errorf("%s: shows %s", c.words, shown)
		}
	}
	if after, err := os.ReadFile(filepath.Join(dir, "keys.yaml")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v; the file was\n%s\nand is\n%s", err, before, after)
	}
	// With the profile dev the key in the data directory counts.
	store, err := keys.Open(dir, "dev", "a-key-of-the-developer")
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := store.DevKey(); !ok || k.Reveal() != "a-key-of-the-developer" {
		t.Fatal("no development key")
	}
	if _, _, err := keysCommand(t, nil, "create", "x", "--data", dir, "--profile", "dev", "--adopt", "a-key-of-the-developer"); err == nil || !strings.Contains(err.Error(), "is the development key") {
		t.Errorf("the development key: %v", err)
	}
}

// Every word that can be said stands in the help.
func TestKeysCreateHelp(t *testing.T) {
	out, _, err := keysCommand(t, nil, "create", "--help")
	if err != nil {
		t.Fatal(err)
	}
	for d := range schema.NumDialects {
		if !strings.Contains(out, d.String()) {
			t.Errorf("the help lacks %s", d)
		}
	}
	for _, word := range []string{"keep", "truncate", "hash", "drop", "--adopt -", "history", "/batch", "/track", "as strong as its text"} {
		if !strings.Contains(out, word) {
			t.Errorf("the help lacks %s", word)
		}
	}
}
