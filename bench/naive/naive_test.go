package naive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/bench/compare/discard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the service as the command does, and returns its URL. It ends with the test.
func start(t *testing.T, o Options) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Run(ctx, o, w)
		_ = w.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("no ready line: %v", err)
	}
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ok {
		t.Fatalf("ready line %q", line)
	}
	return "http://" + address
}

// discarding runs the discarding broker until the test ends.
func discarding(t *testing.T, partitions int) (*discard.Broker, string) {
	t.Helper()
	b, err := discard.New(partitions)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("broker: %v", err)
		}
	})
	return b, ln.Addr().String()
}

func post(t *testing.T, url, body string) (int, reply) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	res, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was only read from
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var r reply
	if json.Unmarshal(text, &r) != nil {
		r.Results = []result{{Detail: string(text)}}
	}
	return res.StatusCode, r
}

// TestRecords follows events of both forms onto a real topic.
func TestRecords(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "taken"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	url := start(t, Options{Broker: cluster.ListenAddrs()[0], Topic: "taken"})
	before := time.Now()
	status, segment := post(t, url+"/v1/batch", `{"sentAt":"2025-01-02T03:04:05Z","batch":[
		{"type":"track","event":"Bought","messageId":"m1","userId":"ann","anonymousId":"a","timestamp":"2025-01-02T03:04:05.678Z","properties":{"price":9.5,"tags":["ä","\u0062"],"deep":{"x":null}},"context":{"ip":"10.0.0.1"}},
		{"type":"page","name":"Home","anonymousId":"bob"},
		{"type":"track","messageId":"m3","userId":"ann"},
		{"type":"group","userId":"ann","groupId":"g","traits":{"size":3}}]}`)
	if status != 200 || !segment.Success || segment.Accepted != 3 || segment.Rejected != 1 || segment.RequestID == "" ||
		!reflect.DeepEqual(segment.Results, []result{{2, "m3", "drop", "event is missing"}}) {
		t.Errorf("segment: %d %+v", status, segment)
	}
	status, native := post(t, url+"/v1/events", `{"events":[{"id":"n1","type":"identify","distinct_id":"cy","ts":"2025-01-02T03:04:05Z","set":{"plan":"pro"},"set_once":{"first":true}},
		{"event":"Left","distinct_id":"dee","session_id":"s","correlation_id":"c","hops":2}]}`)
	if status != 200 || native.Accepted != 2 || native.Rejected != 0 {
		t.Errorf("native: %d %+v", status, native)
	}

	consumer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("taken"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := map[string]record{} // by key and type
	for len(got) < 5 {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d records: %v", len(got), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var e record
			if err := json.Unmarshal(r.Value, &e); err != nil {
				t.Errorf("record %q: %v", r.Value, err)
			}
			if want := new(kafka.Hash).Balance(kafka.Message{Key: r.Key}, 0, 1, 2); int(r.Partition) != want {
				t.Errorf("key %s in partition %d, want %d", r.Key, r.Partition, want)
			}
			if e.ID == "" || e.RequestID == "" || e.ReceivedAt.Before(before.Add(-time.Second)) || e.ReceivedAt.After(time.Now().Add(time.Second)) {
				t.Errorf("not completed: %s", r.Value)
			}
			e.RequestID, e.ReceivedAt = "", time.Time{}
			got[string(r.Key)+" "+e.Type] = e
		})
	}
	for key, want := range map[string]record{
		"ann track": {
			ID: "m1", Type: "track", Event: "Bought", UserID: "ann", AnonymousID: "a", Timestamp: "2025-01-02T03:04:05.678Z",
			Properties: map[string]any{"price": 9.5, "tags": []any{"ä", "b"}, "deep": map[string]any{"x": nil}}, Context: map[string]any{"ip": "10.0.0.1"},
		},
		"bob page":    {ID: got["bob page"].ID, Type: "page", Event: "Home", AnonymousID: "bob"},
		"ann group":   {ID: got["ann group"].ID, Type: "group", UserID: "ann", GroupID: "g", Traits: map[string]any{"size": 3.0}},
		"cy identify": {ID: "n1", Type: "identify", UserID: "cy", Timestamp: "2025-01-02T03:04:05Z", Set: map[string]any{"plan": "pro"}, SetOnce: map[string]any{"first": true}},
		"dee track":   {ID: got["dee track"].ID, Type: "track", Event: "Left", UserID: "dee", SessionID: "s", CorrelationID: "c", Hops: 2},
	} {
		if !reflect.DeepEqual(got[key], want) {
			t.Errorf("%s: %+v, want %+v", key, got[key], want)
		}
	}
}

