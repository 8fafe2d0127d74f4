package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/cmd/internal/config"
)

// settings adds the configuration to a command: --config, a flag for every key, and load.
type settings struct {
	cmd  *cobra.Command
	file *string
}

// shown are the configuration flags worth a line in --help; the others work and are listed by "config print --all".
var shown = map[string]bool{
	"profile": true, "data": true, "ingest.listen": true, "admin.listen": true, "broker.addresses": true, "clickhouse.addresses": true, "log.level": true,
}

func addSettings(cmd *cobra.Command) settings {
	fs := cmd.Flags()
	s := settings{cmd: cmd, file: fs.StringP("config", "c", "", "configuration file (default: ./millrace.yaml, $XDG_CONFIG_HOME/millrace/, /etc/millrace/)")}
	keys := pflag.NewFlagSet("keys", pflag.ContinueOnError)
	defaults := config.Default()
	config.AddFlags(keys, &defaults)
	keys.VisitAll(func(f *pflag.Flag) { f.Hidden = !shown[f.Name] })
	fs.AddFlagSet(keys)
	return s
}

// load reads the configuration and returns it with the place that each value came from.
func (s settings) load() (config.Config, *config.Report, error) {
	c := config.Default()
	report, err := config.Load(&c, config.Options{File: config.Find(*s.file), Env: os.Environ(), Flags: config.ChangedFlags(s.cmd.Flags())})
	return c, report, err
}
