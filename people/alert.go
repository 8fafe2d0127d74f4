package people

import (
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/millrace/millrace/people/identity"
)

// alertEvery is how often one person or id is told of.
const alertEvery = time.Hour

// alerts are lines in the log that people should act on.
type alerts struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	said map[identity.Key]time.Time // guarded by mu; no older than alertEvery
}

// clusterSize tells of an edge that was refused because a person would have had too many ids. Hashes only: the log is no place for ids of people.
func (a *alerts) clusterSize(r identity.Refusal, person uint64, most int) {
	if !a.due(identity.Key{Project: r.Project, H: person}) {
		return
	}
	a.log.Warn(fmt.Sprintf("an edge was refused: the person would have more than people.max_ids %d ids. Something sends one id for many people; find it by the hashes in view identities_q, and undo it with unmerge", most),
		"project", r.Project, "person_h", person, "a_h", r.AH, "b_h", r.BH, "kind", r.Kind.String())
}

// met tells of ids of two projects with one key in the dictionary.
func (a *alerts) met(m meeting) {
	if !a.due(m.lost) {
		return
	}
	a.log.Warn("ids of two projects have the same key in dictionary identity, so in views and segments one of them counts as a person of its own. That hardly happens by chance: an id may have been made for it",
		"project", m.lost.Project, "user_h", m.lost.H, "other_project", m.kept.Project, "other_user_h", m.kept.H)
}

// due tells whether something has not been said of k lately, and notes that it is now.
func (a *alerts) due(k identity.Key) bool {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.said, func(_ identity.Key, at time.Time) bool { return now.Sub(at) >= alertEvery })
	if _, lately := a.said[k]; lately {
		return false
	}
	if a.said == nil {
		a.said = make(map[identity.Key]time.Time)
	}
	a.said[k] = now
	return true
}
