package promote

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// inDatabase names the database in a statement of ours. What comes from elsewhere is never put into one.
func inDatabase(statement string, db *schema.DB) string {
	return strings.ReplaceAll(statement, "{db}", "`"+db.Database()+"`")
}

// spread is in how many ranges of users the sample of a frequent event is taken: rows lie sorted by user, and the first of them would be those of few.
const spread = 4

// branches are the SELECTs of the events of the i-th name that are in the sample, at most as many as it has: each stops reading when it has enough. turn shifts the ranges of
// users, so that one look after the other sees others.
func (s *Surveyor) branches(n name, i int, turn uint64) []string {
	branch := func(users string, limit int) string {
		return fmt.Sprintf("SELECT project_id, event, {t%[1]d:UInt64} AS total, ts, if(length(props) > %[2]d, '', props) AS looked FROM {db}.events"+
			" WHERE project_id = {p%[1]d:UInt32} AND event = {e%[1]d:String} AND ts >= {s%[1]d:DateTime64(3, 'UTC')}%[3]s LIMIT %[4]d", i, maxPropsBytes, users, limit)
	}
	if n.recent <= 2*uint64(s.cfg.Sample) {
		return []string{branch("", 2*s.cfg.Sample)}
	}
	const width = math.MaxUint64/spread + 1
	first := turn % width
	limit := (s.cfg.Sample + spread - 1) / spread
	all := []string{branch(fmt.Sprintf(" AND (user_h < %d OR user_h >= %d)", first, first+(spread-1)*width), limit)}
	for k := range uint64(spread - 1) {
		all = append(all, branch(fmt.Sprintf(" AND user_h >= %d AND user_h < %d", first+k*width, first+(k+1)*width), limit))
	}
	return all
}

// sampleStatement counts keys and types in the sample. Each event brings, beside its members, a pair of empty texts that stands for itself.
const sampleStatement = `
INSERT INTO {db}.properties (project_id, event, key, type, latest, first_seen, last_seen)
SELECT project_id, event, key, type, (fromUnixTimestamp64Milli({now:Int64}, 'UTC'), found, sampled, total, if(type = '', keys, different), value) AS latest, first_seen, last_seen
FROM
(
    SELECT *, maxIf(found, type = '') OVER names AS sampled, toUInt64(uniqExactIf(key, type != '') OVER names) AS keys
    FROM
    (
        SELECT project_id, event, pair.1 AS key,
            multiIf(
                number = 1, '',
                startsWith(pair.2, '"'), if(match(pair.2, '^"{time}"$'), 'time', 'string'),
                startsWith(pair.2, '{'), 'object',
                startsWith(pair.2, '['), 'array',
                pair.2 = 'null', 'null',
                pair.2 IN ('true', 'false'), 'bool',
                match(pair.2, '^-?[0-9]+$'), 'integer',
                'number') AS type,
            count() AS found, any(total) AS total, uniqCombined64(12)(pair.2) AS different,
            argMax(substringUTF8(pair.2, 1, {shown}), ts) AS value, min(ts) AS first_seen, max(ts) AS last_seen
        FROM
        (
            SELECT project_id, event, total, ts, arrayConcat([('', '')], arraySlice(JSONExtractKeysAndValuesRaw(looked), 1, {members})) AS pairs
            FROM ({branches})
        )
        ARRAY JOIN pairs AS pair, arrayEnumerate(pairs) AS number
        WHERE length(pair.1) <= {keyBytes}
        GROUP BY project_id, event, key, type
    )
    WINDOW names AS (PARTITION BY project_id, event)
)
WHERE type = '' OR ((found > 1 OR keys <= {newKeys}){known})
ORDER BY type = '' DESC, found DESC, key, type
LIMIT {most} BY project_id, event`

// knownKeys keeps new keys out of the names that have enough of them.
const knownKeys = ` AND ((project_id, event) NOT IN {full:Array(Tuple(UInt32, String))} OR (project_id, event, key) IN (SELECT project_id, event, key FROM {db}.properties WHERE event IN {fullEvents:Array(String)}))`

// sample looks at the names and notes what it finds. The catalogue takes the latest, so it does no harm to note the same twice.
func (s *Surveyor) sample(ctx context.Context, names []name, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := parameters{"now": strconv.FormatInt(now.UnixMilli(), 10)}
	// A multiple of the golden ratio visits all parts of the range evenly.
	turn := uint64(now.Unix()/60) * 0x9e3779b97f4a7c15
	var branches, full, fullEvents []string
	for i, n := range names {
		number := strconv.Itoa(i)
		p["p"+number], p["e"+number], p["t"+number], p["s"+number] = strconv.FormatUint(uint64(n.project), 10), n.event, strconv.FormatUint(n.total, 10), n.since.UTC().Format(time.DateTime)
		branches = append(branches, s.branches(n, i, turn)...)
		if n.keys >= maxKeys {
			full = append(full, fmt.Sprintf("(%d,%s)", n.project, quotedElement(n.event)))
			fullEvents = append(fullEvents, quotedElement(n.event))
		}
	}
	known := ""
	if len(full) > 0 {
		known = knownKeys
		p["full"], p["fullEvents"] = "["+strings.Join(full, ",")+"]", "["+strings.Join(fullEvents, ",")+"]"
	}
	statement := strings.NewReplacer(
		"{time}", timePattern, "{shown}", strconv.Itoa(maxShownChars), "{members}", strconv.Itoa(maxMembers), "{keyBytes}", strconv.Itoa(MaxKeyBytes),
		"{newKeys}", strconv.Itoa(maxNewKeys), "{most}", strconv.Itoa(maxNewKeys+1), "{known}", known, "{branches}", strings.Join(branches, " UNION ALL "),
	).Replace(sampleStatement)
	ctx, cancel := awaited(ctx)
	defer cancel()
	return s.db.Conn().Exec(with(ctx, p, settings()...), inDatabase(statement, s.db))
}

// quotedElement is a text as an element of a parameter of type Array.
func quotedElement(text string) string { return "'" + literalEscapes.Replace(text) + "'" }
