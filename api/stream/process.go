package stream

import (
	"fmt"
	"io"
	"reflect"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// Processor is a function with everything: error, side outputs, the key, and fields of its own. Each subtask works
// on a shallow copy of the object that the program gave. A Processor may also be an Opener, an io.Closer, and have
//
//	Finish(ctx *stream.Context[K, U]) error
//
// which is called after the last record of a bounded input and may emit. An error fails the attempt.
type Processor[K comparable, T, U any] interface {
	Process(ctx *Context[K, U], v T) error
}

// Opener is for objects with something to prepare in each subtask. Open runs before the first record.
type Opener interface {
	Open(ctx *RuntimeContext) error
}

// finisher is the optional method of a Processor.
type finisher[K comparable, U any] interface {
	Finish(ctx *Context[K, U]) error
}

// Input is a Stream or a Keyed: what Process and Connect read. K is NoKey for a stream without key.
type Input[K comparable, T any] interface {
	keyed() *Keyed[K, T]
}

// NoKey is the key of streams that have none.
type NoKey struct{}

func (s *Stream[T]) keyed() *Keyed[NoKey, T] { return &Keyed[NoKey, T]{stream: s} }

// Context is what a Processor may use while it processes a record, besides the RuntimeContext. It is valid during
// the call only.
type Context[K comparable, U any] struct {
	*RuntimeContext
	out       emitter[U]
	key       K
	watermark int64
	sides     []sideOutput // those that the program reads
}

// Key is the key of the record.
func (c *Context[K, U]) Key() K { return c.key }

// Emit sends v to the main output, with the event time of the record.
func (c *Context[K, U]) Emit(v U) { c.out.send(v) }

// Timestamp is the event time of the record in milliseconds, NoTimestamp if it has none.
func (c *Context[K, U]) Timestamp() int64 { return c.out.ts }

// Watermark is the event time up to which the input is complete, NoTimestamp before the first watermark.
func (c *Context[K, U]) Watermark() int64 { return c.watermark }

func (c *Context[K, U]) side(name string) any {
	for i := range c.sides {
		if c.sides[i].name == name {
			return c.sides[i].emitter
		}
	}
	return nil
}

func (c *Context[K, U]) now() (int64, user) { return c.out.ts, c.out.user }

func (c *Context[K, U]) failed(err error) { c.fail(err) }

// SideOutputs is a Context, whatever its key and output: where an OutputTag emits.
type SideOutputs interface {
	side(name string) any
	now() (ts int64, u user)
	failed(err error)
}

// OutputTag names a side output of records of type T.
type OutputTag[T any] struct{ name string }

// NewOutputTag returns the tag of that name. Tags of one name are the same tag.
func NewOutputTag[T any](name string) OutputTag[T] { return OutputTag[T]{name} }

// Emit sends v to the side output, with the event time of the record that is being processed. Records for a side
// output that the program does not read are dropped.
func (t OutputTag[T]) Emit(ctx SideOutputs, v T) {
	switch s := ctx.side(t.name).(type) {
	case *sideEmitter[T]:
		var u user
		s.ts, u = ctx.now()
		s.tmp = v
		s.out.Record(&s.tmp, s.ts)
		u.enter()
	case nil:
	default:
		ctx.failed(fmt.Errorf("side output %q is not of type %s", t.name, reflect.TypeFor[T]()))
	}
}

// sideOutput is a side output of one subtask.
type sideOutput struct {
	name    string
	emitter any // *sideEmitter[T]
	out     control
}

type sideEmitter[T any] struct {
	out operator.Node[T]
	ts  int64
	tmp T
}

// sideTag is a side output while the program is built.
type sideTag struct {
	name string
	typ  reflect.Type
	make func(out any) sideOutput
}

// SideOutput returns what the operator of main sends to tag. main is what Process or CoProcess returned.
func SideOutput[U, T any](main *Stream[U], tag OutputTag[T]) *Stream[T] {
	typ := reflect.TypeFor[T]()
	s := &Stream[T]{env: main.env}
	if len(main.parts) != 1 || main.parts[0].node.sides == nil || main.parts[0].output != 0 {
		s.env.fault("SideOutput %q: the stream is not what Process returned", tag.name)
		return s
	}
	n := main.parts[0].node
	for i, have := range *n.sides {
		if have.name == tag.name {
			if have.typ != typ {
				s.env.fault("SideOutput %q: it is of type %s and %s", tag.name, have.typ, typ)
			}
			s.parts = []part{{node: n, output: i + 1}}
			return s
		}
	}
	if err := graph.CheckName(tag.name); err != nil {
		s.env.fault("SideOutput: tag: %v", err)
	}
	*n.sides = append(*n.sides, sideTag{tag.name, typ, func(out any) sideOutput {
		node := out.(operator.Node[T])
		return sideOutput{tag.name, &sideEmitter[T]{out: node}, node}
	}})
	output[T](n)
	s.parts = []part{{node: n, output: len(*n.sides)}}
	return s
}

// Process runs an object on each record of a stream, or of a keyed stream.
func Process[K comparable, T, U any](in Input[K, T], p Processor[K, T, U]) *Stream[U] {
	k := in.keyed()
	n := k.stream.env.add(graph.Transform, "Process", "Process")
	if isNil(p) {
		n.fault("Process: the processor is nil")
	}
	linkKeyed(n, 0, k)
	n.sides = new([]sideTag)
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		o := &processOperator[K, T, U]{p: clone(p), key: k.key, ctx: newContext[K, U](ctx, outs, *n.sides)}
		o.finish, _ = o.p.(finisher[K, U])
		return operator.Instance{Inputs: []any{operator.Node[T](o)}, Lifecycle: o}, nil
	}
	return newStream[U](n)
}

