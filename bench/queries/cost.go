package queries

import (
	"context"
	"fmt"
)

// Cost is what one run of a query took.
type Cost struct {
	// LatencyMillis is from sending the query to its last row, on the side of the one who asks.
	LatencyMillis float64 `json:"latency_ms"`
	// The others are the server's, from system.query_log. CPU is user and system time of all threads.
	CPUMillis   float64 `json:"cpu_ms"`
	WaitMillis  float64 `json:"cpu_wait_ms"` // that threads were ready and no processor was free
	Rows        uint64  `json:"rows"`        // read from tables
	Bytes       uint64  `json:"bytes"`       // read from tables, uncompressed
	FileBytes   uint64  `json:"file_bytes"`  // read from files, wherever their pages were
	DeviceBytes uint64  `json:"device_bytes"`
	Memory      uint64  `json:"memory_bytes"` // at most
}

// cold tells whether the files' bytes came from the device and not from memory.
func (c *Cost) cold() bool { return c.DeviceBytes > 0 && c.DeviceBytes >= c.FileBytes/2 }

// costs reads what the statements of this run have cost, by query id.
func (s *server) costs(ctx context.Context) (map[string]Cost, error) {
	if err := s.exec(ctx, "SYSTEM FLUSH LOGS"); err != nil {
		return nil, err
	}
	rows, err := s.db.Conn().Query(s.with(ctx, "", map[string]string{"prefix": s.prefix}), `
		SELECT
			query_id,
			ProfileEvents['OSCPUVirtualTimeMicroseconds'] / 1000,
			ProfileEvents['OSCPUWaitMicroseconds'] / 1000,
			read_rows,
			read_bytes,
			greatest(ProfileEvents['ReadBufferFromFileDescriptorReadBytes'], ProfileEvents['ThreadpoolReaderReadBytes'] + ProfileEvents['ThreadpoolReaderPageCacheHitBytes']),
			ProfileEvents['OSReadBytes'],
			toUInt64(memory_usage)
		FROM system.query_log
		WHERE event_date >= today() - 1 AND type = 'QueryFinish' AND startsWith(query_id, {prefix:String})`)
	if err != nil {
		return nil, fmt.Errorf("read system.query_log: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	all := map[string]Cost{}
	for rows.Next() {
		var id string
		var c Cost
		if err := rows.Scan(&id, &c.CPUMillis, &c.WaitMillis, &c.Rows, &c.Bytes, &c.FileBytes, &c.DeviceBytes, &c.Memory); err != nil {
			return nil, fmt.Errorf("read system.query_log: %w", err)
		}
		all[id] = c
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read system.query_log: %w", err)
	}
	return all, nil
}

// errNoLog says that a statement left no trace.
func errNoLog(id string) error {
	return fmt.Errorf("system.query_log knows nothing of query %s: the server must keep that log, and the user must be allowed to read it, to SYSTEM FLUSH LOGS and to set log_queries", id)
}
