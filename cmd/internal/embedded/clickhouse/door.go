package clickhouse

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"

	"github.com/millrace/millrace/cmd/internal/embedded"
	"github.com/millrace/millrace/cmd/internal/embedded/clickhouse/relay"
)

// enginePorts are those on which the engine listens, for the relay alone.
type enginePorts struct{ EngineHTTPPort, EngineTCPPort int }

// Where enginePorts are looked for: below those that systems give to outgoing connections, of which one could take a port between the look and the engine's
// start.
const (
	firstEnginePort = 20_000
	lastEnginePort  = 32_000
)

// door is what clients come in by: the relay, on the ports that they know.
type door struct {
	*relay.Relay
	ports   enginePorts
	control *control // the way past the relay
}

// openDoor takes the clients' ports; they wait until Run.
func openDoor(cfg Config, who *logins, log *slog.Logger) (*door, error) {
	d := &door{Relay: relay.New(relay.Config{Native: loopback(cfg.TCPPort), HTTP: loopback(cfg.HTTPPort), Accounts: who.accounts()}, log)}
	if err := d.Listen(); err != nil {
		return nil, fmt.Errorf("open the ports for clients: %w", err)
	}
	first := firstEnginePort + rand.IntN(lastEnginePort-firstEnginePort)
	ports, err := embedded.PickPorts(first, first+1)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.ports = enginePorts{EngineHTTPPort: ports[0], EngineTCPPort: ports[1]}
	d.control = newControl(loopback(d.ports.EngineHTTPPort))
	return d, nil
}

// engine is what the relay has to know of it.
func (d *door) engine() relay.Engine {
	return relay.Engine{Native: loopback(d.ports.EngineTCPPort), HTTP: loopback(d.ports.EngineHTTPPort), DatabaseExists: d.control.databaseExists}
}
