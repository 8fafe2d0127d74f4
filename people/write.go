package people

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/millrace/millrace/people/identity"
	"github.com/millrace/millrace/schema/clickhouse"
)

// override is a row of identity_overrides.
type override struct {
	identity.Key
	person uint64
}

// insert sends one block. Blocks are not known again by the tables when they are repeated: rows are, by their keys; and a block that a table remembers it may nevertheless have lost.
func (s *store) insert(ctx context.Context, into string, fill func(b driver.Batch) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.db.Do(ctx, s.call(nil, clickhouse.PlainInsertSettings()), func(ctx context.Context) error {
		b, err := s.db.Conn().PrepareBatch(ctx, "INSERT INTO "+s.table(into))
		if err != nil {
			return err
		}
		defer b.Close() //nolint:errcheck // Send has told
		if err := fill(b); err != nil {
			return err
		}
		return b.Send()
	})
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// tuple is a place as identity_edges has it.
func tuple(p identity.Place) []any {
	return []any{at(p.TS), p.Log, p.Partition, p.Offset, uuid.UUID(p.EventID)}
}

func (s *store) writeEdges(ctx context.Context, edges map[factKey]*edge) error {
	return s.insert(ctx, "identity_edges (project_id, a_h, b_h, kind, a, b, first, last)", func(b driver.Batch) error {
		for _, e := range edges {
			if err := b.Append(e.Project, e.AH, e.BH, int8(e.Kind), e.a, e.b, tuple(e.First), tuple(e.Last)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *store) writeOperations(ctx context.Context, operations []operation) error {
	return s.insert(ctx, "profile_ops (project_id, subject, subject_h, name, op, slot, id, last)", func(b driver.Batch) error {
		for i := range operations {
			o := &operations[i]
			last := []any{at(o.TS), o.Log, o.Partition, o.Offset, o.Value}
			if err := b.Append(o.Project, int8(o.subject), o.H, o.Name, int8(o.Op), uuid.UUID(o.Slot), o.id, last); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *store) writeOverrides(ctx context.Context, rows []override, version uint64) error {
	return s.insert(ctx, "identity_overrides (project_id, user_h, person_h, version)", func(b driver.Batch) error {
		for _, r := range rows {
			if err := b.Append(r.Project, r.H, r.person, version); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *store) writeProfiles(ctx context.Context, rows []written, version uint64) error {
	return s.insert(ctx, "profiles (project_id, person_h, distinct_id, props, ids, first_at, updated_at, version, is_deleted)", func(b driver.Batch) error {
		for _, r := range rows {
			if err := b.Append(r.Project, r.H, r.id, r.props, uint32(r.ids), at(r.first), at(r.last), version, deleted(r.deleted)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *store) writeGroups(ctx context.Context, rows []written, version uint64) error {
	return s.insert(ctx, "groups (project_id, group_h, group_id, props, first_at, updated_at, version, is_deleted)", func(b driver.Batch) error {
		for _, r := range rows {
			if err := b.Append(r.Project, r.H, r.id, r.props, at(r.first), at(r.last), version, deleted(r.deleted)); err != nil {
				return err
			}
		}
		return nil
	})
}

func deleted(is bool) uint8 {
	if is {
		return 1
	}
	return 0
}

// writeProgress writes all rows in one block, so all or none of them are there.
func (s *store) writeProgress(ctx context.Context, next map[source]uint64, version uint64) error {
	if len(next) == 0 {
		return nil
	}
	return s.insert(ctx, "people_progress (_log, _partition, next, version)", func(b driver.Batch) error {
		for at, n := range next {
			if err := b.Append(at.log, at.partition, n, version); err != nil {
				return err
			}
		}
		return nil
	})
}
