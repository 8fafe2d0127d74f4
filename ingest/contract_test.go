package ingest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
)

// What an SDK does after an answer.
const (
	taken   = "taken"
	again   = "again"    // all of it is sent again, as one of a few attempts
	waits   = "waits"    // all of it is sent again after Retry-After, without counting the attempt
	part    = "part"     // some of it is sent again
	gives   = "gives up" // nothing is sent again
	halves  = "halves"   // it is sent again in two parts
	crashes = "crashes"  // the SDK cannot read the answer
)

// The judges do what the SDKs' sources do with an answer to n events. They are what the renderers are for, so they know nothing of them.

func judgeSegmentNode(a answer, _ int) string {
	switch s := a.status; {
	case s >= 200 && s < 400:
		return taken
	case s == 429:
		if _, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil {
			return waits
		}
		return again
	case s == 408, s == 410, s == 460, s >= 500 && s != 501 && s != 505 && s != 511:
		return again
	}
	return gives
}

func judgeSegmentPython(a answer, _ int) string {
	if a.status == 200 {
		return taken
	}
	if a.json == nil {
		return crashes // it would be read as text, but none of our answers is one
	}
	if _, ok := a.json["code"]; !ok {
		return crashes
	}
	if _, ok := a.json["message"]; !ok {
		return crashes
	}
	if a.status >= 500 || a.status == 429 {
		return again
	}
	return gives
}

func judgeRudder(a answer, _ int) string {
	switch s := a.status; {
	case s >= 200 && s < 300:
		return taken
	case s >= 400 && s < 500 && s != 429:
		return gives
	}
	return again
}

func judgeJitsu(a answer, _ int) string {
	if a.status < 200 || a.status > 299 {
		return gives
	}
	if a.json["ok"] != true {
		return crashes
	}
	return taken
}

func judgePostHogNode(a answer, _ int) string {
	switch s := a.status; {
	case s >= 200 && s < 400:
		return taken
	case s == 413:
		return halves
	case s == 408, s == 429, s >= 500:
		return again
	}
	return gives
}

func judgePostHogPython(a answer, _ int) string {
	if a.status == 200 {
		return taken
	}
	if text, _ := a.json["detail"].(string); text == "" {
		return crashes
	}
	if a.status == 408 || a.status == 429 || a.status >= 500 {
		return again
	}
	return gives
}

func judgePostHogBrowser(a answer, _ int) string {
	switch s := a.status; {
	case s == 200:
		return taken
	case s >= 400 && s < 500:
		return gives
	}
	return again
}

func judgeCapture(a answer, n int) string {
	if a.header.Get("PostHog-Request-Id") != captureRequest || a.header.Get("Date") == "" {
		return crashes
	}
	if a.status < 200 || a.status > 299 {
		for _, key := range []string{"error", "error_description", "error_uri"} {
			if text, _ := a.json[key].(string); text == "" {
				return crashes
			}
		}
		switch a.status {
		case 408, 500, 502, 503, 504:
			return again
		}
		return gives
	}
	results, ok := a.json["results"].(map[string]any)
	if !ok {
		return gives
	}
	retry, drop := 0, 0
	for i := range n {
		result, _ := results[uuidOf(i)].(map[string]any)
		switch result["result"] {
		case "retry":
			retry++
		case "drop":
			if text, _ := result["details"].(string); text == "" {
				return crashes
			}
			drop++
		}
	}
	switch {
	case retry == n:
		return again
	case retry > 0:
		return part
	case drop == n:
		return gives
	}
	return taken
}

func judgeAmplitude(a answer, n int) string {
	code, ok := a.json["code"].(float64)
	switch {
	case !ok:
		return crashes
	case int(code) != a.status:
		return crashes // the SDKs go by the one, and everything between them and us by the other
	case code >= 200 && code < 300:
		return taken
	case code == 413 && n > 1:
		return halves
	case code == 413:
		return gives
	case code == 429 || code == 408 || code < 400 || code >= 500:
		return again
	}
	if text, _ := a.json["error"].(string); strings.HasPrefix(text, "Invalid API key:") {
		return gives
	}
	if text, _ := a.json["missing_field"].(string); text != "" {
		return gives
	}
	return part // what no list names, twelve times over
}

func judgeMixpanelNode(a answer, _ int) string {
	if a.body == "1" {
		return taken
	}
	return gives
}

