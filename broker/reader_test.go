package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// readAll reads a record set into copies.
func readAll(r *RecordReader, set []byte, from int64) (records []testRecord, offsets []int64) {
	var rec Record
	for r.Reset(set, from); r.Next(&rec); {
		offsets = append(offsets, rec.Offset)
		records = append(records, copyRecord(&rec))
	}
	return records, offsets
}

func copyRecord(rec *Record) testRecord {
	c := testRecord{Timestamp: rec.Timestamp, Key: bytes.Clone(rec.Key), Value: bytes.Clone(rec.Value)}
	rec.Headers(func(k, v []byte) bool {
		c.Headers = append(c.Headers, Header{string(k), bytes.Clone(v)})
		return true
	})
	return c
}

// at gives a sealed batch its place in the log, as a broker does: outside the checksum.
func at(batch []byte, base int64) []byte {
	b := bytes.Clone(batch)
	binary.BigEndian.PutUint64(b, uint64(base))
	return b
}

// sum makes a batch valid again after its bytes were changed.
func sum(batch []byte) []byte {
	binary.BigEndian.PutUint32(batch[posLength:], uint32(len(batch)-posLeaderEpoch))
	binary.BigEndian.PutUint32(batch[posCRC:], crc32.Checksum(batch[posAttributes:], castagnoli))
	return batch
}

func sealed(records ...testRecord) []byte {
	var b BatchBuilder
	buildBatch(&b, records)
	return b.Seal(NoProducerID, -1)
}

func numbered(n int) []testRecord {
	var records []testRecord
	for i := range n {
		records = append(records, testRecord{Timestamp: int64(1000 + i), Key: fmt.Append(nil, "key-", i), Value: fmt.Append(nil, "value-", i)})
	}
	return records
}

// compressed rebuilds a batch with its records compressed.
func compressed(t testing.TB, batch []byte, codec kgo.CompressionCodec, id uint16) []byte {
	t.Helper()
	c, err := kgo.DefaultCompressor(codec)
	if err != nil {
		t.Fatal(err)
	}
	payload, used := c.Compress(new(bytes.Buffer), batch[BatchOverhead:])
	if uint16(used) != id {
		t.Fatalf("codec %d was used instead of %d", used, id)
	}
	return withCodec(batch, payload, id)
}

func withCodec(batch, payload []byte, id uint16) []byte {
	b := append(bytes.Clone(batch[:BatchOverhead]), payload...)
	binary.BigEndian.PutUint16(b[posAttributes:], id)
	return sum(b)
}

func TestReadGolden(t *testing.T) {
	for _, g := range goldenBatches {
		raw, err := os.ReadFile(filepath.Join("testdata", "batch_"+g.name+".raw"))
		if err != nil {
			t.Fatal(err)
		}
		var r RecordReader
		got, offsets := readAll(&r, at(raw, 500), 0)
		if r.Err() != nil || len(got) != len(g.records) || r.Truncated() {
			t.Fatalf("%s: %d records, want %d; %v", g.name, len(got), len(g.records), r.Err())
		}
		for i := range got {
			if err := sameRecord(got[i], g.records[i]); err != nil || offsets[i] != int64(500+i) {
				t.Errorf("%s: record %d at %d: %v", g.name, i, offsets[i], err)
			}
		}
		if want := int64(500 + len(got)); r.NextOffset() != want {
			t.Errorf("%s: next offset %d, want %d", g.name, r.NextOffset(), want)
		}
	}
}

func TestReadSkipsBelowFrom(t *testing.T) {
	set := append(at(sealed(numbered(3)...), 10), at(sealed(numbered(4)...), 13)...)
	for from := int64(0); from <= 18; from++ {
		var r RecordReader
		_, offsets := readAll(&r, set, from)
		want := int(17 - max(from, 10))
		if r.Err() != nil || len(offsets) != max(want, 0) || (len(offsets) > 0 && offsets[0] != max(from, 10)) {
			t.Errorf("from %d: offsets %v, %v", from, offsets, r.Err())
		}
		if r.NextOffset() != max(17, from) {
			t.Errorf("from %d: next offset %d, want %d", from, r.NextOffset(), max(17, from))
		}
	}
}

