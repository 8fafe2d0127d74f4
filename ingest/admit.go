package ingest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/millrace/millrace/ingest/dialect"
	"github.com/millrace/millrace/schema"
	"github.com/valyala/fasthttp"
)

// admit decides all that can be decided before the body: framing, route, method, key, length, encodings. It changes nothing outside the request.
func (r *request) admit() *refusal {
	h := &r.ctx.Request.Header
	why := readHeader(h.RawHeaders(), &r.header)
	if why == "" && !bytes.HasPrefix(h.Protocol(), []byte("HTTP/1.")) {
		why = framingVersion // fasthttp takes any number
	}
	if why != "" {
		refused := refuse(codeInvalidFraming, why+"; proxies read such a message in different ways, so it is refused")
		refused.close = true
		return refused
	}
	path := r.ctx.Path()
	route, ok := dialect.Lookup(path)
	if !ok {
		return r.admitOther(path)
	}
	r.route, r.index = route, route.Index
	if r.ctx.IsOptions() {
		return nil
	}
	if !r.ctx.IsPost() && !(route.Get && r.ctx.IsGet()) {
		return r.wrongMethod(methods(route))
	}
	if shown, ok := findKey(&r.header, r.ctx.QueryArgs(), r.scratch); ok || route.Dialect == schema.DialectNative {
		if refused := r.authenticate(shown, ok); refused != nil {
			return refused
		}
	}
	if n := int64(h.ContentLength()); n > r.s.cfg.MaxBodyBytes {
		return r.tooLarge(fmt.Sprintf("the body has %d bytes", n))
	}
	var c code
	if r.enc, c = parseEncoding(r.header.contentEncoding, r.header.encodings); c != codeOK {
		value := dialect.Quote(r.header.contentEncoding)
		if c == codeNestedEncoding {
			return refuse(c, fmt.Sprintf("Content-Encoding %s names more than one compression: compress the body once", value))
		}
		return refuse(c, fmt.Sprintf("Content-Encoding %s is not supported: use %s or none", value, acceptedEncodings))
	}
	if r.media, ok = parseMedia(r.header.contentType); !ok {
		return refuse(codeUnsupportedMediaType, wrongMedia(r.header.contentType))
	}
	return nil
}

// methods are those that a route takes, as the header Allow lists them.
func methods(route *dialect.Route) string {
	if route.Get {
		return "GET, POST, OPTIONS"
	}
	return "POST, OPTIONS"
}

// authenticate looks the key up. shown tells whether the client showed any. The answer is the same for a missing and an unknown key.
func (r *request) authenticate(key shownKey, shown bool) *refusal {
	r.key, r.secret, r.hasKey = key.find(r.s.deps.Keys)
	if r.hasKey && r.key.Forbidden {
		r.hasKey = false // nothing is kept for it
		r.s.gauges.badScope.Inc()
		return refuse(codeForbiddenScope, "the key may not send events: use one with scope ingest (millrace keys create NAME --scope ingest)")
	}
	if r.hasKey {
		return nil
	}
	if shown {
		r.s.gauges.badKey.Inc()
	} else {
		r.s.gauges.noKey.Inc()
	}
	return refuse(codeInvalidKey, "the write key is missing or not known here: send it as the user of Basic authentication, as Bearer token or in X-Write-Key")
}

func (r *request) tooLarge(found string) *refusal {
	return refuse(codeTooLarge, fmt.Sprintf("%s, more than %d (limit ingest.max_body_bytes): send smaller batches", found, r.s.cfg.MaxBodyBytes))
}

func (r *request) wrongMethod(allow string) *refusal {
	refused := refuse(codeMethodNotAllowed, fmt.Sprintf("method %s is not for this path: use %s", dialect.Quote(r.ctx.Method()), allow))
	refused.allow = allow
	return refused
}

// The paths beside the dialect table.
const (
	pathLive  = "/livez"
	pathReady = "/readyz"
)

// health paths, each with the one that it means.
var healthPaths = map[string]string{pathLive: pathLive, pathReady: pathReady, "/healthz": pathReady, "/health": pathReady}

func healthPath(path []byte) (string, bool) {
	if n := len(path); n > 1 && path[n-1] == '/' {
		path = path[:n-1]
	}
	p, ok := healthPaths[string(path)]
	return p, ok
}

func (r *request) admitOther(path []byte) *refusal {
	if p := findPage(path); p != nil {
		r.page, r.index = p, len(dialect.Routes())+p.index
		if r.ctx.IsOptions() && p.anyOrigin || p.takes(r.ctx.Method()) {
			return nil
		}
		return r.wrongMethod(p.methods)
	}
	if _, ok := healthPath(path); ok {
		r.index = len(dialect.Routes()) + routeHealth
		if r.ctx.IsGet() || r.ctx.IsHead() {
			return nil
		}
		return r.wrongMethod("GET, HEAD")
	}
	r.index = len(dialect.Routes()) + routeUnknown
	return refuse(codeUnknownRoute, fmt.Sprintf("there is no path %s; %s", dialect.Quote(path), hint(path)))
}

// hint names the path that was probably meant, else those there are.
func hint(path []byte) string {
	last := strings.ToLower(strings.TrimRight(string(path[:min(len(path), 64)]), "/"))
	last = last[strings.LastIndexByte(last, '/')+1:]
	if last == "" {
		return known
	}
	for _, route := range dialect.Routes() {
		if route.Path == "/v1/"+last || route.Path == "/v1/"+strings.TrimSuffix(last, "s") || route.Path == "/v1/"+last+"s" {
			return "did you mean POST " + route.Path + "?"
		}
	}
	return known
}

const known = "events are taken by POST at /v1/events, /v1/batch, /v1/track, /v1/identify, /v1/page, /v1/screen, /v1/group and /v1/alias"

// serveOther answers what is no event: a preflight or a health check.
func (r *request) serveOther() {
	switch {
	case r.route != nil:
		r.preflight(methods(r.route))
		return
	case r.page != nil && r.ctx.IsOptions():
		r.preflight(r.page.methods)
		return
	case r.page != nil:
		r.page.serve(r)
		return
	}
	path, _ := healthPath(r.ctx.Path())
	status, body := fasthttp.StatusOK, []byte("ok\n")
	if path == pathReady {
		status, body = r.s.deps.Health(r.ctx.QueryArgs().Has("verbose"))
		if r.s.draining.Load() && status == fasthttp.StatusOK {
			status, body = fasthttp.StatusServiceUnavailable, []byte("stopping\n")
		}
	}
	kind := "text/plain; charset=utf-8"
	if bytes.HasPrefix(body, []byte("{")) {
		kind = jsonType
	}
	r.ctx.Response.SetStatusCode(status)
	r.ctx.Response.Header.SetContentType(kind)
	r.ctx.Response.Header.Set("Cache-Control", "no-store")
	r.ctx.Response.SetBody(body)
	r.label = codeLabel(codeOK)
	if status != fasthttp.StatusOK {
		r.label = codeLabel(codeNotReady)
	}
}

// expect answers a request that waits for leave to send its body: 100, or the refusal, which then needs no body. fasthttp does not call the handler after a
// refusal, and writes the response as it is left here with the status returned.
func (s *Server) expect(ctx *fasthttp.RequestCtx) (status int) {
	status = codes[codeInternal].status // what a panic leaves
	r := s.requests.Get().(*request)    // the pool holds nothing else
	r.begin(ctx)
	defer s.end(r)
	if refused := r.admit(); refused != nil {
		r.refuse(refused)
		return ctx.Response.StatusCode()
	}
	r.again = true
	return fasthttp.StatusContinue
}
