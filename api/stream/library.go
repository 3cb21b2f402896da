package stream

import (
	"reflect"
	"time"
)

// What libraries of operators need besides Transform and Transform2 while the program is built.

// Fault reports that the program cannot run, with the place of the verb that it called: for what a library finds wrong
// with the arguments of its verbs.
func Fault[K comparable, T any](in Input[K, T], format string, args ...any) {
	in.keyed().stream.env.fault(format, args...)
}

// Unkeyed takes a keyed input apart: the records where they are made, before the exchange by key, and their keys. It
// is for operators that make less of the records before they travel. key is nil for a stream without key.
func Unkeyed[K comparable, T any](in Input[K, T]) (s *Stream[T], key func(*T) K) {
	k := in.keyed()
	if k.key == nil {
		return k.stream, nil
	}
	return k.stream.ship("", nil), k.key
}

// Read tells whether the program reads the side output: what Emit sends is dropped if not.
func (t OutputTag[T]) Read(ctx SideOutputs) bool { return ctx.side(t.name) != nil }

// LateOutput returns the side output tag of the operator of out, to which it sends records of one of its inputs, counted
// from 0, as they came: that T is their type is checked here. verb is what the program called, for its faults.
func LateOutput[T, U any](verb string, out *Stream[U], input int, tag OutputTag[T]) *Stream[T] {
	if len(out.parts) != 1 || out.parts[0].node.sides == nil || out.parts[0].output != 0 || input >= len(out.parts[0].node.guards) {
		out.env.fault("%s: the stream is not what a verb with late records returned", verb)
		return &Stream[T]{env: out.env}
	}
	n, typ := out.made(), reflect.TypeFor[T]()
	switch {
	case n.inFront != nil:
		out.env.fault("%s: late records cannot be read behind Combine, which sends sums of them: leave Combine or %s out", verb, verb)
	case n.guards[input].typ != typ:
		out.env.fault("%s: the late records of operator %q are of type %s, not %s", verb, n.Name, n.guards[input].typ, typ)
	default:
		return SideOutput(out, tag)
	}
	return &Stream[T]{env: out.env}
}

// PanicStack is the stack of the panic that is being handled, from the innermost function that is not of the Go runtime
// down to where this package called it. It is called by the deferred function that recovered the panic.
func PanicStack() string { return callStack() }

// Alongside gives the operator of out, an output of a Transform, the parallelism that the program set for the
// operator of in, so that the two can be chained.
func Alongside[T, U any](out *Stream[U], in *Stream[T]) {
	if len(in.parts) == 1 {
		out.parts[0].node.Parallelism = in.parts[0].node.Parallelism
	}
}

// InFront says that the operator of in is a part of what the verb of out does: the error policy and the dead letters of
// out are those of both.
func InFront[T, U any](out *Stream[U], in *Stream[T]) { out.made().inFront = in.made() }

// At calls fn on the task's goroutine as soon as the processing time is at or after t; stop forgets it. It is for
// authors of operators.
func (c *RuntimeContext) At(t time.Time, fn func()) (stop func()) { return c.op.Task.At(t, fn) }
