package keyed

import (
	"fmt"
	"iter"

	"github.com/flink-go/flink-go/graph/codec"
)

// Map is a state of a map from MK to V per key. MK must be a type that streams can be keyed by.
//
// On the heap the entries of all keys are in one table per key group, under the row and the map's key; those of a row
// are linked. So a map costs no memory of its own, however small, and nothing for the garbage collector if MK and V
// have no pointers.
type Map[MK comparable, V any] struct {
	column[mapHead]
	entries     *Table[mapKey[MK], mapValue[V]]
	hash        func(*MK) uint64
	key         mapKey[MK] // scratch
	detach      func(*V)
	sweepGroup  int    // where Sweep goes on
	sweepNumber uint32 // within that key group
	disk        mapState[MK, V]
}

// mapHead is what a map has per row. Numbers of entries are plus one; 0 is none.
type mapHead struct{ first, last, n uint32 }

type mapKey[MK comparable] struct {
	row uint32
	k   MK
}

type mapValue[V any] struct {
	prev, next uint32
	v          V
}

// mapState is Map on disk. Its methods do what those of Map say.
type mapState[MK comparable, V any] interface {
	Get(k *MK) *V
	Ref(k *MK) (v *V, isNew bool)
	Set(k *MK, v *V)
	Delete(k *MK) bool
	All() iter.Seq2[*MK, *V]
	Len() int
	Clear()
	Sweep(n int, drop func(k *MK, v *V) bool) (done bool)
}

// NewMap registers a state of a map from MK to V per key.
func NewMap[MK comparable, V any](sc *Scope, name string) (*Map[MK, V], error) {
	entry, _, err := schemaOf[MK](name, "map key")
	if err != nil {
		return nil, err
	}
	schema, detach, err := schemaOf[V](name, "map value")
	if err != nil {
		return nil, err
	}
	hash, err := codec.HashFor[MK]()
	if err != nil {
		return nil, fmt.Errorf("state %q: map key: %w", name, err)
	}
	c, err := newColumn[mapHead](sc, State{Name: name, Kind: KindMap, Entry: entry, Value: schema})
	if err != nil {
		return nil, err
	}
	m := &Map[MK, V]{column: c, hash: hash, detach: detach}
	if sc.disk != nil {
		m.disk, err = newDiskMap[MK, V](sc, name)
	} else {
		m.entries, err = New[mapKey[MK], mapValue[V]](sc.backend.owned, sc.backend.maxParallelism)
	}
	if err != nil {
		return nil, fmt.Errorf("state %q: %w", name, err)
	}
	sc.columns = append(sc.columns, m)
	return m, nil
}

// low mixes the hash of a map's key with its row. Rows that follow each other and keys that do spread evenly.
func (m *Map[MK, V]) low(row uint32, k *MK) uint32 {
	return uint32((m.hash(k) ^ uint64(row)*0x9e3779b97f4a7c15) >> 32)
}

// Get returns the value of *k in the map of the current key, nil if there is none. The pointer is valid until the
// next call; what it points to must not be changed: for that use Ref.
func (m *Map[MK, V]) Get(k *MK) *V {
	if m.disk != nil {
		return m.disk.Get(k)
	}
	row, head := m.get()
	if head == nil {
		return nil
	}
	g := &m.entries.groups[m.group(row)]
	m.key.row, m.key.k = row, *k
	if _, number, ok := g.find(&m.key, m.low(row, k)); ok {
		return &g.at(number).value.v
	}
	return nil
}

// Ref returns the value of *k in the map of the current key, a new zero one if there was none, to be changed in
// place until the next call. Strings that the caller puts there are the caller's to detach; see Set.
func (m *Map[MK, V]) Ref(k *MK) (v *V, isNew bool) {
	if m.disk != nil {
		return m.disk.Ref(k)
	}
	row, head, _ := m.ref()
	g := &m.entries.groups[m.group(row)]
	m.key.row, m.key.k = row, *k
	number := g.next()
	e, isNew := g.ref(&m.key, m.low(row, k), m.entries.detachKey)
	if isNew {
		if e.value.prev = head.last; head.n == 0 {
			head.first = number + 1
		} else {
			g.at(head.last - 1).value.next = number + 1
		}
		head.last = number + 1
		head.n++
	}
	return &e.value.v, isNew
}

