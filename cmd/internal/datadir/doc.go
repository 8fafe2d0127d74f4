// Package datadir owns the data directory: who may use it (LOCK), which layout it has (VERSION), and its folder for
// run-time files (run/).
//
// A lock is an flock on a file that is never removed. It belongs to the open file, so the kernel releases it with the
// process however that ends, and a lock file that is lying around says nothing. A holder that was just killed may leave
// children that need up to five seconds to end; therefore Acquire waits, and says what it waits for.
//
// The package runs no goroutines of its own. It works on any Unix; a network file system without flock is not supported.
package datadir
