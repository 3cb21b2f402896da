package state

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
)

// OperatorContext is where a handle of operator state finds it: any context of package stream.
type OperatorContext interface {
	// OperatorState returns the operator state of this subtask.
	OperatorState() *Operator
}

// Redistribution says what becomes of operator state when it is restored with another number of subtasks.
type Redistribution string

// The redistributions.
const (
	Split Redistribution = "split" // the elements of all subtasks are dealt out, each to one of them
	Union Redistribution = "union" // every subtask gets the elements of all
	Same  Redistribution = "same"  // every subtask has the same, and gets it again
)

// Operator is the state of one operator in one subtask that belongs to no key, by name. It is kept in memory. It
// belongs to the goroutine of the subtask.
type Operator struct{ states []operatorState }

type operatorState struct {
	OperatorState
	handle *operatorHandle
	bound  any
}

// OperatorState describes a state that an operator uses.
type OperatorState struct {
	Name           string
	Redistribution Redistribution
	Key            *codec.Schema // of the keys of a Broadcast, else nil
	Value          *codec.Schema
}

// States returns what the operator uses, in the order of first use.
func (o *Operator) States() []OperatorState {
	all := make([]OperatorState, len(o.states))
	for i, s := range o.states {
		all[i] = s.OperatorState
	}
	return all
}

// OperatorDescriptor is a handle of operator state.
type OperatorDescriptor interface {
	Descriptor
	// BindOperator makes the state in a subtask, unless it is there.
	BindOperator(o *Operator) error
}

// operatorHandle is what the handles of operator state share.
type operatorHandle struct{ name string }

// Name implements Descriptor.
func (h *operatorHandle) Name() string { return h.name }

// Bind implements Descriptor: the state has nothing to do with keys.
func (h *operatorHandle) Bind(*keyed.Scope) error { return nil }

func (h *operatorHandle) sealed() {}

func (h *operatorHandle) find(o *Operator) any {
	for i := range o.states {
		if o.states[i].handle == h {
			return o.states[i].bound
		}
	}
	return nil
}

// add makes the state unless it is there. Its name must be new.
func (h *operatorHandle) add(o *Operator, r Redistribution, key, value *codec.Schema, bound any) error {
	if h.name == "" {
		return errors.New("a state has no name: give it one that is unique within its operator")
	}
	for _, s := range o.states {
		if s.Name == h.name {
			return fmt.Errorf("state %q is declared twice, as %s and as %s: names are unique within an operator", h.name, s.Redistribution, r)
		}
	}
	o.states = append(o.states, operatorState{OperatorState{h.name, r, key, value}, h, bound})
	return nil
}

// OperatorList is a list of V that a subtask of an operator keeps, not a key: what a source has read, what a sink has
// not yet written. It needs no declaration: it is there from its first use, which should be in Open, since restored
// elements are found there. List it in State to have its faults found when the program is built.
type OperatorList[V any] struct {
	operatorHandle
	redistribution Redistribution
}

// NewOperatorList returns the handle of a list whose elements are dealt out to the subtasks when a savepoint is
// restored with another parallelism.
func NewOperatorList[V any](name string) *OperatorList[V] {
	return &OperatorList[V]{operatorHandle{name}, Split}
}

// NewUnionList returns the handle of a list of which every subtask is given all elements when it is restored.
func NewUnionList[V any](name string) *OperatorList[V] {
	return &OperatorList[V]{operatorHandle{name}, Union}
}

type boundOperatorList[V any] struct {
	values []V
	detach func(*V)
}

// BindOperator implements OperatorDescriptor.
func (l *OperatorList[V]) BindOperator(o *Operator) error {
	schema, err := codec.SchemaOf[V]()
	if err != nil {
		return fmt.Errorf("state %q: element: %w", l.name, err)
	}
	detach, err := codec.DetachFor[V]()
	if err != nil {
		return fmt.Errorf("state %q: element: %w", l.name, err)
	}
	return l.add(o, l.redistribution, nil, schema, &boundOperatorList[V]{detach: detach})
}

func (l *OperatorList[V]) in(ctx OperatorContext) *boundOperatorList[V] {
	return bound[*boundOperatorList[V]](&l.operatorHandle, l, ctx)
}

// bound finds what a handle is bound to and binds it at the first use.
func bound[B any](h *operatorHandle, d OperatorDescriptor, ctx OperatorContext) B {
	o := ctx.OperatorState()
	if b, ok := h.find(o).(B); ok {
		return b
	}
	if err := d.BindOperator(o); err != nil {
		panic(err)
	}
	return h.find(o).(B)
}

