package sdk

import (
	"fmt"
	"strings"
	"testing"
)

// kinds are the types of events that calls become.
var kinds = map[string]string{
	"track": "track", "revenue": "track", "identify": "identify", "set": "identify", "setOnce": "identify", "add": "identify", "append": "identify", "prepend": "identify", "union": "identify", "remove": "identify",
	"unset": "identify", "clear": "identify", "setGroup": "identify", "page": "page", "screen": "screen", "group": "group", "groupSetOnce": "group", "groupUnion": "group", "groupRemove": "group", "groupUnset": "group",
	"groupClear": "group", "alias": "alias",
}

// operations are the words of the tables for calls that change a profile.
var operations = map[string]string{
	"set": "$set", "setOnce": "$set_once", "add": "$add", "append": "$append", "prepend": "$prepend", "union": "$union", "remove": "$remove", "groupSetOnce": "$set_once", "groupUnion": "$union",
	"groupRemove": "$remove",
}

// heard checks that each call has left a row that says what the call said. It starts from the calls, where the comparison of fields starts from the wire.
func (r *run) heard(t *testing.T) {
	t.Helper()
	rows := r.id.rows(t)
	for n, c := range r.calls {
		found := false
		for _, row := range rows {
			found = found || c.toldBy(r.kit, row)
		}
		if !found {
			t.Errorf("no row says what call %d said: %s", n, show(c))
		}
	}
}

// toldBy tells whether the row says what the call said. Some SDKs add members, so that those of the call must be among those of the row.
func (c *call) toldBy(k *kit, row map[string]any) bool {
	kind := kinds[c.Call]
	if c.Call == "revenue" && k.dialect == "mixpanel" {
		kind = "identify" // there, a charge is a property of the person
	}
	// What PostHog's SDKs set without an identity is an event named so, of somebody who need not be known.
	sets := strings.HasPrefix(fmt.Sprint(row["event"]), "$set") && kind == "identify"
	if row["type"] != kind && !sets {
		return false
	}
	text := func(name string) string {
		s, _ := c.With[name].(string)
		return s
	}
	if event := text("event"); event != "" && row["event"] != event {
		return false
	}
	who := first(text("user"), text("anonymous"))
	switch {
	case kind == "alias":
		// Two ids become one person; which of them is said first differs between SDKs.
		one, other := first(fmt.Sprint(row["user_id"]), fmt.Sprint(row["distinct_id"])), row["previous_id"]
		return one == text("user") && other == text("previous") || one == text("previous") && other == text("user")
	case kind == "group":
		if row["group_id"] != first(prefixed(text("groupType"), text("group")), text("group")) {
			return false
		}
	case who != "" && row["distinct_id"] != who:
		return false
	}
	if kind == "track" || kind == "page" || kind == "screen" {
		given, _ := c.With["properties"].(object)
		if c.Call == "revenue" {
			return contains(parsed(row["props"]), object{"$productId": given["product"], "$price": given["price"], "$quantity": given["quantity"]})
		}
		if !k.keepsNull() {
			given = clone(given)
			for name, v := range given {
				if v == nil {
					delete(given, name)
				}
			}
		}
		return contains(parsed(row["props"]), given)
	}
	return c.changes(parsed(row["traits"]))
}

// keepsNull tells whether the SDK sends members that are null.
func (k *kit) keepsNull() bool { return k.name != "amplitude-python" }

// changes tells whether the operations on a profile are those of the call.
func (c *call) changes(traits object) bool {
	given, _ := c.With["traits"].(object)
	switch op := operations[c.Call]; {
	case c.Call == "unset" || c.Call == "groupUnset":
		wanted, _ := c.With["names"].([]any)
		switch names := traits["$unset"].(type) {
		case []any:
			return len(names) > 0 && fmt.Sprint(names) == fmt.Sprint(wanted)
		case object: // its names count
			for _, name := range wanted {
				if _, there := names[fmt.Sprint(name)]; !there {
					return false
				}
			}
			return len(names) == len(wanted)
		}
		return false
	case c.Call == "clear" || c.Call == "groupClear":
		return traits["$clear"] == true
	case op != "" && op != "$set":
		return contains(sub(traits, op), given)
	case len(given) > 0:
		return contains(traits, given) || contains(sub(traits, "$set"), given)
	}
	return true
}

func prefixed(kind, name string) string {
	if kind == "" {
		return ""
	}
	return kind + ":" + name
}

// parsed is a JSON column as an object.
func parsed(column any) object {
	v, err := parse([]byte(fmt.Sprint(column)))
	if err != nil {
		return nil
	}
	o, _ := v.(object)
	return o
}
