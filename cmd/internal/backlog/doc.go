// Package backlog guards the disk under the embedded broker: new events are refused before the log outgrows its limit (ClickHouse does not keep up) or the disk runs
// full, because the embedded broker itself would go on and lose what it cannot write.
//
// Guard.Run measures from one goroutine; Guard.Gate only reads the verdict and may be called for every request.
package backlog
