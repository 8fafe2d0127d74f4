package custom

import (
	"context"
	"errors"
	"fmt"
)

// mostDoublings bounds the room for growth.
const mostDoublings = 6

// attach makes table and view of a new build, whose boundary leaves room for growth, and for twice as much with each time that it was outrun. nil: it was outrun again, and why.
func (b *builder) attach(ctx context.Context, outrun int) (r *record, why string, err error) {
	if !b.tried {
		if err := b.try(ctx); err != nil {
			return nil, "", err
		}
		b.tried = true
	}
	name := b.rollup.definition.Name
	now, err := b.observe(ctx)
	if err != nil || now.log != b.first.log {
		b.first = ends{}
		return nil, "the topic was made anew", err
	}
	records, err := b.records(ctx, name)
	if err != nil {
		return nil, "", err
	}
	r = &record{
		name: name, build: 1, phase: attaching, definition: encode(b.rollup.definition), rollup: b.rollup.describe(), fingerprint: b.rollup.fingerprint(),
		boundary: ahead(b.first, now, b.pace.lead<<min(outrun, mostDoublings)),
	}
	for i := range records {
		r.build = max(r.build, records[i].build+1)
	}
	// Noted first, so that what is made is found by whoever cleans up.
	if err := b.write(ctx, r); err != nil {
		return nil, "", err
	}
	b.step(stepChosen)
	b.tell(Progress{What: fmt.Sprintf("makes table %s and its view", r.table())})
	if err := b.make(ctx, r); err != nil {
		return nil, "", errors.Join(err, b.leave(ctx, r))
	}
	// Whatever is at or above the boundary from now on was not in the topic when the view was made.
	if now, err = b.topic.read(ctx, false); err != nil {
		return nil, "", errors.Join(err, b.leave(ctx, r))
	}
	if why, ok := r.boundary.within(now); !ok {
		return nil, why, b.abandon(ctx, r, why)
	}
	r.phase = waiting
	if err := b.write(ctx, r); err != nil {
		return nil, "", errors.Join(err, b.leave(ctx, r))
	}
	b.step(stepWaiting)
	return r, "", nil
}

// observe returns where the topic ends, some time after b.first. It is observed for as long as it outruns boundaries: a partition that gets an event now and then is seen to grow at last.
func (b *builder) observe(ctx context.Context) (now ends, err error) {
	b.tell(Progress{What: "measures how fast the topic grows"})
	if b.first.held == nil {
		if b.first, err = b.topic.read(ctx, false); err != nil {
			return now, err
		}
	}
	if err := pause(ctx, b.pace.sample); err != nil {
		return now, err
	}
	return b.topic.read(ctx, false)
}

// make makes the table and then the view, and notes the table's id in r.
func (b *builder) make(ctx context.Context, r *record) error {
	database := b.db.Database()
	if err := b.exec(ctx, b.rollup.createTable(database+"."+r.table()), nil); err != nil {
		return fmt.Errorf("make table %s: %w", r.table(), err)
	}
	b.step(stepTable)
	there, err := b.relations(ctx, database, r.table())
	if err != nil {
		return err
	}
	r.tableID = there[r.table()].id
	if err := b.exec(ctx, b.rollup.createView(database, r.build, r.boundary.view()), nil); err != nil {
		return fmt.Errorf("make view %s: %w", r.view(), err)
	}
	b.step(stepView)
	return nil
}

// leave gives up a build that was being attached, also when ctx has ended, so that no view stays that nobody needs. What it cannot do the next Apply does.
func (b *builder) leave(ctx context.Context, r *record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if err := b.abandon(ctx, r, "given up while it was attached"); err != nil && !errors.Is(err, ErrTaken) {
		return err
	}
	return b.clean(ctx, r.name)
}
