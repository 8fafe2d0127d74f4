package identity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-faster/city"

	"github.com/millrace/millrace/people/identity"
)

func TestRead(t *testing.T) {
	// Of these two, low has the lower hash.
	low, high := "ann", "bob"
	if city.CH64([]byte(low)) > city.CH64([]byte(high)) {
		low, high = high, low
	}
	place := identity.Place{TS: 7, Log: 1, Partition: 2, Offset: 3, EventID: [16]byte{4}}
	for _, test := range []struct {
		name  string
		event identity.Event
		want  string
	}{
		{"identify with user and device", identity.Event{Type: "identify", DistinctID: "ann", UserID: "ann", AnonymousID: "dev-1"}, "identify ann dev-1"},
		{"identify with three ids", identity.Event{Type: "identify", DistinctID: "dev-2", UserID: "ann", AnonymousID: "dev-1"}, "identify ann dev-1, identify ann dev-2"},
		{"identify whose device is the distinct id", identity.Event{Type: "identify", DistinctID: "dev-1", UserID: "ann", AnonymousID: "dev-1"}, "identify ann dev-1"},
		{"identify without user id", identity.Event{Type: "identify", DistinctID: "ann", AnonymousID: "dev-1"}, "identify ann dev-1"},
		{"identify of one id", identity.Event{Type: "identify", DistinctID: "ann"}, "identify ann -"},
		{"identify of one id, thrice", identity.Event{Type: "identify", DistinctID: "ann", UserID: "ann", AnonymousID: "ann"}, "identify ann -"},
		{"identify on an illegal device", identity.Event{Type: "identify", DistinctID: "ann", AnonymousID: "00000000-0000-0000-0000-000000000000"}, "identify ann -"},
		{"identify of an illegal id", identity.Event{Type: "identify", DistinctID: "ann", UserID: "null", AnonymousID: "dev-1"}, ""},
		{"properties of whoever it is", identity.Event{Type: "identify", Dialect: "mixpanel", DistinctID: "ann"}, ""},
		{"identify of a visitor", identity.Event{Type: "identify", DistinctID: "dev-1", AnonymousID: "dev-1"}, ""},
		{"identify of nobody", identity.Event{Type: "identify", AnonymousID: "dev-1"}, ""},
		{"identify has no use for the previous id", identity.Event{Type: "identify", DistinctID: "ann", PreviousID: "bob"}, "identify ann -"},

		{"alias", identity.Event{Type: "alias", DistinctID: "x", UserID: high, PreviousID: low, AnonymousID: "y"}, "alias " + high + " " + low},
		{"alias the other way round", identity.Event{Type: "alias", UserID: low, PreviousID: high}, "alias " + low + " " + high},
		{"alias without user id", identity.Event{Type: "alias", DistinctID: "ann", PreviousID: "bob"}, "alias ann bob"},
		{"alias of itself", identity.Event{Type: "alias", DistinctID: "ann", PreviousID: "ann"}, ""},
		{"alias of nobody", identity.Event{Type: "alias", DistinctID: "ann"}, ""},
		{"alias of an illegal id", identity.Event{Type: "alias", DistinctID: "ann", PreviousID: "undefined"}, ""},

		{"merge", identity.Event{Type: "merge", DistinctID: low, UserID: "x", PreviousID: high}, "merge " + low + " " + high},
		{"merge the other way round", identity.Event{Type: "merge", DistinctID: high, PreviousID: low}, "merge " + low + " " + high},
		{"merge with itself", identity.Event{Type: "merge", DistinctID: "ann", PreviousID: "ann"}, ""},
		{"merge with an illegal id", identity.Event{Type: "merge", DistinctID: "ann", PreviousID: " 0 "}, ""},
		{"unmerge", identity.Event{Type: "unmerge", DistinctID: low, PreviousID: high}, "unmerge " + low + " " + high},
		{"unmerge the other way round", identity.Event{Type: "unmerge", DistinctID: high, PreviousID: low}, "unmerge " + low + " " + high},

		{"track", identity.Event{Type: "track", DistinctID: "ann", UserID: "ann", AnonymousID: "dev-1"}, ""},
		{"group", identity.Event{Type: "group", DistinctID: "ann", UserID: "ann", AnonymousID: "dev-1"}, ""},
		{"page", identity.Event{Type: "page", DistinctID: "ann", UserID: "ann", AnonymousID: "dev-1"}, ""},
		{"screen", identity.Event{Type: "screen", DistinctID: "ann", UserID: "ann", AnonymousID: "dev-1"}, ""},
		{"track, where every event says it", identity.Event{Type: "track", Dialect: "amplitude", DistinctID: "ann", UserID: "ann", AnonymousID: "dev-1"}, "identify ann dev-1"},
		{"page, where every event says it", identity.Event{Type: "page", Dialect: "mixpanel", DistinctID: "ann", UserID: "ann", AnonymousID: "dev-1"}, "identify ann dev-1"},
		{"track without user, where every event says it", identity.Event{Type: "track", Dialect: "amplitude", DistinctID: "dev-1", AnonymousID: "dev-1"}, ""},
		{"track without device, where every event says it", identity.Event{Type: "track", Dialect: "mixpanel", DistinctID: "ann", UserID: "ann"}, ""},
		{"track of another dialect", identity.Event{Type: "track", Dialect: "posthog", DistinctID: "ann", UserID: "ann", AnonymousID: "dev-1"}, ""},
		{"alias, where every event says it", identity.Event{Type: "alias", Dialect: "mixpanel", UserID: "ann", AnonymousID: "dev-1", PreviousID: "bob"}, "alias ann bob"},

		{"no type", identity.Event{DistinctID: "ann", UserID: "bob", AnonymousID: "dev-1", PreviousID: "x"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.event.Project, test.event.Place = 9, place
			var got []string
			for _, e := range identity.Read(test.event) {
				b, hash := "-", uint64(0)
				if e.B != "" {
					b, hash = e.B, city.CH64([]byte(e.B))
				}
				got = append(got, fmt.Sprintf("%s %s %s", e.Kind, e.A, b))
				if e.Project != 9 || e.Place != place || e.AH != city.CH64([]byte(e.A)) || e.BH != hash {
					t.Errorf("edge is %+v", e)
				}
				if f := e.Fact(); f != (identity.Fact{Project: 9, AH: e.AH, BH: e.BH, Kind: e.Kind, First: place, Last: place}) {
					t.Errorf("fact of %+v is %+v", e, f)
				}
			}
			if got := strings.Join(got, ", "); got != test.want {
				t.Errorf("%+v says %q, want %q", test.event, got, test.want)
			}
		})
	}
}

func TestPlaceCompare(t *testing.T) {
	// Each is after those before it, whatever the members say that count for less.
	places := []identity.Place{
		{TS: -1, Log: 9, Partition: 9, Offset: 9, EventID: [16]byte{9}},
		{Partition: 9, Offset: 9, EventID: [16]byte{9}},
		{Log: 1, Offset: 9, EventID: [16]byte{9}},
		{Log: 1, Partition: 1, EventID: [16]byte{9}},
		{Log: 1, Partition: 1, Offset: 1, EventID: [16]byte{8: 9}},
		{Log: 1, Partition: 1, Offset: 1, EventID: [16]byte{1}},
		{TS: 1},
		{TS: 1, Offset: 1 << 63},
	}
	for i, p := range places {
		for j, q := range places {
			if got := p.Compare(q); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compare of %+v and %+v is %d", p, q, got)
			}
		}
	}
}
