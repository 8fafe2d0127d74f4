package topics

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/cmd/internal/datadir"
)

// Pin is what table logs has settled for a topic: the number of this life of it, and how many partitions are written to.
type Pin struct {
	Log        uint16 `json:"log"`
	Partitions int    `json:"partitions"`
}

// Pins holds the pins of both topics of one cluster.
type Pins struct {
	ClusterID  string `json:"cluster_id"`
	Events     Pin    `json:"events"`
	Quarantine Pin    `json:"quarantine"`
}

const pinsFile = "pins.json"

// SavePins writes the pins into the data directory, for a later start without ClickHouse.
func SavePins(dir string, p Pins) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := datadir.WriteFile(filepath.Join(dir, pinsFile), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("remember the partitions: %w", err)
	}
	return nil
}

// LoadPins reads what SavePins wrote; ok is false when nothing was ever written or it is of another cluster.
func LoadPins(dir, clusterID string) (p Pins, ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, pinsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return p, false, fmt.Errorf("read the remembered partitions: %w", err)
	}
	return p, p.ClusterID == clusterID, nil
}

// Check compares the pins with the topics as they are: fewer partitions than pinned cannot work, because events of one user would lie in partitions
// that no longer exist; more are left unused, which the returned warnings say.
func (p Pins) Check(t *Topics) (warnings []string, err error) {
	for _, c := range []struct {
		what   string
		pinned int
		now    int
	}{{"events", p.Events.Partitions, t.Events}, {"quarantine", p.Quarantine.Partitions, t.Quarantine}} {
		switch {
		case c.now < c.pinned:
			err = errors.Join(err, fmt.Errorf("the %s topic has %d partitions, %d were pinned at the first start: bring the old topic back, or start with a new one (broker.topic)", c.what, c.now, c.pinned))
		case c.now > c.pinned:
			warnings = append(warnings, fmt.Sprintf("the %s topic has %d partitions, events go to the %d pinned at the first start, so that each user stays in one partition", c.what, c.now, c.pinned))
		}
	}
	return warnings, err
}
