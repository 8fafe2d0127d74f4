package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codecs of a record batch.
const (
	codecGzip   = 1
	codecSnappy = 2
	codecLZ4    = 3
	codecZstd   = 4
)

// keepInflateBytes is the largest buffer kept from one record set to the next.
const keepInflateBytes = 16 << 20

// errSetFull says that the limit of a record set is used up by the batches before.
var errSetFull = errors.New("record set is full")

// inflater decompresses the batches of one record set, one behind the other: each stays valid until reset.
type inflater struct {
	limit int // of the whole set
	used  int
	keep  []byte // largest buffer so far, for the next set
	free  []byte // length 0; its capacity is unused

	src  bytes.Reader
	gzip *gzip.Reader
	lz4  *lz4.Reader
	zstd *zstd.Decoder
	max  int // what zstd was made for
}

func (f *inflater) reset(limit int) {
	if cap(f.keep) > keepInflateBytes {
		f.keep = nil
	}
	f.limit, f.used, f.free = limit, 0, f.keep[:0]
}

// inflate returns the decompressed bytes.
func (f *inflater) inflate(codec uint16, src []byte) ([]byte, error) {
	var out []byte
	var err error
	switch codec {
	case codecGzip:
		out, err = f.readGzip(src)
	case codecSnappy:
		out, err = f.readSnappy(src)
	case codecLZ4:
		out, err = f.readLZ4(src)
	case codecZstd:
		out, err = f.readZstd(src)
	default:
		return nil, fmt.Errorf("%w: unknown compression %d", ErrCorrupt, codec)
	}
	switch {
	case errors.Is(err, ErrTooLarge) && f.used > 0:
		return nil, errSetFull
	case errors.Is(err, ErrTooLarge):
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, f.limit)
	case err != nil:
		return nil, fmt.Errorf("%w: decompress: %v", ErrCorrupt, err) //nolint:errorlint // the codec's own error is detail
	}
	f.used += len(out)
	if cap(out) > cap(f.keep) {
		f.keep = out[:0]
	}
	f.free = out[len(out):]
	return out[:len(out):len(out)], nil
}

func (f *inflater) readGzip(src []byte) ([]byte, error) {
	f.src.Reset(src)
	if f.gzip == nil {
		f.gzip = new(gzip.Reader)
	}
	if err := f.gzip.Reset(&f.src); err != nil {
		return nil, err
	}
	return f.readAll(f.gzip)
}

func (f *inflater) readLZ4(src []byte) ([]byte, error) {
	f.src.Reset(src)
	if f.lz4 == nil {
		f.lz4 = lz4.NewReader(&f.src)
	} else {
		f.lz4.Reset(&f.src)
	}
	return f.readAll(f.lz4)
}

// readAll reads to the end or to the limit.
func (f *inflater) readAll(r io.Reader) ([]byte, error) {
	out := f.free
	for {
		if len(out) == cap(out) {
			out = append(out, 0)[:len(out)]
		}
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case len(out) > f.limit-f.used:
			return nil, ErrTooLarge
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
	}
}

func (f *inflater) readZstd(src []byte) ([]byte, error) {
	if f.zstd == nil || f.max != f.limit {
		// One decoder without goroutines; it refuses to produce more than its memory limit.
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(f.limit)))
		if err != nil {
			return nil, err
		}
		f.zstd, f.max = d, f.limit
	}
	out, err := f.zstd.DecodeAll(src, f.free)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, ErrTooLarge
	case err != nil:
		return nil, err
	case len(out) > f.limit-f.used:
		return nil, ErrTooLarge
	}
	return out, nil
}

// xerialMagic begins the framing that Java's snappy writes: the magic, two version numbers, then blocks with their length.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16

// readSnappy reads one raw block, or xerial's framing of many.
func (f *inflater) readSnappy(src []byte) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialMagic) {
		return f.snappyBlock(f.free, src)
	}
	if len(src) < xerialHeader {
		return nil, io.ErrUnexpectedEOF
	}
	out := f.free
	for src = src[xerialHeader:]; len(src) > 0; {
		if len(src) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(src))
		if src = src[4:]; n > int64(len(src)) {
			return nil, io.ErrUnexpectedEOF
		}
		var err error
		if out, err = f.snappyBlock(out, src[:n]); err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return out, nil
}

// snappyBlock appends one block. Its size is known, and checked, before anything is allocated.
func (f *inflater) snappyBlock(out, block []byte) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return nil, err
	}
	if n > f.limit-f.used-len(out) {
		return nil, ErrTooLarge
	}
	if n > cap(out)-len(out) {
		out = append(make([]byte, 0, 2*cap(out)+n), out...)
	}
	dst, err := s2.Decode(out[len(out):len(out)+n], block)
	if err != nil {
		return nil, err
	}
	return out[:len(out)+len(dst)], nil
}
