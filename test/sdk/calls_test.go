package sdk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Times of the past that no SDK gives by itself, with milliseconds.
const (
	past    = "2026-11-20T10:11:12.345Z"
	session = "01a1f3a5-6f59-7a3b-9c1f-0123456789ab" // a UUIDv7 of that day
)

// properties are values of every kind.
func properties() object {
	return object{
		"n": 1, "f": -0.25, "big": 9007199254740991, "t": true, "z": nil, "s": "tab\t nl\n q\" b\\ é 漢字 😀", "list": []any{1, "a", object{"deep": []any{2}}}, "nested": object{"a": object{"b": []any{}}, "": object{}}, "revenue": 19.99,
	}
}

func traits(i id) object {
	return object{"plan": "pro", "seats": 3, "email": i.of("mail") + "@shop.example", "Ünïcode": "✓"}
}

// tracks are events without anything else, for what is tried apart from kinds of calls.
func tracks(i id) []call {
	return []call{
		{"track", object{"user": i.of("u"), "event": "Order Completed", "properties": properties(), "id": uuid(i, 1), "time": past}},
		{"track", object{"user": i.of("u"), "event": "Second", "properties": object{"n": 2}, "id": uuid(i, 2), "time": "2026-11-20T10:11:13.000Z"}},
		{"track", object{"user": i.of("u"), "event": "Third", "properties": object{"n": 3}, "id": uuid(i, 3), "time": "2026-11-20T10:11:14.999Z"}},
	}
}

func segmentCalls(i id) []call {
	user, anonymous := i.of("u"), i.of("anon")
	return []call{
		{"track", object{
			"user": user, "anonymous": anonymous, "event": "Order Completed \"é\" 漢字", "properties": properties(), "id": uuid(i, 1), "time": past,
			"context": object{"ip": "203.0.113.7", "locale": "de-DE", "page": object{"url": "https://shop.example:8443/a/b?x=1", "path": "/a/b", "referrer": "https://search.example/q"}, "campaign": object{"source": "nl", "medium": "email", "name": "nov"}},
		}},
		{"track", object{"anonymous": anonymous, "event": "Anonymous", "id": i.of("own-id")}},
		{"identify", object{"user": user, "anonymous": anonymous, "traits": traits(i)}},
		{"page", object{"user": user, "category": "Docs", "name": "Home ✓", "properties": object{"path": "/home"}}},
		{"screen", object{"user": user, "name": "Main", "properties": object{"a": 1}}},
		{"group", object{"user": user, "group": i.of("g"), "traits": object{"name": "ACME"}}},
		{"alias", object{"user": user, "previous": i.of("before")}},
	}
}

// browserSegmentCalls are those of one visitor, as a browser has one.
func browserSegmentCalls(i id) []call {
	user, anonymous := i.of("u"), i.of("anon")
	return []call{
		{"track", object{"anonymous": anonymous, "event": "Anonymous"}},
		{"identify", object{"user": user, "anonymous": anonymous, "traits": traits(i)}},
		{"track", object{"user": user, "anonymous": anonymous, "event": "Order Completed", "properties": properties(), "time": past}},
		{"page", object{"user": user, "anonymous": anonymous, "category": "Docs", "name": "Home", "properties": object{"a": 1}}},
		{"screen", object{"user": user, "anonymous": anonymous, "category": "App", "name": "Main", "properties": object{"a": 1}}},
		{"group", object{"user": user, "anonymous": anonymous, "group": i.of("g"), "traits": object{"name": "ACME"}}},
		{"alias", object{"user": user, "anonymous": anonymous, "previous": i.of("before")}},
	}
}

