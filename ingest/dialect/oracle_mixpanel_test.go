package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
)

// mixpanelPairs lists the members of an object as they are written, duplicates included: the text of the name, and the value without white space.
func mixpanelPairs(raw []byte) (pairs [][2]string) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		panic(err)
	}
	for dec.More() {
		from := dec.InputOffset()
		if _, err := dec.Token(); err != nil {
			panic(err)
		}
		name := strings.TrimLeft(string(raw[from:dec.InputOffset()]), " \t\r\n,")
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			panic(err)
		}
		pairs = append(pairs, [2]string{name, mixpanelCompact(value)})
	}
	return pairs
}

func mixpanelCompact(raw []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		panic(err)
	}
	return b.String()
}

// mixpanelWithout is an object without some members and white space; "" when nothing is left.
func mixpanelWithout(raw []byte, drop ...string) string {
	var kept []string
	for _, p := range mixpanelPairs(raw) {
		if !slices.Contains(drop, stringOf(json.RawMessage(p[0]))) {
			kept = append(kept, p[0]+":"+p[1])
		}
	}
	if kept == nil {
		return ""
	}
	return "{" + strings.Join(kept, ",") + "}"
}

// mixpanelOracle reads the same bodies as the family does, with encoding/json.
type mixpanelOracle struct {
	oracle
	shape Shape
	key   string
}

// text is a string, or a number as text.
func (e *expected) mixpanelText(raw json.RawMessage) string {
	switch {
	case !present(raw):
		return ""
	case kindOf(raw) == '0':
		return string(raw)
	case kindOf(raw) == '"':
		return stringOf(raw)
	}
	e.faults[schema.InvalidType] = true
	return ""
}

// id is the id of a person.
func (o *mixpanelOracle) id(e *expected, raw json.RawMessage) (id string, device bool) {
	id, device = strings.CutPrefix(e.mixpanelText(raw), "$device:")
	if id != "" && schema.IsIllegalID([]byte(id)) {
		e.faults[schema.IllegalID] = true
	}
	if int64(len(id)) > o.limits.MaxIDBytes {
		e.faults[schema.IDTooLong] = true
	}
	return id, device
}

func (o *mixpanelOracle) event(raw json.RawMessage) {
	e := expected{raw: string(raw), faults: map[schema.Reason]bool{}, fields: map[schema.Field]string{}}
	defer func() { o.events = append(o.events, e) }()
	if kindOf(raw) != '{' {
		e.faults[schema.InvalidType] = true
		return
	}
	if int64(len(raw)) > o.limits.MaxEventBytes {
		e.faults[schema.EventTooLarge] = true
	}
	if !utf8.Valid(raw) {
		e.faults[schema.InvalidUTF8] = true
	}
	if depthOf(raw) > o.limits.MaxDepth {
		e.faults[schema.TooDeep] = true
	}
	m := rawObject(raw)
	if o.shape == Updates || o.shape == Groups {
		o.update(&e, raw, m)
	} else {
		o.track(&e, raw, m)
	}
	for f, s := range e.fields {
		if s == "" {
			delete(e.fields, f)
		}
	}
}

// common is what events and updates have alike: ids, time and the key.
func (o *mixpanelOracle) common(e *expected, m map[string]json.RawMessage, distinct, at, token string) (device bool) {
	var did string
	did, device = o.id(e, m[distinct])
	uid, _ := o.id(e, m["$user_id"])
	aid, _ := o.id(e, m["$device_id"])
	if device && aid == "" {
		aid = did
	}
	e.fields[schema.FieldDistinctID], e.fields[schema.FieldUserID], e.fields[schema.FieldAnonymousID] = did, uid, aid
	if o.key != "" && present(m[token]) && (kindOf(m[token]) != '"' || stringOf(m[token]) != o.key) {
		e.faults[schema.InvalidType] = true
	}
	if t := m[at]; present(t) {
		if e.time = e.mixpanelText(t); e.time != "" {
			if e.ts, e.hasTS = schema.ParseTime([]byte(e.time)); !e.hasTS {
				e.ts = 0
				e.faults[schema.InvalidTimestamp] = true
			}
		}
	}
	return device
}

