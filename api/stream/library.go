package stream

import "time"

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
