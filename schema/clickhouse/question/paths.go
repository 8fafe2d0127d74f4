package question

import "strings"

// Paths asks which event follows which in the visits of persons. The rules are in the package comment.
type Paths struct {
	From Instant `json:"from"`
	To   Instant `json:"to"` // not part of the range
	// Start is the event that a path begins with; empty: the first of the visit.
	Start string `json:"start,omitempty"`
	// Depth is how many events a path has at most, 2 to 20. Default 5.
	Depth int `json:"depth,omitempty"`
	// GapMS is the longest time, in milliseconds, between two events of a visit. Default 30 minutes, 30 days at most.
	GapMS int64       `json:"gap_ms,omitempty"`
	Where []Condition `json:"where,omitempty"` // of all events; others are taken as not there
	// Limit is how many edges are told: those of the most visits. Default 100, 1000 at most.
	Limit int `json:"limit,omitempty"`
}

const (
	defaultDepth = 5
	maxDepth     = 20
	defaultGap   = 30 * 60_000
	maxGap       = 30 * dayMilli
	defaultEdges = 100
	maxEdges     = 1000
)

func (q *Paths) defaults() Paths {
	c := *q
	c.Depth = or(c.Depth, defaultDepth)
	c.GapMS = or(c.GapMS, defaultGap)
	c.Limit = or(c.Limit, defaultEdges)
	return c
}

// Validate reports every problem at once, each as a *Problem.
func (q *Paths) Validate() error {
	c := q.defaults()
	var r report
	checkRange(&r, c.From, c.To)
	r.short(c.Start, "/start")
	r.within(int64(c.Depth), 2, maxDepth, "/depth")
	r.within(c.GapMS, 1, maxGap, "/gap_ms")
	checkConditions(&r, c.Where, "/where")
	r.within(int64(c.Limit), 1, maxEdges, "/limit")
	return r.err()
}

// Build returns the statement. It has a row for each edge: step, from 1, of the path's event that it leaves; source and target, names of events; visits; persons.
func (q *Paths) Build(database string, project uint32) (Statement, error) {
	if err := q.Validate(); err != nil {
		return Statement{}, err
	}
	c := q.defaults()
	s, err := newScope(database, project)
	if err != nil {
		return Statement{}, err
	}
	where := append([]string{"project_id = {project:UInt32}", s.between(c.From, c.To)}, s.filters(c.Where, nil)...)
	p := paths{
		from: s.database + ".events_q", where: strings.Join(where, " AND "),
		depth: s.int("depth", "UInt8", int64(c.Depth)), gap: s.int("gap_ms", "UInt64", c.GapMS), limit: s.int("limit", "UInt32", int64(c.Limit)),
	}
	if c.Start != "" {
		p.start = s.named("start", "String", c.Start)
	}
	return s.statement(p.text(), pathColumns), nil
}

var pathColumns = []Column{
	{"step", "UInt8", "place in the path of the event that the edge leaves, from 1"},
	{"source", "String", "name of that event"},
	{"target", "String", "name of the event that followed"},
	{"visits", "UInt64", "visits whose path has the edge at this place"},
	{"persons", "UInt64", "different persons that they are of"},
}

// paths is what questions and the view have in common. The parts are expressions.
type paths struct {
	from, where, depth, gap, limit string
	start                          string // empty: none
	optional                       bool   // start may turn out to be the empty text, which means none
}

func (p paths) text() string {
	visit, narrower := "visit", ""
	if p.start != "" {
		visit = fill(fromStartText, "start", p.start, "names", p.names())
		narrower = fill(startersText, "start", p.start, "from", p.from, "where", p.where)
		if p.optional {
			visit = "if(" + p.start + " = '', visit, " + visit + ")"
			narrower = "(" + p.start + " = '' OR " + narrower + ")"
		}
		narrower = "\n    AND " + narrower
	}
	return fill(pathsText,
		"names", p.names(), "from", p.from, "where", p.where, "narrower", narrower, "place", place("id"), "time", placeTime("x"), "payload", placePayload("x"),
		"visit", visit, "gap", p.gap, "depth", p.depth, "limit", p.limit)
}

// names are those of all events, as an array that the server finds out once. Visits are made of places in it.
func (p paths) names() string {
	return fill("(SELECT arraySort(groupUniqArray(toString(event))) FROM #from WHERE #where)", "from", p.from, "where", p.where)
}

// fromStartText cuts off what lies before the first event of the name; all, when there is none.
const fromStartText = `arraySlice(visit, if(has(visit, toUInt32(indexOf(#names, #start))), indexOf(visit, toUInt32(indexOf(#names, #start))), length(visit) + 1))`

// startersText leaves out persons without a path.
const startersText = `person_h IN (SELECT person_h FROM #from WHERE #where AND event = #start)`

const pathsText = `SELECT
    step,
    #names[edge.1] AS source,
    #names[edge.2] AS target,
    visits,
    persons
FROM
(
    SELECT
        toUInt8(at) AS step,
        edge,
        count() AS visits,
        uniqExact(person) AS persons
    FROM
    (
        SELECT person, arraySlice(arrayCompact(#visit), 1, #depth) AS path
        FROM
        (
            SELECT
                person,
                arraySort(groupArray(#place)) AS sorted,
                arrayMap(x -> #time, sorted) AS t,
                arrayMap((x, before) -> x - before > #gap, t, arrayShiftRight(t, 1, t[1])) AS begins,
                arraySplit((x, begin) -> begin, arrayMap(x -> #payload, sorted), begins) AS all
            FROM
            (
                SELECT person_h AS person, ts, _log, _partition, _offset, toUInt32(transform(event, #names, arrayEnumerate(#names), 0)) AS id
                FROM #from
                WHERE #where#narrower
            )
            WHERE id > 0
            GROUP BY person
        )
        ARRAY JOIN all AS visit
    )
    ARRAY JOIN arrayZip(arrayPopBack(path), arrayPopFront(path)) AS edge, arrayEnumerate(arrayPopFront(path)) AS at
    GROUP BY step, edge
    ORDER BY visits DESC, step, #names[edge.1], #names[edge.2]
    LIMIT #limit
)
ORDER BY step, visits DESC, source, target`
