// Package live shows records of a topic as they arrive: did my event get there, and if not, why.
//
// It reads the topic with no consumer group, so that watching leaves no trace. Follow runs one goroutine per leader and joins
// them before it returns.
package live