func judgeMixpanelVerbose(a answer, _ int) string {
	if a.json == nil {
		return crashes
	}
	if a.json["status"] == 1.0 {
		return taken
	}
	if text, _ := a.json["error"].(string); text == "" {
		return crashes
	}
	return gives
}

func judgeMixpanelPython(a answer, n int) string {
	if a.status >= 500 {
		return again
	}
	return judgeMixpanelVerbose(a, n)
}

func judgeMixpanelBrowser(a answer, _ int) string {
	switch s := a.status; {
	case s == 200 && a.json == nil:
		return crashes
	case s == 200:
		return taken
	case s >= 500, s == 429:
		return again
	case s == 413:
		return halves
	}
	return gives
}

func judgeImport(a answer, _ int) string {
	if code, _ := a.json["code"].(float64); int(code) != a.status {
		return crashes
	}
	if _, ok := a.json["num_records_imported"].(float64); !ok {
		return crashes
	}
	if text, _ := a.json["status"].(string); text == "" {
		return crashes
	}
	switch {
	case a.status == 200:
		return taken
	case a.status >= 500 || a.status == 429:
		return again
	case a.status == 413:
		return halves
	}
	return gives
}

func judgePixel(a answer, _ int) string {
	if a.body != pixelImage || len(a.body) != 43 || a.header.Get("Content-Type") != "image/gif" || a.header.Get("Cache-Control") != "no-store" {
		return crashes
	}
	return taken
}

const captureRequest = "0192b6c1-7d2e-7a3b-9c1f-0123456789ab"

func uuidOf(i int) string { return fmt.Sprintf("0192b6c1-7d2e-7a3b-9c1f-%012d", i) }

// joined joins n items.
func joined(n int, item func(i int) string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = item(i)
	}
	return strings.Join(items, ",")
}

// The bodies, as each family's SDKs send them. pad is text inside the first event.

func segmentBatch(n int, key, pad string) string {
	return `{"writeKey":"` + key + `","batch":[` + joined(n, func(i int) string {
		return fmt.Sprintf(`{"type":"track","event":"e%d","userId":"u","messageId":%q,"properties":{"x":%q}}`, i, uuidOf(i), pad)
	}) + `],"sentAt":"2026-11-01T10:00:00.000Z"}`
}

func segmentSingle(_ int, key, pad string) string {
	return fmt.Sprintf(`{"type":"track","event":"e","userId":"u","properties":{"x":%q},"writeKey":%q}`, pad, key)
}

func posthogBatch(n int, key, pad string) string {
	return `{"api_key":"` + key + `","batch":[` + joined(n, func(i int) string {
		return fmt.Sprintf(`{"event":"e%d","distinct_id":"u","uuid":%q,"timestamp":"2026-11-01T10:00:00.000Z","properties":{"x":%q}}`, i, uuidOf(i), pad)
	}) + `],"sent_at":"2026-11-01T10:00:00.000Z"}`
}

func posthogList(n int, key, pad string) string {
	return `[` + joined(n, func(i int) string {
		return fmt.Sprintf(`{"event":"e%d","uuid":%q,"properties":{"token":%q,"distinct_id":"u","x":%q}}`, i, uuidOf(i), key, pad)
	}) + `]`
}

func captureBatch(n int, _, pad string) string {
	return `{"created_at":"2026-11-01T10:00:00.000Z","batch":[` + joined(n, func(i int) string {
		return fmt.Sprintf(`{"event":"e%d","uuid":%q,"distinct_id":"u","timestamp":"2026-11-01T10:00:00.000Z","options":{},"properties":{"x":%q}}`, i, uuidOf(i), pad)
	}) + `]}`
}

func amplitudeBatch(n int, key, pad string) string {
	return `{"api_key":"` + key + `","events":[` + joined(n, func(i int) string {
		return fmt.Sprintf(`{"event_type":"e%d","user_id":"user1","insert_id":%q,"time":1793527872345,"event_properties":{"x":%q}}`, i, uuidOf(i), pad)
	}) + `],"options":{},"client_upload_time":"2026-11-01T10:00:00.000Z"}`
}

func mixpanelSingle(_ int, key, pad string) string {
	return fmt.Sprintf(`{"event":"e","properties":{"token":%q,"distinct_id":"u","x":%q}}`, key, pad)
}

func mixpanelList(n int, key, pad string) string {
	return `[` + joined(n, func(i int) string {
		return fmt.Sprintf(`{"event":"e%d","properties":{"token":%q,"distinct_id":"u","$insert_id":%q,"time":1793527872,"x":%q}}`, i, key, uuidOf(i), pad)
	}) + `]`
}

