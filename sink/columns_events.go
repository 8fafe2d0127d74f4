package sink

import (
	"net/netip"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/go-faster/city"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/sink/exact"
)

// DateTime64(3) holds the years 1900 to 2299. What lies outside is moved to the nearest end, because the server would wrap it round.
const (
	minTime = -2208988800000 // 1900-01-01T00:00:00.000Z
	maxTime = 10413791999999 // 2299-12-31T23:59:59.999Z
)

func clampTime(ms int64) proto.DateTime64 { return proto.DateTime64(min(max(ms, minTime), maxTime)) }

// place is where a row comes from.
type place struct {
	log, partition uint16
	offset         int64
}

// eventColumns is rows of table events, column by column. Its memory is kept from block to block.
type eventColumns struct {
	projectID                                            proto.ColUInt32
	typ, event                                           *lowCard
	name                                                 text
	ts                                                   proto.ColDateTime64
	eventID, sessionID                                   proto.ColUUID
	distinctID, userID, anonymousID, groupID, previousID text
	clientTS, sentAt                                     proto.ColDateTime64
	tsSource                                             *lowCard
	requestID                                            proto.ColUUID
	correlationID, causationID                           text
	hops                                                 proto.ColUInt8
	dialect                                              *lowCard
	bot                                                  proto.ColUInt8
	userH                                                proto.ColUInt64
	urlHost, urlPath, referrerHost                       *lowCard
	utmSource, utmMedium, utmCampaign                    *lowCard
	lib, libVersion, locale, country, city               *lowCard
	os, osVersion, browser, browserVersion, device       *lowCard
	screenW, screenH                                     proto.ColUInt16
	ip                                                   proto.ColIPv6
	revenue                                              proto.ColDecimal64
	props, context, traits                               text
	lagMS                                                proto.ColInt64
	log, partition                                       proto.ColUInt16
	offset                                               proto.ColUInt64

	input    proto.Input
	promoted *promotedColumns // nil: none
	picker   revenuePicker
	scratch  []byte
}

func newTimes() proto.ColDateTime64 {
	return *new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli).WithLocation(time.UTC)
}

func newEventColumns() *eventColumns {
	c := &eventColumns{ts: newTimes(), clientTS: newTimes(), sentAt: newTimes()}
	for _, lc := range []**lowCard{
		&c.typ, &c.event, &c.tsSource, &c.dialect, &c.urlHost, &c.urlPath, &c.referrerHost, &c.utmSource, &c.utmMedium, &c.utmCampaign,
		&c.lib, &c.libVersion, &c.locale, &c.country, &c.city, &c.os, &c.osVersion, &c.browser, &c.browserVersion, &c.device,
	} {
		*lc = newLowCard()
	}
	// In the order of the table, see clickhouse.EventColumns.
	c.input = proto.Input{
		{Name: "project_id", Data: &c.projectID},
		{Name: "type", Data: c.typ},
		{Name: "event", Data: c.event},
		{Name: "name", Data: &c.name},
		{Name: "ts", Data: &c.ts},
		{Name: "event_id", Data: &c.eventID},
		{Name: "session_id", Data: &c.sessionID},
		{Name: "distinct_id", Data: &c.distinctID},
		{Name: "user_id", Data: &c.userID},
		{Name: "anonymous_id", Data: &c.anonymousID},
		{Name: "group_id", Data: &c.groupID},
		{Name: "previous_id", Data: &c.previousID},
		{Name: "client_ts", Data: &c.clientTS},
		{Name: "sent_at", Data: &c.sentAt},
		{Name: "ts_source", Data: c.tsSource},
		{Name: "request_id", Data: &c.requestID},
		{Name: "correlation_id", Data: &c.correlationID},
		{Name: "causation_id", Data: &c.causationID},
		{Name: "hops", Data: &c.hops},
		{Name: "dialect", Data: c.dialect},
		{Name: "bot", Data: &c.bot},
		{Name: "user_h", Data: &c.userH},
		{Name: "url_host", Data: c.urlHost},
		{Name: "url_path", Data: c.urlPath},
		{Name: "referrer_host", Data: c.referrerHost},
		{Name: "utm_source", Data: c.utmSource},
		{Name: "utm_medium", Data: c.utmMedium},
		{Name: "utm_campaign", Data: c.utmCampaign},
		{Name: "lib", Data: c.lib},
		{Name: "lib_version", Data: c.libVersion},
		{Name: "locale", Data: c.locale},
		{Name: "country", Data: c.country},
		{Name: "city", Data: c.city},
		{Name: "os", Data: c.os},
		{Name: "os_version", Data: c.osVersion},
		{Name: "browser", Data: c.browser},
		{Name: "browser_version", Data: c.browserVersion},
		{Name: "device", Data: c.device},
		{Name: "screen_w", Data: &c.screenW},
		{Name: "screen_h", Data: &c.screenH},
		{Name: "ip", Data: &c.ip},
		{Name: "revenue", Data: proto.Alias(&c.revenue, "Decimal(18, 4)")},
		{Name: "props", Data: &c.props},
		{Name: "context", Data: &c.context},
		{Name: "traits", Data: &c.traits},
		{Name: "lag_ms", Data: &c.lagMS},
		{Name: "_log", Data: &c.log},
		{Name: "_partition", Data: &c.partition},
		{Name: "_offset", Data: &c.offset},
	}
	return c
}

