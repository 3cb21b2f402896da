package state

import (
	"iter"

	"github.com/flink-go/flink-go/graph/keyed"
)

// Map is a state of a map from K to V per key.
type Map[K comparable, V any] struct{ handle }

// NewMap returns the handle of a state of a map per key. K must be a type that streams can be keyed by.
func NewMap[K comparable, V any](name string, opts ...Option) *Map[K, V] {
	s := new(Map[K, V])
	s.init(name, opts)
	return s
}

// boundMap is a Map in a scope.
type boundMap[K comparable, V any] struct {
	owner *handle
	scope *keyed.Scope
	plain *keyed.Map[K, V]
	timed *keyed.Map[K, timed[V]]
	k     K
	tmp   V
	sweeper
	tmpTimed timed[V]
	drop     func(*K, *timed[V]) bool
	count    func(*K, *timed[V]) bool
	counted  int
	loops    int // in All: a sweep would take entries from under it
}

func (b *boundMap[K, V]) boundTo() *handle { return b.owner }

// Bind makes the state in a subtask; the runtime calls it.
func (s *Map[K, V]) Bind(sc *keyed.Scope) (err error) {
	if s.err != nil {
		return s.err
	}
	b := &boundMap[K, V]{owner: &s.handle, scope: sc}
	if s.ttl == nil {
		b.plain, err = keyed.NewMap[K, V](sc, s.name)
	} else {
		b.ttl = s.ttl
		b.drop = func(_ *K, t *timed[V]) bool { return b.seen(t.At, b.scope.Now()) }
		b.count = func(_ *K, t *timed[V]) bool {
			if !b.expired(t.At, b.scope.Now()) {
				b.counted++
			}
			return true
		}
		b.timed, err = keyed.NewMap[K, timed[V]](sc, s.name)
	}
	if err != nil {
		return err
	}
	s.attach(sc, b)
	return nil
}

func (s *Map[K, V]) in(ctx Context) *boundMap[K, V] {
	sc := ctx.Scope()
	if b, ok := sc.Attached(int(s.hint.Load())).(*boundMap[K, V]); ok && b.owner == &s.handle {
		return b
	}
	return search[*boundMap[K, V]](&s.handle, sc)
}

func (b *boundMap[K, V]) sweep(now int64) {
	if b.loops == 0 && b.due(now) && b.timed.Sweep(b.entries, b.drop) {
		b.done()
	}
}

// Get returns the value of k in the map of the current key; ok tells whether there is one.
func (s *Map[K, V]) Get(ctx Context, k K) (v V, ok bool) {
	b := s.in(ctx)
	b.k = k
	if b.plain != nil {
		if p := b.plain.Get(&b.k); p != nil {
			return *p, true
		}
		return v, false
	}
	now := b.scope.Now()
	b.sweep(now)
	t := b.timed.Get(&b.k)
	if t == nil {
		return v, false
	}
	v = t.V
	switch {
	case b.expired(t.At, now):
		b.timed.Delete(&b.k)
		if !b.returnExpired {
			var none V
			return none, false
		}
	case b.onRead:
		t, _ = b.timed.Ref(&b.k)
		t.At = now
	}
	return v, true
}

// Put stores a copy of v, with strings of its own, under k.
func (s *Map[K, V]) Put(ctx Context, k K, v V) {
	b := s.in(ctx)
	b.k = k
	if b.plain != nil {
		b.tmp = v
		b.plain.Set(&b.k, &b.tmp)
		return
	}
	now := b.scope.Now()
	b.sweep(now)
	b.tmpTimed.V, b.tmpTimed.At = v, now
	b.timed.Set(&b.k, &b.tmpTimed)
}

// Ref returns the value of k to be changed in place, a new zero one if there was none. The pointer is valid until
// the next call of the state. As with Value.Ref, strings from a record should be cloned.
func (s *Map[K, V]) Ref(ctx Context, k K) (v *V, isNew bool) {
	b := s.in(ctx)
	b.k = k
	if b.plain != nil {
		return b.plain.Ref(&b.k)
	}
	now := b.scope.Now()
	b.sweep(now)
	t, isNew := b.timed.Ref(&b.k)
	if !isNew && b.expired(t.At, now) {
		*t, isNew = timed[V]{}, true
	}
	t.At = now
	return &t.V, isNew
}

// Delete removes k from the map of the current key and tells whether it was there.
func (s *Map[K, V]) Delete(ctx Context, k K) bool {
	b := s.in(ctx)
	b.k = k
	if b.plain != nil {
		return b.plain.Delete(&b.k)
	}
	if t := b.timed.Get(&b.k); t == nil || b.expired(t.At, b.scope.Now()) && !b.returnExpired {
		b.timed.Delete(&b.k)
		return false
	}
	return b.timed.Delete(&b.k)
}

// All ranges over the map of the current key. The loop may put new values under keys of the map and delete the entry
// that it is at. Whether it sees entries that are added meanwhile is open.
func (s *Map[K, V]) All(ctx Context) iter.Seq2[K, V] {
	b := s.in(ctx)
	return func(yield func(K, V) bool) {
		if b.plain != nil {
			for k, v := range b.plain.All() {
				if !yield(*k, *v) {
					return
				}
			}
			return
		}
		now := b.scope.Now()
		b.loops++
		defer func() { b.loops-- }() // the loop may panic, and a policy go on
		for k, t := range b.timed.All() {
			if b.expired(t.At, now) && !b.returnExpired {
				continue
			}
			if b.onRead {
				t, _ = b.timed.Ref(k)
				t.At = now
			}
			if !yield(*k, t.V) {
				return
			}
		}
	}
}

// Len returns the number of entries in the map of the current key. With a time to live it looks at each.
func (s *Map[K, V]) Len(ctx Context) int {
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

// Clear removes the map of the current key.
func (s *Map[K, V]) Clear(ctx Context) {
	if b := s.in(ctx); b.plain != nil {
		b.plain.Clear()
	} else {
		b.timed.Clear()
	}
}
