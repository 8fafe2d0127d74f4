package dialect

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
)

// The oracle reads bodies with encoding/json, the slow and obvious way, so that the decoder can be compared with it on any input.

// named is a member of an object.
type named struct{ name, value string }

// membersOf are the members of an object in order, duplicates included.
func membersOf(raw json.RawMessage) (all []named) {
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
		all = append(all, named{key.(string), string(value)})
	}
	return all
}

var ours = [...]map[string]bool{
	words("id type event name distinct_id user_id anonymous_id group_id previous_id session_id ts timestamp sent_at properties context traits set set_once add append concat prepend union remove unset clear correlation_id causation_id hops events"),
	words("messageId type event name userId anonymousId groupId previousId timestamp originalTimestamp sentAt properties context traits writeKey integrations _metadata"),
}

func words(text string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(text) {
		m[w] = true
	}
	return m
}

// othersOf are the members of an event that mean nothing here and hold something.
func othersOf(raw json.RawMessage, segment bool) (all []named) {
	known := ours[0]
	if segment {
		known = ours[1]
	}
	for _, m := range membersOf(raw) {
		text := strings.Join(strings.Fields(m.value), "")
		if !known[m.name] && text != "null" && text != `""` && text != "{}" && text != "[]" {
			all = append(all, m)
		}
	}
	return all
}

// expected is what the oracle makes of one event.
type expected struct {
	others  []named // what is kept in the context beside what it was sent with
	raw     string
	faults  map[schema.Reason]bool
	typ     schema.Type
	fields  map[schema.Field]string // values of text fields, texts of objects
	id      string
	time    string
	session string
	ts      int64
	hasTS   bool
	hops    uint8
	w, h    uint16
	agent   string // of the context
	addr    string
	// noAddress: the request's address is not the person's.
	noAddress bool
}

type oracle struct {
	limits schema.Limits
	max    int
	sentAt *int64
	events []expected
}

// rawObject splits an object into its members; of duplicates the last stays.
func rawObject(text []byte) (m map[string]json.RawMessage) {
	if json.Unmarshal(text, &m) != nil {
		return nil
	}
	return m
}

func kindOf(raw json.RawMessage) byte {
	if len(raw) == 0 {
		return 0
	}
	switch c := raw[0]; c {
	case '{', '[', '"', 't', 'n':
		return c
	case 'f':
		return 't'
	}
	return '0'
}

func stringOf(raw json.RawMessage) (s string) {
	if err := json.Unmarshal(raw, &s); err != nil {
		panic(err)
	}
	return s
}

func present(raw json.RawMessage) bool {
	k := kindOf(raw)
	return k != 0 && k != 'n' && string(raw) != `""`
}

// countMembers counts the members of an object, duplicates included.
func countMembers(raw json.RawMessage) (n int) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	depth, key := 0, true
	for {
		tok, err := dec.Token()
		if err != nil {
			return n
		}
		if depth == 1 && tok != json.Delim('}') {
			if key {
				n++
			}
			key = !key
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			if depth--; depth == 1 {
				key = true
			}
		}
	}
}

// allNumbers tells whether each member of an object is a number, duplicates included.
func allNumbers(raw json.RawMessage) bool {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	for i := 0; ; i++ {
		tok, err := dec.Token()
		if err != nil || tok == json.Delim('}') {
			return true // the end: of an object with nothing in it that has an end
		}
		if _, number := tok.(json.Number); i > 0 && i%2 == 0 && !number {
			return false
		}
	}
}

