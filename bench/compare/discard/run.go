package discard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Options is how Run serves.
type Options struct {
	Listen     string // host:port of the Kafka protocol. Default 127.0.0.1:0, any free port.
	Count      string // host:port of GET /count. Default 127.0.0.1:0.
	Partitions int    // of every topic. Default 12.
}

// DefaultPartitions is what Options.Partitions means when it is 0: the same as of a topic that millrace creates on a cluster.
const DefaultPartitions = 12

// Counts is the answer to GET /count.
type Counts struct {
	Topics  map[string]Count `json:"topics"`
	Refused uint64           `json:"refused"` // record sets that are no v2 batches
}

// Run serves until ctx ends, which is no error. Once both listeners are open it writes the line "ready ADDRESS COUNT-ADDRESS" to ready.
func Run(ctx context.Context, o Options, ready io.Writer) error {
	if o.Partitions == 0 {
		o.Partitions = DefaultPartitions
	}
	broker, err := New(o.Partitions)
	if err != nil {
		return fmt.Errorf("discard: %w", err)
	}
	var listeners [2]net.Listener
	for i, address := range []string{o.Listen, o.Count} {
		if address == "" {
			address = "127.0.0.1:0"
		}
		if listeners[i], err = new(net.ListenConfig).Listen(ctx, "tcp", address); err != nil {
			if i > 0 {
				err = errors.Join(err, listeners[0].Close())
			}
			return fmt.Errorf("discard: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(Counts{Topics: broker.Counts(), Refused: broker.Refused()}) // else the client is gone
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		err := server.Serve(listeners[1])
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		served <- err
		cancel() // neither is of use without the other
	}()
	_, err = fmt.Fprintf(ready, "ready %s %s\n", listeners[0].Addr(), listeners[1].Addr())
	if err != nil {
		cancel()
	}
	err = errors.Join(err, broker.Run(ctx, listeners[0]), server.Close(), <-served)
	if err != nil {
		return fmt.Errorf("discard: %w", err)
	}
	return nil
}
