package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/keys"
	_ "github.com/millrace/millrace/cmd/internal/quiet" // before libraries print
)

// Exit codes, as sysexits.h has them where it has one.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitUnavailable = 69
	exitConfig      = 78
	exitFailed      = 99  // as k6 has it: the load test ran, a threshold failed
	exitAborted     = 105 // as k6 has it: a signal ended the load test
)

func main() {
	err := newRoot().Execute()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "millrace:", err)
	os.Exit(exitCode(err))
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// unavailableError says that something which must run is not reachable.
type unavailableError struct{ error }

func (e unavailableError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var bad *config.Error
	var usage usageError
	var away unavailableError
	var failed failedError
	var aborted abortedError
	switch {
	case errors.As(err, &bad), errors.Is(err, keys.ErrDevKey):
		return exitConfig
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &away):
		return exitUnavailable
	case errors.As(err, &failed):
		return exitFailed
	case errors.As(err, &aborted):
		return exitAborted
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "millrace",
		Short: "High-throughput event ingestion: HTTP in, a durable log in between, ClickHouse out",
		Long: `Millrace takes the events of your SDKs over HTTP, answers 200 only when they are durable in a Kafka-protocol broker, and loads them into ClickHouse.

  millrace serve                     run everything on this machine; the banner prints a key and a curl line
  millrace send "Signed Up" plan=pro post a test event to it
  millrace tail                      watch events arrive; --rejected shows what was refused and why

Configuration: defaults < file < environment (MILLRACE_SECTION__KEY) < flags (--section.key). "millrace config print --all" lists every key with its value and
where that was set.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	})
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "try", Title: "Try and watch:"}, &cobra.Group{ID: "operate", Title: "Operate:"})
	for id, commands := range map[string][]*cobra.Command{
		"run":     {newServe()},
		"try":     {newSend(), newTail(), newDemo(), newBench(), newFaultlab()},
		"operate": {newMigrate(), newMetrics(), newProperties(), newSegments(), newErase(), newSink(), newBackup(), newRestore(), newAccess(), newConnect(), newConfig(), newKeys(), newVersion()},
	} {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	root.AddCommand(newEmbedded())
	misuse(root)
	return root
}

// misuse makes usage errors of what cobra finds wrong with a command's words, which it reports without a type. A command that only groups others, and
// does nothing itself, takes none: its name alone prints the help, an unknown word after it is an error.
func misuse(cmd *cobra.Command) {
	check := cmd.Args
	if cmd.HasSubCommands() {
		if cmd.RunE == nil {
			check = unknownCommand
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			cmd.DisableFlagsInUseLine = true
		}
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
		}
		return nil
	}
	for _, c := range cmd.Commands() {
		misuse(c)
	}
}

// unknownCommand refuses any word.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // cobra's own default, which it sets only where it reports the word itself
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q for %q, did you mean %s?", args[0], cmd.CommandPath(), strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
}

// stopSignals is a context that ends at the first SIGINT or SIGTERM.
func stopSignals() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
}
