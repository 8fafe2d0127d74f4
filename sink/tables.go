package sink

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/internal/retry"
	"github.com/millrace/millrace/sink/dedup"
	"github.com/millrace/millrace/sink/exact"
)

// tables asks ClickHouse about the rows of one partition of a topic, and mends them. It has a connection of its own. Not safe for concurrent use.
type tables struct {
	conn      conn
	topic     topic
	partition int32
	staging   string // database
	// replicated are those of the tables that are read which have replicas; nil: not known yet.
	replicated []string
	staged     string // the staging table in use
	stagings   int    // how many were made
}

// where selects the rows of the partition.
func (t *tables) where() string {
	return fmt.Sprintf("_log = %d AND _partition = %d", t.topic.log, t.partition)
}

// number runs a query of one number.
func (t *tables) number(ctx context.Context, body string) (n int64, err error) {
	var col proto.ColInt64
	err = t.conn.query(ctx, ch.Query{
		Body: body, Result: proto.Results{{Name: "n", Data: &col}},
		OnResult: func(context.Context, proto.Block) error {
			for _, v := range col {
				n = v
			}
			return nil
		},
	})
	return n, err
}

// caughtUp waits until this replica of the table, and of those that say what was erased from it, has what every other one has; without replication it has nothing to wait
// for. A replica that lags would make rows seem to be missing.
func (t *tables) caughtUp(ctx context.Context) error {
	if t.replicated == nil {
		found := []string{}
		var name proto.ColStr
		err := t.conn.query(ctx, ch.Query{
			Body:   fmt.Sprintf("SELECT table FROM system.replicas WHERE database = currentDatabase() AND table IN ('%s', '%s', '%s')", t.topic.table, erasedOffsets, erasedRows),
			Result: proto.Results{{Name: "table", Data: &name}},
			OnResult: func(context.Context, proto.Block) error {
				for i := range name.Rows() {
					found = append(found, name.Row(i))
				}
				return nil
			},
		})
		if err != nil {
			return fmt.Errorf("look for replicas of %s: %w", t.topic.table, err)
		}
		t.replicated = found
	}
	for _, table := range t.replicated {
		if err := t.exec(ctx, fmt.Sprintf("SYSTEM SYNC REPLICA `%s` LIGHTWEIGHT", table)); err != nil {
			return fmt.Errorf("wait for the replica of %s: %w", table, err)
		}
	}
	return nil
}

// highest is the highest offset of a row at or above from, be it there or erased; -1: there is none.
func (t *tables) highest(ctx context.Context, from int64) (int64, error) {
	if err := t.caughtUp(ctx); err != nil {
		return 0, err
	}
	n, err := t.number(ctx, fmt.Sprintf("SELECT max(highest) AS n FROM (SELECT if(count() = 0, -1, toInt64(max(_offset))) AS highest FROM `%s` WHERE %[2]s AND _offset >= %[3]d UNION ALL %[4]s)",
		t.topic.table, t.where(), max(from, 0), t.erasedHighest(max(from, 0))))
	if err != nil {
		return 0, fmt.Errorf("highest offset in %s: %w", t.topic.table, err)
	}
	return n, nil
}

