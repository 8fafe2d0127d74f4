package dialect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
)

// oneMember is a member of an object as it stands there.
type oneMember struct {
	name  string
	key   string // with its quotes
	value json.RawMessage
}

// inOrder splits an object into its members, duplicates included.
func inOrder(raw json.RawMessage) (list []oneMember) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	_, err := dec.Token()
	must(err)
	for dec.More() {
		before := dec.InputOffset()
		name, err := dec.Token()
		must(err)
		m := oneMember{name: name.(string), key: strings.TrimLeft(string(raw[before:dec.InputOffset()]), ", \t\r\n")}
		must(dec.Decode(&m.value))
		list = append(list, m)
	}
	return list
}

// amplitudeOracle reads Amplitude's bodies the slow way.
type amplitudeOracle struct {
	oracle
	revenues []revenueOracle // by event
}

// revenueOracle is what the properties of an event must be when they are given a revenue: begin, and then the product.
type revenueOracle struct {
	begin string
	a, b  string // b may be empty
}

func (o *amplitudeOracle) decode(body []byte) Fault {
	text := bytes.Trim(bytes.TrimPrefix(body, []byte(byteOrderMark)), " \t\r\n")
	switch {
	case len(text) == 0:
		return Empty
	case !json.Valid(text):
		return Malformed
	case text[0] == '[':
		o.list(text)
	case text[0] != '{':
		return Misshapen
	default:
		var events, sent json.RawMessage
		bare := false
		for _, m := range inOrder(text) {
			switch m.name {
			case "event", "events":
				events = m.value
			case "event_type":
				bare = true
			case "client_upload_time":
				sent = m.value
			}
		}
		switch {
		case kindOf(events) == '[':
			o.list(events)
			o.sent(sent)
		case kindOf(events) == '{':
			o.event(events)
			o.sent(sent)
		case present(events) || !bare:
			return Misshapen
		default:
			o.event(text)
		}
	}
	switch n := len(o.events); {
	case n == 0:
		return Empty
	case n > o.max:
		return TooMany
	}
	return 0
}

func (o *amplitudeOracle) list(raw json.RawMessage) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		panic(err)
	}
	for _, item := range list {
		o.event(item)
	}
}

// amplitudeKnown are the members that are not simply copied into the context.
var amplitudeKnown = strings.Fields(`insert_id event_type user_id device_id session_id time event_properties user_properties group_properties groups ip library user_agent language os_name
	os_version country city price quantity revenue api_key`)

