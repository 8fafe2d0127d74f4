package sdk

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/test/process"
)

// TestProfiles changes the properties of a person and of a group with the operations that each SDK has, and compares what their profiles hold in the end. Calls of one name mean the same in all of them.
func TestProfiles(t *testing.T) {
	if millrace == nil {
		t.Skip(howToRun)
	}
	begun := time.Now().Format("150405.000")
	identify := []call{{"identify", object{"traits": object{"plan": "free", "seats": 3}}}, {"identify", object{"traits": object{"plan": "pro", "first": 1}}}}
	sets := []call{
		{"set", object{"traits": object{"plan": "pro", "seats": 3, "gone": "x"}}}, {"setOnce", object{"traits": object{"plan": "free", "first": 1}}},
	}
	unset := call{"unset", object{"names": []any{"gone"}}}
	lists := []call{
		{"add", object{"traits": object{"seats": 2}}}, {"append", object{"traits": object{"list": "x"}}}, {"append", object{"traits": object{"list": "y"}}},
	}
	for name, c := range map[string]struct {
		calls []call
		want  object
	}{
		"segment-node":       {identify, object{"plan": "pro", "seats": 3, "first": 1}},
		"segment-python":     {identify, object{"plan": "pro", "seats": 3, "first": 1}},
		"rudderstack-node":   {identify, object{"plan": "pro", "seats": 3, "first": 1}},
		"rudderstack-python": {identify, object{"plan": "pro", "seats": 3, "first": 1}},
		"jitsu":              {identify, object{"plan": "pro", "seats": 3, "first": 1}},
		"posthog-node":       {with(sets, unset), object{"plan": "pro", "seats": 3, "first": 1}},
		"posthog-node-v1":    {with(sets, unset), object{"plan": "pro", "seats": 3, "first": 1}},
		"posthog-python":     {sets, object{"plan": "pro", "seats": 3, "first": 1, "gone": "x"}},
		"amplitude-node": {
			with(with(with(sets, unset), lists...), call{"union", object{"traits": object{"list": "y"}}}, call{"prepend", object{"traits": object{"list": "w"}}}, call{"remove", object{"traits": object{"list": "x"}}}),
			object{"plan": "pro", "seats": 5, "first": 1, "list": []any{"w", "y"}},
		},
		"mixpanel-python": {
			with(with(with(sets, unset), lists...), call{"union", object{"traits": object{"list": []any{"y", "z"}}}}, call{"remove", object{"traits": object{"list": "x"}}}),
			object{"plan": "pro", "seats": 5, "first": 1, "list": []any{"y", "z"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := kitNamed(t, name)
			i := id("profile-" + name + "-" + begun)
			user, group := i.of("u"), i.of("g")
			var calls []call
			for _, c := range c.calls {
				calls = append(calls, call{c.Call, addedTo(c.With, object{"user": user})})
			}
			calls = append(calls, call{"group", object{"user": user, "group": group, "groupType": "company", "traits": object{"name": "ACME"}}})
			k.send(t, i, calls, nil, fault{}, "flush").silent(t)
			waitProps(t, "profiles_q WHERE distinct_id = "+literal(user), c.want)
			if k.dialect != "segment" {
				group = "company:" + group
			}
			waitProps(t, "groups_q WHERE group_id = "+literal(group), object{"name": "ACME"})
		})
	}
}

func with(calls []call, more ...call) []call {
	return append(append([]call(nil), calls...), more...)
}

func addedTo(o, more object) object {
	o = clone(o)
	for name, v := range more {
		o[name] = v
	}
	return o
}

// waitProps waits until the one row that is chosen has the properties.
func waitProps(t *testing.T, from string, want object) {
	t.Helper()
	var rows []map[string]any
	if !process.Within(2*time.Minute, func() bool {
		var err error
		rows, err = millrace.sql("SELECT props FROM millrace." + from)
		return err == nil && len(rows) == 1 && same(fmt.Sprint(rows[0]["props"]), want)
	}) {
		t.Errorf("%s: %s, want %s", from, show(rows), show(want))
	}
}
