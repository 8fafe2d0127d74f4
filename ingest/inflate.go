package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const (
	// freeBytes is how much a body may become before its ratio counts.
	freeBytes = 64 << 10
	// maxWindow is the largest window of zstd and brotli: what a decoder has to hold.
	maxWindow = 8 << 20
	// minOutput is the room that decompression begins with.
	minOutput = 4 << 10
)

// decoders are the decompressors of a server, pooled.
type decoders struct {
	gzip   sync.Pool // *gzip.Reader
	zlib   sync.Pool // io.ReadCloser that is a zlib.Resetter
	flate  sync.Pool // io.ReadCloser that is a flate.Resetter
	zstd   sync.Pool // *zstd.Decoder
	brotli sync.Pool // *brotli.Reader
	// windows has a place for each decoder with a large window that may be at work at once. A body of a few bytes can ask for a whole window, which no budget
	// foresees; they only compute, so that more of them than processors would only hold memory.
	windows chan struct{}
}

func newDecoders() *decoders {
	return &decoders{windows: make(chan struct{}, 2*runtime.GOMAXPROCS(0))}
}

// decompress replaces the body in the batch's buffer by what it holds, when it is compressed. A body is compressed once or not at all.
func (r *request) decompress() *refusal {
	enc := r.compression()
	if enc == identity {
		return nil
	}
	return r.expand(enc)
}

// compression is how the body is compressed. Without a Content-Encoding its first bytes tell, or ?compression=: SDKs in browsers cannot always set the header.
func (r *request) compression() encoding {
	body := r.batch.Buf
	if r.enc != identity {
		return r.enc
	}
	if found := sniff(body); found != identity {
		return found
	}
	// Raw deflate and brotli begin with no mark of their own; but neither can a compressed body be text, except by a chance that the smallest have.
	if hinted, c := parseEncoding(r.ctx.QueryArgs().Peek("compression"), 1); c == codeOK && (hinted == deflated || hinted == brotlied) && !isText(body) {
		return hinted
	}
	return identity
}