// client is an SDK: what it sends, and what it does with an answer.
type client struct {
	name  string
	get   bool
	path  string // with its query; KEY stands for the key
	agent string
	auth  string // "basic", "bearer", "X-Write-Key" or ""
	form  string // what is put around base64 of the body: the rest of a form. "json" leaves the body as it is
	body  func(n int, key, pad string) string
	n     int // events in a request
	judge func(a answer, n int) string
	// wants is a status and a verdict for each situation, in their order.
	wants string
}

// The situations: the columns of the contract.
var situations = [...]string{"success", "one bad", "all bad", "bad JSON", "unknown key", "too large", "overloaded", "broker away", "one again", "all again"}

const (
	plainWants     = "200 taken|200 taken|400 gives up|400 gives up|401 gives up|413 gives up|503 again|503 again|503 again|503 again"
	waitingWants   = "200 taken|200 taken|400 gives up|400 gives up|401 gives up|413 gives up|429 waits|429 waits|429 waits|429 waits"
	posthogWants   = "200 taken|200 taken|200 taken|400 gives up|401 gives up|413 halves|503 again|503 again|503 again|503 again"
	captureWants   = "200 taken|200 taken|200 gives up|400 gives up|401 gives up|413 gives up|503 again|503 again|200 part|200 again"
	amplitudeWants = "200 taken|200 taken|200 taken|400 gives up|400 gives up|413 halves|503 again|503 again|503 again|503 again"
	mixpanelWants  = "200 taken|200 taken|200 taken|400 gives up|401 gives up|413 gives up|503 again|503 again|503 again|503 again"
	// The SDK for Node never sends anything again: it reports.
	reportingWants = "200 taken|200 taken|200 taken|400 gives up|401 gives up|413 gives up|503 gives up|503 gives up|503 gives up|503 gives up"
)

