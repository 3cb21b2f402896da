package keyed

import (
	"iter"
	"slices"
)

// List is a state of a list of V per key.
type List[V any] struct {
	column[[]V]
	detach func(*V)
	cursor uint32
	disk   listState[V] // nil: heap
}

// listState is List on disk. Its methods do what those of List say.
type listState[V any] interface {
	Append(v *V)
	All() iter.Seq[*V]
	Len() int
	Clear()
	Filter(drop func(v *V) bool)
	Sweep(n int, drop func(v *V) bool) (done bool)
}

// NewList registers a state of a list of V per key.
func NewList[V any](sc *Scope, name string) (*List[V], error) {
	schema, detach, err := schemaOf[V](name, "value")
	if err != nil {
		return nil, err
	}
	c, err := newColumn[[]V](sc, State{Name: name, Kind: KindList, Value: schema})
	if err != nil {
		return nil, err
	}
	l := &List[V]{column: c, detach: detach}
	if sc.disk != nil {
		if l.disk, err = newDiskList[V](sc, name); err != nil {
			return nil, err
		}
	}
	sc.columns = append(sc.columns, l)
	return l, nil
}

// Append adds a copy of *v, with strings of its own, to the list of the current key.
func (l *List[V]) Append(v *V) {
	if l.disk != nil {
		l.disk.Append(v)
		return
	}
	list, _ := l.ref()
	*list = append(*list, *v)
	if l.detach != nil {
		l.detach(&(*list)[len(*list)-1])
	}
}

// All ranges over the list of the current key, in the order of Append. The pointers are valid until the list is
// changed; what they point to must not be changed. The loop must not change the list.
func (l *List[V]) All() iter.Seq[*V] {
	if l.disk != nil {
		return l.disk.All()
	}
	return func(yield func(*V) bool) {
		list := l.get()
		if list == nil {
			return
		}
		for i := range *list {
			if !yield(&(*list)[i]) {
				return
			}
		}
	}
}

// Len returns the length of the list of the current key.
func (l *List[V]) Len() int {
	if l.disk != nil {
		return l.disk.Len()
	}
	if list := l.get(); list != nil {
		return len(*list)
	}
	return 0
}

// Clear removes the list of the current key.
func (l *List[V]) Clear() {
	if l.disk != nil {
		l.disk.Clear()
		return
	}
	l.clear()
}

// Filter removes the elements of the current key for which drop returns true.
func (l *List[V]) Filter(drop func(v *V) bool) {
	if l.disk != nil {
		l.disk.Filter(drop)
		return
	}
	if list := l.get(); list != nil && l.filter(list, drop) {
		l.clear()
	}
}

func (l *List[V]) filter(list *[]V, drop func(v *V) bool) (empty bool) {
	*list = slices.DeleteFunc(*list, func(v V) bool { return drop(&v) })
	return len(*list) == 0
}

// Sweep visits the lists of about n rows, going on where the last call ended, and removes the elements for which
// drop returns true. done tells that it came to the end. It needs no current key and does not change it.
func (l *List[V]) Sweep(n int, drop func(v *V) bool) (done bool) {
	if l.disk != nil {
		return l.disk.Sweep(n, drop)
	}
	return l.sweep(&l.cursor, n, func(list *[]V) bool { return l.filter(list, drop) })
}

func (l *List[V]) release(row uint32) { *l.at(row) = nil }
