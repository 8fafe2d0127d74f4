package report

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestWriteRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r := generated(t, 40, 1)
	r.Version = 0
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	if r.Version != 0 {
		t.Error("Write changed the result")
	}
	r.Version = Version
	for _, path := range []string{dir, filepath.Join(dir, FileName)} {
		got, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, r) {
			t.Errorf("%s: what was read is not what was written", path)
		}
	}
	r.Run = "another"
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil || got.Run != "another" {
		t.Errorf("run %v, %v, want the later one", got, err)
	}
	if names := entries(t, dir); len(names) != 1 || names[0] != FileName {
		t.Errorf("the folder holds %q, want the result alone", names)
	}
}

// TestWriteKeepsOld: what cannot be written whole leaves the file as it was, and nothing beside it.
func TestWriteKeepsOld(t *testing.T) {
	dir := t.TempDir()
	r := generated(t, 30, 1)
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	bad := *r
	bad.DrainSeconds = 1 / zero
	if err := Write(dir, &bad); err == nil {
		t.Error("an infinite number has no JSON, want an error")
	}
	if got, err := Read(dir); err != nil || got.DrainSeconds != r.DrainSeconds {
		t.Errorf("after a failed write: %v", err)
	}
	// A folder in the file's place: the rename fails when all has been written.
	blocked := t.TempDir()
	if err := os.MkdirAll(filepath.Join(blocked, FileName, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(blocked, r); err == nil {
		t.Error("written over a folder")
	}
	if names := entries(t, blocked); len(names) != 1 {
		t.Errorf("left behind: %q", names)
	}
}

var zero float64

func entries(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

func TestReadErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"version":2,"load":[]}`: "is of version 2, this program knows version 1",
		`{"run":"x"}`:             "has no version",
		`{"version":1,"run":5}`:   "cannot unmarshal",
		`{"version":1`:            "unexpected end",
		``:                        "unexpected end",
	} {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q and the path", text, err, want)
		}
	}
	if _, err := Read(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
}
