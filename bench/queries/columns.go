package queries

import (
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/go-faster/city"
	"github.com/google/uuid"
)

// columns is rows of one table, column by column. Its memory is kept from block to block. Not safe for concurrent use.
type columns struct {
	input   proto.Input
	fill    []func(*event)
	scratch []byte
}

// append adds the row of the event.
func (c *columns) append(e *event) {
	for _, fill := range c.fill {
		fill(e)
	}
}

func (c *columns) add(name string, data proto.ColInput, fill func(*event)) {
	c.input = append(c.input, proto.InputColumn{Name: name, Data: data})
	c.fill = append(c.fill, fill)
}

func (c *columns) text(name string, value func(*event) string) {
	column := new(proto.ColStr)
	c.add(name, column, func(e *event) { column.Append(value(e)) })
}

func (c *columns) bytes(name string, value func(*event) []byte) {
	column := new(proto.ColStr)
	c.add(name, column, func(e *event) { column.AppendBytes(value(e)) })
}

func (c *columns) word(name string, value func(*event) string) {
	column := new(proto.ColStr).LowCardinality()
	c.add(name, column, func(e *event) { column.Append(value(e)) })
}

func (c *columns) millis(name string, value func(*event) int64) {
	column := new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli).WithLocation(time.UTC)
	c.add(name, column, func(e *event) { column.AppendRaw(proto.DateTime64(value(e))) })
}

func (c *columns) id(name string, value func(*event) uuid.UUID) {
	column := new(proto.ColUUID)
	c.add(name, column, func(e *event) { column.Append(value(e)) })
}

// number is a column of a type that ch-go has a slice for.
func number[T any, C interface {
	proto.ColInput
	Append(T)
}](c *columns, name string, column C, value func(*event) T) {
	c.add(name, column, func(e *event) { column.Append(value(e)) })
}

func always[T any](v T) func(*event) T { return func(*event) T { return v } }

// newOurs is table events as the sink fills it, in the order of its columns.
func newOurs() *columns {
	c := new(columns)
	number(c, "project_id", new(proto.ColUInt32), func(e *event) uint32 { return e.person.project })
	c.word("type", (*event).call)
	c.word("event", func(e *event) string { return e.kind.name })
	c.text("name", (*event).name)
	c.millis("ts", func(e *event) int64 { return e.ts })
	c.id("event_id", func(e *event) uuid.UUID { return e.id })
	c.id("session_id", func(e *event) uuid.UUID { return e.visit.session })
	c.text("distinct_id", func(e *event) string { return e.person.distinct() })
	c.text("user_id", func(e *event) string { return e.person.user })
	c.text("anonymous_id", func(e *event) string { return e.person.anonymous })
	c.text("group_id", always(""))
	c.text("previous_id", always(""))
	c.millis("client_ts", func(e *event) int64 { return e.ts })
	c.millis("sent_at", func(e *event) int64 { return e.sent })
	c.word("ts_source", always("client"))
	c.id("request_id", func(e *event) uuid.UUID { return e.request })
	c.text("correlation_id", always(""))
	c.text("causation_id", always(""))
	number(c, "hops", new(proto.ColUInt8), always[uint8](0))
	c.word("dialect", always("segment"))
	number(c, "bot", new(proto.ColUInt8), always[uint8](0))
	number(c, "user_h", new(proto.ColUInt64), func(e *event) uint64 { return city.CH64([]byte(e.person.distinct())) })
	c.word("url_host", always(host))
	c.word("url_path", func(e *event) string { return e.visit.path })
	c.word("referrer_host", (*event).referrerHost)
	c.word("utm_source", func(e *event) string { return e.visit.source.utm })
	c.word("utm_medium", func(e *event) string { return e.visit.source.medium })
	c.word("utm_campaign", func(e *event) string { return e.visit.source.campaign })
	c.word("lib", always("analytics.js"))
	c.word("lib_version", always("2.11.1"))
	c.word("locale", func(e *event) string { return e.person.place.locale })
	c.word("country", func(e *event) string { return e.person.place.country })
	c.word("city", func(e *event) string { return e.person.city })
	c.word("os", func(e *event) string { return e.person.gear.os })
	c.word("os_version", func(e *event) string { return e.person.gear.osVersion })
	c.word("browser", func(e *event) string { return e.person.gear.browser })
	c.word("browser_version", func(e *event) string { return e.person.gear.browserVersion })
	c.word("device", func(e *event) string { return e.person.gear.device })
	number(c, "screen_w", new(proto.ColUInt16), func(e *event) uint16 { return e.person.gear.width })
	number(c, "screen_h", new(proto.ColUInt16), func(e *event) uint16 { return e.person.gear.height })
	number(c, "ip", new(proto.ColIPv6), func(e *event) proto.IPv6 { return e.person.ip.As16() })
	revenue := new(proto.ColDecimal64)
	c.add("revenue", proto.Alias(revenue, "Decimal(18, 4)"), func(e *event) { revenue.Append(proto.Decimal64(e.cents * 100)) })
	c.bytes("props", func(e *event) []byte { return e.props })
	c.bytes("context", func(e *event) []byte { return e.context })
	c.text("traits", always(""))
	number(c, "lag_ms", new(proto.ColInt64), func(e *event) int64 { return e.received - e.ts })
	number(c, "_log", new(proto.ColUInt16), always[uint16](1))
	number(c, "_partition", new(proto.ColUInt16), func(e *event) uint16 { return e.partition })
	number(c, "_offset", new(proto.ColUInt64), func(e *event) uint64 { return e.offset })
	return c
}

