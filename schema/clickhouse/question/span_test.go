package question_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

// span is the time range of a case.
type span struct {
	from, to int64
	From, To question.Instant
}

func newSpan(from, to int64) span {
	return span{from, to, question.At(time.UnixMilli(from)), question.At(time.UnixMilli(to))}
}

// spanOf takes whole days around most events, half hours, odd milliseconds, or all of time.
func spanOf(r *rand.Rand) span {
	midnight := base - base%dayMS
	switch r.IntN(6) {
	case 0:
		return newSpan(-2208988800000, 10413791999999)
	case 1:
		return newSpan(midnight-30*minuteMS, midnight+20*dayMS+30*minuteMS)
	case 2:
		return newSpan(base-int64(r.IntN(3))*dayMS+1, base+int64(1+r.IntN(20))*dayMS+999)
	case 3:
		return newSpan(-dayMS, midnight+5*dayMS)
	default:
		return newSpan(midnight-int64(r.IntN(4))*dayMS, midnight+int64(1+r.IntN(40))*dayMS)
	}
}

func (s span) holds(e event) bool { return e.ts >= s.from && e.ts < s.to }

func (s span) arguments(project uint32) arguments {
	return arguments{{"project", "UInt32", fmt.Sprint(project)}, {"from", "DateTime64(3, 'UTC')", stamp(s.from)}, {"to", "DateTime64(3, 'UTC')", stamp(s.to)}}
}
