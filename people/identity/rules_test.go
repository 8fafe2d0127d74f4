package identity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/people/identity"
)

// letter is an id of the tests of rules: its hash is its place in the alphabet, so that a is the lowest.
func letter(t *testing.T, id string) uint64 {
	t.Helper()
	if len(id) != 1 || id[0] < 'a' || id[0] > 'z' {
		t.Fatalf("%q is no id of one letter", id)
	}
	return uint64(id[0] - 'a' + 1)
}

// facts reads statements such as "3 identify u d": at the moment 3, u was identified on d.
func facts(t *testing.T, statements []string) []identity.Fact {
	t.Helper()
	var all []identity.Fact
	for at, text := range statements {
		var ts int64
		var call, a, b string
		if n, _ := fmt.Sscan(text, &ts, &call, &a, &b); n < 3 {
			t.Fatalf("%q is no statement", text)
		}
		f := identity.Fact{Project: 1, AH: letter(t, a), First: identity.Place{TS: ts, Offset: uint64(at)}}
		if b != "" {
			f.BH = letter(t, b)
		}
		for f.Kind = identity.Identify; f.Kind.String() != call; f.Kind++ {
			if f.Kind == identity.Unmerge {
				t.Fatalf("%q is no kind", call)
			}
		}
		f.Last = f.First
		all = append(all, f)
	}
	return all
}

