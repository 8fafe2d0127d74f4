package broker

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// testRecord is a record in a form that can be compared.
type testRecord struct {
	Timestamp  int64
	Key, Value []byte
	Headers    []Header
}

func (r testRecord) body() []byte { return AppendRecordBody(nil, r.Key, r.Value, r.Headers...) }

func buildBatch(b *BatchBuilder, records []testRecord) {
	b.Reset()
	for _, r := range records {
		b.Append(r.body(), r.Timestamp)
	}
}

var goldenBatches = []struct {
	name    string
	records []testRecord
	id      ProducerID
	seq     int32
}{
	{"one", []testRecord{{Timestamp: 1_700_000_000_000, Key: []byte("1:u1"), Value: []byte(`{"v":1}`)}}, NoProducerID, -1},
	{"headers", []testRecord{
		{Timestamp: 1_700_000_000_000, Key: []byte("1:u1"), Value: []byte(`{"v":1,"event":"a"}`), Headers: []Header{
			{"ix", []byte{1, 2, 3}}, {"correlation-id", []byte("c-1")}, {"null", nil}, {"empty", []byte{}},
		}},
		{Timestamp: 1_700_000_000_123, Key: []byte{}, Value: []byte{}},
		{Timestamp: 1_699_999_999_999, Key: nil, Value: nil},
	}, ProducerID{ID: 4711, Epoch: 3}, 42},
	{"long", []testRecord{
		{Timestamp: 0, Key: bytes.Repeat([]byte("k"), 63), Value: bytes.Repeat([]byte("v"), 64)},
		{Timestamp: 1, Key: bytes.Repeat([]byte("k"), 64), Value: bytes.Repeat([]byte("v"), 8192)},
	}, ProducerID{ID: math.MaxInt64, Epoch: math.MaxInt16}, math.MaxInt32},
}

func TestGoldenBatches(t *testing.T) {
	for _, g := range goldenBatches {
		t.Run(g.name, func(t *testing.T) {
			var b BatchBuilder
			buildBatch(&b, g.records)
			got := b.Seal(g.id, g.seq)
			path := filepath.Join("testdata", "batch_"+g.name+".raw")
			if *update {
				writeGolden(t, path, got)
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("batch differs from %s:\n%s", path, hex.Dump(got))
			}
			twin, err := os.ReadFile(path + ".hex")
			if err != nil {
				t.Fatal(err)
			}
			if string(twin) != hex.Dump(want) {
				t.Errorf("%s.hex is not the dump of its twin", path)
			}
		})
	}
}

func writeGolden(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".hex", []byte(hex.Dump(b)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The golden files mean what franz-go's decoder, written by others, reads in them.
func TestGoldenBatchesReadByFranz(t *testing.T) {
	for _, g := range goldenBatches {
		raw, err := os.ReadFile(filepath.Join("testdata", "batch_"+g.name+".raw"))
		if err != nil {
			t.Fatal(err)
		}
		var rb kmsg.RecordBatch
		if err := rb.ReadFrom(raw); err != nil {
			t.Fatalf("%s: %v", g.name, err)
		}
		if rb.ProducerID != g.id.ID || rb.ProducerEpoch != g.id.Epoch || rb.FirstSequence != g.seq || rb.NumRecords != int32(len(g.records)) ||
			rb.LastOffsetDelta != rb.NumRecords-1 || rb.PartitionLeaderEpoch != -1 || rb.Attributes != 0 || int(rb.Length) != len(raw)-12 {
			t.Errorf("%s: header is %+v", g.name, rb)
		}
		if sum := crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)); uint32(rb.CRC) != sum {
			t.Errorf("%s: crc %08x, want %08x", g.name, uint32(rb.CRC), sum)
		}
		rest, maxTS := rb.Records, g.records[0].Timestamp
		for i, want := range g.records {
			n, size := binary.Varint(rest)
			var rec kmsg.Record
			if err := rec.ReadFrom(rest[:size+int(n)]); err != nil {
				t.Fatalf("%s: record %d: %v", g.name, i, err)
			}
			rest = rest[size+int(n):]
			got := testRecord{Timestamp: rb.FirstTimestamp + rec.TimestampDelta64, Key: rec.Key, Value: rec.Value}
			for _, h := range rec.Headers {
				got.Headers = append(got.Headers, Header{h.Key, h.Value})
			}
			if int(rec.OffsetDelta) != i {
				t.Errorf("%s: record %d has offset delta %d", g.name, i, rec.OffsetDelta)
			}
			if err := sameRecord(got, want); err != nil {
				t.Errorf("%s: record %d: %v", g.name, i, err)
			}
			maxTS = max(maxTS, want.Timestamp)
		}
		if len(rest) != 0 || rb.MaxTimestamp != maxTS {
			t.Errorf("%s: %d bytes left, max timestamp %d, want %d", g.name, len(rest), rb.MaxTimestamp, maxTS)
		}
	}
}

