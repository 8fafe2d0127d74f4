package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/datadir"
)

// ports is DATA/run/ports.json: where a running server and its engines listen, each host:port.
type ports struct {
	Ingest         string `json:"ingest,omitempty"`
	Query          string `json:"query,omitempty"`
	Admin          string `json:"admin,omitempty"`
	ClickHouseHTTP string `json:"clickhouse_http,omitempty"`
	ClickHouseTCP  string `json:"clickhouse_tcp,omitempty"`
	Broker         string `json:"broker,omitempty"`
}

func portsFile(run string) string { return filepath.Join(run, "ports.json") }

func (p ports) write(run string) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return datadir.WriteFile(portsFile(run), append(text, '\n'), 0o644)
}

// removePorts says that no server runs.
func removePorts(run string) error {
	if err := os.Remove(portsFile(run)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// runningPorts reads where the server of the data directory listens.
func runningPorts(data string) (p ports, err error) {
	path := portsFile(filepath.Join(data, "run"))
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, unavailableError{fmt.Errorf("no server runs on the data directory %s (%s is missing): start it with `millrace serve`, or name another one with --data", data, path)}
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// locate fills in the addresses of the embedded engines that a running server has started.
func locate(c *config.Config) error {
	if len(c.Broker.Addresses) > 0 && len(c.ClickHouse.Addresses) > 0 {
		return nil
	}
	p, err := runningPorts(c.Data)
	if err != nil {
		return err
	}
	if len(c.Broker.Addresses) == 0 {
		if c.Broker.Addresses, err = runningEngine(c.Data, "broker", p.Broker); err != nil {
			return err
		}
	}
	if len(c.ClickHouse.Addresses) == 0 {
		c.ClickHouse.Addresses, err = runningEngine(c.Data, "clickhouse", p.ClickHouseTCP)
	}
	return err
}

// runningEngine is the address of an engine embedded in the running server, which may have been told to use another.
func runningEngine(data, section, address string) ([]string, error) {
	if address == "" {
		return nil, usageError{fmt.Errorf("the server of the data directory %s has no %s of its own: give the %s.addresses that it was given, or its --config", data, section, section)}
	}
	return []string{address}, nil
}

// openBroker connects to the configured broker or to the embedded one of a running server.
func openBroker(c config.Config) (*broker.Client, error) {
	if len(c.Broker.Addresses) == 0 {
		p, err := runningPorts(c.Data)
		if err != nil {
			return nil, err
		}
		if c.Broker.Addresses, err = runningEngine(c.Data, "broker", p.Broker); err != nil {
			return nil, err
		}
	}
	return broker.New(c.Broker)
}
