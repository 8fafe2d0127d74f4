// Package ring is a bounded queue from many producers to one consumer, without locks. It bounds what is in it by entries and by bytes, and
// a full ring refuses at once: it never grows and never makes a producer wait.
//
// A producer reserves first and pushes later, so that work which needs room in several rings can be given up as a whole while nothing of it has
// happened yet:
//
//	if !r.TryReserve(size) { … refuse, Release what other rings gave … }
//	r.Push(v) // cannot fail
//
// The consumer pops, and parks when there is nothing to pop:
//
//	for {
//		for v, ok := r.Pop(); ok; v, ok = r.Pop() { … }
//		if r.Ended() { return }
//		if !r.Park() { continue }
//		select {
//		case <-r.Ready():
//		case … other events …
//		}
//		r.Unpark()
//	}
//
// # Contract
//
//   - TryReserve takes one slot and the bytes, both or neither. It refuses when either bound would be passed and after Close. It never
//     refuses for any other reason: not because of a neighbour that tries at the same time.
//   - Every reservation is followed by exactly one Push or one Release, of the same bytes.
//   - Push cannot fail and never blocks. What one goroutine pushed first is popped first; between goroutines the order is that of the pushes.
//   - The slot is free again when its value is popped. The bytes are not: they leave the bound at Free, which the consumer calls once the value is
//     done with. So the bound covers what the consumer still holds.
//   - Pop, Free, Park, Unpark and Ended belong to the one consumer. All else may be called from anywhere.
//   - A pushed value is popped, or the consumer is awake, or a token is in Ready: a parked consumer is never forgotten. Ready may also hold a
//     token for no reason, so the consumer looks again and parks again.
//   - Close refuses new reservations. Those already given are honoured. Ended tells, after Close, that nothing is reserved or
//     queued and nothing ever will be.
//
// The ring holds values of T and forgets them when they are popped. It starts no goroutine, logs nothing, counts nothing. DESIGN.md has
// the reasoning.
package ring