// sameRecord tells null from empty.
func sameRecord(got, want testRecord) error {
	if got.Timestamp != want.Timestamp {
		return fmt.Errorf("time %d, want %d", got.Timestamp, want.Timestamp)
	}
	if err := sameBytes("key", got.Key, want.Key); err != nil {
		return err
	}
	if err := sameBytes("value", got.Value, want.Value); err != nil {
		return err
	}
	if len(got.Headers) != len(want.Headers) {
		return fmt.Errorf("%d headers, want %d", len(got.Headers), len(want.Headers))
	}
	for i, h := range want.Headers {
		if got.Headers[i].Key != h.Key {
			return fmt.Errorf("header %d is %q, want %q", i, got.Headers[i].Key, h.Key)
		}
		if err := sameBytes("header "+h.Key, got.Headers[i].Value, h.Value); err != nil {
			return err
		}
	}
	return nil
}

func sameBytes(what string, got, want []byte) error {
	if !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		return fmt.Errorf("%s is %q (nil: %t), want %q (nil: %t)", what, got, got == nil, want, want == nil)
	}
	return nil
}

func TestBuilderCountsAndResets(t *testing.T) {
	var b BatchBuilder
	if b.Len() != 0 || b.Records() != 0 || b.Seal(NoProducerID, -1) != nil {
		t.Errorf("an empty builder has %d bytes, %d records", b.Len(), b.Records())
	}
	records := goldenBatches[1].records
	buildBatch(&b, records)
	first := b.Seal(ProducerID{1, 0}, 0)
	if b.Len() != len(first) || b.Records() != len(records) {
		t.Errorf("Len %d, Records %d; sealed %d bytes, %d records", b.Len(), b.Records(), len(first), len(records))
	}
	detached := b.Detach()
	if &detached[0] != &first[0] || len(detached) != len(first) {
		t.Error("Detach did not give the sealed bytes away")
	}
	keep := bytes.Clone(detached)
	buildBatch(&b, goldenBatches[0].records)
	second := b.Seal(ProducerID{1, 0}, 3)
	if !bytes.Equal(detached, keep) {
		t.Error("a detached buffer was written again")
	}
	b.Reset()
	buildBatch(&b, records)
	if again := b.Seal(ProducerID{1, 0}, 0); !bytes.Equal(again, keep) {
		t.Error("a builder after Reset seals other bytes than a new one")
	}
	if b.Len() == len(second) {
		t.Error("the second batch was not another one")
	}
}

func TestAppendAfterSeal(t *testing.T) {
	records := goldenBatches[1].records
	var whole, grown BatchBuilder
	buildBatch(&whole, records)
	buildBatch(&grown, records[:1])
	grown.Seal(ProducerID{9, 9}, 9)
	for _, r := range records[1:] {
		grown.Append(r.body(), r.Timestamp)
	}
	if !bytes.Equal(grown.Seal(ProducerID{1, 2}, 3), whole.Seal(ProducerID{1, 2}, 3)) {
		t.Error("a batch that grew after a Seal differs from one sealed once")
	}
}

func TestNextSequence(t *testing.T) {
	for _, c := range []struct {
		seq  int32
		n    int
		want int32
	}{
		{0, 1, 1}, {0, 0, 0}, {math.MaxInt32 - 1, 1, math.MaxInt32}, {math.MaxInt32, 1, 0}, {math.MaxInt32, 5, 4}, {math.MaxInt32 - 2, 1000, 997},
	} {
		if got := NextSequence(c.seq, c.n); got != c.want {
			t.Errorf("NextSequence(%d, %d) = %d, want %d", c.seq, c.n, got, c.want)
		}
	}
}