func TestNextOffsetInTheMidst(t *testing.T) {
	var r RecordReader
	var rec Record
	r.Reset(at(sealed(numbered(3)...), 10), 11)
	if r.NextOffset() != 11 {
		t.Errorf("before the first record: %d, want 11", r.NextOffset())
	}
	for want := int64(12); r.Next(&rec); want++ {
		if r.NextOffset() != want || rec.Offset != want-1 {
			t.Errorf("after offset %d: next %d, want %d", rec.Offset, r.NextOffset(), want)
		}
	}
}

// A batch whose last records were compacted away, and control batches, move the next offset all the same.
func TestNextOffsetCountsWhatHoldsNoRecord(t *testing.T) {
	gap := at(sealed(numbered(2)...), 10)
	binary.BigEndian.PutUint32(gap[posLastOffsetDelta:], 9) // 10..19, two records left
	control := at(sealed(numbered(1)...), 20)
	binary.BigEndian.PutUint16(control[posAttributes:], attrControl)
	var r RecordReader
	_, offsets := readAll(&r, append(sum(gap), sum(control)...), 0)
	if r.Err() != nil || len(offsets) != 2 || r.NextOffset() != 21 {
		t.Errorf("offsets %v, next %d, want 21; %v", offsets, r.NextOffset(), r.Err())
	}
	_, offsets = readAll(&r, sum(control), 20)
	if r.Err() != nil || len(offsets) != 0 || r.NextOffset() != 21 {
		t.Errorf("a control batch gave %v, next %d; %v", offsets, r.NextOffset(), r.Err())
	}
}

func TestTruncatedTail(t *testing.T) {
	one, two := at(sealed(numbered(3)...), 10), at(sealed(numbered(4)...), 13)
	for n := range two {
		var r RecordReader
		_, offsets := readAll(&r, append(bytes.Clone(one), two[:n]...), 10)
		if r.Err() != nil || len(offsets) != 3 || r.NextOffset() != 13 || r.Truncated() != (n > 0) {
			t.Fatalf("%d bytes of the second batch: offsets %v, next %d, truncated %t; %v", n, offsets, r.NextOffset(), r.Truncated(), r.Err())
		}
	}
	var r RecordReader
	if _, offsets := readAll(&r, one[:40], 10); len(offsets) != 0 || r.NextOffset() != 10 || !r.Truncated() {
		t.Errorf("a cut first batch: offsets %v, next %d", offsets, r.NextOffset())
	}
}

func TestLogAppendTime(t *testing.T) {
	b := at(sealed(numbered(3)...), 0)
	binary.BigEndian.PutUint16(b[posAttributes:], attrLogAppend)
	binary.BigEndian.PutUint64(b[posMaxTimestamp:], 777)
	var r RecordReader
	records, _ := readAll(&r, sum(b), 0)
	for _, rec := range records {
		if rec.Timestamp != 777 {
			t.Errorf("time %d, want the broker's 777", rec.Timestamp)
		}
	}
	if len(records) != 3 {
		t.Errorf("%d records; %v", len(records), r.Err())
	}
}

// Each change of a single byte that the checksum covers is found; none makes the reader invent records.
func TestEveryFlippedByteIsFound(t *testing.T) {
	good := at(sealed(numbered(3)...), 10)
	for i := posMagic; i < len(good); i++ {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		var r RecordReader
		_, offsets := readAll(&r, bad, 10)
		if !errors.Is(r.Err(), ErrCorrupt) || len(offsets) != 0 || r.NextOffset() != 10 {
			t.Errorf("byte %d changed: offsets %v, next %d, %v", i, offsets, r.NextOffset(), r.Err())
		}
	}
}