func (o *mixpanelOracle) track(e *expected, raw json.RawMessage, m map[string]json.RawMessage) {
	p := map[string]json.RawMessage{}
	switch props := m["properties"]; {
	case kindOf(props) == '{':
		p = rawObject(props)
		text := mixpanelWithout(props, "token")
		if text == "" && len(mixpanelPairs(props)) == 0 {
			text = "{}"
		}
		e.fields[schema.FieldProperties] = text
		if text != "" && len(mixpanelPairs([]byte(text))) > o.limits.MaxProperties {
			e.faults[schema.TooManyProperties] = true
		}
	case present(props):
		e.faults[schema.InvalidType] = true
	}
	device := o.common(e, p, "distinct_id", "time", "token")
	did := e.fields[schema.FieldDistinctID]
	e.id = e.mixpanelText(p["$insert_id"])
	e.typ = schema.Track
	name := ""
	switch raw := m["event"]; {
	case kindOf(raw) == '"':
		name = stringOf(raw)
	case present(raw):
		e.faults[schema.InvalidType] = true
	}
	e.fields[schema.FieldEvent] = name
	switch name {
	case "$identify":
		e.typ = schema.Identify
		if user, _ := o.id(e, p["$identified_id"]); user != "" {
			e.fields[schema.FieldUserID] = user
		} else if e.fields[schema.FieldUserID] == "" && !device {
			e.fields[schema.FieldUserID] = did
		}
		for _, member := range []string{"$anon_distinct_id", "$anon_id"} {
			if anonymous, _ := o.id(e, p[member]); anonymous != "" {
				e.fields[schema.FieldAnonymousID] = anonymous
			}
		}
		if e.fields[schema.FieldUserID] == "" {
			e.faults[schema.MissingUser] = true
		}
	case "$create_alias":
		e.typ = schema.Alias
		e.fields[schema.FieldUserID], _ = o.id(e, p["alias"])
		e.fields[schema.FieldPreviousID] = did
		e.fields[schema.FieldEvent], e.fields[schema.FieldDistinctID] = "", ""
		if e.fields[schema.FieldUserID] == "" {
			e.faults[schema.MissingUser] = true
		}
	case "$merge":
		e.typ = schema.Merge
		e.fields[schema.FieldEvent], e.fields[schema.FieldDistinctID] = "", ""
		var list []json.RawMessage
		if kindOf(p["$distinct_ids"]) == '[' {
			if err := json.Unmarshal(p["$distinct_ids"], &list); err != nil {
				panic(err)
			}
		}
		if len(list) != 2 {
			e.faults[schema.MissingUser] = true
			break
		}
		for i, f := range []schema.Field{schema.FieldDistinctID, schema.FieldPreviousID} {
			if e.fields[f], _ = o.id(e, list[i]); e.fields[f] == "" {
				e.faults[schema.MissingUser] = true
			}
		}
	case "$mp_web_page_view", "mp_page_view":
		e.typ = schema.Page
		e.fields[schema.FieldEvent] = ""
	}
	if e.typ != schema.Alias && e.typ != schema.Merge && device && e.fields[schema.FieldUserID] != "" {
		e.fields[schema.FieldDistinctID] = ""
	}
	o.surroundings(e, p)
	o.session(e, p["$session_id"], m["$mp_metadata"])
	e.fields[schema.FieldContext] = mixpanelWithout(raw, "event", "properties", "token", "$token")
}

