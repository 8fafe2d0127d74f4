package sdk

import (
	"math"
	"strings"
)

// readMixpanel reads a request of Mixpanel's SDKs.
func readMixpanel(e *exchange, body any) (wants []want) {
	for _, ev := range list(body) {
		switch {
		case strings.HasPrefix(e.path, "/engage"):
			wants = append(wants, mixpanelUpdate(ev))
		case strings.HasPrefix(e.path, "/groups"):
			w := mixpanelUpdate(ev)
			w.columns["type"], w.columns["event"], w.columns["group_id"] = "group", "$group", str(ev, "$group_key")+":"+str(ev, "$group_id")
			delete(w.columns, "distinct_id") // nobody did it
			wants = append(wants, w)
		default:
			wants = append(wants, mixpanelEvent(ev))
		}
	}
	return wants
}

// mixpanelTime is the time in milliseconds of a number of seconds or milliseconds.
func mixpanelTime(o object, name string) int64 {
	t := number(o, name)
	if t < 1e11 {
		t *= 1000
	}
	return int64(math.Floor(t))
}

func mixpanelEvent(ev object) want {
	p := sub(ev, "properties")
	name := str(ev, "event")
	kind := "track"
	w := want{mark: name, sent: ev, id: uuidOf(str(p, "$insert_id")), given: str(p, "$insert_id"), ts: mixpanelTime(p, "time"), props: nonNil(clone(p, "token")), session: str(p, "$session_id") != ""}
	w.columns = map[string]any{
		"event": name, "distinct_id": str(p, "distinct_id"), "lib": str(p, "mp_lib"), "lib_version": str(p, "$lib_version"), "dialect": "mixpanel",
	}
	switch name {
	case "$identify":
		kind = "identify"
		w.columns["user_id"], w.columns["anonymous_id"] = str(p, "$identified_id"), str(p, "$anon_id")
	case "$create_alias":
		// The alias is what the person is called from now on.
		kind = "alias"
		w.columns["event"], w.columns["distinct_id"], w.columns["user_id"], w.columns["previous_id"] = "$alias", str(p, "alias"), str(p, "alias"), str(p, "distinct_id")
	case "$merge":
		kind = "merge"
		delete(w.columns, "distinct_id")
	default:
		w.columns["user_id"], w.columns["anonymous_id"] = str(p, "$user_id"), str(p, "$device_id")
	}
	w.columns["type"] = kind
	return w
}

func mixpanelUpdate(ev object) want {
	operations := object{}
	var names []string
	for _, op := range []string{"$set", "$set_once", "$add", "$append", "$union", "$remove", "$unset", "$delete"} {
		v, there := ev[op]
		if !there {
			continue
		}
		names = append(names, op)
		if op == "$delete" {
			op, v = "$clear", true
		}
		operations[op] = v
	}
	return want{
		mark: strings.Join(names, " "), sent: ev, ts: mixpanelTime(ev, "$time"), traits: operations,
		columns: map[string]any{"type": "identify", "event": "$identify", "distinct_id": str(ev, "$distinct_id"), "user_id": "", "anonymous_id": "", "dialect": "mixpanel"},
	}
}
