// Package naive is an event gateway as a competent developer writes it in an afternoon: net/http, encoding/json into structs with maps for what is open, the
// checks that everybody makes, json.Marshal per event and kafka-go's Writer with acks=all. It is what the gateway is compared with, so it gets no
// handicap: every setting that a reader of the libraries' documentation would touch is set, and what the gateway does beyond it is left out.
//
// It takes the bodies of POST /v1/batch (Segment) and POST /v1/events (native) and answers 200 when Kafka has acknowledged every event that it did not refuse.
// Beside the gateway it lacks keys, decompression, quarantine, limits on depth and on what is in flight, exact numbers (a number in properties becomes a
// float64) and protection from slow clients beyond timeouts.
//
// Run starts one goroutine of its own and joins it; net/http has one per connection.
package naive
