package question

import (
	"strconv"
	"strings"
)

// chain is the part of a funnel that finds out, for each person, how far it came. It is the same for questions and views; they differ in how steps and values are
// written.
//
// The events of a person that are any step become one sorted array of places, whose payload has a bit for each step. From it the levels are computed one after the
// other, each over all events of many persons at once. A fold over one event after the other gives the same at several times the cost, and needs more memory than there
// is for one person with a million events. Ordered funnels fold over the steps: written out for each step, the same takes the server several times as long to
// think about as to do.
//
// Factors of 0 and 1 stand where one would write AND: the server takes long to think about each of those.
//
// The work is cut into subqueries because a reference to an alias repeats in the tree of the query all that it stands for, and that of a few aliases in a row is more
// than the server takes.
type chain struct {
	from, where string
	bits        string // expression with a bit for each step that the row is
	count       string // expression for the number of steps
	most        int    // how many there may be
	window      string // expression for milliseconds
	value       string // expression for the breakdown; empty: none
	keep        bool   // the levels have a column person, too
	// given is a condition for step i of an unordered funnel to exist, in views, whose number of steps is known only when they are asked; nil: all do.
	given func(i int) string
	// repeats is a condition for step i to be the same as the one before, "0" and "1" included. Unordered funnels need it; their steps are in an order that has the
	// same ones together.
	repeats func(i int) string
}

// people is a SELECT with a row for each person that reached level 1: level UInt8; took UInt64, the milliseconds from the entry to the event that completed the highest
// level; value String, that of the entry.
func (c chain) people(ordered bool) string {
	value := "''"
	if c.value != "" {
		value = "vals[indexOf(places, sorted[indexOf(u, entry)])]"
	}
	levels := c.unordered
	if ordered {
		levels = c.ordered
	}
	return fill("SELECT level, toUInt64(t[done] - #moment) AS took, #value AS value\nFROM\n(\n    #levels\n)",
		"moment", c.moment("entry"), "value", value, "levels", levels(c.events(ordered)))
}

// events is a SELECT with a row for each person: sorted, the places of its events; t, their times; b, their bits; u, what is carried along of them; with a breakdown,
// vals, the values, in the order of places.
func (c chain) events(ordered bool) string {
	held, having := c.value, ""
	if ordered {
		having = "\nHAVING bitTest(groupBitOr(bits), 0)"
		held = "if(bitTest(bits, 0), " + c.value + ", '')" // nothing else can be the entry
	}
	gathered, read := "groupArray("+place("bits")+") AS places", ""
	if c.keep {
		gathered = "person, " + gathered
	}
	if c.value != "" {
		gathered, read = gathered+", groupArray(held) AS vals", ",\n"+held+" AS held"
	}
	return fill(eventsText, "clock", c.clock(ordered), "time", placeTime("x"), "payload", placePayload("x"), "gathered", gathered, "bits", c.bits, "read", read,
		"from", c.from, "where", c.where, "having", having)
}

const eventsText = `SELECT *, #clock AS u
FROM
(
    SELECT *, arraySort(places) AS sorted, arrayMap(x -> #time, sorted) AS t, arrayMap(x -> toUInt16(#payload), sorted) AS b
    FROM
    (
        SELECT #gathered
        FROM
        (
            SELECT
                person_h AS person, ts, _log, _partition, _offset,
                #bits AS bits#read
            FROM #from
            WHERE #where
        )
        GROUP BY person#having
    )
)`

// clock is what is carried along of an event: its time and, when the event itself is wanted later, 20 bits more that tell it from others of the same millisecond. If a
// person has more of them in a millisecond than that, some are not told apart; how far the person came does not depend on it.
//
// An ordered funnel asks for no more than that they differ. An unordered one compares them, so there the bits count from the first event of the millisecond.
func (c chain) clock(ordered bool) string {
	switch {
	case c.value == "":
		return "t"
	case ordered:
		return "arrayMap((x, i) -> bitShiftLeft(x, 20) + bitAnd(i, 1048575), t, arrayEnumerate(t))"
	default:
		return "arrayMap((x, i, f) -> bitShiftLeft(x, 20) + toUInt64(least(i - f, 1048575)), t, arrayEnumerate(t),\n" +
			"    arrayFill(f -> f > 0, arrayMap((i, x, y) -> if(x = y, 0, i), arrayEnumerate(t), t, arrayShiftRight(t, 1, toUInt64(0)))))"
	}
}

