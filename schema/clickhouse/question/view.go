package question

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// View is one of those that analysts ask. All run with the rights of whoever asks.
type View struct {
	Name string
	// Text makes the view, or replaces it.
	Text string
	// Comment is what the server keeps of it: its rows, its rules and an example.
	Comment string
	// Parameters are those that a call must give, each by name; none of a plain view.
	Parameters []Parameter
	Columns    []Column
}

// Parameter is one of a view.
type Parameter struct{ Name, Type, Comment string }

// definition is a view before it is put together.
type definition struct {
	name    string
	comment string
	call    string // an example: what stands between the parentheses
	explain map[string]string
	columns []Column
	text    string
}

// Views are all views of a database, in the order in which they can be made. It panics when the name is not one that Build takes.
func Views(database string) []View {
	if !databaseName.MatchString(database) {
		panic("BUG: database " + strconv.Quote(database))
	}
	var all []View
	for _, d := range definitions(database) {
		all = append(all, d.view(database))
	}
	return all
}

// EventsView is the statement that makes view events_q of a table events that has more columns than the migrations give it. A plain view keeps the columns that it was
// made with, so it is made anew when one is added or dropped.
func EventsView(database string, more []Column) string {
	if !databaseName.MatchString(database) {
		panic("BUG: database " + strconv.Quote(database))
	}
	d := eventsDefinition(database, more)
	return d.view(database).Text
}

var parameterText = regexp.MustCompile(`\{([a-z_]+):((?:[^{}'(]|'[^']*'|\((?:[^()']|'[^']*')*\))+)\}`)

func (d definition) view(database string) View {
	v := View{Name: d.name, Comment: d.comment, Columns: d.columns}
	for _, m := range parameterText.FindAllStringSubmatch(d.text, -1) {
		name, typ := m[1], m[2]
		if typ == "Identifier" {
			typ = "String" // of a call: the server makes an identifier of it
		}
		if !slices.ContainsFunc(v.Parameters, func(p Parameter) bool { return p.Name == name }) {
			v.Parameters = append(v.Parameters, Parameter{name, typ, explained(d.explain, name)})
		}
	}
	// As the example has them.
	slices.SortFunc(v.Parameters, func(a, b Parameter) int {
		return strings.Index(d.call, a.Name+" = ") - strings.Index(d.call, b.Name+" = ")
	})
	// Without the database, because the users of projects read the same views in another one.
	example := "SELECT * FROM " + d.name + " " + d.call
	if len(v.Parameters) > 0 {
		example = "SELECT * FROM " + d.name + "(" + d.call + ")"
		for _, p := range v.Parameters {
			v.Comment += ". " + p.Name + " " + p.Type + ": " + p.Comment
		}
	}
	v.Comment += ". Example: " + example
	var columns []string
	for _, c := range d.columns {
		columns = append(columns, "    "+c.Name+" "+c.Type+" COMMENT "+literal(c.Comment))
	}
	v.Text = "CREATE OR REPLACE VIEW " + database + "." + d.name + "\n(\n" + strings.Join(columns, ",\n") + "\n)\nSQL SECURITY INVOKER AS\n" + d.text + "\nCOMMENT " + literal(v.Comment)
	return v
}

// literal is a text of ours as a statement has it.
func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(text) + "'"
}

// explanations are the same for all views.
var explanations = map[string]string{
	"project":   "the project",
	"from":      "beginning of the range, UTC",
	"to":        "its end, which is not part of it",
	"event":     "name of the events; empty: all",
	"breakdown": "column of events_q by whose values rows are split; or none; or property or trait, whose key is in the next parameter",
	"property":  "key of the property or trait to split by; else empty",
	"window_ms": "longest time from the first step to the last, in milliseconds",
}

func explained(own map[string]string, name string) string {
	text, ok := own[name]
	if !ok {
		text, ok = explanations[name]
	}
	if !ok {
		panic("BUG: nobody explains parameter " + name)
	}
	return text
}

const november = "project = 1, from = '2026-11-01', to = '2026-12-01'"

