package naive

import (
	"errors"
	"fmt"
	"time"
)

// segmentRequest is the body of /v1/batch.
type segmentRequest struct {
	Batch []segmentEvent `json:"batch"`
}

type segmentEvent struct {
	MessageID   string         `json:"messageId"`
	Type        string         `json:"type"`
	Event       string         `json:"event"`
	Name        string         `json:"name"`
	UserID      string         `json:"userId"`
	AnonymousID string         `json:"anonymousId"`
	GroupID     string         `json:"groupId"`
	PreviousID  string         `json:"previousId"`
	Timestamp   string         `json:"timestamp"`
	Properties  map[string]any `json:"properties"`
	Context     map[string]any `json:"context"`
	Traits      map[string]any `json:"traits"`
}

func (e *segmentEvent) record() record {
	r := record{
		ID: e.MessageID, Type: e.Type, Event: e.Event, UserID: e.UserID, AnonymousID: e.AnonymousID, GroupID: e.GroupID, PreviousID: e.PreviousID,
		Timestamp: e.Timestamp, Properties: e.Properties, Context: e.Context, Traits: e.Traits,
	}
	if r.Event == "" {
		r.Event = e.Name
	}
	return r
}

// nativeRequest is the body of /v1/events.
type nativeRequest struct {
	Events []nativeEvent `json:"events"`
}

type nativeEvent struct {
	ID            string         `json:"id"`
	Type          string         `json:"type"` // absent: track
	Event         string         `json:"event"`
	Name          string         `json:"name"`
	DistinctID    string         `json:"distinct_id"`
	UserID        string         `json:"user_id"`
	AnonymousID   string         `json:"anonymous_id"`
	GroupID       string         `json:"group_id"`
	PreviousID    string         `json:"previous_id"`
	SessionID     string         `json:"session_id"`
	CorrelationID string         `json:"correlation_id"`
	CausationID   string         `json:"causation_id"`
	Hops          int            `json:"hops"`
	Timestamp     string         `json:"ts"`
	Properties    map[string]any `json:"properties"`
	Context       map[string]any `json:"context"`
	Traits        map[string]any `json:"traits"`
	Set           map[string]any `json:"set"`
	SetOnce       map[string]any `json:"set_once"`
}

func (e *nativeEvent) record() record {
	r := record{
		ID: e.ID, Type: e.Type, Event: e.Event, UserID: e.UserID, AnonymousID: e.AnonymousID, GroupID: e.GroupID, PreviousID: e.PreviousID,
		SessionID: e.SessionID, CorrelationID: e.CorrelationID, CausationID: e.CausationID, Hops: e.Hops,
		Timestamp: e.Timestamp, Properties: e.Properties, Context: e.Context, Traits: e.Traits, Set: e.Set, SetOnce: e.SetOnce,
	}
	if r.Type == "" {
		r.Type = "track"
	}
	if r.Event == "" {
		r.Event = e.Name
	}
	if r.UserID == "" {
		r.UserID = e.DistinctID
	}
	return r
}

// record is what goes to Kafka, as JSON.
type record struct {
	ID            string         `json:"id"`
	Type          string         `json:"type"`
	Event         string         `json:"event,omitempty"`
	UserID        string         `json:"user_id,omitempty"`
	AnonymousID   string         `json:"anonymous_id,omitempty"`
	GroupID       string         `json:"group_id,omitempty"`
	PreviousID    string         `json:"previous_id,omitempty"`
	SessionID     string         `json:"session_id,omitempty"`
	CorrelationID string         `json:"correlation_id,omitempty"`
	CausationID   string         `json:"causation_id,omitempty"`
	Hops          int            `json:"hops,omitempty"`
	Timestamp     string         `json:"timestamp,omitempty"`
	ReceivedAt    time.Time      `json:"received_at"`
	RequestID     string         `json:"request_id"`
	Properties    map[string]any `json:"properties,omitempty"`
	Context       map[string]any `json:"context,omitempty"`
	Traits        map[string]any `json:"traits,omitempty"`
	Set           map[string]any `json:"set,omitempty"`
	SetOnce       map[string]any `json:"set_once,omitempty"`
}

// Limits of one event, as the gateway's defaults.
const (
	maxNameBytes  = 200
	maxIDBytes    = 512
	maxProperties = 1000
)

// check says what is wrong with the event, nil when nothing is.
func (r *record) check() error {
	switch r.Type {
	case "track":
		if r.Event == "" {
			return errors.New("event is missing")
		}
	case "identify", "page", "screen", "group", "alias":
	case "":
		return errors.New("type is missing")
	default:
		return fmt.Errorf("type %q is unknown", r.Type)
	}
	if r.UserID == "" && r.AnonymousID == "" {
		return errors.New("userId or anonymousId is missing")
	}
	if len(r.Event) > maxNameBytes {
		return fmt.Errorf("the event's name has %d bytes, %d are allowed", len(r.Event), maxNameBytes)
	}
	for _, id := range []string{r.ID, r.UserID, r.AnonymousID, r.GroupID, r.PreviousID} {
		if len(id) > maxIDBytes {
			return fmt.Errorf("an id has %d bytes, %d are allowed", len(id), maxIDBytes)
		}
	}
	if len(r.Properties) > maxProperties || len(r.Traits) > maxProperties {
		return fmt.Errorf("more than %d properties", maxProperties)
	}
	if r.Timestamp != "" {
		if _, err := time.Parse(time.RFC3339, r.Timestamp); err != nil {
			return fmt.Errorf("timestamp: %w", err)
		}
	}
	return nil
}

// key keeps the events of one user in one partition.
func (r *record) key() string {
	if r.UserID != "" {
		return r.UserID
	}
	return r.AnonymousID
}
