package broker

import (
	"context"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// Destinations other than a broker's id.
const (
	anyBroker  int32 = -1
	controller int32 = -2
)

// call sends a message that kafka-go knows to a broker and returns its answer. It goes round the Transport's cache of
// metadata, its splitting and its waiting. RequestTimeout bounds it.
func (c *Client) call(ctx context.Context, broker int32, req protocol.Message) (protocol.Message, error) {
	return c.exchange(ctx, &brokerCall{rawCall: c.rawCall(req), broker: broker})
}

// groupCall is call to the coordinator of a group.
func (c *Client) groupCall(ctx context.Context, group string, req protocol.Message) (protocol.Message, error) {
	return c.exchange(ctx, &coordinatorCall{rawCall: c.rawCall(req), group: group})
}

func (c *Client) exchange(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	res, err := c.roundTrip(ctx, req)
	if err != nil {
		return nil, err
	}
	return res.(*rawAnswer).Message, nil
}

// roundTrip is the only way to the Transport. ctx must have a deadline: a request without one leaks its connection when the
// broker hangs.
func (c *Client) roundTrip(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	if _, ok := ctx.Deadline(); !ok {
		panic("BUG: request without a deadline")
	}
	return c.transport.RoundTrip(ctx, c.addr, req)
}

func (c *Client) rawCall(req protocol.Message) rawCall {
	return rawCall{req: req, clientID: c.cfg.ClientID, correlation: c.correlation.Add(1)}
}

// rawCall carries a message in a type of its own. The Transport treats some of kafka-go's types specially: it answers
// Metadata from its cache, asks ListOffsets once per partition, and waits without end for created topics to appear.
type rawCall struct {
	req         protocol.Message
	clientID    string
	correlation int32
	version     int16
}

func (r *rawCall) ApiKey() protocol.ApiKey { return r.req.ApiKey() }

// Required is where the Transport tells the versions that the connection's broker and kafka-go have in common.
func (r *rawCall) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[r.req.ApiKey()]
	return true
}

func (r *rawCall) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if p, ok := r.req.(protocol.PreparedMessage); ok {
		p.Prepare(r.version)
	}
	res, err := protocol.RoundTrip(rw, r.version, r.correlation, r.clientID, r.req)
	if err != nil {
		return nil, err
	}
	return &rawAnswer{res}, nil
}

// rawAnswer hides the answer's type from the Transport, for the same reason.
type rawAnswer struct{ protocol.Message }

// brokerCall is routed to a broker.
type brokerCall struct {
	rawCall
	broker int32
}

func (r *brokerCall) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return route(cluster, r.broker)
}

// coordinatorCall is routed to the coordinator of a group.
type coordinatorCall struct {
	rawCall
	group string
}

func (r *coordinatorCall) Group() string { return r.group }

// route finds a broker in the layout of the Transport.
func route(cluster protocol.Cluster, id int32) (protocol.Broker, error) {
	switch id {
	case anyBroker:
		return protocol.Broker{ID: -1}, nil
	case controller:
		if _, ok := cluster.Brokers[cluster.Controller]; !ok {
			return protocol.Broker{ID: -1}, nil // any broker forwards, or says that it is not the controller
		}
		id = cluster.Controller
	}
	b, ok := cluster.Brokers[id]
	if !ok {
		return b, fmt.Errorf("broker %d of %d known: %w", id, len(cluster.Brokers), ErrNoRoute)
	}
	return b, nil
}
