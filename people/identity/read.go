package identity

import (
	"cmp"
	"slices"

	"github.com/go-faster/city"

	"github.com/millrace/millrace/schema"
)

// Event is the part of an event that names ids. Absent ids are empty.
type Event struct {
	Project     uint32
	Type        string // as in table events
	Dialect     string // as in table events
	DistinctID  string
	UserID      string
	AnonymousID string
	PreviousID  string
	Place       Place
}

// Read returns what e says about ids: nil for most types of events. Ids that cannot name a person say nothing, and neither does an id about itself. The texts in
// the edges are those of e.
func Read(e Event) []Edge {
	switch e.Type {
	case kindNames[Identify]:
		return e.identify()
	case kindNames[Alias]:
		return e.pair(Alias, cmp.Or(e.UserID, e.DistinctID))
	case kindNames[Merge]:
		return e.pair(Merge, e.DistinctID)
	case kindNames[Unmerge]:
		return e.pair(Unmerge, e.DistinctID)
	}
	if e.links() {
		return e.identify()
	}
	return nil
}

// Linking are the dialects in which every event says who is who, because their SDKs have no call of their own for it: apps set the user id, and from then on events bear it beside
// the device's.
var Linking = [...]string{schema.DialectAmplitude.String(), schema.DialectMixpanel.String()}

// links tells that e says that the user and the device it bears are one, whatever its type.
func (e Event) links() bool {
	return e.UserID != "" && e.AnonymousID != "" && slices.Contains(Linking[:], e.Dialect)
}

// identify is an edge for each other id that the event bears, or one that only says who is a known user.
func (e Event) identify() []Edge {
	known := cmp.Or(e.UserID, e.DistinctID)
	if illegal(known) || e.UserID == "" && (e.DistinctID == e.AnonymousID || e.Dialect == schema.DialectMixpanel.String()) {
		return nil // the latter are properties of one who may be a visitor still
	}
	edge := Edge{Project: e.Project, A: known, AH: hash(known), Kind: Identify, Place: e.Place}
	var edges []Edge
	for _, other := range [...]string{e.AnonymousID, e.DistinctID} {
		if illegal(other) {
			continue
		}
		h := hash(other)
		if h == edge.AH || len(edges) > 0 && edges[0].BH == h {
			continue
		}
		named := edge
		named.B, named.BH = other, h
		edges = append(edges, named)
	}
	if edges == nil {
		edges = []Edge{edge}
	}
	return edges
}

// pair is the edge between id and the previous id of e. A merge does not tell its sides apart, so the lower hash comes first and one pair is one fact.
func (e Event) pair(kind Kind, id string) []Edge {
	if illegal(id) || illegal(e.PreviousID) {
		return nil
	}
	edge := Edge{Project: e.Project, A: id, AH: hash(id), B: e.PreviousID, BH: hash(e.PreviousID), Kind: kind, Place: e.Place}
	if edge.AH == edge.BH {
		return nil
	}
	if kind != Alias && edge.AH > edge.BH {
		edge.A, edge.B, edge.AH, edge.BH = edge.B, edge.A, edge.BH, edge.AH
	}
	return []Edge{edge}
}

func illegal(id string) bool { return schema.IsIllegalID([]byte(id)) }

// hash is user_h of an id, as the sink writes it.
func hash(id string) uint64 { return city.CH64([]byte(id)) }
