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

	"github.com/millrace/millrace/sink/exact"
)

// errRevoked: the generation has ended, or the time to stop is over. What is not confirmed is on the topic, for the next owner of the partition.
var errRevoked = errors.New("the partition was given back")

// errNoLeader: the partition has no leader at present.
var errNoLeader = errors.New("no leader")

// classify sorts the error of one attempt to INSERT, dialling included. cure is for people, empty where waiting is the cure.
func classify(err error) (c exact.Class, cure string) {
	var exception *ch.Exception
	if errors.As(err, &exception) {
		return classifyCode(exception.Code, exception.Message)
	}
	var netErr net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded):
		return exact.Retriable, "" // sent perhaps; the token makes sending again safe
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrShortWrite), errors.Is(err, net.ErrClosed), errors.As(err, &netErr):
		return exact.Retriable, "" // refused, reset, gone
	case errors.Is(err, ch.ErrClosed):
		return exact.Retriable, "" // dialled again before the next attempt
	}
	return exact.Unknown, keepCure
}

// errTableIsPermanentlyReadOnly is newer than the client's list.
const errTableIsPermanentlyReadOnly proto.Error = 774

func classifyCode(code proto.Error, message string) (c exact.Class, cure string) {
	switch code {
	case proto.ErrTooManyParts:
		// One code, two errors.
		if strings.Contains(strings.ToLower(message), "too many partitions") {
			return exact.Schema, "one INSERT holds rows of one month: PARTITION BY of the table or of a view's target must not be finer"
		}
		return exact.Retriable, "" // merges are behind
	case proto.ErrUnexpectedEndOfFile, // the connection broke under the server
		proto.ErrTimeoutExceeded, proto.ErrSocketTimeout, proto.ErrNetworkError,
		proto.ErrFileDoesntExist, proto.ErrCannotOpenFile, proto.ErrNotEnoughSpace, // the disk is full or fails
		proto.ErrReadonly, proto.ErrTableIsReadOnly, errTableIsPermanentlyReadOnly, // a replica without Keeper, a server in maintenance
		proto.ErrTooManySimultaneousQueries, proto.ErrNoFreeConnection, proto.ErrLimitExceeded, proto.ErrReceivedErrorTooManyRequests,
		proto.ErrQueryWithSameIDIsAlreadyRunning,     // our own former attempt: it must end first
		proto.ErrAborted, proto.ErrQueryWasCancelled, // the server stops, or an operator killed the query
		proto.ErrMemoryLimitExceeded, proto.ErrCannotAllocateMemory, // other queries have it
		proto.ErrNoActiveReplicas, proto.ErrNoAvailableReplica, proto.ErrAllConnectionTriesFailed, proto.ErrTooFewLiveReplicas,
		proto.ErrUnsatisfiedQuorumForPreviousWrite, proto.ErrReplicaIsNotInQuorum, proto.ErrUnknownStatusOfInsert,
		proto.ErrPartIsTemporarilyLocked, proto.ErrTableIsBeingRestarted,
		proto.ErrUnexpectedZookeeperError, proto.ErrKeeperException, proto.ErrSystemError:
		return exact.Retriable, ""
	case proto.ErrNoSuchColumnInTable, proto.ErrUnknownIdentifier, proto.ErrNumberOfColumnsDoesntMatch, proto.ErrIncorrectNumberOfColumns,
		proto.ErrUnknownTable, proto.ErrUnknownDatabase:
		return exact.Schema, "a table or column that this build writes is missing: run `millrace migrate up`"
	case proto.ErrIllegalColumn, proto.ErrUnknownType, proto.ErrTypeMismatch, proto.ErrCannotConvertType, proto.ErrNoCommonType,
		proto.ErrCannotInsertNullInOrdinaryColumn, proto.ErrDecimalOverflow:
		return exact.Schema, "a column has another type than this build writes, or a materialized view fails: run `millrace migrate status`, and look for a view's name in the error"
	case proto.ErrAccessDenied, proto.ErrDatabaseAccessDenied:
		return exact.Schema, "grant the user of clickhouse.username INSERT on the tables"
	case proto.ErrAuthenticationFailed, proto.ErrUnknownUser, proto.ErrWrongPassword, proto.ErrRequiredPassword:
		return exact.Schema, "check clickhouse.username and clickhouse.password_file"
	case proto.ErrUnknownSetting, proto.ErrSettingConstraintViolation, proto.ErrReadonlySetting:
		return exact.Schema, "the server is too old, or the profile of clickhouse.username forbids a setting that inserts rely on"
	case proto.ErrCannotParseText, proto.ErrArgumentOutOfBound, proto.ErrCannotParseNumber, proto.ErrCannotParseDate, proto.ErrCannotParseDatetime,
		proto.ErrTooLargeStringSize, proto.ErrValueIsOutOfRangeOfDataType, proto.ErrViolatedConstraint, proto.ErrFunctionThrowIfValueIsNonZero, proto.ErrIllegalDivision:
		return exact.BadRow, "a constraint or a view does not take a row: it is looked for"
	}
	return exact.Unknown, keepCure
}

const keepCure = "see the error; the block is kept and sent again"
