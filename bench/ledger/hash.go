package ledger

import "github.com/go-faster/city"

// PayloadHash is the fingerprint of what a client said in an event, as ClickHouse must hold it: typ, event and so on are the values of the columns of
// table events that are so called, in this order. It is cityHash64 (version 1.0.2, ClickHouse's) of the values with a zero byte between each two; a
// value that holds zero bytes itself is hashed as it is. It keeps nothing of its arguments.
func PayloadHash(typ, event, name, userID, anonymousID, groupID, previousID, props, context, traits []byte) uint64 {
	fields := [...][]byte{typ, event, name, userID, anonymousID, groupID, previousID, props, context, traits}
	size := len(fields) - 1
	for _, f := range fields {
		size += len(f)
	}
	text := make([]byte, 0, size)
	for i, f := range fields {
		if i > 0 {
			text = append(text, 0)
		}
		text = append(text, f...)
	}
	return city.CH64(text)
}

// PayloadHashSQL is PayloadHash over a row of table events.
const PayloadHashSQL = `cityHash64(concat(type, '\0', event, '\0', name, '\0', user_id, '\0', anonymous_id, '\0', group_id, '\0', previous_id, '\0', props, '\0', context, '\0', traits))`
