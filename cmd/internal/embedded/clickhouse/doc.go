// Package clickhouse runs a real ClickHouse on this machine as a child of package embedded: storage, SQL, HTTP and native
// TCP, on loopback.
//
// The engine is either libchdb.so, the whole of ClickHouse as a shared library, called in this process without cgo; or a
// `clickhouse` program, run as a child of this one. Both are driven in the same way: `clickhouse local` with a
// configuration file, a data path, and three queries. The first two open the ports; the third reads a pipe of which only
// this process holds the write end. Closing it ends the query, and with it, gracefully, the engine. A kill ends it too,
// because the kernel closes the pipe.
//
// What ClickHouse does with the data directory:
//
//	DIR/LOCK         flock of the running engine
//	DIR/config.xml   written anew at each start, like users.xml
//	DIR/db/          ClickHouse's own folder
//	DIR/backups/     what BACKUP writes, unless Config.Backups names another folder
//	DIR/backup-password  of the account that may back up
//
// The user default has no password, may connect from loopback only, and may do everything inside the database but
// nothing outside it: it lacks the grants for files, URLs and other servers, and BACKUP. So whoever gets a query through to
// the port, such as a web page in a browser on this machine, reads no file and writes none. BACKUP has an account of its own,
// for those who can read the engine's folder; on this machine it reaches the folder of backups only.
//
// Memory is capped by Config.MaxMemoryBytes; a query beyond it fails, the engine lives. Of the system logs only query_log
// is kept, for a few days.
package clickhouse
