package profile

import "fmt"

// Op is what is done to a property, or to all of them. The numbers are those of column op of table profile_ops; in what order operations of one event apply is said by order.
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
	// Concat puts items at the end of its list, in their order. Its value is a list of them; one that is no list is the only item. So it is for the three that follow.
	Concat
	// Prepend puts items before those of its list, in their order.
	Prepend
	// Union puts those items at the end of its list that are not in it.
	Union
	// Remove takes out of its list whatever is equal to one of the items.
	Remove
	// Clear takes the values of all properties away. Its name is empty.
	Clear
)

// order is that in which operations of one event apply.
var order = [...]Op{Clear, Set, SetOnce, Add, Append, Concat, Prepend, Union, Remove, Unset}

// ranks are the places of operations in order.
var ranks = func() (all [Clear + 1]int) {
	for i, op := range order {
		all[op] = i
	}
	return all
}()

var opNames = [...]string{
	Set: "set", SetOnce: "set_once", Add: "add", Append: "append", Unset: "unset", Concat: "concat", Prepend: "prepend", Union: "union", Remove: "remove", Clear: "clear",
}

// String is the name of the operation as in table profile_ops.
func (o Op) String() string {
	if o.valid() {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

func (o Op) valid() bool { return o >= Set && o <= Clear }

// PerEvent tells that each event's operation counts: its row has the event's id as slot. Of the others only the latest does, so one slot, zero, is enough for all.
func (o Op) PerEvent() bool { return o.valid() && o != Set && o != Unset && o != Clear }

// Operation is what one event does to one property; Clear, which has no name, to all of them.
type Operation struct {
	Name  string // without escapes
	Op    Op
	Value string // JSON without white space, at most MaxValueBytes; of Add a number; of Unset and Clear ""
}
