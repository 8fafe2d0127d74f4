// Package retry paces what is tried again: Backoff says how long to wait, Pause waits, Reminder says when the failure is worth another line in the log.
//
// It starts no goroutine and keeps no state of its own. A Backoff and a Reminder belong to one goroutine.
package retry
