package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/connect"
	"github.com/millrace/millrace/schema/clickhouse/access"
)

func newConnect() *cobra.Command {
	var project uint32
	var show, asJSON, only bool
	var names, lines []string
	for _, t := range connect.Tools() {
		names = append(names, t.Name)
		lines = append(lines, fmt.Sprintf("  %-18s %s", t.Name, t.Short))
	}
	cmd := &cobra.Command{
		Use:   "connect TOOL",
		Short: "Print how to open the tables with a tool, filled in for this instance",
		Long:  "Prints a recipe with host, port, database and user of this instance. The account reads one project and changes nothing. Tools:\n\n" + strings.Join(lines, "\n"),
		Example: `  millrace connect clickhouse-client
  millrace connect grafana --show-password > millrace.txt
  millrace connect --password`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: names,
	}
	s := addSettings(cmd)
	fs := cmd.Flags()
	fs.Uint32Var(&project, "project", 1, "number of the project")
	fs.BoolVar(&show, "show-password", false, "put the password into the recipe, instead of the command that prints it")
	fs.BoolVar(&only, "password", false, "print the password and nothing else")
	fs.BoolVar(&asJSON, "json", false, "print the recipe as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		user := fmt.Sprintf("p%d_analyst", project)
		out := cmd.OutOrStdout()
		if only {
			password, err := analystPassword(&c, user)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(out, password)
			return err
		}
		if len(args) == 0 {
			return usageError{fmt.Errorf("name a tool: %s", strings.Join(names, ", "))}
		}
		// This program, --data and --project as they were given, so that the command works from the same folder.
		command := os.Args[0] + " connect --password"
		if fs.Changed("data") {
			command += " --data " + fmt.Sprintf("%q", c.Data)
		}
		if project != 1 {
			command += fmt.Sprintf(" --project %d", project)
		}
		i := connect.Instance{TLS: c.ClickHouse.TLS.Enabled, Database: access.ViewsDatabase(c.ClickHouse.Database), User: user, PasswordCommand: command}
		if projects, err := keyProjects(&c); err == nil && len(projects) > 0 && !slices.Contains(projects, project) {
			cmd.PrintErrf("note: no key in %s is of project %d, so its account may not exist; projects with keys: %v\n", c.Data, project, projects)
		}
		if show {
			i.Password = func() (string, error) { return analystPassword(&c, user) }
		}
		if len(c.ClickHouse.Addresses) > 0 {
			i.Native = c.ClickHouse.Addresses[0]
			_, i.HTTP, _ = strings.Cut(clickHouseURLs(&c, "")[0], "://")
		} else {
			p, err := runningPorts(c.Data)
			if err != nil {
				return err
			}
			i.Native, i.HTTP = p.ClickHouseTCP, p.ClickHouseHTTP
		}
		r, err := connect.For(args[0], i)
		switch {
		case errors.Is(err, connect.ErrUnknownTool), errors.Is(err, connect.ErrNoAddress):
			return usageError{err}
		case err != nil:
			return err
		case asJSON:
			e := json.NewEncoder(out)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			return e.Encode(r)
		}
		return r.Text(out)
	}
	return cmd
}
