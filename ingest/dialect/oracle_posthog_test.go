package dialect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
)

// posthogPair is a member of an object, in order; its name without escapes.
type posthogPair struct {
	name string
	raw  json.RawMessage
}

// posthogPairs lists the members of an object in order, duplicates included.
func posthogPairs(raw json.RawMessage) (list []posthogPair) {
	if kindOf(raw) != '{' {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		panic(err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			panic(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			panic(err)
		}
		list = append(list, posthogPair{key.(string), value})
	}
	return list
}

// posthogFind is the last member with one of the names.
func posthogFind(list []posthogPair, names ...string) (raw json.RawMessage) {
	for _, p := range list {
		for _, n := range names {
			if p.name == n {
				raw = p.raw
			}
		}
	}
	return raw
}

// posthogFlat writes an object such that what means the same looks the same, its members in their order; levels of objects below it likewise.
func posthogFlat(raw string, levels int) string {
	if raw == "" {
		return ""
	}
	if !json.Valid([]byte(raw)) {
		return "no JSON: " + raw
	}
	kind := kindOf(json.RawMessage(raw))
	if levels == 0 || kind != '{' && kind != '[' {
		var b bytes.Buffer
		if err := json.Compact(&b, []byte(raw)); err != nil {
			panic(err)
		}
		return b.String()
	}
	var parts []string
	if kind == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(raw), &list); err != nil {
			panic(err)
		}
		for _, item := range list {
			parts = append(parts, posthogFlatItem(item))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	for _, p := range posthogPairs(json.RawMessage(raw)) {
		parts = append(parts, fmt.Sprintf("%q:%s", p.name, posthogFlat(string(p.raw), levels-1)))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func posthogFlatItem(item json.RawMessage) string {
	if kindOf(item) == '"' {
		return fmt.Sprintf("%q", stringOf(item))
	}
	return posthogFlat(string(item), 0)
}

// posthogFlatPairs is posthogFlat of an object with the members.
func posthogFlatPairs(list []posthogPair) string {
	var parts []string
	for _, p := range list {
		parts = append(parts, fmt.Sprintf("%q:%s", p.name, posthogFlat(string(p.raw), 0)))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// posthogExpected is what the oracle makes of an event of PostHog.
type posthogExpected struct {
	expected
	properties, context, traits string // flat
	trust, bot                  bool
	agent, addr                 string
}

type posthogOracle struct {
	limits     schema.Limits
	max        int
	received   int64
	opt        Options
	userAgent  string
	sentAt     *int64
	events     []posthogExpected
	single     bool // the keys of events count
	whole      bool // the event is the body
	historical bool
}

func posthogSlowTruth(raw json.RawMessage) truth {
	switch kindOf(raw) {
	case 't':
		if raw[0] == 't' {
			return yes
		}
		return no
	case '0':
		digits, _, _ := strings.Cut(strings.ToLower(string(raw)), "e")
		if strings.ContainsAny(digits, "123456789") {
			return yes
		}
		return no
	case '"':
		if len(raw) > 66 {
			return unsaid
		}
		switch s := strings.TrimSpace(stringOf(raw)); {
		case s == "1" || strings.EqualFold(s, "true"):
			return yes
		case s == "0" || strings.EqualFold(s, "false"):
			return no
		}
	}
	return unsaid
}

// posthogText is a value as PostHog takes it for text. ok tells that there is one; wrong that there is something that cannot be.
func posthogText(raw json.RawMessage) (s string, ok, wrong bool) {
	if !present(raw) {
		return "", false, false
	}
	switch kindOf(raw) {
	case '"':
		return stringOf(raw), true, false
	case '0', 't':
		return string(raw), true, false
	}
	return "", false, true
}

func posthogString(raw json.RawMessage) string {
	if kindOf(raw) == '"' {
		return stringOf(raw)
	}
	return ""
}

var posthogNearlyAddress = regexp.MustCompile(`^[0-9a-fA-F:.\[\],/% ]*[0-9:][0-9a-fA-F:.\[\],/% ]*$`)

func posthogSlowHost(s string) string {
	switch {
	case s == "" || s[0] == '$':
		return ""
	case s[0] == '[':
		host, _, ok := strings.Cut(s[1:], "]")
		if !ok {
			host = ""
		}
		return strings.Map(lowerASCII, host)
	}
	host, _, _ := strings.Cut(s, ":")
	return strings.Map(lowerASCII, host)
}

func (o *posthogOracle) event(raw json.RawMessage) {
	e := posthogExpected{expected: expected{raw: string(raw), faults: map[schema.Reason]bool{}, fields: map[schema.Field]string{}}}
	defer func() { o.events = append(o.events, e) }()
	refuse := func(r schema.Reason) { e.faults[r] = true }
	if kindOf(raw) != '{' {
		refuse(schema.InvalidType)
		return
	}
	if int64(len(raw)) > o.limits.MaxEventBytes {
		refuse(schema.EventTooLarge)
	}
	if !utf8.Valid(raw) {
		refuse(schema.InvalidUTF8)
	}
	if depthOf(raw) > o.limits.MaxDepth {
		refuse(schema.TooDeep)
	}
	top := posthogPairs(raw)
	properties := posthogFind(top, "properties")
	props := posthogPairs(properties)
	prop := func(name string) json.RawMessage { return posthogFind(props, name) }
	options := posthogFind(top, "options")
	option := func(names ...string) json.RawMessage { return posthogFind(posthogPairs(options), names...) }
	set := func(f schema.Field, s string) {
		if s != "" {
			e.fields[f] = s
		}
	}

	// Type and name.
	name := ""
	if m := posthogFind(top, "event"); present(m) {
		if kindOf(m) == '"' {
			name = stringOf(m)
		} else {
			refuse(schema.InvalidType)
		}
	}
	e.typ = schema.Track
	if t, ok := map[string]schema.Type{
		"$identify": schema.Identify, "$create_alias": schema.Alias, "$merge_dangerously": schema.Merge, "$groupidentify": schema.Group, "$pageview": schema.Page, "$screen": schema.Screen,
	}[name]; ok {
		e.typ = t
	}
	if e.typ == schema.Track || e.typ == schema.Page || e.typ == schema.Screen {
		set(schema.FieldEvent, name)
	}
	if s, ok, _ := posthogText(prop("$screen_name")); ok && e.typ == schema.Screen {
		n := len(prop("$screen_name"))
		if kindOf(prop("$screen_name")) == '"' {
			n -= 2
		}
		if int64(n) <= o.limits.MaxNameBytes {
			set(schema.FieldName, s)
		}
	}
	if id := posthogFind(top, "uuid"); present(id) {
		if kindOf(id) == '"' {
			e.id = stringOf(id)
		} else {
			refuse(schema.InvalidType)
		}
	} else {
		e.id = posthogString(posthogFind(top, "messageId"))
	}

	// Library.
	lib, _, _ := posthogText(prop("$lib"))
	version, _, _ := posthogText(prop("$lib_version"))
	if lib == "" {
		lib = posthogString(posthogFind(top, "library"))
	}
	if version == "" {
		version = posthogString(posthogFind(top, "library_version"))
	}
	if lib == "" {
		text := string(o.opt.Library)
		if o.opt.Library == nil && strings.HasPrefix(o.userAgent, "posthog-") {
			text, _, _ = strings.Cut(o.userAgent, " ")
		}
		if l, v, ok := strings.Cut(text, "/"); ok && l != "" && len(text) <= 128 {
			lib = l
			if version == "" {
				version = v
			}
		}
	}
	set(schema.FieldLib, lib)
	set(schema.FieldLibVersion, version)

	// Who.
	word := func(raw json.RawMessage) string {
		s, _, wrong := posthogText(raw)
		if wrong {
			refuse(schema.InvalidType)
		}
		return s
	}
	id := func(raw json.RawMessage) string {
		s := word(raw)
		if s != "" && schema.IsIllegalID([]byte(s)) {
			refuse(schema.IllegalID)
		}
		if int64(len(s)) > o.limits.MaxIDBytes {
			refuse(schema.IDTooLong)
		}
		return s
	}
	distinct := ""
	for _, raw := range []json.RawMessage{posthogFind(top, "distinct_id"), posthogFind(top, "$distinct_id"), prop("distinct_id")} {
		if present(raw) {
			distinct = id(raw)
			break
		}
	}
	device, hasDevice, _ := posthogText(prop("$device_id"))
	same := hasDevice && distinct == device
	identified := posthogSlowTruth(prop("$is_identified"))
	set(schema.FieldDistinctID, distinct)
	switch e.typ {
	case schema.Identify:
		set(schema.FieldUserID, distinct)
		set(schema.FieldAnonymousID, id(prop("$anon_distinct_id")))
	case schema.Alias:
		user, other := distinct, id(prop("alias"))
		if other != "" && (identified == no || same || lib == "posthog-python") {
			user, other = other, user
			set(schema.FieldDistinctID, user)
		}
		set(schema.FieldUserID, user)
		set(schema.FieldPreviousID, other)
	case schema.Merge:
		set(schema.FieldUserID, distinct)
		set(schema.FieldPreviousID, id(prop("alias")))
	default:
		user := identified == yes
		if identified == unsaid {
			profile := posthogSlowTruth(prop("$process_person_profile"))
			if profile == unsaid {
				profile = posthogSlowTruth(option("process_person_profile"))
			}
			user = profile != no && !same
		}
		if distinct == "$posthog_cookieless" {
			user = false
		}
		if user {
			set(schema.FieldUserID, distinct)
			if !same && hasDevice {
				set(schema.FieldAnonymousID, id(prop("$device_id")))
			}
		} else {
			set(schema.FieldAnonymousID, distinct)
		}
	}
	if e.typ == schema.Group {
		kind, key := word(prop("$group_type")), word(prop("$group_key"))
		if key != "" {
			set(schema.FieldGroupID, groupSlowly(kind, key))
			if distinct == "$"+kind+"_"+key {
				delete(e.fields, schema.FieldUserID)
			}
		}
	} else {
		for _, g := range posthogPairs(prop("$groups")) {
			if s, ok, _ := posthogText(g.raw); ok && kindOf(g.raw) != 't' {
				set(schema.FieldGroupID, groupSlowly(g.name, s))
				break
			}
		}
	}

	// When.
	e.trust = o.historical || posthogSlowTruth(posthogFind(top, "historical_migration")) == yes || posthogSlowTruth(prop("$ignore_sent_at")) == yes ||
		posthogSlowTruth(option("disable_skew_correction", "disable_skew_adjustment")) == yes
	timestamp, offset := posthogFind(top, "timestamp"), posthogFind(top, "offset")
	switch {
	case present(timestamp):
		k := kindOf(timestamp)
		if k != '"' && k != '0' {
			refuse(schema.InvalidType)
			break
		}
		e.time = string(timestamp)
		if k == '"' {
			e.time = stringOf(timestamp)
		}
		if e.ts, e.hasTS = schema.ParseTime([]byte(e.time)); !e.hasTS {
			e.ts = 0
			refuse(schema.InvalidTimestamp)
		}
	case present(offset) && kindOf(offset) != '0':
		refuse(schema.InvalidType)
	case present(offset):
		ms, err := strconv.ParseFloat(string(offset), 64)
		if err != nil || math.Abs(ms) > 3_153_600_000_000 {
			refuse(schema.InvalidTimestamp)
			break
		}
		e.ts, e.hasTS, e.trust = o.received-int64(ms), true, true
	}

	// Where.
	url := posthogString(prop("$current_url"))
	host, path := splitURLSlowly(url)
	if url == "" {
		host, path = posthogSlowHost(posthogString(prop("$host"))), posthogString(prop("$pathname"))
	}
	set(schema.FieldPageHost, host)
	set(schema.FieldPagePath, path)
	referrer := posthogString(prop("$referrer"))
	host, _ = splitURLSlowly(referrer)
	if referrer == "" {
		host = posthogSlowHost(posthogString(prop("$referring_domain")))
	}
	set(schema.FieldReferrerHost, host)
	for f, names := range map[schema.Field][]string{
		schema.FieldLocale: {"$locale", "$browser_language"}, schema.FieldCampaignSource: {"utm_source"}, schema.FieldCampaignMedium: {"utm_medium"}, schema.FieldCampaignName: {"utm_campaign"},
	} {
		for _, n := range names {
			if s := posthogString(prop(n)); s != "" {
				set(f, s)
				break
			}
		}
	}
	for f, n := range map[schema.Field]string{schema.FieldOS: "$os", schema.FieldOSVersion: "$os_version", schema.FieldBrowser: "$browser", schema.FieldBrowserVersion: "$browser_version"} {
		if kindOf(prop(n)) == 't' {
			continue
		}
		s, _, _ := posthogText(prop(n))
		set(f, s)
	}
	if posthogSlowTruth(prop("$is_server")) == yes {
		delete(e.fields, schema.FieldOS)
		delete(e.fields, schema.FieldOSVersion)
	}
	e.bot = posthogString(prop("$browser_type")) == "bot"
	set(schema.FieldDeviceType, strings.Map(lowerASCII, posthogString(prop("$device_type"))))
	pixels := func(raw json.RawMessage) uint16 {
		if kindOf(raw) != '0' {
			return 0
		}
		f, _ := strconv.ParseFloat(string(raw), 64)
		return uint16(min(max(f, 0), math.MaxUint16))
	}
	e.w, e.h = pixels(prop("$screen_width")), pixels(prop("$screen_height"))
	if e.agent = posthogString(prop("$raw_user_agent")); e.agent == "" {
		e.agent = posthogString(prop("$user_agent"))
	}
	for _, raw := range []json.RawMessage{posthogFind(top, "session_id"), prop("$session_id")} {
		if s, ok, _ := posthogText(raw); ok && kindOf(raw) != 't' {
			e.session = s
			break
		}
	}
	e.addr = posthogString(prop("$ip"))
	if addr, err := netip.ParseAddr(e.addr); err == nil && addr.Zone() == "" {
		set(schema.FieldIP, addr.Unmap().String())
	}

	// Keys.
	token := posthogFind(top, "token", "api_key", "$token")
	bears := token
	if !present(bears) && o.single {
		bears = prop("token")
	}
	if o.opt.Key != nil && present(bears) && (kindOf(bears) != '"' || stringOf(bears) != string(o.opt.Key)) {
		refuse(schema.InvalidType)
	}

	// What is kept as JSON.
	count := func(raw json.RawMessage) {
		n := 0
		switch kindOf(raw) {
		case '{':
			n = len(posthogPairs(raw))
		case '[':
			var list []json.RawMessage
			if err := json.Unmarshal(raw, &list); err != nil {
				panic(err)
			}
			n = len(list)
		}
		if n > o.limits.MaxProperties {
			refuse(schema.TooManyProperties)
		}
	}
	if kindOf(properties) == '{' {
		count(properties)
	}
	for _, op := range []string{"$set", "$set_once", "$unset"} {
		count(posthogFind(top, op))
		count(prop(op))
	}
	count(prop("$group_set"))
	gone := map[string]bool{}
	goneTop := map[string]bool{}
	if t := prop("token"); kindOf(t) == '"' {
		s := stringOf(t)
		gone["token"] = o.opt.Key != nil && s == string(o.opt.Key) || strings.HasPrefix(s, "phc_") || strings.HasPrefix(s, "mr_")
	}
	gone["$ip"] = posthogNearlyAddress.MatchString(e.addr)
	times := map[string]int{}
	if m := posthogFind(top, "properties"); kindOf(m) == '{' {
		for _, p := range posthogPairs(m) {
			times[p.name]++
		}
	}
	gone["token"], gone["$ip"] = gone["token"] || times["token"] > 1, gone["$ip"] || times["$ip"] > 1
	var traits []string
	if e.typ == schema.Group {
		if m := prop("$group_set"); kindOf(m) == '{' {
			traits = append(traits, `"$set":`+posthogFlat(string(m), 1))
			gone["$group_set"] = true
		}
	} else {
		for _, op := range []string{"$set", "$set_once"} {
			a, b := prop(op), posthogFind(top, op)
			if gone[op], goneTop[op] = kindOf(a) == '{', kindOf(b) == '{'; gone[op] || goneTop[op] {
				traits = append(traits, `"`+op+`":`+posthogFlatPairs(append(posthogPairs(a), posthogPairs(b)...)))
			}
		}
		var names []string
		found := false
		for i, raw := range []json.RawMessage{prop("$unset"), posthogFind(top, "$unset")} {
			switch kindOf(raw) {
			case '[':
				var list []json.RawMessage
				if err := json.Unmarshal(raw, &list); err != nil {
					panic(err)
				}
				for _, item := range list {
					names = append(names, posthogFlatItem(item))
				}
			case '{':
				for _, p := range posthogPairs(raw) {
					names = append(names, fmt.Sprintf("%q", p.name))
				}
			default:
				continue
			}
			found = true
			gone["$unset"], goneTop["$unset"] = gone["$unset"] || i == 0, goneTop["$unset"] || i == 1
		}
		if found {
			traits = append(traits, `"$unset":[`+strings.Join(names, ",")+"]")
		}
	}
	if len(traits) > 0 {
		e.traits = "{" + strings.Join(traits, ",") + "}"
	}

	lifts := []struct {
		name string
		raw  json.RawMessage
	}{
		{"$session_id", posthogFind(top, "session_id")},
		{"$window_id", posthogFind(top, "window_id")},
		{"$process_person_profile", option("process_person_profile")},
		{"$cookieless_mode", option("cookieless_mode")},
		{"$product_tour_id", option("product_tour_id")},
		{"$ignore_sent_at", option("disable_skew_correction", "disable_skew_adjustment")},
	}
	var kept []posthogPair
	for _, p := range props {
		if !gone[p.name] {
			kept = append(kept, p)
		}
	}
	lifted := false
	for _, l := range lifts {
		if present(l.raw) && !present(prop(l.name)) {
			kept, lifted = append(kept, posthogPair{l.name, l.raw}), true
		}
	}
	emptyList := kindOf(properties) == '[' && len(properties) >= 2 && len(bytes.Trim(properties, "[] \t\r\n")) == 0 && json.Valid(properties) && !bytes.Contains(properties[1:], []byte("["))
	if k := kindOf(properties); present(properties) && k != '{' && !emptyList {
		refuse(schema.InvalidType)
	} else if k == '{' || lifted {
		e.properties = posthogFlatPairs(kept)
	}

	var rest []posthogPair
	left := func(name string, stays bool) {
		if raw := posthogFind(top, name); stays && present(raw) {
			rest = append(rest, posthogPair{name, raw})
		}
	}
	known := map[string]bool{
		"event": true, "uuid": true, "distinct_id": true, "$distinct_id": true, "timestamp": true, "offset": true, "token": true, "api_key": true, "$token": true,
		"sent_at": o.whole, "sentAt": o.whole, "historical_migration": o.whole, "properties": true, "$set": true, "$set_once": true, "$unset": true, "session_id": true, "window_id": true, "options": true,
	}
	for _, p := range top {
		if !known[p.name] && !(o.whole && p.name == "batch") {
			rest = append(rest, p)
		}
	}
	left("$set", !goneTop["$set"])
	left("$set_once", !goneTop["$set_once"])
	left("$unset", !goneTop["$unset"])
	left("$distinct_id", present(posthogFind(top, "distinct_id")))
	left("offset", present(timestamp))
	left("session_id", present(prop("$session_id")))
	left("window_id", present(prop("$window_id")))
	strange := kindOf(options) != '{'
	for _, p := range posthogPairs(options) {
		switch p.name {
		case "disable_skew_correction", "disable_skew_adjustment", "process_person_profile", "cookieless_mode", "product_tour_id":
		default:
			strange = true
		}
	}
	for _, l := range lifts[2:] {
		strange = strange || present(l.raw) && present(prop(l.name))
	}
	left("options", strange)
	if len(rest) > 0 {
		e.context = posthogFlatPairs(rest)
	}
}

// sent is oracle.sent.
func (o *posthogOracle) sent(raw json.RawMessage) {
	var plain oracle
	if plain.sent(raw); plain.sentAt != nil {
		o.sentAt = plain.sentAt
	}
}

func (o *posthogOracle) array(raw json.RawMessage) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		panic(err)
	}
	for _, item := range list {
		o.event(item)
	}
}

// decode is the whole of it.
func (o *posthogOracle) decode(r *Route, body []byte) (fault Fault) {
	text := bytes.Trim(bytes.TrimPrefix(body, []byte(byteOrderMark)), " \t\r\n")
	switch {
	case len(text) == 0:
		return Empty
	case !json.Valid(text):
		return Malformed
	case text[0] == '[' && r.Shape != Capture:
		o.single = true
		o.array(text)
	case text[0] != '{':
		return Misshapen
	default:
		members := posthogPairs(text)
		batch := posthogFind(members, "batch")
		switch {
		case kindOf(batch) == '[':
			o.historical = posthogSlowTruth(posthogFind(members, "historical_migration")) == yes
			o.array(batch)
		case present(batch) || r.Shape == Capture:
			return Misshapen
		default:
			o.single, o.whole = true, true
			o.event(text)
		}
		o.sent(posthogFind(members, "sent_at", "sentAt"))
	}
	switch {
	case len(o.events) == 0:
		return Empty
	case len(o.events) > o.max:
		return TooMany
	}
	return 0
}

// posthogSlowKey is the first key at the top level of the body or of the first element of an array; without one the first among its properties or in the first event of its batch.
func posthogSlowKey(body []byte) string {
	text := json.RawMessage(bytes.Trim(bytes.TrimPrefix(body, []byte(byteOrderMark)), " \t\r\n"))
	var of func(raw json.RawMessage, outer bool) string
	of = func(raw json.RawMessage, outer bool) string {
		inner := ""
		for _, p := range posthogPairs(raw) {
			found := ""
			switch k := kindOf(p.raw); {
			case (p.name == "token" || p.name == "api_key" || p.name == "$token") && k == '"' && stringOf(p.raw) != "":
				return stringOf(p.raw)
			case p.name == "properties" && k == '{':
				for _, q := range posthogPairs(p.raw) {
					if q.name == "token" && present(q.raw) {
						found = posthogString(q.raw)
					}
				}
			case p.name == "batch" && k == '[' && outer:
				var list []json.RawMessage
				if err := json.Unmarshal(p.raw, &list); err != nil {
					panic(err)
				}
				if len(list) > 0 {
					found = of(list[0], false)
				}
			}
			if inner == "" {
				inner = found
			}
		}
		return inner
	}
	if kindOf(text) != '[' {
		return of(text, true)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil {
		panic(err)
	}
	if len(list) == 0 {
		return ""
	}
	return of(list[0], false)
}

func (x *posthogExpected) compareAll(e *schema.Event, buf []byte) (diffs []string) {
	if x.faults[schema.InvalidUTF8] {
		return x.compare(e, buf)
	}
	objects := map[schema.Field]string{schema.FieldProperties: x.properties, schema.FieldContext: x.context, schema.FieldTraits: x.traits}
	for f, want := range objects {
		got := string(e.Text(f).In(buf))
		if posthogFlat(got, 2) != want && posthogFlat(got, 1) != want {
			diffs = append(diffs, fmt.Sprintf("%v is %s, want %s", f, posthogFlat(got, 2), want))
		}
		x.fields[f] = got // as text it may stand in either way
	}
	if strings.Contains(x.raw, "utm_") {
		for _, f := range []schema.Field{schema.FieldCampaignSource, schema.FieldCampaignMedium, schema.FieldCampaignName} {
			if x.fields[f] == "" {
				x.fields[f] = string(e.Text(f).AppendValue(nil, buf)) // out of a URL
			}
		}
	}
	diffs = append(diffs, x.compare(e, buf)...)
	for what, both := range map[string][2]any{
		"trust": {e.TrustClock, x.trust}, "bot": {e.Bot, x.bot}, "agent": {string(e.ClientAgent.AppendValue(nil, buf)), x.agent}, "address": {string(e.ClientAddr.AppendValue(nil, buf)), x.addr},
	} {
		if both[0] != both[1] {
			diffs = append(diffs, fmt.Sprintf("%s is %v, want %v", what, both[0], both[1]))
		}
	}
	return diffs
}
