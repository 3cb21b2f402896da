package keyed

import (
	"fmt"
	"iter"
	"math/bits"
	"unsafe"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
)

const (
	chunkLen    = 256 // entries per chunk, once a group has so many
	firstLen    = 16  // entries of the first chunk: a group of few keys stays small
	smallChunks = 5   // chunks that hold the first chunkLen entries: 16, 16, 32, 64 and 128
	minSlots    = 16
	maxUsed     = 1<<32 - 2 // entry numbers and one more than them fit into 32 bits
)

// Table maps keys to values within the key groups of one subtask.
type Table[K comparable, V any] struct {
	owned          core.KeyGroupRange
	maxParallelism int
	groups         []group[K, V]
	live           int
	detachKey      func(*K) // nil for keys without strings
}

// entry is a key with its value.
type entry[K comparable, V any] struct {
	key   K
	value V
}

// group is the table of one key group.
type group[K comparable, V any] struct {
	// slots are the lower 32 bits of a hash above the number of an entry plus one; 0 is an empty slot. Linear
	// probing, at most 3/4 full, no marks of deleted slots: those behind move up.
	slots  []uint64
	chunks []*entry[K, V] // first entry of each chunk
	used   uint32         // entry numbers given out so far
	live   int            // entries in use
	free   []uint32       // numbers of deleted entries
	gone   []uint64       // a bit per deleted entry; nil as long as nothing was deleted
}

// New returns an empty table for the key groups of a subtask. It fails for key types without a hash.
func New[K comparable, V any](owned core.KeyGroupRange, maxParallelism int) (*Table[K, V], error) {
	if owned.From < 0 || owned.To < owned.From || owned.To > maxParallelism {
		return nil, fmt.Errorf("table of key groups %d to %d of %d", owned.From, owned.To, maxParallelism)
	}
	if _, err := codec.HashFor[K](); err != nil {
		return nil, err
	}
	detach, err := codec.DetachFor[K]()
	if err != nil {
		return nil, err
	}
	return &Table[K, V]{
		owned:          owned,
		maxParallelism: maxParallelism,
		groups:         make([]group[K, V], owned.To-owned.From),
		detachKey:      detach,
	}, nil
}

// Ref returns the value of *k, a new zero one if there was none. hash is that of codec.HashFor[K]. The pointer stays
// valid until the entry is deleted or the table cleared. A new key is stored with strings of its own.
//
// It panics if the subtask does not own the key's group: then the key selector of the program gave different keys for
// one record (B-46).
func (t *Table[K, V]) Ref(k *K, hash uint64) (v *V, isNew bool) {
	g := t.group(hash)
	if g.live >= len(g.slots)/4*3 {
		g.grow()
	}
	low := uint32(hash)
	mask := uint32(len(g.slots) - 1)
	i := low & mask
	for ; g.slots[i] != 0; i = (i + 1) & mask {
		if s := g.slots[i]; uint32(s>>32) == low {
			if e := g.entry(uint32(s) - 1); e.key == *k {
				return &e.value, false
			}
		}
	}
	number, e := g.take()
	e.key = *k
	if t.detachKey != nil {
		t.detachKey(&e.key)
	}
	g.slots[i] = uint64(low)<<32 | uint64(number+1)
	g.live++
	t.live++
	return &e.value, true
}

// Get returns the value of *k, nil if there is none.
func (t *Table[K, V]) Get(k *K, hash uint64) *V {
	g := t.group(hash)
	if _, number, ok := g.find(k, uint32(hash)); ok {
		return &g.entry(number).value
	}
	return nil
}

// Delete removes *k and tells whether it was there.
func (t *Table[K, V]) Delete(k *K, hash uint64) bool {
	g := t.group(hash)
	i, number, ok := g.find(k, uint32(hash))
	if !ok {
		return false
	}
	g.closeGap(i)
	*g.entry(number) = entry[K, V]{}
	for len(g.gone) <= int(number/64) {
		g.gone = append(g.gone, 0)
	}
	g.gone[number/64] |= 1 << (number % 64)
	g.free = append(g.free, number)
	g.live--
	t.live--
	return true
}

// Len returns the number of keys.
func (t *Table[K, V]) Len() int { return t.live }

// KeyGroups returns the key groups that the table holds.
func (t *Table[K, V]) KeyGroups() core.KeyGroupRange { return t.owned }

// Group ranges over the entries of a key group in the order in which they were first inserted; a key that is inserted
// after another was deleted takes the place of that one. The loop may change values and delete the entry that it is
// at. Whether it sees keys inserted meanwhile is open.
func (t *Table[K, V]) Group(keyGroup int) iter.Seq2[*K, *V] {
	g := &t.groups[keyGroup-t.owned.From]
	return func(yield func(*K, *V) bool) {
		for number := uint32(0); number < g.used; number++ {
			if word := int(number / 64); word < len(g.gone) && g.gone[word]>>(number%64)&1 != 0 {
				continue
			}
			if e := g.entry(number); !yield(&e.key, &e.value) {
				return
			}
		}
	}
}

