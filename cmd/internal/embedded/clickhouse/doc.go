// Package clickhouse runs a real ClickHouse on this machine as a child of package embedded: storage, SQL, HTTP and native
// TCP, on loopback.
//
// The engine is either libchdb.so, the whole of ClickHouse as a shared library, called in this process without cgo; or a
// `clickhouse` program, run as a child of this one. Both are driven in the same way: `clickhouse local` with a
// configuration file, a data path, and three queries. The first two open the ports; the third reads a pipe of which only
// this process holds the write end. Closing it ends the query, and with it, gracefully, the engine. A kill ends it too,
// because the kernel closes the pipe.
//
// Clients do not reach the engine itself but package relay, in this process, on the ports of Config: as `clickhouse local`, the engine would end with the first
// client that logs in with a wrong password or resets its connection. The engine listens on ports of its own, other ones at each start.
//
// What ClickHouse does with the data directory:
//
//	DIR/LOCK         flock of the running engine
//	DIR/config.xml   written anew at each start, like users.xml
//	DIR/db/          ClickHouse's own folder
//	DIR/backups/     what BACKUP writes, unless Config.Backups names another folder
//	DIR/backup-password  of the account that may back up
//
// The user default has no password, may connect from loopback only, and may do everything inside the database. It lacks the grants for files, URLs and other
// servers, for dictionaries, which run commands, and for BACKUP; functions and settings that reach files are shut; and no page of somebody else in a
// browser on this machine can ask as it. That is a fence and no wall against somebody with a shell here: `clickhouse local` reads the file of an INSERT … FROM
// INFILE for whoever may insert. BACKUP has an account of its own, for those who can read the engine's folder; of this machine it reaches the folder of
// backups only.
//
// The users of projects, whom package access plans and Config.Access names, are for people who must not see each other's data: for them the wall holds.
//
// Memory is capped by Config.MaxMemoryBytes; a query beyond it fails, the engine lives. Of the system logs only query_log
// is kept, for a few days.
package clickhouse
