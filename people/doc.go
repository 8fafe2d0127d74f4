// Package people is the job that works out who is who: it reads table events, and writes which ids belong to which person and what is known of persons and groups.
//
//		events ─▶ read ─▶ identity_edges, profile_ops ─▶ settle ─▶ identity_overrides ─▶ profiles, groups ─▶ people_progress
//		          below what is confirmed   facts          graph       dictionary identity    what people read       the next offset
//
//	  - job.go: New, Run, Check: membership of the group. leader.go: one leadership, and what tasks may do with it. epoch.go: the election
//	  - takeover.go: what a new leader makes of the tables. cycle.go, plan.go: what is read next, and up to where. page.go: from events to facts. pending.go: from facts to persons
//	  - profiles.go: folds operations into profiles. dictionary.go: has the server see new overrides. store.go, write.go: all SQL
//	  - meeting.go: sees ids of two projects that share a key of the dictionary
//	  - config.go, metrics.go, alert.go
//
// Package identity decides which ids are one person, package profile what operations make of a profile. Both are pure; this package is the world around them.
//
// # One at a time
//
// The members of a group share a topic of one partition, which holds no records: whoever owns it leads. That alone does not keep two from writing at once: a process that was
// stopped for a minute goes on in the middle of a statement, and ClickHouse takes it. So every row has a version, epoch*2^32 + n, and readers take the highest. The steps, and why each is
// there:
//
//  1. Elect. A leader reads the epoch that was committed last, takes a higher one, and commits it as metadata of its generation. The group refuses the commit of a generation that has
//     ended, so no two leaders have the same epoch, and a later leader has the higher one. It is higher than that of any row, too, in case the group has been forgotten.
//  2. Claim. The leader reads people_progress and writes all of it again under its own epoch, in one INSERT, with a row of no partition so that there always is one. From then on no row
//     of an earlier leader can move the offsets on. Rows of earlier epochs that are found beside newer ones came late and do not count: what they say was done may have been done to
//     profiles that were newer already.
//  3. Load. The facts are read after the progress and never before: an earlier leader writes facts first, so what progress has passed is among them.
//  4. Compare. What the facts say is compared with identity_overrides, and what differs is written, profiles first: should this be cut off, the difference is found again.
//  5. Cycles. Facts are written before what follows from them, and progress last. Whatever is cut off is done again from the same offsets, and nothing is harmed by that, because facts are a set
//     and all else is worked out from all facts.
//
// A leader that is late may still write overrides and profiles. It knew the facts below the offsets that it had done, and some of those above. If what it wrote is wrong there is a fact, above
// these offsets, that it did not know. The progress that counts has not passed that fact without an epoch above its own. Whoever read the fact in that epoch has written every id of
// its reach, the ids whose person did not change too, with a higher version, and so it is that row which counts. This is why a reach is always written as a whole, and why
// there is a row in profiles, a deleted one, for an id that is no person.
//
// # Order
//
// What is written is a function of the set of events, in whatever order they arrive. Events are read below what the sinks have confirmed, so no row that could still change is read. A partition
// nobody has read starts at its first event, so history is worked through. Topics of the past are read to their end.
//
// # Memory and goroutines
//
// The graph holds all facts, some dozens of bytes for each. All else is read and written in pieces. Run starts and joins: the membership, one goroutine that leads, and one for each Task while it leads.
// The graph has a mutex; cycles and Forget take turns.
//
// Broker and ClickHouse may be away at any time: statements are tried again with growing pauses, for as long as the group says that this member leads.
package people
