package audit

import (
	"fmt"
	"strings"
)

// The statements. Names of databases and tables are our own and are written into them; all else are parameters: low and high, the first and last bucket,
// and where it says so buckets, those of them that are meant.
//
// In subqueries b is the bucket, k_x the key x, v_x the value x of one side (0: events, 1: the rollup), r_x and o_x the value of the one and of the other.

// chosen restricts a side to the buckets of the parameters.
func chosen(bucket, span string, listed bool) string {
	var parts []string
	if span != "" {
		parts = append(parts, span)
	}
	if listed {
		parts = append(parts, "has({buckets:Array(Int64)}, "+bucket+")")
	} else if span == "" {
		parts = append(parts, bucket+" BETWEEN {low:Int64} AND {high:Int64}")
	}
	return strings.Join(parts, " AND ")
}

// rawSide recomputes the rollup from events, one row for each key.
func (r *rollup) rawSide(database string, listed bool) string {
	return fmt.Sprintf("SELECT %s AS b, %s, %s FROM %s.events WHERE %s AND %s GROUP BY b, %s", r.raw,
		r.each(", ", func(c column) string { return c.raw + " AS k_" + c.name }, key),
		r.each(", ", func(c column) string { return c.raw + " AS v_" + c.name }, sum, users, least, most),
		database, r.where, chosen(r.raw, r.rawRange, listed), r.keys())
}

// ownSide reads the rollup, one row for each key.
func (r *rollup) ownSide(database string, listed bool) string {
	return fmt.Sprintf("SELECT %s AS b, %s, %s FROM %s.%s WHERE %s GROUP BY b, %s", r.own,
		r.each(", ", func(c column) string { return c.name + " AS k_" + c.name }, key),
		r.each(", ", func(c column) string {
			return fmt.Sprintf(map[kind]string{sum: "sum(%s)", users: "uniqCombined64MergeState(12)(%s)", least: "min(%s)", most: "max(%s)"}[c.kind]+" AS v_%[1]s", c.name)
		}, sum, users, least, most), database, r.table, chosen(r.own, r.ownRange, listed), r.keys())
}

// counted is the number of users of a state. With exactly 128 users a state is still a set or already a sketch, depending on whether a user was seen twice, and
// counts accordingly; merged with itself it is a sketch in either case.
func counted(state string) string {
	return fmt.Sprintf("arrayReduce('uniqCombined64Merge(12)', [%s, %[1]s])", state)
}

// compareQuery returns (b Int64, differs UInt8) for each bucket from low to high that either side has something in.
func (r *rollup) compareQuery(database string) string {
	hash := "cityHash64(" + r.keys() + ", " + r.each(", ", func(c column) string {
		if c.kind == users {
			return counted("v_" + c.name)
		}
		return "v_" + c.name
	}, sum, users, least, most) + ")"
	return fmt.Sprintf(`SELECT b, toUInt8(countIf(side = 0) != countIf(side = 1) OR sumIf(h, side = 0) != sumIf(h, side = 1)) AS differs
FROM (SELECT b, 0 AS side, %[1]s AS h FROM (%[2]s) UNION ALL SELECT b, 1 AS side, %[1]s AS h FROM (%[3]s) WHERE %[4]s)
GROUP BY b ORDER BY b DESC`, hash, r.rawSide(database, false), r.ownSide(database, false),
		r.each(" OR ", func(c column) string { return "v_" + c.name + " != 0" }, sum))
}

// rawSumsQuery returns (b Int64, rows UInt64, checksum UInt64): which rows events has for the listed buckets.
func (r *rollup) rawSumsQuery(database string) string {
	return fmt.Sprintf("SELECT %s AS b, count() AS rows, sum(cityHash64(_log, _partition, _offset, event_id, ts, user_h)) AS checksum FROM %s.events WHERE %s AND %s GROUP BY b",
		r.raw, database, r.where, chosen(r.raw, r.rawRange, true))
}

