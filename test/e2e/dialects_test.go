package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

type object = map[string]any

// teller tells what happens in the words of an SDK family. A nil function is something that the family has no words for.
type teller struct {
	name     string
	seen     func(at time.Time, visitor string) (path string, body any)
	identify func(at time.Time, user, visitor string) (path string, body any)
	set      func(at time.Time, user string, traits object) (path string, body any)
	alias    func(at time.Time, user, previous string) (path string, body any)
	group    func(at time.Time, user, kind, key string, traits object) (path string, body any)
	// operations says what is done to properties, by the names that the native format has.
	operations func(at time.Time, user string, done object) (path string, body any)
	speaks     []string
}

const iso = "2006-01-02T15:04:05.000Z"

func amplitudeEvent(at time.Time, event object) (string, any) {
	event["time"] = at.UnixMilli()
	return "/2/httpapi", object{"api_key": devKey, "events": []object{event}}
}

func posthogEvent(at time.Time, name, id string, properties object) (string, any) {
	return "/i/v0/e", object{"api_key": devKey, "event": name, "distinct_id": id, "timestamp": at.Format(iso), "properties": properties}
}

func mixpanelEvent(at time.Time, name string, properties object) (string, any) {
	properties["token"], properties["time"] = devKey, at.UnixMilli()
	return "/track?verbose=1", object{"event": name, "properties": properties}
}

func mixpanelUpdate(path string, at time.Time, update object) (string, any) {
	update["$token"], update["$time"] = devKey, at.UnixMilli()
	return path + "?verbose=1", []object{update}
}

func nativeEvent(at time.Time, event object) (string, any) {
	event["ts"] = at.Format(iso)
	return "/v1/events", event
}

func segmentEvent(at time.Time, event object) (string, any) {
	event["timestamp"] = at.Format(iso)
	return "/v1/batch", object{"batch": []object{event}}
}

// renamed is done with the names of its operations changed.
func renamed(done object, names map[string]string) object {
	to := object{}
	for name, what := range done {
		to[names[name]] = what
	}
	return to
}

