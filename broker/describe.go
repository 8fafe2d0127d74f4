package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describegroups"
)

// GroupDescription is a consumer group as its coordinator sees it.
type GroupDescription struct {
	State   string // the broker's word, such as Stable, PreparingRebalance, Empty; Dead: there is no such group
	Members []GroupMember
}

// GroupMember is one member of a group.
type GroupMember struct {
	ID       string
	ClientID string
	Host     string // as the broker writes it, such as /10.0.0.7
}

// DescribeGroup asks the coordinator who is in a group. A group that never was has no members and is no error. A member that died is listed until its
// session ends.
func (c *Client) DescribeGroup(ctx context.Context, group string) (GroupDescription, error) {
	m, err := c.groupCall(ctx, group, &describegroups.Request{Groups: []string{group}})
	if err != nil {
		return GroupDescription{}, fmt.Errorf("describe group %s: %w", group, err)
	}
	for _, g := range m.(*describegroups.Response).Groups {
		if g.GroupID != group {
			continue
		}
		switch err := codeError(g.ErrorCode, ""); {
		case errors.Is(err, kafka.GroupIdNotFound):
			return GroupDescription{State: "Dead"}, nil
		case err != nil:
			return GroupDescription{}, fmt.Errorf("describe group %s: %w", group, err)
		}
		d := GroupDescription{State: g.GroupState}
		for _, member := range g.Members {
			d.Members = append(d.Members, GroupMember{ID: member.MemberID, ClientID: member.ClientID, Host: member.ClientHost})
		}
		return d, nil
	}
	return GroupDescription{}, fmt.Errorf("describe group %s: %w", group, ErrNoAnswer)
}
