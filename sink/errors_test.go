package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/sink/exact"
)

func exception(code proto.Error, message string) error {
	return fmt.Errorf("handle packet: %w", &ch.Exception{Code: code, Name: "DB::Exception", Message: message})
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want exact.Class
		cure bool
	}{
		{context.DeadlineExceeded, exact.Retriable, false},
		{fmt.Errorf("canceled: %w", context.Canceled), exact.Retriable, false},
		{io.EOF, exact.Retriable, false},
		{ch.ErrClosed, exact.Retriable, false},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, exact.Retriable, false},
		{exception(252, "Too many parts (3000 with average size of 1 KiB). Merges are processing significantly slower than inserts"), exact.Retriable, false},
		{exception(252, "Too many partitions for single INSERT block (more than 100)."), exact.Schema, true},
		{exception(241, "Memory limit (total) exceeded"), exact.Retriable, false},
		{exception(216, "Query with id = x is already running."), exact.Retriable, false},
		{exception(242, "Table is in readonly mode"), exact.Retriable, false},
		{exception(16, "No such column p_x in table"), exact.Schema, true},
		{exception(60, "Table millrace.events does not exist"), exact.Schema, true},
		{exception(81, "Database millrace does not exist"), exact.Schema, true},
		{exception(53, "Type mismatch"), exact.Schema, true},
		{exception(497, "Not enough privileges"), exact.Schema, true},
		{exception(516, "Authentication failed"), exact.Schema, true},
		{exception(115, "Unknown setting"), exact.Schema, true},
		{exception(469, "Constraint `c` for table millrace.events is violated at row 3"), exact.BadRow, true},
		{exception(395, "Value passed to 'throwIf' function is non-zero"), exact.BadRow, true},
		{exception(49, "Logical error"), exact.Unknown, true},
		{exception(10_001, "from the future"), exact.Unknown, true},
		{errors.New("something else"), exact.Unknown, true},
	} {
		got, cure := classify(c.err)
		if got != c.want || (cure != "") != c.cure {
			t.Errorf("classify(%v) = %v, cure %q; want %v", c.err, got, cure, c.want)
		}
	}
}

// The list of errors that only waiting cures.
func TestRetriableCodes(t *testing.T) {
	for _, code := range []proto.Error{3, 107, 159, 164, 202, 203, 209, 210, 216, 236, 241, 242, 243, 244, 252, 254, 265, 279, 285, 286, 289, 290, 319, 364, 384, 394, 425, 733, 774, 999} {
		if got, _ := classify(exception(code, "")); got != exact.Retriable {
			t.Errorf("%v is %v", code, got)
		}
	}
	for _, code := range []proto.Error{16, 20, 44, 47, 53, 60, 70, 349, 386, 407, 497, 516} {
		if got, cure := classify(exception(code, "")); got != exact.Schema || cure == "" {
			t.Errorf("%v is %v", code, got)
		}
	}
}
