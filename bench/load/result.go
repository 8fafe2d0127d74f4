package load

import "time"

// Counts is what happened to events and requests. Rates are counts of events divided by the seconds they took.
type Counts struct {
	Scheduled uint64 `json:"scheduled"`        // events whose time had come, by the schedule alone (mode saturate: as sent)
	Sent      uint64 `json:"sent"`             // events
	Accepted  uint64 `json:"accepted"`         // events
	Rejected  uint64 `json:"rejected"`         // events refused for good, kept in quarantine or not
	Unknown   uint64 `json:"unknown"`          // events without a clear answer
	Requests  uint64 `json:"requests"`         // answered or failed; one that failed before it was sent, for want of a connection, too
	Errors    uint64 `json:"errors"`           // requests without an understandable answer or with another status than 200, except a 400 where every event had to be refused
	Late      uint64 `json:"late"`             // requests that left later than Load.LateAfter after their time
	Dropped   uint64 `json:"dropped"`          // requests never sent, because no connection was free for Load.DropAfter
	Resent    uint64 `json:"resent,omitempty"` // requests sent once more, see Options.Resend
	BytesSent uint64 `json:"bytes_sent"`
}

// Percentiles of a time, in milliseconds, of requests that were answered, whatever the status, or timed out.
type Percentiles struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	P9999 float64 `json:"p9999"`
	Max   float64 `json:"max"`
}

// Interval is one step of the run, by the clock: what was answered in it.
type Interval struct {
	At      float64     `json:"at"`               // seconds from the start to its end
	Seconds float64     `json:"seconds"`          // its length
	Warmup  bool        `json:"warmup,omitempty"` // a part of the warm-up, which the Summary leaves out
	Counts  Counts      `json:"counts"`
	Latency Percentiles `json:"latency"` // from the intended send time to the answer
	Service Percentiles `json:"service"` // from the real send to the answer
}

// Summary is the whole run.
type Summary struct {
	Started    time.Time         `json:"started"`
	Seconds    float64           `json:"seconds"` // of sending, from the end of the warm-up to that of the stages, or to the last send when that was later
	Counts     Counts            `json:"counts"`  // warm-up left out
	Latency    Percentiles       `json:"latency"`
	Service    Percentiles       `json:"service"`
	LatencyHDR string            `json:"latency_hdr"` // the histogram in microseconds, HdrHistogram V2 compressed, base64
	ServiceHDR string            `json:"service_hdr"`
	ErrorKinds map[string]uint64 `json:"error_kinds,omitempty"` // requests by "503 overloaded", "timeout", "reset", …
	Aborted    bool              `json:"aborted,omitempty"`     // the context ended first
}
