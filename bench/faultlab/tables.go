package faultlab

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/faultlab/stack"
)

// exec runs a statement past the proxies, again while ClickHouse is away. Queries run to their end: the driver ends one by dropping the connection, which the embedded
// ClickHouse may not survive.
func (l *lab) exec(ctx context.Context, statement string) error {
	_, err := persist(ctx, func(one context.Context) (struct{}, error) {
		whole, cancel := context.WithTimeout(context.WithoutCancel(one), storeTimeout)
		defer cancel()
		return struct{}{}, l.db.Conn().Exec(whole, statement)
	})
	if err != nil {
		return fmt.Errorf("%.120s: %w", statement, err)
	}
	return nil
}

// query returns one column of texts.
func (l *lab) query(ctx context.Context, statement string) ([]string, error) {
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	rows, err := l.db.Conn().Query(whole, statement)
	if err != nil {
		return nil, fmt.Errorf("%.120s: %w", statement, err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	var all []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// fill puts names and numbers into a statement.
func fill(statement string, values map[string]string) string {
	for name, v := range values {
		statement = strings.ReplaceAll(statement, "{"+name+"}", v)
	}
	return statement
}

// rowsOfBlock counts the rows of the block that is announced.
const rowsOfBlock = "SELECT toString(count()) FROM {database}.events WHERE _partition = {partition} AND _offset >= {offset}"

// atBlock runs the statements of an injection about the block that a process has under way: {partition}, and {offset}, the first offset that is not confirmed. They must change
// how many rows of the block there are, which what says.
func (l *lab) atBlock(ctx context.Context, in *Injection, hit *stack.Hit) (what string, err error) {
	committed, err := l.motion.committed(ctx)
	if err != nil {
		return "", err
	}
	values := map[string]string{
		"database": labDatabase, "partition": strconv.Itoa(int(hit.Partition)), "offset": strconv.FormatInt(committed[hit.Partition], 10),
		"number": strconv.Itoa(in.Number),
	}
	before, err := l.query(ctx, fill(rowsOfBlock, values))
	if err != nil {
		return "", err
	}
	for _, s := range in.SQL {
		if err := l.exec(ctx, fill(s, values)); err != nil {
			return "", err
		}
	}
	after, err := l.query(ctx, fill(rowsOfBlock, values))
	if err != nil {
		return "", err
	}
	if before[0] == after[0] {
		return "", fmt.Errorf("%w: the block has %s rows as before", errNoBite, after[0])
	}
	return fmt.Sprintf("the block had %s rows, then %s", before[0], after[0]), nil
}

// statement changes something in ClickHouse, waits until the sinks have run into it, and takes it back after Injection.For.
func (l *lab) statement(ctx context.Context, in *Injection) (what string, struck time.Time, err error) {
	values := map[string]string{"database": labDatabase}
	undo := func() error {
		var errs []error
		for _, s := range in.Undo {
			undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
			errs = append(errs, l.exec(undoing, fill(s, values)))
			cancel()
		}
		return errors.Join(errs...)
	}
	l.counters.read(ctx, l.metrics) // what was counted since the last look is no evidence of what follows
	before := l.counters.sum(in.Evidence)
	struck = time.Now()
	for _, s := range in.SQL {
		if err := l.exec(ctx, fill(s, values)); err != nil {
			return "", struck, errors.Join(err, undo())
		}
	}
	moved, err := persist(ctx, func(context.Context) (float64, error) {
		if moved := l.counters.sum(in.Evidence) - before; moved > 0 {
			return moved, nil
		}
		return 0, fmt.Errorf("%s has not moved", in.Evidence)
	})
	if err != nil {
		return "", struck, errors.Join(fmt.Errorf("%w: %w", errNoBite, err), undo())
	}
	err = pause(ctx, in.For)
	return fmt.Sprintf("%.80s: %s moved by %.0f", in.SQL[0], in.Evidence, moved), struck, errors.Join(err, undo())
}
