package exact

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxIntentBytes bounds the text of an intent. Brokers take 4,096 bytes of metadata by default; some are set lower.
const MaxIntentBytes = 1000

// Errors of ParseIntent.
var (
	// ErrForeign: the metadata is empty or was not written by a sink. The offset beside it holds all the same.
	ErrForeign = errors.New("not an intent")
	// ErrNewer: the intent was written by a newer build.
	ErrNewer = errors.New("an intent of a newer format")
)

// Cut divides the rows of one month of a block: those at offsets below At are sent in another INSERT than those from At on.
type Cut struct {
	Month int32 // YYYYMM
	At    int64
}

// Intent is what a commit says besides its offset, which is First: everything below First is stored, and [First, Next) may be.
type Intent struct {
	Log         uint16
	First, Next int64 // equal: nothing is announced, the commit only confirms
	Rows        int   // of the announced block, as first decided
	Refused     int   // of the announced block
	Codec       int   // version of the codec that made rows of the records
	Hash        Hash  // over Rows rows
	Last        int64 // the highest offset below First that has a row, -1: none is known
	LastTS      int64 // of the row at Last, Unix milliseconds
	Newest      int64 // Block.Newest of what is below First; below 0: not known
	IDs         IDs
	// Turn is part of the tokens, because a server may remember those of rows that it has lost. A rewind raises it by one; where no intent tells it, it
	// begins with the Unix time in milliseconds.
	Turn     int64
	Cuts     []Cut   // by month, then by offset
	Excluded []int64 // sorted: rows of the block that went to quarantine because the table does not take them
}

// Pending tells whether a block is announced.
func (in Intent) Pending() bool { return in.Next > in.First }

// fits tells whether the text may be committed.
func (in Intent) fits() bool { return len(in.String()) <= MaxIntentBytes }

const intentFields = 16

// String returns the text that stands in the commit:
//
//	1|log|first|next|rows|refused|codec|hash|last|lastTS|newest|keep|window|turn|cuts|excluded
//
// Cuts and excluded offsets are counted from First: "202611:120,340;202612:7" and "33,120". Only they can make it longer than MaxIntentBytes.
func (in Intent) String() string {
	b := fmt.Appendf(nil, "1|%d|%d|%d|%d|%d|%d|%016x|%d|%d|%d|%d|%s|%d|", in.Log, in.First, in.Next, in.Rows, in.Refused, in.Codec, uint64(in.Hash),
		in.Last, in.LastTS, in.Newest, in.IDs.Keep, in.IDs.Window, in.Turn)
	for i, c := range in.Cuts {
		switch {
		case i == 0:
			b = fmt.Appendf(b, "%d:", c.Month)
		case c.Month != in.Cuts[i-1].Month:
			b = fmt.Appendf(b, ";%d:", c.Month)
		default:
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, c.At-in.First, 10)
	}
	b = append(b, '|')
	for i, offset := range in.Excluded {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, offset-in.First, 10)
	}
	return string(b)
}

// ParseIntent reads the metadata of a commit. It takes only what String writes. ErrForeign, ErrNewer.
func ParseIntent(metadata string) (Intent, error) {
	version, _, ok := strings.Cut(metadata, "|")
	if n, err := strconv.ParseUint(version, 10, 31); !ok || err != nil || n == 0 {
		return Intent{}, ErrForeign
	} else if n > 1 {
		return Intent{}, fmt.Errorf("%w: version %d, this build knows 1", ErrNewer, n)
	}
	fields := strings.Split(metadata, "|")
	if len(metadata) > MaxIntentBytes || len(fields) != intentFields {
		return Intent{}, ErrForeign
	}
	var r fieldReader
	in := Intent{
		Log: uint16(r.int(fields[1], 0, 1<<16-1)), First: r.int(fields[2], 0, maxOffset), Next: r.int(fields[3], 0, maxOffset),
		Rows: int(r.int(fields[4], 0, maxOffset)), Refused: int(r.int(fields[5], 0, maxOffset)), Codec: int(r.int(fields[6], 0, 1<<31)),
		Last: r.int(fields[8], -1, maxOffset), LastTS: r.int(fields[9], -maxOffset, maxOffset), Newest: r.int(fields[10], -maxOffset, maxOffset),
		IDs:  IDs{Keep: int(r.int(fields[11], 0, maxOffset)), Window: r.duration(fields[12])},
		Turn: r.int(fields[13], 0, maxOffset),
	}
	hash, err := strconv.ParseUint(fields[7], 16, 64)
	in.Hash, r.bad = Hash(hash), r.bad || err != nil
	if fields[14] != "" {
		for group := range strings.SplitSeq(fields[14], ";") {
			month, offsets, _ := strings.Cut(group, ":")
			for at := range strings.SplitSeq(offsets, ",") {
				in.Cuts = append(in.Cuts, Cut{Month: int32(r.int(month, 0, 999912)), At: in.First + r.int(at, 1, maxOffset)})
			}
		}
	}
	if fields[15] != "" {
		for offset := range strings.SplitSeq(fields[15], ",") {
			in.Excluded = append(in.Excluded, in.First+r.int(offset, 0, maxOffset))
		}
	}
	if r.bad || !in.sound() || in.String() != metadata {
		return Intent{}, ErrForeign
	}
	return in, nil
}

// maxOffset keeps sums of two offsets from wrapping round.
const maxOffset = 1<<62 - 1

// sound tells whether the fields fit together.
func (in Intent) sound() bool {
	if in.Next < in.First || in.Last >= in.First || !slices.IsSortedFunc(in.Cuts, compareCuts) || !slices.IsSorted(in.Excluded) {
		return false
	}
	for _, c := range in.Cuts {
		if c.At >= in.Next {
			return false
		}
	}
	return len(in.Excluded) == 0 || in.Excluded[len(in.Excluded)-1] < in.Next
}

func compareCuts(a, b Cut) int {
	if a.Month != b.Month {
		return int(a.Month) - int(b.Month)
	}
	return int(min(1, max(-1, a.At-b.At)))
}

// fieldReader reads fields and remembers whether one was not what it should be.
type fieldReader struct{ bad bool }

func (r *fieldReader) int(s string, least, most int64) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		r.bad = true
		return 0
	}
	return n
}

func (r *fieldReader) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	r.bad = r.bad || err != nil
	return d
}
