package segment

import (
	"context"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// usage is what statements have cost, as the server tells while they run. Safe for concurrent use.
type usage struct {
	mu      sync.Mutex
	peak    uint64 // memory of the largest, in bytes
	spilled uint64 // bytes that went through files, compressed
}

// watch has what is run under the context added to u.
func (u *usage) watch(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithProfileEvents(func(events []clickhouse.ProfileEvent) {
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, e := range events {
			switch e.Name {
			case "MemoryTrackerPeakUsage":
				u.peak = max(u.peak, uint64(max(e.Value, 0)))
			case "ExternalProcessingCompressedBytesTotal":
				u.spilled += uint64(max(e.Value, 0))
			}
		}
	}))
}

func (u *usage) read() (peak, spilled uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.peak, u.spilled
}
