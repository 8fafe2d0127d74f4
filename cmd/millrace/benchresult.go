package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
)

// benchTables is the result of a benchmark that is read as tables.
type benchTables interface {
	Text(w io.Writer) error
	Markdown(w io.Writer) error
	JSON(w io.Writer) error
}

// printTables writes a result to the standard output and, unless save is empty, to that file as JSON.
func printTables(cmd *cobra.Command, r benchTables, markdown bool, save string) error {
	write := r.Text
	if markdown {
		write = r.Markdown
	}
	err := write(cmd.OutOrStdout())
	if save != "" {
		err = errors.Join(err, writeFile(save, r.JSON))
	}
	return err
}

// benchError gives the error of a benchmark its exit status: wrong is that of answers that cannot be.
func benchError(ctx context.Context, err, wrong error) error {
	switch {
	case ctx.Err() != nil:
		return abortedError{errors.New("ended by a signal")}
	case errors.Is(err, wrong):
		return failedError{err}
	}
	return err
}
