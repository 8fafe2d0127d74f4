// Package question turns questions about events into SQL: typed ones, which a program sends, and views with parameters, which an analyst calls. Both come from the same
// templates and give the same answers.
//
//   - trends.go, funnel.go, retention.go, paths.go, timeline.go: the typed questions. Validate reports every problem with a JSON pointer and a code, Build makes the Statement
//   - segment.go, segmentrule.go, segmentwindow.go, segmentjson.go, segmentbuild.go: sets of persons that a rule declares, read from JSON and made into a statement
//   - chain.go: how far a person came in a funnel
//   - step.go, condition.go, field.go: what an event must be like, and the columns that may be named
//   - period.go, instant.go: time, and the order of events
//   - view.go, viewtext.go, activity.go, event.go: the views, of which a migration holds the text. activity.go has those that no typed question asks
//   - statement.go, problem.go: what the others share
//
// # Rules
//
// Rows come from view events_q: the events, and person_h, the person. Everything about people groups by person_h. Today it is the same as user_h; events_q and
// user_day_q, the days of each person, are the only places that say so.
//
// A range is [from, to). Days, weeks, which begin on Monday, and months are UTC's; there is no parameter for another time zone. The order of a person's events is that
// of (ts, _log, _partition, _offset), which is total. An empty name of an event means any event.
//
// Ordered funnel, steps 1 to n, n ≤ 10: a chain of level k is k different events of one person in ascending order, the i-th being step i, of which the last is no later
// than the window after the first, inclusive. The level of a person is the highest that has a chain. Of the chains of that level the one counts that is completed
// first, and of those the one that begins last. The event it begins with is the entry, which a breakdown takes its value from. The time to convert is that from entry
// to completion, for persons of level n.
//
// Unordered funnel: an event serves each different step that it is; steps that are the same need as many events. The level of a person is the most steps served by the
// events of any time from t to t + window. Of the windows with that level the one counts whose last event is the earliest, beginning as late as it can; its first event
// is the entry.
//
// Retention: a person belongs to the cohort of the period of its first birth event in the range. n_day: it comes back in period k with a return event in the k-th
// period of the calendar after that one; the birth event itself may be one, and so may one before it in the same period. unbounded: in that or a later period of the
// range. rolling: k times 24 hours, or 7 days, after the birth event or later, but less than k + 1 times; events in order before the birth event and itself do not
// count. Every k is told whose period begins before the end of the range.
//
// Paths: a person's events are cut into visits wherever more than the gap passes. The path of a visit begins with its first event of the start's name, or its first of
// all, and has a number of events at most; one that has the same name as the one before it is skipped.
//
// Stickiness: how many persons were active in exactly k periods. Lifecycle, for each period: new, the first with an event ever; returning, active in the period before,
// too; resurrecting, active before but not in the period before; dormant, active in the period before but not in this one.
//
// Segment: the persons for whom a rule holds at a moment, among all with an event before it, a profile, or a place in another segment that the rule names. Each leaf of the
// rule is a SELECT of persons; everyone is read only when the rule can hold for somebody in none of them. Who is in a segment is known from its last build, for conditions
// as for other segments.
//
// # Work
//
// A question reads each event of the range and of its names once, twice with a breakdown of trends, up to three times for paths, and keeps what it needs of a person in
// memory: 32 bytes for each event that is a step, a return or a visit's part. The server's limits bound that; rows are bounded by what Validate lets through, so no
// LIMIT cuts an answer but those that a question names.
//
// Where trends may be answered from rollup_1h is told at Trends.Source.
//
// # Caveats
//
// Properties and traits are read by the server's JSON functions. Of a key that is there twice the first counts. Properties with a number that fits neither 64 bits nor
// a double, or with half a surrogate pair, cannot be read by them: the event has none then.
//
// The package starts no goroutine and knows no driver. Questions are plain data; Validate and Build do not change them and are safe for concurrent use.
package question
