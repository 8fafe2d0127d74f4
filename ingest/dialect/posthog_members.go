package dialect

import (
	"bytes"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// posthogMember numbers the members of an event of PostHog that mean something, by place: at its top level, in its options, among its properties.
type posthogMember uint8

const (
	posthogNone posthogMember = iota
	topEvent
	topUUID
	topMessageID // what old SDKs call the id
	topDistinctID
	topDollarDistinctID
	topTimestamp
	topOffset
	topToken
	topSentAt
	topHistorical
	topBatch
	topProperties
	topSet
	topSetOnce
	topUnset
	topLibrary
	topLibraryVersion
	topSessionID
	topWindowID
	topOptions

	optionTrustClock
	optionPersonProfile
	optionCookieless
	optionProductTour

	propDistinctID
	propToken
	propSet
	propSetOnce
	propUnset
	propGroupSet
	propIP
	propAnonymousID
	propDeviceID
	propAlias
	propGroupType
	propGroupKey
	propGroups
	propScreenName
	propIdentified
	propPersonProfile
	propCookieless
	propProductTour
	propTrustClock
	propIsServer
	propBrowserType
	propSessionID
	propWindowID
	propURL
	propHost
	propPath
	propReferrer
	propReferringDomain
	propLib
	propLibVersion
	propLocale
	propBrowserLanguage
	propRawAgent
	propAgent
	propDeviceType
	numPosthog

	firstOption   = optionTrustClock
	firstProperty = propDistinctID
)

func posthogTop(key []byte) posthogMember {
	switch string(key) {
	case "event":
		return topEvent
	case "uuid":
		return topUUID
	case "messageId":
		return topMessageID
	case "distinct_id":
		return topDistinctID
	case "$distinct_id":
		return topDollarDistinctID
	case "timestamp":
		return topTimestamp
	case "offset":
		return topOffset
	case "token", "api_key", "$token":
		return topToken
	case "sent_at", "sentAt":
		return topSentAt
	case "historical_migration":
		return topHistorical
	case "batch":
		return topBatch
	case "properties":
		return topProperties
	case "$set":
		return topSet
	case "$set_once":
		return topSetOnce
	case "$unset":
		return topUnset
	case "library":
		return topLibrary
	case "library_version":
		return topLibraryVersion
	case "session_id":
		return topSessionID
	case "window_id":
		return topWindowID
	case "options":
		return topOptions
	}
	return posthogNone
}

// posthogSlots are the slots of members at the top level of an event: where what is wrong inside them is said to be.
var posthogSlots = [firstOption]slot{
	topEvent: slotEvent, topUUID: slotID, topDistinctID: slotDistinctID, topTimestamp: slotTime, topOffset: slotTimeAlias, topSentAt: slotSentAt, topBatch: slotEvents, topProperties: slotProperties,
	topSet: slotSet, topSetOnce: slotSetOnce, topUnset: slotUnset, topSessionID: slotSessionID,
}

func posthogOption(key []byte) posthogMember {
	switch string(key) {
	case "disable_skew_correction", "disable_skew_adjustment":
		return optionTrustClock
	case "process_person_profile":
		return optionPersonProfile
	case "cookieless_mode":
		return optionCookieless
	case "product_tour_id":
		return optionProductTour
	}
	return posthogNone
}

// posthogProperty finds what the name of a property means: something of this family's, or a part of the context.
func posthogProperty(key []byte) (posthogMember, contextSlot) {
	if len(key) == 0 {
		return posthogNone, contextNone
	}
	switch key[0] {
	case '$':
	case 'a', 'd', 't', 'u':
		switch string(key) {
		case "distinct_id":
			return propDistinctID, contextNone
		case "token":
			return propToken, contextNone
		case "alias":
			return propAlias, contextNone
		case "utm_source":
			return posthogNone, contextCampaignSource
		case "utm_medium":
			return posthogNone, contextCampaignMedium
		case "utm_campaign":
			return posthogNone, contextCampaignName
		}
		return posthogNone, contextNone
	default:
		return posthogNone, contextNone
	}
	switch string(key) {
	case "$set":
		return propSet, contextNone
	case "$set_once":
		return propSetOnce, contextNone
	case "$unset":
		return propUnset, contextNone
	case "$group_set":
		return propGroupSet, contextNone
	case "$ip":
		return propIP, contextNone
	case "$anon_distinct_id":
		return propAnonymousID, contextNone
	case "$device_id":
		return propDeviceID, contextNone
	case "$group_type":
		return propGroupType, contextNone
	case "$group_key":
		return propGroupKey, contextNone
	case "$groups":
		return propGroups, contextNone
	case "$screen_name":
		return propScreenName, contextNone
	case "$is_identified":
		return propIdentified, contextNone
	case "$process_person_profile":
		return propPersonProfile, contextNone
	case "$cookieless_mode":
		return propCookieless, contextNone
	case "$product_tour_id":
		return propProductTour, contextNone
	case "$ignore_sent_at":
		return propTrustClock, contextNone
	case "$is_server":
		return propIsServer, contextNone
	case "$browser_type":
		return propBrowserType, contextNone
	case "$session_id":
		return propSessionID, contextNone
	case "$window_id":
		return propWindowID, contextNone
	case "$current_url":
		return propURL, contextNone
	case "$host":
		return propHost, contextNone
	case "$pathname":
		return propPath, contextNone
	case "$referrer":
		return propReferrer, contextNone
	case "$referring_domain":
		return propReferringDomain, contextNone
	case "$lib":
		return propLib, contextNone
	case "$lib_version":
		return propLibVersion, contextNone
	case "$locale":
		return propLocale, contextNone
	case "$browser_language":
		return propBrowserLanguage, contextNone
	case "$raw_user_agent":
		return propRawAgent, contextNone
	case "$user_agent":
		return propAgent, contextNone
	case "$device_type":
		return propDeviceType, contextNone
	case "$os":
		return posthogNone, contextOSName
	case "$os_version":
		return posthogNone, contextOSVersion
	case "$browser":
		return posthogNone, contextBrowserName
	case "$browser_version":
		return posthogNone, contextBrowserVersion
	case "$screen_width":
		return posthogNone, contextScreenWidth
	case "$screen_height":
		return posthogNone, contextScreenHeight
	}
	return posthogNone, contextNone
}

// posthogMembers notes the members of the event at the cursor. Of the object around the events it notes what is said of all of them, and reads the events. It returns false after a grammar error,
// and when there are too many events.
func (d *Decoder) posthogMembers() bool {
	st := &d.ph
	outer := d.outermost
	d.values = [numSlots]member{}
	d.ctx = [numContextSlots]member{}
	d.flags = 0
	st.m, st.cuts, st.rest = [numPosthog]member{}, st.cuts[:0], st.rest[:0]
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			return d.scan.Err() == nil
		}
		what := posthogTop(d.name(key))
		kind := d.scan.Peek()
		start := d.scan.Pos()
		switch {
		case what == topProperties && kind == scan.Object:
			if !d.posthogProperties() {
				return false
			}
		case what == topOptions && kind == scan.Object:
			if !d.posthogOptions() {
				return false
			}
		case what == topBatch && kind == scan.Array && outer:
			d.batch.Events, st.met = d.batch.Events[:0], true
			d.outermost, st.whole = false, false
			err := d.array(schema.TypeNone)
			d.outermost, st.whole = true, true
			st.around = member{kind: scan.Array}
			if err != nil {
				return false
			}
		default:
			v, ok := d.scan.Read()
			if !ok {
				return false
			}
			st.m[what] = memberOf(v)
			switch what {
			case topProperties:
				d.posthogForget() // earlier ones no longer count
			case topOptions:
				clear(st.m[firstOption:firstProperty])
			}
			if outer {
				st.note(what)
			}
		}
		switch {
		case what == topProperties || what == topOptions:
			if kind == scan.Object {
				st.m[what].start, st.m[what].end, st.m[what].kind = uint32(start), uint32(d.scan.Pos()), scan.Object
			}
		case what == posthogNone || !st.whole && (what == topBatch || what == topSentAt || what == topHistorical) || what == topMessageID || what == topLibrary || what == topLibraryVersion:
			st.rest = append(st.rest, span{uint32(key.Start - 1), uint32(d.scan.Pos())})
		}
		if f := d.scan.TakeFlags(); f != 0 {
			d.flag(f, posthogSlots[what])
		}
	}
}

