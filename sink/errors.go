package sink

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// Why a worker stops before its block is confirmed. The records stay on the topic, for the next owner of the partition.
var (
	// errRevoked: the generation has ended, or the time to stop is over.
	errRevoked = errors.New("the partition was given back")
	// errFenced: the group has a newer generation and does not take this one's commits.
	errFenced = errors.New("fenced by a newer generation")
)

// errNoLeader: the partition has no leader at present.
var errNoLeader = errors.New("no leader")

// class says what a failed INSERT means for its block. In every case the block stays as it is and is sent again with the same token; the classes
// differ in how long to wait and in what to tell whom.
type class uint8

const (
	// classRetriable: the server is busy, starting, full or away. Waiting helps.
	classRetriable class = iota
	// classSchema: a table, a view, a right or a setting does not fit. Somebody must change it; the block waits for that.
	classSchema
	// classUnknown: a code that this list does not have. Treated as retriable, told as an error.
	classUnknown
	numClasses
)

// String returns the class as it stands in metrics.
func (c class) String() string {
	return [...]string{"retriable", "schema", "unknown"}[c]
}

// classify sorts the error of one attempt to INSERT, dialling included. cure is for people, empty where waiting is the cure.
func classify(err error) (c class, cure string) {
	var exception *ch.Exception
	if errors.As(err, &exception) {
		return classifyCode(exception.Code, exception.Message)
	}
	var netErr net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded):
		return classRetriable, "" // sent perhaps; the token makes sending again safe
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrShortWrite), errors.Is(err, net.ErrClosed), errors.As(err, &netErr):
		return classRetriable, "" // refused, reset, gone
	case errors.Is(err, ch.ErrClosed):
		return classRetriable, "" // dialled again before the next attempt
	}
	return classUnknown, keepCure
}

func classifyCode(code proto.Error, message string) (c class, cure string) {
	switch code {
	case proto.ErrTooManyParts:
		// One code, two errors.
		if strings.Contains(strings.ToLower(message), "too many partitions") {
			return classSchema, "one INSERT holds rows of one month: PARTITION BY of the table or of a view's target must not be finer"
		}
		return classRetriable, "" // merges are behind
	case proto.ErrUnexpectedEndOfFile, // the connection broke under the server
		proto.ErrTimeoutExceeded, proto.ErrSocketTimeout, proto.ErrNetworkError,
		proto.ErrFileDoesntExist, proto.ErrCannotOpenFile, proto.ErrNotEnoughSpace, // the disk is full or fails
		proto.ErrReadonly, proto.ErrTableIsReadOnly, // a replica without Keeper, a server in maintenance
		proto.ErrTooManySimultaneousQueries, proto.ErrNoFreeConnection, proto.ErrLimitExceeded, proto.ErrReceivedErrorTooManyRequests,
		proto.ErrQueryWithSameIDIsAlreadyRunning,     // our own former attempt: it must end first
		proto.ErrAborted, proto.ErrQueryWasCancelled, // the server stops, or an operator killed the query
		proto.ErrMemoryLimitExceeded, proto.ErrCannotAllocateMemory, // other queries have it
		proto.ErrNoActiveReplicas, proto.ErrNoAvailableReplica, proto.ErrAllConnectionTriesFailed, proto.ErrTooFewLiveReplicas,
		proto.ErrUnsatisfiedQuorumForPreviousWrite, proto.ErrReplicaIsNotInQuorum, proto.ErrUnknownStatusOfInsert,
		proto.ErrPartIsTemporarilyLocked, proto.ErrTableIsBeingRestarted,
		proto.ErrUnexpectedZookeeperError, proto.ErrKeeperException, proto.ErrSystemError:
		return classRetriable, ""
	case proto.ErrNoSuchColumnInTable, proto.ErrUnknownIdentifier, proto.ErrNumberOfColumnsDoesntMatch, proto.ErrIncorrectNumberOfColumns,
		proto.ErrUnknownTable, proto.ErrUnknownDatabase:
		return classSchema, "a table or column that this build writes is missing: run `millrace migrate up`"
	case proto.ErrIllegalColumn, proto.ErrUnknownType, proto.ErrTypeMismatch, proto.ErrCannotConvertType, proto.ErrNoCommonType,
		proto.ErrCannotInsertNullInOrdinaryColumn, proto.ErrDecimalOverflow:
		return classSchema, "a column has another type than this build writes, or a materialized view fails: run `millrace migrate status`, and look for a view's name in the error"
	case proto.ErrAccessDenied, proto.ErrDatabaseAccessDenied:
		return classSchema, "grant the user of clickhouse.username INSERT on the tables"
	case proto.ErrAuthenticationFailed, proto.ErrUnknownUser, proto.ErrWrongPassword, proto.ErrRequiredPassword:
		return classSchema, "check clickhouse.username and clickhouse.password_file"
	case proto.ErrUnknownSetting, proto.ErrSettingConstraintViolation, proto.ErrReadonlySetting:
		return classSchema, "the server is too old, or the profile of clickhouse.username forbids a setting that inserts rely on"
	}
	return classUnknown, keepCure
}

const keepCure = "see the error; the block is kept and sent again"