// Add appends a copy of v, with strings of its own.
func (l *OperatorList[V]) Add(ctx OperatorContext, v V) {
	b := l.in(ctx)
	b.values = append(b.values, v)
	if b.detach != nil {
		b.detach(&b.values[len(b.values)-1])
	}
}

// Set replaces the elements.
func (l *OperatorList[V]) Set(ctx OperatorContext, vs []V) {
	b := l.in(ctx)
	kept := slices.Clone(vs)
	if b.detach != nil {
		for i := range kept {
			b.detach(&kept[i])
		}
	}
	b.values = kept
}

// All ranges over the elements in order. The loop must not change the list.
func (l *OperatorList[V]) All(ctx OperatorContext) iter.Seq[V] {
	return slices.Values(l.in(ctx).values)
}

// Len returns the number of elements.
func (l *OperatorList[V]) Len(ctx OperatorContext) int { return len(l.in(ctx).values) }

// Clear removes all elements.
func (l *OperatorList[V]) Clear(ctx OperatorContext) { l.in(ctx).values = nil }

// BroadcastWriter is an OperatorContext of the side of an operator that gets every record in every subtask, where a
// change of a Broadcast is the same in all of them: a *stream.BroadcastContext.
type BroadcastWriter interface {
	OperatorContext
	// BroadcastSide does nothing.
	BroadcastSide()
}

// Broadcast is a map that is the same in all subtasks of an operator: rules, prices, settings. Only the side that is
// fed by broadcast records can change it, and must do so by these records alone: not by the number of the subtask, the
// time, or what a key has.
type Broadcast[K comparable, V any] struct{ operatorHandle }

// NewBroadcast returns the handle of a broadcast state. List it in State.
func NewBroadcast[K comparable, V any](name string) *Broadcast[K, V] {
	return &Broadcast[K, V]{operatorHandle{name}}
}

type boundBroadcast[K comparable, V any] struct {
	table  *keyed.Table[K, V]
	hash   func(*K) uint64
	detach func(*V)
	k      K // being looked for
}

// BindOperator implements OperatorDescriptor.
func (s *Broadcast[K, V]) BindOperator(o *Operator) error {
	key, err := codec.SchemaOf[K]()
	if err != nil {
		return fmt.Errorf("state %q: key: %w", s.name, err)
	}
	value, err := codec.SchemaOf[V]()
	if err != nil {
		return fmt.Errorf("state %q: value: %w", s.name, err)
	}
	var b boundBroadcast[K, V]
	if b.hash, err = codec.HashFor[K](); err != nil {
		return fmt.Errorf("state %q: key: %w", s.name, err)
	}
	if b.detach, err = codec.DetachFor[V](); err != nil {
		return fmt.Errorf("state %q: value: %w", s.name, err)
	}
	if b.table, err = keyed.New[K, V](core.KeyGroupRange{To: 1}, 1); err != nil {
		return fmt.Errorf("state %q: %w", s.name, err)
	}
	return s.add(o, Same, key, value, &b)
}

func (s *Broadcast[K, V]) in(ctx OperatorContext) *boundBroadcast[K, V] {
	return bound[*boundBroadcast[K, V]](&s.operatorHandle, s, ctx)
}

// Get returns the value of k; ok tells whether there is one.
func (s *Broadcast[K, V]) Get(ctx OperatorContext, k K) (v V, ok bool) {
	b := s.in(ctx)
	b.k = k
	if p := b.table.Get(&b.k, b.hash(&b.k)); p != nil {
		return *p, true
	}
	return v, false
}

// All ranges over the entries, in the same order in all subtasks. The loop may delete the entry that it is at.
func (s *Broadcast[K, V]) All(ctx OperatorContext) iter.Seq2[K, V] {
	t := s.in(ctx).table
	return func(yield func(K, V) bool) {
		for k, v := range t.All() {
			if !yield(*k, *v) {
				return
			}
		}
	}
}

// Len returns the number of entries.
func (s *Broadcast[K, V]) Len(ctx OperatorContext) int { return s.in(ctx).table.Len() }

// Put sets the value of k to a copy of v, with strings of its own.
func (s *Broadcast[K, V]) Put(ctx BroadcastWriter, k K, v V) {
	b := s.in(ctx)
	b.k = k
	to, _ := b.table.Ref(&b.k, b.hash(&b.k))
	*to = v
	if b.detach != nil {
		b.detach(to)
	}
}

// Delete removes k and tells whether it was there.
func (s *Broadcast[K, V]) Delete(ctx BroadcastWriter, k K) bool {
	b := s.in(ctx)
	b.k = k
	return b.table.Delete(&b.k, b.hash(&b.k))
}

// Clear removes all entries.
func (s *Broadcast[K, V]) Clear(ctx BroadcastWriter) { s.in(ctx).table.Clear() }