var clients = []client{
	{name: "segment node", path: "/v1/batch", agent: "analytics-node-next/3.1.0", auth: "basic", body: segmentBatch, n: 3, judge: judgeSegmentNode, wants: waitingWants},
	{
		name: "segment browser", path: "/v1/t", agent: "Mozilla/5.0", auth: "basic", body: segmentSingle, n: 1, judge: judgeSegmentNode,
		wants: "200 taken|-|400 gives up|400 gives up|401 gives up|413 gives up|429 waits|429 waits|-|429 waits",
	},
	{name: "segment browser, batching", path: "/v1/b", agent: "Mozilla/5.0", body: segmentBatch, n: 3, judge: judgeSegmentNode, wants: waitingWants},
	{name: "segment python", path: "/v1/batch", agent: "analytics-python/2.3.4", body: segmentBatch, n: 3, judge: judgeSegmentPython, wants: plainWants},
	{name: "rudderstack node", path: "/v1/batch", agent: "axios/1.7", auth: "basic", body: segmentBatch, n: 3, judge: judgeRudder, wants: plainWants},
	{name: "rudderstack python", path: "/v1/batch", agent: "analytics-python/2.1.4", auth: "basic", body: segmentBatch, n: 3, judge: judgeSegmentPython, wants: plainWants},
	{
		name: "rudderstack browser", path: "/v1/track", agent: "Mozilla/5.0", auth: "basic", body: segmentSingle, n: 1, judge: judgeRudder,
		wants: "200 taken|-|400 gives up|400 gives up|401 gives up|413 gives up|503 again|503 again|-|503 again",
	},
	{name: "rudderstack beacon", path: "/beacon/v1/batch?writeKey=KEY", agent: "Mozilla/5.0", body: segmentBatch, n: 3, judge: judgeSegmentNode, wants: waitingWants},
	{
		name: "jitsu", path: "/api/s/s2s/track", agent: "node", auth: "X-Write-Key", body: segmentSingle, n: 1, judge: judgeJitsu,
		wants: "200 taken|-|400 gives up|400 gives up|401 gives up|413 gives up|503 gives up|503 gives up|-|503 gives up",
	},
	{
		name: "pixel", get: true, path: "/pixel/v1/track?writeKey=KEY", body: segmentSingle, n: 1, judge: judgePixel,
		wants: "200 taken|-|200 taken|400 taken|401 taken|-|503 taken|503 taken|-|503 taken",
	},

	{name: "posthog node", path: "/batch/", body: posthogBatch, n: 3, judge: judgePostHogNode, wants: posthogWants},
	{name: "posthog node, v1", path: "/i/v1/analytics/events", auth: "bearer", body: captureBatch, n: 3, judge: judgeCapture, wants: captureWants},
	{
		name: "posthog python", path: "/batch/", agent: "posthog-python/7.42.0", body: posthogBatch, n: 3, judge: judgePostHogPython,
		wants: "200 taken|200 taken|200 taken|400 gives up|401 gives up|413 gives up|503 again|503 again|503 again|503 again",
	},
	{name: "posthog, ai", path: "/i/v0/ai/batch/", body: posthogBatch, n: 3, judge: judgePostHogNode, wants: posthogWants},
	{name: "posthog browser", path: "/e/?ver=1.449.2&ip=1&_=1793527872345", agent: "Mozilla/5.0", form: "data", body: posthogList, n: 3, judge: judgePostHogBrowser, wants: mixpanelWants},

	{name: "amplitude node", path: "/2/httpapi", body: amplitudeBatch, n: 3, judge: judgeAmplitude, wants: amplitudeWants},
	{name: "amplitude node, batch", path: "/batch", body: amplitudeBatch, n: 3, judge: judgeAmplitude, wants: amplitudeWants},

	{
		name: "mixpanel node, one event", get: true, path: "/track?ip=0&verbose=0", body: mixpanelSingle, n: 1, judge: judgeMixpanelNode,
		wants: "200 taken|-|200 taken|400 gives up|401 gives up|-|503 gives up|503 gives up|-|503 gives up",
	},
	{name: "mixpanel node", path: "/track?ip=0&verbose=0", form: "data", body: mixpanelList, n: 3, judge: judgeMixpanelNode, wants: reportingWants},
	{name: "mixpanel node, verbose", path: "/track?ip=0&verbose=1", form: "data", body: mixpanelList, n: 3, judge: judgeMixpanelVerbose, wants: reportingWants},
	{name: "mixpanel node, import", path: "/import?ip=0&verbose=0&api_key=KEY", form: "data", body: mixpanelList, n: 3, judge: judgeMixpanelNode, wants: reportingWants},
	{
		name: "mixpanel browser", path: "/track/?verbose=1&ip=1&_=1793527872345", agent: "Mozilla/5.0", form: "data", body: mixpanelList, n: 3, judge: judgeMixpanelBrowser,
		wants: "200 taken|200 taken|200 taken|400 gives up|401 gives up|413 halves|503 again|503 again|503 again|503 again",
	},
	{name: "mixpanel python", path: "/track", form: "data&verbose=1&ip=0", body: mixpanelList, n: 3, judge: judgeMixpanelPython, wants: mixpanelWants},
	{name: "mixpanel python, import", path: "/import", auth: "basic", form: "data&verbose=1&ip=0", body: mixpanelList, n: 3, judge: judgeMixpanelPython, wants: mixpanelWants},
	{
		name: "mixpanel, strict import", path: "/import?strict=1", auth: "basic", body: mixpanelList, n: 3, judge: judgeImport,
		wants: "200 taken|400 gives up|400 gives up|400 gives up|401 gives up|413 halves|503 again|503 again|503 again|503 again",
	},
}

// send sends a body as the client does.
func (c *client) send(d *door, key, body string) answer {
	headers := []string{"User-Agent", c.agent, "Content-Type", "application/json"}
	switch c.auth {
	case "basic":
		headers = append(headers, "Authorization", basic(key+":"))
	case "bearer":
		headers = append(headers, "Authorization", "Bearer "+key, "PostHog-Request-Id", captureRequest)
	case "X-Write-Key":
		headers = append(headers, "X-Write-Key", key)
	}
	path := strings.ReplaceAll(c.path, "KEY", key)
	armored := url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(body)))
	if c.get {
		return d.do("GET", path+"&data="+armored, "", headers...)
	}
	if c.form != "" {
		headers[3] = "application/x-www-form-urlencoded"
		name, rest, _ := strings.Cut(c.form, "&")
		body = name + "=" + armored + "&" + rest
	}
	return d.do("POST", path, body, headers...)
}