// All ranges over all entries, group by group, as Group does.
func (t *Table[K, V]) All() iter.Seq2[*K, *V] {
	return func(yield func(*K, *V) bool) {
		for keyGroup := t.owned.From; keyGroup < t.owned.To; keyGroup++ {
			for k, v := range t.Group(keyGroup) {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// Clear removes all keys and keeps the memory for the next ones.
func (t *Table[K, V]) Clear() {
	for i := range t.groups {
		t.groups[i].clear()
	}
	t.live = 0
}

func (t *Table[K, V]) group(hash uint64) *group[K, V] {
	i := core.KeyGroup(hash, t.maxParallelism) - t.owned.From
	if uint(i) >= uint(len(t.groups)) {
		panic(notOwned(i+t.owned.From, t.owned))
	}
	return &t.groups[i]
}

// notOwned is apart so that group is small enough to be inlined.
func notOwned(keyGroup int, owned core.KeyGroupRange) error {
	return fmt.Errorf("a record of key group %d came to the subtask that owns groups %d to %d: its key is not always the same",
		keyGroup, owned.From, owned.To-1)
}

// find returns slot and entry number of a key.
func (g *group[K, V]) find(k *K, low uint32) (slot, number uint32, ok bool) {
	if g.live == 0 {
		return 0, 0, false
	}
	mask := uint32(len(g.slots) - 1)
	for i := low & mask; g.slots[i] != 0; i = (i + 1) & mask {
		if s := g.slots[i]; uint32(s>>32) == low {
			if number := uint32(s) - 1; g.entry(number).key == *k {
				return i, number, true
			}
		}
	}
	return 0, 0, false
}

// entry returns the entry of a number that was given out.
func (g *group[K, V]) entry(number uint32) *entry[K, V] {
	chunk, at := number>>8+smallChunks-1, number%chunkLen
	if number < chunkLen {
		// Chunk 0 holds numbers below 16, chunk i those from 8<<i to below 16<<i.
		chunk = uint32(bits.Len32(number / firstLen))
		if at = number; chunk > 0 {
			at -= firstLen / 2 << chunk
		}
	}
	return (*entry[K, V])(unsafe.Add(unsafe.Pointer(g.chunks[chunk]), uintptr(at)*unsafe.Sizeof(entry[K, V]{})))
}

// take returns a zero entry and its number.
func (g *group[K, V]) take() (uint32, *entry[K, V]) {
	if last := len(g.free) - 1; last >= 0 {
		number := g.free[last]
		g.free = g.free[:last]
		g.gone[number/64] &^= 1 << (number % 64)
		return number, g.entry(number)
	}
	if g.used >= maxUsed {
		panic(fmt.Errorf("a key group has %d keys, which is all it can hold", g.used))
	}
	number := g.used
	if number == g.room() {
		g.chunks = append(g.chunks, &make([]entry[K, V], chunkSize(len(g.chunks)))[0])
	}
	g.used++
	return number, g.entry(number)
}

// room returns how many entries the chunks hold.
func (g *group[K, V]) room() uint32 {
	switch n := len(g.chunks); {
	case n == 0:
		return 0
	case n <= smallChunks:
		return firstLen << (n - 1)
	default:
		return uint32(n-smallChunks+1) * chunkLen
	}
}

// chunkSize returns the number of entries of chunk i.
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

// grow doubles the slots.
func (g *group[K, V]) grow() {
	slots := make([]uint64, max(minSlots, 2*len(g.slots)))
	mask := uint32(len(slots) - 1)
	for _, s := range g.slots {
		if s == 0 {
			continue
		}
		i := uint32(s>>32) & mask
		for slots[i] != 0 {
			i = (i + 1) & mask
		}
		slots[i] = s
	}
	g.slots = slots
}

// closeGap empties slot i and moves up those behind it that would not be found across the gap.
func (g *group[K, V]) closeGap(i uint32) {
	mask := uint32(len(g.slots) - 1)
	for j := (i + 1) & mask; g.slots[j] != 0; j = (j + 1) & mask {
		home := uint32(g.slots[j]>>32) & mask
		// j may move to i if its home is not between them.
		if (j-home)&mask >= (j-i)&mask {
			g.slots[i] = g.slots[j]
			i = j
		}
	}
	g.slots[i] = 0
}

func (g *group[K, V]) clear() {
	clear(g.slots)
	left := int(g.used)
	for i, first := range g.chunks {
		n := min(left, chunkSize(i))
		clear(unsafe.Slice(first, n))
		left -= n
	}
	g.used, g.live = 0, 0
	g.free = g.free[:0]
	g.gone = g.gone[:0]
}
