package dialect

import (
	"bytes"
	"net/netip"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// amplitudeTexts are the members of an event that become fields as they stand when they are texts.
var amplitudeTexts = [...]struct {
	own  int
	slot contextSlot
	name string
}{
	{amplitudeLanguage, contextLocale, "language"},
	{amplitudeOS, contextOSName, "os_name"},
	{amplitudeOSVersion, contextOSVersion, "os_version"},
	{amplitudeCity, contextCity, "city"},
}

// amplitudeContext adds those members that mean something to the context which become no field, or only a part of one.
func (d *Decoder) amplitudeContext(rest *object) {
	own := &d.own
	add := func(name string, m *member) {
		if m.there() {
			rest.add(name, m)
		}
	}
	for _, t := range amplitudeTexts {
		if m := &own[t.own]; !m.text() {
			add(t.name, m)
		}
	}
	if m := &own[amplitudeLibrary]; !m.text() {
		add("library", m)
	}
	if m := &own[amplitudeCountry]; !d.isCountry(m) {
		add("country", m)
	}
	if m := &own[amplitudeIP]; !d.isRemote(m) && !d.isAddress(m) {
		add("ip", m)
	}
	add("user_agent", &own[amplitudeAgent])
	add("groups", &own[amplitudeGroups])
	if m := &d.values[slotSessionID]; !d.noSession(m) {
		add("session_id", m)
	}
	add("price", &own[amplitudePrice])
	add("quantity", &own[amplitudeQuantity])
	add("revenue", &own[amplitudeRevenue])
	if d.amplitudeType() == schema.Group {
		add("user_properties", &own[amplitudeUserProperties])
	} else {
		add("group_properties", &own[amplitudeGroupProperties])
	}
}

// amplitudeDevice notes what becomes fields of the device, the place and the SDK.
func (d *Decoder) amplitudeDevice() {
	own := &d.own
	for _, t := range amplitudeTexts {
		if m := &own[t.own]; m.text() {
			d.ctx[t.slot] = *m
		}
	}
	if browser := d.amplitudeLibrary(&own[amplitudeLibrary]); browser {
		// Its SDK calls the browser the system.
		d.ctx[contextBrowserName], d.ctx[contextBrowserVersion] = d.ctx[contextOSName], d.ctx[contextOSVersion]
		d.ctx[contextOSName], d.ctx[contextOSVersion] = member{}, member{}
	}
	if m := &own[amplitudeCountry]; d.isCountry(m) {
		d.ctx[contextCountry] = d.capitals(m)
	}
	if m := &own[amplitudeIP]; !d.isRemote(m) {
		d.ctx[contextIP] = *m
	}
	d.ctx[contextUserAgent] = own[amplitudeAgent]
}

// amplitudeLibrary splits name/version at the last slash, and tells whether it is the SDK in browsers.
func (d *Decoder) amplitudeLibrary(m *member) (browser bool) {
	if !m.text() {
		return false
	}
	text := d.valueOf(m)
	name, version := text, text[:0]
	if i := bytes.LastIndexByte(text, '/'); i > 0 && i+1 < len(text) {
		name, version = text[:i], text[i+1:]
	}
	if m.escaped() {
		d.ctx[contextLibraryName] = memberAt(d.appendText(name))
		d.ctx[contextLibraryVersion] = memberAt(d.appendText(version))
	} else {
		d.ctx[contextLibraryName] = member{start: m.start, end: m.start + uint32(len(name)), kind: scan.String}
		d.ctx[contextLibraryVersion] = member{start: m.end - uint32(len(version)), end: m.end, kind: scan.String}
	}
	return bytes.HasPrefix(name, []byte("amplitude-ts")) || bytes.HasPrefix(name, []byte("amplitude-js"))
}

// memberAt is a string that lies behind the body.
func memberAt(t schema.Text) member {
	start, end := t.Span()
	m := member{start: uint32(start), end: uint32(end), kind: scan.String}
	if t.Escaped() {
		m.members = 1
	}
	return m
}

// isCountry tells whether the member is the code of a country, and not its name.
func (d *Decoder) isCountry(m *member) bool {
	if m.kind != scan.String || m.end-m.start != 2 {
		return false
	}
	for _, c := range d.text[m.start:m.end] {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// capitals is a country's code as all others write it.
func (d *Decoder) capitals(m *member) member {
	code := d.text[m.start:m.end]
	if code[0] <= 'Z' && code[1] <= 'Z' {
		return *m
	}
	return memberAt(d.appendText([]byte{code[0] &^ 0x20, code[1] &^ 0x20}))
}

// isRemote tells whether the member stands for the request's address.
func (d *Decoder) isRemote(m *member) bool {
	return m.kind == scan.String && string(d.valueOf(m)) == "$remote"
}

// isAddress tells whether the member is an address that setIP takes.
func (d *Decoder) isAddress(m *member) bool {
	if !m.text() {
		return false
	}
	text := d.valueOf(m)
	if plainIPv4(text) {
		return true
	}
	if len(text) > maxAddress {
		return false
	}
	addr, err := netip.ParseAddr(view(text))
	return err == nil && addr.Zone() == ""
}

// amplitudePage takes the page and the campaign that the SDK in browsers puts into the properties of all events, and the screen of the SDKs on phones. A referrer is the page's where there is a
// page.
func (d *Decoder) amplitudePage(t schema.Type) {
	own := &d.own
	d.ctx[contextPageURL] = own[amplitudeLocation]
	if !own[amplitudeLocation].text() {
		d.ctx[contextPageURL] = own[amplitudeURL]
	}
	d.ctx[contextPagePath] = own[amplitudePath]
	if t == schema.Page || d.ctx[contextPageURL].text() {
		d.ctx[contextPageReferrer] = own[amplitudeReferrer]
	}
	d.ctx[contextCampaignSource] = own[amplitudeSource]
	d.ctx[contextCampaignMedium] = own[amplitudeMedium]
	d.ctx[contextCampaignName] = own[amplitudeCampaign]
	if m := &own[amplitudeScreen]; t == schema.Screen && m.kind == scan.String && int64(m.end-m.start) <= d.limits.MaxNameBytes {
		d.values[slotName] = *m
	}
}
