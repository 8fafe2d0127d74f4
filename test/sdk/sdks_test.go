package sdk

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// kit is one SDK in one of its modes, and what is particular about it.
type kit struct {
	// name is what the tests and the table call it.
	name string
	// pkg is its package, mode what is switched on in it.
	pkg, mode string
	// program runs it: a file of node/ with its arguments, or of python/.
	program []string
	key     string
	dialect string
	options object
	read    func(*exchange, any) []want
	// calls are all kinds of calls that it has.
	calls func(id) []call
	// once: it never sends a request a second time, but reports that it failed.
	once bool
	// dropsOnCut: it tries again after an answer that says so, but not when the connection breaks. mute: then it does not even say that events are lost.
	dropsOnCut, mute bool
	// secure: it does all that it can over TLS only.
	secure bool
	// stays: the program runs until it is told to end (browsers).
	stays bool
	// gzipOn and gzipOff are the options that switch compression, nil where there is no switch. zips tells that it compresses unless told not to.
	gzipOn, gzipOff object
	zips            bool
	// overload is the refusal that the server sends this SDK when it has too much to do.
	overload fault
	// busy is the 503 that it gets three times.
	busy fault
	// bad makes a call that the SDK lets through and the server refuses, with the code it is refused for.
	bad     func(id) call
	badCode string
	// few tells that it is tried in the scenarios named only.
	few []string
}

// call is one call of a scenario, in words that are the same for all SDKs.
type call struct {
	Call string `json:"call"`
	With object `json:"with"`
}

// id makes ids that no other scenario uses.
type id string

func (i id) of(name string) string { return string(i) + "-" + name }

func retryLater(status int, body string) fault {
	return fault{status: status, header: http.Header{"Retry-After": {"1"}, "Content-Type": {"application/json"}}, body: body}
}

const problem = `{"code":"overloaded","message":"too much to do","error":"overloaded","detail":"too much to do"}`

var (
	later503          = retryLater(503, problem)
	later429          = retryLater(429, problem)
	amplitude503      = retryLater(503, `{"code":503,"error":"too much to do"}`)
	amplitudeThrottle = retryLater(429, `{"code":429,"error":"Too many requests for some devices and users","eps_threshold":10,"throttled_devices":{},"throttled_users":{},"throttled_events":[0]}`)
	mixpanel503       = retryLater(503, `{"status":0,"error":"too much to do"}`)
	mixpanel429       = retryLater(429, `{"status":0,"error":"too much to do"}`)
)

// nobody is the id that SDKs let through when an app has forgotten to set one.
func nobody(i id) call {
	return call{"track", object{"user": "undefined", "event": "Bad", "properties": object{"of": i.of("bad")}}}
}

func longName(i id) call {
	return call{"track", object{"user": i.of("u"), "event": i.of(strings.Repeat("x", 300))}}
}

