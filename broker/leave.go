package broker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// LeaveGroup makes a member leave its group at once, so that the others need not wait for its session to end. A member that
// the group does not know has left already: no error.
func (c *Client) LeaveGroup(ctx context.Context, group, member string) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	req := &leaveRequest{group: group, member: member, clientID: c.cfg.ClientID, correlation: c.correlation.Add(1)}
	res, err := c.roundTrip(ctx, req)
	if err == nil {
		err = res.(*leaveAnswer).err
	}
	if err != nil && !errors.Is(err, kafka.UnknownMemberId) && !errors.Is(err, kafka.GroupIdNotFound) {
		return fmt.Errorf("leave group %s: %w", group, err)
	}
	return nil
}

// leaveRequest is LeaveGroup version 0, which every broker takes, written raw: kafka-go's own type reads the answer's error
// code where later versions have the throttle time, and so never sees an error.
type leaveRequest struct {
	group, member string
	clientID      string
	correlation   int32
}

func (r *leaveRequest) ApiKey() protocol.ApiKey { return protocol.LeaveGroup }

// Group is where the Transport learns which coordinator to ask.
func (r *leaveRequest) Group() string { return r.group }

func (r *leaveRequest) Required(map[protocol.ApiKey]int16) bool { return true }

func (r *leaveRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	b := appendRequest(nil, protocol.LeaveGroup, r.correlation, r.clientID)
	b = appendString(b, r.group)
	b = appendString(b, r.member)
	finishRequest(b, 0)
	f, err := exchangeRaw(rw, b, r.correlation, 1<<10)
	if err != nil {
		return nil, err
	}
	a := &leaveAnswer{err: codeError(f.int16(), "")}
	return a, f.close()
}

type leaveAnswer struct{ err error }

func (*leaveAnswer) ApiKey() protocol.ApiKey { return protocol.LeaveGroup }