var tellers = []teller{
	{
		name: "native",
		seen: func(at time.Time, visitor string) (string, any) {
			return nativeEvent(at, object{"event": "Seen", "anonymous_id": visitor})
		},
		identify: func(at time.Time, user, visitor string) (string, any) {
			return nativeEvent(at, object{"type": "identify", "user_id": user, "anonymous_id": visitor})
		},
		set: func(at time.Time, user string, traits object) (string, any) {
			return nativeEvent(at, object{"type": "identify", "user_id": user, "set": traits})
		},
		alias: func(at time.Time, user, previous string) (string, any) {
			return nativeEvent(at, object{"type": "alias", "user_id": user, "previous_id": previous})
		},
		group: func(at time.Time, user, kind, key string, traits object) (string, any) {
			return nativeEvent(at, object{"type": "group", "user_id": user, "group_id": kind + ":" + key, "traits": traits})
		},
		operations: func(at time.Time, user string, done object) (string, any) {
			event := maps.Clone(done)
			event["type"], event["user_id"] = "identify", user
			return nativeEvent(at, event)
		},
		speaks: []string{"set_once", "add", "append", "union", "remove", "unset", "clear"},
	},
	{
		name: "segment",
		seen: func(at time.Time, visitor string) (string, any) {
			return segmentEvent(at, object{"type": "track", "event": "Seen", "anonymousId": visitor})
		},
		identify: func(at time.Time, user, visitor string) (string, any) {
			return segmentEvent(at, object{"type": "identify", "userId": user, "anonymousId": visitor})
		},
		set: func(at time.Time, user string, traits object) (string, any) {
			return segmentEvent(at, object{"type": "identify", "userId": user, "traits": traits})
		},
		alias: func(at time.Time, user, previous string) (string, any) {
			return segmentEvent(at, object{"type": "alias", "userId": user, "previousId": previous})
		},
		group: func(at time.Time, user, kind, key string, traits object) (string, any) {
			return segmentEvent(at, object{"type": "group", "userId": user, "groupId": kind + ":" + key, "traits": traits})
		},
	},
	{
		name: "posthog",
		seen: func(at time.Time, visitor string) (string, any) {
			return posthogEvent(at, "Seen", visitor, object{"$device_id": visitor})
		},
		identify: func(at time.Time, user, visitor string) (string, any) {
			return posthogEvent(at, "$identify", user, object{"$anon_distinct_id": visitor})
		},
		set: func(at time.Time, user string, traits object) (string, any) {
			return posthogEvent(at, "$set", user, object{"$set": traits})
		},
		alias: func(at time.Time, user, previous string) (string, any) {
			return posthogEvent(at, "$create_alias", user, object{"alias": previous})
		},
		group: func(at time.Time, user, kind, key string, traits object) (string, any) {
			return posthogEvent(at, "$groupidentify", user, object{"$group_type": kind, "$group_key": key, "$group_set": traits})
		},
		operations: func(at time.Time, user string, done object) (string, any) {
			return posthogEvent(at, "$set", user, renamed(done, map[string]string{"set_once": "$set_once", "unset": "$unset"}))
		},
		speaks: []string{"set_once", "unset"},
	},
	{
		name: "amplitude",
		seen: func(at time.Time, visitor string) (string, any) {
			return amplitudeEvent(at, object{"event_type": "Seen", "device_id": visitor})
		},
		identify: func(at time.Time, user, visitor string) (string, any) {
			return amplitudeEvent(at, object{"event_type": "$identify", "user_id": user, "device_id": visitor})
		},
		set: func(at time.Time, user string, traits object) (string, any) {
			return amplitudeEvent(at, object{"event_type": "$identify", "user_id": user, "user_properties": object{"$set": traits}})
		},
		group: func(at time.Time, user, kind, key string, traits object) (string, any) {
			return amplitudeEvent(at, object{"event_type": "$groupidentify", "user_id": user, "groups": object{kind: key}, "group_properties": object{"$set": traits}})
		},
		operations: func(at time.Time, user string, done object) (string, any) {
			done = renamed(done, map[string]string{"set_once": "$setOnce", "add": "$add", "append": "$append", "union": "$postInsert", "remove": "$remove", "unset": "$unset", "clear": "$clearAll"})
			return amplitudeEvent(at, object{"event_type": "$identify", "user_id": user, "user_properties": done})
		},
		speaks: []string{"set_once", "add", "append", "union", "remove", "unset", "clear"},
	},
	{
		name: "mixpanel",
		seen: func(at time.Time, visitor string) (string, any) {
			return mixpanelEvent(at, "Seen", object{"distinct_id": "$device:" + visitor, "$device_id": visitor})
		},
		identify: func(at time.Time, user, visitor string) (string, any) {
			return mixpanelEvent(at, "$identify", object{"distinct_id": user, "$anon_distinct_id": visitor})
		},
		set: func(at time.Time, user string, traits object) (string, any) {
			return mixpanelUpdate("/engage", at, object{"$distinct_id": user, "$set": traits})
		},
		alias: func(at time.Time, user, previous string) (string, any) {
			return mixpanelEvent(at, "$create_alias", object{"distinct_id": previous, "alias": user})
		},
		group: func(at time.Time, _, kind, key string, traits object) (string, any) {
			return mixpanelUpdate("/groups", at, object{"$group_key": kind, "$group_id": key, "$set": traits})
		},
		operations: func(at time.Time, user string, done object) (string, any) {
			done = renamed(done, map[string]string{"set_once": "$set_once", "add": "$add", "append": "$append", "union": "$union", "remove": "$remove", "unset": "$unset", "clear": "$delete"})
			done["$distinct_id"] = user
			return mixpanelUpdate("/engage", at, done)
		},
		speaks: []string{"set_once", "add", "append", "union", "remove", "unset", "clear"},
	},
}

// deeds are what is done to somebody's properties, one after the other, and what they come to.
var deeds = []struct {
	name string
	done []object
	want string
}{
	{"set_once", []object{{"set_once": object{"plan": "free", "first": "a"}}, {"set_once": object{"first": "b"}}}, `{"first":"a","plan":"pro"}`},
	{"unset", []object{{"set_once": object{"first": "a"}}, {"unset": []string{"plan"}}}, `{"first":"a"}`},
	{"add", []object{{"add": object{"n": 2}}, {"add": object{"n": 3}}}, `{"n":5,"plan":"pro"}`},
	{"append", []object{{"append": object{"l": "a"}}, {"append": object{"l": "a"}}}, `{"l":["a","a"],"plan":"pro"}`},
	{"union", []object{{"union": object{"l": []string{"a", "b"}}}, {"union": object{"l": []string{"b", "c"}}}}, `{"l":["a","b","c"],"plan":"pro"}`},
	{"remove", []object{{"append": object{"l": "a"}}, {"append": object{"l": "b"}}, {"remove": object{"l": "a"}}}, `{"l":["b"],"plan":"pro"}`},
	{"clear", []object{{"clear": true}, {"set_once": object{"first": "a"}}}, `{"first":"a"}`},
}

