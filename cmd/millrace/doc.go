// Command millrace takes events over HTTP, makes them durable in a Kafka-protocol broker and loads them into ClickHouse.
//
// Each subcommand is one file: it reads the configuration, wires stages and runs them. What has logic lives in the packages that it
// wires.
package main
