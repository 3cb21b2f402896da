package stream

import "github.com/flink-go/flink-go/graph/operator"

// What libraries of operators need to run function objects of the program as the verbs of this package do.

// IsNil tells whether an interface value holds nothing or a nil pointer, function or map.
func IsNil(f any) bool { return isNil(f) }

// CloneObject returns the copy of a function object that a subtask works on: a shallow one of the struct that f points
// to. What is no pointer to a struct is returned as it is.
func CloneObject[F any](f F) F { return clone(f) }

// OpenObject opens an object that is an Opener.
func OpenObject(ctx *RuntimeContext, object any) error { return open(ctx, object) }

// CloseObject closes an object that is an io.Closer.
func CloseObject(ctx *RuntimeContext, object any) error { return shut(ctx, object) }

// Inner returns the setup of an operator that runs within that of s: its main output goes to out, and all else, key,
// state and side outputs, is that of s. out gets the control elements that Pass, PassIdle and PassEnd hand on; the side
// outputs have got them already.
func Inner[K comparable, U, V any](s *Setup[K, U], out operator.Node[V]) *Setup[K, V] {
	c := &Context[K, V]{RuntimeContext: s.RuntimeContext, watermark: NoTimestamp, sides: s.sides,
		out: emitter[V]{pass: pass[V]{out}, user: s.out.user, ts: NoTimestamp}}
	return &Setup[K, V]{Context: c, Out: out, Hash: s.Hash, State: s.State, about: s.about}
}
