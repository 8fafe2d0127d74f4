package profile

// Limits of one profile. What goes beyond them is left out and counted, never cut.
const (
	// MaxNames is how many properties a profile has at most, and how many of them one operation of an event names. Of more, Fold keeps those that come first in the order of
	// their bytes, and Read those that stand first.
	MaxNames = 1000
	// MaxNameBytes is the longest name of a property, without escapes.
	MaxNameBytes = 200
	// MaxValueBytes is the longest value, as JSON without white space. It holds for lists that items were put into, too.
	MaxValueBytes = 64 << 10
	// MaxItems is how many items a list has at most for one more to be put into it, at either end. Those that are there are kept.
	MaxItems = 1000
)

// maxDepth is how deep traits may nest. The door's limit is below it; ClickHouse gives up a document at twice as much.
const maxDepth = 512
