package stream

import (
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// Connected is two streams of different types that one operator reads.
type Connected[K comparable, A, B any] struct {
	first  *Keyed[K, A]
	second *Keyed[K, B]
}

// Connect brings two streams together, both keyed by the same kind of key or both without key.
func Connect[K comparable, A, B any](first Input[K, A], second Input[K, B]) *Connected[K, A, B] {
	return &Connected[K, A, B]{first.keyed(), second.keyed()}
}

// CoProcessor is a Processor of two inputs, with the same optional methods. Finish is called when both have ended.
type CoProcessor[K comparable, A, B, U any] interface {
	ProcessFirst(ctx *Context[K, U], v A) error
	ProcessSecond(ctx *Context[K, U], v B) error
}

// CoProcess runs an object on the records of both streams.
func CoProcess[K comparable, A, B, U any](c *Connected[K, A, B], p CoProcessor[K, A, B, U]) *Stream[U] {
	return connect(c, "CoProcess", isNil(p), func() CoProcessor[K, A, B, U] { return clone(p) })
}

// CoMap turns each record of either stream into one of the common type.
func CoMap[K comparable, A, B, U any](c *Connected[K, A, B], first func(A) U, second func(B) U) *Stream[U] {
	return connect(c, "CoMap", first == nil || second == nil, func() CoProcessor[K, A, B, U] {
		return coFuncs[K, A, B, U]{
			func(ctx *Context[K, U], v A) error { ctx.Emit(first(v)); return nil },
			func(ctx *Context[K, U], v B) error { ctx.Emit(second(v)); return nil },
		}
	})
}

// CoFlatMap turns each record of either stream into any number of the common type. An error fails the attempt.
func CoFlatMap[K comparable, A, B, U any](c *Connected[K, A, B], first func(v A, emit func(U)) error, second func(v B, emit func(U)) error) *Stream[U] {
	return connect(c, "CoFlatMap", first == nil || second == nil, func() CoProcessor[K, A, B, U] {
		var emit func(U) // made once per subtask
		emitOf := func(ctx *Context[K, U]) func(U) {
			if emit == nil {
				emit = ctx.Emit
			}
			return emit
		}
		return coFuncs[K, A, B, U]{
			func(ctx *Context[K, U], v A) error { return first(v, emitOf(ctx)) },
			func(ctx *Context[K, U], v B) error { return second(v, emitOf(ctx)) },
		}
	})
}

// coFuncs is a CoProcessor of two functions.
type coFuncs[K comparable, A, B, U any] struct {
	first  func(ctx *Context[K, U], v A) error
	second func(ctx *Context[K, U], v B) error
}

func (f coFuncs[K, A, B, U]) ProcessFirst(ctx *Context[K, U], v A) error  { return f.first(ctx, v) }
func (f coFuncs[K, A, B, U]) ProcessSecond(ctx *Context[K, U], v B) error { return f.second(ctx, v) }

// connect adds an operator of two inputs.
func connect[K comparable, A, B, U any](c *Connected[K, A, B], verb string, nilFunc bool, make func() CoProcessor[K, A, B, U]) *Stream[U] {
	n := c.first.stream.env.add(graph.Transform, verb, verb)
	if nilFunc {
		n.fault("%s: the function is nil", verb)
	}
	linkKeyed(n, 0, c.first)
	linkKeyed(n, 1, c.second)
	n.sides = new([]sideTag)
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		o := &coOperator[K, A, B, U]{p: make(), ctx: newContext[K, U](ctx, outs, *n.sides), sent: NoTimestamp}
		o.finish, _ = o.p.(finisher[K, U])
		for i := range o.inputs {
			o.inputs[i].watermark = NoTimestamp
		}
		first := &firstInput[K, A, B, U]{coInput[K, A, B, U]{o, 0}, c.first.key}
		second := &secondInput[K, A, B, U]{coInput[K, A, B, U]{o, 1}, c.second.key}
		return operator.Instance{Inputs: []any{operator.Node[A](first), operator.Node[B](second)}, Lifecycle: o}, nil
	}
	return newStream[U](n)
}

// coOperator joins the event time of two inputs: the lesser watermark counts, of those that are not idle.
type coOperator[K comparable, A, B, U any] struct {
	p      CoProcessor[K, A, B, U]
	finish finisher[K, U]
	ctx    *Context[K, U]
	inputs [2]struct {
		watermark   int64
		idle, ended bool
	}
	sent int64
}

func (n *coOperator[K, A, B, U]) Open() error { return open(n.ctx.RuntimeContext, n.p) }

func (n *coOperator[K, A, B, U]) Close() error { return shut(n.ctx.RuntimeContext, n.p) }

func (n *coOperator[K, A, B, U]) watermark(input int, ts int64) {
	in := &n.inputs[input]
	in.idle = false
	in.watermark = max(in.watermark, ts)
	n.advance()
}

func (n *coOperator[K, A, B, U]) advance() {
	least := operator.MaxWatermark
	for _, in := range n.inputs {
		if !in.idle {
			least = min(least, in.watermark)
		}
	}
	if least > n.sent {
		n.sent = least
		n.ctx.sendWatermark(least)
	}
}

func (n *coOperator[K, A, B, U]) idle(input int) {
	n.inputs[input].idle = true
	if n.inputs[1-input].idle {
		n.ctx.sendIdle()
		return
	}
	n.advance()
}

func (n *coOperator[K, A, B, U]) end(input int) {
	n.inputs[input].ended = true
	if n.inputs[1-input].ended {
		finish(n.ctx, n.finish)
		n.ctx.sendEnd()
	}
}

// coInput is one input of a coOperator.
type coInput[K comparable, A, B, U any] struct {
	op *coOperator[K, A, B, U]
	i  int
}

func (n *coInput[K, A, B, U]) Watermark(ts int64) { n.op.watermark(n.i, ts) }

func (n *coInput[K, A, B, U]) Idle() { n.op.idle(n.i) }

func (n *coInput[K, A, B, U]) End() { n.op.end(n.i) }

// begin prepares the context for a record.
func (n *coInput[K, A, B, U]) begin(ts int64) *Context[K, U] {
	n.op.inputs[n.i].idle = false
	ctx := n.op.ctx
	ctx.out.enter()
	ctx.out.ts = ts
	return ctx
}

type firstInput[K comparable, A, B, U any] struct {
	coInput[K, A, B, U]
	key func(*A) K
}

func (n *firstInput[K, A, B, U]) Record(v *A, ts int64) {
	ctx := n.begin(ts)
	if n.key != nil {
		ctx.key = n.key(v)
	}
	if err := n.op.p.ProcessFirst(ctx, *v); err != nil {
		ctx.fail(err)
	}
}

type secondInput[K comparable, A, B, U any] struct {
	coInput[K, A, B, U]
	key func(*B) K
}

func (n *secondInput[K, A, B, U]) Record(v *B, ts int64) {
	ctx := n.begin(ts)
	if n.key != nil {
		ctx.key = n.key(v)
	}
	if err := n.op.p.ProcessSecond(ctx, *v); err != nil {
		ctx.fail(err)
	}
}
