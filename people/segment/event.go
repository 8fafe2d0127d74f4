package segment

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// change is a person who entered or left.
type change struct {
	person     uint64
	entered    bool
	distinctID string
}

// eventID is the id of the event that tells of a change: the same whenever it is sent, and of no other.
func eventID(b Build, c change) schema.UUID {
	var scratch []byte
	scratch = append(scratch, "millrace segment change\x00"...)
	scratch = binary.BigEndian.AppendUint32(scratch, b.Project)
	scratch = append(append(scratch, b.Segment...), 0)
	scratch = append(scratch, b.ID[:]...)
	scratch = binary.BigEndian.AppendUint64(scratch, c.person)
	if c.entered {
		scratch = append(scratch, 1)
	}
	sum := sha256.Sum256(scratch)
	id := schema.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8 (RFC 9562 §5.8)
	return id
}

// event is one as the door takes it.
type event struct {
	ID          string     `json:"id"`
	Type        string     `json:"type"`
	Event       string     `json:"event"`
	DistinctID  string     `json:"distinct_id"`
	TS          string     `json:"ts"`
	CausationID string     `json:"causation_id"`
	Hops        int        `json:"hops"`
	Properties  properties `json:"properties"`
}

type properties struct {
	Segment string `json:"segment"`
	Build   string `json:"build"`
}

// timeLayout is RFC 3339 in UTC with the milliseconds that moments of builds have.
const timeLayout = "2006-01-02T15:04:05.000Z"

// body is a request to the door with the events of changes.
func body(b Build, changes []change) ([]byte, error) {
	batch := struct {
		Events []event `json:"events"`
	}{make([]event, 0, len(changes))}
	for _, c := range changes {
		name := question.EventSegmentLeft
		if c.entered {
			name = question.EventSegmentEntered
		}
		batch.Events = append(batch.Events, event{
			ID: eventID(b, c).String(), Type: "track", Event: name, DistinctID: c.distinctID, TS: b.At.UTC().Format(timeLayout), CausationID: b.ID.String(), Hops: 1,
			Properties: properties{b.Segment, b.ID.String()},
		})
	}
	text, err := json.Marshal(batch)
	if err != nil {
		return nil, fmt.Errorf("write events: %w", err)
	}
	return text, nil
}
