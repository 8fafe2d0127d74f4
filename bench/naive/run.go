package naive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// Options is how Run serves.
type Options struct {
	Listen string // host:port of HTTP. Default 127.0.0.1:0, any free port.
	Broker string // host:port of a Kafka broker, several separated by commas. Required.
	Topic  string // Default DefaultTopic.
}

// DefaultTopic is not the gateway's, so that both can be counted at one broker.
const DefaultTopic = "naive"

// stopTimeout bounds the wait for requests in flight.
const stopTimeout = 5 * time.Second

// newWriter has the settings that decide about speed and safety:
//
//   - RequireAll, because a 200 promises that the event is not lost; the default, RequireNone, promises nothing.
//   - Hash over the user id, so that a user's events stay in order.
//   - A batch waits 5 ms for company. The default of a second would be the latency of every request, as WriteMessages returns when its batches are written.
//   - 1,000 messages per batch, as many as the largest request brings, and the default of 1 MiB. The default of 100 splits large requests
//     into many exchanges, which costs more CPU per event.
//   - No compression, as the gateway: on a fast network it costs more than it saves.
//   - A transport of its own, whose connections end with the service. It asks for the topic when it is not there yet.
func newWriter(brokers, topic string, transport *kafka.Transport) *kafka.Writer {
	return &kafka.Writer{
		Addr:                   kafka.TCP(strings.Split(brokers, ",")...),
		Topic:                  topic,
		Balancer:               &kafka.Hash{},
		RequiredAcks:           kafka.RequireAll,
		BatchTimeout:           5 * time.Millisecond,
		BatchSize:              1000,
		AllowAutoTopicCreation: true,
		Transport:              transport,
	}
}

// Run serves until ctx ends, which is no error; then it finishes the requests in flight. Once it listens it writes the line "ready ADDRESS" to ready.
func Run(ctx context.Context, o Options, ready io.Writer) error {
	if o.Broker == "" {
		return errors.New("naive: no broker: name one with --broker host:port")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Topic == "" {
		o.Topic = DefaultTopic
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("naive: %w", err)
	}
	transport := &kafka.Transport{ClientID: "naive"}
	defer transport.CloseIdleConnections()
	writer := newWriter(o.Broker, o.Topic, transport)
	server := &http.Server{
		Handler:           (&handler{writer}).routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       75 * time.Second,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	_, err = fmt.Fprintf(ready, "ready %s\n", ln.Addr())
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
			served <- http.ErrServerClosed
		}
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err = errors.Join(err, server.Shutdown(grace), server.Close())
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	if err = errors.Join(err, writer.Close()); err != nil {
		return fmt.Errorf("naive: %w", err)
	}
	return nil
}
