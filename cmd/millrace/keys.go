package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/keys"
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Make keys"}
	cmd.AddCommand(newKeysCreate())
	return cmd
}

func newKeysCreate() *cobra.Command {
	var project uint32
	var env string
	var scope []string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key and print it once; only its hash is kept",
		Long: `Makes a key, adds its hash to DATA/keys.yaml and prints it. It cannot be shown again. A running server takes it when it is
started the next time.

A key with scope ingest sends events: it may be public, as those in web pages are. One with scope query sends none: it asks questions and reads all events of its project (POST /v1/query/…): keep it secret. One with scope manage declares segments and erases people: keep it safer still.`,
		Example: `  millrace keys create "web shop" --project 2 --env prod
  millrace keys create "reports" --project 2 --scope query`,
		Args: cobra.ExactArgs(1),
	}
	s := addSettings(cmd)
	cmd.Flags().Uint32Var(&project, "project", 1, "the number of the project that owns the events")
	cmd.Flags().StringVar(&env, "env", "prod", "environment, part of the key's text")
	cmd.Flags().StringSliceVar(&scope, "scope", []string{keys.Ingest.String()}, "what the key may be used for: ingest (send events), query (ask questions), manage (declare segments, erase people); several with commas")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		store, err := keys.Open(c.Data, c.Profile, "")
		if err != nil {
			return err
		}
		scopes, err := keys.ParseScopes(scope)
		if err != nil {
			return usageError{err}
		}
		secret, err := store.Create(args[0], project, env, scopes)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), secret.Reveal())
		return err
	}
	return cmd
}