func (o *amplitudeOracle) event(raw json.RawMessage) {
	e := expected{raw: string(raw), faults: map[schema.Reason]bool{}, fields: map[schema.Field]string{}}
	var revenue revenueOracle
	defer func() {
		o.events = append(o.events, e)
		o.revenues = append(o.revenues, revenue)
	}()
	if kindOf(raw) != '{' {
		e.faults[schema.InvalidType] = true
		return
	}
	e.typ = schema.Track
	fault := func(is bool, r schema.Reason) {
		if is {
			e.faults[r] = true
		}
	}
	fault(int64(len(raw)) > o.limits.MaxEventBytes, schema.EventTooLarge)
	fault(!utf8.Valid(raw), schema.InvalidUTF8)
	fault(depthOf(raw) > o.limits.MaxDepth, schema.TooDeep)
	if !utf8.Valid(raw) {
		return
	}
	m := rawObject(raw)
	text := func(raw json.RawMessage) string {
		if kindOf(raw) == '"' {
			return stringOf(raw)
		}
		return ""
	}
	set := func(f schema.Field, s string) {
		if s != "" {
			e.fields[f] = s
		}
	}
	// What must be of some kind.
	for name, kinds := range map[string]string{"event_type": `"`, "user_id": `"`, "device_id": `"`, "insert_id": `"`, "session_id": `"0`, "time": `"0`} {
		fault(present(m[name]) && !strings.ContainsRune(kinds, rune(kindOf(m[name]))), schema.InvalidType)
	}
	switch name := text(m["event_type"]); name {
	case "$identify":
		e.typ = schema.Identify
	case "$groupidentify":
		e.typ = schema.Group
	case "[Amplitude] Page Viewed":
		e.typ = schema.Page
	case "[Amplitude] Screen Viewed":
		e.typ = schema.Screen
	default:
		set(schema.FieldEvent, name)
	}
	user, device := text(m["user_id"]), text(m["device_id"])
	set(schema.FieldUserID, user)
	set(schema.FieldAnonymousID, device)
	// Ids that are the device's own.
	ofDevice := func(raw json.RawMessage) string {
		plain := strings.Trim(string(raw), `"`)
		id := plain
		if kindOf(raw) == '"' {
			id, plain = stringOf(raw), string(raw[1:len(raw)-1])
			if regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString(id) {
				return id
			}
		}
		of, length := device, len(m["device_id"])-2
		if of == "" {
			of, length = user, len(m["user_id"])-2
		}
		if of == "" || int64(length+1+len(plain)) > o.limits.MaxIDBytes {
			return id
		}
		return of + ":" + id
	}
	if id := m["insert_id"]; text(id) != "" {
		e.id = ofDevice(id)
	}
	session := false
	if raw := m["session_id"]; kindOf(raw) == '0' && string(raw) != "-1" && string(raw) != "0" || kindOf(raw) == '"' && text(raw) != "-1" && text(raw) != "0" && text(raw) != "" {
		e.session, session = ofDevice(raw), true
	}
	if raw := m["time"]; present(raw) && (kindOf(raw) == '0' || kindOf(raw) == '"') {
		if e.time = string(raw); kindOf(raw) == '"' {
			e.time = stringOf(raw)
		}
		if e.ts, e.hasTS = schema.ParseTime([]byte(e.time)); !e.hasTS {
			e.ts, e.faults[schema.InvalidTimestamp] = 0, true
		}
	}
	group, actor := o.group(m["groups"])
	set(schema.FieldGroupID, group)
	traits, other := "user_properties", "group_properties"
	if e.typ == schema.Group {
		traits, other = other, traits
		if user == "" && device == "" && !present(m["user_id"]) && !present(m["device_id"]) {
			set(schema.FieldDistinctID, actor)
		}
	}
	if raw := m[traits]; present(raw) && !emptyListSlowly(raw) {
		fault(kindOf(raw) != '{', schema.InvalidType)
		if kindOf(raw) == '{' {
			o.traits(&e, raw)
		}
	}
	props := m["event_properties"]
	if !present(props) || emptyListSlowly(props) {
		props = nil
	}
	fault(props != nil && kindOf(props) != '{', schema.InvalidType)
	p := map[string]json.RawMessage{}
	if kindOf(props) == '{' {
		p = rawObject(props)
		fault(countMembers(props) > o.limits.MaxProperties, schema.TooManyProperties)
		e.fields[schema.FieldProperties] = string(props)
	}
	if props == nil || kindOf(props) == '{' {
		revenue = revenueSlowly(m, p, props)
	}
	o.page(&e, p)
	if name := text(p["[Amplitude] Screen Name"]); e.typ == schema.Screen && int64(len(p["[Amplitude] Screen Name"])-2) <= o.limits.MaxNameBytes {
		set(schema.FieldName, name)
	}

	// The context.
	var parts []string
	known := map[string]bool{}
	for _, name := range amplitudeKnown {
		known[name] = true
	}
	for _, member := range inOrder(raw) {
		if !known[member.name] && present(member.value) {
			parts = append(parts, member.key+":"+string(member.value))
		}
	}
	rest := func(name string, is bool) {
		if raw := m[name]; is && present(raw) {
			parts = append(parts, `"`+name+`":`+string(raw))
		}
	}
	isText := func(name string) bool { return text(m[name]) != "" }
	for _, name := range []string{"language", "os_name", "os_version", "city", "library"} {
		rest(name, !isText(name))
	}
	country := text(m["country"])
	code := regexp.MustCompile(`^"[a-zA-Z]{2}"$`).Match(m["country"])
	rest("country", !code)
	addr, err := netip.ParseAddr(text(m["ip"]))
	rest("ip", (err != nil || addr.Zone() != "") && text(m["ip"]) != "$remote")
	rest("user_agent", true)
	rest("groups", true)
	rest("session_id", session || present(m["session_id"]) && kindOf(m["session_id"]) != '0' && kindOf(m["session_id"]) != '"')
	rest("price", true)
	rest("quantity", true)
	rest("revenue", true)
	rest(other, true)
	if len(parts) > 0 {
		e.fields[schema.FieldContext] = "{" + strings.Join(parts, ",") + "}"
	}

	library, version := text(m["library"]), ""
	if i := strings.LastIndex(library, "/"); i > 0 && i+1 < len(library) {
		library, version = library[:i], library[i+1:]
	}
	set(schema.FieldLib, library)
	set(schema.FieldLibVersion, version)
	system, systemVersion := schema.FieldOS, schema.FieldOSVersion
	if regexp.MustCompile(`^amplitude-[tj]s`).MatchString(library) {
		system, systemVersion = schema.FieldBrowser, schema.FieldBrowserVersion
	}
	set(system, text(m["os_name"]))
	set(systemVersion, text(m["os_version"]))
	set(schema.FieldLocale, text(m["language"]))
	set(schema.FieldCity, text(m["city"]))
	if code {
		set(schema.FieldCountry, strings.ToUpper(country))
	}
	e.agent = text(m["user_agent"])
	if e.addr = text(m["ip"]); e.addr == "$remote" {
		e.addr = ""
	}
	if err == nil && addr.Zone() == "" {
		set(schema.FieldIP, addr.Unmap().String())
	}
}