// Every SDK, in every situation, does what it should.
func TestContract(t *testing.T) {
	d := open(t, func(cfg *Config, _ *schema.Limits, _ *Deps) { cfg.MaxBodyBytes = 16 << 10 })
	outcome := func(result schema.Result, which func(i int) bool) func(context.Context, *schema.Batch) error {
		return func(_ context.Context, b *schema.Batch) error {
			for i := range b.Events {
				switch e := &b.Events[i]; {
				case !which(i):
				case result == schema.Drop:
					e.Refuse(schema.MissingUser, "/user", "nobody")
					e.Quarantined = true
				default:
					e.Result, e.Reason = schema.Retry, schema.Unknown
				}
			}
			return nil
		}
	}
	fails := func(err error) func(context.Context, *schema.Batch) error {
		return func(context.Context, *schema.Batch) error { return err }
	}
	second, every := func(i int) bool { return i == 1 }, func(int) bool { return true }
	for _, c := range clients {
		wants := strings.Split(c.wants, "|")
		if len(wants) != len(situations) {
			t.Fatalf("%s: %d wants", c.name, len(wants))
		}
		for i, situation := range situations {
			if wants[i] == "-" {
				continue
			}
			key, body := testKey, c.body(c.n, testKey, "")
			d.sub.on(nil)
			switch situation {
			case "one bad":
				d.sub.on(outcome(schema.Drop, second))
			case "all bad":
				d.sub.on(outcome(schema.Drop, every))
			case "bad JSON":
				body = body[:len(body)-1]
			case "unknown key":
				key = "mr_nobody_0123456789"
				body = c.body(c.n, key, "")
			case "too large":
				body = c.body(c.n, key, strings.Repeat("x", 17<<10))
			case "overloaded":
				d.sub.on(fails(schema.ErrOverloaded))
			case "broker away":
				d.sub.on(fails(schema.ErrBrokerUnavailable))
			case "one again":
				d.sub.on(outcome(schema.Retry, second))
			case "all again":
				d.sub.on(outcome(schema.Retry, every))
			}
			a := c.send(d, key, body)
			got := strconv.Itoa(a.status) + " " + c.judge(a, c.n)
			if got != wants[i] {
				t.Errorf("%s, %s: %s, want %s: %v", c.name, situation, got, wants[i], a)
				continue
			}
			if strings.HasSuffix(got, again) || strings.HasSuffix(got, waits) || strings.HasSuffix(got, part) || a.status == 503 {
				checkRetryAfter(t, a)
			} else if a.header.Get("Retry-After") != "" {
				t.Errorf("%s, %s: Retry-After without a reason: %v", c.name, situation, a)
			}
			if strings.HasSuffix(situation, "bad") && a.json != nil && !strings.Contains(a.body, `"missing_user"`) {
				t.Errorf("%s, %s: the answer does not say what is bad: %v", c.name, situation, a)
			}
			if kind := a.header.Get("Content-Type"); strings.Contains(kind, "json") != (a.json != nil) {
				t.Errorf("%s, %s: %s: %v", c.name, situation, kind, a)
			}
			if a.json != nil && !strings.Contains(a.body, a.header.Get("X-Request-Id")) {
				t.Errorf("%s, %s: no request id: %v", c.name, situation, a)
			}
		}
	}
}

// What is refused on a path of several families before its body is known can be read by the SDKs of each.
func TestSharedRefusals(t *testing.T) {
	d := open(t, func(cfg *Config, _ *schema.Limits, _ *Deps) { cfg.MaxBodyBytes, cfg.MaxConcurrentRequests = 16<<10, 1 })
	large := strings.Repeat(" ", 17<<10)
	known := "?api_key=" + testKey
	judges := map[string]map[string]func(answer, int) string{
		"/batch": {"segment node": judgeSegmentNode, "segment python": judgeSegmentPython, "posthog node": judgePostHogNode, "posthog python": judgePostHogPython, "amplitude": judgeAmplitude},
		"/track": {"mixpanel browser": judgeMixpanelBrowser, "mixpanel python": judgeMixpanelPython, "mixpanel node": judgeMixpanelNode, "posthog python": judgePostHogPython},
	}
	try := func(name, path, query string, status int, verdict map[string]bool, a answer) {
		t.Helper()
		if a.status != status {
			t.Errorf("%s on %s: %v", name, path, a)
		}
		for who, judge := range judges[path] {
			if got := judge(a, 3); !verdict[got] {
				t.Errorf("%s on %s: %s %s: %v", name, path, who, got, a)
			}
		}
		if code, _ := a.json["code"].(float64); int(code) != a.status {
			t.Errorf("%s on %s: code %v under %d", name, path, a.json["code"], a.status)
		}
	}
	final, smaller := map[string]bool{gives: true}, map[string]bool{gives: true, halves: true}
	later := map[string]bool{again: true, waits: true}
	for path := range judges {
		try("unknown key", path, "", 401, final, d.do("POST", path+"?api_key=mr_nobody_0123456789", "{}"))
		try("unknown key in the header", path, "", 401, final, d.do("POST", path, "{}", "Authorization", basic("mr_nobody_0123456789:")))
		try("method", path, "", 405, final, d.do("PUT", path, "{}"))
		try("too large", path, "", 413, smaller, d.do("POST", path+known, large))
		try("media", path, "", 415, final, d.do("POST", path+known, "{}", "Content-Type", "text/html"))
	}
	// One request is held inside Submit while others come.
	hold, held := make(chan struct{}), make(chan struct{})
	d.sub.on(func(context.Context, *schema.Batch) error {
		close(held)
		<-hold
		return nil
	})
	done := make(chan answer, 1)
	go func() { done <- d.post("/v1/track", `{"event":"e","userId":"u"}`) }()
	<-held
	delete(judges["/track"], "mixpanel node") // which never tries again
	for path := range judges {
		try("overloaded", path, "", 503, later, d.do("POST", path+known, "{}"))
	}
	if a := d.do("POST", "/batch"+known, "{}", "User-Agent", "analytics-node-next/3.1.0"); a.status != 429 || judgeSegmentNode(a, 1) != waits {
		t.Errorf("overloaded, from Segment's SDK for Node: %v", a)
	}
	close(hold)
	if a := <-done; a.status != 200 {
		t.Error(a)
	}
}

