// Package segment keeps segments: named sets of persons, declared as rules, built on schedule or on demand, and announced.
//
//	Store     declares, lists, reads and drops; used by the HTTP API and the command line
//	Builder   makes the members, switches to them, and tells of those who entered and left; a task of the job in package people, so one process does it at a time
//
// Where to look: record.go has what is stored, book.go the statements on it; store.go, graph.go and reading.go are the Store; builder.go is the loop of the Builder,
// schedule.go what is due, make.go one build, changes.go who entered and left, settings.go what its statements may use, usage.go what they cost, fault.go why it failed, clean.go what is deleted
// afterwards, announce.go and event.go the events.
//
// # A build
//
//  1. a row in segment_builds, state building
//  2. the members, by one INSERT SELECT, with an id of the build that nobody reads yet; beside each member the other ids of the person
//  3. the changes against the build that is read, in segment_changes
//  4. the leader asks the group whether it still leads
//  5. a row with state active: from now on the members of this build are read
//  6. an event for each change, and a row with state announced
//
// The view reads the members of the build that is the newest with state active or announced, so 5 switches from one complete set to another. Everything before 5 can be left as
// it is at any moment: the next leader gives such a build up and makes a new one, of another id, so that what the old leader may still be writing meets nobody. Members of
// the last two builds stay, because a query may have begun with the one before.
//
// # Persons
//
// A build keeps all ids of its members, and who a member is now is asked of the identities whenever members are read or compared. So the halves of a member that is taken
// apart are members both, and two members that become one are one, at once and without being told of as having entered or left; the next build then finds by itself what is
// true of each.
//
// # Events
//
// They are sent in the order of builds of a segment, each with an id that is a hash of project, segment, build, person and direction, so a repeat is the same event. Within a
// process none is sent again once it was taken. A new leader looks into events for what the one before it has sent, having waited for what that noted as sent; ids that are
// sent again nevertheless are those of the last second before a crash, which the sink recognises. Building goes on while events cannot be sent.
//
// # Caveats
//
// A statement reads the identities while they may change, so a person that becomes another one during a build may be missed by that build, and found by the next.
// Moments of builds are of the leader's clock. A segment that refers to others uses their active builds; those that are due together are built first.
package segment
