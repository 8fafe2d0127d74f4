// Package identity works out which ids are one person, from what events have said about ids.
//
//	event ── Read ─▶ edges ── Edge.Fact ─▶ Graph.Add ─▶ Graph.Settle ─▶ who belongs to whom
//
// Facts. Events name ids together: identify and alias say that an id is another id of a known user, merge that two ids are one person whoever they are,
// unmerge that they are not. A fact is such a statement with the places of the first and the last event that made it. Persons are a function of the set of
// facts: in which order they are added, how often, and in how many steps, changes nothing. Two known users become one person by a merge only.
//
// Rules, in this order, on all facts of a project:
//
//  1. A pair of ids whose last unmerge is later than its last merge, or which has no merge, has no edge, whatever identify and alias say of it before or
//     after: SDKs say identify on every page, and what was undone stays undone until somebody merges that pair.
//  2. Merges hold before anything else, in order of the first event that said so, each unless the person would have too many ids.
//  3. Then identify and alias, in order of the first event that said so, each unless both sides belong to different persons that hold a known user already,
//     or the person would have too many ids. So the first user who identifies on a device has what happened there before.
//  4. A person goes by the lowest id among its known users, or the lowest of all when it has none. An id is a known user when an identify or alias named it
//     first, whether the edge holds or not, or a merge that is not undone named it.
//
// Reaches. The reach of an id is every id that facts connect with it, those included that are refused or undone. What becomes of a fact depends on its reach
// alone, so Graph works out anew the reaches that facts were added to or ids removed from, and no others. A reach may be much larger than a person: on a
// device in a shop on which everybody logs in it has all of them, and each new login works out all of it.
//
// Memory. A Graph holds ids and facts in pages of plain numbers, without pointers between them and without a Go map: 40 bytes an id, 64 a fact, 40 more for a
// fact that more than one event has stated, and 11 to 16 each for finding it. There are no literal ids in it. Text in edges belongs to the event that they were
// read from. The package does no I/O and runs no goroutines.
package identity