// The details of the answers that no judge looks at.
func TestAnswerForms(t *testing.T) {
	d := open(t, nil)
	drop := func(indexes ...int) {
		d.sub.on(func(_ context.Context, b *schema.Batch) error {
			for _, i := range indexes {
				e := &b.Events[i]
				e.Refuse([]schema.Reason{schema.MissingUser, schema.IDTooLong, schema.InvalidTimestamp}[i%3], "/properties/time", `"nobody"`)
				e.Quarantined = true
			}
			return nil
		})
	}
	data := "data=" + url.QueryEscape(mixpanelList(3, testKey, ""))
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	for _, c := range []struct{ path, kind, body string }{
		{"/track", "text/plain; charset=utf-8", "1"},
		{"/engage?verbose=0", "text/plain; charset=utf-8", "1"},
		{"/track?img=1", "image/gif", pixelImage},
		{"/track?callback=a.b_c.$d", "application/javascript; charset=utf-8", "a.b_c.$d(1)"},
		{"/track?callback=f&redirect=https%3A%2F%2Fevil.example", "application/javascript; charset=utf-8", "f(1)"},
		{"/track?callback=alert(1)%3Bf", "text/plain; charset=utf-8", "1"},
		{"/track?callback=f.", "text/plain; charset=utf-8", "1"},
		{"/track?callback=.f", "text/plain; charset=utf-8", "1"},
		{"/track?callback=9f", "text/plain; charset=utf-8", "1"},
		{"/track?callback=" + strings.Repeat("f", 129), "text/plain; charset=utf-8", "1"},
		{"/track?callback=%3Cscript%3E", "text/plain; charset=utf-8", "1"},
	} {
		sep := "?"
		if strings.Contains(c.path, "?") {
			sep = "&"
		}
		a := d.do("POST", c.path+sep+"token="+testKey, data, form...)
		if a.status != 200 || a.body != c.body || a.header.Get("Content-Type") != c.kind || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Location") != "" {
			t.Errorf("%s: %v %v", c.path, a, a.header)
		}
	}
	if a := d.do("POST", "/track?verbose=1&callback=f&token="+testKey, data, form...); !strings.HasPrefix(a.body, `f({"status":1,"error":null,`) || !strings.HasSuffix(a.body, `})`) {
		t.Errorf("verbose callback: %v", a)
	}
	if a := d.do("POST", "/track?verbose=0&token=mr_nobody_0123456789", data, form...); a.status != 401 || a.json == nil {
		t.Errorf("an unknown key before the path is settled: %v", a)
	}
	if a := d.do("POST", "/engage?verbose=0&token=mr_nobody_0123456789", data, form...); a.status != 401 || a.body != "0" {
		t.Errorf("an unknown key: %v", a)
	}
	if a := d.do("POST", "/engage", "data=%7B", append(form, "Authorization", "Bearer nobody")...); a.status != 401 || a.json["status"] != 0.0 {
		t.Errorf("a refusal before the form is read: %v", a)
	}

	drop(0, 1)
	a := d.do("POST", "/import?strict=1&token="+testKey, mixpanelList(3, testKey, ""))
	failed, _ := json.Marshal(a.json["failed_records"])
	if want := fmt.Sprintf(`[{"field":"properties.time","index":0,"insert_id":%q,"message":"\"nobody\""},{"field":"properties.time","index":1,"insert_id":%q,"message":"\"nobody\""}]`, uuidOf(0), uuidOf(1)); a.status != 400 || a.json["num_records_imported"] != 1.0 || a.json["status"] != "Bad Request" || string(failed) != want {
		t.Errorf("strict import: %v\nwant %s", a, want)
	}
	d.sub.on(nil)
	if a := d.do("POST", "/import?strict=1&token="+testKey, mixpanelList(3, testKey, "")); a.status != 200 || a.json["num_records_imported"] != 3.0 || a.json["status"] != "OK" || a.json["code"] != 200.0 {
		t.Errorf("strict import: %v", a)
	}
	if a := d.do("POST", "/import?verbose=1&token="+testKey, mixpanelList(3, testKey, "")); a.json["num_records_imported"] != 3.0 || a.json["status"] != 1.0 || a.json["error"] != nil || a.json["code"] != 200.0 {
		t.Errorf("verbose import: %v", a)
	}

	drop(0, 1, 2)
	a = d.do("POST", "/2/httpapi", amplitudeBatch(3, testKey, ""))
	if a.json["events_ingested"] != 0.0 || fmt.Sprint(a.json["events_with_missing_fields"], a.json["events_with_invalid_id_lengths"], a.json["events_with_invalid_fields"]) !=
		"map[properties/time:[0]] map[properties/time:[1]] map[properties/time:[2]]" || a.json["payload_size_bytes"] != float64(len(amplitudeBatch(3, testKey, ""))) {
		t.Errorf("amplitude's lists: %v", a)
	}
	d.sub.on(nil)
	for _, key := range []string{"mr_nobody_0123456789", strings.Repeat("k", 300), "a\"b"} {
		text, _ := json.Marshal(key)
		a := d.do("POST", "/2/httpapi", `{"api_key":`+string(text)+`,"events":[{"event_type":"e"}]}`)
		message, _ := a.json["error"].(string)
		if a.status != 400 || a.json["code"] != 400.0 || !strings.HasPrefix(message, "Invalid API key: ") || len(key) < 64 && !strings.HasPrefix(message, "Invalid API key: "+key+": ") || len(message) > 300 || a.json["missing_field"] != nil {
			t.Errorf("key %q: %v", key, a)
		}
		if a.header.Get("WWW-Authenticate") != "" {
			t.Errorf("WWW-Authenticate under %d", a.status)
		}
	}
	if a := d.do("POST", "/2/httpapi", `{"api_key":"`+queryKey+`","events":[{"event_type":"e"}]}`); a.status != 400 || !strings.HasPrefix(a.json["error"].(string), "Invalid API key:") || a.json["error_code"] != "forbidden_scope" {
		t.Errorf("a key without scope ingest: %v", a)
	}

	if a := d.do("POST", "/e/?beacon=1&token="+testKey, posthogList(2, testKey, "")); a.status != 204 || a.body != "" {
		t.Errorf("beacon: %v", a)
	}
	if a := d.do("POST", "/e/?token="+testKey, posthogList(2, testKey, "")); a.status != 200 || a.json["status"] != 1.0 || a.json["accepted"] != 2.0 || a.json["rejected"] != 0.0 {
		t.Errorf("posthog: %v", a)
	}
	if a := d.do("POST", "/i/v0/e?token="+testKey, "{}", "Content-Type", "text/html"); a.status != 415 || a.json["code"] != "unsupported_media_type" {
		t.Errorf("posthog: %v", a)
	}
}

