package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/people/segment"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// buildNow asks for builds and waits until their members can be read.
func buildNow(ctx context.Context, out io.Writer, store *segment.Store, project uint32, all []*question.Segment) error {
	// All are asked for before the first is waited for: those that others refer to are then built first.
	ids := make([]schema.UUID, len(all))
	for i, one := range all {
		var err error
		if ids[i], err = store.Request(ctx, project, one.Name); err != nil {
			return err
		}
	}
	display := newDisplay(0)
	defer display.Done()
	for i, one := range all {
		display.Phase(one.Name+": waits for its build; a server must run", uint64(i), uint64(len(all)))
		b, err := awaitBuild(ctx, store, project, one.Name, ids[i], func(what string) { display.Phase(one.Name+": "+what, uint64(i), uint64(len(all))) })
		switch {
		case err != nil && ctx.Err() != nil:
			return abortedError{fmt.Errorf("%w; the build goes on without you", err)}
		case err != nil:
			return err
		case b.State == segment.Failed:
			return failedError{fmt.Errorf("segment %s could not be built: %s", one.Name, b.Note)}
		}
		if _, err := fmt.Fprintf(out, "segment %s has %d members, %d entered and %d left; built in %v with %.1f MiB\n", one.Name, b.Size, b.Entered, b.Left, b.Took, float64(b.Memory)/(1<<20)); err != nil {
			return err
		}
	}
	return nil
}

// lookForBuild is the pause between two looks at a build.
const lookForBuild = 200 * time.Millisecond

// awaitBuild waits for the end of a build, or of the one that takes its place when its leader has ended.
func awaitBuild(ctx context.Context, store *segment.Store, project uint32, name string, id schema.UUID, tell func(string)) (segment.Build, error) {
	tick := time.NewTicker(lookForBuild)
	defer tick.Stop()
	for {
		b, there, err := store.Build(ctx, project, name, id)
		switch {
		case err != nil:
			return b, err
		case !there:
			return b, fmt.Errorf("%w: %q was dropped while it was waited for", segment.ErrUnknown, name)
		case b.Replaced():
			next, ok, err := store.Follow(ctx, b)
			if err != nil {
				return b, err
			}
			if ok {
				id = next.ID
			}
		case b.State != segment.Building:
			return b, nil
		case b.Begun():
			tell(fmt.Sprintf("is being built, %v so far", time.Since(b.At).Round(time.Second)))
		}
		select {
		case <-ctx.Done():
			return b, ctx.Err()
		case <-tick.C:
		}
	}
}
