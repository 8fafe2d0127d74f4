package identity

import "unsafe"

const (
	pageBits  = 12
	pageItems = 1 << pageBits
)

// pages holds items under numbers from 1; 0 stands for none. Growing adds a page and moves nothing, so that there is no moment at which twice the memory is
// needed, and pointers to items stay good until the item is given back. T holds no pointers, so the collector does not look inside.
type pages[T any] struct {
	pages []*[pageItems]T
	next  uint32   // the lowest number never taken, less 1: the zero value is ready
	free  []uint32 // numbers below it that are free
}

func (p *pages[T]) at(i uint32) *T { return &p.pages[i>>pageBits][i&(pageItems-1)] }

// end is above every number that has been taken.
func (p *pages[T]) end() uint32 { return p.next + 1 }

// take returns the number of a zero item.
func (p *pages[T]) take() uint32 {
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		return i
	}
	p.next++
	if p.next == 0 {
		panic("BUG: more items in an identity graph than 32 bits can number")
	}
	if int(p.next>>pageBits) == len(p.pages) {
		p.pages = append(p.pages, new([pageItems]T))
	}
	return p.next
}

// give makes i free.
func (p *pages[T]) give(i uint32) {
	var zero T
	*p.at(i) = zero
	p.free = append(p.free, i)
}

func (p *pages[T]) bytes() int64 {
	var item T
	return int64(len(p.pages))*pageItems*int64(unsafe.Sizeof(item)) + int64(cap(p.pages))*8 + int64(cap(p.free))*4
}
