package escapes

import "strings"

// people ask who the canary's people are, what they are like and in which segments, by views that read FINAL, join tables and look into a dictionary of all projects.
var people = join(
	onEach(Nothing, peopleViews,
		"SELECT * FROM {db}.{view} WHERE project_id = {canary}",
		"SELECT * FROM {db}.{view} PREWHERE project_id = {canary}",
		"SELECT * FROM {db}.{view} WHERE project_id != {own}",
		"SELECT * FROM (SELECT * FROM {db}.{view}) WHERE NOT (project_id = {own})",
		"SELECT b.* FROM {db}.{view} AS a RIGHT JOIN {db}.{view} AS b ON a.project_id = b.project_id + 1 WHERE b.project_id = {canary}",
		"SELECT * FROM {db}.{view} WHERE project_id IN (SELECT project_id FROM {db}.{view} WHERE project_id > {own})",
		"SELECT any(toString(tuple(*))) FROM {db}.{view} GROUP BY project_id HAVING project_id = {canary}",
		"SELECT * FROM (SELECT * FROM {db}.{view} SETTINGS final = 1, do_not_merge_across_partitions_select_final = 1) WHERE project_id = {canary}",
		"SELECT * FROM (SELECT * FROM {db}.{view} SETTINGS apply_row_policy_after_final = 1, apply_prewhere_after_final = 0) WHERE project_id = {canary}",
		"SELECT * FROM (SELECT * FROM {db}.{view} SETTINGS apply_row_policy_after_final = 0, apply_prewhere_after_final = 1) WHERE project_id = {canary}",
		"SELECT * FROM (SELECT * FROM {db}.{view} SETTINGS use_skip_indexes_if_final = 1, use_skip_indexes_if_final_exact_mode = 0, optimize_move_to_prewhere_if_final = 1) WHERE project_id = {canary}",
		"SELECT * FROM (SELECT * FROM {db}.{view} SETTINGS enable_analyzer = 0) WHERE project_id = {canary}",
		"SELECT * FROM (SELECT * FROM {db}.{view} SETTINGS ignore_data_skipping_indices = 'ix_person', optimize_inverse_dictionary_lookup = 1) WHERE project_id = {canary}",
		"SELECT * FROM {tables}.{view} WHERE project_id = {canary} AND 0 = 1 UNION ALL SELECT * FROM {db}.{view} WHERE project_id = {canary}",
		"SELECT * FROM mergeTreeIndex('{db}', '{view}')",
	),
	onEach(Refused, peopleViews,
		"SELECT * FROM {tables}.{view}",
		"SELECT count() FROM {tables}.{view} WHERE project_id = {own}",
		"EXPLAIN SELECT * FROM {tables}.{view}",
		"SHOW CREATE TABLE {tables}.{view}",
	),
	// An expression that fails at a hidden row, whatever comes first: FINAL, the filter or the condition.
	onEach(Exactly, append([]string{"events_q", "user_day_q"}, peopleViews...),
		"SELECT countIf(project_id = {canary}) FROM {db}.{view} WHERE throwIf(project_id = {canary}) = 0",
		"SELECT countIf(project_id = {canary}) FROM {db}.{view} WHERE throwIf(match(toString(tuple(*)), 'k.n')) = 0",
		"SELECT countIf(project_id = {canary}) FROM (SELECT * FROM {db}.{view} WHERE throwIf(project_id = {canary}) = 0 SETTINGS apply_row_policy_after_final = 1, apply_prewhere_after_final = 0)",
		"SELECT countIf(project_id = {canary}) FROM (SELECT * FROM {db}.{view} WHERE throwIf(project_id = {canary}) = 0 SETTINGS apply_row_policy_after_final = 0, apply_prewhere_after_final = 1)",
		"SELECT countIf(project_id = {canary}) FROM (SELECT * FROM {db}.{view} WHERE throwIf(match(toString(tuple(*)), 'k.n')) = 0 SETTINGS apply_row_policy_after_final = 1, apply_prewhere_after_final = 0)",
		"SELECT countIf(project_id = {canary}) FROM (SELECT * FROM {db}.{view} WHERE throwIf(match(toString(tuple(*)), 'k.n')) = 0 SETTINGS optimize_move_to_prewhere_if_final = 1, apply_row_policy_after_final = 1)",
		"SELECT countIf(project_id = {canary}) FROM (SELECT * FROM {db}.{view} WHERE throwIf(match(toString(tuple(*)), 'k.n')) = 0 SETTINGS query_plan_optimize_prewhere = 0, query_plan_enable_optimizations = 0)",
	),
	onEach(Exactly, []string{"identities_q", "profiles_q", "segment_members_q", "events_q", "user_day_q"},
		"SELECT countIf(project_id = {canary}) FROM {db}.{view} WHERE throwIf(person_h > 1000) = 0",
		"SELECT countIf(project_id = {canary}) FROM (SELECT * FROM {db}.{view} WHERE throwIf(person_h > 1000) = 0 SETTINGS apply_row_policy_after_final = 1, apply_prewhere_after_final = 0)",
		"SELECT countIf(project_id = {canary}) FROM {db}.{view} WHERE intDiv(1, intDiv(1000, person_h)) >= 0",
		// A condition that fails for the bounds of granules where hidden rows lie.
		"SELECT countIf(project_id = {canary}) FROM (SELECT * FROM {db}.{view} WHERE toDate(person_h) < '2100-01-01' SETTINGS date_time_overflow_behavior = 'throw')",
		"SELECT countIf(project_id = {canary}) FROM (SELECT * FROM {db}.{view} WHERE toDateTime(person_h) < '2100-01-01 00:00:00' SETTINGS date_time_overflow_behavior = 'throw')",
		"SELECT countIf(project_id = {canary}) FROM {db}.{view} WHERE toDateTime64(person_h, 9) < '2200-01-01 00:00:00'",
		"SELECT countIf(project_id = {canary}) FROM {db}.{view} WHERE toDecimal32(person_h, 3) < 100000",
		"SELECT countIf(project_id = {canary}) FROM {db}.{view} WHERE CAST(person_h, 'Enum8(\\'a\\' = 77)') = 'a'",
	),
	// The dictionary holds all projects.
	each(Refused,
		"SELECT * FROM {tables}.identity",
		"SELECT count() FROM {tables}.identity",
		"SELECT * FROM dictionary('{tables}.identity')",
		"SELECT * FROM dictionary({tables}.identity)",
		"SELECT id FROM {db}.events_q AS e LEFT JOIN {tables}.identity AS i ON i.id = e.user_h",
		"SELECT dictGet('{tables}.identity', 'person_h', toUInt64(1))",
		"SELECT dictGet('{tables}.identity', ('person_h', 'project_id'), bitXor(user_h, intHash64({canary}::UInt32))) FROM {db}.events",
		"SELECT dictGetOrDefault('{tables}.identity', 'person_h', toUInt64(1), toUInt64(0))",
		"SELECT dictGetOrNull('{tables}.identity', 'person_h', toUInt64(1))",
		"SELECT dictGetUInt64('{tables}.identity', 'person_h', toUInt64(1))",
		"SELECT dictHas('{tables}.identity', toUInt64(1))",
		"SELECT dictGetKeys('{tables}.identity', 'project_id', {canary}::UInt32)",
		"SELECT * FROM {db}.events_q WHERE dictGet('{tables}.identity', 'project_id', user_h) = {canary}",
		"SELECT * FROM (SELECT dictGet('{tables}.identity', 'person_h', toUInt64(1)) SETTINGS optimize_inverse_dictionary_lookup = 1)",
		"SHOW CREATE DICTIONARY {tables}.identity",
		"DESCRIBE TABLE {tables}.identity",
		"SYSTEM RELOAD DICTIONARY {tables}.identity",
		"SELECT key, attribute.names FROM system.dictionaries WHERE name = 'identity'",
		"SELECT * FROM {tables}.identity_overrides",
		"SELECT * FROM {tables}.identity_edges",
		"SELECT * FROM {tables}.profile_ops",
		"SELECT * FROM {tables}.profiles",
		"SELECT * FROM {tables}.groups",
		"SELECT * FROM {tables}.people_progress",
		"SELECT * FROM {tables}.segments",
		"SELECT * FROM {tables}.segment_builds",
		"SELECT * FROM {tables}.segment_members",
		"SELECT * FROM {tables}.segment_changes",
		"SELECT * FROM {tables}.erasures",
		"SELECT * FROM {tables}.erasure_log",
		"SELECT * FROM {tables}.erased_rows",
		"SELECT * FROM {tables}.erased_offsets",
		"SELECT * FROM mergeTreeIndex('{tables}', 'identity_overrides')",
		"SELECT * FROM mergeTreeIndex('{tables}', 'profiles', with_marks = true)",
		"SELECT * FROM mergeTreeIndex('{tables}', 'segment_members')",
		"SELECT * FROM mergeTreeIndex('{tables}', 'erasures')",
	),
	each(Nothing,
		"SELECT * FROM {db}.identity",
		"SELECT dictGet('{db}.identity', 'person_h', toUInt64(1))",
		"SELECT dictGet('identity', 'person_h', toUInt64(1))",
		"SELECT name FROM system.tables WHERE name IN ('identity', 'identity_overrides', 'profiles', 'erasures', 'erased_rows')",
		"SELECT word FROM system.completions WHERE word IN ('identity_overrides', 'profile_ops', 'erasures')",
		// Who is whom, by way of the own rows.
		"SELECT * FROM {db}.events_q WHERE person_h NOT IN (77)",
		"SELECT person_h FROM {db}.user_day_q WHERE person_h != 77",
		"SELECT person_h FROM {db}.segment_members_q WHERE person_h != 77",
		"SELECT * FROM {db}.segment_members_q WHERE segment = 'both' AND person_h != 77",
		"SELECT * FROM (SELECT * FROM {db}.events_q SETTINGS optimize_inverse_dictionary_lookup = 1) WHERE person_h != 77",
		"SELECT * FROM (SELECT * FROM {db}.events_q SETTINGS additional_table_filters = {'{tables}.identity_overrides': '1', '{tables}.identity': '1'}) WHERE person_h != 77",
		"SELECT * FROM (SELECT * FROM {db}.segment_members_q SETTINGS additional_table_filters = {'{tables}.segment_builds': 'throwIf(project_id = {canary}) = 0', '{tables}.segments': 'throwIf(project_id = {canary}) = 0'}) WHERE person_h != 77",
		"SELECT * FROM (SELECT * FROM {db}.segment_members_q SETTINGS transform_null_in = 1, rewrite_in_to_join = 1, use_index_for_in_with_subqueries = 1) WHERE project_id != {own}",
		"SELECT * FROM (SELECT * FROM {db}.segment_members_q SETTINGS use_index_for_in_with_subqueries_max_values = 1, prefer_global_in_and_join = 1) WHERE project_id != {own}",
		"SELECT s.* FROM {db}.segment_sizes_q AS s INNER JOIN {db}.segment_members_q AS m USING (segment) WHERE s.project_id != m.project_id",
	),
	[]Attempt{
		{SQL: "SELECT user_h, person_h FROM {db}.identities_q", Want: Exactly, Answer: "78\t77"},
		{SQL: "SELECT count(), uniqExact(person_h), any(ids) FROM {db}.profiles_q", Want: Exactly, Answer: "1\t1\t2"},
		{SQL: "SELECT count(), max(JSONExtractString(props, 'secret')) FROM {db}.groups_q", Want: Exactly, Answer: "1\town"},
		{SQL: "SELECT segment FROM {db}.segments_q ORDER BY segment", Want: Exactly, Answer: "both\nown"},
		{SQL: "SELECT sum(size), sum(entered), sum(left), max(took_ms), count() FROM {db}.segment_sizes_q", Want: Exactly, Answer: "5\t4\t4\t4\t2"},
		{SQL: "SELECT segment, person_h FROM {db}.segment_members_q ORDER BY segment", Want: Exactly, Answer: "both\t77\nown\t77"},
		{SQL: "SELECT count(), groupUniqArray(person_h) FROM {db}.events_q", Want: Exactly, Answer: "3\t[77]"},
		{SQL: "SELECT count(), groupUniqArray(person_h) FROM {db}.user_day_q", Want: Exactly, Answer: "3\t[77]"},
		{SQL: "SELECT count() FROM {db}.events_q WHERE person_h IN (SELECT person_h FROM {db}.segment_members_q WHERE segment = 'both')", Want: Exactly, Answer: "3"},
		{SQL: "SELECT count() FROM (SELECT 1 FROM {db}.events_q WHERE person_h = 77 SETTINGS optimize_inverse_dictionary_lookup = 1)", Want: Exactly, Answer: "3"},
	},
	// Errors, plans and statements that tell of the account of the dictionary, or of its rows.
	each(Anything,
		"SHOW CREATE TABLE {db}.events_q",
		"SHOW CREATE TABLE {db}.segment_members_q",
		"EXPLAIN QUERY TREE SELECT * FROM {db}.events_q",
		"EXPLAIN QUERY TREE run_passes = 1, dump_ast = 1 SELECT * FROM {db}.segment_members_q",
		"EXPLAIN indexes = 1, actions = 1 SELECT * FROM {db}.profiles_q WHERE person_h > 1000",
		"EXPLAIN indexes = 1, actions = 1 SELECT * FROM {db}.identities_q WHERE person_h > 1000",
		"EXPLAIN indexes = 1, actions = 1 SELECT * FROM {db}.segment_members_q WHERE person_h > 1000",
		"EXPLAIN ESTIMATE SELECT * FROM {db}.identities_q",
		"SELECT toUInt8(props) FROM {db}.profiles_q",
		"SELECT toUInt8(definition) FROM {db}.segments_q",
		"SELECT toUInt8(segment) FROM {db}.segment_sizes_q",
		"SELECT CAST(person_h, 'Enum8(\\'a\\' = 7)') FROM {db}.segment_members_q",
		"SELECT CAST(person_h, 'Enum8(\\'a\\' = 7)') FROM {db}.identities_q",
		"SELECT CAST(person_h, 'Enum8(\\'a\\' = 7)') FROM {db}.events_q",
		"SELECT toUInt8((SELECT max(props) FROM {db}.profiles_q WHERE project_id = {canary}))",
		"SELECT * FROM {db}.identitys_q",
		"SELECT kanarien FROM {db}.profiles_q",
	),
)

// peopleViews are the views of persons, groups and segments.
var peopleViews = []string{"identities_q", "profiles_q", "groups_q", "segments_q", "segment_sizes_q", "segment_members_q"}

// onEach makes attempts with each of the views, which stands in the texts as {view}. Those that want an answer want no row of the canary's to be counted.
func onEach(want Want, views []string, texts ...string) []Attempt {
	var all []Attempt
	for _, view := range views {
		for _, text := range texts {
			a := Attempt{SQL: strings.ReplaceAll(text, "{view}", view), Want: want}
			if want == Exactly {
				a.Answer = "0"
			}
			all = append(all, a)
		}
	}
	return all
}
