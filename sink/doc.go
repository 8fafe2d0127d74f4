// Package sink loads the topics events and quarantine into ClickHouse.
//
//	broker ─▶ fetch ─▶ decode ─▶ cut ─▶ intent ─▶ insert ─▶ confirm
//	          per broker  └ worker, per partition ┘└ store, per partition ┘
//
// Each record has its row exactly once, whatever process is killed when: package exact is the protocol by which that holds. DESIGN.md beside this file
// tells the way of a block, and what each file is for.
//
// Memory. A record set belongs to the worker that it was handed to; the spans of an envelope point into it and are gone with the next set. Columns
// belong to one partition and are reused from block to block; a block's columns are read by the INSERT until it returns and by nobody later. Each
// partition holds at most the two blocks of Config.BlockBytes, one record set and the columns kept for reuse; then it is not fetched, and lag grows on
// the topic and not here.
//
// Goroutines, all started and joined by Run: per generation one that looks after the layout of the cluster, one fetch loop per broker that leads
// partitions, and two per partition, of which one takes over, decodes and cuts and one stores; on the owner of partition 0 that of the auditor. The membership has
// its own in package broker.
//
// Caveats. Row content is a function of the record alone, so nothing here may read a clock, make an id or look anything up for a row; the one
// exception are refused records, which are new records of another topic. Fetching is uncommitted: records of aborted transactions of other
// producers are loaded.
package sink
