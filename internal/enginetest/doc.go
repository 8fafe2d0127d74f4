// Package enginetest starts real engines for tests: the embedded broker and the embedded ClickHouse, as the processes that
// millrace runs them as.
//
// It builds cmd/internal/embedded/enginehost with the go command and talks to it over the two pipes of package embedded,
// because nothing outside cmd may import the engines. An engine is up in a fraction of a second and ends with its test;
// should the test program die, the engine ends by itself.
//
// Each engine has a goroutine that collects its output; it has ended when the test's cleanup is done.
package enginetest
