package ingest

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/millrace/millrace/ingest/dialect"
	"github.com/valyala/fasthttp"
)

// bootstraps are what SDKs, most of them in browsers, ask for before they send anything, or beside it. Without an answer they wait, or fill the console with errors. There is
// nothing to configure here, so the answers say the least that lets an SDK go on.
var bootstraps = withPrefixes([]page{
	{path: "/v1/projects/{}/settings", methods: "GET, OPTIONS", serve: (*request).serveSettings},
	{path: "/projects/{}/settings", methods: "GET, OPTIONS", serve: (*request).serveSettings},
	{path: "/sourceConfig", methods: "GET, OPTIONS", serve: constant(sourceConfig)},
	{path: "/cluster-info", methods: "GET, OPTIONS", serve: constant(`{"nodeCount":1}`)},
	{path: "/array/{}/config", methods: "GET, OPTIONS", serve: (*request).serveConfig},
	{path: "/array/{}/config.js", methods: "GET, OPTIONS", serve: (*request).serveConfigScript},
	{path: "/flags", methods: "GET, POST, OPTIONS", serve: constant(noFlags)},
	{path: "/decide", methods: "GET, POST, OPTIONS", serve: constant(noDecision)},
})

const (
	// sourceConfig is a source of RudderStack without destinations, errors or metrics to report.
	sourceConfig = `{"source":{"id":"millrace","name":"millrace","enabled":true,"config":{"statsCollection":{"errors":{"enabled":false},"metrics":{"enabled":false}}},"connections":[],"destinations":[]}}`

	// remoteConfig is what PostHog's SDK reads: compress, and switch off what needs a server that is not here.
	remoteConfig = `{"supportedCompression":["gzip","gzip-js"],"autocapture_opt_out":false,"autocaptureExceptions":false,"captureDeadClicks":false,"capturePerformance":false,"heatmaps":false,` +
		`"sessionRecording":false,"surveys":false,"productTours":false,"conversations":false,"siteApps":[],"toolbarParams":{},"isAuthenticated":false}`

	// noFlags holds for PostHog and for Mixpanel.
	noFlags = `{"flags":{},"featureFlags":{},"featureFlagPayloads":{},"errorsWhileComputingFlags":false}`

	// noDecision is the older form, of both.
	noDecision = `{"config":{"enable_collect_everything":true},"featureFlags":{},"featureFlagPayloads":{},"errorsWhileComputingFlags":false,"supportedCompression":["gzip","gzip-js"],` +
		`"sessionRecording":false,"surveys":false,"siteApps":[],"toolbarParams":{},"isAuthenticated":false,"editorParams":{},"notifications":[]}`
)

// withPrefixes completes the pages, and puts a copy under each word that may stand before the paths of events.
func withPrefixes(bare []page) []page {
	for i := range bare {
		bare[i].anyOrigin, bare[i].index = true, routeBootstrap
	}
	all := slices.Clone(bare)
	for prefix := range dialect.Prefixes() {
		for _, p := range bare {
			p.path = "/" + prefix + p.path
			all = append(all, p)
		}
	}
	return all
}

// constant serves one text.
func constant(text string) func(r *request) {
	return func(r *request) {
		r.reply = append(r.reply[:0], text...)
		r.serve(jsonType)
	}
}

// serve sends the reply of a page. No cache keeps it: what it says can depend on the header.
func (r *request) serve(contentType string) {
	r.drop()
	r.label = codeLabel(codeOK)
	r.plainly()
	r.ctx.Response.Header.Set("Cache-Control", "no-store")
	r.ctx.Response.SetStatusCode(fasthttp.StatusOK)
	r.send(contentType)
}

// maxDropped is how much of a body that nobody needs is read, in bytes, so that the connection can be used again. A longer one ends it.
const maxDropped = 64 << 10

// drop reads the body of a request that needs none.
func (r *request) drop() {
	stream := r.ctx.RequestBodyStream()
	if stream == nil || !r.hasBody {
		return
	}
	n, err := io.Copy(io.Discard, io.LimitReader(stream, maxDropped+1))
	length := int64(r.ctx.Request.Header.ContentLength())
	switch {
	case n > maxDropped: // the rest stays unread
	case err == nil && (length < 0 || n == length):
		r.read = true
	default:
		r.read = true // nothing more is coming
		r.ctx.SetConnectionClose()
	}
}

// maxToken is the longest key that is repeated, in bytes.
const maxToken = 128

// pathToken is the key in the path of a page, when it is one that can be repeated in any document as it stands.
func (r *request) pathToken() (token []byte, ok bool) {
	before, _, _ := strings.Cut(r.page.path, "{}")
	path := r.ctx.Path()
	token, _, _ = bytes.Cut(path[len(before):], []byte("/"))
	for _, c := range token {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && c != '_' && c != '.' && c != ':' && c != '-' {
				return nil, false
			}
		}
	}
	return token, len(token) > 0 && len(token) <= maxToken
}

func (r *request) noToken() {
	r.drop()
	r.refuse(refuse(codeUnknownRoute, "the path holds no key: it must be of 1 to 128 letters, digits and _ . : -"))
}

// serveSettings tells Segment's SDK for browsers to send to where it asked, with the key it asked for, and to report no metrics.
func (r *request) serveSettings() {
	token, ok := r.pathToken()
	if !ok {
		r.noToken()
		return
	}
	dst := append(append(append(r.reply[:0], `{"integrations":{"Segment.io":{"apiKey":"`...), token...), '"')
	if host := r.ctx.Request.Header.Host(); isHost(host) {
		path, _, _ := strings.Cut(r.page.path, "/v1/projects/")
		if path == r.page.path {
			path, _, _ = strings.Cut(r.page.path, "/projects/")
		}
		dst = append(append(dst, `,"apiHost":"`...), host...)
		dst = append(append(append(dst, path...), `/v1","protocol":"`...), r.scheme()...)
		dst = append(dst, '"')
	}
	r.reply = append(dst, `}},"plan":{},"metrics":{"sampleRate":0},"legacyVideoPluginsEnabled":false,"remotePlugins":[]}`...)
	r.serve(jsonType)
}

// scheme is how the client reached us, as far as the header tells: by the proxy before us, else by the page it is on, which can send nowhere but over TLS if it came so.
func (r *request) scheme() string {
	forwarded := r.ctx.Request.Header.Peek("X-Forwarded-Proto")
	if string(forwarded) == "https" || len(forwarded) == 0 && bytes.HasPrefix(r.header.origin, []byte("https://")) {
		return "https"
	}
	return "http"
}

// isHost tells whether text is a host, with or without a port, that can be repeated in any document as it stands.
func isHost(text []byte) bool {
	for _, c := range text {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != ':' && c != '[' && c != ']' && c != '_' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 255
}

func (r *request) serveConfig() {
	if _, ok := r.pathToken(); !ok {
		r.noToken()
		return
	}
	r.reply = append(r.reply[:0], remoteConfig...)
	r.serve(jsonType)
}

// serveConfigScript is the configuration for a script element, which leaves it where the SDK looks.
func (r *request) serveConfigScript() {
	token, ok := r.pathToken()
	if !ok {
		r.noToken()
		return
	}
	dst := append(r.reply[:0], `(function(){var c=window._POSTHOG_REMOTE_CONFIG=window._POSTHOG_REMOTE_CONFIG||{};c["`...)
	dst = append(append(append(dst, token...), `"]={config:`...), remoteConfig...)
	r.reply = append(dst, `,siteApps:[]}})();`...)
	r.serve(scriptType)
}