func TestMalformedRecords(t *testing.T) {
	body := numbered(1)[0].body()
	record := func(b []byte) []byte { return append(binary.AppendVarint(nil, int64(len(b))), b...) }
	for name, records := range map[string][]byte{
		"no record":               {},
		"length beyond the batch": {0x7e, 0, 0, 0},
		"negative length":         {0x01},
		"endless varint":          bytes.Repeat([]byte{0xff}, 12),
		"key beyond the record":   record([]byte{0, 0, 0, 0x7e, 'k'}),
		"key length -2":           record([]byte{0, 0, 0, 3, 1, 0}),
		"no headers count":        record([]byte{0, 0, 0, 1, 1}),
		"headers beyond":          record([]byte{0, 0, 0, 1, 1, 4, 2, 'a'}),
		"header count huge":       record(append([]byte{0, 0, 0, 1, 1}, binary.AppendVarint(nil, 1<<40)...)),
		"negative header count":   record([]byte{0, 0, 0, 1, 1, 1}),
		"left over in the record": record(append(append([]byte{0, 0, 0}, body...), 0)),
		"left over in the batch":  append(record(append([]byte{0, 0, 0}, body...)), 0, 0),
		"offset delta outside":    record(append([]byte{0, 0, 2}, body...)),
		"offset delta negative":   record(append([]byte{0, 0, 1}, body...)),
	} {
		b := at(sealed(numbered(1)...), 10)
		b = sum(append(b[:BatchOverhead], records...))
		var r RecordReader
		_, offsets := readAll(&r, append(b, at(sealed(numbered(1)...), 11)...), 10)
		if !errors.Is(r.Err(), ErrCorrupt) || len(offsets) > 1 {
			t.Errorf("%s: offsets %v, error %v", name, offsets, r.Err())
		}
		if r.NextOffset() > 11 || len(offsets) == 0 && r.NextOffset() != 10 {
			t.Errorf("%s: next offset is %d beyond the damage", name, r.NextOffset())
		}
		var rec Record
		for range 2 {
			if r.Next(&rec) {
				t.Errorf("%s: the reader went on after the error", name)
			}
		}
	}
}

func TestOldFormatIsRefused(t *testing.T) {
	b := at(sealed(numbered(1)...), 10)
	b[posMagic] = 1
	var r RecordReader
	readAll(&r, b, 0)
	if !errors.Is(r.Err(), ErrCorrupt) {
		t.Errorf("format 1 gave %v", r.Err())
	}
}

var codecs = []struct {
	name  string
	id    uint16
	codec kgo.CompressionCodec
}{
	{"gzip", codecGzip, kgo.GzipCompression()},
	{"snappy", codecSnappy, kgo.SnappyCompression()},
	{"lz4", codecLZ4, kgo.Lz4Compression()},
	{"zstd", codecZstd, kgo.ZstdCompression()},
}

func TestCompressed(t *testing.T) {
	records := numbered(500)
	var r RecordReader // one for all: codecs must not disturb each other
	for _, c := range codecs {
		one := compressed(t, at(sealed(records...), 10), c.codec, c.id)
		two := compressed(t, at(sealed(records[:100]...), 510), c.codec, c.id)
		var got []Record
		var rec Record
		// Records of the first batch must survive the decompression of the second: they are compared at the end.
		for r.Reset(append(bytes.Clone(one), two...), 10); r.Next(&rec); {
			got = append(got, rec)
		}
		if r.Err() != nil || len(got) != 600 || r.NextOffset() != 610 {
			t.Fatalf("%s: %d records, next %d; %v", c.name, len(got), r.NextOffset(), r.Err())
		}
		for i := range got {
			want := records[i%500]
			if err := sameRecord(copyRecord(&got[i]), want); err != nil || got[i].Offset != int64(10+i) {
				t.Fatalf("%s: record %d at %d: %v", c.name, i, got[i].Offset, err)
			}
		}
	}
}