// Input is the block that is sent, valid until the next append.
func (c *eventColumns) Input() proto.Input {
	if c.sendsPromoted() == nil {
		return c.input
	}
	return append(c.input[:len(c.input):len(c.input)], c.promoted.input...)
}

// promote gives the columns, which must be empty, those of the set; nil: none.
func (c *eventColumns) promote(set *promotedSet) {
	switch {
	case set == nil:
		c.promoted = nil
	case c.promoted == nil || c.promoted.set != set:
		c.promoted = newPromotedColumns(set)
	}
}

// sendsPromoted is the set whose columns Input has; nil: none.
func (c *eventColumns) sendsPromoted() *promotedSet {
	if c.promoted == nil || c.promoted.left {
		return nil
	}
	return c.promoted.set
}

// leavePromoted leaves the promoted columns of these rows to ClickHouse. It returns false when that was so before.
func (c *eventColumns) leavePromoted() bool {
	if c.sendsPromoted() == nil {
		return false
	}
	c.promoted.left = true
	return true
}

// Rows is the number of rows.
func (c *eventColumns) Rows() int { return len(c.projectID) }

// Row is offset, id and time of the i-th row.
func (c *eventColumns) Row(i int) exact.Row {
	return exact.Row{Offset: int64(c.offset[i]), ID: c.eventID[i], TS: int64(c.ts.Data[i])}
}

// Reset takes all rows away and keeps the memory.
func (c *eventColumns) Reset() {
	resetInput(c.input)
	if c.promoted != nil {
		c.promoted.reset()
	}
}

func resetInput(input proto.Input) {
	for _, col := range input {
		col.Data.(proto.Resettable).Reset()
	}
}

