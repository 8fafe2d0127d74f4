package queries

import (
	"context"
	"fmt"
	"time"
)

const (
	settleLook = 500 * time.Millisecond
	// quietLooks is how many times in a row nothing is found before it counts as settled: the server takes its time to choose the next merge.
	quietLooks = 8
)

// settle waits until the server has nothing left to merge, then stops merges for good. settled is false when it had not come to an end in time.
func (s *server) settle(ctx context.Context, timeout time.Duration, progress func(elapsed time.Duration)) (settled bool, err error) {
	if err := s.exec(ctx, "TRUNCATE TABLE {db}."+bareTable+" SYNC"); err != nil {
		return false, err
	}
	begin := time.Now()
	look := time.NewTicker(settleLook)
	defer look.Stop()
	var parts uint64
	for quiet := 0; time.Since(begin) < timeout; {
		merges, now, err := s.merging(ctx)
		if err != nil {
			return false, err
		}
		if quiet++; merges > 0 || now != parts {
			quiet = 0
		}
		if parts = now; quiet >= quietLooks {
			settled = true
			break
		}
		progress(time.Since(begin))
		select {
		case <-look.C:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	rollups, err := s.rollupTables(ctx)
	if err != nil {
		return false, err
	}
	for _, table := range append(rollups, "events", naiveTable) {
		if err := s.exec(ctx, "SYSTEM STOP MERGES {db}."+table); err != nil {
			return false, err
		}
	}
	return settled, nil
}

// merging counts what is being merged, and the parts there are.
func (s *server) merging(ctx context.Context) (merges, parts uint64, err error) {
	err = s.db.Conn().QueryRow(s.with(ctx, "", map[string]string{"database": s.database}), `
		SELECT (SELECT count() FROM system.merges WHERE database = {database:String}), (SELECT count() FROM system.parts WHERE database = {database:String} AND active)`).Scan(&merges, &parts)
	if err != nil {
		return 0, 0, fmt.Errorf("wait for merges: %w", err)
	}
	return merges, parts, nil
}
