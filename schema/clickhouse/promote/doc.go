// Package promote makes columns of properties, and knows which properties there are.
//
// Table events keeps the properties of an event as the JSON that the client sent, in column props. A query that looks into it parses all of it. Promotion adds a typed column for one
// key: ClickHouse computes it from props for the rows that are there, and whoever inserts rows may send it, computed by an Extractor. What is not sent is computed by ClickHouse.
//
//   - type.go: the types, and the expression of each, which is the definition of a promoted column's value
//   - column.go: a promoted column, and how it is found again among the columns of the table
//   - promote.go: Promote, Demote, Materialize; eventsview.go: view events_q, which shows all columns
//   - extract.go, value.go, moment.go: Extractor, the same values computed from the text, for writers
//   - survey.go, sample.go, config.go: Surveyor fills table properties from samples of the events
//   - list.go, usage.go: List says what there is, what queries extract, and what promoting it would spare
//
// # The value of a promoted column
//
// It depends on props alone. The first member with the key counts, at the outermost level. A value of another type than the column's is treated as absent: it stays in props, and never
// stops an INSERT. Absent is the empty text, else NULL.
//
// An Extractor must agree with the expression bit for bit, because the same row may be written by either. ClickHouse gives up a whole document for some things that are good
// JSON, such as an integer beyond 64 bits or half a surrogate pair, and versions differ in that. An Extractor does not imitate it: for such a document it says that it does not know, and the rows
// are then sent without the column.
//
// # The catalogue
//
// Table properties is filled by looking, not by a view on events: a view would cost every INSERT something, and one that fails stops the stream. A look costs the more, the more
// there is that is new, up to a bound: a sample of each name of events that has grown, and of each other once a day. So events of a new project are seen at once, and whole; of
// a busy event a few thousand rows are read.
//
// Nothing here starts a goroutine. An Extractor belongs to one goroutine; everything else is safe for concurrent use, and for use by several processes at once.
package promote
