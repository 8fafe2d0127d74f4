package audit

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ttlMargin is how long before a TTL takes rows they are left alone.
const ttlMargin = 24 * time.Hour

// sessionReach is how far the day of a session id and the ts of its events may lie apart.
const sessionReach = 2 * 24 * time.Hour

// ttlInterval finds the time that a TTL of ours adds to a column. The table engine's text is normalised by the server.
var ttlInterval = regexp.MustCompile(`^.*\+ toInterval(Second|Minute|Hour|Day|Week|Month|Quarter|Year)\((\d+)\)$`)

// ttlUnits are the shortest that each unit can be.
var ttlUnits = map[string]time.Duration{
	"Second": time.Second, "Minute": time.Minute, "Hour": time.Hour, "Day": 24 * time.Hour, "Week": 7 * 24 * time.Hour,
	"Month": 28 * 24 * time.Hour, "Quarter": 89 * 24 * time.Hour, "Year": 365 * 24 * time.Hour,
}

// ttlOf returns how long the rows of a table live, 0: for ever, from the text of its engine.
func ttlOf(engine string) (time.Duration, error) {
	_, text, found := strings.Cut(engine, " TTL ")
	if !found {
		return 0, nil
	}
	text, _, _ = strings.Cut(text, " SETTINGS ")
	m := ttlInterval.FindStringSubmatch(strings.TrimSuffix(text, " DELETE"))
	if m == nil {
		return 0, fmt.Errorf("TTL %q is not of the form column + INTERVAL n UNIT: give it that form", text)
	}
	n, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil || n <= 0 || n > int64(math.MaxInt64/ttlUnits[m[1]]) {
		return 0, fmt.Errorf("TTL %q is not within 0 and 292 years", text)
	}
	return time.Duration(n) * ttlUnits[m[1]], nil
}

// horizon returns the first bucket of r that is compared: the ones before may have lost rows to a TTL.
func (a *Auditor) horizon(ctx context.Context, r *rollup) (int64, error) {
	var name, engine string
	var now int64
	first := int64(math.MinInt64)
	var bad error
	err := a.query(ctx, "SELECT name, engine_full, toUnixTimestamp64Milli(now64(3)) FROM system.tables WHERE database = {database:String} AND name IN ('events', {table:String})",
		parameters{"database": a.db.Database(), "table": r.table}, func() {
			ttl, err := ttlOf(engine)
			if err != nil {
				bad = fmt.Errorf("table %s: %w", name, err)
			}
			if ttl == 0 {
				return
			}
			ttl -= ttlMargin
			if r.rawRange == "" && name == "events" {
				ttl -= sessionReach
			}
			first = max(first, (now-ttl.Milliseconds())/1000/r.unit+1)
		}, &name, &engine, &now)
	if err != nil {
		return 0, fmt.Errorf("ask for the TTL of %s: %w", r.table, err)
	}
	return first, bad
}