func TestCRCShift(t *testing.T) {
	data := make([]byte, 300_000)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	for _, n := range []int{0, 1, 2, 3, 40, 61, 255, 256, 4095, 65_536, 299_999, 300_000} {
		a, b := data[:len(data)-n], data[len(data)-n:]
		want := crc32.Checksum(data, castagnoli)
		if got := crcShift(crc32.Checksum(a, castagnoli), n) ^ crc32.Checksum(b, castagnoli); got != want {
			t.Errorf("tail of %d bytes: %08x, want %08x", n, got, want)
		}
	}
}

func TestRecordOverhead(t *testing.T) {
	var b BatchBuilder
	body := make([]byte, 100<<20)
	b.Append(nil, 0)
	before := b.Len()
	b.Append(body, 35*60*1000)
	if got := b.Len() - before - len(body); got > RecordOverhead {
		t.Errorf("a record took %d bytes more than its body, RecordOverhead is %d", got, RecordOverhead)
	}
}

func TestVarintSize(t *testing.T) {
	for _, v := range []int64{0, -1, 1, 63, 64, -64, -65, 8191, 8192, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		if got, want := varintSize(v), len(binary.AppendVarint(nil, v)); got != want {
			t.Errorf("varintSize(%d) = %d, want %d", v, got, want)
		}
	}
}

func TestOpenRecordBodyMakesTheSameAsAppend(t *testing.T) {
	header := Header{"ix", []byte{1, 2, 3}}
	for _, n := range []int{0, 1, 62, 63, 64, 65, 880, 8190, 8191, 8192, 8193, 1<<20 - 1, 1 << 20, 1<<20 + 1} {
		value := bytes.Repeat([]byte("value"), n/5+1)[:n]
		for _, before := range []string{"", "what stands before"} {
			want := AppendRecordBody([]byte(before), []byte("1:user-1"), value, header, header)
			got, at := OpenRecordBody([]byte(before), []byte("1:user-1"))
			got = CloseRecordBody(append(got, value...), at, header, header)
			if !bytes.Equal(got, want) {
				t.Errorf("value of %d bytes: %.40q… of %d bytes, want %.40q… of %d", n, got, len(got), want, len(want))
			}
		}
	}
}

func TestCodecDoesNotAllocate(t *testing.T) {
	var b BatchBuilder
	var r RecordReader
	var rec Record
	body := make([]byte, 0, 4096)
	key, value, ix := []byte("1:user-1"), bytes.Repeat([]byte("v"), 880), []byte{1, 2, 3}
	run := func() {
		b.Reset()
		for i := range 100 {
			body = AppendRecordBody(body[:0], key, value, Header{"ix", ix})
			b.Append(body, int64(i))
		}
		batch := b.Seal(ProducerID{1, 1}, 7)
		n := 0
		for r.Reset(batch, 10); r.Next(&rec); n++ {
			if _, ok := rec.Header("ix"); !ok {
				t.Fatal("header is missing")
			}
		}
		if n != 90 || r.Err() != nil {
			t.Fatalf("%d records, %v", n, r.Err())
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("append, seal, reseal and read allocate %v times, want 0", n)
	}
}

// A negative control for the test above: it would notice.
func TestAllocationIsNoticed(t *testing.T) {
	var b BatchBuilder
	if n := testing.AllocsPerRun(5, func() { b.Append([]byte(strings.Repeat("x", 10)), 0); b.Detach() }); n == 0 {
		t.Error("a detached builder does not allocate?")
	}
}

func BenchmarkAppendRecordBody(b *testing.B) {
	body := make([]byte, 0, 4096)
	key, value, ix := []byte("1:user-1"), bytes.Repeat([]byte("v"), 880), make([]byte, 14)
	b.ReportAllocs()
	for b.Loop() {
		body = AppendRecordBody(body[:0], key, value, Header{"ix", ix})
	}
	b.SetBytes(int64(len(body)))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/record")
}

func BenchmarkBatchBuilder(b *testing.B) {
	for _, records := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(records), func(b *testing.B) {
			var builder BatchBuilder
			body := AppendRecordBody(nil, []byte("1:user-1"), bytes.Repeat([]byte("v"), 880), Header{"ix", make([]byte, 14)})
			b.SetBytes(int64(records * len(body)))
			b.ReportAllocs()
			for b.Loop() {
				builder.Reset()
				for i := range records {
					builder.Append(body, int64(i))
				}
				builder.Seal(ProducerID{1, 1}, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
		})
	}
}
