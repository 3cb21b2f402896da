package state

import "github.com/flink-go/flink-go/graph/keyed"

// cell is a state of one V per key: all of Value, and what Reducing and Aggregating are made of.
type cell[V any] struct{ handle }

// boundCell is a cell in a scope: a plain column, or one of values with their time.
type boundCell[V any] struct {
	owner *handle
	plain *keyed.Value[V]
	timed *keyed.Value[timed[V]]
	tmp   V
	scope *keyed.Scope
	sweeper
	tmpTimed timed[V]
	drop     func(*timed[V]) bool
}

func (b *boundCell[V]) boundTo() *handle { return b.owner }

// Bind makes the state in a subtask; the runtime calls it.
func (c *cell[V]) Bind(sc *keyed.Scope) (err error) {
	if c.err != nil {
		return c.err
	}
	b := &boundCell[V]{owner: &c.handle, scope: sc}
	if c.ttl == nil {
		b.plain, err = keyed.NewValue[V](sc, c.name)
	} else {
		b.ttl = c.ttl
		b.drop = func(t *timed[V]) bool { return b.seen(t.At, b.scope.Now()) }
		b.timed, err = keyed.NewValue[timed[V]](sc, c.name)
	}
	if err != nil {
		return err
	}
	c.attach(sc, b)
	return nil
}

// in finds the cell in the scope of a call.
func (c *cell[V]) in(ctx Context) *boundCell[V] {
	sc := ctx.Scope()
	if b, ok := sc.Attached(int(c.hint.Load())).(*boundCell[V]); ok && b.owner == &c.handle {
		return b
	}
	return search[*boundCell[V]](&c.handle, sc)
}

// sweep looks at a few values of other keys.
func (b *boundCell[V]) sweep(now int64) {
	if b.due(now) && b.timed.Sweep(b.entries, b.drop) {
		b.done()
	}
}

// get returns the value of the current key, nil if there is none.
func (b *boundCell[V]) get() *V {
	if b.plain != nil {
		return b.plain.Get()
	}
	t := b.timed.Get()
	if t == nil {
		return nil
	}
	now := b.scope.Now()
	switch {
	case b.expired(t.At, now):
		b.tmp = t.V
		b.timed.Clear()
		if !b.returnExpired {
			return nil
		}
		return &b.tmp
	case b.onRead:
		t, _ = b.timed.Ref()
		t.At = now
	}
	b.sweep(now)
	return &t.V
}

// ref returns the value of the current key to be written, a new zero one if there was none.
func (b *boundCell[V]) ref() (v *V, isNew bool) {
	if b.plain != nil {
		return b.plain.Ref()
	}
	now := b.scope.Now()
	b.sweep(now)
	t, isNew := b.timed.Ref()
	if !isNew && b.expired(t.At, now) {
		*t, isNew = timed[V]{}, true
	}
	t.At = now
	return &t.V, isNew
}

// set stores v for the current key.
func (b *boundCell[V]) set(v V) {
	if b.plain != nil {
		b.tmp = v
		b.plain.Set(&b.tmp)
		return
	}
	now := b.scope.Now()
	b.sweep(now)
	b.tmpTimed.V, b.tmpTimed.At = v, now
	b.timed.Set(&b.tmpTimed)
}

// clear removes the value of the current key.
func (b *boundCell[V]) clear() {
	if b.plain != nil {
		b.plain.Clear()
	} else {
		b.timed.Clear()
	}
}
