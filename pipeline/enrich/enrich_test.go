package enrich

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

var arrival = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).UnixMilli()

// batch is a request with one event, whose texts are given.
func batch(fields map[schema.Field]string) (*schema.Batch, *schema.Event) {
	b := &schema.Batch{Project: 7, ReceivedAt: arrival}
	e := b.Add()
	e.Type = schema.Track
	for f, v := range fields {
		e.Set(f, b.Append([]byte(v), false))
	}
	return b, e
}

func begun(b *schema.Batch) *Request {
	r := new(Request)
	r.Begin(b, schema.DefaultLimits())
	return r
}

func text(b *schema.Batch, e *schema.Event, f schema.Field) string {
	return string(e.Text(f).In(b.Buf))
}

func TestStamp(t *testing.T) {
	b, _ := batch(nil)
	b.RequestID = schema.NewUUIDv7(1)
	b.Dialect = schema.DialectSegment
	b.SentAt, b.HasSentAt = 42, true
	b.ClientIP = netip.MustParseAddr("2001:db8::1")
	b.CorrelationID = b.Append([]byte("order-7"), false)
	own := b.Add()
	own.Set(schema.FieldCorrelationID, b.Append([]byte("mine"), false))
	own.Set(schema.FieldIP, b.Append([]byte("192.0.2.1"), false))
	r := begun(b)
	e := &b.Events[0]
	r.Stamp(b, e)
	r.Stamp(b, own)
	if e.Project != 7 || e.RequestID != b.RequestID || e.Dialect != schema.DialectSegment || e.ReceivedAt != arrival || e.SentAt != 42 || !e.Has(schema.FieldSentAt) {
		t.Errorf("stamped %+v", e.Envelope)
	}
	for _, c := range []struct {
		e               *schema.Event
		correlation, ip string
	}{{e, "order-7", "2001:db8::1"}, {own, "mine", "192.0.2.1"}} {
		if got := text(b, c.e, schema.FieldCorrelationID); got != c.correlation {
			t.Errorf("correlation id %q, want %q", got, c.correlation)
		}
		if got := text(b, c.e, schema.FieldIP); got != c.ip {
			t.Errorf("ip %q, want %q", got, c.ip)
		}
	}
}

func TestName(t *testing.T) {
	for _, c := range []struct {
		typ   schema.Type
		given string
		want  string
	}{
		{schema.Track, "Paid", "Paid"},
		{schema.Track, "", ""},
		{schema.Track, " \t", ""},
		{schema.Page, "", "$pageview"},
		{schema.Page, "  ", "$pageview"},
		{schema.Page, "Seen", "Seen"},
		{schema.Identify, "", "$identify"},
		{schema.Unmerge, "", "$unmerge"},
	} {
		b, e := batch(map[schema.Field]string{schema.FieldEvent: c.given})
		e.Type = c.typ
		begun(b).Name(b, e)
		if got := text(b, e, schema.FieldEvent); got != c.want {
			t.Errorf("%v %q: name %q, want %q", c.typ, c.given, got, c.want)
		}
	}
}

func TestNameIsWrittenOncePerRequest(t *testing.T) {
	b := &schema.Batch{ReceivedAt: arrival}
	for range 100 {
		b.Add().Type = schema.Page
	}
	r := begun(b)
	for i := range b.Events {
		r.Name(b, &b.Events[i])
	}
	if len(b.Buf) != len("$pageview") {
		t.Errorf("%d bytes were written", len(b.Buf))
	}
	// The spans of one request are nothing to the next.
	next := &schema.Batch{Buf: []byte("something else"), ReceivedAt: arrival}
	e := next.Add()
	e.Type = schema.Page
	r.Begin(next, schema.DefaultLimits())
	r.Name(next, e)
	if got := text(next, e, schema.FieldEvent); got != "$pageview" {
		t.Errorf("the next request's name is %q", got)
	}
}

func TestActor(t *testing.T) {
	for _, c := range []struct{ distinct, user, anonymous, want string }{
		{"d", "u", "a", "d"}, {"", "u", "a", "u"}, {"", "", "a", "a"}, {"", "", "", ""},
	} {
		b, e := batch(map[schema.Field]string{schema.FieldDistinctID: c.distinct, schema.FieldUserID: c.user, schema.FieldAnonymousID: c.anonymous})
		begun(b).Actor(e)
		if got := text(b, e, schema.FieldDistinctID); got != c.want {
			t.Errorf("%+v: distinct id %q", c, got)
		}
		if e.Has(schema.FieldDistinctID) != (c.want != "") {
			t.Errorf("%+v: has a distinct id: %v", c, e.Has(schema.FieldDistinctID))
		}
	}
}

