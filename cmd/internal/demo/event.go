package demo

import (
	"strconv"

	"github.com/millrace/millrace/schema"
)

// kind is what happened.
type kind uint8

const (
	pageViewed kind = iota
	signupStarted
	signupFailed
	signedUp
	identified
	grouped
	projectCreated
	taskCreated
	taskCompleted
	commentAdded
	searched
	fileUploaded
	reportExported
	teammateInvited
	checkoutStarted
	paymentFailed
	subscribed
	upgraded
	renewed
	refunded
	cancelled
	numKinds
)

var kindNames = [numKinds]string{
	pageViewed: "$pageview", signupStarted: "Signup Started", signupFailed: "Signup Failed", signedUp: "Signed Up", identified: "$identify", grouped: "$group",
	projectCreated: "Project Created", taskCreated: "Task Created", taskCompleted: "Task Completed", commentAdded: "Comment Added", searched: "Search Performed",
	fileUploaded: "File Uploaded", reportExported: "Report Exported", teammateInvited: "Teammate Invited", checkoutStarted: "Checkout Started",
	paymentFailed: "Payment Failed", subscribed: "Subscription Started", upgraded: "Plan Upgraded", renewed: "Subscription Renewed",
	refunded: "Payment Refunded", cancelled: "Subscription Cancelled",
}

// The choices that events carry by their index.
var (
	reasons   = []string{"email_taken", "weak_password", "form_error"}
	templates = []string{"blank", "kanban", "roadmap", "sprint", "content calendar"}
	searches  = []string{"invoice", "roadmap", "q3", "design review", "onboarding", "bug", "launch"}
	exports   = []string{"csv", "pdf", "png"}
	declines  = []string{"card_declined", "insufficient_funds", "expired_card"}
	leaving   = []string{"too_expensive", "missing_feature", "not_used", "switched"}
)

// reasonBroken is the reason that only the broken release has.
const reasonBroken uint8 = 2

// event is one thing that happened, before it is text.
type event struct {
	at      int64
	amount  int64  // cents, bytes or a count
	visit   *visit // nil: a service of the product tells it
	number  uint32 // person
	seq     uint32 // of the person, from 0
	kind    kind
	page    page
	choice  uint8 // index in one of the lists above, or of the plan
	choice2 uint8 // a second one
	year    bool  // of a payment
	known   bool  // the person has signed up
}

// set gives what a payment is about.
func (e *event) set(plan uint8, year bool, cents int64) {
	e.choice, e.year, e.amount = plan, year, cents
}

// append appends the event as the native format has it.
func (s *stream) append(dst []byte, e *event) []byte {
	p := s.who(e)
	dst = s.story.eventID(e).AppendText(append(dst, `{"id":"`...))
	switch e.kind {
	case pageViewed:
		dst = append(dst, `","type":"page","name":"`...)
		dst = append(dst, pages[e.page].title...)
	case identified:
		dst = append(dst, `","type":"identify`...)
	case grouped:
		dst = append(dst, `","type":"group`...)
	default:
		dst = append(dst, `","event":"`...)
		dst = append(dst, kindNames[e.kind]...)
	}
	dst = s.story.appendDistinct(append(dst, `","distinct_id":"`...), e.number)
	if e.known {
		dst = s.story.appendUser(append(dst, `","user_id":"`...), e.number)
	}
	if account := e.group(p); account > 0 {
		dst = s.story.appendAccount(append(dst, `","group_id":"`...), account)
	}
	if e.visit != nil {
		dst = e.visit.session.AppendText(append(dst, `","session_id":"`...))
	}
	dst = schema.AppendTime(append(dst, `","ts":"`...), e.at)
	dst = append(dst, '"')
	switch e.kind {
	case identified:
		dst = s.appendTraits(dst, p)
	case grouped:
		dst = s.appendAccountTraits(dst, e.visit.account)
	}
	dst = e.appendProperties(append(dst, `,"properties":{`...), p)
	return append(s.appendContext(append(dst, `},"context":{`...), e), '}', '}')
}

// group is the account that the event belongs to.
func (e *event) group(p *person) uint32 {
	switch {
	case !e.known:
		return 0
	case e.visit == nil:
		return p.account
	}
	return e.visit.account
}

func (s *stream) appendTraits(dst []byte, p *person) []byte {
	first, last := firstNames[p.first], lastNames[p.last]
	text := func(key, value string) { dst = append(appendMember(dst, key, value), ',') }
	dst = append(dst, `,"traits":{`...)
	text("name", first+" "+last)
	text("email", lower(first)+"."+lower(last)+"."+strconv.Itoa(int(p.number))+"@mail.example")
	text("role", jobs[p.job])
	text("country", p.country.code)
	return append(appendMember(dst, "signup_method", methods[p.method]), '}')
}

