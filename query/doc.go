// Package query answers questions over HTTP: it turns a typed question, or a statement of an analyst, into one query to ClickHouse and sends back the rows with
// what they cost.
//
//	POST   /v1/query/{trends,funnel,retention,paths,timeline}   a typed question, asked as the project's reader
//	POST   /v1/query/sql                                        a statement, asked as the project's analyst
//	DELETE /v1/query/{query_id}                                 ends a query of the same project that is still running
//
//	admit (route, key, scope, media) ─▶ body ─▶ question ─▶ slot ─▶ ClickHouse over HTTP, whole result held there ─▶ rows, streamed
//
// Where to look:
//   - server.go, run.go: the server and how it ends
//   - handler.go: the story of one request; admit.go, auth.go, format.go: what is decided before the body
//   - body.go, questions.go, statement.go, parameter.go: from a body to a call
//   - running.go, cancel.go: how many at once; how one is ended early
//   - engine.go, form.go, exception.go: the talk with ClickHouse and what its errors mean
//   - answer.go, members.go: rows and statistics; problem.go: refusals and their codes, the only list; metrics.go: what operators see
//
// Whose rows. The project comes from the key alone. It chooses the ClickHouse account, and that account, with its grants, row filters and limits, is what
// separates projects; this package inspects no SQL. Values reach the server as parameters only, beside the statement and never in a URL.
//
// Memory. ClickHouse holds a result until it is complete (in memory up to a mebibyte, else in a file of its own), so that an error is a status and no broken body. It is
// then copied through buffers of fixed size: a request costs this process its body and some 100 KiB, whatever the result. An answer that breaks off
// ends its connection, so that nobody takes it for whole.
//
// Goroutines. While a query is with ClickHouse, one more watches for its end being wanted: the client has gone, a DELETE, the stop of the server, or more time than allowed. It ends
// the query by KILL QUERY, as the operator, and is joined before the answer. ClickHouse by itself would go on for clients who have gone.
package query
