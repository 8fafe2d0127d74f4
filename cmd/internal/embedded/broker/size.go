package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// logDir is where kfake keeps its files, below Config.Dir.
const logDir = "log"

// LogBytes returns the size of the log below dir (Config.Dir), in bytes, as its files say. It may be called by any process
// while the broker runs; a folder that does not exist yet is 0. It costs one look at each file, some hundred at most.
func LogBytes(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(filepath.Join(dir, logDir), func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // trimmed since its folder was read, or nothing was written yet
		}
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		n += info.Size()
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("size of the broker's log: %w", err)
	}
	return n, nil
}
