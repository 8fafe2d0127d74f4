// Command enginehost runs one embedded engine, with the arguments by which millrace runs itself as one:
//
//	enginehost embedded clickhouse --config-json={…}
//
// Tests of packages that may not import the engines build and start it; see package enginetest. It is no part of a release.
package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/millrace/millrace/cmd/internal/embedded"
	"github.com/millrace/millrace/cmd/internal/embedded/broker"
	"github.com/millrace/millrace/cmd/internal/embedded/clickhouse"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 || args[0] != "embedded" {
		return fmt.Errorf("want the arguments: embedded NAME --config-json=JSON")
	}
	config, ok := strings.CutPrefix(args[2], "--config-json=")
	if !ok {
		return fmt.Errorf("want --config-json=JSON, not %q", args[2])
	}
	switch args[1] {
	case "broker":
		return host(config, broker.ChildMain)
	case "clickhouse":
		return host(config, clickhouse.ChildMain)
	default:
		return fmt.Errorf("no engine %q", args[1])
	}
}

// host decodes the engine's configuration and runs its main.
func host[C any](config string, main func(C, *embedded.Life, *slog.Logger) error) error {
	life, err := embedded.ChildLife()
	if err != nil {
		return err
	}
	var cfg C
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		return fmt.Errorf("decode configuration: %w", err)
	}
	return main(cfg, life, embedded.ChildLogger())
}
