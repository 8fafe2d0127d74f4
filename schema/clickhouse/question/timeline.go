package question

import (
	"fmt"
	"strconv"
	"strings"
)

// Timeline asks for the events of the person that an id belongs to, under whichever of its ids they were sent, the latest first.
type Timeline struct {
	// User is a distinct_id, any that the person has.
	User string `json:"user"`
	// From and To bound the range, without To; either may be left out.
	From Instant `json:"from,omitzero"`
	To   Instant `json:"to,omitzero"`
	// Limit is how many events are told. Default 100, 1000 at most.
	Limit int `json:"limit,omitempty"`
	// Before is the cursor of a row of an earlier answer: the events after it in the list are told.
	Before string `json:"before,omitempty"`
}

const (
	defaultEvents = 100
	maxEvents     = 1000
)

func (q *Timeline) defaults() Timeline {
	c := *q
	c.Limit = or(c.Limit, defaultEvents)
	return c
}

// Validate reports every problem at once, each as a *Problem.
func (q *Timeline) Validate() error {
	c := q.defaults()
	var r report
	r.need(c.User != "", "/user", CodeRequired, "is missing: the distinct_id of a user")
	r.short(c.User, "/user")
	fromOK := c.From.IsZero() || c.From.check(&r, "/from")
	toOK := c.To.IsZero() || c.To.check(&r, "/to")
	if fromOK && toOK && !c.From.IsZero() && !c.To.IsZero() {
		r.need(c.From.t.Before(c.To.t), "/to", CodeInvalidRange, "is not after from")
	}
	r.within(int64(c.Limit), 1, maxEvents, "/limit")
	if c.Before != "" {
		_, err := parseCursor(c.Before)
		r.need(err == nil, "/before", CodeInvalidValue, clip(c.Before)+" is not a cursor: take the one in the last row of the answer before")
	}
	return r.err()
}

// Build returns the statement. Its columns are those of view timeline; cursor is for Before.
func (q *Timeline) Build(database string, project uint32) (Statement, error) {
	if err := q.Validate(); err != nil {
		return Statement{}, err
	}
	c := q.defaults()
	s, err := newScope(database, project)
	if err != nil {
		return Statement{}, err
	}
	s.named("user", "String", c.User)
	where := []string{timelineWhere(s.database)}
	if r := s.bounds(c.From, c.To); r != "" {
		where = append(where, r)
	}
	if c.Before != "" {
		p, err := parseCursor(c.Before)
		if err != nil {
			return Statement{}, err
		}
		where = append(where, fill(beforeText,
			"ts", s.int("before_ms", "Int64", p.milli), "log", s.int("before_log", "UInt16", int64(p.log)),
			"partition", s.int("before_partition", "UInt16", int64(p.partition)), "offset", s.named("before_offset", "UInt64", strconv.FormatUint(p.offset, 10))))
	}
	text := fill(timelineText, "columns", columnNames(timelineColumns[:len(timelineColumns)-1]), "cursor", cursorText, "from", s.database+".events_q", "where", strings.Join(where, "\n    AND "),
		"limit", s.int("limit", "UInt32", int64(c.Limit)))
	return s.statement(text, timelineColumns), nil
}

const (
	// toUnixTimestamp64Milli twice: the comparison of tuples is exact, the plain one lets the server skip what came later.
	beforeText = "toUnixTimestamp64Milli(ts) <= #ts AND (toUnixTimestamp64Milli(ts), _log, _partition, _offset) < (#ts, #log, #partition, #offset)"
	cursorText = "concat(toString(toUnixTimestamp64Milli(ts)), '.', toString(_log), '.', toString(_partition), '.', toString(_offset))"

	timelineText = `SELECT
    #columns,
    #cursor AS cursor
FROM #from
WHERE #where
ORDER BY ts DESC, _log DESC, _partition DESC, _offset DESC
LIMIT #limit`
)

// timelineWhere finds the events of all ids of the person. It asks the table of identities, so that the index on user_h can be used.
func timelineWhere(database string) string {
	return fill(`project_id = {project:UInt32} AND user_h IN
    (
        WITH
            cityHash64({user:String}) AS asked,
            (SELECT max(person_h) FROM #database.identities_q WHERE project_id = {project:UInt32} AND user_h = cityHash64({user:String})) AS other,
            if(other = 0, asked, other) AS person
        SELECT user_h FROM #database.identities_q WHERE project_id = {project:UInt32} AND person_h = person
        UNION ALL SELECT arrayJoin([asked, person])
    )`, "database", database)
}

var timelineColumns = append(pick("ts", "event", "type", "name", "event_id", "distinct_id", "session_id", "url_host", "url_path", "referrer_host", "country", "city", "device", "os", "browser", "revenue", "props", "traits"),
	Column{"cursor", "String", "place of the event: what a later page begins after"})

func columnNames(columns []Column) string {
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// cursor is a place in the order of events.
type cursor struct {
	milli          int64
	log, partition uint16
	offset         uint64
}

func parseCursor(text string) (c cursor, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return c, fmt.Errorf("cursor of %d parts", len(parts))
	}
	if c.milli, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
		return c, err
	}
	for i, to := range []*uint16{&c.log, &c.partition} {
		n, err := strconv.ParseUint(parts[1+i], 10, 16)
		if err != nil {
			return c, err
		}
		*to = uint16(n)
	}
	c.offset, err = strconv.ParseUint(parts[3], 10, 64)
	return c, err
}