// ProcessFunc is Process for a function.
func ProcessFunc[K comparable, T, U any](in Input[K, T], f func(ctx *Context[K, U], v T) error) *Stream[U] {
	if f == nil {
		return Process(in, Processor[K, T, U](nil))
	}
	return Process(in, Processor[K, T, U](processorFunc[K, T, U](f)))
}

type processorFunc[K comparable, T, U any] func(ctx *Context[K, U], v T) error

func (f processorFunc[K, T, U]) Process(ctx *Context[K, U], v T) error { return f(ctx, v) }

func newContext[K comparable, U any](op *operator.Context, outs []any, sides []sideTag) *Context[K, U] {
	ctx := newRuntimeContext(op)
	c := &Context[K, U]{RuntimeContext: ctx, watermark: NoTimestamp,
		out: emitter[U]{pass: pass[U]{outs[0].(operator.Node[U])}, user: ctx.user(), ts: NoTimestamp}}
	for i, s := range sides {
		c.sides = append(c.sides, s.make(outs[i+1]))
	}
	return c
}

// each calls f with the control half of every output.
func (c *Context[K, U]) each(f func(control)) {
	f(c.out.out)
	for _, s := range c.sides {
		f(s.out)
	}
}

// control is the part of a Node that does not depend on its record type.
type control interface {
	Watermark(ts int64)
	Idle()
	End()
}

func (c *Context[K, U]) sendWatermark(ts int64) {
	c.watermark = ts
	c.each(func(o control) { o.Watermark(ts) })
}

func (c *Context[K, U]) sendIdle() { c.each(control.Idle) }

func (c *Context[K, U]) sendEnd() { c.each(control.End) }

// open and close serve the optional methods of an object.
func open(ctx *RuntimeContext, object any) error {
	if o, ok := object.(Opener); ok {
		u := ctx.user()
		u.enter()
		if err := o.Open(ctx); err != nil {
			return ctx.failed("open", err)
		}
	}
	return nil
}

func shut(ctx *RuntimeContext, object any) error {
	if o, ok := object.(io.Closer); ok {
		u := ctx.user()
		u.enter()
		if err := o.Close(); err != nil {
			return ctx.failed("close", err)
		}
	}
	return nil
}

type processOperator[K comparable, T, U any] struct {
	p      Processor[K, T, U]
	finish finisher[K, U]
	key    func(*T) K // nil: no key
	ctx    *Context[K, U]
}

func (n *processOperator[K, T, U]) Open() error { return open(n.ctx.RuntimeContext, n.p) }

func (n *processOperator[K, T, U]) Close() error { return shut(n.ctx.RuntimeContext, n.p) }

func (n *processOperator[K, T, U]) Record(v *T, ts int64) {
	n.ctx.out.enter()
	n.ctx.out.ts = ts
	if n.key != nil {
		n.ctx.key = n.key(v)
	}
	if err := n.p.Process(n.ctx, *v); err != nil {
		n.ctx.fail(err)
	}
}

func (n *processOperator[K, T, U]) Watermark(ts int64) { n.ctx.sendWatermark(ts) }

func (n *processOperator[K, T, U]) Idle() { n.ctx.sendIdle() }

func (n *processOperator[K, T, U]) End() {
	finish(n.ctx, n.finish)
	n.ctx.sendEnd()
}

// finish calls the optional Finish at the end of input.
func finish[K comparable, U any](ctx *Context[K, U], f finisher[K, U]) {
	if f == nil {
		return
	}
	ctx.out.enter()
	ctx.out.ts = NoTimestamp
	var none K
	ctx.key = none
	if err := f.Finish(ctx); err != nil {
		ctx.fail(err)
	}
}

// clone returns a shallow copy of what an interface value points to; a value that is no pointer to a struct is
// returned as it is.
func clone[F any](f F) F {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return f
	}
	c := reflect.New(v.Elem().Type())
	c.Elem().Set(v.Elem())
	return c.Interface().(F)
}

// isNil tells whether an interface holds nothing or a nil pointer or function.
func isNil(f any) bool {
	v := reflect.ValueOf(f)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map:
		return v.IsNil()
	default:
		return false
	}
}