func depthOf(text []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// groupSlowly is the id of a group of a kind.
func groupSlowly(kind, key string) string {
	if kind == "" {
		return key
	}
	return strings.NewReplacer(":", "%3A", "%", "%25").Replace(kind) + ":" + key
}

var urlForm = regexp.MustCompile(`(?s)^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//([^/?#]*)([^?#]*)`)

func splitURLSlowly(u string) (host, path string) {
	m := urlForm.FindStringSubmatch(u)
	if m == nil {
		if strings.HasPrefix(u, "/") {
			return "", strings.FieldsFunc(u+"?", func(r rune) bool { return r == '?' || r == '#' })[0]
		}
		return "", ""
	}
	host, path = m[1], m[2]
	host = host[strings.LastIndex(host, "@")+1:]
	if strings.HasPrefix(host, "[") {
		host, _, ok := strings.Cut(host[1:], "]")
		if !ok {
			host = ""
		}
		return strings.Map(lowerASCII, host), path
	}
	host, _, _ = strings.Cut(host, ":")
	return strings.Map(lowerASCII, host), path
}

var escapeForm = regexp.MustCompile(`%[0-9a-fA-F]{2}`)

// paramSlowly is the first value of a parameter that is not empty.
func paramSlowly(u, name string) string {
	u, _, _ = strings.Cut(u, "#")
	_, query, _ := strings.Cut(u, "?")
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key != name || value == "" {
			continue
		}
		value = escapeForm.ReplaceAllStringFunc(strings.ReplaceAll(value, "+", " "), func(code string) string {
			b, err := hex.DecodeString(code[1:])
			if err != nil {
				panic(err)
			}
			return string(b)
		})
		return strings.ToValidUTF8(value, "\uFFFD")
	}
	return ""
}