// xerial's framing, which Java clients write: several blocks behind a header.
func TestXerialSnappy(t *testing.T) {
	plain := at(sealed(numbered(300)...), 0)
	payload := append(bytes.Clone(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1)
	for rest := plain[BatchOverhead:]; len(rest) > 0; {
		n := min(1000, len(rest))
		block := s2.EncodeSnappy(nil, rest[:n])
		payload = binary.BigEndian.AppendUint32(payload, uint32(len(block)))
		payload = append(payload, block...)
		rest = rest[n:]
	}
	var r RecordReader
	records, _ := readAll(&r, withCodec(plain, payload, codecSnappy), 0)
	if r.Err() != nil || len(records) != 300 {
		t.Fatalf("%d records; %v", len(records), r.Err())
	}
	for i, want := range numbered(300) {
		if err := sameRecord(records[i], want); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
	for n := range payload { // cut anywhere: an error, never records that are not there
		readAll(&r, withCodec(plain, payload[:n], codecSnappy), 0)
		if !errors.Is(r.Err(), ErrCorrupt) {
			t.Fatalf("cut at %d: %v", n, r.Err())
		}
	}
}

func TestDecompressionLimit(t *testing.T) {
	bomb := sealed(testRecord{Value: make([]byte, 8<<20)})
	small := sealed(testRecord{Value: make([]byte, 600<<10)})
	for _, c := range codecs {
		r := RecordReader{MaxDecompressedBytes: 1 << 20}
		if _, offsets := readAll(&r, compressed(t, bomb, c.codec, c.id), 0); !errors.Is(r.Err(), ErrTooLarge) || len(offsets) != 0 {
			t.Errorf("%s: 8 MiB under a limit of 1 MiB: offsets %v, %v", c.name, offsets, r.Err())
		}
		// Two that fit each, but not together: the set ends at the second, which the next fetch brings first.
		one, two := compressed(t, at(small, 0), c.codec, c.id), compressed(t, at(small, 1), c.codec, c.id)
		_, offsets := readAll(&r, append(bytes.Clone(one), two...), 0)
		if r.Err() != nil || len(offsets) != 1 || r.NextOffset() != 1 {
			t.Errorf("%s: offsets %v, next %d; %v", c.name, offsets, r.NextOffset(), r.Err())
		}
		var rec Record
		if r.Next(&rec) {
			t.Errorf("%s: the set went on behind its limit", c.name)
		}
		if _, offsets = readAll(&r, two, 1); r.Err() != nil || len(offsets) != 1 || r.NextOffset() != 2 {
			t.Errorf("%s: continued: offsets %v; %v", c.name, offsets, r.Err())
		}
	}
}

func TestDamagedCompression(t *testing.T) {
	plain := at(sealed(numbered(100)...), 0)
	for _, c := range codecs {
		good := compressed(t, plain, c.codec, c.id)[BatchOverhead:]
		var r RecordReader
		readAll(&r, withCodec(plain, good[:len(good)/2], c.id), 0)
		if !errors.Is(r.Err(), ErrCorrupt) {
			t.Errorf("%s cut in half: %v", c.name, r.Err())
		}
		if records, _ := readAll(&r, withCodec(plain, good, c.id), 0); len(records) != 100 || r.Err() != nil {
			t.Errorf("%s after a damaged batch: %d records, %v", c.name, len(records), r.Err())
		}
	}
	var r RecordReader
	if readAll(&r, withCodec(plain, plain[BatchOverhead:], 7), 0); !errors.Is(r.Err(), ErrCorrupt) {
		t.Errorf("unknown codec: %v", r.Err())
	}
}

func TestHeaderLookup(t *testing.T) {
	set := sealed(testRecord{Headers: []Header{{"a", []byte("1")}, {"ix", []byte("x")}, {"a", []byte("2")}, {"n", nil}}})
	var r RecordReader
	var rec Record
	r.Reset(set, 0)
	if !r.Next(&rec) {
		t.Fatal(r.Err())
	}
	if v, ok := rec.Header("a"); !ok || string(v) != "2" {
		t.Errorf("of two headers %q, %t; the last counts", v, ok)
	}
	if v, ok := rec.Header("n"); !ok || v != nil {
		t.Errorf("null header %q, %t", v, ok)
	}
	if _, ok := rec.Header("b"); ok {
		t.Error("a header that is not there was found")
	}
	n := 0
	rec.Headers(func(_, _ []byte) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("Headers went on after false: %d calls", n)
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("key"), []byte("value"), []byte("ix"), int64(1), int64(-5), uint8(3))
	f.Fuzz(func(t *testing.T, key, value, header []byte, ts, step int64, n uint8) {
		records := make([]testRecord, int(n)+1)
		for i := range records {
			r := &records[i]
			r.Timestamp = ts + int64(i)*step
			r.Key, r.Value = key, bytes.Repeat(value, i%5)
			if i%3 > 0 {
				r.Headers = []Header{{string(header), header}, {"", nil}}
			}
		}
		batch := sealed(records...)
		var r RecordReader
		got, _ := readAll(&r, batch, 0)
		if r.Err() != nil || len(got) != len(records) {
			t.Fatalf("%d of %d records; %v", len(got), len(records), r.Err())
		}
		var again BatchBuilder
		buildBatch(&again, got)
		if !bytes.Equal(again.Seal(NoProducerID, -1), batch) {
			t.Error("decoding and encoding again gives other bytes")
		}
	})
}

func FuzzRecordReader(f *testing.F) {
	for _, g := range goldenBatches {
		raw, err := os.ReadFile(filepath.Join("testdata", "batch_"+g.name+".raw"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, int64(0), true)
		f.Add(append(raw, raw[:70]...), int64(1), true)
	}
	for _, c := range codecs {
		f.Add(compressed(f, sealed(numbered(20)...), c.codec, c.id), int64(3), true)
	}
	f.Fuzz(func(t *testing.T, set []byte, from int64, valid bool) {
		if valid && len(set) > BatchOverhead { // let the fuzzer behind the checksum
			set = sum(bytes.Clone(set))
		}
		r := RecordReader{MaxDecompressedBytes: 1 << 20}
		var rec Record
		last := int64(-1 << 63)
		for r.Reset(set, from); r.Next(&rec); {
			if rec.Offset < from || r.NextOffset() != rec.Offset+1 {
				t.Fatalf("offset %d from %d, next %d", rec.Offset, from, r.NextOffset())
			}
			last = rec.Offset
			_ = copyRecord(&rec)
		}
		if r.NextOffset() < from || last >= from && r.NextOffset() <= last && last != 1<<63-1 {
			t.Fatalf("next offset %d after %d from %d", r.NextOffset(), last, from)
		}
	})
}

func BenchmarkRecordReader(b *testing.B) {
	records := make([]testRecord, 1000)
	for i := range records {
		records[i] = testRecord{Key: []byte("1:user-1"), Value: bytes.Repeat([]byte("v"), 880), Headers: []Header{{"ix", make([]byte, 14)}}}
	}
	batch := sealed(records...)
	bench := func(b *testing.B, set []byte) {
		var r RecordReader
		var rec Record
		b.SetBytes(int64(len(batch)))
		b.ReportAllocs()
		for b.Loop() {
			for r.Reset(set, 0); r.Next(&rec); {
				if _, ok := rec.Header("ix"); !ok {
					b.Fatal("no header")
				}
			}
			if r.Err() != nil {
				b.Fatal(r.Err())
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/record")
	}
	b.Run("none", func(b *testing.B) { bench(b, batch) })
	for _, c := range codecs {
		b.Run(c.name, func(b *testing.B) { bench(b, compressed(b, batch, c.codec, c.id)) })
	}
}