// surroundings hands what properties say of page and device to the oracle of contexts.
func (o *mixpanelOracle) surroundings(e *expected, p map[string]json.RawMessage) {
	c := map[string]map[string]json.RawMessage{}
	put := func(group, name, property string) {
		if raw, ok := p[property]; ok {
			if c[group] == nil {
				c[group] = map[string]json.RawMessage{}
			}
			c[group][name] = raw
		}
	}
	version := func(group, property string) {
		put(group, "version", property)
		if raw := p[property]; kindOf(raw) == '0' {
			c[group]["version"] = json.RawMessage(`"` + string(raw) + `"`)
		}
	}
	put("library", "name", "mp_lib")
	version("library", "$lib_version")
	put("os", "name", "$os")
	version("os", "$os_version")
	put("browser", "name", "$browser")
	version("browser", "$browser_version")
	put("page", "url", "$current_url")
	put("page", "referrer", "$referrer")
	put("campaign", "source", "utm_source")
	put("campaign", "medium", "utm_medium")
	put("campaign", "name", "utm_campaign")
	put("screen", "width", "$screen_width")
	put("screen", "height", "$screen_height")
	put("location", "city", "$city")
	if raw := p["mp_country_code"]; len(raw) == 4 && raw[1] >= 'A' && raw[1] <= 'Z' && raw[2] >= 'A' && raw[2] <= 'Z' {
		put("location", "country", "mp_country_code")
	}
	whole := map[string]any{}
	for name, group := range c {
		whole[name] = group
	}
	if raw, ok := p["ip"]; ok {
		if e.noAddress = string(raw) == "0" || string(raw) == `"0"`; !e.noAddress {
			whole["ip"] = raw
		}
	}
	if raw, ok := p["$user_agent"]; ok {
		whole["userAgent"] = raw
	}
	text, err := json.Marshal(whole)
	if err != nil {
		panic(err)
	}
	o.context(e, text)
	if referrer := p["$referrer"]; kindOf(referrer) != '"' || !present(referrer) {
		if raw := p["$referring_domain"]; kindOf(raw) == '"' {
			domain := stringOf(raw)
			if strings.Count(domain, ":") == 1 {
				domain, _, _ = strings.Cut(domain, ":")
			}
			e.fields[schema.FieldReferrerHost] = strings.Map(lowerASCII, domain)
		}
	}
}

func (o *mixpanelOracle) session(e *expected, own, metadata json.RawMessage) {
	e.session = ""
	for _, raw := range []json.RawMessage{own, func() json.RawMessage {
		if kindOf(metadata) != '{' {
			return nil
		}
		return rawObject(metadata)["$mp_session_id"]
	}()} {
		if k := kindOf(raw); present(raw) && (k == '"' || k == '0') {
			e.session = e.mixpanelText(raw)
			return
		}
	}
}

func (o *mixpanelOracle) update(e *expected, raw json.RawMessage, m map[string]json.RawMessage) {
	device := o.common(e, m, "$distinct_id", "$time", "$token")
	if device && e.fields[schema.FieldUserID] != "" {
		e.fields[schema.FieldDistinctID] = ""
	}
	nobody := e.fields[schema.FieldDistinctID]+e.fields[schema.FieldUserID]+e.fields[schema.FieldAnonymousID] == ""
	drop := []string{"$token", "token", "$distinct_id", "$user_id", "$device_id", "$time", "$delete", "$set", "$set_once", "$add", "$append", "$union", "$remove", "$unset"}
	if e.typ = schema.Identify; o.shape == Groups {
		e.typ = schema.Group
		drop = append(drop, "$group_key", "$group_id")
		key, id := e.mixpanelText(m["$group_key"]), e.mixpanelText(m["$group_id"])
		if !present(m["$group_key"]) || !present(m["$group_id"]) {
			e.faults[schema.MissingUser] = true
		}
		if key != "" && id != "" {
			e.fields[schema.FieldGroupID] = groupSlowly(key, id)
			if nobody {
				e.fields[schema.FieldDistinctID] = "$" + key + "_" + id
			}
			if int64(len(key)+len(id)+2) > o.limits.MaxIDBytes {
				e.faults[schema.IDTooLong] = true
			}
		}
	} else if nobody {
		e.faults[schema.MissingUser] = true
	}
	var parts []string
	if raw := m["$delete"]; kindOf(raw) != 0 && kindOf(raw) != 'n' && string(raw) != "false" {
		parts = append(parts, `"$clear":true`)
	}
	for _, op := range []string{"$set", "$set_once", "$add", "$append", "$union", "$remove", "$unset"} {
		raw := m[op]
		if !present(raw) {
			continue
		}
		n := 0
		switch {
		case op != "$unset" && kindOf(raw) == '{':
			n = countMembers(raw)
		case op == "$unset" && kindOf(raw) == '[':
			var list []json.RawMessage
			if err := json.Unmarshal(raw, &list); err != nil {
				panic(err)
			}
			n = len(list)
		default:
			e.faults[schema.InvalidType] = true
			continue
		}
		if n > o.limits.MaxProperties {
			e.faults[schema.TooManyProperties] = true
		}
		parts = append(parts, `"`+op+`":`+mixpanelCompact(raw))
	}
	if parts != nil {
		e.fields[schema.FieldTraits] = "{" + strings.Join(parts, ",") + "}"
	}
	p := map[string]json.RawMessage{}
	if raw, ok := m["$ip"]; ok {
		p["ip"] = raw
	}
	o.surroundings(e, p)
	o.session(e, nil, m["$mp_metadata"])
	e.fields[schema.FieldContext] = mixpanelWithout(raw, drop...)
}

