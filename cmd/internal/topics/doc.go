// Package topics checks the two topics before anything is written to them: that they exist, that their settings keep what is acknowledged, and that
// their number of partitions is the one that every earlier start has used.
//
// It creates topics when told to (millrace migrate up). It starts no goroutine and keeps no state but a small file with the pinned numbers, so that
// a gateway can start while ClickHouse, which holds them, is away.
package topics
