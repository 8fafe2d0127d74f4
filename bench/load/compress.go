package load

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressor compresses bodies as they leave. It may be used from many goroutines; their encoders are pooled, since one of them takes up to some megabytes.
type compressor struct {
	zstd *zstd.Encoder // nil: gzip
	gzip sync.Pool
}

// newCompressor returns nil for no compression. Both codecs run at their fastest level: the generator shares the machine with what it measures.
func newCompressor(name string) (*compressor, error) {
	switch name {
	case "", "none":
		return nil, nil
	case "gzip":
		c := new(compressor)
		c.gzip.New = func() any {
			w := new(gzipWriter)
			w.Writer, _ = gzip.NewWriterLevel(&w.out, gzip.BestSpeed) // the level is valid
			return w
		}
		return c, nil
	case "zstd":
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithWindowSize(256<<10))
		if err != nil {
			return nil, err
		}
		return &compressor{zstd: enc}, nil
	}
	return nil, fmt.Errorf("compression %q: must be none, gzip or zstd", name)
}

// encoding is the value of Content-Encoding.
func (c *compressor) encoding() string {
	switch {
	case c == nil:
		return ""
	case c.zstd != nil:
		return "zstd"
	}
	return "gzip"
}

// append appends body, compressed, to dst.
func (c *compressor) append(dst, body []byte) []byte {
	if c.zstd != nil {
		return c.zstd.EncodeAll(body, dst)
	}
	w := c.gzip.Get().(*gzipWriter)
	defer c.gzip.Put(w)
	w.out = dst
	w.Reset(&w.out)
	_, _ = w.Write(body) // an appender never fails
	_ = w.Close()
	dst, w.out = w.out, nil
	return dst
}

type gzipWriter struct {
	*gzip.Writer
	out appender
}

// appender is a writer to memory.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}