// The map of PostHog's second protocol has each event under the uuid that its client knows, and says what must be sent again whatever else has the same one.
func TestCaptureResults(t *testing.T) {
	d := open(t, nil)
	post := func(body string, then func(i int, e *schema.Event)) answer {
		t.Helper()
		d.sub.on(func(_ context.Context, b *schema.Batch) error {
			for i := range b.Events {
				then(i, &b.Events[i])
			}
			return nil
		})
		return d.post("/i/v1/analytics/events", body, "PostHog-Request-Id", captureRequest)
	}
	retry := func(at int) func(int, *schema.Event) {
		return func(i int, e *schema.Event) {
			if i == at {
				e.Result, e.Reason = schema.Retry, schema.Overloaded
			}
		}
	}
	event := func(uuid string) string {
		return `{"event":"e","uuid":"` + uuid + `","distinct_id":"u","timestamp":"2026-11-01T10:00:00Z","options":{},"properties":{}}`
	}
	upper := strings.ToUpper(captureRequest)
	a := post(`{"batch":[`+event(upper)+`]}`, retry(-1))
	if fmt.Sprint(a.json["results"]) != "map["+upper+":map[result:ok]]" || a.json["accepted"] != 1.0 || a.header.Get("PostHog-Request-Id") != captureRequest || a.header.Get("Retry-After") != "" {
		t.Errorf("as the client wrote it: %v", a)
	}
	for at := range 2 {
		a = post(`{"batch":[`+event(upper)+`,`+event(upper)+`]}`, retry(at))
		if results, _ := a.json["results"].(map[string]any); a.status != 200 || len(results) != 1 || results[upper].(map[string]any)["result"] != "retry" {
			t.Errorf("two of one uuid, %d again: %v", at, a)
		}
		checkRetryAfter(t, a)
	}
	a = post(`{"batch":[{"event":"e","distinct_id":"u"},`+event(upper)+`]}`, func(i int, e *schema.Event) {
		if i == 0 {
			e.Refuse(schema.MissingUser, "/distinct_id", "")
		}
	})
	if fmt.Sprint(a.json["unnamed"]) != "[map[code:missing_user field:/distinct_id id:01000000-0000-0000-0000-000000000001 index:0 quarantined:false result:drop]]" || len(a.json["results"].(map[string]any)) != 1 {
		t.Errorf("an event without a uuid: %v", a)
	}
	a = post(`{"batch":[`+event("\xff")+`,`+event(upper)+`]}`, retry(-1))
	if unnamed, _ := a.json["unnamed"].([]any); len(unnamed) != 1 || !utf8.ValidString(a.body) || len(a.json["results"].(map[string]any)) != 1 {
		t.Errorf("a uuid that is not UTF-8: %v", a)
	}
	a = post(`{"batch":[{"event":"e","distinct_id":"u"},`+event(upper)+`]}`, retry(0))
	if a.status != 503 || a.json["error"] != "overloaded" || a.json["error_uri"] != "docs/errors.md#overloaded" {
		t.Errorf("one without a uuid must be sent again: %v", a)
	}
	checkRetryAfter(t, a)
	for _, id := range []string{strings.Repeat("x", 129), "é"} {
		if a := d.post("/i/v1/analytics/events", `{"batch":[`+event(upper)+`]}`, "PostHog-Request-Id", id); a.header.Get("PostHog-Request-Id") != "" {
			t.Errorf("%q was repeated", id)
		}
	}
}

