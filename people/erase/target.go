package erase

import (
	"fmt"
	"strings"
)

// target is a table that rows of a person are deleted from.
type target struct {
	table string
	// where finds the rows whose hashes are among {ids:Array(UInt64)}, and keys all hashes that a row bears.
	where, keys string
	// loaded: its rows come from a topic, and only those that were loaded for good may be touched.
	loaded bool
	// quick: a look at all of it costs little, so each run has one.
	quick bool
}

// targets are gone through in this order: whoever fills one table from another finds nothing there any longer.
var targets = []target{
	{table: "events", where: oneOf("user_h", hashOf("user_id"), hashOf("anonymous_id"), hashOf("previous_id")), keys: all("user_h", hashOf("user_id"), hashOf("anonymous_id"), hashOf("previous_id")), loaded: true},
	{table: "quarantine", where: "arrayExists(k -> k IN {ids:Array(UInt64)}, " + payloadHashes + ")", keys: payloadHashes, loaded: true},
	{table: "identity_edges", where: oneOf("a_h", "b_h"), keys: all("a_h", "b_h"), quick: true},
	{table: "profile_ops", where: "subject = 'user' AND " + oneOf("subject_h"), keys: all("subject_h"), quick: true},
	{table: "identity_overrides", where: oneOf("user_h", "person_h"), keys: all("user_h", "person_h"), quick: true},
	{table: "profiles", where: oneOf("person_h", hashOf("distinct_id")), keys: all("person_h", hashOf("distinct_id")), quick: true},
	{table: "user_day", where: oneOf("user_h"), keys: all("user_h")},
	{table: "sessions", where: oneOf(firstUser), keys: all(firstUser)},
	{table: "segment_members", where: oneOf("person_h"), keys: all("person_h")},
	{table: "segment_changes", where: oneOf("person_h", hashOf("distinct_id")), keys: all("person_h", hashOf("distinct_id"))},
}

const firstUser = "tupleElement(first, 'user_h')"

// payloadHashes are the hashes of all texts in the payload of a refused event: of its JSON strings, as they are and without escapes, of whatever lies between two quotation
// marks when it is no JSON, and of numbers where an id should be.
const payloadHashes = `arrayMap(s -> cityHash64(s), arrayConcat(
splitByChar('"', payload),
arrayMap(s -> JSONExtractString(concat('"', s, '"')), arrayFilter(s -> position(s, '\\') > 0, extractAll(payload, '"((?:[^"\\\\]|\\\\.)*)"'))),
extractAll(payload, '(?i)"(?:distinct_?id|user_?id|anonymous_?id|previous_?id)"\\s*:\\s*(-?[0-9][0-9.eE+-]*)')))`

func hashOf(column string) string { return "cityHash64(" + column + ")" }

func oneOf(hashes ...string) string {
	parts := make([]string, len(hashes))
	for i, h := range hashes {
		parts[i] = h + " IN {ids:Array(UInt64)}"
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

func all(hashes ...string) string { return "[" + strings.Join(hashes, ", ") + "]" }

// stored restricts a loaded table to rows at offsets that were confirmed, see bounds.
const stored = "(_log NOT IN {present:Array(UInt16)} OR _offset < transform(toUInt32(_log) * 65536 + toUInt32(_partition), {sources:Array(UInt64)}, {next:Array(UInt64)}, toUInt64(0)))"

// rows is the condition for the rows of {ids:Array(UInt64)} in {project:UInt32}.
func (t *target) rows() string {
	where := "project_id = {project:UInt32} AND " + t.where
	if t.loaded {
		where += " AND " + stored
	}
	return where
}

// countStatement counts the rows by the erasure that the hashes belong to: n is its place in the list that {owners:Array(UInt32)} numbers, beginning at 1, one for each of the ids.
func (t *target) countStatement() string {
	return fmt.Sprintf(`SELECT owner, count() AS rows FROM (
SELECT arrayJoin(arrayDistinct(arrayMap(i -> {owners:Array(UInt32)}[i], arrayFilter(i -> i > 0, arrayMap(k -> indexOf({ids:Array(UInt64)}, k), %s))))) AS owner
FROM {db}.%s WHERE %s) GROUP BY owner`, t.keys, t.table, t.rows())
}

func (t *target) deleteStatement() string {
	return fmt.Sprintf("ALTER TABLE {db}.%s DELETE WHERE %s", t.table, t.rows())
}

// erased are the ids of all who are erased.
const erased = "(SELECT project_id, user_h FROM {db}.erasures FINAL)"

// lookStatement lists (project_id, h) of erased people that have rows in the table that satisfy the condition.
func (t *target) lookStatement(where string) string {
	if t.loaded {
		where += " AND " + stored
	}
	return fmt.Sprintf("SELECT DISTINCT project_id, h FROM (SELECT project_id, arrayJoin(%s) AS h FROM {db}.%s WHERE %s AND project_id IN (SELECT project_id FROM {db}.erasures FINAL)) WHERE (project_id, h) IN %s",
		t.keys, t.table, where, erased)
}

// among is t.where for the ids of all who are erased, whatever the project: a little more than is wanted, which indexes can find.
func (t *target) among() string {
	return strings.ReplaceAll(t.where, "{ids:Array(UInt64)}", "(SELECT user_h FROM {db}.erasures FINAL)")
}
