package stream

import (
	"fmt"
	"reflect"
	"time"

	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// Processor is a function with everything: error, side outputs, the key, state, timers, and fields of its own. Each
// subtask works on a shallow copy of the object that the program gave. A Processor may also be an Opener, an
// io.Closer, and have any of
//
//	State() []state.Descriptor
//	OnTimer(ctx *stream.Context[K, U], at time.Time) error
//	OnProcessingTimer(ctx *stream.Context[K, U], at time.Time) error
//	Finish(ctx *stream.Context[K, U]) error
//
// State lists the handles of the state that the object uses, see package state. OnTimer is called when the watermark
// reaches a timer of Context.SetTimer, OnProcessingTimer when the clock reaches one of Context.SetProcessingTimer, each
// with the key that set it. Finish is called after the last record and timer of a bounded input; it has no key and may
// emit. An error of any of them fails the attempt.
type Processor[K comparable, T, U any] interface {
	Process(ctx *Context[K, U], v T) error
}

// Input is a Stream or a Keyed: what Process and Connect read. K is NoKey for a stream without key.
type Input[K comparable, T any] interface {
	keyed() *Keyed[K, T]
}

// NoKey is the key of streams that have none.
type NoKey struct{}

func (s *Stream[T]) keyed() *Keyed[NoKey, T] { return &Keyed[NoKey, T]{stream: s} }

// Context is what a Processor may use while it processes a record or a timer, besides the RuntimeContext. It is valid
// during the call only.
type Context[K comparable, U any] struct {
	*RuntimeContext
	out       emitter[U]
	key       K
	watermark int64
	sides     []sideOutput   // those that the program reads
	rows      *keyed.Rows[K] // nil: neither state nor timers
	timers    timerSet
}

// Key is the key of the record or timer; the zero key where there is none, as in Finish.
func (c *Context[K, U]) Key() K { return c.key }

// Emit sends v to the main output, with the event time of the record or event timer.
func (c *Context[K, U]) Emit(v U) { c.out.send(v) }

// Timestamp is the event time of the record or event timer in milliseconds, NoTimestamp if it has none.
func (c *Context[K, U]) Timestamp() int64 { return c.out.ts }

// EventTime is Timestamp as a time. A record that has none fails the attempt.
func (c *Context[K, U]) EventTime() time.Time {
	if c.out.ts == NoTimestamp {
		c.fail(c.op.AtKey(errNoEventTime))
	}
	return time.UnixMilli(c.out.ts)
}

// Watermark is the event time up to which the input is complete, NoTimestamp before the first watermark and
// MaxWatermark at the end of a bounded input.
func (c *Context[K, U]) Watermark() int64 { return c.watermark }

// Scope is the keyed state of the operator in this subtask, for the handles of package state; nil if it has none.
func (c *Context[K, U]) Scope() *keyed.Scope {
	if c.rows != nil {
		return &c.rows.Scope
	}
	if _, unkeyed := any(c.key).(NoKey); unkeyed {
		return nil
	}
	return new(keyed.Scope) // in which a handle finds that it was not declared
}

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
		ctx.failed(fmt.Errorf("side output %q: what goes there is of type %s, but the program reads it as another type: the two must be the same", t.name, reflect.TypeFor[T]()))
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
	name   string
	output int
	typ    reflect.Type
	make   func(out any) sideOutput
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
	for _, have := range *n.sides {
		if have.name == tag.name {
			if have.typ != typ {
				s.env.fault("SideOutput %q: it is of type %s and %s", tag.name, have.typ, typ)
			}
			s.parts = []part{{node: n, output: have.output}}
			return s
		}
	}
	if err := graph.CheckName(tag.name); err != nil {
		s.env.fault("SideOutput: tag: %v", err)
	}
	*n.sides = append(*n.sides, sideTag{tag.name, len(n.Outputs), typ, func(out any) sideOutput {
		node := out.(operator.Node[T])
		return sideOutput{tag.name, &sideEmitter[T]{out: node}, node}
	}})
	s.parts = []part{{node: n, output: len(n.Outputs)}}
	output[T](n)
	return s
}

// Process runs an object on each record of a stream, or of a keyed stream.
func Process[K comparable, T, U any](in Input[K, T], p Processor[K, T, U]) *Stream[U] {
	out := Transform(in, "Process", func(s *Setup[K, U], key func(*T) K) (Operator[T], error) {
		o := &processOperator[K, T, U]{p: clone(p), key: key}
		o.object = newObject(s, o.p)
		return o, nil
	})
	declare[K, U](out.made(), p, in.keyed().key != nil)
	return out
}

// ProcessFunc is Process for a function, with the state that it uses.
func ProcessFunc[K comparable, T, U any](in Input[K, T], f func(ctx *Context[K, U], v T) error, states ...state.Descriptor) *Stream[U] {
	if f == nil {
		return Process(in, Processor[K, T, U](nil))
	}
	return Process(in, Processor[K, T, U](processorFunc[K, T, U]{f, states}))
}

type processorFunc[K comparable, T, U any] struct {
	f      func(ctx *Context[K, U], v T) error
	states []state.Descriptor
}

func (p processorFunc[K, T, U]) Process(ctx *Context[K, U], v T) error { return p.f(ctx, v) }

func (p processorFunc[K, T, U]) State() []state.Descriptor { return p.states }

type processOperator[K comparable, T, U any] struct {
	*object[K, U]
	p   Processor[K, T, U]
	key func(*T) K // nil: no key
}

func (n *processOperator[K, T, U]) Record(v *T, ts int64) {
	n.begin(ts)
	if n.key != nil {
		n.ctx.key = n.key(v)
		n.enterKey()
	}
	n.done(n.p.Process(n.ctx, *v))
}

func newContext[K comparable, U any](op *operator.Context, outs []any, sides []sideTag) *Context[K, U] {
	ctx := newRuntimeContext(op)
	c := &Context[K, U]{RuntimeContext: ctx, watermark: NoTimestamp,
		out: emitter[U]{pass: pass[U]{outs[0].(operator.Node[U])}, user: ctx.user(), ts: NoTimestamp}}
	for _, s := range sides {
		c.sides = append(c.sides, s.make(outs[s.output]))
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
