// Package custom makes custom metrics: rollups that an operator declares in a file and that are then kept up to date by every insert, like the built-in ones.
//
//		metrics.yaml ─Parse─▶ Definition ─compile─▶ table metric_NAME__BUILD ◀─view─ events
//		                                                   ▲     └──▶ view metric_NAME, for people
//		                                                   └─ back-fill, day by day
//
//	  - parse.go, document.go, problem.go: the file; definition.go, fields.go: what may stand in it
//	  - expression.go, rollup.go, boundary.go: the statements
//	  - metrics.go: Plan, Apply, Drop; list.go: List, Relations; detach.go: Detach
//	  - attach.go, await.go, fill.go, publish.go: the steps of a build; probe.go: what comes before; clean.go: what is left of others
//	  - topic.go: offsets; book.go: table metrics; query.go: statements
//
// # A build
//
// Events come in all the time, and each must be counted once: by the view, or by the back-fill. They are told apart by their place in the topic. An offset is chosen for each
// partition, the boundary; the view takes what is at or above it, the back-fill what is below.
//
//  1. attaching. The boundary is where the topic ends, and as much above as it grows in some seconds. Table and view are made. Then the ends are read again: where they are
//     still below the boundary, no event above it existed when the view was made, so the view sees them all. Else view and table go, and it begins anew with more room.
//  2. waiting, until the group of sinks has committed the boundary or more: then every event below it is in table events, and no INSERT of one is under way that would count. When
//     the topic stops growing before its boundary, it begins anew with no room.
//  3. filling. One INSERT for each day, of one block, so it is stored as a whole or not at all; a day with too many keys is cut by their hash. Each such piece has a number, which
//     stands in the rows. So whoever goes on looks which pieces are in, and need not trust what anybody has noted.
//  4. complete. View metric_NAME is made, or turned to the new table, and the build before is dropped. Nobody has read a number that was not whole.
//
// A changed definition is a new build beside the old one. How far a build is stands in table metrics, so that any process can tell and go on. Apply takes a build over from
// whoever is at work on it, who then stops: see book.
//
// # Afterwards
//
// Rows that a repair of the sink puts into events pass no view. So a metric is compared with events and mended like the built-in rollups, by what its row in table metrics
// says of it; what a repair touched while the metric was built is queued for that when it is complete.
//
// # Caveats
//
// A view that fails stops the sink. So expressions are made of functions only that throw on no row, and are tried on odd rows before the view is made. Should one fail all the same,
// Detach takes it away.
//
// A JSON object that the server cannot read, with a number beyond 1e308 or half a surrogate pair, has no keys here. Numbers in properties count when they are below 10^18, and six
// digits behind the point.
//
// All that is for one server, as the tables are. Goroutines end statements whose context has ended and are joined. Memory is a few numbers for each day.
package custom
