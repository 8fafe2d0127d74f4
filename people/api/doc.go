// Package api answers requests about people over HTTP: segments, their builds and members, and erasures. It is served beside the query API, with the same keys and
// problems of the same form.
//
//	GET    /v1/segments                     all segments of the project
//	GET    /v1/segments/{name}              one of them, with its last build
//	PUT    /v1/segments/{name}              declares it
//	DELETE /v1/segments/{name}              drops it, with all that was built
//	POST   /v1/segments/{name}/build        asks for a build now
//	GET    /v1/segments/{name}/members      its persons, page by page
//	GET    /v1/segments/{name}/sizes        its builds
//	GET    /v1/segments/{name}/explain      the statement that finds its members
//	POST   /v1/erasures                     asks for a person to be erased
//	GET    /v1/erasures/{id}                how far that is, with the proof
//	DELETE /v1/erasures/{id}                lets the person come back
//
// Where to look: handler.go has the story of a request, problem.go what a refusal is, body.go how a body is read, auth.go whose key may do what; segments.go and members.go
// have the routes of segments, erasures.go those of erasures. What it shares with the query API is in package rest.
//
// The project comes from the key alone. Reading needs a key that may ask questions, changing one that may manage. The package starts no goroutine; its handler may be called
// concurrently, and what it asks of ClickHouse ends with the request.
package api
