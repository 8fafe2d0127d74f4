package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-faster/city"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/access"
)

// testProject is the one that testKey opens.
const testProject = 1

// testPassword is that of a user of a project.
func testPassword(user string) string { return "password of " + user }

// tables is a database that a whole story was sent to: through the door, into the tables as migrations make them. Users of the project read it as they do on
// a server.
type tables struct {
	t      *testing.T
	engine *enginetest.Engine
	db     *clickhouse.DB
	facts  Facts
}

// blockRows is what one INSERT holds.
const blockRows = 50_000

func tell(t *testing.T, o Options) *tables {
	t.Helper()
	cfg := clickhouse.DefaultConfig()
	w := &tables{t: t, engine: enginetest.ClickHouseFor(t, access.Users(cfg.Database, []uint32{testProject}, testPassword))}
	cfg.Addresses = []string{w.engine.TCP}
	var err error
	if w.db, err = clickhouse.Open(within(t), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := clickhouse.Up(within(t), w.db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := access.Mirror(within(t), w.db, w.db.Database()); err != nil {
		t.Fatal(err)
	}
	s, err := newStory(o, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if w.facts, err = s.Survey(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.facts.NotStored(within(t), w.db); err != nil {
		t.Fatalf("before anything is sent: %v", err)
	}
	door := open(t)
	l := &loader{tables: w}
	door.take = l.take
	r, err := s.Send(within(t), Door{URL: door.url, Key: testKey}, w.facts, 0, nil)
	if err != nil || r.In != w.facts.Events {
		t.Fatalf("%v, %+v", err, r)
	}
	l.flush()
	return w
}

// loader inserts rows in blocks, as the sink does, in place of topic and sink.
type loader struct {
	*tables
	rows   []row
	offset uint64
}

func (l *loader) take(rows []row) {
	l.rows = append(l.rows, rows...) // the door calls one at a time
	if len(l.rows) >= blockRows {
		l.flush()
	}
}

func (l *loader) flush() {
	if len(l.rows) == 0 {
		return
	}
	batch, err := l.db.Conn().PrepareBatch(within(l.t), "INSERT INTO "+l.db.Database()+".events")
	if err != nil {
		l.t.Error(err)
		return
	}
	for i := range l.rows {
		if err := l.add(batch, &l.rows[i]); err != nil {
			l.t.Error(err)
			return
		}
	}
	l.rows = l.rows[:0]
	if err := batch.Send(); err != nil {
		l.t.Error(err)
	}
}

// add writes what the sink writes, column by column.
func (l *loader) add(batch driver.Batch, r *row) error {
	l.offset++
	var p struct {
		Revenue json.Number `json:"revenue"`
	}
	if text := r.text[schema.FieldProperties]; text != "" {
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return err
		}
	}
	if p.Revenue == "" {
		p.Revenue = "0"
	}
	ip := r.text[schema.FieldIP]
	if ip == "" {
		ip = "::"
	}
	millis := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	value := map[string]any{
		"project_id": r.Project, "type": r.Type.String(), "ts": millis(r.TS), "event_id": r.ID.String(), "session_id": r.SessionID.String(),
		"client_ts": millis(r.ClientTS), "sent_at": millis(0), "ts_source": r.TSSource.String(), "request_id": r.RequestID.String(), "hops": r.Hops,
		"dialect": r.Dialect.String(), "bot": uint8(0), "user_h": city.CH64([]byte(r.text[schema.FieldDistinctID])), "screen_w": r.ScreenW, "screen_h": r.ScreenH,
		"ip": ip, "revenue": p.Revenue.String(), "lag_ms": r.ReceivedAt - r.TS, "_log": uint16(1), "_partition": uint16(0), "_offset": l.offset,
	}
	for column, field := range textColumns {
		value[column] = r.text[field]
	}
	row := make([]any, len(clickhouse.EventColumns))
	for i, c := range clickhouse.EventColumns {
		v, ok := value[c.Name]
		if !ok {
			return fmt.Errorf("nothing for column %s", c.Name)
		}
		row[i] = v
	}
	return batch.Append(row...)
}

var textColumns = map[string]schema.Field{
	"event": schema.FieldEvent, "name": schema.FieldName, "distinct_id": schema.FieldDistinctID, "user_id": schema.FieldUserID, "anonymous_id": schema.FieldAnonymousID,
	"group_id": schema.FieldGroupID, "previous_id": schema.FieldPreviousID, "correlation_id": schema.FieldCorrelationID, "causation_id": schema.FieldCausationID,
	"url_host": schema.FieldPageHost, "url_path": schema.FieldPagePath, "referrer_host": schema.FieldReferrerHost, "utm_source": schema.FieldCampaignSource,
	"utm_medium": schema.FieldCampaignMedium, "utm_campaign": schema.FieldCampaignName, "lib": schema.FieldLib, "lib_version": schema.FieldLibVersion, "locale": schema.FieldLocale,
	"country": schema.FieldCountry, "city": schema.FieldCity, "os": schema.FieldOS, "os_version": schema.FieldOSVersion, "browser": schema.FieldBrowser,
	"browser_version": schema.FieldBrowserVersion, "device": schema.FieldDeviceType, "props": schema.FieldProperties, "context": schema.FieldContext, "traits": schema.FieldTraits,
}

// record is a row of an answer.
type record map[string]any

// number reads a column as a number.
func (r record) number(t *testing.T, column string) float64 {
	t.Helper()
	switch v := r[column].(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	case bool:
		if v {
			return 1
		}
		return 0
	}
	t.Fatalf("column %s of %v is no number", column, r)
	return 0
}

func (r record) text(t *testing.T, column string) string {
	t.Helper()
	s, ok := r[column].(string)
	if !ok {
		t.Fatalf("column %s of %v is no text", column, r)
	}
	return s
}

// ask runs a query as an analyst's client does: over HTTP, logged in as the project's analyst, with the database of views as the current one; on the day of the tests.
func (w *tables) ask(sql string) ([]record, error) {
	sql = strings.ReplaceAll(sql, "today()", "toDate('"+testNow.Format(time.DateOnly)+"')")
	query := url.Values{
		"database": {access.ViewsDatabase(w.db.Database())}, "default_format": {"JSONEachRow"}, "wait_end_of_query": {"1"},
		"output_format_json_quote_64bit_integers": {"0"}, "output_format_json_quote_decimals": {"0"},
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(within(w.t), http.MethodPost, "http://"+w.engine.HTTP+"/?"+query.Encode(), strings.NewReader(sql))
	if err != nil {
		return nil, err
	}
	analyst := access.Analyst(testProject)
	request.SetBasicAuth(analyst, testPassword(analyst))
	resp, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", resp.StatusCode, bytes.TrimSpace(text))
	}
	var all []record
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for d.More() {
		var r record
		if err := d.Decode(&r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}
