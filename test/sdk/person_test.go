package sdk

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/test/process"
)

// TestSamePerson identifies one person through five SDKs, each with an anonymous id of its own: they are one person with one profile.
func TestSamePerson(t *testing.T) {
	if millrace == nil {
		t.Skip(howToRun)
	}
	i := id("person-" + time.Now().Format("150405.000"))
	ann := i.of("ann")
	five := []string{"segment-node", "posthog-node", "rudderstack-node", "amplitude-node", "mixpanel-node"}
	for n, name := range five {
		k := kitNamed(t, name)
		visitor := i.of("visitor-" + name)
		// What the visitor did before is of another millisecond than the identity, which comes with a process of its own.
		r := k.send(t, i, []call{{"track", object{"anonymous": visitor, "event": "Viewed"}}}, nil, fault{}, "flush")
		r.silent(t)
		r = k.send(t, i, []call{{"identify", object{"user": ann, "anonymous": visitor, "traits": object{"from-" + name: n, "name": "Ann"}}}}, nil, fault{}, "flush")
		r.silent(t)
	}
	person := "SELECT any(person_h) FROM millrace.events_q WHERE distinct_id = " + literal(ann)
	views := "SELECT count() FROM millrace.events_q WHERE event = 'Viewed' AND " + i.where() + " AND person_h = (" + person + ")"
	profiles := "SELECT distinct_id, props, ids FROM millrace.profiles_q WHERE " + "position(distinct_id, " + literal(string(i)+"-") + ") > 0"
	var rows []map[string]any
	whole := func() bool {
		var err error
		rows, err = millrace.sql(profiles)
		if err != nil || len(rows) != 1 || rows[0]["distinct_id"] != ann || fmt.Sprint(rows[0]["ids"]) != fmt.Sprint(len(five)+1) {
			return false
		}
		p := parsed(rows[0]["props"])
		for n, name := range five {
			if fmt.Sprint(p["from-"+name]) != fmt.Sprint(n) {
				return false
			}
		}
		return p["name"] == "Ann"
	}
	if !process.Within(2*time.Minute, whole) {
		t.Errorf("profiles: %s, want one of %s with the properties of %v and %d ids", show(rows), ann, five, len(five)+1)
	}
	if !process.Within(2*time.Minute, func() bool { return millrace.count(t, views) == len(five) }) {
		t.Errorf("%d of %d visits are of one person", millrace.count(t, views), len(five))
	}
	// Each visitor's id stands beside the person's, which is the hash of the user's id.
	var hashes []string
	for _, name := range five {
		hashes = append(hashes, "cityHash64("+literal(i.of("visitor-"+name))+")")
	}
	identities := "SELECT count() FROM millrace.identities_q WHERE user_h IN (" + strings.Join(hashes, ", ") + ") AND person_h = cityHash64(" + literal(ann) + ")"
	if n := millrace.count(t, identities); n != len(five) {
		t.Errorf("%d of %d visitors belong to the person", n, len(five))
	}
	if t.Failed() {
		events, _ := millrace.sql("SELECT " + columns + " FROM millrace.events WHERE " + i.where())
		for _, e := range events {
			t.Log(show(e))
		}
	}
}

func kitNamed(t *testing.T, name string) *kit {
	t.Helper()
	for n := range kits {
		if kits[n].name == name {
			return &kits[n]
		}
	}
	t.Fatalf("no SDK is called %s", name)
	return nil
}
