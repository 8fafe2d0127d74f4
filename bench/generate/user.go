package generate

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/millrace/millrace/bench/scenario"
	"github.com/millrace/millrace/schema"
)

// client is the kind of SDK that speaks for a user.
type client uint8

const (
	web client = iota
	mobile
	server
)

// user is somebody with an account who at times is not logged in. Events carry one of two distinct ids then: see number.
type user struct {
	index       uint32
	userID      []byte
	anonymousID []byte
	groupID     []byte // the company, of users who have one
	email       []byte
	city, plan  string
	client      client
	known       bool // logged in
	busy        bool // in a session
	foreignID   bool // userID has other than ASCII text
	quotedID    bool // userID cannot be written without escapes
	distinct    bool // of native clients: sends distinct_id where others send user_id
	sessionID   bool // its SDK names the session
	members     []byte
	withPage    bool // its SDK sends the page's context
	terse       bool // its SDK sends no campaign, session and group: events are to be small
}

// number is the number of the distinct id that the user's events carry, among the producer's.
func (u *user) number(known bool) uint32 {
	if known {
		return 2*u.index + 1
	}
	return 2 * u.index
}

// newUser makes a user of a producer. Ids hold the producer's number and the index, so no two users share one.
func newUser(r *rand.Rand, s *scenario.Scenario, producer uint16, index int) user {
	u := user{index: uint32(index), city: pick(r, cities), plan: pick(r, plans), known: chance(r, 0.4), distinct: chance(r, 0.5), sessionID: chance(r, 0.4)}
	serial := uint64(producer)*scenario.MaxUsers + uint64(index)
	first, last := pick(r, firstNames), pick(r, lastNames)
	u.email = append(append(append(append([]byte(nil), first...), '.'), last...), '.')
	u.email = append(strconv.AppendUint(u.email, serial, 10), "@mail.example"...)
	u.anonymousID = uuid(s.Seed, 1, serial).AppendText(nil)
	u.userID = accountID(r, s, serial, u.email)
	if chance(r, 0.3) {
		u.groupID = strconv.AppendUint([]byte("org_"), mix(serial)%10_000, 10)
	}
	// Only users that do not come often, or they alone would exceed the share.
	if index > s.Events.Users/2 {
		switch {
		case chance(r, s.Events.Unicode/4):
			u.foreignID = true
			u.userID = strconv.AppendUint(append(append([]byte(nil), pick(r, phrases[:17])...), '/'), serial, 10)
		case chance(r, s.Events.Escapes/4):
			u.quotedID = true
			u.userID = strconv.AppendUint(append(append([]byte(`SHOP\`), last...), '"'), serial, 10)
		}
	}
	switch x := r.Float64(); {
	case x < 0.6:
		u.client = web
	case x < 0.85:
		u.client = mobile
	default:
		u.client, u.known = server, true
	}
	u.describe(r, s)
	return u
}

// accountID makes the id of an account in one of the forms that are about.
func accountID(r *rand.Rand, s *scenario.Scenario, serial uint64, email []byte) []byte {
	switch r.IntN(5) {
	case 0:
		return strconv.AppendUint(nil, 1_000_000+serial, 10)
	case 1:
		return uuid(s.Seed, 2, serial).AppendText(nil)
	case 2:
		return email
	case 3:
		return strconv.AppendUint([]byte("auth0|"), mix(s.Seed^serial+1), 16)
	}
	return strconv.AppendUint([]byte("usr_"), mix(s.Seed^serial+1), 36)
}

// uuid makes a UUID of version 4 out of numbers.
func uuid(seed, kind, serial uint64) (u schema.UUID) {
	binary.BigEndian.PutUint64(u[:], mix(mix(seed+kind<<32)+serial))
	binary.BigEndian.PutUint64(u[8:], mix(mix(seed+kind<<48)^mix(serial+1)))
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

// contextShare is how much of a mean event its context may take. SDKs differ in what they send; here the size of the events decides.
const contextShare = 0.42

// terseBytes is the mean size of events below which contexts hold the least there is.
const terseBytes = 650

// pageBytes is about what a page takes in a context.
const pageBytes = 200

// describe chooses what the user's SDK says in every context, as far as there is room: the first members are those that no SDK leaves out.
func (u *user) describe(r *rand.Rand, s *scenario.Scenario) {
	u.terse = s.Events.Bytes < terseBytes
	share := contextShare
	if u.terse {
		share /= 2
	}
	room := int(share * float64(s.Events.Bytes) * math.Exp(0.3*r.NormFloat64()))
	add := func(member string) {
		if len(u.members) > 0 {
			member = "," + member
		}
		if len(u.members) == 0 || len(member) <= room {
			u.members = append(u.members, member...)
			room -= len(member)
		}
	}
	locale := `"locale":"` + pick(r, locales) + `"`
	timezone := `"timezone":"` + pick(r, timezones) + `"`
	ip := `"ip":"203.0.113.` + strconv.Itoa(1+r.IntN(254)) + `"`
	if chance(r, 0.2) {
		ip = `"ip":"2001:db8::` + strconv.FormatUint(uint64(1+r.IntN(0xffff)), 16) + `"`
	}
	switch u.client {
	case web:
		add(pick(r, webLibraries))
		if room > pageBytes {
			u.withPage = true
			room -= pageBytes
		}
		add(locale)
		add(`"userAgent":"` + pick(r, userAgents) + `"`)
		add(pick(r, screens))
		add(timezone)
		add(`"userAgentData":{"brands":[{"brand":"Chromium","version":"143"},{"brand":"Not A(Brand","version":"24"}],"mobile":false,"platform":"macOS"}`)
	case mobile:
		phone := pick(r, phones)
		add(phone.library)
		add(phone.device)
		add(`"app":{"name":"Shop","version":"` + pick(r, versions) + `","build":"` + strconv.Itoa(300+r.IntN(90)) + `"}`)
		add(locale)
		add(pick(r, screens))
		add(`"network":{"wifi":` + strconv.FormatBool(chance(r, 0.7)) + `,"cellular":true,"carrier":"O2"}`)
		add(timezone)
		add(ip)
	case server:
		add(pick(r, serverLibraries))
		add(ip)
		add(locale)
		add(`"app":{"name":"billing","version":"` + pick(r, versions) + `","namespace":"com.example.billing"}`)
	}
}

var webLibraries = []string{
	`"library":{"name":"analytics.js","version":"npm:next-1.84.3"}`, `"library":{"name":"analytics.js","version":"next-1.79.0"}`,
	`"library":{"name":"RudderLabs JavaScript SDK","version":"3.31.6"}`,
}

var serverLibraries = []string{
	`"library":{"name":"@segment/analytics-node","version":"3.1.0"}`, `"library":{"name":"analytics-python","version":"2.3.4"}`, `"library":{"name":"analytics-go","version":"3.3.0"}`,
}

var versions = []string{"5.12.0", "5.11.2", "5.10.0", "4.98.1"}
