package people

import (
	"context"
	"time"
)

const (
	settleLook = 500 * time.Millisecond
	// quietLooks is how many times in a row nothing is found before it counts as settled: the server takes its time to choose the next merge.
	quietLooks = 4
)

// settle waits until the server has nothing left to merge; false: it had not come to an end in time.
func (s *server) settle(ctx context.Context, o *Options) (settled bool, err error) {
	begin := time.Now()
	look := time.NewTicker(settleLook)
	defer look.Stop()
	var before uint64
	for quiet := 0; time.Since(begin) < o.SettleTimeout; {
		var merges, parts uint64
		err := s.row(ctx, `
			SELECT (SELECT count() FROM system.merges WHERE database = {database:String}), (SELECT count() FROM system.parts WHERE database = {database:String} AND active)`,
			map[string]string{"database": s.database}, &merges, &parts)
		if err != nil {
			return false, err
		}
		if quiet++; merges > 0 || parts != before {
			quiet = 0
		}
		if before = parts; quiet >= quietLooks {
			return true, nil
		}
		o.Progress("waiting for merges", 0, 0)
		select {
		case <-look.C:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return false, nil
}
