// Package failpoint lets a test drive stop the sink at a named step. It does nothing in a build without the tag "failpoints": Hit and Without are
// then empty and are compiled away, so a release cannot be told to misbehave.
//
// With the tag, and with the path of a Unix socket in MILLRACE_FAILPOINTS, each Hit opens a connection, writes one line
//
//	NAME TOPIC/PARTITION PID
//
// and waits for one line in answer: "go" lets the step happen, "kill" ends the process with SIGKILL, "stop" freezes it with SIGSTOP until somebody
// sends SIGCONT. While it waits nothing of the partition moves, so who answers can look at the tables, or change them. A socket that nobody listens at
// means "go".
//
// MILLRACE_WITHOUT, a list with commas, names protections to leave out, to show that what they protect from is then seen:
// intent, token, verify, ids, assert.
package failpoint
