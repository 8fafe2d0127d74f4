package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// freeBytes is how much a body may become before its ratio counts.
	freeBytes = 64 << 10
	// maxWindow is the largest zstd window: what a decoder has to hold.
	maxWindow = 8 << 20
	// minOutput is the room that decompression begins with.
	minOutput = 4 << 10
)

// decompress replaces the body in the batch's buffer by what it holds, when it is compressed. A body is compressed once or not at all.
func (r *request) decompress() *refusal {
	enc := r.enc
	if enc == identity && sniff(r.batch.Buf) == gzipped {
		enc = gzipped // SDKs in browsers cannot always say so
	}
	if enc == identity {
		return nil
	}
	r.sent, r.batch.Buf = r.batch.Buf, r.sent[:0]
	var refused *refusal
	if enc == gzipped {
		refused = r.gunzip()
	} else {
		refused = r.unzstd()
	}
	if refused != nil {
		return refused
	}
	r.size = len(r.batch.Buf)
	if sniff(r.batch.Buf) != identity {
		return refuse(codeNestedEncoding, "the body is still compressed after decompression: compress it once")
	}
	return nil
}

func (r *request) gunzip() *refusal {
	src := bytes.NewReader(r.sent)
	defer src.Reset(nil) // the pooled reader keeps src
	z, _ := r.s.gzip.Get().(*gzip.Reader)
	var err error
	if z == nil {
		z, err = gzip.NewReader(src)
	} else {
		err = z.Reset(src)
	}
	if z == nil {
		return r.notEncoded("gzip", err)
	}
	defer r.s.gzip.Put(z)
	if err != nil {
		return r.notEncoded("gzip", err)
	}
	return r.inflate("gzip", z)
}

func (r *request) unzstd() *refusal {
	z, _ := r.s.zstd.Get().(*zstd.Decoder)
	if z == nil {
		var err error
		// One goroutine, which is ours; a window bound; and never the shortcut that decodes small input whole, past the caps below.
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeBuffersBelow(0))
		if err != nil {
			panic("BUG: zstd options: " + err.Error())
		}
	}
	if err := z.Reset(bytes.NewReader(r.sent)); err != nil {
		return r.notEncoded("zstd", err)
	}
	refused := r.inflate("zstd", z)
	_ = z.Reset(nil) // lets go of the body
	r.s.zstd.Put(z)
	return refused
}

// inflate reads a decompressor to its end into the batch's buffer, within the caps on size and ratio, charging the memory as it grows.
func (r *request) inflate(name string, z io.Reader) *refusal {
	cfg := &r.s.cfg
	ratioLimit := freeBytes + cfg.MaxRatio*int64(len(r.sent))
	limit := min(cfg.MaxDecompressedBytes, ratioLimit)
	buf := r.batch.Buf
	room := min(max(4*int64(len(r.sent)), minOutput), limit+1)
	charged := int64(0)
	for {
		if refused := r.charge(room - charged); refused != nil {
			return refused
		}
		charged = room
		buf = slices.Grow(buf, int(room)-len(buf)+bodySlack)
		for int64(len(buf)) < room {
			n, err := z.Read(buf[len(buf):room])
			buf = buf[:len(buf)+n]
			r.batch.Buf = buf
			if errors.Is(err, io.EOF) {
				if int64(len(buf)) <= limit {
					return nil
				}
				break
			}
			if err != nil {
				return r.notEncoded(name, err)
			}
		}
		if room > limit {
			if ratioLimit < cfg.MaxDecompressedBytes {
				return refuse(codeDecompressedTooLarge, fmt.Sprintf("the %d bytes of the body become more than %d times as many (limit ingest.max_ratio): send smaller batches, or uncompressed",
					len(r.sent), cfg.MaxRatio))
			}
			return refuse(codeDecompressedTooLarge, fmt.Sprintf("the body has more than %d bytes after decompression (limit ingest.max_decompressed_bytes): send smaller batches", cfg.MaxDecompressedBytes))
		}
		room = min(2*room, limit+1)
	}
}

// notEncoded says why a body cannot be decompressed.
func (r *request) notEncoded(name string, err error) *refusal {
	switch {
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return refuse(codeDecompressedTooLarge, fmt.Sprintf("the zstd window is larger than %d bytes: compress at a lower level, without --long or --ultra", maxWindow))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return refuse(codeInvalidEncoding, fmt.Sprintf("the %s body is cut off: it ends before its end mark", name))
	}
	return refuse(codeInvalidEncoding, fmt.Sprintf("the body is not %s all through (%v): send it as it was compressed, with the right Content-Encoding", name, err))
}
