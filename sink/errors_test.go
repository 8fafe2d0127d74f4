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
)

func exception(code proto.Error, message string) error {
	return fmt.Errorf("handle packet: %w", &ch.Exception{Code: code, Name: "DB::Exception", Message: message})
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want class
		cure bool
	}{
		{context.DeadlineExceeded, classRetriable, false},
		{fmt.Errorf("canceled: %w", context.Canceled), classRetriable, false},
		{io.EOF, classRetriable, false},
		{ch.ErrClosed, classRetriable, false},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, classRetriable, false},
		{exception(252, "Too many parts (3000 with average size of 1 KiB). Merges are processing significantly slower than inserts"), classRetriable, false},
		{exception(252, "Too many partitions for single INSERT block (more than 100)."), classSchema, true},
		{exception(241, "Memory limit (total) exceeded"), classRetriable, false},
		{exception(216, "Query with id = x is already running."), classRetriable, false},
		{exception(242, "Table is in readonly mode"), classRetriable, false},
		{exception(16, "No such column p_x in table"), classSchema, true},
		{exception(60, "Table millrace.events does not exist"), classSchema, true},
		{exception(81, "Database millrace does not exist"), classSchema, true},
		{exception(53, "Type mismatch"), classSchema, true},
		{exception(497, "Not enough privileges"), classSchema, true},
		{exception(516, "Authentication failed"), classSchema, true},
		{exception(115, "Unknown setting"), classSchema, true},
		{exception(49, "Logical error"), classUnknown, true},
		{exception(10_001, "from the future"), classUnknown, true},
		{errors.New("something else"), classUnknown, true},
	} {
		got, cure := classify(c.err)
		if got != c.want || (cure != "") != c.cure {
			t.Errorf("classify(%v) = %v, cure %q; want %v", c.err, got, cure, c.want)
		}
	}
}

// The list of errors that only waiting cures.
func TestRetriableCodes(t *testing.T) {
	for _, code := range []proto.Error{3, 107, 159, 164, 202, 203, 209, 210, 216, 236, 241, 242, 243, 244, 252, 254, 265, 279, 285, 286, 289, 290, 319, 364, 384, 394, 425, 733, 999} {
		if got, _ := classify(exception(code, "")); got != classRetriable {
			t.Errorf("%v is %v", code, got)
		}
	}
	for _, code := range []proto.Error{16, 20, 44, 47, 53, 60, 70, 349, 386, 407, 497, 516} {
		if got, cure := classify(exception(code, "")); got != classSchema || cure == "" {
			t.Errorf("%v is %v", code, got)
		}
	}
}