// persons is who the persons of more than one id are, such as "u:adu", sorted.
func persons(g *identity.Graph) string {
	seen := map[uint64]bool{}
	var all []string
	text := func(h uint64) string { return string(rune('a' + h - 1)) }
	for _, person := range g.All {
		if seen[person] {
			continue
		}
		seen[person] = true
		members := text(person) + ":"
		for _, h := range slices.Sorted(slices.Values(g.Members(identity.Key{Project: 1, H: person}))) {
			members += text(h)
		}
		all = append(all, members)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestRules(t *testing.T) {
	for _, test := range []struct {
		name    string
		facts   []string
		maxIDs  int // 0: 1000
		persons string
		refused string // of all facts at once
	}{
		{name: "nobody says anything"},
		{name: "an identify that names one id", facts: []string{"1 identify u"}},
		{name: "identify", facts: []string{"1 identify u d"}, persons: "u:du"},
		{name: "alias", facts: []string{"1 alias u d"}, persons: "u:du"},
		{name: "a user has many devices", facts: []string{"1 identify u d", "2 identify u e", "3 identify u f"}, persons: "u:defu"},
		{name: "the first user has the device", facts: []string{"2 identify v d", "1 identify u d"}, persons: "u:du", refused: "identify v d: two_users"},
		{name: "the first user has the device, though he said so again last", facts: []string{"2 identify v d", "1 identify u d", "9 identify u d"}, persons: "u:du", refused: "identify v d: two_users"},
		{name: "an alias of two known users", facts: []string{"1 identify u", "2 identify v", "3 alias u v"}, refused: "alias u v: two_users"},
		{name: "known later is known", facts: []string{"1 identify u v", "2 identify v"}, refused: "identify u v: two_users"},
		{name: "a chain of aliases makes each a known user", facts: []string{"1 alias w v", "2 alias v u"}, persons: "v:uv", refused: "alias w v: two_users"},
		{name: "each the alias of the other", facts: []string{"1 alias u v", "2 alias v u"}, refused: "alias u v: two_users, alias v u: two_users"},
		{name: "unknown ids do not connect users", facts: []string{"1 identify u d", "1 identify v e", "2 identify u e"}, persons: "u:du v:ev", refused: "identify u e: two_users"},

		{name: "merge", facts: []string{"1 merge u v"}, persons: "u:uv"},
		{name: "a merge of two known users", facts: []string{"1 identify u d", "2 identify v e", "3 merge u v"}, persons: "u:deuv"},
		{name: "merges hold before what was said earlier", facts: []string{"1 identify u d", "2 identify v e", "3 identify w e", "4 merge u w", "0 identify v d"}, persons: "u:uw v:dev", refused: "identify u d: two_users, identify w e: two_users"},
		{name: "a merge lets in what it unites", facts: []string{"1 identify u d", "2 identify v d", "9 merge u v"}, persons: "u:duv"},
		{name: "a cycle of merges", facts: []string{"1 merge u v", "2 merge v w", "3 merge u w"}, persons: "u:uvw"},
		{name: "a merge makes both known", facts: []string{"1 merge d e", "2 identify u d"}, persons: "d:de", refused: "identify u d: two_users"},

		{name: "unmerge undoes", facts: []string{"1 merge u v", "2 unmerge u v"}},
		{name: "unmerge the other way round", facts: []string{"1 merge u v", "2 unmerge v u"}},
		{name: "a merge after it merges again", facts: []string{"1 merge u v", "2 unmerge u v", "3 merge v u"}, persons: "u:uv"},
		{name: "an unmerge before has no effect", facts: []string{"2 merge u v", "1 unmerge u v"}, persons: "u:uv"},
		{name: "unmerge undoes identify", facts: []string{"1 identify u d", "2 unmerge u d"}},
		{name: "identify afterwards does not redo", facts: []string{"1 identify u d", "2 unmerge u d", "3 identify u d", "4 alias d u"}},
		{name: "identify afterwards, of a pair that was never one", facts: []string{"2 unmerge u d", "3 identify u d"}},
		{name: "a merge afterwards redoes all", facts: []string{"1 identify u d", "2 unmerge u d", "3 merge u d", "4 unmerge d e"}, persons: "d:du"},
		{name: "what is undone frees the device for the next", facts: []string{"1 identify u d", "2 identify v d", "3 unmerge d u"}, persons: "v:dv"},
		{name: "unmerge is of one pair only", facts: []string{"1 merge u v", "2 merge v w", "3 merge u w", "4 unmerge u v"}, persons: "u:uvw"},
		{name: "unmerge in the middle of a chain", facts: []string{"1 merge u v", "2 merge v w", "3 merge w x", "4 unmerge v w"}, persons: "u:uv w:wx"},
		{name: "a merge that is undone makes nobody known", facts: []string{"1 merge u d", "2 unmerge u d", "3 identify v d"}, persons: "v:dv"},
		{name: "undone, but still a known user", facts: []string{"1 identify u d", "2 unmerge u d", "3 identify v u"}, refused: "identify v u: two_users"},

		{name: "by the lowest known user", facts: []string{"1 identify v a", "2 merge v u"}, persons: "u:auv"},
		{name: "a user below the device", facts: []string{"1 identify a d"}, persons: "a:ad"},

		{name: "too many devices", facts: []string{"1 identify u d", "3 identify u f", "2 identify u e"}, maxIDs: 3, persons: "u:deu", refused: "identify u f: cluster_size"},
		{name: "as many as may be", facts: []string{"1 identify u d", "3 identify u f", "2 identify u e"}, maxIDs: 4, persons: "u:defu"},
		{name: "a merge of too many", facts: []string{"1 merge u v", "2 merge w x", "3 merge v w"}, maxIDs: 3, persons: "u:uv w:wx", refused: "merge v w: cluster_size"},
		{name: "merges fill it first", facts: []string{"1 identify u d", "2 merge u v"}, maxIDs: 2, persons: "u:uv", refused: "identify u d: cluster_size"},
		{name: "within the person is never too many", facts: []string{"1 merge u v", "2 identify u v"}, maxIDs: 2, persons: "u:uv"},
		{name: "nobody may have two ids", facts: []string{"1 identify u d"}, maxIDs: 1, refused: "identify u d: cluster_size"},
		{name: "two users comes before size", facts: []string{"1 identify u", "2 identify v u"}, maxIDs: 1, refused: "identify v u: two_users"},

		{name: "of the same moment, by offset", facts: []string{"1 identify v d", "1 identify u d"}, persons: "v:dv", refused: "identify u d: two_users"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.maxIDs == 0 {
				test.maxIDs = 1000
			}
			all := facts(t, test.facts)
			check := func(order string, g *identity.Graph) {
				t.Helper()
				if got := persons(g); got != test.persons {
					t.Errorf("%s: persons are %q, want %q", order, got, test.persons)
				}
			}
			g := identity.New(test.maxIDs)
			for _, f := range all {
				g.Add(f)
			}
			var refused []string
			for _, r := range g.Settle().Refused {
				refused = append(refused, fmt.Sprintf("%s %c %c: %s", r.Kind, rune('a'+r.AH-1), rune('a'+r.BH-1), r.Reason))
			}
			slices.Sort(refused)
			if got := strings.Join(refused, ", "); got != test.refused {
				t.Errorf("refused is %q, want %q", got, test.refused)
			}
			check("at once", g)

			slices.Reverse(all)
			g = identity.New(test.maxIDs)
			for _, f := range all {
				g.Add(f)
			}
			g.Settle()
			check("backwards", g)
			for _, f := range all {
				g.Add(f)
			}
			if again := g.Settle().Refused; len(again) > 0 {
				t.Errorf("a second time %v is refused", again)
			}
			check("twice", g)

			g = identity.New(test.maxIDs)
			for _, f := range all {
				g.Add(f)
				g.Settle()
			}
			check("backwards, one by one", g)

			for _, f := range all {
				g.Remove(identity.Key{Project: 1, H: f.AH})
				g.Remove(identity.Key{Project: 1, H: f.BH})
			}
			g.Settle()
			if ids, n := g.Len(); ids != 0 || n != 0 {
				t.Errorf("%d ids and %d facts are left when all are removed", ids, n)
			}
		})
	}
}
