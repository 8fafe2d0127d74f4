package sdk

import "strings"

// readAmplitude reads a request of Amplitude's SDKs.
func readAmplitude(_ *exchange, body any) (wants []want) {
	whole, _ := body.(object)
	for _, ev := range list(whole["events"]) {
		name := str(ev, "event_type")
		user, device := str(ev, "user_id"), str(ev, "device_id")
		kind, group, traits := "track", "", sub(ev, "user_properties")
		groups := sub(ev, "groups")
		if len(groups) == 1 {
			for k := range groups {
				if one := str(groups, k); one != "" {
					group = k + ":" + one
				}
			}
		}
		props := clone(sub(ev, "event_properties"))
		event := name
		switch name {
		case "$identify":
			kind = "identify"
		case "$groupidentify":
			kind, event, traits = "group", "$group", sub(ev, "group_properties")
		}
		if price := number(props, "$price"); price != 0 && props["revenue"] == nil {
			// What is worth something has its worth under the name that all SDKs share.
			quantity := number(props, "$quantity")
			if props["$quantity"] == nil {
				quantity = 1
			}
			props["revenue"] = price * quantity
		}
		library := str(ev, "library")
		cut := strings.LastIndexByte(library, '/')
		w := want{
			mark: name, sent: ev, id: uuidOf(str(ev, "insert_id")), given: str(ev, "insert_id"), ts: int64(number(ev, "time")), props: nonNil(props), traits: nonNil(amplitudeOperations(traits)), session: number(ev, "session_id") > 0,
			columns: map[string]any{
				"type": kind, "event": event, "user_id": user, "anonymous_id": device, "distinct_id": first(user, device), "group_id": group, "lib": library[:max(cut, 0)], "lib_version": library[cut+1:],
				"dialect": "amplitude",
			},
		}
		wants = append(wants, w)
	}
	return wants
}

// amplitudeOperations writes operations on a profile in the words of the tables.
func amplitudeOperations(given object) object {
	if given == nil {
		return nil
	}
	out := object{}
	put := func(op, name string, v any) {
		into, _ := out[op].(object)
		if into == nil {
			into = object{}
			out[op] = into
		}
		into[name] = v
	}
	for op, v := range given {
		members, _ := v.(object)
		switch op {
		case "$clearAll":
			out["$clear"] = true
		case "$setOnce":
			out["$set_once"] = v
		case "$preInsert", "$postInsert":
			for name, item := range members {
				put("$union", name, item)
			}
		case "$append":
			for name, item := range members {
				if _, many := item.([]any); many {
					put("$concat", name, item)
				} else {
					put("$append", name, item)
				}
			}
		default:
			out[op] = v
		}
	}
	return out
}
