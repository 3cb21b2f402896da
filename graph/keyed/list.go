package keyed

import "iter"

// List is a state of a list of V per key.
//
// On the heap elements are numbered nodes of an arena per key group, linked by number: values without pointers cost
// the garbage collector nothing, and an element never moves.
type List[V any] struct {
	column[listHead]
	nodes  []arena[listNode[V]] // by key group
	detach func(*V)
	cursor uint32
	disk   listState[V] // nil: heap
}

// listHead is what a list has per row. Numbers of nodes are plus one; 0 is none.
type listHead struct{ first, last, n uint32 }

type listNode[V any] struct {
	next uint32
	v    V
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
	c, err := newColumn[listHead](sc, State{Name: name, Kind: KindList, Value: schema})
	if err != nil {
		return nil, err
	}
	l := &List[V]{column: c, detach: detach}
	if sc.disk != nil {
		if l.disk, err = newDiskList[V](sc, name); err != nil {
			return nil, err
		}
	} else {
		l.nodes = make([]arena[listNode[V]], sc.backend.groups())
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
	row, head, _ := l.ref()
	nodes := &l.nodes[l.group(row)]
	number, node := nodes.take()
	node.v = *v
	if l.detach != nil {
		l.detach(&node.v)
	}
	if head.n == 0 {
		head.first = number + 1
	} else {
		nodes.at(head.last - 1).next = number + 1
	}
	head.last = number + 1
	head.n++
}

// All ranges over the list of the current key, in the order of Append. What the pointers point to must not be
// changed, and the loop must not change the list. The loop costs two allocations; Each costs none.
func (l *List[V]) All() iter.Seq[*V] { return l.Each }

// Each calls yield for each element as All does, until it returns false. A hot path makes yield once.
func (l *List[V]) Each(yield func(v *V) bool) {
	if l.disk != nil {
		l.disk.All()(yield)
		return
	}
	row, head := l.get()
	if head == nil {
		return
	}
	nodes := &l.nodes[l.group(row)]
	for next := head.first; next != 0; {
		node := nodes.at(next - 1)
		next = node.next
		if !yield(&node.v) {
			return
		}
	}
}

// Len returns the length of the list of the current key.
func (l *List[V]) Len() int {
	if l.disk != nil {
		return l.disk.Len()
	}
	if _, head := l.get(); head != nil {
		return int(head.n)
	}
	return 0
}

// Clear removes the list of the current key.
func (l *List[V]) Clear() {
	if l.disk != nil {
		l.disk.Clear()
		return
	}
	row, head := l.get()
	if head == nil {
		return
	}
	nodes := &l.nodes[l.group(row)]
	for next := head.first; next != 0; {
		number := next - 1
		next = nodes.at(number).next
		nodes.put(number)
	}
	l.clear()
}

// Filter removes the elements of the current key's list for which drop returns true. drop may change what it keeps.
func (l *List[V]) Filter(drop func(v *V) bool) {
	if l.disk != nil {
		l.disk.Filter(drop)
		return
	}
	if row, head := l.get(); head != nil && l.filter(row, head, drop) {
		l.clear()
	}
}

// filter tells whether nothing is left.
func (l *List[V]) filter(row uint32, head *listHead, drop func(v *V) bool) (empty bool) {
	nodes := &l.nodes[l.group(row)]
	link := &head.first // where the number of the next node is
	head.last = 0
	for *link != 0 {
		number := *link - 1
		node := nodes.at(number)
		if drop(&node.v) {
			*link = node.next
			nodes.put(number)
			head.n--
		} else {
			head.last = number + 1
			link = &node.next
		}
	}
	return head.n == 0
}

// Sweep visits the lists of about n rows, going on where the last call ended and beginning anew after the end, and
// removes the elements for which drop returns true. done tells that it came to the end. It needs no current key and
// does not change it.
func (l *List[V]) Sweep(n int, drop func(v *V) bool) (done bool) {
	if l.disk != nil {
		return l.disk.Sweep(n, drop)
	}
	return l.sweep(&l.cursor, n, func(row uint32, head *listHead) bool { return l.filter(row, head, drop) })
}
