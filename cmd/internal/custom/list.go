package custom

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/schema/clickhouse"
)

// Status is what there is of a metric: a build that people read, one that is under way, or one that is broken.
type Status struct {
	Metric     string     `json:"metric"`
	Build      uint32     `json:"build"`
	Phase      string     `json:"phase"` // as in table metrics
	Definition Definition `json:"definition"`
	Read       string     `json:"read,omitempty"` // the view that people read; empty: they cannot
	Table      string     `json:"table"`
	View       string     `json:"view"`
	Log        uint16     `json:"log"`
	Boundary   []uint64   `json:"boundary"` // by partition
	Days       uint32     `json:"days"`
	DaysDone   uint32     `json:"days_done"`
	Events     uint64     `json:"events"`
	EventsDone uint64     `json:"events_done"`
	Rows       uint64     `json:"rows"`  // of the table
	Bytes      uint64     `json:"bytes"` // of the table, compressed
	Begun      time.Time  `json:"begun"`
	At         time.Time  `json:"at"`                // of the last change
	Problem    string     `json:"problem,omitempty"` // what is wrong with it, and the cure
}

// List returns all metrics, by name and then by build.
func List(ctx context.Context, db *clickhouse.DB) ([]Status, error) {
	b := newBook(db)
	records, err := b.records(ctx, "")
	if err != nil {
		return nil, err
	}
	there, err := b.relations(ctx, db.Database(), readerName(""))
	if err != nil {
		return nil, err
	}
	sizes, err := b.sizes(ctx)
	if err != nil {
		return nil, err
	}
	var all []Status
	for i := range records {
		r := &records[i]
		if r.phase == dropped {
			continue
		}
		s := Status{
			Metric: r.name, Build: r.build, Phase: r.phase, Table: r.table(), View: r.view(), Log: r.boundary.log, Boundary: r.boundary.offsets, Days: r.days, DaysDone: r.daysDone,
			Events: r.events, EventsDone: r.eventsDone, Rows: sizes[r.table()].rows, Bytes: sizes[r.table()].bytes, Begun: r.begun, At: r.at,
		}
		if err := json.Unmarshal([]byte(r.definition), &s.Definition); err != nil {
			return nil, fmt.Errorf("definition of metric %s: %w", r.name, err)
		}
		again := "run `millrace metrics apply`, which builds it anew"
		switch {
		case r.phase == broken:
			s.Problem = "its view failed and was taken away: " + r.note + ": " + again
		case r.phase != complete:
		case !r.sound(there):
			s.Problem = "a table or view of it is gone: " + again
		case !r.readBy(there[readerName(r.name)]):
			s.Problem = "people cannot read it: run `millrace metrics apply`"
		default:
			s.Read = readerName(r.name)
		}
		all = append(all, s)
	}
	return all, nil
}

type size struct{ rows, bytes uint64 }

func (s server) sizes(ctx context.Context) (map[string]size, error) {
	all := map[string]size{}
	var name string
	var z size
	err := s.query(ctx, "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = {database:String} AND startsWith(table, {prefix:String}) GROUP BY table",
		names{"database": s.db.Database(), "prefix": readerName("")}, nil, func() { all[name] = z }, &name, &z.rows, &z.bytes)
	if err != nil {
		return nil, fmt.Errorf("read the sizes of tables: %w", err)
	}
	return all, nil
}

// readBy tells whether a view for people reads the build.
func (r *record) readBy(reader relation) bool {
	return reader.engine == "View" && strings.HasSuffix(strings.TrimSpace(reader.query), "."+r.table())
}

// Relations lists what people need SELECT on to read the metrics: for each its view and the table behind it. Row filters belong to the tables: the views run with the rights
// of who asks. All of them have the column project_id.
func Relations(ctx context.Context, db *clickhouse.DB) (views, tables []string, err error) {
	all, err := List(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range all {
		if s.Read != "" {
			views, tables = append(views, s.Read), append(tables, s.Table)
		}
	}
	return views, tables, nil
}
