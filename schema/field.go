package schema

// Field is one member of the record's value, in canonical order. Text fields are kept as spans, the others as typed members of Envelope.
type Field uint8

// The fields in canonical order. The order is part of the record's format: it never changes within a codec version.
const (
	FieldVersion Field = iota
	FieldID
	FieldProject
	FieldType
	FieldEvent
	FieldName
	FieldDistinctID
	FieldUserID
	FieldAnonymousID
	FieldGroupID
	FieldPreviousID
	FieldSessionID
	FieldTS
	FieldClientTS
	FieldSentAt
	FieldReceivedAt
	FieldTSSource
	FieldRequestID
	FieldCorrelationID
	FieldCausationID
	FieldHops
	FieldDialect
	FieldLib
	FieldLibVersion
	FieldIP
	FieldPageHost
	FieldPagePath
	FieldReferrerHost
	FieldCampaignSource
	FieldCampaignMedium
	FieldCampaignName
	FieldCountry
	FieldCity
	FieldOS
	FieldOSVersion
	FieldBrowser
	FieldBrowserVersion
	FieldDeviceType
	FieldScreenW
	FieldScreenH
	FieldLocale
	FieldBot
	FieldProperties
	FieldContext
	FieldTraits
	NumFields
)

// form is how a field stands in the value and what the index says of it.
type form uint8

const (
	formText   form = iota // string, length and escape flag in the index
	formJSON               // object as the client sent it, length in the index
	formNumber             // unsigned decimal, length in the index
	formWord               // string of a fixed set, length in the index
	formUUID               // string of 36 bytes, no length
	formTime               // string of 24 bytes (RFC 3339, milliseconds, Z), no length
	formBool               // true, no length: false is left out
	formVersion
)

// group is the object that a field stands in: 0 is the outermost.
type group uint8

const (
	groupNone group = iota
	groupSource
	groupPage
	groupCampaign
	groupGeo
	groupDevice
	numGroups
)

var groupNames = [numGroups]string{"", "source", "page", "campaign", "geo", "device"}

type fieldSpec struct {
	name  string
	form  form
	group group
}

var fieldSpecs = [NumFields]fieldSpec{
	FieldVersion:        {"v", formVersion, groupNone},
	FieldID:             {"id", formUUID, groupNone},
	FieldProject:        {"project", formNumber, groupNone},
	FieldType:           {"type", formWord, groupNone},
	FieldEvent:          {"event", formText, groupNone},
	FieldName:           {"name", formText, groupNone},
	FieldDistinctID:     {"distinct_id", formText, groupNone},
	FieldUserID:         {"user_id", formText, groupNone},
	FieldAnonymousID:    {"anonymous_id", formText, groupNone},
	FieldGroupID:        {"group_id", formText, groupNone},
	FieldPreviousID:     {"previous_id", formText, groupNone},
	FieldSessionID:      {"session_id", formUUID, groupNone},
	FieldTS:             {"ts", formTime, groupNone},
	FieldClientTS:       {"client_ts", formTime, groupNone},
	FieldSentAt:         {"sent_at", formTime, groupNone},
	FieldReceivedAt:     {"received_at", formTime, groupNone},
	FieldTSSource:       {"ts_source", formWord, groupNone},
	FieldRequestID:      {"request_id", formUUID, groupNone},
	FieldCorrelationID:  {"correlation_id", formText, groupNone},
	FieldCausationID:    {"causation_id", formText, groupNone},
	FieldHops:           {"hops", formNumber, groupNone},
	FieldDialect:        {"dialect", formWord, groupSource},
	FieldLib:            {"lib", formText, groupSource},
	FieldLibVersion:     {"lib_version", formText, groupSource},
	FieldIP:             {"ip", formText, groupSource},
	FieldPageHost:       {"host", formText, groupPage},
	FieldPagePath:       {"path", formText, groupPage},
	FieldReferrerHost:   {"referrer_host", formText, groupPage},
	FieldCampaignSource: {"source", formText, groupCampaign},
	FieldCampaignMedium: {"medium", formText, groupCampaign},
	FieldCampaignName:   {"name", formText, groupCampaign},
	FieldCountry:        {"country", formText, groupGeo},
	FieldCity:           {"city", formText, groupGeo},
	FieldOS:             {"os", formText, groupDevice},
	FieldOSVersion:      {"os_version", formText, groupDevice},
	FieldBrowser:        {"browser", formText, groupDevice},
	FieldBrowserVersion: {"browser_version", formText, groupDevice},
	FieldDeviceType:     {"type", formText, groupDevice},
	FieldScreenW:        {"screen_w", formNumber, groupDevice},
	FieldScreenH:        {"screen_h", formNumber, groupDevice},
	FieldLocale:         {"locale", formText, groupNone},
	FieldBot:            {"bot", formBool, groupNone},
	FieldProperties:     {"properties", formJSON, groupNone},
	FieldContext:        {"context", formJSON, groupNone},
	FieldTraits:         {"traits", formJSON, groupNone},
}

// String returns the field's path in the value: "device.os_version".
func (f Field) String() string {
	spec := fieldSpecs[f]
	if spec.group == groupNone {
		return spec.name
	}
	return groupNames[spec.group] + "." + spec.name
}

// Type is the kind of call that an event is.
type Type uint8

// The types of event.
const (
	TypeNone Type = iota
	Track
	Identify
	Page
	Screen
	Group
	Alias
	Merge
	Unmerge
	numTypes
)

var typeNames = [numTypes]string{"", "track", "identify", "page", "screen", "group", "alias", "merge", "unmerge"}

// eventNames are the names of events whose type has none of its own.
var eventNames = [numTypes]string{"", "", "$identify", "$pageview", "$screen", "$group", "$alias", "$merge", "$unmerge"}

// String returns the word that clients send.
func (t Type) String() string { return typeNames[t] }

// EventName is the event name of a type that has none of its own: "$pageview" for Page, "" for Track.
func (t Type) EventName() string { return eventNames[t] }

// ParseType finds the type named by word, TypeNone when there is none.
func ParseType(word []byte) Type { return Type(parseWord(word, typeNames[:])) }

// TSSource is where an event's ts comes from.
type TSSource uint8

// The sources of ts.
const (
	TSReceived  TSSource = iota // the moment of arrival: the client gave none, or one out of range
	TSClient                    // the client's clock
	TSCorrected                 // the client's clock, corrected by the request's sent_at
	numTSSources
)

var tsSourceNames = [numTSSources]string{"received", "client", "corrected"}

// String returns the word that stands in records and rows.
func (s TSSource) String() string { return tsSourceNames[s] }

// Dialect is the SDK family that a request speaks.
type Dialect uint8

// The dialects.
const (
	DialectNative  Dialect = iota
	DialectSegment         // RudderStack and Jitsu, too
	DialectPostHog
	DialectAmplitude
	DialectMixpanel
	NumDialects // how many there are
)

var dialectNames = [NumDialects]string{"native", "segment", "posthog", "amplitude", "mixpanel"}

// String returns the dialect's name in records, rows and metrics.
func (d Dialect) String() string { return dialectNames[d] }

// ParseDialect finds the dialect named by word, in the spelling of String.
func ParseDialect(word string) (Dialect, bool) {
	for i, w := range dialectNames {
		if w == word {
			return Dialect(i), true
		}
	}
	return DialectNative, false
}

// parseWord returns the index of word in words, or 0.
func parseWord(word []byte, words []string) int {
	for i, w := range words {
		if string(word) == w {
			return i
		}
	}
	return 0
}
