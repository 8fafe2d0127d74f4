package observe

// Process is one to watch.
type Process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	Tree bool   `json:"tree,omitempty"` // with all its descendants
}

// Usage is what a process has used since it started.
type Usage struct {
	User     float64 `json:"user"`     // CPU seconds
	System   float64 `json:"system"`   // CPU seconds
	Resident int64   `json:"resident"` // bytes at the moment
	Threads  int     `json:"threads"`
}

// Sample is one moment of a run.
type Sample struct {
	At        float64            `json:"at"`               // seconds from the start
	Processes map[string]Usage   `json:"processes"`        // by name
	Gauges    map[string]float64 `json:"gauges,omitempty"` // see Gauges; those that could not be read are missing
}

// Names of Sample.Gauges.
const (
	RingRequests = "ring_requests" // requests waiting in the rings
	RingBytes    = "ring_bytes"    // bytes held by the shards
	Unacked      = "unacked"       // records sent to the broker and not acknowledged
	LagRecords   = "lag_records"   // records on the topic that are not in ClickHouse yet
	OldestAge    = "oldest_age"    // seconds that the oldest record taken and not yet inserted has waited
	RowsInserted = "rows_inserted" // rows of table events since the server started
	BrokerLog    = "broker_log"    // bytes of the embedded broker's log
)

// Environment is where a run took place.
type Environment struct {
	Host       string            `json:"host"`
	OS         string            `json:"os"`     // Debian GNU/Linux 12 (bookworm)
	Kernel     string            `json:"kernel"` // Linux 6.1.0 …
	CPU        string            `json:"cpu"`    // model name
	CPUs       int               `json:"cpus"`   // that this process may use
	Memory     int64             `json:"memory"` // bytes
	Go         string            `json:"go"`
	Versions   map[string]string `json:"versions,omitempty"` // millrace, commit, clickhouse, …: filled in by who knows them
	Config     map[string]string `json:"config,omitempty"`   // the server's settings that differ from the defaults, secrets left out
	LoadBefore float64           `json:"load_before"`        // load average of the last minute when the run began
}