func (s *stream) appendAccountTraits(dst []byte, number uint32) []byte {
	a := s.story.account(s.other, number)
	dst = append(appendMember(append(dst, `,"traits":{`...), "name", a.name), ',')
	dst = append(appendMember(dst, "industry", a.industry), `,"seats":`...)
	return append(strconv.AppendInt(dst, int64(a.seats), 10), '}')
}

// appendProperties appends what is told of the event alone, and of everything that a person does: country, browser and release.
func (e *event) appendProperties(dst []byte, p *person) []byte {
	text := func(key, value string) { dst = append(appendMember(dst, key, value), ',') }
	count := func(key string, n int64) {
		dst = append(append(append(dst, '"'), key...), `":`...)
		dst = append(strconv.AppendInt(dst, n, 10), ',')
	}
	switch e.kind {
	case signupStarted, signedUp:
		text("method", methods[e.choice])
	case signupFailed:
		text("reason", reasons[e.choice])
	case projectCreated:
		text("template", templates[e.choice])
	case commentAdded:
		count("length", e.amount)
	case searched:
		text("query", searches[e.choice])
		count("results", e.amount)
	case fileUploaded:
		count("bytes", e.amount)
	case reportExported:
		text("format", exports[e.choice])
	case checkoutStarted, paymentFailed, subscribed, upgraded, renewed, refunded, cancelled:
		dst = append(e.appendPayment(dst), ',')
	}
	dst = appendMember(dst, "country", p.country.code)
	if e.visit != nil {
		dst = appendMember(append(dst, ','), "browser", e.visit.platform.browser)
		dst = appendMember(append(dst, ','), "release", e.visit.release.name)
	}
	return dst
}

func (e *event) appendPayment(dst []byte) []byte {
	interval := "month"
	if e.year {
		interval = "year"
	}
	dst = appendMember(append(appendMember(dst, "plan", plans[e.choice].name), ','), "interval", interval)
	switch e.kind {
	case cancelled:
		return appendMember(append(dst, ','), "reason", leaving[e.choice2])
	case paymentFailed:
		dst = appendMember(append(dst, ','), "reason", declines[e.choice2])
		return appendCents(append(dst, `,"amount":`...), e.amount) // of money that did not come
	case upgraded:
		dst = appendMember(append(dst, ','), "from", plans[e.choice2].name)
	case checkoutStarted:
		return dst
	}
	dst = appendCents(append(dst, `,"revenue":`...), e.amount)
	return append(dst, `,"currency":"USD"`...)
}

// appendContext appends what the SDK knows of the surroundings.
func (s *stream) appendContext(dst []byte, e *event) []byte {
	v := e.visit
	if v == nil {
		return append(dst, `"library":{"name":"quill-billing","version":"1.9.0"}`...)
	}
	if v.context == nil {
		v.context = v.surroundings()
	}
	dst = append(append(dst, v.context...), `,"page":{"url":"https://`...)
	dst = append(append(append(dst, pages[e.page].host...), `.quill.example`...), pages[e.page].path...)
	if v.channel != nil && v.channel.referrer != "" {
		dst = append(append(dst, `","referrer":"`...), v.channel.referrer...)
	}
	return append(dst, `"}`...)
}

func (v *visit) surroundings() []byte {
	p := v.platform
	b := append([]byte(`"library":{"name":"quill-web","version":"2.4.1"},"locale":"`), v.person.country.locale...)
	b = append(append(b, `","os":{"name":"`...), p.os...)
	b = append(append(b, `","version":"`...), p.version...)
	b = append(append(b, `"},"device":{"type":"`...), p.device...)
	b = strconv.AppendInt(append(b, `"},"screen":{"width":`...), int64(p.width), 10)
	b = append(strconv.AppendInt(append(b, `,"height":`...), int64(p.height), 10), '}')
	if c := v.channel; c != nil && c.source != "" {
		b = append(appendMember(append(b, `,"campaign":{`...), "source", c.source), ',')
		b = append(appendMember(b, "medium", c.medium), ',')
		b = append(appendMember(b, "name", c.campaign), '}')
	}
	return b
}

// appendMember appends a member of an object. No text of the story needs an escape.
func appendMember(dst []byte, key, value string) []byte {
	dst = append(append(append(dst, '"'), key...), `":"`...)
	return append(append(dst, value...), '"')
}

// appendCents appends an amount as a decimal number.
func appendCents(dst []byte, cents int64) []byte {
	if cents < 0 {
		dst, cents = append(dst, '-'), -cents
	}
	dst = append(strconv.AppendInt(dst, cents/100, 10), '.')
	return append(dst, byte('0'+cents/10%10), byte('0'+cents%10))
}

func lower(name string) string { return string(name[0]|0x20) + name[1:] }
