// Package null is an HTTP server that takes what the gateway takes and does nothing with it: fasthttp with the gateway's limits and timeouts, a handler that has
// the body read and gives a constant answer of the gateway's shape. What it costs is the floor under every server of this kind.
//
// It knows no keys, looks into no body and stores nothing. fasthttp reads the body whole into a buffer that it uses again, as it does for everybody who does not ask for
// a stream; the gateway reads a stream, so that it can refuse and charge before it reads.
package null