// newNaive is the table with everything else in data.
func newNaive() *columns {
	c := new(columns)
	c.millis("ts", func(e *event) int64 { return e.ts })
	number(c, "project_id", new(proto.ColUInt32), func(e *event) uint32 { return e.person.project })
	c.text("event", func(e *event) string { return e.kind.name })
	c.text("distinct_id", func(e *event) string { return e.person.distinct() })
	c.bytes("data", func(e *event) []byte {
		c.scratch = e.appendData(c.scratch[:0])
		return c.scratch
	})
	return c
}

// appendData appends what the naive table keeps of the event beside its columns: what the client sent and what the server knows about it. Nothing of it can be told from
// the rest; what can, such as the path of the page, is in context.
func (e *event) appendData(b []byte) []byte {
	p := e.person
	b = appendString(append(b, `{"type":`...), e.call())
	if e.kind.page {
		b = appendString(append(b, `,"name":`...), e.name())
	}
	b = appendUUID(append(b, `,"event_id":`...), e.id)
	b = appendUUID(append(b, `,"session_id":`...), e.visit.session)
	b = appendUUID(append(b, `,"request_id":`...), e.request)
	if p.user != "" {
		b = appendString(append(b, `,"user_id":`...), p.user)
	}
	b = appendString(append(b, `,"anonymous_id":`...), p.anonymous)
	b = appendTime(append(b, `,"sent_at":`...), e.sent)
	b = appendTime(append(b, `,"received_at":`...), e.received)
	b = append(p.ip.AppendTo(append(b, `,"ip":"`...)), '"')
	b = appendString(append(b, `,"country":`...), p.place.country)
	b = appendString(append(b, `,"city":`...), p.city)
	b = appendString(append(b, `,"os":`...), p.gear.os)
	b = appendString(append(b, `,"os_version":`...), p.gear.osVersion)
	b = appendString(append(b, `,"browser":`...), p.gear.browser)
	b = appendString(append(b, `,"browser_version":`...), p.gear.browserVersion)
	b = appendString(append(b, `,"device":`...), p.gear.device)
	b = append(append(b, `,"context":`...), e.context...)
	b = append(append(b, `,"properties":`...), e.props...)
	return append(b, '}')
}

func appendUUID(b []byte, id uuid.UUID) []byte {
	b = append(b, '"')
	for i, v := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		const digits = "0123456789abcdef"
		b = append(b, digits[v>>4], digits[v&15])
	}
	return append(b, '"')
}

func appendTime(b []byte, at int64) []byte {
	return append(time.UnixMilli(at).UTC().AppendFormat(append(b, '"'), "2006-01-02T15:04:05.000Z"), '"')
}