// TestCounts: what is answered as accepted has reached the discarding broker.
func TestCounts(t *testing.T) {
	b, address := discarding(t, 4)
	url := start(t, Options{Broker: address})
	var body bytes.Buffer
	body.WriteString(`{"batch":[`)
	for i := range 1500 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"type":"track","event":"E","userId":"user-%d","properties":{"n":%d}}`, i%50, i)
	}
	body.WriteString(`]}`)
	for i := range 3 {
		status, r := post(t, url+"/v1/batch", body.String())
		if status != 200 || r.Accepted != 1500 {
			t.Fatalf("%d %+v", status, r)
		}
		got := b.Counts()[DefaultTopic]
		used := 0
		for _, n := range got.Partitions {
			if n > 0 {
				used++
			}
		}
		if want := uint64(1500 * (i + 1)); got.Records != want || used != 4 {
			t.Errorf("the broker has %d records in %d partitions, want %d in 4", got.Records, used, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	b, address := discarding(t, 1)
	url := start(t, Options{Broker: address})
	long := strings.Repeat("x", 600)
	many := strings.Repeat(`"k%":1,`, maxProperties)
	for i := range maxProperties {
		many = strings.Replace(many, "%", fmt.Sprint(i), 1)
	}
	for name, c := range map[string]struct{ event, detail string }{
		"no type":        {`{"event":"E","userId":"u"}`, "type is missing"},
		"odd type":       {`{"type":"charge","event":"E","userId":"u"}`, `type "charge" is unknown`},
		"nobody":         {`{"type":"track","event":"E"}`, "userId or anonymousId is missing"},
		"long name":      {`{"type":"track","event":"` + long + `","userId":"u"}`, "the event's name has 600 bytes, 200 are allowed"},
		"long id":        {`{"type":"track","event":"E","userId":"` + long + `"}`, "an id has 600 bytes, 512 are allowed"},
		"odd time":       {`{"type":"track","event":"E","userId":"u","timestamp":"yesterday"}`, "timestamp: "},
		"too many props": {`{"type":"track","event":"E","userId":"u","properties":{` + many + `"last":1}}`, "more than 1000 properties"},
	} {
		status, r := post(t, url+"/v1/batch", `{"batch":[`+c.event+`]}`)
		if status != 400 || r.Success || r.Rejected != 1 || len(r.Results) != 1 || !strings.HasPrefix(r.Results[0].Detail, c.detail) {
			t.Errorf("%s: %d %+v", name, status, r)
		}
	}
	for name, c := range map[string]struct {
		path, body string
		status     int
	}{
		"no JSON":   {"/v1/batch", `{"batch":[{]}`, 400},
		"no events": {"/v1/events", `{"events":[]}`, 400},
		"too large": {"/v1/batch", `{"batch":"` + strings.Repeat("x", maxBodyBytes) + `"}`, 413},
		"elsewhere": {"/v1/other", `{}`, 404},
	} {
		if status, r := post(t, url+c.path, c.body); status != c.status {
			t.Errorf("%s: %d %+v, want %d", name, status, r, c.status)
		}
	}
	if got := b.Counts()[DefaultTopic].Records; got != 0 {
		t.Errorf("%d records were written", got)
	}
}

// TestBrokerGone: what Kafka does not acknowledge is not answered with 200.
func TestBrokerGone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()
	url := start(t, Options{Broker: address})
	if status, r := post(t, url+"/v1/batch", `{"batch":[{"type":"track","event":"E","userId":"u"}]}`); status != 503 {
		t.Errorf("%d %+v, want 503", status, r)
	}
}

func TestRunFails(t *testing.T) {
	_, address := discarding(t, 1)
	for name, o := range map[string]Options{"no broker": {}, "busy port": {Listen: address, Broker: address}} {
		if err := Run(t.Context(), o, io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
