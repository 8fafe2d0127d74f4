package profile

import "fmt"

// Op is what is done to a property. The numbers are those of column op of table profile_ops; of operations of one event on one property, the lower comes first.
type Op uint8

const (
	// Set gives the property a value.
	Set Op = iota + 1
	// SetOnce gives it a value if it has none. Null is a value.
	SetOnce
	// Add adds a number to it, which is 0 when it has no value.
	Add
	// Append puts an item at the end of its list, which is empty when it has no value.
	Append
	// Unset takes its value away.
	Unset
)

var opNames = [...]string{Set: "set", SetOnce: "set_once", Add: "add", Append: "append", Unset: "unset"}

// String is the name of the operation as in table profile_ops.
func (o Op) String() string {
	if o.valid() {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

func (o Op) valid() bool { return o >= Set && o <= Unset }

// once tells that each event's operation counts, not only the latest: its row has the event's id as slot.
func (o Op) once() bool { return o == SetOnce || o == Add || o == Append }

// Operation is what one event does to one property.
type Operation struct {
	Name  string // without escapes
	Op    Op
	Value string // JSON without white space, at most MaxValueBytes; of Add a number; of Unset ""
}
