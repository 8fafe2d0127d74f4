package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/millrace/millrace/cmd/internal/embedded"
)

// Names of the addresses in the ready line.
const (
	AddrHTTP = "clickhouse_http"
	AddrTCP  = "clickhouse_tcp"
)

// timezone of the engine, given as TZ because `clickhouse local` ignores its configuration key: a machine's own zone must not
// change what a query returns.
const timezone = "UTC"

// ChildMain is the whole life of the child: it locks the folder, starts the engine, reports that both ports answer, and
// returns when the engine has ended. It returns nil when that was asked for by the end of life.
func ChildMain(cfg Config, life *embedded.Life, log *slog.Logger) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	engine, err := Locate(ctx, cfg)
	if err != nil {
		return err
	}
	if engine.Skipped != "" {
		log.Warn("a clickhouse program is not used", "reason", engine.Skipped, "engine", engine)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	lock, err := datadir.Acquire(ctx, filepath.Join(cfg.Dir, "LOCK"), datadir.DefaultWait, log)
	if err != nil {
		return err
	}
	return errors.Join(runEngine(ctx, cfg, engine, lock.File(), life, log), lock.Release())
}

// runEngine runs the engine, and the relay before it, until life ends, or until one of them ends by itself, which is an error.
func runEngine(ctx context.Context, cfg Config, engine Engine, lock *os.File, life *embedded.Life, log *slog.Logger) error {
	who, err := readLogins(cfg)
	if err != nil {
		return err
	}
	door, err := openDoor(cfg, who, log)
	if err != nil {
		return err
	}
	defer door.Close() //nolint:errcheck // closed already unless nobody could come in
	// The name tells our engine from any other that may listen on the port.
	displayName := "millrace-" + strconv.Itoa(os.Getpid())
	configFile, err := writeFiles(cfg, who, door.ports, displayName)
	if err != nil {
		return err
	}
	stop, hold, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make stop pipe: %w", err)
	}
	defer stop.Close() //nolint:errcheck // nothing was written to it

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started := time.Now()
	ended := make(chan error, 1)
	go func() {
		if engine.Binary != "" {
			ended <- runBinary(engine.Binary, arguments(cfg, door.ports, configFile, inheritedFD), stop, lock, life.Done())
		} else {
			ended <- runLibrary(engine.Library, arguments(cfg, door.ports, configFile, int(stop.Fd())))
		}
	}()
	ready := make(chan struct{})
	go func() {
		if door.control.waitReady(ctx, displayName) == nil {
			close(ready)
		}
	}()

	served := make(chan error, 1)
	serving, refuse := context.WithCancel(ctx)
	defer refuse()
	select {
	case err = <-ended:
		return endedEarly(err)
	case <-life.Done():
		served <- nil // never began
	case <-ready:
		go func() { served <- door.Run(serving, door.engine()) }()
		log.Info("engine answers", "engine", engine.String(), "after", time.Since(started).Round(time.Millisecond).String())
		if err := life.Ready(map[string]string{AddrHTTP: loopback(cfg.HTTPPort), AddrTCP: loopback(cfg.TCPPort)}); err != nil {
			return err
		}
		select {
		case err = <-ended:
			return endedEarly(err)
		case err = <-served:
			return fmt.Errorf("clients cannot be served any more: %w", err)
		case <-life.Done():
		}
		refuse()
		if err := door.control.cancelQueries(ctx); err != nil {
			log.Warn("running queries were not cancelled and may delay the stop", "err", err)
		}
	}
	if err := hold.Close(); err != nil {
		return fmt.Errorf("close stop pipe: %w", err)
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("stop engine: %w", err)
	}
	// What the engine said last is on its way to the clients.
	door.EngineEnded()
	if err := <-served; err != nil {
		return fmt.Errorf("stop serving clients: %w", err)
	}
	log.Info("engine stopped")
	return nil
}

func endedEarly(err error) error {
	if err == nil {
		// ClickHouse prints the reason itself when a query fails, such as for a port in use.
		return errors.New("the engine ended by itself; its reason is in the lines above")
	}
	return fmt.Errorf("the engine ended by itself: %w", err)
}

// arguments makes the command line. The native port opens first, so that an answer over HTTP means that both are open.
// The last query reads the stop pipe, through /dev/fd so that no file of that name has to exist, on the side of the local
// session, which needs no grant for it.
func arguments(cfg Config, ports enginePorts, configFile string, stopFD int) []string {
	return []string{
		"--config-file=" + configFile,
		"--path=" + filepath.Join(cfg.Dir, "db"),
		"--listen_host=127.0.0.1",
		"--tcp_port=" + strconv.Itoa(ports.EngineTCPPort),
		"--http_port=" + strconv.Itoa(ports.EngineHTTPPort),
		"--query=SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; " +
			"INSERT INTO FUNCTION null('line String') FROM INFILE '/dev/fd/" + strconv.Itoa(stopFD) + "' FORMAT LineAsString",
	}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
