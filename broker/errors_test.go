package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Class
	}{
		{nil, ClassNone},
		{kafka.DuplicateSequenceNumber, ClassNone},
		{kafka.NotLeaderForPartition, ClassRetriable},
		{kafka.NotEnoughReplicas, ClassRetriable},
		{kafka.KafkaStorageError, ClassRetriable},
		{kafka.RequestTimedOut, ClassAmbiguous},
		{kafka.NotEnoughReplicasAfterAppend, ClassAmbiguous},
		{kafka.Unknown, ClassAmbiguous},
		{kafka.OutOfOrderSequenceNumber, ClassProducer},
		{kafka.InvalidProducerEpoch, ClassProducer},
		{kafka.UnknownProducerId, ClassProducer},
		{kafka.MessageSizeTooLarge, ClassRecord},
		{kafka.InvalidRecord, ClassRecord},
		{kafka.InvalidMessage, ClassRecord},
		{kafka.IllegalGeneration, ClassFenced},
		{kafka.UnknownMemberId, ClassFenced},
		{kafka.FencedInstanceID, ClassFenced},
		{kafka.RebalanceInProgress, ClassFenced},
		{kafka.TopicAuthorizationFailed, ClassFatal},
		{kafka.SASLAuthenticationFailed, ClassFatal},
		{kafka.OffsetOutOfRange, ClassFatal},
		{kafka.Error(999), ClassFatal},
		{codeError(10, "the limit is 5"), ClassRecord},
		{ErrNoRoute, ClassRetriable},
		{ErrNoAnswer, ClassAmbiguous},
		{ErrMalformed, ClassAmbiguous},
		{ErrMetadataTooLong, ClassFatal},
		{ErrCorrupt, ClassFatal},
		{ErrTooLarge, ClassFatal},
		{context.DeadlineExceeded, ClassAmbiguous},
		{context.Canceled, ClassAmbiguous},
		{os.ErrDeadlineExceeded, ClassAmbiguous},
		{io.EOF, ClassAmbiguous},
		{io.ErrUnexpectedEOF, ClassAmbiguous},
		{net.ErrClosed, ClassAmbiguous},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, ClassAmbiguous},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, ClassAmbiguous},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, ClassRetriable},
		{errors.New("something else"), ClassFatal},
	} {
		if got := Classify(c.err); got != c.want {
			t.Errorf("Classify(%v) = %v, want %v", c.err, got, c.want)
		}
		if c.err == nil {
			continue
		}
		if got := Classify(fmt.Errorf("wrapped: %w", fmt.Errorf("twice: %w", c.err))); got != c.want {
			t.Errorf("Classify(wrapped %v) = %v, want %v", c.err, got, c.want)
		}
	}
}

// No code that Kafka itself calls retriable may be fatal to us, if it can meet us at all.
func TestRetriableCodesAreNotFatal(t *testing.T) {
	for code := int16(1); code < 200; code++ {
		franz := kerr.TypedErrorForCode(code)
		if franz == nil || franz == kerr.UnknownServerError || !franz.Retriable {
			continue
		}
		if got := Classify(codeError(code, "")); got == ClassFatal && !allowedFatal[code] {
			t.Errorf("%d %s is retriable in Kafka and fatal to us", code, franz.Message)
		}
	}
}

// allowedFatal are codes of requests that are never sent.
var allowedFatal = map[int16]bool{
	84:  true, // election not needed: an answer to ElectLeaders
	133: true, // share session limit: share groups
}

func TestIsNotLeader(t *testing.T) {
	for _, err := range []error{kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, ErrNoRoute, kafka.UnknownTopicOrPartition, fmt.Errorf("x: %w", kafka.FencedLeaderEpoch)} {
		if !IsNotLeader(err) || Classify(err) != ClassRetriable {
			t.Errorf("IsNotLeader(%v) = %t, class %v", err, IsNotLeader(err), Classify(err))
		}
	}
	for _, err := range []error{nil, io.EOF, kafka.NotEnoughReplicas, kafka.OutOfOrderSequenceNumber} {
		if IsNotLeader(err) {
			t.Errorf("IsNotLeader(%v)", err)
		}
	}
}

func TestClassNames(t *testing.T) {
	seen := make(map[string]bool)
	for c := ClassNone; c <= ClassFatal; c++ {
		if seen[c.String()] || c.String() == "" {
			t.Errorf("class %d is called %q", c, c)
		}
		seen[c.String()] = true
	}
}
