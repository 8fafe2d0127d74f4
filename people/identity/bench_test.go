package identity_test

import (
	"testing"

	"github.com/millrace/millrace/people/identity"
)

const benchFacts = 2_000_000

func filled() *identity.Graph {
	g := identity.New(1000)
	for n := range benchFacts {
		g.Add(identified(n))
	}
	g.Prime()
	return g
}

// BenchmarkFill adds and settles two million users with a device each, as at a start.
func BenchmarkFill(b *testing.B) {
	b.ReportAllocs()
	var bytes int64
	for b.Loop() {
		bytes = filled().Bytes()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchFacts, "ns/fact")
	b.ReportMetric(float64(bytes)/benchFacts, "bytes/fact")
}

// BenchmarkFillSettle is the same with the assignments of everybody returned.
func BenchmarkFillSettle(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		g := identity.New(1000)
		for n := range benchFacts {
			g.Add(identified(n))
		}
		if s := g.Settle(); len(s.Persons) != 2*benchFacts {
			b.Fatalf("%d persons", len(s.Persons))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchFacts, "ns/fact")
}

// BenchmarkOneMore adds one user to two million, and settles.
func BenchmarkOneMore(b *testing.B) {
	g := filled()
	n := benchFacts
	b.ReportAllocs()
	for b.Loop() {
		g.Add(identified(n))
		g.Settle()
		n++
	}
}

// BenchmarkAgain adds a fact that is there among two million, seen once more, and settles.
func BenchmarkAgain(b *testing.B) {
	g := filled()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		f := identified(n * 7919 % benchFacts)
		f.Last.TS++
		g.Add(f)
		g.Settle()
		n++
	}
}

// BenchmarkPerson looks ids up among two million users.
func BenchmarkPerson(b *testing.B) {
	g := filled()
	n := 0
	for b.Loop() {
		g.Person(identity.Key{Project: 1, H: scatter(n * 7919 % (2 * benchFacts))})
		n++
	}
}

// BenchmarkSharedDevice is one more login on a device that 100,000 users have logged in on: one reach of them all.
func BenchmarkSharedDevice(b *testing.B) {
	g := identity.New(1000)
	n := 0
	login := func() {
		f := identified(n)
		f.BH = scatter(-1)
		g.Add(f)
		n++
	}
	for range 100_000 {
		login()
	}
	g.Settle()
	b.ReportAllocs()
	for b.Loop() {
		login()
		g.Settle()
	}
}
