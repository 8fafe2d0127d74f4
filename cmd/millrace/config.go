package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Print or check the configuration"}
	cmd.AddCommand(newConfigPrint(), newConfigValidate())
	return cmd
}

func newConfigPrint() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the configuration in force, each value with its origin, secrets masked",
		Args:  cobra.NoArgs,
	}
	s := addSettings(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "also what has its default")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, report, err := s.load()
		if err != nil {
			return err
		}
		return report.WriteYAML(cmd.OutOrStdout(), all)
	}
	return cmd
}

func newConfigValidate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration and report every problem at once (exit status 78)",
		Args:  cobra.NoArgs,
	}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, report, err := s.load()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "configuration is valid (%s)\n", report.Sources())
		return err
	}
	return cmd
}