func TestClock(t *testing.T) {
	const minute = 60_000
	for name, c := range map[string]struct {
		client, sent int64
		hasClient    bool
		want         int64
		source       schema.TSSource
		adjusted     bool
	}{
		"none":           {want: arrival, source: schema.TSReceived},
		"client":         {client: arrival - minute, hasClient: true, want: arrival - minute, source: schema.TSClient},
		"skewed":         {client: arrival - 5*minute, sent: arrival - 4*minute, hasClient: true, want: arrival - minute, source: schema.TSCorrected},
		"small skew":     {client: arrival - minute, sent: arrival - 20_000, hasClient: true, want: arrival - minute, source: schema.TSClient},
		"two days ahead": {client: arrival + 48*60*minute, hasClient: true, want: arrival, source: schema.TSReceived, adjusted: true},
	} {
		b, e := batch(nil)
		b.SentAt, b.HasSentAt = c.sent, c.sent != 0
		if c.hasClient {
			e.SetClientTS(c.client)
		}
		r := begun(b)
		r.Stamp(b, e)
		if adjusted := r.Clock(e); adjusted != c.adjusted || e.TS != c.want || e.TSSource != c.source {
			t.Errorf("%s: ts %d from %v, adjusted %v; want %d from %v, %v", name, e.TS, e.TSSource, adjusted, c.want, c.source, c.adjusted)
		}
	}
}

// TestTrustedClock: a client that says so is not corrected, and its time of sending is kept.
func TestTrustedClock(t *testing.T) {
	for _, trust := range []bool{false, true} {
		b, e := batch(nil)
		b.SentAt, b.HasSentAt = arrival-3600_000, true
		e.SetClientTS(arrival - 2*3600_000)
		e.TrustClock = trust
		r := begun(b)
		r.Stamp(b, e)
		adjusted := r.Clock(e)
		want, source := arrival-3600_000, schema.TSCorrected
		if trust {
			want, source = arrival-2*3600_000, schema.TSClient
		}
		if adjusted || e.TS != want || e.TSSource != source || !e.Has(schema.FieldSentAt) || e.SentAt != b.SentAt {
			t.Errorf("trust %v: ts %d from %v, sent at %d", trust, e.TS, e.TSSource, e.SentAt)
		}
	}
}

// TestWarmEnrichmentAllocatesNothing: with databases, agents, sessions and hashed addresses.
func TestWarmEnrichmentAllocatesNothing(t *testing.T) {
	x := enricher(t, func(c *Config) { c.CountryDatabase, c.CityDatabase = countries(t), cities(t) })
	b := &schema.Batch{Project: 7, ReceivedAt: arrival, ClientIP: netip.MustParseAddr("81.2.69.142"), AddressPolicy: schema.HashAddress}
	agent := []byte(chrome)
	raw := `{"ip":"2.125.160.77","user":"user-1"}`
	var r Request
	r.Use(x)
	run := func() {
		b.Buf, b.Events, b.UserAgent = append(b.Buf[:0], raw...), b.Events[:0], agent
		b.Buf = append(b.Buf, agent...)
		for i := range 3 {
			e := b.Add()
			e.Type = schema.Page
			e.Set(schema.FieldUserID, schema.TextAt(29, 35, false))
			e.Raw = schema.TextAt(0, len(raw), false)
			if i == 1 {
				e.ClientAddr = schema.TextAt(7, 19, false)
				e.Set(schema.FieldIP, e.ClientAddr)
				e.ClientAgent = schema.TextAt(len(raw), len(b.Buf), false)
			}
		}
		r.Begin(b, schema.DefaultLimits())
		for i := range b.Events {
			e := &b.Events[i]
			r.Stamp(b, e)
			r.Name(b, e)
			r.Actor(e)
			r.Clock(e)
			r.Agent(b, e)
			r.Place(b, e)
			r.Address(b, e)
			r.Session(b, e)
		}
		r.End()
	}
	run()
	for i, want := range []string{"GB", "FR", "GB"} {
		if e := &b.Events[i]; text(b, e, schema.FieldCountry) != want || text(b, e, schema.FieldBrowser) != "Chrome" || e.SessionID == (schema.UUID{}) || text(b, e, schema.FieldIP)[:2] != "fd" {
			t.Fatalf("event %d is not enriched: %s", i, text(b, e, schema.FieldCountry))
		}
	}
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	bad := Config{ReloadInterval: 1, AgentCacheEntries: 1, SessionTimeout: -1, SessionEntries: 1, CityDatabase: None}
	err := bad.Validate()
	for _, key := range []string{"reload_interval", "agent_cache_entries", "session_timeout", "session_entries", "city_database"} {
		if err == nil || !strings.Contains(err.Error(), "enrich."+key+": ") {
			t.Errorf("nothing about %s in %v", key, err)
		}
	}
	if _, err := New(bad, Deps{}); err == nil || !strings.Contains(err.Error(), "no logger") {
		t.Errorf("New: %v", err)
	}
}

