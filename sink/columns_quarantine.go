package sink

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/sink/exact"
)

// quarantineColumns is rows of table quarantine, column by column.
type quarantineColumns struct {
	at                 proto.ColDateTime64
	projectID          proto.ColUInt32
	stage, reason      *lowCard
	field, detail      text
	dialect            *lowCard
	index              proto.ColUInt32
	keyID              *lowCard
	eventID, requestID proto.ColUUID
	correlationID      text
	sentAt             proto.ColDateTime64
	ip                 proto.ColIPv6
	userAgent, payload text
	size               proto.ColUInt64
	truncated          proto.ColBool
	from               text
	log, partition     proto.ColUInt16
	offset             proto.ColUInt64

	input proto.Input
}

func newQuarantineColumns() *quarantineColumns {
	c := &quarantineColumns{at: newTimes(), sentAt: newTimes(), stage: newLowCard(), reason: newLowCard(), dialect: newLowCard(), keyID: newLowCard()}
	// In the order of the table, see clickhouse.QuarantineColumns.
	c.input = proto.Input{
		{Name: "at", Data: &c.at},
		{Name: "project_id", Data: &c.projectID},
		{Name: "stage", Data: c.stage},
		{Name: "reason", Data: c.reason},
		{Name: "field", Data: &c.field},
		{Name: "detail", Data: &c.detail},
		{Name: "dialect", Data: c.dialect},
		{Name: "event_index", Data: &c.index},
		{Name: "key_id", Data: c.keyID},
		{Name: "event_id", Data: &c.eventID},
		{Name: "request_id", Data: &c.requestID},
		{Name: "correlation_id", Data: &c.correlationID},
		{Name: "sent_at", Data: &c.sentAt},
		{Name: "ip", Data: &c.ip},
		{Name: "user_agent", Data: &c.userAgent},
		{Name: "payload", Data: &c.payload},
		{Name: "size", Data: &c.size},
		{Name: "truncated", Data: &c.truncated},
		{Name: "from_record", Data: &c.from},
		{Name: "_log", Data: &c.log},
		{Name: "_partition", Data: &c.partition},
		{Name: "_offset", Data: &c.offset},
	}
	return c
}

// Input is the block that is sent, valid until the next append.
func (c *quarantineColumns) Input() proto.Input { return c.input }

// Rows is the number of rows.
func (c *quarantineColumns) Rows() int { return len(c.projectID) }

// Row is offset, id and time of the i-th row.
func (c *quarantineColumns) Row(i int) exact.Row {
	return exact.Row{Offset: int64(c.offset[i]), ID: c.eventID[i], TS: int64(c.at.Data[i])}
}

// Reset takes all rows away and keeps the memory.
func (c *quarantineColumns) Reset() { resetInput(c.input) }

// quarantineLoader loads topic quarantine. Its records are about broken things, so none is ever refused: what a header does not say is empty.
type quarantineLoader struct {
	spares    *spares
	rejection schema.Rejection
	at        proto.DateTime64
}

func newQuarantineLoader() *quarantineLoader {
	return &quarantineLoader{spares: &spares{make: func() columns { return newQuarantineColumns() }}}
}

func (l *quarantineLoader) decode(rec *broker.Record) (identity, error) {
	l.rejection = schema.Rejection{}
	r := &l.rejection
	rec.Headers(func(key, value []byte) bool {
		r.SetHeader(key, value)
		return true
	})
	if r.ReceivedAt <= 0 {
		r.ReceivedAt = rec.Timestamp
	}
	l.at = clampTime(r.ReceivedAt)
	return identity{id: r.EventID, received: int64(l.at)}, nil
}

func (l *quarantineLoader) append(b *block, rec *broker.Record, from place) {
	c := b.part(int64(l.at), l.spares).columns.(*quarantineColumns)
	c.append(&l.rejection, l.at, rec)
	c.log = append(c.log, from.log)
	c.partition = append(c.partition, from.partition)
	c.offset = append(c.offset, uint64(from.offset))
}

func (c *quarantineColumns) append(r *schema.Rejection, at proto.DateTime64, rec *broker.Record) {
	c.at.Data = append(c.at.Data, at)
	c.projectID = append(c.projectID, projectOf(rec.Key))
	c.stage.appendString(r.Stage)
	c.reason.appendString(r.Reason)
	c.field.appendString(r.Field)
	c.detail.appendString(r.Detail)
	c.dialect.appendString(r.Dialect)
	c.index = append(c.index, uint32(max(r.Index, 0)))
	c.keyID.appendString(r.KeyID)
	c.eventID = append(c.eventID, [16]byte(r.EventID))
	c.requestID = append(c.requestID, [16]byte(r.RequestID))
	c.correlationID.appendString(r.CorrelationID)
	c.sentAt.Data = append(c.sentAt.Data, clampTime(r.SentAt))
	c.ip = append(c.ip, address(r.ClientIP))
	c.userAgent.appendString(r.UserAgent)
	c.payload.append(rec.Value)
	c.size = append(c.size, uint64(max(r.Size, 0)))
	c.truncated = append(c.truncated, r.Truncated)
	c.from.appendString(r.From)
}
