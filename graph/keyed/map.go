package keyed

import "iter"

// Map is a state of a map from MK to V per key. hash-able types only may be MK, as for the keys of streams.
type Map[MK comparable, V any] struct {
	column[map[MK]*V]
	detachKey func(*MK)
	detach    func(*V)
	cursor    uint32
	disk      mapState[MK, V] // nil: heap
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
	entry, detachKey, err := schemaOf[MK](name, "map key")
	if err != nil {
		return nil, err
	}
	schema, detach, err := schemaOf[V](name, "map value")
	if err != nil {
		return nil, err
	}
	c, err := newColumn[map[MK]*V](sc, State{Name: name, Kind: KindMap, Entry: entry, Value: schema})
	if err != nil {
		return nil, err
	}
	m := &Map[MK, V]{column: c, detachKey: detachKey, detach: detach}
	if sc.disk != nil {
		if m.disk, err = newDiskMap[MK, V](sc, name); err != nil {
			return nil, err
		}
	}
	sc.columns = append(sc.columns, m)
	return m, nil
}

// Get returns the value of *k in the map of the current key, nil if there is none. The pointer is valid until the
// state is changed or the key changes. To change *v in place, use Ref.
func (m *Map[MK, V]) Get(k *MK) *V {
	if m.disk != nil {
		return m.disk.Get(k)
	}
	if e := m.get(); e != nil {
		return (*e)[*k]
	}
	return nil
}

// Ref returns the value of *k in the map of the current key, a new zero one if there was none, to be changed in
// place until the next call. Strings that the caller puts there are the caller's to detach; see Set.
func (m *Map[MK, V]) Ref(k *MK) (v *V, isNew bool) {
	if m.disk != nil {
		return m.disk.Ref(k)
	}
	e, _ := m.ref()
	if *e == nil {
		*e = make(map[MK]*V)
	}
	v, ok := (*e)[*k]
	if !ok {
		own := *k
		if m.detachKey != nil {
			m.detachKey(&own)
		}
		v = new(V)
		(*e)[own] = v
	}
	return v, !ok
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
	e := m.get()
	if e == nil {
		return false
	}
	_, ok := (*e)[*k]
	delete(*e, *k)
	if len(*e) == 0 {
		m.clear()
	}
	return ok
}

// All ranges over the map of the current key. The loop may change values and delete the entry that it is at. Whether
// it sees entries that are inserted meanwhile is open.
func (m *Map[MK, V]) All() iter.Seq2[*MK, *V] {
	if m.disk != nil {
		return m.disk.All()
	}
	return func(yield func(*MK, *V) bool) {
		e := m.get()
		if e == nil {
			return
		}
		for k, v := range *e {
			if !yield(&k, v) {
				return
			}
		}
	}
}

// Len returns the number of entries in the map of the current key.
func (m *Map[MK, V]) Len() int {
	if m.disk != nil {
		return m.disk.Len()
	}
	if e := m.get(); e != nil {
		return len(*e)
	}
	return 0
}

// Clear removes the map of the current key.
func (m *Map[MK, V]) Clear() {
	if m.disk != nil {
		m.disk.Clear()
		return
	}
	m.clear()
}

// Sweep visits about n entries of all keys, going on where the last call ended and beginning anew at the end, and
// removes those for which drop returns true. done tells that it came to the end. It needs no current key and does not change it.
func (m *Map[MK, V]) Sweep(n int, drop func(k *MK, v *V) bool) (done bool) {
	if m.disk != nil {
		return m.disk.Sweep(n, drop)
	}
	return m.sweep(&m.cursor, n, func(e *map[MK]*V) bool {
		for k, v := range *e {
			if drop(&k, v) {
				delete(*e, k)
			}
		}
		return len(*e) == 0
	})
}

func (m *Map[MK, V]) release(row uint32) { *m.at(row) = nil }
