package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/segmentio/kafka-go/protocol"
)

// appendRequest appends the header of a request, version 1 (not flexible). Its size and version are filled in by
// finishRequest.
func appendRequest(dst []byte, key protocol.ApiKey, correlation int32, clientID string) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(key))
	dst = append(dst, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlation))
	return appendString(dst, clientID)
}

func finishRequest(b []byte, version int16) {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	binary.BigEndian.PutUint16(b[6:], uint16(version))
}

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

func appendInt32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }

func appendInt64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

// increment adds one to the length of an array that is written before its elements are counted.
func increment(b []byte) { binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)+1) }

// exchangeRaw writes a finished request in one write and opens the answer to it.
func exchangeRaw(rw io.ReadWriter, request []byte, correlation int32, maxBytes int) (*frame, error) {
	if _, err := rw.Write(request); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	f := &frame{r: rw, left: 8}
	size, id := f.int32(), f.int32()
	switch {
	case f.err != nil:
		return nil, f.err
	case size < 4 || int(size) > maxBytes:
		return nil, fmt.Errorf("%w: it says %d bytes, %d are allowed", ErrMalformed, size, maxBytes)
	case id != correlation:
		return nil, fmt.Errorf("%w: it belongs to request %d, not %d", ErrMalformed, id, correlation)
	}
	f.left = int(size) - 4
	return f, nil
}

// frame reads the fields of an answer from a connection. After an error all fields are zero.
type frame struct {
	r       io.Reader
	left    int
	err     error
	scratch [8]byte
}

func (f *frame) take(n int) []byte {
	b := f.scratch[:n]
	f.read(b)
	return b
}

// read fills b; with zeros after an error.
func (f *frame) read(b []byte) {
	if f.err == nil && len(b) > f.left {
		f.fail("it is cut off")
	}
	if f.err == nil {
		if _, err := io.ReadFull(f.r, b); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			f.err = fmt.Errorf("receive: %w", err)
		}
	}
	if f.err != nil {
		clear(b)
		return
	}
	f.left -= len(b)
}

func (f *frame) int16() int16 { return int16(binary.BigEndian.Uint16(f.take(2))) }
func (f *frame) int32() int32 { return int32(binary.BigEndian.Uint32(f.take(4))) }
func (f *frame) int64() int64 { return int64(binary.BigEndian.Uint64(f.take(8))) }

// string reads a string; null is empty.
func (f *frame) string() string {
	n := int(f.int16())
	if n <= 0 || f.err != nil {
		return ""
	}
	b := f.bytes(n)
	return string(b)
}

// bytes reads n bytes into memory of their own. What is not there is not allocated.
func (f *frame) bytes(n int) []byte {
	if n < 0 || n > f.left {
		f.fail("it is cut off")
		return nil
	}
	b := make([]byte, n)
	f.read(b)
	if f.err != nil {
		return nil
	}
	return b
}

// count reads the length of an array whose elements take at least size bytes; null is empty.
func (f *frame) count(size int) int {
	n := int(f.int32())
	if n == -1 {
		return 0
	}
	if n < 0 || n > math.MaxInt32/size || n*size > f.left {
		f.fail("an array is longer than the answer")
		return 0
	}
	return n
}

func (f *frame) fail(what string) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: %s", ErrMalformed, what)
	}
}

// close reads what is left, so that the connection can be used again.
func (f *frame) close() error {
	if f.err == nil && f.left > 0 {
		if _, err := io.CopyN(io.Discard, f.r, int64(f.left)); err != nil {
			f.err = fmt.Errorf("receive: %w", err)
		}
		f.left = 0
	}
	return f.err
}