// append adds the row of event e, whose texts are spans of value. The row is a function of these and the place, of nothing else.
func (c *eventColumns) append(e *schema.Envelope, value []byte, at place) {
	c.projectID = append(c.projectID, e.Project)
	c.typ.appendWord(uint8(e.Type), e.Type.String())
	c.event.appendText(e.Text(schema.FieldEvent), value)
	c.name.appendText(e.Text(schema.FieldName), value)
	ts, received := clampTime(e.TS), clampTime(e.ReceivedAt)
	c.ts.Data = append(c.ts.Data, ts)
	c.eventID = append(c.eventID, [16]byte(e.ID))
	c.sessionID = append(c.sessionID, [16]byte(e.SessionID))

	distinctID := e.Text(schema.FieldDistinctID).Value(value, c.scratch)
	if e.Text(schema.FieldDistinctID).Escaped() {
		c.scratch = distinctID
	}
	c.distinctID.append(distinctID)
	c.userH = append(c.userH, city.CH64(distinctID))
	c.userID.appendText(e.Text(schema.FieldUserID), value)
	c.anonymousID.appendText(e.Text(schema.FieldAnonymousID), value)
	c.groupID.appendText(e.Text(schema.FieldGroupID), value)
	c.previousID.appendText(e.Text(schema.FieldPreviousID), value)

	c.clientTS.Data = append(c.clientTS.Data, optionalTime(e, schema.FieldClientTS, e.ClientTS))
	c.sentAt.Data = append(c.sentAt.Data, optionalTime(e, schema.FieldSentAt, e.SentAt))
	c.tsSource.appendWord(uint8(e.TSSource), e.TSSource.String())
	c.requestID = append(c.requestID, [16]byte(e.RequestID))
	c.correlationID.appendText(e.Text(schema.FieldCorrelationID), value)
	c.causationID.appendText(e.Text(schema.FieldCausationID), value)
	c.hops = append(c.hops, e.Hops)
	c.dialect.appendWord(uint8(e.Dialect), e.Dialect.String())
	c.bot = append(c.bot, bit(e.Bot))

	c.urlHost.appendText(e.Text(schema.FieldPageHost), value)
	c.urlPath.appendText(e.Text(schema.FieldPagePath), value)
	c.referrerHost.appendText(e.Text(schema.FieldReferrerHost), value)
	c.utmSource.appendText(e.Text(schema.FieldCampaignSource), value)
	c.utmMedium.appendText(e.Text(schema.FieldCampaignMedium), value)
	c.utmCampaign.appendText(e.Text(schema.FieldCampaignName), value)
	c.lib.appendText(e.Text(schema.FieldLib), value)
	c.libVersion.appendText(e.Text(schema.FieldLibVersion), value)
	c.locale.appendText(e.Text(schema.FieldLocale), value)
	c.country.appendText(e.Text(schema.FieldCountry), value)
	c.city.appendText(e.Text(schema.FieldCity), value)
	c.os.appendText(e.Text(schema.FieldOS), value)
	c.osVersion.appendText(e.Text(schema.FieldOSVersion), value)
	c.browser.appendText(e.Text(schema.FieldBrowser), value)
	c.browserVersion.appendText(e.Text(schema.FieldBrowserVersion), value)
	c.device.appendText(e.Text(schema.FieldDeviceType), value)
	c.screenW = append(c.screenW, e.ScreenW)
	c.screenH = append(c.screenH, e.ScreenH)
	c.ip = append(c.ip, address(view(e.Text(schema.FieldIP).In(value))))

	props := e.Text(schema.FieldProperties)
	c.revenue = append(c.revenue, proto.Decimal64(c.picker.revenue(props.In(value))))
	c.props.appendText(props, value)
	if c.promoted != nil {
		c.promoted.append(props.In(value))
	}
	c.context.appendText(e.Text(schema.FieldContext), value)
	c.traits.appendText(e.Text(schema.FieldTraits), value)

	c.lagMS = append(c.lagMS, int64(received)-int64(ts))
	c.log = append(c.log, at.log)
	c.partition = append(c.partition, at.partition)
	c.offset = append(c.offset, uint64(at.offset))
}

// optionalTime is the epoch when the time is absent.
func optionalTime(e *schema.Envelope, f schema.Field, ms int64) proto.DateTime64 {
	if !e.Has(f) {
		return 0
	}
	return clampTime(ms)
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// address reads an IP address, v4 in its mapped form. It is :: when there is none, or when a foreign record holds something else.
func address(t string) proto.IPv6 {
	if t == "" {
		return proto.IPv6{}
	}
	a, err := netip.ParseAddr(t)
	if err != nil {
		return proto.IPv6{}
	}
	return a.As16()
}
