package sink

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// testEvent is an event as the gateway would produce it. Texts are values, not JSON.
type testEvent struct {
	schema.Envelope
	texts      map[schema.Field]string
	properties string
	context    string
	traits     string
}

// fullEvent has every field, and texts that need escapes.
func fullEvent(n int) testEvent {
	e := testEvent{
		texts: map[schema.Field]string{
			schema.FieldEvent: "Checkout \"Completed\"\n", schema.FieldName: "Kasse", schema.FieldDistinctID: fmt.Sprintf("user-%d-é漢\\", n),
			schema.FieldUserID: fmt.Sprintf("user-%d", n), schema.FieldAnonymousID: "anon\t1", schema.FieldGroupID: "g/1", schema.FieldPreviousID: "früher",
			schema.FieldCorrelationID: "corr-1", schema.FieldCausationID: "cause \"1\"", schema.FieldLib: "@segment/analytics-node", schema.FieldLibVersion: "3.1.0",
			schema.FieldIP: "203.0.113.7", schema.FieldPageHost: "shop.example", schema.FieldPagePath: "/größe/\"m\"", schema.FieldReferrerHost: "news.example",
			schema.FieldCampaignSource: "newsletter", schema.FieldCampaignMedium: "email", schema.FieldCampaignName: "november", schema.FieldCountry: "DE",
			schema.FieldCity: "Köln", schema.FieldOS: "Linux", schema.FieldOSVersion: "6.1", schema.FieldBrowser: "Chrome", schema.FieldBrowserVersion: "142",
			schema.FieldDeviceType: "desktop", schema.FieldLocale: "de-DE",
		},
		properties: fmt.Sprintf(`{"order":"o-%d","revenue":129.955555,"items":[{"revenue":1}],"note":"\u00e9 \"q\"","n":1e400}`, n),
		context:    `{"library":{"name":"x"},"page":{"title":"Größe"}}`,
		traits:     `{"email":"a@example.org"}`,
	}
	e.ID = schema.NewUUIDv7(int64(1730455871000 + n))
	e.SessionID = schema.NewUUIDv7(1730455870000)
	e.RequestID = schema.NewUUIDv7(1730455872000)
	e.Project, e.Type, e.Dialect, e.TSSource = 7, schema.Track, schema.DialectSegment, schema.TSCorrected
	e.TS, e.ReceivedAt = int64(1730455871131+n), int64(1730455872456+n)
	e.SetClientTS(1730455811131)
	e.SetSentAt(1730455812000)
	e.ScreenW, e.ScreenH, e.Hops, e.Bot = 1920, 1080, 2, true
	return e
}

// plainEvent has what every event has and no more.
func plainEvent(n int, ts int64) testEvent {
	e := testEvent{texts: map[schema.Field]string{schema.FieldEvent: "Hello", schema.FieldDistinctID: fmt.Sprintf("u%d", n)}}
	e.ID = schema.NewUUIDv7(ts)
	e.RequestID = schema.NewUUIDv7(ts)
	e.Project, e.Type = 1, schema.Track
	e.TS, e.ReceivedAt = ts, ts
	return e
}

// record encodes the event as the gateway does.
func (e *testEvent) record() (key, value, ix []byte) {
	var buf []byte
	set := func(f schema.Field, text []byte, escaped bool) {
		start := len(buf)
		buf = append(buf, text...)
		e.Set(f, schema.TextAt(start, len(buf), escaped))
	}
	for f := schema.FieldID; f < schema.NumFields; f++ {
		if v, ok := e.texts[f]; ok {
			text, escaped := scan.AppendEscaped(nil, []byte(v))
			set(f, text, escaped)
		}
	}
	for _, span := range []struct {
		f    schema.Field
		text string
	}{{schema.FieldProperties, e.properties}, {schema.FieldContext, e.context}, {schema.FieldTraits, e.traits}} {
		if span.text != "" {
			set(span.f, []byte(span.text), false)
		}
	}
	value, ix = e.AppendRecord(nil, nil, buf)
	return e.AppendKey(nil, buf), value, ix
}

// body is the record as it stands in a batch.
func (e *testEvent) body() []byte {
	key, value, ix := e.record()
	return broker.AppendRecordBody(nil, key, value, broker.Header{Key: schema.HeaderIndex, Value: ix})
}

// batchOf seals bodies into one record batch that begins at offset.
func batchOf(t testing.TB, offset int64, timestamp int64, bodies ...[]byte) []byte {
	t.Helper()
	var b broker.BatchBuilder
	for _, body := range bodies {
		b.Append(body, timestamp)
	}
	batch := b.Seal(broker.NoProducerID, -1)
	for i := range 8 {
		batch[i] = byte(offset >> (56 - 8*i))
	}
	return batch
}