func (o *mixpanelOracle) lines(text []byte) {
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		line = bytes.Trim(line, " \t\r")
		switch {
		case len(line) == 0:
		case json.Valid(line):
			o.event(line)
		default:
			o.events = append(o.events, expected{raw: string(line), faults: map[schema.Reason]bool{schema.InvalidJSON: true}})
		}
	}
}

func (o *mixpanelOracle) decode(body []byte, opt Options) Fault {
	text := bytes.Trim(bytes.TrimPrefix(body, []byte(byteOrderMark)), " \t\r\n")
	if len(text) == 0 {
		return Empty
	}
	switch valid := json.Valid(text); {
	case opt.Lines:
		o.lines(text)
	case text[0] == '{' && !valid:
		dec := json.NewDecoder(bytes.NewReader(text))
		var first json.RawMessage
		if dec.Decode(&first) != nil {
			return Malformed
		}
		rest := text[dec.InputOffset():]
		next := bytes.TrimLeft(rest, " \t\r\n")
		if next[0] != '{' || !bytes.Contains(rest[:len(rest)-len(next)], []byte("\n")) {
			return Malformed
		}
		o.event(first)
		o.lines(next)
	case !valid:
		return Malformed
	case text[0] == '{':
		o.event(text)
	case text[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(text, &list); err != nil {
			panic(err)
		}
		for _, item := range list {
			o.event(item)
		}
	default:
		return Misshapen
	}
	switch {
	case len(o.events) == 0:
		return Empty
	case len(o.events) > o.max:
		return TooMany
	}
	return 0
}

// checkMixpanel compares the decoder with the oracle on one body of a route, and tells how many events were taken and how many refused.
func checkMixpanel(t *testing.T, path string, body []byte, opt Options) (taken, refused int) {
	t.Helper()
	r := route(t, path)
	o := mixpanelOracle{oracle: oracle{limits: tight, max: tightEvents}, shape: r.Shape, key: string(opt.Key)}
	want := o.decode(body, opt)
	b := &schema.Batch{Buf: bytes.Clone(body)}
	err := New(tight, tightEvents).Decode(r, b, opt)
	var got Fault
	var e *Error
	if errors.As(err, &e) {
		got = e.Fault
	} else if err != nil {
		t.Fatalf("%s %q: error of type %T", path, body, err)
	}
	if got == TooMany && want != TooMany && bytes.ContainsAny(body, ",\n") {
		return 0, 0 // it gave up before it could see what the oracle saw
	}
	if got != want {
		t.Fatalf("%s %q: fault %v (%v), want %v", path, body, got, err, want)
	}
	if err != nil {
		return 0, 0
	}
	if !bytes.Equal(b.Buf[:len(body)], body) {
		t.Fatalf("%s %q: the body was changed to %q", path, body, b.Buf[:len(body)])
	}
	if len(b.Events) != len(o.events) {
		t.Fatalf("%s %q: %d events, want %d", path, body, len(b.Events), len(o.events))
	}
	for i := range b.Events {
		e, x := &b.Events[i], &o.events[i]
		// Objects are compared without white space.
		for _, f := range []schema.Field{schema.FieldProperties, schema.FieldContext, schema.FieldTraits} {
			if text := e.Text(f).In(b.Buf); x.fields[f] != "" && json.Valid(text) && mixpanelCompact(text) == x.fields[f] {
				x.fields[f] = string(text)
			}
		}
		diffs := append(x.compare(e, b.Buf), x.compareClient(e, b.Buf)...)
		if e.TrustClock != (r.Shape == Import) {
			diffs = append(diffs, "clocks are trusted on imports, and only there")
		}
		if e.NoAddress != x.noAddress && !e.Refused() {
			diffs = append(diffs, fmt.Sprintf("no address: %v, want %v", e.NoAddress, x.noAddress))
		}
		for _, diff := range diffs {
			t.Errorf("%s %q: event %d: %s", path, body, i, diff)
		}
		checkTexts(t, e, b.Buf)
		if e.Refused() {
			refused++
		} else {
			taken++
		}
	}
	return taken, refused
}