// identified enriches a batch of n identical events and returns their ids.
func identified(n int, id, clientTime, idempotencyKey string) []schema.UUID {
	b := &schema.Batch{Project: 7, ReceivedAt: arrival}
	if idempotencyKey != "" {
		b.IdempotencyKey = []byte(idempotencyKey)
	}
	for range n {
		e := b.Add()
		e.Type = schema.Track
		e.Set(schema.FieldEvent, b.Append([]byte("Paid"), false))
		e.ClientID = b.Append([]byte(id), id != "" && id[0] == '\\')
		e.ClientTime = b.Append([]byte(clientTime), false)
	}
	r := begun(b)
	ids := make([]schema.UUID, n)
	for i := range b.Events {
		r.ID(b, &b.Events[i])
		ids[i] = b.Events[i].ID
	}
	return ids
}

func TestIDPrecedence(t *testing.T) {
	const (
		id   = "0192b6c1-7d2e-7a3b-9c1f-0123456789ab"
		nilU = "00000000-0000-0000-0000-000000000000"
		when = "2026-11-20T11:00:00Z"
	)
	if got := identified(1, id, when, "key")[0].String(); got != id {
		t.Errorf("client id: %s", got)
	}
	if got := identified(1, `\u0030192b6c1-7d2e-7a3b-9c1f-0123456789ab`, "", "")[0].String(); got != id {
		t.Errorf("escaped client id: %s", got)
	}
	hashed := identified(1, "order-1", "", "")[0]
	if hashed[6]>>4 != 8 || hashed != identified(1, "order-1", when, "key")[0] {
		t.Errorf("an id that is no UUID becomes %v", hashed)
	}
	key := identified(2, "", when, "key")
	if key[0] == key[1] || key[0] != identified(2, nilU, when, "key")[0] || key[0] != identified(1, " ", "", "key")[0] || key[0] == identified(1, "", when, "key2")[0] {
		t.Errorf("ids by Idempotency-Key: %v", key)
	}
	content := identified(2, "", when, "")
	if content[0] == content[1] || content[0] != identified(1, nilU, when, "")[0] || content[1] != identified(2, "", when, " ")[1] || content[0] == key[0] {
		t.Errorf("ids by content: %v", content)
	}
	fresh := identified(2, "", "", "")
	ms, v7 := fresh[0].UnixMilli()
	if !v7 || ms != arrival || fresh[0] == fresh[1] || fresh[0] == identified(1, "", "", "")[0] {
		t.Errorf("new ids: %v", fresh)
	}
}

func TestSession(t *testing.T) {
	near, far := schema.NewUUIDv7(arrival-3600_000), schema.NewUUIDv7(arrival-48*3600_000)
	for _, c := range []struct {
		given      string
		none, kept bool
	}{
		{given: "", none: true},
		{given: "  ", none: true},
		{given: "00000000-0000-0000-0000-000000000000", none: true},
		{given: near.String(), kept: true},
		{given: far.String()},
		{given: "1732104000123"},
	} {
		b, e := batch(nil)
		e.ClientSession = b.Append([]byte(c.given), false)
		r := begun(b)
		r.Stamp(b, e)
		r.Clock(e)
		r.Session(b, e)
		if c.none != (e.SessionID == schema.UUID{}) {
			t.Errorf("%q: session %v", c.given, e.SessionID)
		}
		if c.kept && e.SessionID.String() != c.given {
			t.Errorf("%q was not kept: %v", c.given, e.SessionID)
		}
		if ms, v7 := e.SessionID.UnixMilli(); !c.none && (!v7 || ms < arrival-24*3600_000 || ms > arrival) {
			t.Errorf("%q: session %v has another day", c.given, e.SessionID)
		}
	}
}

func TestAllocatesNothing(t *testing.T) {
	b := &schema.Batch{Project: 7, ReceivedAt: arrival, SentAt: arrival, HasSentAt: true, ClientIP: netip.MustParseAddr("192.0.2.7")}
	var r Request
	body := []byte(`Paid` + `user-1` + `node-next-1700000000-uuid` + `session-1`)
	run := func() {
		b.Buf, b.Events = append(b.Buf[:0], body...), b.Events[:0]
		for range 3 {
			e := b.Add()
			e.Type = schema.Page
			e.Set(schema.FieldUserID, schema.TextAt(4, 10, false))
			e.ClientID = schema.TextAt(10, 35, false)
			e.ClientSession = schema.TextAt(35, 44, false)
		}
		r.Begin(b, schema.DefaultLimits())
		for i := range b.Events {
			e := &b.Events[i]
			r.Stamp(b, e)
			r.Name(b, e)
			r.Actor(e)
			r.Clock(e)
			r.ID(b, e)
			r.Session(b, e)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
