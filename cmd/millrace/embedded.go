package main

import (
	"encoding/json"
	"fmt"
	"log"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/embedded"
	embeddedbroker "github.com/millrace/millrace/cmd/internal/embedded/broker"
	embeddedclickhouse "github.com/millrace/millrace/cmd/internal/embedded/clickhouse"
	"github.com/millrace/millrace/cmd/internal/logging"
)

// newEmbedded is what serve starts its children with. It is of no use to people.
func newEmbedded() *cobra.Command {
	cmd := &cobra.Command{Use: "embedded", Short: "Run one embedded engine (started by serve)", Hidden: true}
	cmd.AddCommand(newEngine("broker", embeddedbroker.ChildMain), newEngine("clickhouse", embeddedclickhouse.ChildMain))
	return cmd
}

// newEngine decodes the engine's configuration and runs its main.
func newEngine[C any](name string, main func(C, *embedded.Life, *slog.Logger) error) *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use:  name,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			life, err := embedded.ChildLife()
			if err != nil {
				return err
			}
			var cfg C
			if err := json.Unmarshal([]byte(text), &cfg); err != nil {
				return fmt.Errorf("decode configuration: %w", err)
			}
			logger := embedded.ChildLogger()
			log.SetFlags(0)
			log.SetOutput(logging.Lines(logger))
			return main(cfg, life, logger)
		},
	}
	cmd.Flags().StringVar(&text, "config-json", "", "configuration")
	return cmd
}
