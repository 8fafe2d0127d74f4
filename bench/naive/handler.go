package naive

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
)

// maxBodyBytes is the gateway's default.
const maxBodyBytes = 20 << 20

// handler takes events in.
type handler struct {
	writer *kafka.Writer
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/batch", h.segment)
	mux.HandleFunc("POST /v1/events", h.native)
	return mux
}

func (h *handler) segment(w http.ResponseWriter, r *http.Request) {
	var body segmentRequest
	if !decode(w, r, &body) {
		return
	}
	records := make([]record, len(body.Batch))
	for i := range body.Batch {
		records[i] = body.Batch[i].record()
	}
	h.take(w, r, records)
}

func (h *handler) native(w http.ResponseWriter, r *http.Request) {
	var body nativeRequest
	if !decode(w, r, &body) {
		return
	}
	records := make([]record, len(body.Events))
	for i := range body.Events {
		records[i] = body.Events[i].record()
	}
	h.take(w, r, records)
}

// decode answers a body that is no JSON of that shape.
func decode(w http.ResponseWriter, r *http.Request, body any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes)).Decode(body)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &tooLarge):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
	default:
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return false
}

// reply is the answer to a request whose body could be read.
type reply struct {
	Success   bool     `json:"success"`
	RequestID string   `json:"request_id"`
	Accepted  int      `json:"accepted"`
	Rejected  int      `json:"rejected"`
	Results   []result `json:"results"`
}

// result is one event that was refused.
type result struct {
	Index  int    `json:"index"`
	ID     string `json:"id,omitempty"`
	Result string `json:"result"`
	Detail string `json:"detail"`
}

// take checks, completes and writes the events, and answers.
func (h *handler) take(w http.ResponseWriter, r *http.Request, records []record) {
	if len(records) == 0 {
		http.Error(w, "there is no event in it", http.StatusBadRequest)
		return
	}
	answer := reply{RequestID: uuid.NewString(), Results: []result{}}
	now := time.Now().UTC()
	messages := make([]kafka.Message, 0, len(records))
	for i := range records {
		e := &records[i]
		if err := e.check(); err != nil {
			answer.Results = append(answer.Results, result{Index: i, ID: e.ID, Result: "drop", Detail: err.Error()})
			continue
		}
		if e.ID == "" {
			e.ID = uuid.NewString()
		}
		e.ReceivedAt = now
		e.RequestID = answer.RequestID
		value, err := json.Marshal(e)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		messages = append(messages, kafka.Message{Key: []byte(e.key()), Value: value, Time: now})
	}
	if len(messages) > 0 {
		if err := h.writer.WriteMessages(r.Context(), messages...); err != nil {
			w.Header().Set("Retry-After", "1")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	answer.Accepted, answer.Rejected = len(messages), len(answer.Results)
	answer.Success = answer.Accepted > 0
	w.Header().Set("Content-Type", "application/json")
	if !answer.Success {
		w.WriteHeader(http.StatusBadRequest)
	}
	_ = json.NewEncoder(w).Encode(answer) // else the client is gone
}