// note keeps what the object around events says of all of them; what is noted of the event itself is gone once its batch was read.
func (st *posthogState) note(what posthogMember) {
	switch what {
	case topSentAt:
		st.sentAt = st.m[what]
	case topHistorical:
		st.historical = st.m[what]
	case topBatch:
		st.around = st.m[what]
	}
}

// posthogForget forgets what was noted of properties.
func (d *Decoder) posthogForget() {
	clear(d.ph.m[firstProperty:])
	d.ph.cuts = d.ph.cuts[:0]
	d.ctx = [numContextSlots]member{}
}

// posthogProperties notes the members of the properties at the cursor. It returns false after a grammar error.
func (d *Decoder) posthogProperties() bool {
	st := &d.ph
	d.posthogForget()
	members := uint32(0)
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			st.m[topProperties].members = members
			return d.scan.Err() == nil
		}
		what, part := posthogProperty(d.name(key))
		v, ok := d.scan.Read()
		if !ok {
			return false
		}
		members++
		if what|posthogMember(part) == 0 {
			continue
		}
		st.m[what], d.ctx[part] = memberOf(v), memberOf(v) // those that mean nothing collect the rest
		if what >= propToken && what <= propIP {
			st.cuts = append(st.cuts, cut{uint32(key.Start - 1), uint32(d.scan.Pos()), what})
		}
	}
}

// posthogOptions notes the members of the options at the cursor; the member of the options itself counts those that mean nothing here. It returns false after a grammar error.
func (d *Decoder) posthogOptions() bool {
	st := &d.ph
	clear(st.m[firstOption:firstProperty])
	unknown := uint32(0)
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			st.m[topOptions].members = unknown
			return d.scan.Err() == nil
		}
		what := posthogOption(d.name(key))
		v, ok := d.scan.Read()
		if !ok {
			return false
		}
		if what == posthogNone {
			unknown++
			continue
		}
		st.m[what] = memberOf(v)
	}
}

// truth is what a member says of something that is or is not, as the SDKs of PostHog and its server take it: true, a number but 0, or the text true or 1.
type truth uint8

const (
	unsaid truth = iota
	no
	yes
)

func (d *Decoder) truth(m *member) truth {
	switch text := d.text[m.start:m.end]; {
	case m.kind == scan.Bool:
		if text[0] == 't' {
			return yes
		}
		return no
	case m.kind == scan.Number:
		if len(bytes.Trim(cutExponent(text), "-0.")) == 0 {
			return no
		}
		return yes
	case m.kind == scan.String && m.end-m.start <= 64:
		switch word := bytes.TrimSpace(d.valueOf(m)); {
		case string(word) == "1" || bytes.EqualFold(word, []byte("true")):
			return yes
		case string(word) == "0" || bytes.EqualFold(word, []byte("false")):
			return no
		}
	}
	return unsaid
}

// cutExponent is the number without its exponent: of 0e5, 0.
func cutExponent(number []byte) []byte {
	if i := bytes.IndexAny(number, "eE"); i >= 0 {
		return number[:i]
	}
	return number
}