func lowerASCII(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func (o *oracle) event(raw json.RawMessage, segment bool, fixed schema.Type, sent bool) {
	e := expected{raw: string(raw), faults: map[schema.Reason]bool{}, fields: map[schema.Field]string{}, typ: fixed}
	defer func() { o.events = append(o.events, e) }()
	m := rawObject(raw)
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
	name := func(native, seg string) string {
		if segment {
			return seg
		}
		return native
	}
	member := func(native, seg string, kinds string) (json.RawMessage, bool) {
		raw := m[name(native, seg)]
		if name(native, seg) == "" || !present(raw) {
			return nil, false
		}
		if !strings.ContainsRune(kinds, rune(kindOf(raw))) {
			e.faults[schema.InvalidType] = true
			return nil, false
		}
		return raw, true
	}
	for _, t := range []struct {
		f           schema.Field
		native, seg string
	}{
		{schema.FieldEvent, "event", "event"},
		{schema.FieldName, "name", "name"},
		{schema.FieldDistinctID, "distinct_id", ""},
		{schema.FieldUserID, "user_id", "userId"},
		{schema.FieldAnonymousID, "anonymous_id", "anonymousId"},
		{schema.FieldGroupID, "group_id", "groupId"},
		{schema.FieldPreviousID, "previous_id", "previousId"},
		{schema.FieldCorrelationID, "correlation_id", ""},
		{schema.FieldCausationID, "causation_id", ""},
	} {
		if raw, ok := member(t.native, t.seg, `"`); ok {
			e.fields[t.f] = stringOf(raw)
		}
	}
	if raw, ok := member("id", "messageId", `"`); ok {
		e.id = stringOf(raw)
	}
	if fixed == schema.TypeNone {
		if raw, ok := member("type", "type", `"`); ok {
			if e.typ = schema.ParseType([]byte(stringOf(raw))); e.typ == schema.TypeNone {
				e.faults[schema.InvalidType] = true
			}
		} else if !present(m["type"]) {
			if segment {
				e.faults[schema.InvalidType] = true
			} else {
				e.typ = schema.Track
			}
		}
	}
	times := [][2]string{{"ts", "timestamp"}, {"timestamp", "originalTimestamp"}}
	for _, t := range times {
		if !present(m[name(t[0], t[1])]) {
			continue
		}
		if raw, ok := member(t[0], t[1], `"0`); ok {
			e.time = string(raw)
			if raw[0] == '"' {
				e.time = stringOf(raw)
			}
			if e.ts, e.hasTS = schema.ParseTime([]byte(e.time)); !e.hasTS {
				e.ts = 0
				e.faults[schema.InvalidTimestamp] = true
			}
		}
		break
	}
	if raw, ok := member("hops", "", "0"); ok {
		f, err := json.Number(raw).Float64()
		if err != nil || f != math.Trunc(f) || f < 0 || f > 255 {
			e.faults[schema.InvalidType] = true
		} else {
			e.hops = uint8(f)
		}
	}
	count := func(raw json.RawMessage) {
		if countMembers(raw) > o.limits.MaxProperties {
			e.faults[schema.TooManyProperties] = true
		}
	}
	if raw, ok := member("properties", "properties", "{"); ok {
		count(raw)
		e.fields[schema.FieldProperties] = string(raw)
	}
	traits, hasTraits := member("traits", "traits", "{")
	if hasTraits {
		count(traits)
		e.fields[schema.FieldTraits] = string(traits)
	}
	var parts []string
	if !segment {
		set, hasSet := member("set", "", "{")
		once, hasOnce := member("set_once", "", "{")
		add, hasAdd := member("add", "", "{")
		list, hasAppend := member("append", "", "{")
		unset, hasUnset := member("unset", "", "[")
		empty, hasClear := member("clear", "", "t")
		hasClear = hasClear && string(empty) == "true"
		others := hasOnce || hasAdd || hasAppend || hasUnset || hasClear
		var lists []string
		for _, name := range []string{"concat", "prepend", "union", "remove"} {
			if raw, ok := member(name, "", "{"); ok {
				count(raw)
				lists = append(lists, `"$`+name+`":`+string(raw))
				others = true
			}
		}
		if hasClear {
			parts = append(parts, `"$clear":true`)
		}
		if hasSet {
			if hasTraits {
				e.faults[schema.InvalidType] = true
			}
			count(set)
			parts = append(parts, `"$set":`+string(set))
		} else if hasTraits && others {
			parts = append(parts, `"$set":`+string(traits))
		}
		if hasOnce {
			count(once)
			parts = append(parts, `"$set_once":`+string(once))
		}
		if hasAdd {
			count(add)
			if !allNumbers(add) {
				e.faults[schema.InvalidType] = true
			}
			parts = append(parts, `"$add":`+string(add))
		}
		if hasAppend {
			count(list)
			parts = append(parts, `"$append":`+string(list))
		}
		parts = append(parts, lists...)
		if hasUnset {
			var items []json.RawMessage
			if err := json.Unmarshal(unset, &items); err != nil {
				panic(err)
			}
			if len(items) > o.limits.MaxProperties {
				e.faults[schema.TooManyProperties] = true
			}
			for _, item := range items {
				if kindOf(item) != '"' {
					e.faults[schema.InvalidType] = true
				}
			}
			parts = append(parts, `"$unset":`+string(unset))
		}
	}
	if len(parts) > 0 {
		e.fields[schema.FieldTraits] = "{" + strings.Join(parts, ",") + "}"
	}
	if raw, ok := member("context", "context", "{"); ok {
		e.fields[schema.FieldContext] = string(raw)
		o.context(&e, raw)
	}
	if k := kindOf(m["context"]); k == 0 || k == 'n' || k == '{' || !present(m["context"]) {
		if !e.faults[schema.EventTooLarge] {
			e.others = othersOf(raw, segment)
			left := func(name string, is bool) {
				if raw := m[name]; is && present(raw) {
					e.others = append(e.others, named{name, string(raw)})
				}
			}
			left(name("timestamp", "originalTimestamp"), present(m[name("ts", "timestamp")]))
			left(name("sent_at", "sentAt"), !sent)
			left("type", fixed != schema.TypeNone && (kindOf(m["type"]) != '"' || stringOf(m["type"]) != fixed.String()))
		}
	}
	if _, ok := e.fields[schema.FieldTraits]; !ok && segment && e.typ == schema.Identify && !present(m["traits"]) {
		if traits := rawObject(m["context"])["traits"]; kindOf(traits) == '{' {
			if int64(len(raw)+len(traits)) > o.limits.MaxEventBytes {
				e.faults[schema.EventTooLarge] = true
			}
			count(traits)
			e.fields[schema.FieldTraits] = string(traits)
		}
	}
	if raw, ok := member("session_id", "", `"0`); ok {
		e.session = string(raw)
		if raw[0] == '"' {
			e.session = stringOf(raw)
		}
	}
}

func (o *oracle) context(e *expected, raw json.RawMessage) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var c map[string]any
	if err := dec.Decode(&c); err != nil {
		panic(err)
	}
	text := func(path ...string) string {
		m := c
		for _, p := range path[:len(path)-1] {
			m, _ = m[p].(map[string]any)
		}
		s, _ := m[path[len(path)-1]].(string)
		return s
	}
	set := func(f schema.Field, s string) {
		if s != "" {
			e.fields[f] = s
		}
	}
	set(schema.FieldLocale, text("locale"))
	set(schema.FieldLib, text("library", "name"))
	set(schema.FieldLibVersion, text("library", "version"))
	set(schema.FieldCampaignSource, text("campaign", "source"))
	set(schema.FieldCampaignMedium, text("campaign", "medium"))
	set(schema.FieldCampaignName, text("campaign", "name"))
	set(schema.FieldOS, text("os", "name"))
	set(schema.FieldOSVersion, text("os", "version"))
	set(schema.FieldDeviceType, text("device", "type"))
	set(schema.FieldBrowser, text("browser", "name"))
	set(schema.FieldBrowserVersion, text("browser", "version"))
	set(schema.FieldCountry, text("location", "country"))
	set(schema.FieldCity, text("location", "city"))
	e.agent, e.addr = text("userAgent"), text("ip")
	if text("campaign", "source")+text("campaign", "medium")+text("campaign", "name") == "" {
		set(schema.FieldCampaignSource, paramSlowly(text("page", "url"), "utm_source"))
		set(schema.FieldCampaignMedium, paramSlowly(text("page", "url"), "utm_medium"))
		set(schema.FieldCampaignName, paramSlowly(text("page", "url"), "utm_campaign"))
	}
	host, path := splitURLSlowly(text("page", "url"))
	set(schema.FieldPageHost, host)
	set(schema.FieldPagePath, path)
	set(schema.FieldPagePath, text("page", "path"))
	host, _ = splitURLSlowly(text("page", "referrer"))
	set(schema.FieldReferrerHost, host)
	if addr, err := netip.ParseAddr(text("ip")); err == nil && addr.Zone() == "" {
		set(schema.FieldIP, addr.Unmap().String())
	}
	pixels := func(name string) uint16 {
		m, _ := c["screen"].(map[string]any)
		n, ok := m[name].(json.Number)
		if !ok {
			return 0
		}
		f, _ := n.Float64()
		return uint16(min(max(f, 0), math.MaxUint16))
	}
	e.w, e.h = pixels("width"), pixels("height")
	switch s := c["sessionId"].(type) {
	case string:
		e.session = s
	case json.Number:
		e.session = s.String()
	}
}

