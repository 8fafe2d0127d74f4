package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/millrace/millrace/sink"
)

// Paths of the admin listener by which "millrace sink" speaks with a running sink.
const (
	sinkStatusPath = "/sink"
	sinkResumePath = "/sink/resume"
	sinkRewindPath = "/sink/rewind"
)

// sinkRoutes are the routes of the admin listener that are about the sink; none without one.
func (s *server) sinkRoutes() map[string]http.HandlerFunc {
	if !s.role.sinks() {
		return nil
	}
	return map[string]http.HandlerFunc{
		"GET " + sinkStatusPath: s.withSink(func(w http.ResponseWriter, _ *http.Request, loading *sink.Sink) {
			answer(w, http.StatusOK, loading.Status())
		}),
		"POST " + sinkResumePath: s.withSink(func(w http.ResponseWriter, r *http.Request, loading *sink.Sink) {
			topic, partition, err := partitionOf(r)
			if err == nil {
				err = loading.Resume(topic, partition)
			}
			decided(w, err, 0)
		}),
		"POST " + sinkRewindPath: s.withSink(func(w http.ResponseWriter, r *http.Request, loading *sink.Sink) {
			topic, partition, err := partitionOf(r)
			to := int64(-1)
			if text := r.URL.Query().Get("to"); err == nil && text != "" {
				if to, err = strconv.ParseInt(text, 10, 64); err != nil || to < 0 {
					err = fmt.Errorf("to is %.40q, want an offset", text)
				}
			}
			if err == nil {
				to, err = loading.Rewind(topic, partition, to)
			}
			decided(w, err, to)
		}),
	}
}

// withSink answers 503 as long as the sink is not made.
func (s *server) withSink(f func(http.ResponseWriter, *http.Request, *sink.Sink)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		loading := s.running.Load()
		if loading == nil {
			answer(w, http.StatusServiceUnavailable, sinkAnswer{Error: "the server is starting"})
			return
		}
		f(w, r, loading)
	}
}

// sinkAnswer is what resume and rewind say.
type sinkAnswer struct {
	Error string `json:"error,omitempty"`
	From  int64  `json:"from"`
}

func partitionOf(r *http.Request) (topic string, partition int32, err error) {
	q := r.URL.Query()
	n, err := strconv.ParseInt(q.Get("partition"), 10, 32)
	if err != nil || q.Get("topic") == "" {
		return "", 0, fmt.Errorf("topic is %.80q and partition %.20q, want both", q.Get("topic"), q.Get("partition"))
	}
	return q.Get("topic"), int32(n), nil
}

func decided(w http.ResponseWriter, err error, from int64) {
	switch {
	case err == nil:
		answer(w, http.StatusOK, sinkAnswer{From: from})
	case errors.Is(err, sink.ErrNotAssigned), errors.Is(err, sink.ErrNotParked):
		answer(w, http.StatusConflict, sinkAnswer{Error: err.Error()})
	default:
		answer(w, http.StatusBadRequest, sinkAnswer{Error: err.Error()})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone: nobody to tell
}
