package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"

	"github.com/segmentio/kafka-go"
)

// Errors of a call.
var (
	// ErrNoRoute says that the wanted broker is not in the layout that the connections follow, because that layout is
	// older than the caller's metadata, or because no broker could be asked yet: Probe says why. Nothing was sent.
	ErrNoRoute = errors.New("no route to the broker")
	// ErrNoAnswer says that a partition of the request is missing in the answer: its outcome is unknown.
	ErrNoAnswer = errors.New("the broker's answer leaves this partition out")
	// ErrMalformed says that an answer does not follow the protocol. The outcome is unknown.
	ErrMalformed = errors.New("malformed answer")
	// ErrTooOld says that the broker offers no version of a request that this package speaks. Nothing was sent.
	ErrTooOld = errors.New("the broker is too old: version 0.11 of the Kafka protocol or later is needed")
	// ErrTopicExists says that CreateTopic found the topic there already.
	ErrTopicExists = errors.New("topic exists")
	// ErrMetadataTooLong says that a commit's metadata exceeds MaxCommitMetadata. Nothing was sent.
	ErrMetadataTooLong = errors.New("metadata of the commit is too long")
	// ErrGroupClosed is returned by Group.Next after Close.
	ErrGroupClosed = kafka.ErrGroupClosed
)

// Class says what an error means for the batch, commit or fetch that met it.
type Class uint8

const (
	// ClassNone: no error.
	ClassNone Class = iota
	// ClassRetriable: not done; the same request may succeed a little later, perhaps at another broker.
	ClassRetriable
	// ClassAmbiguous: the outcome is unknown, or done but not yet safe. Resend exactly the same bytes.
	ClassAmbiguous
	// ClassProducer: the broker does not accept this producer id, epoch or sequence. A new producer id is needed.
	ClassProducer
	// ClassRecord: this batch can never be stored as it is.
	ClassRecord
	// ClassFenced: this member's generation has ended; the commit was not taken.
	ClassFenced
	// ClassFatal: somebody must change a setting or a permission; also every error this table does not know.
	ClassFatal
)

// String returns the class in lower case, as used in metric labels.
func (c Class) String() string {
	switch c {
	case ClassNone:
		return "none"
	case ClassRetriable:
		return "retriable"
	case ClassAmbiguous:
		return "ambiguous"
	case ClassProducer:
		return "producer"
	case ClassRecord:
		return "record"
	case ClassFenced:
		return "fenced"
	default:
		return "fatal"
	}
}

// Classify sorts any error of this package, of a whole call or of one partition, into its class.
func Classify(err error) Class {
	var code kafka.Error
	var dial *net.OpError
	var netErr net.Error
	switch {
	case err == nil:
		return ClassNone
	case errors.As(err, &code):
		return classifyCode(code)
	case errors.Is(err, ErrNoRoute):
		return ClassRetriable // the layout is refreshed in the background; nothing was sent
	case errors.Is(err, ErrNoAnswer), errors.Is(err, ErrMalformed):
		return ClassAmbiguous // the broker may have stored what it did not report
	case errors.Is(err, ErrTooOld), errors.Is(err, ErrMetadataTooLong), errors.Is(err, ErrTopicExists):
		return ClassFatal
	case isCertificateError(err):
		return ClassFatal // waiting does not make a certificate trusted
	case errors.As(err, &dial) && dial.Op == "dial":
		return ClassRetriable // the connection never came to be, so nothing was sent
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded):
		return ClassAmbiguous // sent perhaps, answered perhaps
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &netErr):
		return ClassAmbiguous // a connection lost after the send; a dead idle connection looks the same
	default:
		return ClassFatal
	}
}

// Codes that kafka-go has no name for.
const (
	fencedMemberEpoch kafka.Error = 110
	staleMemberEpoch  kafka.Error = 113
)

