package people

import (
	"context"
	"fmt"
	"time"
)

// Cost is what one statement took.
type Cost struct {
	// WallMillis is from sending it to its end, on the side of the one who asks.
	WallMillis float64 `json:"wall_ms"`
	// The others are the server's, from system.query_log. CPU is user and system time of all threads.
	CPUMillis float64 `json:"cpu_ms"`
	Rows      uint64  `json:"rows"`    // read from tables
	Memory    uint64  `json:"memory"`  // bytes, at most
	Spilled   uint64  `json:"spilled"` // bytes that went to disk and back because memory was short
}

// costs reads what the statements of this run have cost, by query id.
func (s *server) costs(ctx context.Context) (map[string]Cost, error) {
	if _, _, err := s.exec(ctx, "SYSTEM FLUSH LOGS", nil); err != nil {
		return nil, err
	}
	all := map[string]Cost{}
	var id string
	var c Cost
	err := s.rows(ctx, `
		SELECT query_id, ProfileEvents['OSCPUVirtualTimeMicroseconds'] / 1000, read_rows, toUInt64(memory_usage),
			ProfileEvents['ExternalAggregationUncompressedBytes'] + ProfileEvents['ExternalSortUncompressedBytes']
		FROM system.query_log
		WHERE event_date >= today() - 1 AND type IN ('QueryFinish', 'ExceptionWhileProcessing') AND startsWith(query_id, {prefix:String})`,
		map[string]string{"prefix": s.prefix}, func() { all[id] = c }, &id, &c.CPUMillis, &c.Rows, &c.Memory, &c.Spilled)
	return all, err
}

// priced are statements whose costs are to be looked up once all have run.
type priced struct {
	id   string
	wall float64 // ms
}

func pricedAs(id string, took time.Duration) priced {
	return priced{id, float64(took.Microseconds()) / 1000}
}

// price returns the costs of statements, in their order.
func price(costs map[string]Cost, all []priced) ([]Cost, error) {
	var out []Cost
	for _, p := range all {
		c, ok := costs[p.id]
		if !ok {
			return nil, fmt.Errorf("system.query_log knows nothing of query %s", p.id)
		}
		c.WallMillis = p.wall
		out = append(out, c)
	}
	return out, nil
}
