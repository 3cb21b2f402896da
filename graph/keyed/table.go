package keyed

import (
	"fmt"
	"iter"
	"unsafe"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
)

const minSlots = 16

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
	slots []uint64
	arena[entry[K, V]]
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
	e, isNew := t.group(hash).ref(k, uint32(hash), t.detachKey)
	if isNew {
		t.live++
	}
	return &e.value, isNew
}

// Get returns the value of *k, nil if there is none.
func (t *Table[K, V]) Get(k *K, hash uint64) *V {
	g := t.group(hash)
	if _, number, ok := g.find(k, uint32(hash)); ok {
		return &g.at(number).value
	}
	return nil
}

// Delete removes *k and tells whether it was there.
func (t *Table[K, V]) Delete(k *K, hash uint64) bool {
	if !t.group(hash).remove(k, uint32(hash)) {
		return false
	}
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
	return func(yield func(*K, *V) bool) { g.each(yield) }
}

// All ranges over all entries, group by group, as Group does.
func (t *Table[K, V]) All() iter.Seq2[*K, *V] {
	return func(yield func(*K, *V) bool) {
		for i := range t.groups {
			if !t.groups[i].each(yield) {
				return
			}
		}
	}
}

// Clear removes all keys and keeps the memory for the next ones, as much of it as was needed since the last time or
// the time before.
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

// ref returns the entry of a key, a new one if there was none.
func (g *group[K, V]) ref(k *K, low uint32, detach func(*K)) (e *entry[K, V], isNew bool) {
	if g.live >= len(g.slots)/4*3 {
		g.grow()
	}
	mask := uint32(len(g.slots) - 1)
	i := low & mask
	for ; g.slots[i] != 0; i = (i + 1) & mask {
		if s := g.slots[i]; uint32(s>>32) == low {
			if e := g.at(uint32(s) - 1); e.key == *k {
				return e, false
			}
		}
	}
	number, e := g.take()
	e.key = *k
	if detach != nil {
		detach(&e.key)
	}
	g.slots[i] = uint64(low)<<32 | uint64(number+1)
	return e, true
}

// find returns slot and entry number of a key.
func (g *group[K, V]) find(k *K, low uint32) (slot, number uint32, ok bool) {
	if g.live == 0 {
		return 0, 0, false
	}
	mask := uint32(len(g.slots) - 1)
	for i := low & mask; g.slots[i] != 0; i = (i + 1) & mask {
		if s := g.slots[i]; uint32(s>>32) == low {
			if number := uint32(s) - 1; g.at(number).key == *k {
				return i, number, true
			}
		}
	}
	return 0, 0, false
}

// remove removes a key and tells whether it was there. A group that was large and has become empty gives its memory
// back.
func (g *group[K, V]) remove(k *K, low uint32) bool {
	i, number, ok := g.find(k, low)
	if !ok {
		return false
	}
	g.closeGap(i)
	if g.put(number) && uint32(len(g.slots)) > 2*max(g.room(), minSlots) {
		g.slots = nil
	}
	return true
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

// each calls yield with the entries until it returns false, and tells whether it never did.
func (g *group[K, V]) each(yield func(*K, *V) bool) bool {
	number := uint32(0)
	for chunk := 0; number < g.used; chunk++ {
		entries := unsafe.Slice(g.chunks[chunk], chunkSize(chunk))
		for i := range entries {
			if number >= g.used {
				break
			}
			if e := &entries[i]; g.has(number) && !yield(&e.key, &e.value) {
				return false
			}
			number++
		}
	}
	return true
}

func (g *group[K, V]) clear() {
	g.arena.clear()
	if uint32(len(g.slots)) > 4*max(g.room(), minSlots) {
		g.slots = nil
	}
	clear(g.slots)
}
