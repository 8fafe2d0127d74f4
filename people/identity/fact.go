package identity

import "fmt"

// Kind is what kind of event made a statement about ids.
type Kind uint8

// The kinds, with the numbers that table identity_edges gives them.
const (
	Identify Kind = 1 + iota
	Alias
	Merge
	Unmerge
)

var kindNames = [...]string{Identify: "identify", Alias: "alias", Merge: "merge", Unmerge: "unmerge"}

// String is the type of the events of kind k.
func (k Kind) String() string {
	if k < Identify || k > Unmerge {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Key is an id: cityHash64 of it, in the project that it is known in.
type Key struct {
	Project uint32
	H       uint64
}

// Edge is what one event says about two ids, or about one: then B is empty and BH is 0. A is the known user of an identify or alias, and the id of the lower
// hash in a merge or unmerge.
type Edge struct {
	Project uint32
	A, B    string
	AH, BH  uint64 // cityHash64 of A and B
	Kind    Kind
	Place   Place
}

// Fact is e as a fact that one event has stated.
func (e Edge) Fact() Fact {
	return Fact{Project: e.Project, AH: e.AH, BH: e.BH, Kind: e.Kind, First: e.Place, Last: e.Place}
}

// Fact is a statement about two ids, with the places of the earliest and the latest event that made it. BH is 0 when it is about one id.
type Fact struct {
	Project     uint32
	AH, BH      uint64
	Kind        Kind
	First, Last Place
}

// Reason is why an edge is refused. The zero value is none.
type Reason uint8

const (
	// TwoUsers refuses an identify or alias between two persons that both hold a known user.
	TwoUsers Reason = 1 + iota
	// ClusterSize refuses what would give a person more ids than the graph allows.
	ClusterSize
)

// String is the reason as metrics name it; empty for none.
func (r Reason) String() string {
	switch r {
	case TwoUsers:
		return "two_users"
	case ClusterSize:
		return "cluster_size"
	}
	return ""
}
