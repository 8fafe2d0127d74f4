package sdk

import "strings"

// readPostHog reads a request of PostHog's SDKs, of both protocols.
func readPostHog(e *exchange, body any) (wants []want) {
	whole, _ := body.(object)
	events := list(whole["batch"])
	if whole["batch"] == nil {
		events = list(body)
	}
	// The newer protocol names the library in a header only.
	lib, version, _ := strings.Cut(e.header.Get("PostHog-Sdk-Info"), "/")
	for _, ev := range events {
		wants = append(wants, posthogEvent(ev, lib, version))
	}
	return wants
}

// posthogTypes are the types of events whose names say more than a name.
var posthogTypes = map[string]string{"$identify": "identify", "$create_alias": "alias", "$groupidentify": "group", "$pageview": "page", "$screen": "screen"}

// posthogNames are the names that such events have whatever the SDK.
var posthogNames = map[string]string{"$create_alias": "$alias", "$groupidentify": "$group"}

func posthogEvent(ev object, lib, version string) want {
	p := sub(ev, "properties")
	name := str(ev, "event")
	kind := first(posthogTypes[name], "track")
	lib, version = first(str(p, "$lib"), lib), first(str(p, "$lib_version"), version)
	distinct := first(str(ev, "distinct_id"), str(p, "distinct_id"))
	device := str(p, "$device_id")
	known := p["$is_identified"] != false && p["$process_person_profile"] != false && distinct != device

	user, anonymous, previous, group := distinct, "", "", ""
	switch groups := sub(p, "$groups"); {
	case kind == "group":
		group = str(p, "$group_type") + ":" + str(p, "$group_key")
	case len(groups) == 1:
		for k := range groups {
			group = k + ":" + str(groups, k)
		}
	}
	switch {
	case kind == "identify":
		anonymous = str(p, "$anon_distinct_id")
	case kind == "alias":
		previous = str(p, "alias")
		if lib == "posthog-python" || !known {
			distinct, user, previous = previous, previous, distinct // there, the alias is the user
		}
	case !known:
		user, anonymous = "", distinct
	default:
		anonymous = device
	}
	props := clone(p, "token", "$set", "$set_once", "$unset")
	if kind == "group" {
		props = clone(props, "$group_set")
	}
	for _, name := range []string{"session_id", "window_id"} {
		if v := str(ev, name); v != "" {
			props["$"+name] = v // beside the properties in the newer protocol, among them in the older
		}
	}
	return want{
		mark: name, sent: ev, id: uuidOf(str(ev, "uuid")), given: str(ev, "uuid"), ts: isoMillis(str(ev, "timestamp")), props: nonNil(props), traits: nonNil(posthogOperations(ev, p, kind)),
		session: first(str(ev, "session_id"), str(p, "$session_id")) != "",
		columns: map[string]any{
			"type": kind, "event": first(posthogNames[name], name), "distinct_id": distinct, "user_id": user, "anonymous_id": anonymous, "previous_id": previous, "group_id": group, "lib": lib, "lib_version": version,
			"dialect": "posthog",
		},
	}
}

// posthogOperations are those of an event: at its top level, among its properties, or for a group under a name of their own.
func posthogOperations(ev, p object, kind string) object {
	if kind == "group" {
		if set := sub(p, "$group_set"); set != nil {
			return object{"$set": set}
		}
		return nil
	}
	var out object
	put := func(op string, v any) {
		if out == nil {
			out = object{}
		}
		out[op] = v
	}
	for _, op := range []string{"$set", "$set_once"} {
		inner, top := sub(p, op), sub(ev, op)
		if inner == nil && top == nil {
			continue
		}
		both := clone(inner)
		if both == nil {
			both = object{}
		}
		for name, v := range top {
			both[name] = v
		}
		put(op, both)
	}
	if v, there := p["$unset"]; there {
		put("$unset", v)
	}
	return out
}
