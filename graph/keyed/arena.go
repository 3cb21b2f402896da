package keyed

import (
	"fmt"
	"math/bits"
	"slices"
	"unsafe"
)

const (
	chunkLen    = 256 // elements per chunk, once an arena has so many
	firstLen    = 16  // elements of the first chunk: an arena of few stays small
	smallChunks = 5   // chunks that hold the first chunkLen elements: 16, 16, 32, 64 and 128
	maxUsed     = 1<<32 - 2
)

// arena hands out numbered elements that lie by value in chunks and never move. Elements that are not in use are
// zero. Numbers plus one fit into 32 bits.
type arena[E any] struct {
	chunks []*E     // first element of each chunk
	used   uint32   // numbers given out so far
	most   uint32   // numbers given out before the arena was empty the last time
	live   int      // elements in use
	free   []uint32 // numbers that were given back
	gone   []uint64 // a bit for each of them; nil as long as there was none
}

// at returns the element of a number that was given out.
func (a *arena[E]) at(number uint32) *E {
	chunk, at := number>>8+smallChunks-1, number%chunkLen
	if number < chunkLen {
		// Chunk 0 holds numbers below 16, chunk i those from 8<<i to below 16<<i.
		chunk = uint32(bits.Len32(number / firstLen))
		if at = number; chunk > 0 {
			at -= firstLen / 2 << chunk
		}
	}
	var e E
	return (*E)(unsafe.Add(unsafe.Pointer(a.chunks[chunk]), uintptr(at)*unsafe.Sizeof(e)))
}

// next returns the number that take gives out next.
func (a *arena[E]) next() uint32 {
	if last := len(a.free) - 1; last >= 0 {
		return a.free[last]
	}
	return a.used
}

// take gives out an element.
func (a *arena[E]) take() (uint32, *E) {
	a.live++
	if last := len(a.free) - 1; last >= 0 {
		number := a.free[last]
		a.free = a.free[:last]
		a.gone[number/64] &^= 1 << (number % 64)
		return number, a.at(number)
	}
	if a.used >= maxUsed {
		panic(fmt.Errorf("a key group has %d entries, which is all it can hold", a.used))
	}
	number := a.used
	if number == a.room() {
		a.chunks = append(a.chunks, &make([]E, chunkSize(len(a.chunks)))[0])
	}
	a.used++
	return number, a.at(number)
}

// put takes an element back. When none is left numbers begin at 0 again, and memory that was not needed both times
// since the arena was empty is given back: emptied tells that.
func (a *arena[E]) put(number uint32) (emptied bool) {
	var zero E
	*a.at(number) = zero
	if a.live--; a.live == 0 {
		a.free, a.gone = a.free[:0], a.gone[:0]
		a.shrink(min(a.used, a.most))
		a.used, a.most = 0, a.used
		return true
	}
	for len(a.gone) <= int(number/64) {
		a.gone = append(a.gone, 0)
	}
	a.gone[number/64] |= 1 << (number % 64)
	a.free = append(a.free, number)
	return false
}

// shrink gives back the chunks beyond the first n elements. A small arena keeps what it has.
func (a *arena[E]) shrink(n uint32) {
	keep := 0
	for have := uint32(0); have < max(n, chunkLen) && keep < len(a.chunks); keep++ {
		have += uint32(chunkSize(keep))
	}
	if keep < len(a.chunks) {
		a.chunks = slices.Clone(a.chunks[:keep])
		a.free, a.gone = nil, nil
	}
}

// has tells whether a number below used is in use.
func (a *arena[E]) has(number uint32) bool {
	word := int(number / 64)
	return word >= len(a.gone) || a.gone[word]>>(number%64)&1 == 0
}

// clear takes all elements back. Memory is kept and given back as by put.
func (a *arena[E]) clear() {
	left := int(a.used)
	for i, first := range a.chunks {
		n := min(left, chunkSize(i))
		clear(unsafe.Slice(first, n))
		left -= n
	}
	a.free, a.gone = a.free[:0], a.gone[:0]
	a.shrink(min(a.used, a.most))
	a.used, a.most, a.live = 0, a.used, 0
}

// room returns how many elements the chunks hold.
func (a *arena[E]) room() uint32 {
	switch n := len(a.chunks); {
	case n == 0:
		return 0
	case n <= smallChunks:
		return firstLen << (n - 1)
	default:
		return uint32(n-smallChunks+1) * chunkLen
	}
}

// chunkSize returns the number of elements of chunk i.
func chunkSize(i int) int {
	switch {
	case i == 0:
		return firstLen
	case i < smallChunks:
		return firstLen / 2 << i
	default:
		return chunkLen
	}
}
