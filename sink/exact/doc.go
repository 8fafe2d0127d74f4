// Package exact is the protocol that brings each record of a topic's partition into a ClickHouse table exactly once, whatever is killed in between.
//
// It is straight-line code over a Port: no clock, goroutine or I/O but through that, so that its tests can stop, kill, freeze and deceive it at every
// call. A Machine works for one partition in one generation of the consumer group. Takeover comes first; then each block is given to Store.
//
// # What makes it exact
//
// The topic keeps records until they are known to be stored, so nothing is lost; what must be prevented is a second row. ClickHouse drops an INSERT
// whose token it knows, so the same rows must be sent under the same token, by whoever sends them. Two owners do not cut a topic into the same blocks,
// so the cut is written down before anything is sent:
//
// The intent of a block [First, Next) is the metadata of the commit of offset First. One commit thus confirms everything below First and announces
// what may be stored from there. The broker takes commits of the latest generation only, so there is one announced block, and an owner of the past
// cannot announce another. Such a zombie may be frozen for any time and then go on: it sends rows of a block that it has announced, under a token
// that the next owner has used by then, and is fenced at its next commit.
//
//   - I1 one owner per partition and generation; one block announced and not confirmed.
//   - I2 a row is a function of its record, the codec and the table's columns. Which records have rows is a function of the ids of the rows below.
//   - I3 an INSERT is sent after the commit of its intent was accepted in this generation.
//   - I4 the committed offset passes a block only after all its rows are stored.
//   - I5 a token is never used for other rows. See Machine.token and Intent.Turn.
//   - I6 fresh blocks are cut above everything that the table holds.
//
// # A block
//
// Store commits the intent, sends each part (the rows of one month: one INSERT of several table partitions can lose rows), and returns. The next
// Store's intent confirms it, or Confirm does. A commit is repeated until its outcome is known. A block without rows is confirmed without being
// announced.
//
// An INSERT is repeated with its token until the server has it. If one attempt had an unknown outcome, a success of a later one proves little: a
// server that is killed may have logged the token and lost the rows. So the block goes through R4 to R7 before it counts as stored.
//
// # Takeover
//
// Staging tables are dropped first. Then, with a the committed offset, [a, b] the announced block, and h the highest offset in the table:
//
//  1. The record at Intent.Last must make the row that the table has there, and topic and offsets must fit together: else it is another topic. Park.
//  2. h < Last: the table has lost rows. Park, and offer a rewind.
//  3. h > b, or h ≥ a when nothing is announced: the offsets are behind the table, as after a tool has set them back. What is missing of [a, h] is
//     added by R4 to R7, in chunks. An announced block was complete in this case, since rows of a later one are there. Without any committed offset, a is
//     h+1 less the most offsets of a block.
//  4. Else an announced block is recovered.
//
// Records may have been removed from the topic: below a that is an incident; of an announced block, people must decide.
//
// # Recovery of an announced block
//
//   - R1 INSERTs of older owners are killed. The tokens make it safe to go on before they have ended.
//   - R2 The records are read again, with the ids as they were; rows and hash must be those announced.
//   - R3 Every INSERT is sent again under its token: what is stored is dropped, what is not is added, views included.
//   - R4 The table's rows of the block are compared with the block, by offset and id.
//   - R5 Missing: the token is known and the rows are not there. They are put into staging tables, the same intent is committed once more, R4 is
//     repeated, and the staged rows are attached, past the tokens. The order is what keeps a zombie out: if it passed that commit, it had staged before
//     the next owner began, who dropped what was staged; if it stages later, it does not pass.
//   - R6 Surplus: the same intent is committed once more, and all rows of the block are deleted from those parts of the table that hold a surplus
//     row; R4 and R5 add what is then missing. A zombie's deletion may act late: it names the same parts, and what the next owner adds lies in others.
//     This is why every part with a copy is named and none is chosen to stay.
//   - R7 The rollups of the block's hours are compared with the table later, because attached and deleted rows pass no view.
//
// # Rows that the table does not take
//
// When the server refuses the rows and R4 finds none of them, the INSERT is halved. The cuts are committed in the intent before the pieces are sent, so
// the next owner sends the same pieces. A single row is given up if other pieces were taken and staging, which has no views, refuses it too: it is
// produced to quarantine, then recorded in the intent, and left out from then on. Store then confirms the block and returns ErrRestart, because the
// decisions behind it counted an id that does not count. If the server takes nothing, or rows of the INSERT are there, it is nobody's row: park.
//
// # Parking
//
// A parked partition keeps its intent and waits for people, for a while when trying again is harmless. They may rewind: everything from an offset on is
// then not taken as stored, what the table holds of it is found by rule 3, and tokens get another turn, because a server remembers those of rows that
// it has lost. A rewind forgets the announced block and what rollups have seen of the lost rows, so it is followed by a reconciliation.
package exact