// TestOneStoryInFiveDialects: the same calls mean the same, whichever family's SDK made them: the same rows, the same person, the same profile.
func TestOneStoryInFiveDialects(t *testing.T) {
	s := start(t, t.TempDir())
	step := 0
	begun := time.Now().UTC().Add(-time.Hour)
	tell := func(path string, body any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest(http.MethodPost, "http://"+s.ports["ingest"]+path, bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(devKey, "")
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // only read from
		raw, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(raw, []byte(`"accepted":1,"rejected":0`)) {
			t.Fatalf("%s %s: %s %s (%v)", path, text, resp.Status, raw, err)
		}
	}
	now := func() time.Time {
		step++
		return begun.Add(time.Duration(step) * time.Second)
	}
	for _, who := range tellers {
		id := func(name string) string { return who.name + "-" + name }
		for _, visitor := range []string{"laptop", "phone"} {
			tell(who.seen(now(), id(visitor)))
			tell(who.identify(now(), id("ann"), id(visitor)))
		}
		tell(who.set(now(), id("ann"), object{"name": "Ann", "plan": "free"}))
		tell(who.set(now(), id("ann"), object{"plan": "pro"}))
		if who.alias != nil {
			tell(who.alias(now(), id("ann"), id("before")))
		}
		tell(who.group(now(), id("ann"), "company", id("acme"), object{"size": 9}))
		for _, d := range deeds {
			if !slices.Contains(who.speaks, d.name) {
				continue
			}
			tell(who.set(now(), id(d.name), object{"plan": "pro"}))
			for _, done := range d.done {
				tell(who.operations(now(), id(d.name), done))
			}
		}
	}

	// What Mixpanel's SDKs on servers say of the request's address: it is not the person's.
	tell(mixpanelEvent(now(), "Unplaced", object{"distinct_id": "nowhere", "ip": 0}))

	// The rows, without the name of the family.
	rows := map[string]string{}
	eventually(t, minute, "all rows", func() bool { return s.count("SELECT count() FROM millrace.events") == step })
	for _, who := range tellers {
		var all []string
		for _, r := range s.sql("SELECT type, event, distinct_id, user_id, anonymous_id, previous_id, group_id FROM millrace.events" +
			" WHERE (event = 'Seen' OR type IN ('identify', 'alias', 'group')) AND traits = '' AND position(concat(distinct_id, group_id), '" + who.name + "-') > 0 ORDER BY ts") {
			all = append(all, strings.ReplaceAll(fmt.Sprint(r), who.name+"-", ""))
		}
		if who.alias == nil {
			all = append(all, strings.ReplaceAll(fmt.Sprint(object{"type": "alias", "event": "$alias", "distinct_id": "ann", "user_id": "ann", "anonymous_id": "", "previous_id": "before", "group_id": ""}), who.name+"-", ""))
		}
		rows[who.name] = strings.Join(all, "\n")
		if rows[who.name] != rows[tellers[0].name] {
			t.Errorf("rows of %s:\n%s\nwant those of %s:\n%s", who.name, rows[who.name], tellers[0].name, rows[tellers[0].name])
		}
		if n := s.count("SELECT count() FROM millrace.events WHERE type = 'group' AND event = '$group' AND group_id = 'company:" + who.name + "-acme'"); n != 1 {
			t.Errorf("%s: %d rows of the group, want 1", who.name, n)
		}
	}
	if !strings.Contains(rows["native"], "alias") || strings.Count(rows["native"], "\n") != 4 {
		t.Errorf("rows of native:\n%s", rows["native"])
	}

	if n := s.count("SELECT count() FROM millrace.events WHERE event = 'Unplaced' AND ip = toIPv6('::')"); n != 1 {
		t.Error("an address is stored with an event that says it has none")
	}
	if n := s.count("SELECT count() FROM millrace.events WHERE event = 'Seen' AND ip = toIPv6('127.0.0.1')"); n != 2*len(tellers) {
		t.Errorf("%d events have the address of their request, want %d", n, 2*len(tellers))
	}

	// The person, with its ids, and the profile.
	profile := func(id string) string {
		found, err := s.trySQL("SELECT props, ids FROM millrace.profiles_q WHERE distinct_id = '" + id + "'")
		if err != nil || len(found) != 1 {
			return fmt.Sprint(found, err)
		}
		var props object
		if err := json.Unmarshal([]byte(found[0]["props"].(string)), &props); err != nil {
			return err.Error()
		}
		text, err := json.Marshal(props)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%s %v", text, found[0]["ids"])
	}
	reads := func(id, want string) {
		t.Helper()
		got := ""
		defer func() {
			if got != want {
				t.Errorf("profile of %s: %s, want %s", id, got, want)
			}
		}()
		eventually(t, minute, "the profile of "+id+": "+want, func() bool { got = profile(id); return got == want })
	}
	for _, who := range tellers {
		ids := 4 // ann, two devices and who ann was before
		if who.alias == nil {
			ids--
		}
		reads(who.name+"-ann", fmt.Sprintf(`{"name":"Ann","plan":"pro"} %d`, ids))
		known := s.count("SELECT count() FROM millrace.identities_q WHERE person_h = cityHash64('" + who.name + "-ann') AND user_h IN (cityHash64('" + who.name + "-laptop'), cityHash64('" + who.name + "-phone'), cityHash64('" + who.name + "-before'))")
		if known != ids-1 {
			t.Errorf("%s: %d ids belong to ann, want %d", who.name, known, ids-1)
		}
		for _, d := range deeds {
			if slices.Contains(who.speaks, d.name) {
				reads(who.name+"-"+d.name, d.want+" 1")
			}
		}
	}
}
