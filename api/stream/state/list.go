package state

import (
	"iter"

	"github.com/flink-go/flink-go/graph/keyed"
)

// List is a state of a list of V per key.
type List[V any] struct{ handle }

// NewList returns the handle of a state of a list of V per key.
func NewList[V any](name string, opts ...Option) *List[V] {
	s := new(List[V])
	s.init(name, opts)
	return s
}

// boundList is a List in a scope.
type boundList[V any] struct {
	owner *handle
	scope *keyed.Scope
	plain *keyed.List[V]
	timed *keyed.List[timed[V]]
	tmp   V
	sweeper
	tmpTimed timed[V]
	drop     func(*timed[V]) bool
	renew    func(*timed[V]) bool
	count    func(*timed[V]) bool
	counted  int
	loops    int // in All: a sweep would take elements from under it
}

func (b *boundList[V]) boundTo() *handle { return b.owner }

// Bind makes the state in a subtask; the runtime calls it.
func (s *List[V]) Bind(sc *keyed.Scope) (err error) {
	if s.err != nil {
		return s.err
	}
	b := &boundList[V]{owner: &s.handle, scope: sc}
	if s.ttl == nil {
		b.plain, err = keyed.NewList[V](sc, s.name)
	} else {
		b.ttl = s.ttl
		b.drop = func(t *timed[V]) bool { return b.seen(t.At, b.scope.Now()) }
		b.renew = func(t *timed[V]) bool {
			now := b.scope.Now()
			if b.expired(t.At, now) {
				return true
			}
			t.At = now
			return false
		}
		b.count = func(t *timed[V]) bool {
			if !b.expired(t.At, b.scope.Now()) {
				b.counted++
			}
			return true
		}
		b.timed, err = keyed.NewList[timed[V]](sc, s.name)
	}
	if err != nil {
		return err
	}
	s.attach(sc, b)
	return nil
}

func (s *List[V]) in(ctx Context) *boundList[V] {
	sc := ctx.Scope()
	if b, ok := sc.Attached(int(s.hint.Load())).(*boundList[V]); ok && b.owner == &s.handle {
		return b
	}
	return search[*boundList[V]](&s.handle, sc)
}

// Add appends a copy of v, with strings of its own, to the list of the current key.
func (s *List[V]) Add(ctx Context, v V) { s.in(ctx).add(v) }

func (b *boundList[V]) add(v V) {
	if b.plain != nil {
		b.tmp = v
		b.plain.Append(&b.tmp)
		return
	}
	now := b.scope.Now()
	if b.loops == 0 && b.due(now) && b.timed.Sweep(b.entries, b.drop) {
		b.done()
	}
	b.tmpTimed.V, b.tmpTimed.At = v, now
	b.timed.Append(&b.tmpTimed)
}

// Set replaces the list of the current key by copies of vs.
func (s *List[V]) Set(ctx Context, vs []V) {
	b := s.in(ctx)
	b.clear()
	for i := range vs {
		b.add(vs[i])
	}
}

// All ranges over the list of the current key in the order of Add. The loop must not change the list.
func (s *List[V]) All(ctx Context) iter.Seq[V] {
	b := s.in(ctx)
	return func(yield func(V) bool) {
		if b.plain != nil {
			for v := range b.plain.All() {
				if !yield(*v) {
					return
				}
			}
			return
		}
		if b.onRead && !b.returnExpired {
			b.timed.Filter(b.renew)
		}
		now := b.scope.Now()
		b.loops++
		defer func() { b.loops-- }() // the loop may panic, and a policy go on
		for t := range b.timed.All() {
			if b.expired(t.At, now) && !b.returnExpired {
				continue
			}
			if !yield(t.V) {
				return
			}
		}
	}
}

// Len returns the length of the list of the current key. With a time to live it looks at each element.
func (s *List[V]) Len(ctx Context) int {
	b := s.in(ctx)
	if b.plain != nil {
		return b.plain.Len()
	}
	if b.returnExpired {
		return b.timed.Len()
	}
	b.counted = 0
	b.timed.Each(b.count)
	return b.counted
}

// Clear removes the list of the current key.
func (s *List[V]) Clear(ctx Context) { s.in(ctx).clear() }

func (b *boundList[V]) clear() {
	if b.plain != nil {
		b.plain.Clear()
	} else {
		b.timed.Clear()
	}
}
