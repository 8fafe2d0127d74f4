package faultlab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	kafka "github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// What a poison record is.
const (
	garbage        = "garbage"         // bytes that are no JSON, without an index
	truncatedIndex = "truncated index" // an index that ends within itself
	unknownVersion = "unknown version" // an index of a codec that does not exist yet
	emptyRecord    = "empty"           // nothing at all
	halfEvent      = "half an event"   // the beginning of an event that another program wrote
)

func poisonPlan(r *rand.Rand, n int) []Injection {
	return plan(n, func(int) Injection {
		in := Injection{Action: Poison, Wait: between(r, 0, 400*time.Millisecond)}
		for range 1 + r.IntN(5) {
			in.Records = append(in.Records, pick(r, garbage, truncatedIndex, unknownVersion, emptyRecord, halfEvent))
		}
		return in
	})
}

// poisonRecord makes one record.
func poisonRecord(what string, seed int) []byte {
	key := []byte("poison-" + strconv.Itoa(seed))
	index := func(ix []byte) kafka.Header { return kafka.Header{Key: schema.HeaderIndex, Value: ix} }
	switch what {
	case garbage:
		return kafka.AppendRecordBody(nil, key, []byte{0xff, 0x00, byte(seed), '{', 0xfe})
	case truncatedIndex:
		return kafka.AppendRecordBody(nil, key, []byte(`{"v":1}`), index([]byte{schema.CodecVersion, 0xff, 0xff}))
	case unknownVersion:
		return kafka.AppendRecordBody(nil, key, []byte(`{"v":250}`), index([]byte{250, 1, 2, 3, 4, 5, 6, 7}))
	case emptyRecord:
		return kafka.AppendRecordBody(nil, key, []byte{})
	case halfEvent:
		return kafka.AppendRecordBody(nil, key, []byte(`{"id":"5c1b7c6e-0000-4000-8000-000000000001","project":1,"event":"Half`))
	}
	panic("BUG: no poison " + what)
}

// poison writes records that nobody can read straight to the topic, one partition for each injection.
func (l *lab) poison(ctx context.Context, in *Injection) (what string, struck time.Time, err error) {
	partition := int32(in.Number % len(l.motion.all))
	var b kafka.BatchBuilder
	for i, record := range in.Records {
		b.Append(poisonRecord(record, in.Number*100+i), time.Now().UnixMilli())
	}
	id, err := l.client.InitProducerID(ctx)
	if err != nil {
		return "", struck, err
	}
	md, err := l.client.Metadata(ctx, labTopic)
	if err != nil {
		return "", struck, err
	}
	struck = time.Now()
	results, err := l.client.Produce(ctx, md.Topics[labTopic].Partitions[partition].Leader, storeTimeout, []kafka.PartitionBatch{{Topic: labTopic, Partition: partition, Records: b.Seal(id, 0)}})
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		return "", struck, fmt.Errorf("produce poison: %w", err)
	}
	for i := range in.Records {
		l.poisoned = append(l.poisoned, fmt.Sprintf("%d/%d", partition, results[0].BaseOffset+int64(i)))
	}
	return fmt.Sprintf("%d records from %d on in partition %d", len(in.Records), results[0].BaseOffset, partition), struck, nil
}

// checkPoison compares what the sinks have refused with what was written to be refused.
func (l *lab) checkPoison(ctx context.Context) []string {
	// from_record is log/partition/offset; a run has one log. What was refused twice, because the sink died in between, counts once: readers collapse it so.
	found, err := l.query(ctx, "SELECT DISTINCT substring(from_record, position(from_record, '/') + 1) AS record FROM "+labDatabase+".quarantine WHERE from_record != '' ORDER BY record")
	if err != nil {
		return []string{err.Error()}
	}
	want := slices.Clone(l.poisoned)
	slices.Sort(want)
	slices.Sort(found)
	if slices.Equal(want, found) {
		return nil
	}
	return []string{fmt.Sprintf("quarantine has the records %v, poisoned were %v", differing(found, want), differing(want, found))}
}

// differing is what a has and b has not.
func differing(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}