func classifyCode(code kafka.Error) Class {
	switch code {
	case 0, kafka.DuplicateSequenceNumber:
		return ClassNone // 46: the broker has the batch already
	case kafka.Unknown:
		// Brokers answer -1 when their own disk or replication failed under them; what they kept is unknown. It passes when
		// the disk has space again.
		return ClassAmbiguous
	case kafka.RequestTimedOut, // appended at the leader, not acknowledged by enough replicas in time
		kafka.NotEnoughReplicasAfterAppend, // appended, but not safe
		kafka.NetworkException:             // the broker lost its own connection to whom it asked
		return ClassAmbiguous
	case kafka.UnknownTopicOrPartition, kafka.UnknownTopicID, kafka.InconsistentTopicID, // metadata still travels after a creation
		kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.BrokerNotAvailable, kafka.ReplicaNotAvailable, // leadership moves
		kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.OffsetNotAvailable, kafka.StaleBrokerEpoch,
		kafka.PreferredLeaderNotAvailable, kafka.EligibleLeadersNotAvailable, kafka.ListenerNotFound,
		kafka.NotEnoughReplicas,                                                                     // refused before the append
		kafka.KafkaStorageError,                                                                     // the leader's disk failed: another replica takes over
		kafka.GroupLoadInProgress, kafka.GroupCoordinatorNotAvailable, kafka.NotCoordinatorForGroup, // the coordinator moves
		kafka.UnstableOffsetCommit,                        // a transaction is still open on the offset
		kafka.NotController, kafka.ReassignmentInProgress, // the controller moves
		kafka.FetchSessionIDNotFound, kafka.InvalidFetchSessionEpoch, kafka.FetchSessionTopicIDError, // never used by us; harmless
		kafka.ThrottlingQuotaExceeded, kafka.ConcurrentTransactions, kafka.Error(107), kafka.Error(108): // wait and ask again
		return ClassRetriable
	case kafka.OutOfOrderSequenceNumber, // the broker lost our state, or a batch before this one is missing
		kafka.InvalidProducerEpoch, kafka.ProducerFenced, // another instance took the id
		kafka.UnknownProducerId, kafka.InvalidProducerIDMapping, // the broker forgot the id
		kafka.InvalidTransactionState: // the id is bound to a transaction that is not ours
		return ClassProducer
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, // over the topic's limit: only smaller batches pass
		kafka.InvalidMessage, kafka.InvalidRecord, kafka.InvalidTimestamp, // the broker refuses the content
		kafka.UnsupportedForMessageFormat, kafka.UnsupportedCompressionType: // the topic's format cannot hold it
		return ClassRecord
	case kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.FencedInstanceID, fencedMemberEpoch, staleMemberEpoch, // an heir exists
		kafka.RebalanceInProgress: // the generation ends now: give the final commit up, the intent goes to the heir
		return ClassFenced
	default:
		// 29-31, 33, 34, 53-55, 58, 61-66 authorisation and SASL; 1 offset out of range; 12 metadata too large; 35 version;
		// 17, 24, 36-40, 42, 44 bad names and arguments; and codes younger than this table.
		return ClassFatal
	}
}

// IsNotLeader tells whether the routes are out of date: call RefreshRoutes and ask Metadata before the next attempt.
func IsNotLeader(err error) bool {
	if errors.Is(err, ErrNoRoute) {
		return true
	}
	var code kafka.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.BrokerNotAvailable, kafka.ReplicaNotAvailable,
		kafka.UnknownTopicOrPartition, kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.KafkaStorageError,
		kafka.UnknownTopicID, kafka.InconsistentTopicID, kafka.ListenerNotFound:
		return true
	default:
		return false
	}
}

// IsOffsetOutOfRange tells whether a fetch asked for an offset that the partition does not hold: trimmed, or of another
// life of the topic.
func IsOffsetOutOfRange(err error) bool { return errors.Is(err, kafka.OffsetOutOfRange) }

func isCertificateError(err error) bool {
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	return errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) ||
		errors.As(err, &header)
}

// codeError turns a code of the wire into an error; 0 and 46 are none. The broker's own message, if any, is kept.
func codeError(code int16, message string) error {
	if code == 0 || kafka.Error(code) == kafka.DuplicateSequenceNumber {
		return nil
	}
	if message == "" {
		return kafka.Error(code)
	}
	return &brokerError{code: kafka.Error(code), message: message}
}

// brokerError is a code with the broker's own explanation.
type brokerError struct {
	code    kafka.Error
	message string
}

func (e *brokerError) Error() string { return e.code.Error() + ": " + e.message }
func (e *brokerError) Unwrap() error { return e.code }
