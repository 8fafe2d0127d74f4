package segment

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// faultError is what is wrong with a definition, in words for its author.
type faultError string

func (e faultError) Error() string { return string(e) }

// ClickHouse's numbers of errors that mean something to whoever declared the segment.
const (
	errTimeout      = 159
	errTooSlow      = 160
	errMemory       = 241
	errNoSpace      = 243
	errCancelled    = 394
	errTooManyParts = 252
)

// fault says why a build has failed, in words for people; empty: it was not the build's fault, and the same may do another time.
func (w *work) fault(ctx context.Context, err error) string {
	var said *clickhouse.Exception
	var fault faultError
	switch {
	case ctx.Err() != nil:
		return "" // this process stops, or leads no longer
	case errors.As(err, &fault):
		return string(fault)
	case errors.Is(err, context.DeadlineExceeded):
		return w.tooLong()
	case !errors.As(err, &said):
		return ""
	}
	switch said.Code {
	case errMemory:
		return fmt.Sprintf("it needs more than %d bytes of memory, or ClickHouse has less left (limit segments.max_memory_bytes): raise that, or look at a shorter time", w.cfg.MaxMemoryBytes)
	case errTimeout, errTooSlow:
		return w.tooLong()
	case errNoSpace:
		return "ClickHouse has no room left on its disk: free some"
	case errCancelled:
		return "its query was ended by KILL QUERY"
	case errTooManyParts:
		return "ClickHouse merges too slowly to take more parts: it will be tried again when it is due"
	}
	return fmt.Sprintf("ClickHouse refuses a statement of it, error %d %s: the log has more", said.Code, said.Name)
}

func (w *work) tooLong() string {
	return fmt.Sprintf("it took longer than %v (limit segments.max_build_time): raise that, or look at a shorter time", w.cfg.MaxBuildTime)
}
