// Package backup copies the tables and notes beside them what the sinks had confirmed; and brings tables back.
//
//	Create   offsets ─▶ BACKUP DATABASE (ClickHouse, while inserts go on) ─▶ offsets again ─▶ Manifest
//	Restore  check the backup in a database of its own ─▶ DROP DATABASE ─▶ RESTORE DATABASE ─▶ Report
//
// # The order
//
// BACKUP takes each table as it is at one moment, after the first look at the offsets and before the second. A sink confirms an offset only when every row
// below it is stored, and stores a row only when its range has been announced in the metadata of a commit. So of each partition
//
//	rows below the first offset ("stored_below") are all in the backup
//	rows at or above the end of what the second commit announces are not in it
//	rows in between may or may not be
//
// The offsets that belong to the backup are the second ones. They are equal to the tables, or ahead of them and say so: whoever takes the partition over with
// these, or with later ones, finds fewer rows than were confirmed and stops for a decision; or it finds a range that was announced, compares it row by row and
// completes it. Offsets from before alone would be behind the tables: that is repaired as well, row by row, but it would look like a start in good order, and
// nobody would be told that rows are missing.
//
// The first offsets are where loading has to begin again, because below them nothing is missing: `millrace sink rewind --to` takes them. From the second ones
// the rows in between would be lost.
//
// Restore leaves the group's offsets alone, for the same reason: they are ahead of what was restored, so the next sink stops each partition and asks.
// Deduplication tokens are not part of a backup, so a restored table takes a range that it has seen before: what keeps rows single is that a takeover
// inserts by what it finds missing.
//
// The tables of a backup are of slightly different moments, so a rollup may be some blocks ahead of the events or behind them. The auditor compares and
// repairs them; `millrace sink reconcile --wait` does it at once.
//
// # What lies where
//
// A Store is a folder of backups by name: NAME/tables is ClickHouse's, NAME/manifest.json is written last, so a folder without it is no backup. A
// Destination is a place of ClickHouse's own, such as S3; then the caller keeps the manifest. Secrets of a destination are never written down.
//
// # Caveats
//
// BACKUP sees one server: the tables of a cluster with shards need one backup per shard. A check before a replacement needs the space of the tables once
// more. Nothing here starts a goroutine.
package backup