func TestRecordings(t *testing.T) {
	snapshot := `{"api_key":"` + testKey + `","event":"$snapshot","distinct_id":"u","properties":{"token":"` + testKey + `","$snapshot_data":[]}}`
	d := open(t, nil)
	if a := d.do("POST", "/s/?compression=gzip-js&token="+testKey, string(gzipBytes(t, []byte(snapshot))), "Content-Type", "text/plain"); a.status != 200 || a.json["status"] != 1.0 {
		t.Errorf("discarded: %v", a)
	}
	if a := d.post("/record?seq=0", string(gzipBytes(t, []byte("[]"))), "Content-Type", "application/octet-stream"); a.status != 200 || a.json["code"] != 200.0 || a.json["status"] != "OK" {
		t.Errorf("discarded: %v", a)
	}
	if n := d.value("millrace_ingest_discarded_total"); n != 2 || d.sub.count() != 0 {
		t.Errorf("%v counted, %d submitted", n, d.sub.count())
	}
	d = open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.Recordings = RefuseRecordings })
	if a := d.do("POST", "/s/?token="+testKey, snapshot); a.status != 404 || a.code() != "unknown_route" || !strings.Contains(a.body, "ingest.recordings") || judgePostHogBrowser(a, 1) != gives {
		t.Errorf("refused: %v", a)
	}
	if n := d.value("millrace_ingest_discarded_total"); n != 0 || d.sub.count() != 0 {
		t.Errorf("%v counted, %d submitted", n, d.sub.count())
	}
	c := DefaultConfig()
	c.Recordings = "keep"
	if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), `ingest.recordings: "keep" is neither`) {
		t.Error(err)
	}
}