// driftQuery returns a row for each key of the listed buckets whose sides differ: b, its keys, what there is on both sides, and
//
//	h      a hash of all that, for recognising it
//	drift  by how many events the sides differ, 1 when they differ in other things only
//	hard   1: the rollup has something that no insert takes away
func (r *rollup) driftQuery(database string) string {
	sides := r.each(", ", func(c column) string {
		switch c.kind {
		case sum:
			return fmt.Sprintf("sumIf(v_%s, side = 0) AS r_%[1]s, sumIf(v_%[1]s, side = 1) AS o_%[1]s", c.name)
		case users:
			return fmt.Sprintf("uniqCombined64MergeStateIf(12)(v_%s, side = 0) AS s_%[1]s, %[2]s AS r_%[1]s, %[3]s AS o_%[1]s, %[4]s AS u_%[1]s", c.name, counted("s_"+c.name),
				counted("uniqCombined64MergeStateIf(12)(v_"+c.name+", side = 1)"), counted("uniqCombined64MergeState(12)(v_"+c.name+")"))
		case least:
			return fmt.Sprintf("minIf(v_%s, side = 0) AS r_%[1]s, minIf(v_%[1]s, side = 1) AS o_%[1]s", c.name)
		default:
			return fmt.Sprintf("maxIf(v_%s, side = 0) AS r_%[1]s, maxIf(v_%[1]s, side = 1) AS o_%[1]s", c.name)
		}
	}, sum, users, least, most)
	// A union of both states that counts more than events' own has a user that events has not.
	tooMuch := r.each(" OR ", func(c column) string {
		return fmt.Sprintf(map[kind]string{users: "u_%s != r_%[1]s", least: "o_%s < r_%[1]s", most: "o_%s > r_%[1]s"}[c.kind], c.name)
	}, users, least, most)
	if tooMuch == "" {
		tooMuch = "0" // sums only
	}
	differs := r.each(" OR ", func(c column) string { return fmt.Sprintf("r_%s != o_%[1]s", c.name) }, sum, users, least, most)
	left := r.each(" OR ", func(c column) string { return "o_" + c.name + " != 0" }, sum)
	all := r.each(", ", func(c column) string {
		switch c.kind {
		case users:
			return fmt.Sprintf("r_%s, o_%[1]s, u_%[1]s", c.name)
		case least, most:
			return fmt.Sprintf("if(raw, r_%s, o_%[1]s), if(own, o_%[1]s, r_%[1]s)", c.name)
		default:
			return fmt.Sprintf("r_%s, o_%[1]s", c.name)
		}
	}, sum, users, least, most)
	return fmt.Sprintf(`SELECT *, toUInt8(raw AND own AND (%[1]s)) AS hard, greatest(abs(r_%[2]s - o_%[2]s), 1) AS drift, cityHash64(b, %[3]s, raw, own, %[4]s) AS h
FROM (SELECT b, %[3]s, countIf(side = 0) > 0 AS raw, countIf(side = 1) > 0 AS own, %[5]s
FROM (SELECT 0 AS side, * FROM (%[6]s) UNION ALL SELECT 1 AS side, * FROM (%[7]s)) GROUP BY b, %[3]s)
WHERE if(raw, %[8]s, %[9]s)`, tooMuch, r.count, r.keys(), all, sides, r.rawSide(database, true), r.ownSide(database, true), differs+" OR "+tooMuch, left)
}

// findings adds up, by bucket, what driftQuery has found; from is that query in brackets or a table that holds its answer.
// It returns (b Int64, keys UInt64, hard UInt64, rows UInt64, raw Int64, own Int64, fingerprint UInt64).
func (r *rollup) findings(from string) string {
	return fmt.Sprintf("SELECT b, count() AS keys, countIf(hard) AS hard, toUInt64(sum(drift)) AS rows, sum(r_%s) AS raw_events, sum(o_%[1]s) AS own_events, sum(h) AS fingerprint FROM %s GROUP BY b", r.count, from)
}

// repairStatement inserts what is missing to the keys of bucket {bucket:Int64} that are staged, and takes away what counts too much, unless the server
// gets to it after {deadline:Int64}, Unix milliseconds by its own clock: what was read long ago must not be acted on.
func (r *rollup) repairStatement(database, stage string) string {
	return fmt.Sprintf("INSERT INTO %s.%s (%s) SELECT %s FROM %s WHERE b = {bucket:Int64} AND NOT hard AND toUnixTimestamp64Milli(now64(3)) < {deadline:Int64}", database, r.table,
		r.each(", ", func(c column) string { return c.name }), r.each(", ", func(c column) string {
			switch c.kind {
			case key:
				return "k_" + c.name
			case sum:
				return fmt.Sprintf("r_%s - o_%[1]s", c.name)
			case users:
				return "s_" + c.name
			default:
				return fmt.Sprintf("if(raw, r_%s, o_%[1]s)", c.name)
			}
		}), stage)
}

// keyHash names a key of the table in a statement, see deleteStatement.
func (r *rollup) keyHash(prefix string) string {
	return "cityHash64(" + r.each(", ", func(c column) string { return prefix + c.name }, key) + ")"
}

// deleteStatement deletes the rows of buckets low to high, which are the same bucket, whose keys have one of the hashes; all when it is not by hash.
// A key that shares its hash with another one is deleted with it, found missing, and put back.
func (r *rollup) deleteStatement(database string, byHash bool) string {
	statement := fmt.Sprintf("ALTER TABLE %s.%s DELETE WHERE %s", database, r.table, r.ownRange)
	if byHash {
		statement += " AND has({hashes:Array(UInt64)}, " + r.keyHash("") + ")"
	}
	return statement
}

// daysQuery returns (d Int64, rows UInt64): the days, counted from 1970, that either side has something in, newest first.
func (r *rollup) daysQuery(database string) string {
	day := func(bucket string) string {
		if r.unit == daySeconds {
			return bucket
		}
		return fmt.Sprintf("intDiv(%s, %d) - (%[1]s %% %[2]d < 0)", bucket, hoursPerDay)
	}
	return fmt.Sprintf("SELECT toInt64(d) AS d, sum(rows) AS rows FROM (SELECT %[1]s AS d, count() AS rows FROM %[2]s.events WHERE %[3]s GROUP BY d UNION ALL SELECT %[4]s AS d, count() AS rows FROM %[2]s.%[5]s GROUP BY d) GROUP BY d ORDER BY d DESC",
		day(r.raw), database, r.where, day(r.own), r.table)
}
