package pipeline

import (
	"slices"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// chunkCharge is what a chunk costs beside its records: itself, its slot, its share of the request.
const chunkCharge = 256

// recordGuess is what a record may need beside the event's own text: keys, derived fields, headers. It sizes the arena.
const recordGuess = 640

// prepare makes room for the records of the batch.
func (r *request) prepare(b *schema.Batch) {
	r.receivedAt = b.ReceivedAt
	r.arena = slices.Grow(r.arena[:0], len(b.Buf)+len(b.Events)*recordGuess)
	r.place = slices.Grow(r.place[:0], len(b.Events))[:len(b.Events)]
}

// encodeEvent appends the record of an accepted event to the chunk of its partition and returns the chunk's number. The value is written where it stays.
func (r *request) encodeEvent(b *schema.Batch, e *schema.Event) int32 {
	r.key = e.AppendKey(r.key[:0], b.Buf)
	at := r.begin()
	var valueAt int
	r.arena, valueAt = broker.OpenRecordBody(r.arena, r.key)
	r.arena, r.ix = e.AppendRecord(r.arena, r.ix[:0], b.Buf)
	r.headers = append(r.headers[:0], broker.Header{Key: schema.HeaderIndex, Value: r.ix})
	if t := e.Text(schema.FieldCorrelationID); t.Len() > 0 {
		r.text = t.AppendValue(r.text[:0], b.Buf)
		r.headers = append(r.headers, broker.Header{Key: schema.HeaderCorrelationID, Value: r.text})
	}
	if len(b.Traceparent) > 0 {
		r.headers = append(r.headers, broker.Header{Key: schema.HeaderTraceparent, Value: b.Traceparent})
	}
	r.arena = broker.CloseRecordBody(r.arena, valueAt, r.headers...)
	events := r.p.events
	return r.add(events[broker.PartitionFor(r.key, len(events))], at)
}

// begin begins a record in the arena and returns its offset.
func (r *request) begin() (at int) {
	at = len(r.arena)
	r.arena = append(r.arena, noPrefix[:]...)
	return at
}

// add gives the record that begins at the offset, the last in the arena, to the partition's chunk and returns that chunk's number.
func (r *request) add(pt *partition, at int) int32 {
	n := len(r.arena) - at - recordPrefix
	putLength(r.arena, at, n)
	size := n + broker.RecordOverhead

	i := r.open[pt.index] - 1
	if i >= 0 && r.chunks[i].size+size > r.p.maxChunkBytes() {
		i = -1
	}
	if i < 0 {
		if r.open[pt.index] == 0 {
			r.opened = append(r.opened, pt.index)
		}
		r.chunks = append(r.chunks, chunk{req: r, part: pt, first: at, last: at, charge: chunkCharge})
		i = int32(len(r.chunks) - 1)
		r.open[pt.index] = i + 1
	}
	c := &r.chunks[i]
	putNext(r.arena, c.last, at) // of the first record it is its own, and is never followed
	c.last = at
	c.records++
	c.size += size
	c.charge += int64(recordPrefix + size)
	return i
}

// maxChunkBytes is what chunks are cut at: what fits one batch.
func (p *Pipeline) maxChunkBytes() int { return int(p.cfg.MaxBatchBytes) - broker.BatchOverhead }