func emptyListSlowly(raw json.RawMessage) bool {
	var list []json.RawMessage
	return kindOf(raw) == '[' && json.Unmarshal(raw, &list) == nil && len(list) == 0
}

// group is the first group that is named.
func (o *amplitudeOracle) group(raw json.RawMessage) (id, actor string) {
	if kindOf(raw) != '{' {
		return "", ""
	}
	name := func(raw json.RawMessage) string {
		switch kindOf(raw) {
		case '"':
			return stringOf(raw)
		case '0':
			return string(raw)
		}
		return ""
	}
	for _, m := range inOrder(raw) {
		if m.name == "" {
			continue
		}
		found := name(m.value)
		if kindOf(m.value) == '[' {
			var list []json.RawMessage
			if err := json.Unmarshal(m.value, &list); err != nil {
				panic(err)
			}
			for _, item := range list {
				if found == "" {
					found = name(item)
				}
			}
		}
		if found != "" {
			return groupSlowly(m.name, found), "$" + m.name + "_" + found
		}
	}
	return "", ""
}

func (o *amplitudeOracle) traits(e *expected, raw json.RawMessage) {
	names := []string{"$set", "$setOnce", "$add", "$append", "$prepend", "$preInsert", "$postInsert", "$remove", "$unset"}
	last := rawObject(raw)
	active := map[string]json.RawMessage{}
	for _, name := range names {
		if k := kindOf(last[name]); k == '{' || k == '[' && name == "$unset" {
			active[name] = last[name]
		}
	}
	empty := present(last["$clearAll"]) && string(last["$clearAll"]) != "false"
	if len(active) == 0 && !empty {
		if countMembers(raw) > o.limits.MaxProperties {
			e.faults[schema.TooManyProperties] = true
		}
		e.fields[schema.FieldTraits] = string(raw)
		return
	}
	count := func(n int) {
		if n > o.limits.MaxProperties {
			e.faults[schema.TooManyProperties] = true
		}
	}
	isName := map[string]bool{"$clearAll": true}
	for _, name := range names {
		isName[name] = true
	}
	var set []string
	plain, odd := 0, map[string]bool{}
	for _, m := range inOrder(raw) {
		switch _, is := active[m.name]; {
		case !isName[m.name]:
			plain++
		case is || m.name == "$clearAll" || kindOf(last[m.name]) == 'n':
			continue
		default:
			odd[m.name] = true
		}
		set = append(set, m.key+":"+string(m.value))
	}
	every := func(name string, keep func(json.RawMessage) bool) (list []string) {
		if kindOf(active[name]) != '{' {
			return nil
		}
		for _, m := range inOrder(active[name]) {
			if keep == nil || keep(m.value) {
				list = append(list, m.key+":"+string(m.value))
			}
		}
		return list
	}
	of := every("$set", nil)
	count(plain + len(odd) + len(of))
	set = append(set, of...)
	isList := func(raw json.RawMessage) bool { return kindOf(raw) == '[' }
	isItem := func(raw json.RawMessage) bool { return kindOf(raw) != '[' }
	union := append(every("$preInsert", nil), every("$postInsert", nil)...)
	count(len(union))
	var parts []string
	object := func(name string, members []string) {
		if len(members) > 0 {
			parts = append(parts, `"`+name+`":{`+strings.Join(members, ",")+`}`)
		}
	}
	whole := func(name, from string) {
		if raw, is := active[from]; is {
			parts = append(parts, `"`+name+`":`+string(raw))
		}
	}
	for _, name := range []string{"$setOnce", "$add", "$append", "$prepend", "$remove", "$unset"} {
		if raw, is := active[name]; is && kindOf(raw) == '{' {
			count(countMembers(raw))
		} else if is {
			var list []json.RawMessage
			if err := json.Unmarshal(raw, &list); err != nil {
				panic(err)
			}
			count(len(list))
		}
	}
	if empty {
		parts = append(parts, `"$clear":true`)
	}
	object("$set", set)
	whole("$set_once", "$setOnce")
	whole("$add", "$add")
	object("$append", every("$append", isItem))
	object("$concat", every("$append", isList))
	whole("$prepend", "$prepend")
	object("$union", union)
	whole("$remove", "$remove")
	whole("$unset", "$unset")
	if len(parts) > 0 {
		e.fields[schema.FieldTraits] = "{" + strings.Join(parts, ",") + "}"
	}
}

