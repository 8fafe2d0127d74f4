// Package broker is the embedded broker: a real Kafka-protocol broker (kfake, of franz-go) with its log on disk, in a child
// process of this binary, for one machine and one copy of the data. Its parent is embedded.Supervisor.
//
// What was acknowledged is fsynced, and survives the end of the process in any way: records, committed offsets, topics and
// groups. Producer state does not survive a kill: a batch resent after one may be stored twice, which is caught downstream.
//
// The child trims its log itself, and only here: up to the lowest committed offset of all groups less some records to keep.
// The last batch of a partition always stays, because the log finds its end offset nowhere else: with no file left it would
// begin at 0 again and offsets would repeat. How far each partition was trimmed is written down first, and a start that
// finds a log ending below that is refused.
//
//	DIR/LOCK          held by the child for all its life
//	DIR/trimmed.json  how far each partition was trimmed at most
//	DIR/log/          kfake's own
//
// It listens on 127.0.0.1 only, without authentication, and advertises that address. A guard in front of it refuses what is
// no Kafka request, because kfake would end with a crash or a gigabyte of memory.
//
// Goroutines: those of Run, which joins them. Caveats: kfake ignores errors of fsync, and reads the whole log into memory
// at a start after a kill, hence the limit of the log's size, which the parent keeps by LogBytes.
package broker
