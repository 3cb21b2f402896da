package state

import (
	"errors"
	"fmt"
)

// Value is a state of one V per key.
type Value[V any] struct{ cell[V] }

// NewValue returns the handle of a state of one V per key.
func NewValue[V any](name string, opts ...Option) *Value[V] {
	s := new(Value[V])
	s.init(name, opts)
	return s
}

// Get returns the value of the current key; ok tells whether there is one.
func (s *Value[V]) Get(ctx Context) (v V, ok bool) {
	if p := s.in(ctx).get(); p != nil {
		return *p, true
	}
	return v, false
}

// Set stores a copy of v, with strings of its own.
func (s *Value[V]) Set(ctx Context, v V) { s.in(ctx).set(v) }

// Ref returns the value of the current key to be changed in place, a new zero one if there was none: the fastest way
// to update. The pointer is valid until the call in which it was got returns. A string that comes from a record and
// is put there should be cloned, or it may keep the network frame in memory; Set does that.
func (s *Value[V]) Ref(ctx Context) (v *V, isNew bool) { return s.in(ctx).ref() }

// Clear removes the value of the current key.
func (s *Value[V]) Clear(ctx Context) { s.in(ctx).clear() }

// Reducing is a state that holds, per key, all that was added combined into one V.
type Reducing[V any] struct {
	cell[V]
	reduce func(sum, v V) V
}

// NewReducing returns the handle of a state that combines values by reduce.
func NewReducing[V any](name string, reduce func(sum, v V) V, opts ...Option) *Reducing[V] {
	s := &Reducing[V]{reduce: reduce}
	s.init(name, opts)
	if reduce == nil && s.err == nil {
		s.err = fmt.Errorf("state %q: %w", name, errNilFunc)
	}
	return s
}

var errNilFunc = errors.New("the function is nil")

// Add combines v with what the current key has; the first value is stored as it is.
func (s *Reducing[V]) Add(ctx Context, v V) {
	b := s.in(ctx)
	if sum := b.get(); sum != nil {
		v = s.reduce(*sum, v)
	}
	b.set(v)
}

// Get returns the combined value of the current key; ok tells whether anything was added.
func (s *Reducing[V]) Get(ctx Context) (v V, ok bool) {
	if p := s.in(ctx).get(); p != nil {
		return *p, true
	}
	return v, false
}

// Clear removes the value of the current key.
func (s *Reducing[V]) Clear(ctx Context) { s.in(ctx).clear() }

// Aggregating is a state that holds, per key, an accumulator A of the values T that were added. R is what is made of
// it.
type Aggregating[T, A, R any] struct {
	cell[A]
	add    func(acc A, v T) A
	result func(acc A) R
}

// NewAggregating returns the handle of a state that takes values in by add. The zero A is the empty accumulator.
func NewAggregating[T, A, R any](name string, add func(acc A, v T) A, result func(acc A) R, opts ...Option) *Aggregating[T, A, R] {
	s := &Aggregating[T, A, R]{add: add, result: result}
	s.init(name, opts)
	if (add == nil || result == nil) && s.err == nil {
		s.err = fmt.Errorf("state %q: %w", name, errNilFunc)
	}
	return s
}

// Add takes v into the accumulator of the current key.
func (s *Aggregating[T, A, R]) Add(ctx Context, v T) {
	b := s.in(ctx)
	var acc A
	if have := b.get(); have != nil {
		acc = *have
	}
	b.set(s.add(acc, v))
}

// Get returns the result for the current key; ok tells whether anything was added.
func (s *Aggregating[T, A, R]) Get(ctx Context) (r R, ok bool) {
	if acc := s.in(ctx).get(); acc != nil {
		return s.result(*acc), true
	}
	return r, false
}

// Clear removes the accumulator of the current key.
func (s *Aggregating[T, A, R]) Clear(ctx Context) { s.in(ctx).clear() }
