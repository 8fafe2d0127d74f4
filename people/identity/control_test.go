package identity_test

import (
	"testing"

	"github.com/millrace/millrace/people/identity"
)

// TestComparisonFindsWrongRules shows that a graph that had one of these mistakes would not pass for right: the oracle with it differs from the graph without.
func TestComparisonFindsWrongRules(t *testing.T) {
	for _, m := range mistakes {
		t.Run(string(m), func(t *testing.T) {
			caught := 0
			for seed := range uint64(controlSeeds) {
				s := newStream(seed)
				if s.run(compare(identity.New(s.maxIDs), s.maxIDs, m)) != nil {
					caught++
				}
			}
			t.Logf("found in %d of %d streams", caught, controlSeeds)
			if caught == 0 {
				t.Error("nothing shows it")
			}
		})
	}
}

// The following are graphs that go wrong in what they keep from one Settle to the next.

type losesRepeats struct {
	*identity.Graph
	seen map[statement]bool
}

func (g losesRepeats) Add(f identity.Fact) {
	if s := statementOf(f); !g.seen[s] {
		g.seen[s] = true
		g.Graph.Add(f)
	}
}

type keepsRemoved struct{ *identity.Graph }

func (g keepsRemoved) Remove(identity.Key) {}

// returnsChanges returns only the ids whose person is another one.
type returnsChanges struct{ *identity.Graph }

func (g returnsChanges) Settle() identity.Settled {
	s := g.Graph.Settle()
	var changed []identity.Assignment
	for _, a := range s.Persons {
		if a.PersonH != a.Was {
			changed = append(changed, a)
		}
	}
	s.Persons = changed
	return s
}

// settlesAlone works out each fact without what else is in its reach.
type settlesAlone struct {
	*identity.Graph
	maxIDs int
	now    *identity.Graph
}

func (g *settlesAlone) Add(f identity.Fact) {
	g.Graph.Add(f)
	g.now.Add(f)
}

func (g *settlesAlone) Settle() identity.Settled {
	g.Graph.Settle()
	s := g.now.Settle()
	g.now = identity.New(g.maxIDs)
	return s
}

type refusesAgain struct {
	*identity.Graph
	refused []identity.Refusal
}

func (g *refusesAgain) Settle() identity.Settled {
	s := g.Graph.Settle()
	g.refused = append(g.refused, s.Refused...)
	s.Refused = g.refused
	return s
}

// TestComparisonFindsWrongGraphs shows the same for mistakes of another kind.
func TestComparisonFindsWrongGraphs(t *testing.T) {
	for name, wrong := range map[string]func(maxIDs int) graph{
		"repeats are dropped":              func(n int) graph { return losesRepeats{identity.New(n), map[statement]bool{}} },
		"removing does nothing":            func(n int) graph { return keepsRemoved{identity.New(n)} },
		"unchanged ids are not returned":   func(n int) graph { return returnsChanges{identity.New(n)} },
		"new facts are looked at alone":    func(n int) graph { return &settlesAlone{identity.New(n), n, identity.New(n)} },
		"refusals are returned every time": func(n int) graph { return &refusesAgain{Graph: identity.New(n)} },
	} {
		t.Run(name, func(t *testing.T) {
			caught := 0
			for seed := range uint64(controlSeeds) {
				s := newStream(seed)
				if s.run(compare(wrong(s.maxIDs), s.maxIDs, none)) != nil {
					caught++
				}
			}
			t.Logf("found in %d of %d streams", caught, controlSeeds)
			if caught == 0 {
				t.Error("nothing shows it")
			}
		})
	}
}