// stored lists the rows at offsets [first, next), by offset. span bounds their time.
func (t *tables) stored(ctx context.Context, first, next int64, span *exact.Span) (rows []exact.Row, err error) {
	if err := t.caughtUp(ctx); err != nil {
		return nil, err
	}
	bound := ""
	if span != nil {
		bound = fmt.Sprintf(" AND %s BETWEEN fromUnixTimestamp64Milli(toInt64(%d), 'UTC') AND fromUnixTimestamp64Milli(toInt64(%d), 'UTC')", t.topic.time, span.From, span.To)
	}
	var offset proto.ColUInt64
	var id proto.ColUUID
	var ts proto.ColInt64
	var name proto.ColStr
	err = t.conn.query(ctx, ch.Query{
		Body: fmt.Sprintf("SELECT _offset, event_id, toUnixTimestamp64Milli(%s) AS at_ms, CAST(_part, 'String') AS in_part FROM `%s` WHERE %s AND _offset >= %d AND _offset < %d%s ORDER BY _offset",
			t.topic.time, t.topic.table, t.where(), first, next, bound),
		Result: proto.Results{{Name: "_offset", Data: &offset}, {Name: "event_id", Data: &id}, {Name: "at_ms", Data: &ts}, {Name: "in_part", Data: &name}},
		OnResult: func(context.Context, proto.Block) error {
			last := ""
			for i := range offset {
				if p := name.Row(i); p != last { // the rows of a block lie in few parts
					last = p
				}
				rows = append(rows, exact.Row{Offset: int64(offset[i]), ID: id[i], TS: ts[i], Part: last})
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("rows %d to %d of %s: %w", first, next-1, t.topic.table, err)
	}
	return rows, nil
}

// have tells which of the ids have a row at an offset below below.
func (t *tables) have(ctx context.Context, ids [][16]byte, below int64) (map[[16]byte]bool, error) {
	const atOnce = 2000
	found := make(map[[16]byte]bool)
	for len(ids) > 0 {
		n := min(len(ids), atOnce)
		var list strings.Builder
		for i, id := range ids[:n] {
			if i > 0 {
				list.WriteByte(',')
			}
			fmt.Fprintf(&list, "'%s'", uuidText(id))
		}
		var col proto.ColUUID
		err := t.conn.query(ctx, ch.Query{
			Body: fmt.Sprintf("SELECT DISTINCT event_id FROM (SELECT event_id FROM `%s` WHERE event_id IN (%s) AND %[3]s AND _offset < %[4]d UNION ALL SELECT event_id FROM %[5]s WHERE event_id IN (%[2]s) AND %[3]s AND _offset < %[4]d)",
				t.topic.table, list.String(), t.where(), below, erasedRows),
			Result: proto.Results{{Name: "event_id", Data: &col}},
			OnResult: func(context.Context, proto.Block) error {
				for _, id := range col {
					found[id] = true
				}
				return nil
			},
		})
		if err != nil {
			return nil, fmt.Errorf("look for %d old ids in %s: %w", n, t.topic.table, err)
		}
		ids = ids[n:]
	}
	return found, nil
}

func uuidText(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// restore fills the set with the ids of the rows below offset, so that it is as if it had seen all of them, those among them that were erased since.
func (t *tables) restore(ctx context.Context, set *dedup.Set, offset int64, ids exact.IDs, newest int64) error {
	if newest < 0 {
		var err error
		const of = "SELECT if(count() = 0, 0, toInt64(toUnixTimestamp64Milli(max(received_at)))) AS latest FROM `%s` WHERE %s AND _offset < %d"
		if newest, err = t.number(ctx, "SELECT max(latest) AS n FROM ("+fmt.Sprintf(of, t.topic.table, t.where(), offset)+" UNION ALL "+fmt.Sprintf(of, erasedRows, t.where(), offset)+")"); err != nil {
			return fmt.Errorf("newest row of %s: %w", t.topic.table, err)
		}
	}
	from, err := t.reach(ctx, offset, int64(ids.Keep))
	if err != nil {
		return fmt.Errorf("ids of %s: %w", t.topic.table, err)
	}
	set.Reset(ids.Keep, ids.Window, newest)
	var id proto.ColUUID
	var received proto.ColInt64
	err = t.conn.query(ctx, ch.Query{
		Body:   fmt.Sprintf("SELECT event_id, toUnixTimestamp64Milli(received_at) AS received FROM (%s) ORDER BY _offset", t.withErased("_offset, event_id, received_at", from, offset)),
		Result: proto.Results{{Name: "event_id", Data: &id}, {Name: "received", Data: &received}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range id {
				set.Add(id[i], received[i])
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("ids of %s: %w", t.topic.table, err)
	}
	return nil
}

// reach is an offset with at least keep rows between it and below, or 0.
func (t *tables) reach(ctx context.Context, below, keep int64) (from int64, err error) {
	for span := keep + keep/8; ; span *= 4 {
		from = max(0, below-span)
		if from == 0 {
			return 0, nil
		}
		n, err := t.number(ctx, "SELECT toInt64(count()) AS n FROM ("+t.withErased("_offset", from, below)+")")
		if err != nil {
			return 0, err
		}
		if n >= keep {
			return from, nil
		}
	}
}

// kill asks the server to end the INSERTs whose token begins with prefix, and waits for that, but not long: the token makes either order safe.
func (t *tables) kill(ctx context.Context, prefix string) error {
	const patience, look = time.Second, 50 * time.Millisecond
	// Another installation on the same server has other tables, and tokens that look the same.
	where := fmt.Sprintf("current_database = currentDatabase() AND startsWith(query_id, '%s')", prefix)
	if err := t.exec(ctx, "KILL QUERY WHERE "+where+" ASYNC"); err != nil {
		return fmt.Errorf("end former inserts: %w", err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); retry.Pause(ctx, look) {
		n, err := t.number(ctx, "SELECT toInt64(count()) AS n FROM system.processes WHERE "+where)
		if err != nil {
			return fmt.Errorf("look for former inserts: %w", err)
		}
		if n == 0 || ctx.Err() != nil {
			break
		}
	}
	return nil
}

// exec runs a statement that has no result worth reading.
func (t *tables) exec(ctx context.Context, statement string, settings ...ch.Setting) error {
	return t.conn.query(ctx, ch.Query{Body: statement, Settings: settings, Result: (&proto.Results{}).Auto(), OnResult: func(context.Context, proto.Block) error { return nil }})
}

// stagingPrefix begins the names of the partition's staging tables.
func (t *tables) stagingPrefix() string {
	return fmt.Sprintf("%s_%d_%d_g", t.topic.table, t.topic.log, t.partition)
}

// unstage drops the staging tables of all generations.
func (t *tables) unstage(ctx context.Context) error {
	var names []string
	var col proto.ColStr
	err := t.conn.query(ctx, ch.Query{
		Body:   fmt.Sprintf("SELECT name FROM system.tables WHERE database = '%s' AND startsWith(name, '%s')", t.staging, t.stagingPrefix()),
		Result: proto.Results{{Name: "name", Data: &col}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range col.Rows() {
				names = append(names, col.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("staging tables: %w", err)
	}
	for _, name := range names {
		if err := t.exec(ctx, fmt.Sprintf("DROP TABLE IF EXISTS `%s`.`%s` SYNC", t.staging, name)); err != nil {
			return fmt.Errorf("drop staging table %s: %w", name, err)
		}
	}
	return nil
}

// stage puts the rows of the parts into a new staging table of a generation. Each has a name of its own: an attachment that comes late finds its table
// gone, and not another one of the same name.
func (t *tables) stage(ctx context.Context, generation int32, parts []*part) error {
	if err := t.unstage(ctx); err != nil {
		return err
	}
	t.stagings++
	t.staged = fmt.Sprintf("`%s`.`%s%d_%d`", t.staging, t.stagingPrefix(), generation, t.stagings)
	if err := t.exec(ctx, fmt.Sprintf("CREATE TABLE %s AS `%s`", t.staged, t.topic.table)); err != nil {
		return fmt.Errorf("create staging table: %w", err)
	}
	for _, p := range parts {
		if err := t.conn.insert(ctx, insertion{statement: insertStatement(t.staged, p.Input()), input: p.Input()}); err != nil {
			return fmt.Errorf("fill staging table: %w", err)
		}
	}
	return nil
}

// attach moves the staged rows of the months into the table, past all views.
func (t *tables) attach(ctx context.Context, months []int32) error {
	for _, month := range months {
		if err := t.exec(ctx, fmt.Sprintf("ALTER TABLE %s MOVE PARTITION ID '%06d' TO TABLE `%s`", t.staged, month, t.topic.table)); err != nil {
			return fmt.Errorf("move staged rows of %06d to %s: %w", month, t.topic.table, err)
		}
	}
	return nil
}

// remove deletes the rows at offsets [first, next) in the named parts of the table, and waits for it. Naming the parts keeps a statement that comes late
// from deleting what has been put right since.
func (t *tables) remove(ctx context.Context, first, next int64, parts []string) error {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = "'" + p + "'"
	}
	err := t.exec(ctx, fmt.Sprintf("ALTER TABLE `%s` DELETE WHERE %s AND _offset >= %d AND _offset < %d AND _part IN (%s)", t.topic.table, t.where(), first, next, strings.Join(quoted, ", ")),
		ch.Setting{Key: "mutations_sync", Value: "2", Important: true})
	if err != nil {
		return fmt.Errorf("delete rows %d to %d of %s: %w", first, next-1, t.topic.table, err)
	}
	return nil
}
