package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// FileName is the name of a result in its folder.
const FileName = "result.json"

// Write writes the result into the folder, which it makes if need be. The file is there whole or, after an error, as it was before.
func Write(dir string, r *Result) error {
	if err := write(dir, r); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func write(dir string, r *Result) (err error) {
	versioned := *r
	versioned.Version = Version
	text, err := json.Marshal(&versioned)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, FileName+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(append(text, '\n'))
	// Its bytes must be on the disk before its name is: after a power cut an empty file under the right name would be worse than none.
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, FileName))
}

// Read reads a result; path is the file or its folder.
func Read(path string) (*Result, error) {
	r, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	return r, nil
}

func read(path string) (*Result, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, FileName)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	// The version comes first: what else is there may have another shape.
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch v := head.Version; {
	case v == nil:
		return nil, fmt.Errorf("%s: has no version, so it is not the result of a run", path)
	case *v != Version:
		return nil, fmt.Errorf("%s: is of version %d, this program knows version %d: read it with the program that wrote it", path, *v, Version)
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}