func jitsuCalls(i id) []call {
	user, anonymous := i.of("u"), i.of("anon")
	return []call{
		{"track", object{"anonymous": anonymous, "event": "Anonymous"}},
		{"identify", object{"user": user, "anonymous": anonymous, "traits": traits(i)}},
		{"track", object{"user": user, "anonymous": anonymous, "event": "Order Completed", "properties": properties()}},
		{"page", object{"user": user, "anonymous": anonymous, "name": "Home", "properties": object{"path": "/home"}}},
		{"group", object{"user": user, "anonymous": anonymous, "group": i.of("g"), "traits": object{"name": "ACME"}}},
	}
}

func posthogCalls(i id) []call {
	return append(pythonPostHogCalls(i), call{"unset", object{"user": i.of("u"), "names": []any{"a", "b"}}})
}

// pythonPostHogCalls are those that the Python SDK has, too.
func pythonPostHogCalls(i id) []call {
	user := i.of("u")
	return []call{
		{"track", object{
			"user": user, "event": "Order Completed \"é\" 漢字", "properties": properties(), "id": uuid(i, 1), "time": past, "session": session, "window": "w-1", "group": i.of("g"), "groupType": "company",
		}},
		{"track", object{"anonymous": i.of("anon"), "event": "Anonymous"}},
		{"identify", object{"user": user, "anonymous": i.of("anon"), "traits": traits(i)}},
		{"set", object{"user": user, "traits": object{"a": 1}}},
		{"setOnce", object{"user": user, "traits": object{"b": 1}}},
		{"page", object{"user": user, "properties": object{"$current_url": "https://shop.example:8443/a/b?utm_source=nl", "$referrer": "https://search.example/q"}}},
		{"screen", object{"user": user, "name": "Main", "properties": object{"a": 1}}},
		{"group", object{"user": user, "groupType": "company", "group": i.of("g"), "traits": object{"name": "ACME"}}},
		{"alias", object{"user": user, "previous": i.of("before")}},
	}
}

func browserPostHogCalls(i id) []call {
	user, anonymous := i.of("u"), i.of("anon")
	return []call{
		{"track", object{"anonymous": anonymous, "event": "Anonymous"}},
		{"identify", object{"user": user, "anonymous": anonymous, "traits": traits(i)}},
		{"track", object{"user": user, "event": "Order Completed", "properties": properties(), "time": past}},
		{"set", object{"user": user, "traits": object{"a": 1}}},
		{"setOnce", object{"user": user, "traits": object{"b": 1}}},
		{"unset", object{"user": user, "names": []any{"a"}}},
		{"page", object{"user": user, "properties": object{"a": 1}}},
		{"screen", object{"user": user, "name": "Main", "properties": object{"a": 1}}},
		{"group", object{"user": user, "groupType": "company", "group": i.of("g"), "traits": object{"name": "ACME"}}},
		{"alias", object{"user": i.of("after"), "previous": user}},
	}
}

func amplitudeCalls(i id) []call {
	user, device := i.of("u"), i.of("anon")
	return []call{
		{"track", object{
			"user": user, "anonymous": device, "event": "Order Completed \"é\" 漢字", "properties": properties(), "id": uuid(i, 1), "time": past, "session": 1795169472000, "group": i.of("g"), "groupType": "company",
			"context": object{"ip": "203.0.113.7", "platform": "Web", "os_name": "iOS", "os_version": "17.1", "language": "de-DE", "app_version": "1.2.3"},
		}},
		{"track", object{"anonymous": device, "event": "Anonymous"}},
		{"identify", object{"user": user, "anonymous": device, "traits": traits(i)}},
		{"setOnce", object{"user": user, "traits": object{"first": 1}}},
		{"add", object{"user": user, "traits": object{"seats": 2}}},
		{"append", object{"user": user, "traits": object{"list": "x"}}},
		{"prepend", object{"user": user, "traits": object{"list": "y"}}},
		{"union", object{"user": user, "traits": object{"list": "z"}}},
		{"remove", object{"user": user, "traits": object{"list": "x"}}},
		{"unset", object{"user": user, "names": []any{"first"}}},
		{"clear", object{"user": user}},
		{"group", object{"user": user, "groupType": "company", "group": i.of("g"), "traits": object{"name": "ACME"}}},
		{"setGroup", object{"user": user, "groupType": "company", "group": i.of("g")}},
		{"revenue", object{"user": user, "properties": object{"product": "p-1", "price": 9.5, "quantity": 2}}},
	}
}

