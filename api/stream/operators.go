package stream

import (
	"iter"

	"github.com/flink-go/flink-go/graph/operator"
)

// The operators of one input. Scratch lives in fields: a local variable whose address goes to a function value or an
// interface would be an allocation per record. ReadsOnly, where it is, implements operator.ReadOnly.

// pass hands on what is not a record.
type pass[U any] struct{ out operator.Node[U] }

func (p *pass[U]) Watermark(ts int64) { p.out.Watermark(ts) }

func (p *pass[U]) Idle() { p.out.Idle() }

func (p *pass[U]) End() { p.out.End() }

// user marks the operator whose user code runs, see operator.Context.Active.
type user struct {
	active *int32
	index  int32
}

func (c *RuntimeContext) user() user { return user{c.op.Active, c.op.Index} }

func (u *user) enter() { *u.active = u.index }

type mapOperator[T, U any] struct {
	pass[U]
	user
	f   func(T) U
	tmp U
}

func (n *mapOperator[T, U]) Record(v *T, ts int64) {
	n.enter()
	n.tmp = n.f(*v)
	n.out.Record(&n.tmp, ts)
}

func (n *mapOperator[T, U]) ReadsOnly() bool { return true }

type mapRefOperator[T, U any] struct {
	pass[U]
	user
	f   func(*T) U
	tmp U
}

func (n *mapRefOperator[T, U]) Record(v *T, ts int64) {
	n.enter()
	n.tmp = n.f(v)
	n.out.Record(&n.tmp, ts)
}

type filterOperator[T any] struct {
	pass[T]
	user
	keep func(T) bool
}

func (n *filterOperator[T]) Record(v *T, ts int64) {
	n.enter()
	if n.keep(*v) {
		n.out.Record(v, ts)
	}
}

func (n *filterOperator[T]) ReadsOnly() bool { return operator.ReadsOnly(n.out) }

type filterRefOperator[T any] struct {
	pass[T]
	user
	keep func(*T) bool
}

func (n *filterRefOperator[T]) Record(v *T, ts int64) {
	n.enter()
	if n.keep(v) {
		n.out.Record(v, ts)
	}
}

type updateOperator[T any] struct {
	pass[T]
	user
	change func(*T)
}

func (n *updateOperator[T]) Record(v *T, ts int64) {
	n.enter()
	n.change(v)
	n.out.Record(v, ts)
}

type pickOperator[T, U any] struct {
	pass[U]
	user
	of func(*T) *U
}

func (n *pickOperator[T, U]) Record(v *T, ts int64) {
	n.enter()
	if u := n.of(v); u != nil {
		n.out.Record(u, ts)
	}
}

type flatMapOperator[T, U any] struct {
	pass[U]
	user
	f   func(T) iter.Seq[U]
	tmp U
}

func (n *flatMapOperator[T, U]) Record(v *T, ts int64) {
	n.enter()
	for u := range n.f(*v) {
		n.tmp = u
		n.out.Record(&n.tmp, ts)
		n.enter()
	}
}

func (n *flatMapOperator[T, U]) ReadsOnly() bool { return true }

// emitter is the sending half of an operator whose user code calls emit: the record goes through one field, with the
// event time of the record that is being processed.
type emitter[U any] struct {
	pass[U]
	user
	ts  int64
	tmp U
}

func (e *emitter[U]) send(u U) {
	e.tmp = u
	e.out.Record(&e.tmp, e.ts)
	e.enter()
}

type flatMapRefOperator[T, U any] struct {
	emitter[U]
	ctx  *RuntimeContext
	f    func(*T, func(U)) error
	emit func(U) // made once: a method value is an allocation
}

func (n *flatMapRefOperator[T, U]) Record(v *T, ts int64) {
	n.enter()
	n.ts = ts
	if err := n.f(v, n.emit); err != nil {
		n.ctx.fail(err)
	}
}

// sinkOperator feeds a Writer.
type sinkOperator[T any] struct {
	ctx  *RuntimeContext
	user user
	open Sink[T]
	w    Writer[T]
}

func (n *sinkOperator[T]) Open() error {
	n.user = n.ctx.user()
	n.user.enter()
	w, err := n.open(n.ctx)
	if err != nil {
		return n.ctx.failed("open sink", err)
	}
	n.w = w
	n.ctx.op.Task.OnIdle(n.flush)
	return nil
}

func (n *sinkOperator[T]) Record(v *T, _ int64) {
	n.user.enter()
	if err := n.w.Write(v); err != nil {
		n.ctx.fail(err)
	}
}

func (n *sinkOperator[T]) Watermark(int64) {}

func (n *sinkOperator[T]) Idle() {}

func (n *sinkOperator[T]) flush() {
	n.user.enter()
	if err := n.w.Flush(); err != nil {
		n.ctx.fail(err)
	}
}

func (n *sinkOperator[T]) End() {
	n.flush()
	if f, ok := n.w.(Finisher); ok {
		if err := f.Finish(); err != nil {
			n.ctx.fail(err)
		}
	}
}

func (n *sinkOperator[T]) Close() error {
	if n.w == nil {
		return nil
	}
	n.user.enter()
	if err := n.w.Close(); err != nil {
		return n.ctx.failed("close sink", err)
	}
	return nil
}