// definitions are the views.
func definitions(database string) []definition {
	return []definition{
		eventsDefinition(database, nil),
		{
			name: "user_day_q", call: "WHERE project_id = 1 AND day = '2026-11-01' LIMIT 10",
			comment: "Which persons were active on which days: the rows of table user_day, summed, by person",
			columns: []Column{
				{"project_id", "UInt32", "project that owns the events"},
				{"day", "Date32", "day of ts, UTC"},
				{"person_h", "UInt64", "the person, as in events_q"},
			},
			text: fill("SELECT DISTINCT project_id, day, #person AS person_h\nFROM (SELECT project_id, day, user_h FROM #database.user_day GROUP BY project_id, day, user_h HAVING sum(n) > 0)", "database", database, "person", PersonOf(database, "user_h")),
		},
		{
			name: "trends", call: november + ", interval = 'day', event = '$pageview', breakdown = 'country', property = ''",
			comment: "Events and revenue by period of time and value of a field. Rows only where there are events. Whole hours of all events, by country or device, come from rollup_1h",
			explain: map[string]string{"interval": "length of a period; weeks begin on Monday"},
			columns: []Column{bucketColumn, breakdownColumn, {"events", "UInt64", "events"}, {"revenue", "Decimal(38, 4)", "sum of their revenue"}},
			text:    trendsView(database),
		},
		{
			name: "uniques", call: november + ", interval = 'week', event = '', breakdown = 'property', property = 'plan'",
			comment: "Different persons by period of time and value of a field, counted exactly. They do not add up over periods or values",
			explain: map[string]string{"interval": "length of a period; weeks begin on Monday"},
			columns: []Column{bucketColumn, breakdownColumn, {"persons", "UInt64", "different persons"}},
			text:    uniquesView(database),
		},
		{
			name: "funnel", call: november + ", steps = ['signup', 'cart', 'purchase'], window_ms = 1209600000",
			comment: "How many persons took steps one after the other within the window. Exact: also with events of the same time and steps that stand there twice",
			explain: map[string]string{"steps": "names of 1 to 10 events; an empty one is any event"},
			columns: funnelColumns[:4],
			text:    funnelView(database, funnelText, true, false),
		},
		{
			name: "funnel_by", call: november + ", steps = ['signup', 'purchase'], window_ms = 86400000, breakdown = 'country', property = ''",
			comment: "Funnel by the value that a field has at the entry, with the time to convert",
			explain: map[string]string{"steps": "names of 1 to 10 events; an empty one is any event"},
			columns: append([]Column{breakdownColumn}, funnelColumns...),
			text:    funnelView(database, funnelValuesText, true, true),
		},
		{
			name: "funnel_any", call: november + ", steps = ['search', 'cart', 'cart'], window_ms = 86400000, breakdown = 'none', property = ''",
			comment: "How many persons took steps in any order within the window, by the value that a field has at the entry, with the time to convert. A step that stands there twice needs two events",
			explain: map[string]string{"steps": "names of 1 to 10 events; an empty one is any event"},
			columns: append([]Column{breakdownColumn, funnelColumns[0]}, funnelColumns[2:]...),
			text:    funnelView(database, funnelValuesText, false, true),
		},
		{
			name: "retention", call: november + ", birth = 'signup', return = '', period = 'day', mode = 'n_day', periods = 31",
			comment: "How many of the persons that began in a period came back k periods later. A person begins with its first birth event of the range. n_day: it came back in that period of the calendar; " +
				"unbounded: in that or a later one of the range; rolling: k times 24 hours, or 7 days, after its own beginning",
			explain: map[string]string{
				"birth": "name of the event that a person begins with; empty: any", "return": "name of the event that it comes back with; empty: any",
				"period": "length of a period; weeks begin on Monday", "mode": "what coming back is", "periods": "how many periods are told, the first included; 400 at most",
			},
			columns: retentionColumns,
			text:    retentionView(database),
		},
		{
			name: "paths", call: november + ", start = '', depth = 5, gap_ms = 1800000, limit = 100",
			comment: "Which event follows which in the visits of persons. A visit ends when nothing happens for longer than the gap. Its path begins with its first event named start, or its first of all; an event that repeats the one before it is skipped",
			explain: map[string]string{
				"start": "event that paths begin with; empty: the first of a visit", "depth": "events that a path has at most",
				"gap_ms": "longest time between two events of a visit, in milliseconds", "limit": "edges that are told: those of the most visits",
			},
			columns: pathColumns,
			text: paths{
				from: database + ".events_q", where: "project_id = {project:UInt32} AND " + anyRange, start: "{start:String}", optional: true,
				depth: "{depth:UInt8}", gap: "{gap_ms:UInt64}", limit: "{limit:UInt32}",
			}.text(),
		},
		{
			name: "stickiness", call: november + ", event = '', period = 'day'",
			comment: "How many persons were active in exactly so many different periods of the range",
			explain: map[string]string{"period": "length of a period; weeks begin on Monday"},
			columns: []Column{{"periods", "UInt64", "periods in which they were active"}, {"persons", "UInt64", "persons"}},
			text:    stickinessText(database),
		},
		{
			name: "lifecycle", call: november + ", event = '', period = 'week'",
			comment: "Persons of each period: new, active for the first time ever; returning, active in the period before, too; resurrecting, active before but not in the period before; dormant, active only in the period before. " +
				"The period of from is looked at as a whole; what happened at to or later is not",
			explain: map[string]string{"period": "length of a period; weeks begin on Monday"},
			columns: []Column{
				{"bucket", "Date32", "first day of the period"},
				{"new", "UInt64", "persons that were never active before"},
				{"returning", "UInt64", "persons that were active in the period before, too"},
				{"resurrecting", "UInt64", "persons that were active before, but not in the period before"},
				{"dormant", "UInt64", "persons that were active in the period before, and not in this one"},
			},
			text: lifecycleText(database),
		},
		{
			name: "session_metrics", call: november + ", period = 'day'",
			comment: "Sessions by the day inside their id. All days are looked at that the range touches",
			explain: map[string]string{"period": "length of a period; weeks begin on Monday"},
			columns: []Column{
				{"bucket", "Date32", "first day of the period"},
				{"sessions", "UInt64", "sessions"},
				{"bounces", "UInt64", "those with one page view at most"},
				{"bounce_rate", "Float64", "their share"},
				{"events", "UInt64", "events"},
				{"pageviews", "UInt64", "events named $pageview"},
				{"revenue", "Decimal(38, 4)", "revenue of the events"},
				{"mean_s", "Float64", "mean of the seconds between first and last event"},
				{"median_s", "Float64", "median of the same"},
			},
			text: sessionsText(database),
		},
		{
			name: "timeline", call: november + ", user = 'user-1', limit = 100",
			comment: "Events of the person that an id belongs to, under whichever of its ids they were sent, the latest first",
			explain: map[string]string{"user": "a distinct_id", "limit": "events that are told"},
			columns: timelineColumns,
			text: fill(timelineText, "columns", columnNames(timelineColumns[:len(timelineColumns)-1]), "cursor", cursorText, "from", database+".events_q",
				"where", timelineWhere(database)+"\n    AND "+anyRange, "limit", "{limit:UInt32}"),
		},
		{
			name: "event_by_id", call: "project = 1, id = '0192f3a4-7c1d-7e55-9d6b-3f2a1c0b9e8d'",
			comment: "The event of an id. Should a client have used an id twice, both events",
			explain: map[string]string{"id": "the event_id"},
			columns: eventColumns,
			text:    fill("SELECT #columns\nFROM #database.events_q\nWHERE project_id = {project:UInt32} AND event_id = {id:UUID}\nORDER BY ts, _log, _partition, _offset\nLIMIT 1000", "columns", columnNames(eventColumns), "database", database),
		},
	}
}

var (
	bucketColumn    = Column{"bucket", "DateTime64(0, 'UTC')", "beginning of the period"}
	breakdownColumn = Column{"breakdown", "String", "value that rows are split by; empty: none"}
)

func eventsDefinition(database string, more []Column) definition {
	columns := append(append([]Column(nil), eventColumns[:len(eventColumns)-1]...), more...)
	names := columnNames(columns)
	return definition{
		name: "events_q", call: "WHERE project_id = 1 AND ts >= '2026-11-01' AND ts < '2026-11-02' LIMIT 10",
		comment: "One row for each event, with the person it belongs to. Filter by project_id and ts",
		columns: append(columns, eventColumns[len(eventColumns)-1]),
		text:    "SELECT " + names + ", " + PersonOf(database, "user_h") + " AS person_h\nFROM " + database + ".events",
	}
}
