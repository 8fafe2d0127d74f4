package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/twmb/franz-go/pkg/kfake"
)

// ErrLogLost says that the log ends below an offset that it had reached before: files are missing or older than the rest.
var ErrLogLost = errors.New("the broker's log has lost records")

const (
	trimmedFile    = "trimmed.json"
	trimmedVersion = 1
)

// trimmed is the file of how far each partition was trimmed at most. It is written before the log is trimmed.
type trimmed struct {
	dir     string
	offsets map[string]map[int32]int64
}

type trimmedJSON struct {
	Version int                        `json:"version"`
	Trimmed map[string]map[int32]int64 `json:"trimmed"`
}

// loadTrimmed reads the file below dir; a missing one is empty.
func loadTrimmed(dir string) (*trimmed, error) {
	t := &trimmed{dir: dir, offsets: make(map[string]map[int32]int64)}
	path := filepath.Join(dir, trimmedFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read how far the log was trimmed: %w", err)
	}
	var j trimmedJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; restore it from a copy, or move %s away to begin a new log", path, err, dir)
	}
	if j.Version != trimmedVersion {
		return nil, fmt.Errorf("%s has version %d, this program knows %d; use the program that wrote it", path, j.Version, trimmedVersion)
	}
	if j.Trimmed != nil {
		t.offsets = j.Trimmed
	}
	return t, nil
}

// raise writes down that a partition will be trimmed to an offset. It returns when the file and its folder are on disk.
func (t *trimmed) raise(topic string, partition int32, offset int64) error {
	if offset <= t.offsets[topic][partition] {
		return nil
	}
	before, had := t.offsets[topic][partition]
	if t.offsets[topic] == nil {
		t.offsets[topic] = make(map[int32]int64)
	}
	t.offsets[topic][partition] = offset
	if err := t.write(); err != nil {
		if had {
			t.offsets[topic][partition] = before
		} else {
			delete(t.offsets[topic], partition)
		}
		return fmt.Errorf("write down how far the log is trimmed: %w", err)
	}
	return nil
}

func (t *trimmed) write() error {
	b, err := json.Marshal(trimmedJSON{Version: trimmedVersion, Trimmed: t.offsets})
	if err != nil {
		return err
	}
	return datadir.WriteFile(filepath.Join(t.dir, trimmedFile), append(b, '\n'), 0o600)
}

// check compares the log with the file. A partition is never trimmed beyond its last batch, so its end is always above.
func (t *trimmed) check(cluster *kfake.Cluster) error {
	var errs []error
	for topic, partitions := range t.offsets {
		for partition, offset := range partitions {
			var end int64
			if info := cluster.PartitionInfo(topic, partition); info != nil {
				end = info.HighWatermark
			}
			if end <= offset {
				errs = append(errs, fmt.Errorf("%s partition %d ends at offset %d, but was trimmed up to %d before", topic, partition, end, offset))
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: were files of %s deleted, or restored from an older copy? "+
		"Restore all of it from one copy, or move it away: then a new log begins, with a cluster id of its own, so that what was loaded from the old one stays apart: %w",
		ErrLogLost, t.dir, errors.Join(errs...))
}
