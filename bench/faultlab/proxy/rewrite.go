package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// errTruncated says that an answer ends too early.
var errTruncated = errors.New("truncated")

// API keys of the answers that name brokers.
const (
	keyMetadata        = 3
	keyFindCoordinator = 10
	keyDescribeCluster = 60
)

func namesBrokers(key int16) bool {
	return key == keyMetadata || key == keyFindCoordinator || key == keyDescribeCluster
}

// appendRewritten appends the answer to r, a whole frame, with the address of every broker replaced, and returns the extended buffer.
func appendRewritten(dst, frame []byte, r request, host string, port int32) ([]byte, error) {
	answer := kmsg.ResponseForKey(r.key)
	if r.version < 0 || r.version > answer.MaxVersion() {
		return dst, fmt.Errorf("known are versions up to %d", answer.MaxVersion())
	}
	answer.SetVersion(r.version)
	head := answerBytes
	if answer.IsFlexible() { // only answers to ApiVersions, which name no broker, have the old header all the same
		n, err := tagBytes(frame[head:])
		if err != nil {
			return dst, err
		}
		head += n
	}
	body := frame[head:]
	if err := answer.ReadFrom(body); err != nil {
		return dst, err
	}
	// What the decoder does not know would be lost without an error.
	start := len(dst)
	if dst = answer.AppendTo(dst); len(dst)-start != len(body) {
		return dst[:start], fmt.Errorf("only %d of its %d bytes are understood", len(dst)-start, len(body))
	}
	redirect(answer, host, port)
	dst = append(dst[:start], frame[:head]...)
	dst = answer.AppendTo(dst)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-sizeBytes))
	return dst, nil
}

// redirect replaces the addresses in a decoded answer.
func redirect(answer kmsg.Response, host string, port int32) {
	switch a := answer.(type) {
	case *kmsg.MetadataResponse:
		for i := range a.Brokers {
			a.Brokers[i].Host, a.Brokers[i].Port = host, port
		}
	case *kmsg.FindCoordinatorResponse:
		// Without a coordinator there is no address: an error must stay one.
		if a.Host != "" {
			a.Host, a.Port = host, port
		}
		for i := range a.Coordinators {
			if c := &a.Coordinators[i]; c.Host != "" {
				c.Host, c.Port = host, port
			}
		}
	case *kmsg.DescribeClusterResponse:
		for i := range a.Brokers {
			a.Brokers[i].Host, a.Brokers[i].Port = host, port
		}
	}
}

// tagBytes returns the size of the tagged fields that b begins with.
func tagBytes(b []byte) (int, error) {
	at := 0
	number := func() uint64 {
		v, n := binary.Uvarint(b[at:])
		if n <= 0 {
			at = len(b) + 1
			return 0
		}
		at += n
		return v
	}
	for tags := number(); tags > 0 && at <= len(b); tags-- {
		_ = number() // which
		if at > len(b) {
			break
		}
		size := number()
		if at > len(b) || size > uint64(len(b)-at) {
			return 0, errTruncated
		}
		at += int(size)
	}
	if at > len(b) {
		return 0, errTruncated
	}
	return at, nil
}
