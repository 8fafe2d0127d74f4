package ingest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// bodySlack is the room behind a body for what decoding appends, so that it rarely has to move.
	bodySlack = 512
	// firstRoom is what a body may hold before more of it has arrived; then its room doubles. A declared length is not trusted with memory.
	firstRoom = 16 << 10
)

// charge takes n more bytes for the request out of the budgets.
func (r *request) charge(n int64) *refusal {
	s := r.s
	if r.guest && !s.guests.take(source(r.addr), n) {
		if r.charged+n > s.cfg.MaxUnauthenticatedBytes {
			return refuse(codeTooLarge, fmt.Sprintf(
				"the body needs more than the %d bytes that a request may have before its key is known (limit ingest.max_unauthenticated_bytes): send the key in the Authorization header, or smaller batches",
				s.cfg.MaxUnauthenticatedBytes))
		}
		return refuse(codeRateLimited, fmt.Sprintf(
			"bodies without a key in their header hold more than %d bytes for this address (limit ingest.max_unauthenticated_bytes): send the key in the Authorization header, or retry later",
			s.cfg.MaxUnauthenticatedBytes))
	}
	if !s.bodies.take(n) {
		if r.guest {
			s.guests.take(source(r.addr), -n)
		}
		return refuse(codeOverloaded, fmt.Sprintf("the bodies of all requests together would hold more than %d bytes (limit ingest.max_inflight_bytes): retry later", s.cfg.MaxInflightBytes))
	}
	r.charged += n
	return nil
}

// pace moves the read deadline along with what has arrived: BodyTimeout, and a second more for each MinBodyBytesPerSecond. The deadline that was set when the header
// arrived is enough for bodies that come in one go.
type pace struct {
	r        *request
	deadline time.Time
}

func (p *pace) arrived(n int) {
	cfg := &p.r.s.cfg
	earned := time.Duration(float64(n) / float64(cfg.MinBodyBytesPerSecond) * float64(time.Second))
	if next := p.r.start.Add(cfg.BodyTimeout + earned); next.Sub(p.deadline) >= time.Second {
		p.deadline = next
		_ = p.r.ctx.SetReadDeadline(next) // a connection that cannot fails its next read
	}
}

// readBody reads the body as sent into the batch's buffer.
func (r *request) readBody() *refusal {
	stream := r.ctx.RequestBodyStream()
	if stream == nil || !r.hasBody {
		r.read = true
		return nil
	}
	buf := r.batch.Buf[:0]
	length := int64(r.ctx.Request.Header.ContentLength())
	most := r.s.cfg.MaxBodyBytes + 1 // one byte above the limit tells a body that is too large from one that just fits
	if length >= 0 {
		most = length
	}
	room := min(firstRoom, most)
	p := pace{r, r.start.Add(r.s.cfg.BodyTimeout)}
	for {
		if refused := r.charge(room - r.charged); refused != nil {
			return refused
		}
		buf = slices.Grow(buf, int(room)-len(buf)+bodySlack)
		for int64(len(buf)) < room {
			n, err := stream.Read(buf[len(buf):room])
			buf = buf[:len(buf)+n]
			r.batch.Buf = buf
			p.arrived(len(buf))
			if errors.Is(err, io.EOF) && (length < 0 || int64(len(buf)) == length) {
				return r.arrived()
			}
			if err != nil {
				return r.broken(err, len(buf), length)
			}
		}
		switch {
		case room < most:
			room = min(2*room, most)
		case length >= 0:
			return r.arrived()
		default:
			refused := r.tooLarge(fmt.Sprintf("the chunked body has %d bytes or more", len(buf)))
			refused.close = true
			return refused
		}
	}
}

// arrived ends the reading of a complete body.
func (r *request) arrived() *refusal {
	r.read = true
	r.size = len(r.batch.Buf)
	r.s.gauges.bodyBytes.Add(r.size)
	return nil
}

// broken says why a body did not arrive. The connection cannot be used any more.
func (r *request) broken(err error, got int, length int64) *refusal {
	cfg := &r.s.cfg
	var timeout net.Error
	var refused *refusal
	switch {
	case errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, fasthttp.ErrTimeout):
		refused = refuse(codeTimeout, fmt.Sprintf("%d bytes of the body arrived in %v (limits ingest.body_timeout %v and ingest.min_body_bytes_per_second %d)",
			got, time.Since(r.start).Round(time.Millisecond), cfg.BodyTimeout, cfg.MinBodyBytesPerSecond))
		r.read = true // nothing more is coming that is worth waiting for
	case errors.Is(err, io.EOF) && length >= 0, errors.Is(err, io.ErrUnexpectedEOF):
		refused = refuse(codeInvalidFraming, fmt.Sprintf("the connection ended after %d bytes of the body, before its end", got))
	default:
		refused = refuse(codeInvalidFraming, "the body's chunks are not as RFC 9112 §7.1 has them")
	}
	refused.close = true
	return refused
}
