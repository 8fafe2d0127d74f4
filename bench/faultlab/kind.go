package faultlab

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/load"
)

// Suites of kinds. The full one holds the short one.
const (
	Short = "short"
	Full  = "full"
)

// Kind is one kind of fault, as it is run: a stack of its own, one plan, one comparison at the end.
type Kind struct {
	Name     string
	Suite    string
	Describe string
	// Injections is how many are planned when nothing else is said.
	Injections int
	// Many is how many are planned in the full suite; 0: as many as else.
	Many       int
	Sinks      int // processes; default 1
	Partitions int // of a topic; default 4
	// Failpoints: the binary must be built with them.
	Failpoints bool
	// Resend is what clients do; default load.Unclear.
	Resend load.ResendPolicy
	// Plan draws n injections. It may use nothing but r.
	Plan func(r *rand.Rand, n int) []Injection
	// Prepare changes the stack before the load begins. Nil: nothing.
	Prepare func(ctx context.Context, l *lab) error
	// Check looks at what is peculiar to the kind, after everything was stored. Nil: nothing.
	Check func(ctx context.Context, l *lab) []string

	sinkEnv    []string      // of the sinks, beside what all have
	sinkConfig []string      // lines of section sink, beside those that all have
	rebalance  time.Duration // sink.rebalance_timeout; 0: as usual
}

// Kinds lists the kinds of a suite in the order that they are run.
func Kinds(suite string) ([]*Kind, error) {
	switch suite {
	case Short:
		return shortKinds(), nil
	case Full:
		return append(shortKinds(), fullKinds()...), nil
	}
	return nil, fmt.Errorf("%w: suite %q: choose %s or %s", ErrUsage, suite, Short, Full)
}

// find picks kinds by name, in the order of the list.
func find(names []string) ([]*Kind, error) {
	all := append(shortKinds(), fullKinds()...)
	var found []*Kind
	for _, k := range all {
		if slices.Contains(names, k.Name) {
			found = append(found, k)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(k *Kind) bool { return k.Name == name }) {
			return nil, fmt.Errorf("%w: no kind of fault is called %q: `millrace faultlab list` names them%s", ErrUsage, name, similar(name, all))
		}
	}
	return found, nil
}

func similar(name string, all []*Kind) string {
	var near []string
	for _, k := range all {
		if strings.Contains(k.Name, name) || strings.Contains(name, k.Name) {
			near = append(near, k.Name)
		}
	}
	if len(near) == 0 {
		return ""
	}
	return "; perhaps " + strings.Join(near, ", ")
}

// random is the source of everything that is drawn for a kind: the seed and the kind's name fix it, so that a kind alone draws what it draws among others.
func random(seed uint64, kind string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(kind)) // never fails
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// planned is how many injections a run of the suite has when nothing else is said.
func (k *Kind) planned(suite string) int {
	if suite == Full && k.Many > 0 {
		return k.Many
	}
	return k.Injections
}

// Schedule is the plan of a kind for a seed. n of 0 means Kind.Injections.
func (k *Kind) Schedule(seed uint64, n int) []Injection {
	if n <= 0 {
		n = k.Injections
	}
	plan := k.Plan(random(seed, k.Name), n)
	for i := range plan {
		plan[i].Number = i + 1
	}
	return plan
}

func (k *Kind) sinks() int      { return max(k.Sinks, 1) }
func (k *Kind) partitions() int { return max(max(k.Partitions, 4), k.sinks()) }

func (k *Kind) resend() load.ResendPolicy {
	if k.Resend == load.Never {
		return load.Unclear
	}
	return k.Resend
}

// between draws a time.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return (from + time.Duration(r.Int64N(int64(to-from)+1))).Round(time.Millisecond)
}

// pick draws one of several.
func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
