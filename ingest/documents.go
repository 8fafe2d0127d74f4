package ingest

import (
	"encoding/json"

	"github.com/millrace/millrace/schema"
	"github.com/valyala/fasthttp"
)

// documents are what helps developers. They are the same for everybody, so they need no key.
var documents = []page{
	{path: "/v1/errors", methods: "GET, HEAD", summary: "Every code, with its meaning and cure", index: routeDocument, serve: func(r *request) { r.document(errorList) }},
	{path: "/openapi.json", methods: "GET, HEAD", summary: "This description", index: routeDocument, serve: func(r *request) { r.document(openAPI) }},
}

// document answers with a JSON document.
func (r *request) document(text []byte) {
	r.label = codeLabel(codeOK)
	h := &r.ctx.Response.Header
	h.SetContentType(jsonType)
	h.Set("Cache-Control", "max-age=300")
	h.Set("Access-Control-Allow-Origin", "*") // without credentials, and the same for all, so that caches may keep it
	r.plainly()
	r.ctx.Response.SetStatusCode(fasthttp.StatusOK)
	r.ctx.Response.SetBody(text)
}

// errorList is the answer of /v1/errors: every code there is, with its meaning and cure.
var errorList = mustJSON(listErrors())

func listErrors() any {
	type requestCode struct {
		Code    string `json:"code"`
		Status  int    `json:"status"`
		Title   string `json:"title"`
		Meaning string `json:"meaning"`
		Cure    string `json:"cure"`
		Retry   bool   `json:"retry"`
	}
	type eventCode struct {
		Code    string `json:"code"`
		Result  string `json:"result"`
		Meaning string `json:"meaning"`
		Cure    string `json:"cure"`
	}
	var list struct {
		Request []requestCode `json:"request"`
		Event   []eventCode   `json:"event"`
	}
	for c := codeOK + 1; c < numCodes; c++ {
		list.Request = append(list.Request, requestCode{c.String(), codes[c].status, codes[c].title, requestCodes[c].meaning, requestCodes[c].cure, codes[c].retry > 0})
	}
	for _, reason := range schema.Reasons() {
		e := eventCodes[reason]
		list.Event = append(list.Event, eventCode{reason.String(), resultOf(reason).String(), e.meaning, e.cure})
	}
	return list
}

// mustJSON writes a value of the program's own, which cannot fail.
func mustJSON(v any) []byte {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return append(text, '\n')
}
