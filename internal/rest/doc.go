// Package rest is what the HTTP APIs beside the door have in common, so that one client can talk to all of them: where a request shows its key (key.go), which bodies are taken for a
// JSON object (body.go), how many work at once (slots.go), and what a refusal looks like (problem.go).
//
// It knows no route and starts no goroutine. Everything is safe for concurrent use.
package rest
