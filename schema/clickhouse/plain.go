package clickhouse

import "time"

// QuarantineTTL is how long table quarantine keeps a row, see its migration.
const QuarantineTTL = 30 * 24 * time.Hour

// PlainInsertSettings returns the settings of an insert whose repeats nothing has to recognise, as into a staging table.
func PlainInsertSettings() []Setting {
	settings := append([]Setting(nil), pinned...)
	for i := range settings {
		if settings[i].Name == "insert_deduplicate" {
			settings[i].Value = "0"
		}
	}
	return settings
}

// StagingDatabase is where rows that are missing in a table of the database are put before they are attached to it.
func StagingDatabase(database string) string { return database + "_staging" }