func mixpanelCalls(i id) []call {
	user := i.of("u")
	group := func(kind string, more object) call {
		with := object{"user": user, "groupType": "company", "group": i.of("g")}
		for name, v := range more {
			with[name] = v
		}
		return call{kind, with}
	}
	return []call{
		{"track", object{"user": user, "anonymous": i.of("anon"), "event": "Order Completed \"é\" 漢字", "properties": properties(), "id": uuid(i, 1), "time": past}},
		{"track", object{"anonymous": i.of("anon"), "event": "Anonymous"}},
		{"identify", object{"user": user, "anonymous": i.of("anon"), "traits": traits(i)}},
		{"set", object{"user": user, "traits": object{"a": 1}}},
		{"setOnce", object{"user": user, "traits": object{"b": 1}}},
		{"add", object{"user": user, "traits": object{"seats": 2}}},
		{"append", object{"user": user, "traits": object{"list": "x"}}},
		{"union", object{"user": user, "traits": object{"list": []any{"y"}}}},
		{"remove", object{"user": user, "traits": object{"list": "x"}}},
		{"unset", object{"user": user, "names": []any{"a"}}},
		{"revenue", object{"user": user, "properties": object{"price": 9.5}}},
		{"clear", object{"user": i.of("gone")}},
		group("group", object{"traits": object{"name": "ACME"}}),
		group("groupSetOnce", object{"traits": object{"since": 2020}}),
		group("groupUnion", object{"traits": object{"tags": []any{"a"}}}),
		group("groupRemove", object{"traits": object{"tags": "a"}}),
		group("groupUnset", object{"names": []any{"since"}}),
		group("groupClear", nil),
		{"alias", object{"user": user, "previous": i.of("before")}},
	}
}

// uuid is an id that a client might have made, the n-th of the scenario.
func uuid(i id, n int) string {
	sum := sha256.Sum256([]byte(i))
	text := hex.EncodeToString(sum[:])
	return fmt.Sprintf("01a1f3a5-%s-7%s-9c1f-%s%04x", text[:4], text[4:7], text[7:15], n)
}

// unicodeTexts are texts that encoders and decoders get wrong.
var unicodeTexts = map[string]string{
	"emoji": "👩‍👩‍👧‍👦🏳️‍🌈😀", "rtl": "שלום ‮abc‬ مرحبا", "combining": "Z̶͉̎a̷l̸g̵o̶ e\u0301 \u1112\u1161\u11ab", "nul": "a\x00b", "control": "\x01\x1f\x7f\u0085\u2028\u2029", "four": "𝄞𠀀\U0010fffd", "bom": "\ufeffx\ufeff",
	"quotes": `"\/'<>&+%20=;`, "long": strings.Repeat("漢😀é", 340), "separators": "a&b=c+d e%41", "replacement": "\ufffd",
}

// unicodeCalls hold them as values, as names of members, in ids and in names of events.
func unicodeCalls(i id) []call {
	p := object{"names": object{"é 漢字": 1, "😀": 2, "עברית": 3, "q\"b\\": 4, "": 5, "e\u0301": 6, "\x00": 7}}
	for name, text := range unicodeTexts {
		p[name] = text
	}
	return []call{
		{"track", object{"user": i.of("ü😀ש"), "event": "Unicode 漢字 😀 e\u0301", "properties": p, "id": uuid(i, 1), "time": past}},
		{"track", object{"user": i.of("ü😀ש"), "event": "plain", "id": uuid(i, 2), "time": past}},
	}
}