func (o *amplitudeOracle) page(e *expected, p map[string]json.RawMessage) {
	text := func(name string) string {
		if kindOf(p[name]) == '"' {
			return stringOf(p[name])
		}
		return ""
	}
	set := func(f schema.Field, s string) {
		if s != "" {
			e.fields[f] = s
		}
	}
	url := text("[Amplitude] Page Location")
	if url == "" {
		url = text("[Amplitude] Page URL")
	}
	host, path := splitURLSlowly(url)
	set(schema.FieldPageHost, host)
	set(schema.FieldPagePath, path)
	set(schema.FieldPagePath, text("[Amplitude] Page Path"))
	if url != "" || e.typ == schema.Page {
		host, _ = splitURLSlowly(text("referrer"))
		set(schema.FieldReferrerHost, host)
	}
	campaign := map[schema.Field]string{schema.FieldCampaignSource: "utm_source", schema.FieldCampaignMedium: "utm_medium", schema.FieldCampaignName: "utm_campaign"}
	named := text("utm_source")+text("utm_medium")+text("utm_campaign") != ""
	for f, name := range campaign {
		if named {
			set(f, text(name))
		} else {
			set(f, paramSlowly(url, name))
		}
	}
}

func revenueSlowly(m, p map[string]json.RawMessage, props json.RawMessage) (r revenueOracle) {
	if p["revenue"] != nil || kindOf(p["$revenue"]) == '0' {
		return r
	}
	number := func(raw json.RawMessage) string {
		if kindOf(raw) == '0' && len(raw) <= 64 {
			return string(raw)
		}
		return ""
	}
	switch price, quantity := number(m["price"]), number(m["quantity"]); {
	case price != "" && quantity != "":
		r.a, r.b = price, quantity
	case number(m["revenue"]) != "":
		r.a = number(m["revenue"])
	case price != "":
		r.a = price
	case number(p["$price"]) != "":
		r.a, r.b = number(p["$price"]), number(p["$quantity"])
	default:
		return r
	}
	r.begin = "{"
	if props != nil {
		r.begin = string(props[:len(props)-1])
		if len(p) > 0 {
			r.begin += ","
		}
	}
	r.begin += `"revenue":`
	return r
}

// compare tells what is wrong with properties that were given a revenue, "" when nothing is.
func (r revenueOracle) compare(got, without string) string {
	x, xerr := strconv.ParseFloat(r.a, 64)
	y, yerr := 1.0, error(nil)
	if r.b != "" {
		y, yerr = strconv.ParseFloat(r.b, 64)
	}
	if r.b != "" && (xerr != nil || yerr != nil || math.IsInf(x*y, 0)) {
		if got != without {
			return fmt.Sprintf("properties are %s, want %s", got, without)
		}
		return ""
	}
	amount, ok := strings.CutPrefix(got, r.begin)
	amount, ended := strings.CutSuffix(amount, "}")
	switch {
	case !ok || !ended:
		return fmt.Sprintf("properties are %s, want %s… and the product of %s and %q", got, r.begin, r.a, r.b)
	case r.b == "":
		if amount != r.a {
			return fmt.Sprintf("revenue is %s, want %s", amount, r.a)
		}
		return ""
	case !json.Valid([]byte(amount)):
		return fmt.Sprintf("revenue is %s, which is no number", amount)
	}
	if len(r.a)+len(r.b) <= 18 && !strings.ContainsAny(r.a+r.b, "eE") {
		a, _ := new(big.Rat).SetString(r.a)
		b, _ := new(big.Rat).SetString(r.b)
		if c, ok := new(big.Rat).SetString(amount); !ok || c.Cmp(a.Mul(a, b)) != 0 {
			return fmt.Sprintf("revenue is %s, want exactly %s times %s", amount, r.a, r.b)
		}
	}
	if f, _ := strconv.ParseFloat(amount, 64); math.Abs(f-x*y) > 1e-12*math.Abs(x*y)+1e-300 {
		return fmt.Sprintf("revenue is %s, want %s times %s", amount, r.a, r.b)
	}
	return ""
}
