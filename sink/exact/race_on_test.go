//go:build race

package exact

// underRace: coroutines are slow under the race detector, and nothing here runs side by side but State.
const underRace = true
