package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

func load(t *testing.T, opts Options) Config {
	t.Helper()
	c := Default()
	if _, err := Load(&c, opts); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		opts         Options
		profile      string
		listen, data string
		warnings     int
	}{
		{Options{}, "dev", "127.0.0.1:7080", "./data", 0},
		{Options{Flags: map[string]string{"profile": "small"}}, "small", ":7080", "/var/lib/millrace", 0},
		{Options{Flags: map[string]string{"profile": "prod"}}, "prod", ":7080", "/var/lib/millrace", 2},
		{Options{Flags: map[string]string{"profile": "prod", "data": "/x", "ingest.listen": "10.0.0.1:80", "broker.addresses": "a:9092"}}, "prod", "10.0.0.1:80", "/x", 1},
		{Options{Flags: map[string]string{"profile": "prod", "broker.addresses": "a:9092", "clickhouse.addresses": "b:9000"}}, "prod", ":7080", "/var/lib/millrace", 0},
	} {
		got := load(t, c.opts)
		if got.Profile != c.profile || got.Ingest.Listen != c.listen || got.Data != c.data || len(got.Warnings()) != c.warnings {
			t.Errorf("%v: profile %s, listen %s, data %s, warnings %q", c.opts.Flags, got.Profile, got.Ingest.Listen, got.Data, got.Warnings())
		}
	}
}

// TestEverySectionIsChecked: one bad value in each section, all reported together, each with the flag that set it.
func TestEverySectionIsChecked(t *testing.T) {
	bad := map[string]string{
		"data": "", "ingest.listen": "x", "limits.max_depth": "0", "pipeline.ring_entries": "1", "broker.addresses": "nowhere", "sink.block_rows": "0",
		"clickhouse.database": "a-b", "admin.listen": "x", "log.level": "loud", "profile": "test",
	}
	c := Default()
	_, err := Load(&c, Options{Flags: bad})
	var problems *Error
	if !errors.As(err, &problems) {
		t.Fatalf("got %v", err)
	}
	found := map[string]bool{}
	for _, p := range problems.Problems {
		key, _, _ := strings.Cut(p.Key, "[")
		if p.Where != "flag --"+key {
			t.Errorf("%v is reported at %q", p, p.Where)
		}
		found[key] = true
	}
	for key := range bad {
		if !found[key] {
			t.Errorf("nothing about %s in %v", key, err)
		}
	}
	if len(found) != len(bad) {
		t.Errorf("%d keys reported, want %d: %v", len(found), len(bad), err)
	}
}

// TestSectionsFitTogether: what a request may be must fit where requests wait.
func TestSectionsFitTogether(t *testing.T) {
	c := Default()
	_, err := Load(&c, Options{Flags: map[string]string{"pipeline.ring-bytes": "8MiB", "ingest.max-decompressed-bytes": "9MiB"}})
	if err == nil || !strings.Contains(err.Error(), "flag --pipeline.ring-bytes: pipeline.ring_bytes: 8388608 is below ingest.max_decompressed_bytes (9437184)") {
		t.Errorf("got %v", err)
	}
}

// TestSecretsAreMasked: a password must show nowhere in printed configuration, whoever declared its type.
func TestSecretsAreMasked(t *testing.T) {
	c := Default()
	r, err := Load(&c, Options{Env: []string{
		"MILLRACE_BROKER__SASL__MECHANISM=plain", "MILLRACE_BROKER__SASL__USERNAME=u", "MILLRACE_BROKER__SASL__PASSWORD=hunter2",
		"MILLRACE_CLICKHOUSE__PASSWORD=hunter2",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if string(c.Broker.SASL.Password) != "hunter2" || string(c.ClickHouse.Password) != "hunter2" {
		t.Error("a password was not loaded")
	}
	var b strings.Builder
	if err := r.WriteYAML(&b, true); err != nil {
		t.Fatal(err)
	}
	out := b.String() + fmt.Sprintf("%+v %#v", r.Values(), c)
	if strings.Contains(out, "hunter2") || strings.Count(b.String(), `password: "********"`) != 2 {
		t.Errorf("printed:\n%s", out)
	}
}

// reference documents every key, with its default.
const reference = "../../../configs/millrace.yaml"

// TestReferenceIsComplete: the shipped file sets each key, to the default, so it can neither forget one nor lie about it.
func TestReferenceIsComplete(t *testing.T) {
	if _, err := os.Stat(reference); err != nil {
		t.Fatal(err)
	}
	var c Config
	r, err := Load(&c, Options{File: reference})
	if err != nil {
		t.Fatal(err)
	}
	defaults := Default()
	for i, k := range Keys(&defaults) {
		v := r.Values()[i]
		if v.Path != k.Path {
			t.Fatalf("key %d is %s, want %s", i, v.Path, k.Path)
		}
		if v.Origin.Source != FromFile {
			t.Errorf("%s is missing", k.Path)
		} else if v.Value != k.Value {
			t.Errorf("%v: %s is %s, the default is %s", v.Origin, k.Path, v.Value, k.Value)
		}
	}
}
