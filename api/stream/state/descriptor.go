package state

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/flink-go/flink-go/graph/keyed"
)

// Context is where a handle finds its state: a *stream.Context, while it has a key.
type Context interface {
	// Scope returns the keyed state of the operator in this subtask; nil if the operator has none.
	Scope() *keyed.Scope
}

// Descriptor is a handle of any type: what a processor's State method lists.
type Descriptor interface {
	// Name is the name under which checkpoints know the state.
	Name() string
	// Bind makes the state in a subtask. The runtime calls it once for each scope, before the first record.
	Bind(sc *keyed.Scope) error
	sealed()
}

// Option is an option of a state: see TTL.
type Option interface{ apply(*options) }

type options struct{ ttl *ttl }

// handle is what all descriptors share.
type handle struct {
	name string
	ttl  *ttl  // nil: values live until they are cleared
	err  error // what is wrong with the arguments, reported by Bind
	// hint is where the state was found last in a scope. Subtasks share the handle, and nearly always agree.
	hint atomic.Int32
}

func (h *handle) init(name string, opts []Option) {
	var o options
	for _, opt := range opts {
		opt.apply(&o)
	}
	h.name, h.ttl = name, o.ttl
	switch {
	case name == "":
		h.err = errors.New("a state has no name: give it one that is unique within its operator")
	case h.ttl != nil && h.ttl.life <= 0:
		h.err = fmt.Errorf("state %q: time to live %v: it must be at least 1ms", name, h.ttl.given)
	}
}

// Name is the name under which checkpoints know the state.
func (h *handle) Name() string { return h.name }

func (h *handle) sealed() {}

// attach makes bound findable in the scope.
func (h *handle) attach(sc *keyed.Scope, bound any) { h.hint.Store(int32(sc.Attach(bound))) }

// missing is the fault of a handle that is used where it was not bound.
func (h *handle) missing(sc *keyed.Scope) error {
	if sc == nil {
		return fmt.Errorf("state %q: the stream has no key: state belongs to a key, so use KeyBy first", h.name)
	}
	return fmt.Errorf("state %q is not declared: list it in what the State method of the processor returns", h.name)
}

// search finds what is bound to owner, wherever it is in the scope.
func search[B interface {
	comparable
	boundTo() *handle
}](h *handle, sc *keyed.Scope) B {
	for i := 0; ; i++ {
		bound := sc.Attached(i)
		if bound == nil {
			panic(h.missing(sc))
		}
		if b, ok := bound.(B); ok && b.boundTo() == h {
			h.hint.Store(int32(i))
			return b
		}
	}
}
