//go:build !failpoints

package failpoint

// Enabled tells whether this build has failpoints.
const Enabled = false

// Hit is called when a step is reached; where is "topic/partition".
func Hit(name, where string) {}

// Without tells whether a protection is to be left out.
func Without(protection string) bool { return false }
