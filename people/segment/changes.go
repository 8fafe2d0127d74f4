package segment

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

const insertChanges = `INSERT INTO {db}.segment_changes (project_id, segment, build, person_h, entered, distinct_id, at)
SELECT {project:UInt32}, {segment:String}, `

// draftChanges compares the persons that the members of both builds are now.
const draftChanges = insertChanges + `{seg_draft:UUID}, person, sides = 1, '', fromUnixTimestamp64Milli({seg_at:Int64}, 'UTC')
FROM
(
    SELECT person, groupBitOr(side) AS sides
    FROM
    (
        SELECT {person} AS person, side
        FROM
        (
            SELECT project_id, person_h AS user_h, toUInt8(1) AS side FROM {db}.segment_members WHERE project_id = {project:UInt32} AND segment = {segment:String} AND build = {seg_build:UUID}
            UNION ALL
            SELECT project_id, person_h AS user_h, toUInt8(2) AS side FROM {db}.segment_members WHERE project_id = {project:UInt32} AND segment = {segment:String} AND build = {seg_before:UUID}
        )
    )
    GROUP BY person
)
WHERE sides != 3`

// changeBytes is how much of the memory there must be for each change that is looked up at once: its place in five
// sets, of which each doubles as it grows, and in a group.
const changeBytes = 1024

// changes writes who entered and left. First only who, so that what is looked up for them is of the same persons throughout; then with their ids.
func (a *attempt) changes(ctx context.Context) error {
	if err := a.run(ctx, strings.ReplaceAll(draftChanges, "{person}", question.PersonOf(a.db.Database(), "user_h")), nil); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	var err error
	if a.row.Entered, err = a.countOf(ctx, "segment_changes", a.draft, " AND entered = 1"); err != nil {
		return err
	}
	if a.row.Left, err = a.countOf(ctx, "segment_changes", a.draft, " AND entered = 0"); err != nil {
		return err
	}
	if err := a.passed(ctx, stepDrafted); err != nil {
		return err
	}
	all := a.row.Entered + a.row.Left
	if all == 0 {
		return a.passed(ctx, stepChanges)
	}
	slices := (all*a.slice + uint64(a.cfg.MaxMemoryBytes)) / uint64(a.cfg.MaxMemoryBytes)
	for i := range slices {
		persons := `SELECT person_h FROM {db}.segment_changes WHERE ` + ofSegment + ` AND build = {seg_draft:UUID} AND person_h % {seg_slices:UInt64} = {seg_slice:UInt64}`
		statement := insertChanges + `{seg_build:UUID}, person, max(how) - 1, max(id), fromUnixTimestamp64Milli({seg_at:Int64}, 'UTC')
FROM
(
    ` + strings.Replace(persons, "SELECT person_h", "SELECT person_h AS person, toUInt8(entered + 1) AS how, '' AS id", 1) + `
    UNION ALL
    SELECT person, toUInt8(0) AS how, id FROM
    (
        ` + ids(persons) + `
    )
)
GROUP BY person
HAVING max(how) > 0`
		if err := a.run(ctx, statement, params{"seg_slices": number(slices), "seg_slice": number(i)}); err != nil {
			return fmt.Errorf("look up ids, part %d of %d: %w", i+1, slices, err)
		}
		if err := a.passed(ctx, stepSlice); err != nil {
			return err
		}
	}
	written, err := a.countOf(ctx, "segment_changes", a.row.ID, "")
	if err != nil {
		return err
	}
	if written != all {
		return faultError(fmt.Sprintf("%d changes were found and %d of them written: a person was erased meanwhile, or the table was changed", all, written))
	}
	return a.passed(ctx, stepChanges)
}
