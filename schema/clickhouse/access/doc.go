// Package access says who may see the rows of which project, and is the one generator of it: two users for each project, what they may read, what of it they
// see, and their limits. What it makes is a Plan, written as part of a users file (XML, for the embedded engine) or as statements (SQL, for a server of one's
// own), and a database of views, see Mirror.
//
// There are two walls, and each holds without the other:
//
//   - Users of projects may SELECT from the views of one database, DATABASE_views, and nothing else: no table. The views read the tables in the name of
//     an account of their own, Definer, which nobody can log in as. So there is no table that a table function could look into: several of ClickHouse's show
//     index entries or parts past any filter, mergeTreeIndex first of all.
//   - Definer sees, in every table and view of the tables' database, the rows of the project that the logged-in user's name stands for, and none for any other
//     name. That is a row filter, which ClickHouse applies where it reads: a query cannot have an expression computed on other rows, to see it fail, and
//     the views' own settings keep it from bounds of parts, see guards. It is set on the database as a whole, so a new table cannot be forgotten, and one that has no project cannot be read at all.
//
// The reader asks the typed questions, the analyst is for people's own SQL. They have the same rights and limits: a separate name tells them apart in the
// query log, and neither uses up the other's share of running queries.
//
// Then there are limits: the setting readonly = 1, and others that a query may lower and never raise. ClickHouse does not hold a subquery's SETTINGS to them,
// so nothing but the reading of rows rests on settings; time, memory and the size of results are counted for the query as a whole.
//
// What remains visible of other projects, none of it a value: EXPLAIN with indexes = 1 counts all granules of a table. Where rows of two projects share a granule (8,192 rows, so at the
// seam of their ranges, or when projects are small), the number of rows that a query reads tells whether it may hold a user_h that was guessed; and whether a condition on
// user_h fails tells whether a bound of a granule is above what it takes. Function factorial tells the same of ts and project_id on a ClickHouse of one's own; the embedded
// engine has none.
//
// Passwords are derived from one secret of the installation, so that each process of it can tell them and none is stored; a Plan holds their hashes only.
//
// The package knows no database driver and starts no goroutine.
package access
