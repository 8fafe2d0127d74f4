package ingest

import "github.com/valyala/fasthttp"

// Cross-origin answers, on ingest routes only. SDKs in browsers send credentials, so the origin has to be mirrored: "*" would fail.
const (
	corsMaxAge  = "86400"
	corsExposed = "Retry-After, X-Request-Id, X-Correlation-Id, PostHog-Request-Id"
)

// allowOrigin lets the page that sent the request read the answer.
func (r *request) allowOrigin() {
	if len(r.header.origin) == 0 {
		return
	}
	h := &r.ctx.Response.Header
	h.SetBytesV("Access-Control-Allow-Origin", r.header.origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", corsExposed)
	h.Set("Vary", "Origin")
}

// preflight answers an OPTIONS request: whatever header an SDK wants to send, it may.
func (r *request) preflight(methods string) {
	h := &r.ctx.Response.Header
	r.ctx.Response.SetStatusCode(fasthttp.StatusNoContent)
	r.label = codeLabel(codeOK)
	if len(r.header.origin) == 0 || len(r.header.requestMethod) == 0 {
		h.Set("Allow", methods)
		return
	}
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	if len(r.header.requestHeaders) > 0 {
		h.SetBytesV("Access-Control-Allow-Headers", r.header.requestHeaders)
	}
}