func (o *oracle) sent(raw json.RawMessage) (taken bool) {
	text := string(raw)
	switch kindOf(raw) {
	case '"':
		text = stringOf(raw)
	case '0':
	default:
		return false
	}
	ms, ok := schema.ParseTime([]byte(text))
	if ok {
		o.sentAt = &ms
	}
	return ok
}

func (o *oracle) array(raw json.RawMessage, segment bool) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		panic(err)
	}
	for _, item := range list {
		o.event(item, segment, schema.TypeNone, false)
	}
}

func (o *oracle) lines(text []byte) {
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		line = bytes.Trim(line, " \t\r")
		switch {
		case len(line) == 0:
		case json.Valid(line):
			o.event(line, false, schema.TypeNone, false)
		default:
			o.events = append(o.events, expected{raw: string(line), faults: map[schema.Reason]bool{schema.InvalidJSON: true}})
		}
	}
}

// decode is the whole of it. tooMany tells that the decoder may have given up before it saw another fault.
func (o *oracle) decode(r *Route, body []byte, opt Options) (fault Fault) {
	text := bytes.TrimPrefix(body, []byte(byteOrderMark))
	const blank = " \t\r\n"
	text = bytes.Trim(text, blank)
	if len(text) == 0 {
		return Empty
	}
	valid := json.Valid(text)
	fault = func() Fault {
		switch {
		case r.Dialect == schema.DialectNative && opt.Lines:
			o.lines(text)
		case r.Dialect == schema.DialectNative && text[0] == '{':
			dec := json.NewDecoder(bytes.NewReader(text))
			var first json.RawMessage
			if dec.Decode(&first) != nil {
				return Malformed
			}
			rest := text[dec.InputOffset():]
			m := rawObject(first)
			switch around := m["events"]; {
			case kindOf(around) == '[' || present(around):
				if !valid {
					return Malformed
				}
				if kindOf(around) != '[' {
					return Misshapen
				}
				o.array(around, false)
				o.sent(m["sent_at"])
			case valid:
				o.event(first, false, schema.TypeNone, o.sent(m["sent_at"]))
			default:
				next := bytes.TrimLeft(rest, blank)
				if next[0] != '{' || !bytes.Contains(rest[:len(rest)-len(next)], []byte("\n")) {
					return Malformed
				}
				o.event(first, false, schema.TypeNone, false)
				o.lines(next)
			}
		case !valid:
			return Malformed
		case r.Dialect == schema.DialectNative && text[0] == '[':
			o.array(text, false)
		case text[0] != '{':
			return Misshapen
		case r.Shape == Batch:
			m := rawObject(text)
			if kindOf(m["batch"]) != '[' {
				return Misshapen
			}
			o.array(m["batch"], true)
			o.sent(m["sentAt"])
		default:
			o.event(text, true, r.Type, o.sent(rawObject(text)["sentAt"]))
		}
		return 0
	}()
	switch {
	case fault != 0:
		return fault
	case len(o.events) == 0:
		return Empty
	case len(o.events) > o.max:
		return TooMany
	}
	return 0
}

