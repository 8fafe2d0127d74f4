package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Header says which run the ledger is of, and what its producers send.
type Header struct {
	Format     int       `json:"format"` // of the file; Create fills it in
	Run        string    `json:"run"`    // RunID.String
	Started    time.Time `json:"started"`
	Scenario   string    `json:"scenario"`              // its name
	Dialect    string    `json:"dialect"`               // segment or native
	Target     string    `json:"target"`                // URL
	Database   string    `json:"database"`              // of ClickHouse, where the rows are
	ProbeEvent string    `json:"probe_event,omitempty"` // name of the events that a prober sends beside the load; empty: no prober
	MaxLate    int64     `json:"max_late"`              // the largest Late of all slots, in milliseconds; Create fills it in
	Producers  [][]Slot  `json:"-"`                     // by number; each has at least one slot
}

// RunID is the run.
func (h *Header) RunID() (RunID, error) { return ParseRunID(h.Run) }

// fileHeader is the header's JSON. Slots says how many slots each producer's table has, so that a reader knows when it has all.
type fileHeader struct {
	Header
	Slots []int `json:"slots"`
}

// complete fills in what Create promises to, and reports everything that makes the header unusable.
func (h *Header) complete() error {
	var errs []error
	if _, err := h.RunID(); err != nil {
		errs = append(errs, err)
	}
	if n := len(h.Producers); n == 0 || n > MaxProducers {
		errs = append(errs, fmt.Errorf("%d producers: must be 1 to %d", n, MaxProducers))
	}
	h.Format, h.MaxLate = Format, 0
	for _, slots := range h.Producers {
		for i := range slots {
			h.MaxLate = max(h.MaxLate, slots[i].Late)
		}
	}
	return errors.Join(append(errs, h.checkSlots())...)
}

// checkSlots reports the first fault of each slot table. The original of a Duplicate must be a Valid slot of the same round.
func (h *Header) checkSlots() error {
	var errs []error
	for p, slots := range h.Producers {
		if len(slots) == 0 {
			errs = append(errs, fmt.Errorf("producer %d has no slots", p))
		}
		for i, s := range slots {
			back := int(s.Back)
			if s.Kind > Duplicate || s.Late < 0 || (s.Kind == Duplicate) != (back > 0) || back > i || back > 0 && slots[i-back].Kind != Valid {
				errs = append(errs, fmt.Errorf("producer %d: slot %d is of kind %d, %d ms late and %d back", p, i, s.Kind, s.Late, s.Back))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// slotsPerFrame keeps the largest frame of slots below maxBody.
const slotsPerFrame = 1 << 14

// appendPreamble appends everything that comes before the entries.
func (h *Header) appendPreamble(dst []byte) ([]byte, error) {
	file := fileHeader{Header: *h}
	for _, slots := range h.Producers {
		file.Slots = append(file.Slots, len(slots))
	}
	text, err := json.Marshal(&file)
	if err != nil {
		return nil, err
	}
	if len(text) >= maxBody {
		return nil, fmt.Errorf("header of %d bytes: at most %d are read", len(text), maxBody)
	}
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, Format)
	dst = appendFrame(dst, []byte{kindHeader}, text)
	var body []byte
	for p, slots := range h.Producers {
		for len(slots) > 0 {
			n := min(len(slots), slotsPerFrame)
			body = append(body[:0], kindSlots)
			body = binary.AppendUvarint(body, uint64(p))
			for i := range slots[:n] {
				body = slots[i].append(body)
			}
			dst, slots = appendFrame(dst, body), slots[n:]
		}
	}
	return dst, nil
}

func (s *Slot) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, s.Hash)
	dst = binary.AppendUvarint(dst, uint64(s.User))
	dst = binary.AppendUvarint(dst, uint64(s.Back))
	dst = append(dst, byte(s.Kind))
	return binary.AppendUvarint(dst, uint64(s.Late))
}

func (f *fields) slot() Slot {
	return Slot{
		Hash: f.fixed64(), User: uint32(f.upTo(1<<32 - 1)), Back: uint16(f.upTo(1<<16 - 1)), Kind: Kind(f.byte()), Late: int64(f.upTo(1<<63 - 1)),
	}
}
