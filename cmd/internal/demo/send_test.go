package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

// ids are those of the story's first n events, as they are told.
func ids(s *Story, n int64) (all []schema.UUID) {
	told := s.stream()
	for range n {
		e, ok := told.next()
		if !ok {
			break
		}
		all = append(all, s.eventID(&e))
	}
	return all
}

// got counts the ids of the rows.
func got(rows []row) map[schema.UUID]int {
	all := map[schema.UUID]int{}
	for _, r := range rows {
		all[r.ID]++
	}
	return all
}

func TestSend(t *testing.T) {
	s, f := small(t, 200)
	door := open(t)
	last, calls := uint64(0), 0
	r, err := s.Send(within(t), Door{URL: strings.TrimPrefix(door.url, "http://"), Key: testKey, Batch: 100}, f, 0, func(done, total uint64) {
		if done < last || total != uint64(f.Events) {
			t.Errorf("progress goes from %d to %d of %d", last, done, total)
		}
		last = done
		calls++
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.In != f.Events || r.Sent != f.Events || r.Refused != 0 || r.Interrupted || r.Repeated != 0 || r.Durability != "broker" || last != uint64(f.Events) || int64(calls) != r.Requests {
		t.Errorf("%d calls, last %d: %+v", calls, last, r)
	}
	all := got(door.rows)
	for _, id := range ids(s, f.Events) {
		if all[id] != 1 {
			t.Errorf("event %v came %d times", id, all[id])
		}
	}
	if int64(len(door.rows)) != f.Events {
		t.Errorf("%d rows of %d events", len(door.rows), f.Events)
	}
	if !strings.Contains(r.String(), "The story is in:") {
		t.Error(r.String())
	}
}

// TestRowsAreTyped: what the story says arrives in the fields that questions ask for.
func TestRowsAreTyped(t *testing.T) {
	s, f := small(t, 300)
	door := open(t)
	if _, err := s.Send(within(t), Door{URL: door.url, Key: testKey}, f, 0, nil); err != nil {
		t.Fatal(err)
	}
	seen := map[schema.Field]int{}
	hosts := map[string]int{}
	for _, r := range door.rows {
		name := r.text[schema.FieldEvent]
		if r.warning || r.TSSource != schema.TSClient || r.TS < f.From.UnixMilli() || r.TS >= f.To.UnixMilli() || !slices.Contains(kindNames[:], name) {
			t.Fatalf("%s at %d: %+v", name, r.TS, r.text)
		}
		for field := range r.text {
			seen[field]++
		}
		hosts[r.text[schema.FieldPageHost]]++
		var p struct {
			Country, Browser, Release string
			Revenue                   *float64
		}
		if err := json.Unmarshal([]byte(r.text[schema.FieldProperties]), &p); err != nil || p.Country == "" {
			t.Fatalf("%v: %s", err, r.text[schema.FieldProperties])
		}
		if visit := r.SessionID != (schema.UUID{}); visit != (p.Browser != "" && p.Release != "" && r.ScreenW > 0 && r.ScreenH > 0) {
			t.Fatalf("visit %v: %+v", visit, r.text)
		}
		if ms, v7 := r.SessionID.UnixMilli(); r.SessionID != (schema.UUID{}) && (!v7 || ms > r.TS || r.TS-ms > 12*hour) {
			t.Fatalf("%s at %d in session of %d", name, r.TS, ms)
		}
		if paid := slices.Contains([]string{"Subscription Started", "Plan Upgraded", "Subscription Renewed", "Payment Refunded"}, name); paid != (p.Revenue != nil) {
			t.Fatalf("%s: %s", name, r.text[schema.FieldProperties])
		}
	}
	for _, field := range []schema.Field{
		schema.FieldDistinctID, schema.FieldUserID, schema.FieldGroupID, schema.FieldLib, schema.FieldLibVersion, schema.FieldLocale, schema.FieldPageHost, schema.FieldPagePath,
		schema.FieldReferrerHost, schema.FieldCampaignSource, schema.FieldCampaignMedium, schema.FieldCampaignName, schema.FieldOS, schema.FieldOSVersion, schema.FieldDeviceType,
		schema.FieldName, schema.FieldTraits, schema.FieldContext,
	} {
		if seen[field] == 0 {
			t.Errorf("no row has %v", field)
		}
	}
	if hosts["www.quill.example"] == 0 || hosts["app.quill.example"] == 0 {
		t.Errorf("hosts %v", hosts)
	}
}

func TestSendsAgain(t *testing.T) {
	s, f := small(t, 100)
	door := open(t)
	door.before = func(n int) error {
		if n <= 2 {
			return schema.ErrOverloaded
		}
		return nil
	}
	r, err := s.Send(within(t), Door{URL: door.url, Key: testKey, Batch: int(f.Events/2 + 1), Connections: 2}, f, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Repeated < 2 || r.Sent != f.Events || r.In != f.Events {
		t.Errorf("%+v", r)
	}
	for id, n := range got(door.rows) {
		if n != 1 {
			t.Errorf("%v came %d times", id, n)
		}
	}
}

// TestEndsAndGoesOn ends a run in the middle and lets another go on: together they have sent every event once.
func TestEndsAndGoesOn(t *testing.T) {
	s, f := small(t, 200)
	door := open(t)
	ctx, cancel := context.WithCancel(within(t))
	door.after = func(n int) {
		if n == 7 {
			cancel()
		}
	}
	to := Door{URL: door.url, Key: testKey, Batch: 50}
	r, err := s.Send(ctx, to, f, 0, nil)
	if err != nil || !r.Interrupted || r.Sent == 0 || r.In != r.Sent || r.In >= f.Events || r.Until.IsZero() {
		t.Fatalf("%v, %+v", err, r)
	}
	if int64(len(door.rows)) != r.Sent {
		t.Errorf("%d rows, %d are said to be in", len(door.rows), r.Sent)
	}
	all := got(door.rows)
	for _, id := range ids(s, r.In) {
		if all[id] != 1 {
			t.Errorf("%v is said to be in and came %d times", id, all[id])
		}
	}
	if text := r.String(); !strings.Contains(text, "--skip ") || !strings.Contains(text, commas(r.In)) {
		t.Error(text)
	}
	door.after = nil
	r, err = s.Send(within(t), to, f, r.In, nil)
	if err != nil || r.In != f.Events {
		t.Fatalf("%v, %+v", err, r)
	}
	all = got(door.rows)
	for _, id := range ids(s, f.Events) {
		if all[id] != 1 {
			t.Errorf("%v came %d times", id, all[id])
		}
	}
}

func TestRefusedKey(t *testing.T) {
	s, f := small(t, 100)
	door := open(t)
	r, err := s.Send(within(t), Door{URL: door.url, Key: "mr_dev_other"}, f, 0, nil)
	if err == nil || !strings.Contains(err.Error(), "invalid_key") || !strings.Contains(err.Error(), "--key") || r.In != 0 || errors.Is(err, ErrUnavailable) {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestNobodyThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	s, f := small(t, 100)
	r, err := s.Send(within(t), Door{URL: address, Key: testKey, RetryFor: time.Millisecond}, f, 0, nil)
	if !errors.Is(err, ErrUnavailable) || r.In != 0 || r.Interrupted {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestRate: the third request may not leave before two requests' worth of time is over.
func TestRate(t *testing.T) {
	s, f := small(t, 100)
	door := open(t)
	ctx, cancel := context.WithCancel(within(t))
	door.after = func(n int) {
		if n == 3 {
			cancel()
		}
	}
	r, err := s.Send(ctx, Door{URL: door.url, Key: testKey, Batch: 10, Rate: 100}, f, 0, nil)
	if err != nil || r.Sent < 30 || r.Took < 200*time.Millisecond {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestDoorSaysEverythingAtOnce(t *testing.T) {
	s, f := small(t, 100)
	_, err := s.Send(t.Context(), Door{URL: "ftp://x", Batch: 20_000, Connections: -1, Rate: -1}, f, 0, nil)
	for _, want := range []string{"--url", "--key", "--batch", "--connections", "--rate"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
	if _, err := s.Send(t.Context(), Door{URL: "x", Key: "k"}, f, f.Events+1, nil); err == nil || !strings.Contains(err.Error(), "--skip") {
		t.Error(err)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		status    int
		after     string
		body      string
		repeat    time.Duration // -1: no repeat
		wantErr   string
		accepted  int
		refused   int
		wantCause string
	}{
		{200, "", `{"accepted":2,"rejected":0,"durability":"broker","results":[]}`, -1, "", 2, 0, ""},
		{200, "", `{"accepted":1,"rejected":1,"results":[{"index":1,"result":"drop","code":"missing_event","field":"/event","detail":"no name"}]}`, -1, "", 1, 1, "missing_event /event: no name"},
		{200, "3", `{"accepted":1,"rejected":0,"results":[{"index":1,"result":"retry","code":"unknown","detail":"?"}]}`, 3 * time.Second, "unknown", 0, 0, ""},
		{200, "", `<html>`, -1, "--url", 0, 0, ""},
		{503, "2", `{"code":"overloaded","detail":"full"}`, 2 * time.Second, "overloaded: full", 0, 0, ""},
		{500, "soon", ``, 0, "status 500", 0, 0, ""},
		{429, "", ``, 0, "status 429", 0, 0, ""},
		{401, "", `{"code":"invalid_key","detail":"who?"}`, -1, "--key", 0, 0, ""},
		{413, "", `{"code":"too_large","detail":"big"}`, -1, "too_large", 0, 0, ""},
	} {
		o, err := judge(c.status, c.after, []byte(c.body))
		var a *again
		if repeat := errors.As(err, &a); repeat != (c.repeat >= 0) || repeat && a.after != c.repeat {
			t.Errorf("%d %s: %v, %+v", c.status, c.body, err, a)
		}
		if (err == nil) != (c.wantErr == "") || err != nil && !strings.Contains(err.Error(), c.wantErr) {
			t.Errorf("%d %s: error %v, want %q", c.status, c.body, err, c.wantErr)
		}
		if o.accepted != c.accepted || o.refused != c.refused || o.reason != c.wantCause {
			t.Errorf("%d %s: %+v", c.status, c.body, o)
		}
	}
}

// TestStoppedServerIsNotWaitedFor: who ends a run does not wait longer than the grace for an answer that never comes.
func TestStoppedServerIsNotWaitedFor(t *testing.T) {
	s, f := small(t, 100)
	door := open(t)
	arrived, hold := make(chan struct{}), make(chan struct{})
	door.before = func(n int) error {
		if n == 1 {
			close(arrived)
		}
		<-hold
		return errAway
	}
	ctx, cancel := context.WithCancel(within(t))
	go func() {
		<-arrived
		cancel()
	}()
	r, err := s.Send(ctx, Door{URL: door.url, Key: testKey, Grace: time.Millisecond}, f, 0, nil)
	if err != nil || !r.Interrupted || r.In != 0 || r.Sent != 0 {
		t.Errorf("%v, %+v", err, r)
	}
	close(hold)
}

func BenchmarkTell(b *testing.B) {
	s, _ := small(b, 2000)
	var text bytes.Buffer
	b.ReportAllocs()
	told := s.stream()
	n := 0
	for b.Loop() {
		e, ok := told.next()
		if !ok {
			told = s.stream()
			continue
		}
		text.Reset()
		text.Write(told.append(text.AvailableBuffer(), &e))
		n += text.Len()
	}
	b.SetBytes(int64(n / b.N))
}