// Set stores a copy of *v, with strings of its own, under *k.
func (m *Map[MK, V]) Set(k *MK, v *V) {
	if m.disk != nil {
		m.disk.Set(k, v)
		return
	}
	to, _ := m.Ref(k)
	*to = *v
	if m.detach != nil {
		m.detach(to)
	}
}

// Delete removes *k from the map of the current key and tells whether it was there.
func (m *Map[MK, V]) Delete(k *MK) bool {
	if m.disk != nil {
		return m.disk.Delete(k)
	}
	row, head := m.get()
	if head == nil {
		return false
	}
	m.key.row, m.key.k = row, *k
	if !m.remove(m.group(row), head, m.low(row, k)) {
		return false
	}
	if head.n == 0 {
		m.clear()
	}
	return true
}

// remove removes the entry of m.key, whose row has this head.
func (m *Map[MK, V]) remove(group int, head *mapHead, low uint32) bool {
	g := &m.entries.groups[group]
	_, number, ok := g.find(&m.key, low)
	if !ok {
		return false
	}
	e := &g.at(number).value
	if e.prev != 0 {
		g.at(e.prev - 1).value.next = e.next
	} else {
		head.first = e.next
	}
	if e.next != 0 {
		g.at(e.next - 1).value.prev = e.prev
	} else {
		head.last = e.prev
	}
	head.n--
	g.remove(&m.key, low)
	return true
}

// All ranges over the map of the current key, in no order. The loop may Ref, Set and Delete the entry that it is at;
// otherwise what the pointers point to must not be changed. Whether it sees entries that are added meanwhile is open.
// The loop costs two allocations; Each costs none.
func (m *Map[MK, V]) All() iter.Seq2[*MK, *V] { return m.Each }

// Each calls yield for each entry as All does, until it returns false. A hot path makes yield once.
func (m *Map[MK, V]) Each(yield func(k *MK, v *V) bool) {
	if m.disk != nil {
		m.disk.All()(yield)
		return
	}
	row, head := m.get()
	if head == nil {
		return
	}
	g := &m.entries.groups[m.group(row)]
	for next := head.first; next != 0; {
		e := g.at(next - 1)
		next = e.value.next
		if !yield(&e.key.k, &e.value.v) {
			return
		}
	}
}

// Len returns the number of entries in the map of the current key.
func (m *Map[MK, V]) Len() int {
	if m.disk != nil {
		return m.disk.Len()
	}
	if _, head := m.get(); head != nil {
		return int(head.n)
	}
	return 0
}

// Clear removes the map of the current key.
func (m *Map[MK, V]) Clear() {
	if m.disk != nil {
		m.disk.Clear()
		return
	}
	row, head := m.get()
	if head == nil {
		return
	}
	g := &m.entries.groups[m.group(row)]
	for next := head.first; next != 0; {
		e := g.at(next - 1)
		next = e.value.next
		m.key = e.key
		g.remove(&m.key, m.low(row, &m.key.k))
	}
	m.clear()
}

// Sweep visits about n entries of all keys, going on where the last call ended and beginning anew after the end, and
// removes those for which drop returns true. done tells that it came to the end. It needs no current key and does
// not change it.
func (m *Map[MK, V]) Sweep(n int, drop func(k *MK, v *V) bool) (done bool) {
	if m.disk != nil {
		return m.disk.Sweep(n, drop)
	}
	for ; m.sweepGroup < len(m.entries.groups); m.sweepGroup, m.sweepNumber = m.sweepGroup+1, 0 {
		g := &m.entries.groups[m.sweepGroup]
		for ; m.sweepNumber < g.used; m.sweepNumber++ {
			if n--; n < 0 {
				return false
			}
			if !g.has(m.sweepNumber) {
				continue
			}
			e := g.at(m.sweepNumber)
			if !drop(&e.key.k, &e.value.v) {
				continue
			}
			m.key = e.key
			r := m.scope.index.state(m.key.row)
			head := m.at(m.key.row)
			m.remove(m.sweepGroup, head, m.low(m.key.row, &m.key.k))
			if head.n == 0 {
				m.column.remove(r)
			}
		}
	}
	m.sweepGroup, m.sweepNumber = 0, 0
	return true
}
