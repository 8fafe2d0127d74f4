package queries

import (
	"context"
	"fmt"
)

// caches are what the server keeps of earlier queries. Servers differ in which they have.
var caches = []string{
	"SYSTEM DROP MARK CACHE", "SYSTEM DROP UNCOMPRESSED CACHE", "SYSTEM DROP INDEX MARK CACHE", "SYSTEM DROP INDEX UNCOMPRESSED CACHE", "SYSTEM DROP MMAP CACHE",
	"SYSTEM DROP PRIMARY INDEX CACHE", "SYSTEM DROP QUERY CONDITION CACHE", "SYSTEM DROP PAGE CACHE",
	"SYSTEM UNLOAD PRIMARY KEY {db}.events", "SYSTEM UNLOAD PRIMARY KEY {db}." + naiveTable,
}

// cooler makes the next query a cold one, as far as it can.
type cooler struct {
	s       *server
	caches  []string // those that this server has
	folders []string // of all parts, which are on this machine; nil: pages stay where they are
	notes   []string // what could not be done
	left    int64    // most bytes that the page cache held on to, -1: the kernel does not tell
}

// newCooler finds out what can be done. Parts must not change any more.
func newCooler(ctx context.Context, s *server) (*cooler, error) {
	c := &cooler{s: s}
	for _, statement := range caches {
		switch err := s.exec(ctx, statement); {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			c.notes = append(c.notes, fmt.Sprintf("the server cannot be made to forget by %q: %v", s.in(statement), err))
		default:
			c.caches = append(c.caches, statement)
		}
	}
	rows, err := s.db.Conn().Query(s.with(ctx, "", map[string]string{"database": s.database}), "SELECT path FROM system.parts WHERE database = {database:String} AND active")
	if err != nil {
		return nil, fmt.Errorf("look for parts: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	for rows.Next() {
		var folder string
		if err := rows.Scan(&folder); err != nil {
			return nil, fmt.Errorf("look for parts: %w", err)
		}
		c.folders = append(c.folders, folder)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for parts: %w", err)
	}
	return c, nil
}

// cool empties the caches.
func (c *cooler) cool(ctx context.Context) error {
	for _, statement := range c.caches {
		if err := c.s.exec(ctx, statement); err != nil {
			return err
		}
	}
	for _, folder := range c.folders {
		left, err := dropPages(folder)
		if err != nil {
			c.notes = append(c.notes, fmt.Sprintf("the pages of the tables' files stay in memory, so cold queries are cold for the server alone: %v", err))
			c.folders = nil
			return nil
		}
		if left < 0 || c.left < 0 {
			c.left = -1
		} else {
			c.left = max(c.left, left)
		}
	}
	return nil
}