var kits = []kit{
	{
		name: "segment-node", pkg: "@segment/analytics-node", program: []string{"segment.mjs"}, key: segmentKey, dialect: "segment", read: readSegment, calls: segmentCalls, bad: nobody, badCode: "illegal_id",
		busy: later503, overload: later429,
	},
	{
		name: "segment-browser", pkg: "@segment/analytics-next", program: []string{"browser.mjs", "segment-browser"}, key: segmentKey, dialect: "segment", read: readSegment, calls: browserSegmentCalls,
		stays: true, bad: longName, badCode: "name_too_long", busy: later503, overload: later429,
	},
	{
		name: "segment-browser-batch", pkg: "@segment/analytics-next", mode: "batching", program: []string{"browser.mjs", "segment-browser"}, key: segmentKey, dialect: "segment", options: object{"batch": true, "settings": true},
		read: readSegment, calls: browserSegmentCalls, stays: true, bad: longName, badCode: "name_too_long", busy: later503, overload: later429, few: []string{"happy", "three503", "bad"},
	},
	{
		name: "segment-python", pkg: "segment-analytics-python", program: []string{"segment_python.py"}, key: segmentKey, dialect: "segment", read: readSegment, calls: segmentCalls, bad: nobody, badCode: "illegal_id",
		gzipOn: object{"gzip": true}, gzipOff: object{"gzip": false}, busy: later503, overload: later429,
	},
	{
		name: "rudderstack-node", pkg: "@rudderstack/rudder-sdk-node", program: []string{"rudderstack.mjs"}, key: rudderKey, dialect: "segment", read: readSegment, calls: segmentCalls, bad: nobody, badCode: "illegal_id",
		gzipOn: object{"gzip": true}, gzipOff: object{"gzip": false}, zips: true, busy: later503, overload: later503,
	},
	{
		name: "rudderstack-python", pkg: "rudder-sdk-python", program: []string{"rudderstack_python.py"}, key: rudderKey, dialect: "segment", read: readSegment, calls: segmentCalls, bad: nobody, badCode: "illegal_id",
		gzipOn: object{"gzip": true}, gzipOff: object{"gzip": false}, zips: true, busy: later503, overload: later429,
	},
	{
		name: "jitsu", pkg: "@jitsu/js", program: []string{"jitsu.mjs"}, key: jitsuKey, dialect: "segment", read: readSegment, calls: jitsuCalls, once: true, bad: longName, badCode: "name_too_long",
		busy: later503, overload: later503,
	},
	{
		name: "jitsu-browser-path", pkg: "@jitsu/js", mode: "s2s: false", program: []string{"jitsu.mjs"}, key: jitsuKey, dialect: "segment", options: object{"s2s": false}, read: readSegment, calls: jitsuCalls,
		once: true, few: []string{"happy"},
	},
	{
		name: "posthog-node", pkg: "posthog-node", program: []string{"posthog.mjs"}, key: posthogKey, dialect: "posthog", read: readPostHog, calls: posthogCalls, bad: nobody, badCode: "illegal_id",
		gzipOn: object{"gzip": true}, gzipOff: object{"gzip": false}, zips: true, busy: later503, overload: later429,
	},
	{
		name: "posthog-node-v1", pkg: "posthog-node", mode: "v1", program: []string{"posthog.mjs"}, key: posthogKey, dialect: "posthog", options: object{"mode": "v1"}, read: readPostHog, calls: posthogCalls,
		bad: nobody, badCode: "illegal_id", gzipOn: object{"gzip": true}, gzipOff: object{"gzip": false}, zips: true, busy: later503, overload: later503,
	},
	{
		name: "posthog-browser", pkg: "posthog-js", program: []string{"browser.mjs", "posthog-browser"}, key: posthogKey, dialect: "posthog", read: readPostHog, calls: browserPostHogCalls, stays: true,
		bad: longName, badCode: "name_too_long", gzipOn: object{}, gzipOff: object{"gzip": false}, zips: true, busy: later503, overload: later503,
	},
	{
		name: "posthog-python", pkg: "posthog", program: []string{"posthog_python.py"}, key: posthogKey, dialect: "posthog", read: readPostHog, calls: pythonPostHogCalls, bad: nobody, badCode: "illegal_id",
		gzipOn: object{"gzip": true}, gzipOff: object{"gzip": false}, busy: later503, overload: later429,
	},
	{
		name: "posthog-python-v1", pkg: "posthog", mode: "v1", program: []string{"posthog_python.py"}, key: posthogKey, dialect: "posthog", options: object{"mode": "v1"}, read: readPostHog, calls: pythonPostHogCalls,
		bad: nobody, badCode: "illegal_id", gzipOn: object{"gzip": true}, gzipOff: object{"gzip": false}, busy: later503, overload: later503,
	},
	{
		name: "amplitude-node", pkg: "@amplitude/analytics-node", program: []string{"amplitude.mjs"}, key: amplitudeKey, dialect: "amplitude", read: readAmplitude, calls: amplitudeCalls, bad: longName,
		badCode: "name_too_long", busy: amplitude503, overload: amplitudeThrottle, dropsOnCut: true,
	},
	{
		name: "amplitude-node-batch", pkg: "@amplitude/analytics-node", mode: "/batch", program: []string{"amplitude.mjs"}, key: amplitudeKey, dialect: "amplitude", options: object{"path": "/batch"}, read: readAmplitude,
		calls: amplitudeCalls, few: []string{"happy"},
	},
	{
		name: "amplitude-python", pkg: "amplitude-analytics", program: []string{"amplitude_python.py"}, key: amplitudeKey, dialect: "amplitude", read: readAmplitude, calls: amplitudeCalls, bad: longName,
		badCode: "name_too_long", busy: amplitude503, overload: amplitudeThrottle, dropsOnCut: true, mute: true,
	},
	{
		name: "mixpanel-node", pkg: "mixpanel", program: []string{"mixpanel.mjs"}, key: mixpanelKey, dialect: "mixpanel", read: readMixpanel, calls: mixpanelCalls, once: true, bad: nobody, badCode: "illegal_id",
		busy: mixpanel503, overload: mixpanel429,
	},
	{
		name: "mixpanel-node-batch", pkg: "mixpanel", mode: "track_batch", program: []string{"mixpanel.mjs"}, key: mixpanelKey, dialect: "mixpanel", options: object{"batch": true}, read: readMixpanel, calls: tracks, once: true,
		bad: nobody, badCode: "illegal_id", few: []string{"happy", "bad"},
	},
	{
		name: "mixpanel-node-import", pkg: "mixpanel", mode: "import_batch", program: []string{"mixpanel.mjs"}, key: mixpanelKey, dialect: "mixpanel", options: object{"batch": true, "import": true}, read: readMixpanel,
		calls: tracks, once: true, bad: nobody, badCode: "illegal_id", few: []string{"happy"},
	},
	{
		name: "mixpanel-python", pkg: "mixpanel", program: []string{"mixpanel_python.py"}, key: mixpanelKey, dialect: "mixpanel", read: readMixpanel, calls: mixpanelCalls, secure: true, bad: nobody,
		badCode: "illegal_id", busy: mixpanel503, overload: mixpanel429,
	},
	{
		name: "mixpanel-python-buffered", pkg: "mixpanel", mode: "BufferedConsumer", program: []string{"mixpanel_python.py"}, key: mixpanelKey, dialect: "mixpanel", options: object{"batch": true}, read: readMixpanel,
		calls: mixpanelCalls, secure: true, bad: nobody, badCode: "illegal_id", few: []string{"happy", "bad"},
	},
	{
		name: "mixpanel-python-import", pkg: "mixpanel", mode: "import_data", program: []string{"mixpanel_python.py"}, key: mixpanelKey, dialect: "mixpanel", options: object{"import": true}, read: readMixpanel, calls: tracks,
		few: []string{"happy"},
	},
}

// python tells whether it is one of the Python SDKs.
func (k *kit) python() bool { return strings.HasSuffix(k.program[0], ".py") }

var requirement = regexp.MustCompile(`(?m)^Version: (.+)$`)

// version is that of the package as it is installed.
func (k *kit) version(t *testing.T) string {
	t.Helper()
	if !k.python() {
		raw, err := os.ReadFile(filepath.Join("node_modules", k.pkg, "package.json"))
		var p struct{ Version string }
		if err != nil || json.Unmarshal(raw, &p) != nil {
			t.Fatalf("the version of %s: %v", k.pkg, err)
		}
		return p.Version
	}
	found, err := filepath.Glob(".venv/lib/python*/site-packages/" + strings.ReplaceAll(k.pkg, "-", "_") + "-*.dist-info/METADATA")
	if err != nil || len(found) != 1 {
		t.Fatalf("the version of %s: %v %v", k.pkg, found, err)
	}
	raw, err := os.ReadFile(found[0])
	m := requirement.FindSubmatch(raw)
	if err != nil || m == nil {
		t.Fatalf("the version of %s: %v", k.pkg, err)
	}
	return string(bytes.TrimSpace(m[1]))
}