// isText tells whether body is UTF-8 without control characters, as JSON and forms are. A compressed body may begin like JSON (brotli with a '['), but is hardly ever text.
func isText(body []byte) bool {
	for _, c := range body {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return utf8.Valid(body)
}

// expand decompresses the batch's buffer, which changes places with r.sent.
func (r *request) expand(enc encoding) *refusal {
	r.packed = true
	r.sent, r.batch.Buf = r.batch.Buf, r.sent[:0]
	src := bytes.NewReader(r.sent)
	defer src.Reset(nil) // pooled readers keep src
	var refused *refusal
	switch enc {
	case gzipped:
		refused = r.gunzip(src)
	case deflated:
		if isZlib(r.sent) {
			refused = r.unzlib(src)
		} else {
			refused = r.undeflate(src)
		}
	case brotlied:
		refused = r.unbrotli(src)
	case zstandard:
		refused = r.unzstd(src)
	default:
		panic("BUG: no decoder of " + enc.String())
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

func (r *request) gunzip(src *bytes.Reader) *refusal {
	z, _ := r.s.decoders.gzip.Get().(*gzip.Reader)
	var err error
	if z == nil {
		z, err = gzip.NewReader(src)
	} else {
		err = z.Reset(src)
	}
	if z == nil {
		return r.notEncoded(gzipped, err)
	}
	defer r.s.decoders.gzip.Put(z)
	if err != nil {
		return r.notEncoded(gzipped, err)
	}
	return r.inflate(gzipped, z)
}

func (r *request) unzlib(src *bytes.Reader) *refusal {
	z, _ := r.s.decoders.zlib.Get().(io.ReadCloser)
	var err error
	if z == nil {
		z, err = zlib.NewReader(src)
	} else {
		err = z.(zlib.Resetter).Reset(src, nil) // all readers of the package are
	}
	if z == nil {
		return r.notEncoded(deflated, err)
	}
	defer r.s.decoders.zlib.Put(z)
	if err != nil {
		return r.notEncoded(deflated, err)
	}
	return r.whole(deflated, z, src)
}

func (r *request) undeflate(src *bytes.Reader) *refusal {
	z, _ := r.s.decoders.flate.Get().(io.ReadCloser)
	if z == nil {
		z = flate.NewReader(src)
	} else if err := z.(flate.Resetter).Reset(src, nil); err != nil { // all readers of the package are
		return r.notEncoded(deflated, err)
	}
	defer r.s.decoders.flate.Put(z)
	return r.whole(deflated, z, src)
}

func (r *request) unbrotli(src *bytes.Reader) *refusal {
	if why := brotliWindow(r.sent); why != nil {
		return r.notEncoded(brotlied, why)
	}
	r.s.decoders.windows <- struct{}{}
	defer func() { <-r.s.decoders.windows }()
	z, _ := r.s.decoders.brotli.Get().(*brotli.Reader)
	if z == nil {
		z = brotli.NewReader(src)
	} else if err := z.Reset(src); err != nil {
		return r.notEncoded(brotlied, err)
	}
	refused := r.inflate(brotlied, z)
	r.s.decoders.brotli.Put(z)
	return refused
}

var errWindow = errors.New("the window is too large")

// brotliWindow checks the window that a brotli stream asks for in its first bits (RFC 7932 §9.1): of the sizes that the format has, only 16 MiB is too large. The
// one code that is left over begins a stream with a large window, which is another format.
func brotliWindow(stream []byte) error {
	if len(stream) == 0 {
		return io.ErrUnexpectedEOF
	}
	const sixteenMiB, large = 0x0f, 0x11
	if first := stream[0]; first&0x0f == sixteenMiB || first&0x7f == large {
		return errWindow
	}
	return nil
}

func (r *request) unzstd(src *bytes.Reader) *refusal {
	r.s.decoders.windows <- struct{}{}
	defer func() { <-r.s.decoders.windows }()
	z, _ := r.s.decoders.zstd.Get().(*zstd.Decoder)
	if z == nil {
		var err error
		// One goroutine, which is ours; a window bound; and never the shortcut that decodes small input whole, past the caps below.
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeBuffersBelow(0))
		if err != nil {
			panic("BUG: zstd options: " + err.Error())
		}
	}
	if err := z.Reset(src); err != nil {
		return r.notEncoded(zstandard, err)
	}
	refused := r.inflate(zstandard, z)
	_ = z.Reset(nil) // lets go of the body
	r.s.decoders.zstd.Put(z)
	return refused
}

var errTrailing = errors.New("there is more behind its end")

// whole is inflate for decompressors that stop at the end of their stream, whatever comes behind it.
func (r *request) whole(enc encoding, z io.Reader, src *bytes.Reader) *refusal {
	if refused := r.inflate(enc, z); refused != nil {
		return refused
	}
	if src.Len() > 0 {
		return r.notEncoded(enc, errTrailing)
	}
	return nil
}

// inflate reads a decompressor to its end into the batch's buffer, within the caps on size and ratio, charging the memory as it grows.
func (r *request) inflate(enc encoding, z io.Reader) *refusal {
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
				return r.notEncoded(enc, err)
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
func (r *request) notEncoded(enc encoding, err error) *refusal {
	switch {
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return refuse(codeDecompressedTooLarge, fmt.Sprintf("the zstd window is larger than %d bytes: compress at a lower level, without --long or --ultra", maxWindow))
	case errors.Is(err, errWindow):
		return refuse(codeDecompressedTooLarge, fmt.Sprintf("the brotli window is larger than %d bytes: compress with a window of 22 bits (--lgwin=22) and not with --large_window", maxWindow))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return refuse(codeInvalidEncoding, fmt.Sprintf("the %s body is cut off: it ends before its end mark", enc))
	}
	return refuse(codeInvalidEncoding, fmt.Sprintf("the body is not %s all through (%v): send it as it was compressed, with the right Content-Encoding", enc, err))
}
