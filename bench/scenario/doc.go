// Package scenario says what a load test sends, and when: a Scenario is read from YAML or taken from the built-in ones, and a Schedule is the moments at which
// its requests leave.
//
//   - scenario.go: the types
//   - defaults.go, validate.go: what is left out, and what cannot work
//   - document.go, value.go: reading YAML, every problem at once
//   - render.go, comments.go: writing it, every key with its meaning
//   - builtin.go, builtin/: the scenarios that come with the program
//   - schedule.go: arrival times
//
// Everything here is a function of its arguments: no goroutines, no clock. A Scenario is a plain value that its owner may change; a Schedule is immutable and may be
// shared.
package scenario