// compareClient reports what differs in what is said of the client.
func (x *expected) compareClient(e *schema.Event, buf []byte) (diffs []string) {
	if x.faults[schema.InvalidUTF8] || x.faults[schema.InvalidJSON] {
		return nil
	}
	if got := string(e.ClientAgent.AppendValue(nil, buf)); got != x.agent {
		diffs = append(diffs, fmt.Sprintf("client agent is %q, want %q", got, x.agent))
	}
	if got := string(e.ClientAddr.AppendValue(nil, buf)); got != x.addr {
		diffs = append(diffs, fmt.Sprintf("client address is %q, want %q", got, x.addr))
	}
	return diffs
}

// compareContext: the context as it was sent, and behind that the other members.
func (x *expected) compareContext(got string) []string {
	sent := x.fields[schema.FieldContext]
	if len(x.others) == 0 {
		if got != sent {
			return []string{fmt.Sprintf("context is %q, want %q", got, sent)}
		}
		return nil
	}
	head := `{"$other":`
	if len(membersOf(json.RawMessage(cmp.Or(sent, "{}")))) > 0 {
		head = sent[:len(sent)-1] + `,"$other":`
	}
	rest, ok := strings.CutPrefix(got, head)
	rest, closed := strings.CutSuffix(rest, "}")
	if !ok || !closed || !json.Valid([]byte(got)) || !slices.Equal(membersOf(json.RawMessage(rest)), x.others) {
		return []string{fmt.Sprintf("context is %q, want %q with %q", got, sent, x.others)}
	}
	return nil
}

// compare reports every difference between an event and what the oracle expects of it.
func (x *expected) compare(e *schema.Event, buf []byte) (diffs []string) {
	diff := func(what string, got, want any) {
		if got != want {
			diffs = append(diffs, fmt.Sprintf("%s is %#v, want %#v", what, got, want))
		}
	}
	value := func(t schema.Text) string { return string(t.AppendValue(nil, buf)) }
	diff("raw", string(e.Raw.In(buf)), x.raw)
	if e.Refused() != (len(x.faults) > 0) || e.Refused() && !x.faults[e.Reason] {
		diffs = append(diffs, fmt.Sprintf("refused %v for %q (%s), want one of %v", e.Refused(), e.Reason, e.Detail, x.faults))
	}
	if x.faults[schema.InvalidUTF8] || x.faults[schema.InvalidJSON] {
		return diffs // texts with bytes that are not UTF-8 have no value to compare
	}
	for f := schema.Field(0); f < schema.NumFields; f++ {
		switch f {
		case schema.FieldContext:
			diffs = append(diffs, x.compareContext(string(e.Text(f).In(buf)))...)
		case schema.FieldProperties, schema.FieldTraits:
			diff(f.String(), string(e.Text(f).In(buf)), x.fields[f])
		default:
			diff(f.String(), value(e.Text(f)), x.fields[f])
		}
	}
	diff("type", e.Type, x.typ)
	diff("id", value(e.ClientID), x.id)
	diff("time", value(e.ClientTime), x.time)
	diff("session", value(e.ClientSession), x.session)
	diff("has client_ts", e.Has(schema.FieldClientTS), x.hasTS)
	diff("client_ts", e.ClientTS, x.ts)
	diff("hops", e.Hops, x.hops)
	diff("screen_w", e.ScreenW, x.w)
	diff("screen_h", e.ScreenH, x.h)
	return diffs
}
