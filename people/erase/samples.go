package erase

import (
	"context"
	"fmt"
)

// shown is how many characters of a value table properties keeps.
const shown = 80

// deleteSamples takes properties out of the catalogue that show a value of a row that is going to be deleted, unless there are so few different ones that it says nothing of anybody.
// The next survey shows another one.
func (r *run) deleteSamples(ctx context.Context, p parameters) error {
	var samples []uint64
	var h uint64
	err := r.query(ctx, fmt.Sprintf(`SELECT DISTINCT cityHash64(event, key, type) FROM {db}.properties
WHERE project_id = {project:UInt32} AND type NOT IN ('', 'bool', 'null') AND (tupleElement(latest, 'different') > 20 OR tupleElement(latest, 'different') * 2 > tupleElement(latest, 'found'))
AND (event, key, tupleElement(latest, 'value')) IN
(SELECT event, pair.1, substringUTF8(pair.2, 1, %d) FROM (SELECT event, arrayJoin(JSONExtractKeysAndValuesRaw(props)) AS pair FROM {db}.events WHERE %s))`, shown, targets[0].rows()), p,
		func() { samples = append(samples, h) }, &h)
	if err != nil {
		return fmt.Errorf("look for values in the catalogue of properties: %w", err)
	}
	if len(samples) == 0 {
		return nil
	}
	q := parameters{"project": p["project"], "samples": list(samples)}
	if err := r.exec(ctx, "ALTER TABLE {db}.properties DELETE WHERE project_id = {project:UInt32} AND cityHash64(event, key, type) IN {samples:Array(UInt64)}", q, mutationSettings); err != nil {
		return fmt.Errorf("delete values from the catalogue of properties: %w", err)
	}
	return nil
}
