package custom

import "fmt"

// Action is what Apply does about a metric.
type Action string

// The actions.
const (
	Create    Action = "create"    // there is none
	Rebuild   Action = "rebuild"   // the one that people read is not as declared, or does not count any more
	Resume    Action = "resume"    // a build of it was begun
	Unchanged Action = "unchanged" // it is as declared
	refused   Action = "refuse"
)

// decision is what to do and why.
type decision struct {
	action Action
	build  uint32 // to go on with
	why    string
}

// decide compares what is declared with what there is: builds, relations whose names begin as the metric's, and the present life of the topic, 0: not known.
func (r *rollup) decide(records []record, there map[string]relation, log uint16) decision {
	name, print := r.definition.Name, r.fingerprint()
	reader, isThere := there[readerName(name)]
	result := decision{Create, 0, "there is none"}
	ours := false
	for i := range records {
		b := &records[i]
		ours = ours || b.phase == complete || b.phase == broken
		switch {
		case b.phase == broken:
			result = decision{Rebuild, 0, "its view failed: " + b.note}
		case b.phase != complete:
		case b.fingerprint != print:
			result = decision{Rebuild, 0, "it was declared otherwise"}
		case !b.sound(there):
			result = decision{Rebuild, 0, "a table or view of it is gone"}
		case log != 0 && log < b.boundary.log:
			result = decision{Rebuild, 0, fmt.Sprintf("the topic is log %d again, and it counts from log %d on", log, b.boundary.log)}
		case !b.readBy(reader):
			result = decision{Resume, b.build, "people cannot read it yet"}
		default:
			result = decision{Unchanged, b.build, "it is as declared"}
		}
	}
	if isThere && (reader.engine != "View" || !ours) {
		return decision{refused, 0, fmt.Sprintf("there is a %s called %s that is none of its own: drop it, or rename the metric", reader.engine, readerName(name))}
	}
	if result.action == Unchanged || result.action == Resume {
		return result
	}
	for i := range records {
		b := &records[i]
		// Of a build that was being attached nobody knows whether its view came in time.
		if (b.phase == waiting || b.phase == filling) && b.fingerprint == print && b.sound(there) {
			result = decision{Resume, b.build, "a build of it was begun"}
		}
	}
	return result
}

// sound tells whether table and view are there. A table of another id is one that a backup brought back: while it is being filled it need not hold what is noted.
func (r *record) sound(there map[string]relation) bool {
	table := there[r.table()]
	return there[r.view()].engine == "MaterializedView" && (table.id == r.tableID || r.phase == complete && table.engine != "")
}