// moment is the time in what was carried along.
func (c chain) moment(carried string) string {
	if c.value == "" {
		return carried
	}
	return "bitShiftRight(" + carried + ", 20)"
}

// orNone is an array, or an empty one for a step that does not exist: what is computed from it then costs nothing. The server computes both sides of a condition, so
// one around the whole would not help.
func (c chain) orNone(i int, array, none string) string {
	if c.given == nil || i == 1 {
		return array
	}
	return "if(" + c.given(i) + ", " + array + ", " + none + ")"
}

// ordered adds level, and done and entry: the index of the event that completed it, and what was carried along of the one that its chain began with.
//
// It carries for each level the latest beginning of a chain that has come so far and can still go on: of level 1 that is the last event of step 1; of a level above, set
// by an event of its step, it is what the level below had before that event, if the window has not passed. A later beginning is never worse, and those of a level never
// go back, so the last that fits is the latest. What was before the event counts, so that no event serves two steps.
//
// The fold goes from level to level: f.1 are the beginnings of the last one, s those of the next, f.2 those of the highest that was reached, f.3 is that level.
func (c chain) ordered(events string) string {
	return fill(`SELECT *, folded.3 AS level, folded.2 AS best, arrayFirstIndex(v -> v > 0, best) AS done, best[done] AS entry
FROM
(
    SELECT
        *,
        arrayFold(
            (f, i) -> (
                arrayFill(v -> v > 0, arrayMap((p, x, y) -> p * bitTest(y, i) * (x - #moment <= #window), arrayShiftRight(f.1, 1, toUInt64(0)), t, b)) AS s,
                if(s[-1] > 0, s, f.2),
                toUInt8(f.3 + (s[-1] > 0))),
            range(1, #count),
            (arrayFill(v -> v > 0, arrayMap((x, y) -> x * bitTest(y, 0), u, b)) AS first, first, toUInt8(1))) AS folded
    FROM
    (
        #events
    )
)`, "moment", c.moment("p"), "window", c.window, "count", c.count, "events", events)
}

// unordered adds the same as ordered.
//
// It keeps for each step the latest event that is one, q1 and so on, and for a step that is the same as the one before it the event before that step's. The window that
// ends with an event serves the steps whose events lie in it; it begins, as late as it can, with the first of them.
func (c chain) unordered(events string) string {
	var arrays, all, names, served, last []string
	for i := 1; i <= c.most; i++ {
		n, bit := strconv.Itoa(i), strconv.Itoa(i-1)
		b := c.orNone(i, "b", "emptyArrayUInt16()")
		latest := "arrayMap((x, y) -> x * bitTest(y, " + bit + "), " + c.orNone(i, "u", "emptyArrayUInt64()") + ", " + b + ")"
		if i > 1 {
			before := "arrayShiftRight(" + c.orNone(i, "q"+bit, "emptyArrayUInt64()") + ", 1, toUInt64(0))"
			switch repeats := c.repeats(i); repeats {
			case "0":
			case "1":
				latest = before
			default:
				latest = "if(" + repeats + ", " + before + ", " + latest + ")"
			}
		}
		arrays = append(arrays, "arrayFill((v, y) -> bitTest(y, "+bit+"), "+latest+", "+b+") AS q"+n)
		all = append(all, c.orNone(i, "q"+n, "zeros"))
		names = append(names, "v"+n)
		served = append(served, "(v"+n+" > 0) * (x - "+c.moment("v"+n)+" <= "+c.window+")")
		last = append(last, "q"+n+"[done]")
	}
	zeros := ""
	if c.given != nil {
		zeros = "arrayMap(x -> toUInt64(0), t) AS zeros,\n"
	}
	return fill(`SELECT *, arrayMin(arrayFilter(v -> if(v > 0, t[done] - #moment <= #window, 0), [#last])) AS entry
FROM
(
    SELECT *, arrayMax(levels) AS level, indexOf(levels, level) AS done
    FROM
    (
        SELECT *, arrayMap((x, #names) -> toUInt8(#served), t, #all) AS levels
        FROM
        (
            SELECT
                *,
                #zeros#arrays
            FROM
            (
                #events
            )
        )
    )
)`, "moment", c.moment("v"), "window", c.window, "last", strings.Join(last, ", "), "names", strings.Join(names, ", "), "served", strings.Join(served, " + "), "all", strings.Join(all, ", "),
		"zeros", zeros, "arrays", strings.Join(arrays, ",\n"), "events", events)
}
