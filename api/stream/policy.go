package stream

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// ErrorPolicy says what becomes of a record on which the functions of an operator fail, by an error or a panic.
type ErrorPolicy uint8

const (
	// Fail ends the attempt; the restart strategy says what follows. It is the default.
	Fail ErrorPolicy = iota
	// Skip leaves the record out: it is counted in the metric numRecordsSkipped of the operator, and the first ones of
	// each subtask are logged. What was emitted and what state was changed before the failure stays.
	Skip
)

// OnError sets what becomes of a record on which the operator's functions fail. It is about records: an error in Open,
// in Finish or in a timer always fails the attempt. A key selector or partitioner behind the operator counts as its
// function. See DeadLetters for failed records that somebody reads.
func (s *Stream[T]) OnError(p ErrorPolicy) *Stream[T] {
	return s.set("OnError", func(n *node) { n.setOnError(p) })
}

// OnError is as Stream.OnError.
func (s *StreamSink) OnError(p ErrorPolicy) *StreamSink { s.node.setOnError(p); return s }

// OnError sets the policy of operators that set none.
func (e *Env) OnError(p ErrorPolicy) *Env {
	if p > Skip {
		e.fault("OnError: %d is no policy: want Fail or Skip", p)
		return e
	}
	e.onError = p
	return e
}

func (n *node) setOnError(p ErrorPolicy) {
	if p > Skip {
		n.env.fault("OnError: %d is no policy: want Fail or Skip", p)
		return
	}
	n.onError = &p
	if n.inFront != nil {
		n.inFront.onError = &p
	}
}

// Letter is a record on which an operator failed, and how.
type Letter[T any] struct {
	Record    T      // as it came in
	Operator  string // name
	UID       string // of the operator, "" if it has none
	Subtask   int
	Attempt   int   // of the subtask, from 0
	Number    int64 // of the record among those that came to this input in this attempt, from 1; 0: not known
	EventTime int64 // in milliseconds, NoTimestamp if it has none
	Error     string
	Stack     string // of a panic, beginning where it happened; else ""
}

// String is what Print shows: what failed, where and why, in one line.
func (l Letter[T]) String() string {
	where := fmt.Sprintf("operator %q, subtask %d", l.Operator, l.Subtask)
	if l.Number != 0 {
		where += fmt.Sprintf(", record %d", l.Number)
	}
	if b, ok := any(l.Record).([]byte); ok {
		return fmt.Sprintf("%q: %s: %s", b, where, l.Error)
	}
	return fmt.Sprintf("%v: %s: %s", l.Record, where, l.Error)
}

// Operation is what a verb returned, a Stream or a StreamSink, as DeadLetters takes it.
type Operation interface {
	operation(verb string) *node // nil after a fault
	program() *Env
}

func (s *Stream[T]) operation(verb string) (n *node) {
	s.set(verb, func(of *node) { n = of })
	return n
}

func (s *Stream[T]) program() *Env { return s.env }

func (s *StreamSink) operation(string) *node { return s.node }

func (s *StreamSink) program() *Env { return s.node.env }

// DeadLetters returns the records of type T on which the operator of out fails, instead of failing the attempt. T is
// what the operator reads; of an operator that reads two types, each has dead letters of its own. Sources have dead
// letters of type []byte, see BadRecord.
//
//	parsed := stream.MapRef(lines, parse)
//	stream.To(stream.DeadLetters[string](parsed), file.WriteJSON[stream.Letter[string]]("rejected"))
func DeadLetters[T any](out Operation) *Stream[Letter[T]] {
	n := out.operation("DeadLetters")
	if n == nil {
		return &Stream[Letter[T]]{env: out.program()}
	}
	s := &Stream[Letter[T]]{env: n.env}
	typ := reflect.TypeFor[T]()
	var reads []string
	for at := n; at != nil; at = at.inFront {
		at.guardSource()
		for i := range at.guards {
			g := &at.guards[i]
			reads = append(reads, g.typ.String())
			if g.typ != typ {
				continue
			}
			if g.letters < 0 {
				g.letters = len(at.Outputs)
				output[Letter[T]](at)
			}
			s.parts = append(s.parts, part{node: at, output: g.letters})
		}
	}
	if s.parts == nil {
		n.env.fault("DeadLetters: operator %q reads %s, not %s", n.Name, strings.Join(reads, " and "), typ)
	}
	return s
}

// inputGuard is how an input of a node is guarded.
type inputGuard struct {
	typ     reflect.Type
	letters int                                    // output of its dead letters, -1: nobody reads them
	make    func(g *guarding, in, letters any) any // returns an operator.Node[T]
}

// guardInput says that input i of n is of type T.
func guardInput[T any](n *node, i int) {
	for len(n.guards) <= i {
		n.guards = append(n.guards, inputGuard{letters: -1})
	}
	n.guards[i].typ = reflect.TypeFor[T]()
	n.guards[i].make = func(s *guarding, in, letters any) any {
		g := &guard[T]{guarding: s}
		g.in, _ = in.(operator.Node[T])
		g.letters, _ = letters.(operator.Node[Letter[T]])
		if o, ok := in.(guardedOperator[T]); ok {
			o.guardedBy(g)
			g.byItself = true
		}
		return g
	}
}

// guardedOperator is an operator that learns of failures after Record has returned. It rejects those records itself,
// and tells the dead letters what is not a record, in its order.
type guardedOperator[T any] interface{ guardedBy(g *guard[T]) }

// guardSource gives a source the one input that it reads from: bytes.
func (n *node) guardSource() {
	if n.Kind == graph.Source && n.guards == nil {
		guardInput[[]byte](n, 0)
	}
}

// guarded returns the factory of n with a guard before each input that has a policy: what has none pays nothing.
func (n *node) guarded() operator.Factory {
	n.guardSource()
	skip := n.env.onError == Skip
	if n.onError != nil {
		skip = *n.onError == Skip
	}
	needed := false
	for _, g := range n.guards {
		needed = needed || skip || g.letters >= 0
	}
	if !needed {
		return n.New
	}
	create := n.New
	return func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		if ctx.Active == nil {
			ctx.Active = new(int32)
		}
		g := &guarding{Task: ctx.Task, op: ctx}
		m := ctx.Task.Metrics(ctx.Operator)
		g.skipped, g.dead = m.Counter("numRecordsSkipped"), m.Counter("numDeadLetters")
		ctx.Task = g
		in, err := create(ctx, outs)
		if err != nil {
			return in, err
		}
		g.inputs = make([]any, len(n.guards))
		for i, of := range n.guards {
			var letters any
			if of.letters >= 0 {
				letters = outs[of.letters]
			} else if !skip {
				continue
			}
			if in.Source != nil {
				g.source = of.make(g, nil, letters).(*guard[[]byte])
			} else {
				g.inputs[i] = of.make(g, in.Inputs[i], letters)
				in.Inputs[i] = g.inputs[i]
			}
		}
		return in, nil
	}
}

// guarding is the task as an operator under a policy sees it: a failure while the operator has a record goes to the
// guard before its input, not to the task.
type guarding struct {
	operator.Task
	op            *operator.Context
	skipped, dead *operator.Counter
	inside        bool  // the operator has a record
	fault         error // what the operator failed with
	logged        int
	source        *guard[[]byte] // of a source's bad records; nil if it has none
	inputs        []any          // the guards, nil where an input has none
}

// loggedRejects bounds what a subtask logs of an operator's failed records.
const loggedRejects = 10

// Fail implements operator.Task.
func (g *guarding) Fail(err error) {
	if g.inside {
		g.fault = err
		panic(g)
	}
	g.Task.Fail(err)
}

// Yield implements operator.Task. What runs meanwhile has nothing to do with the record that waits.
func (g *guarding) Yield() {
	g.inside = false
	g.Task.Yield()
	g.inside = true
}

// catch is deferred around a record: it keeps failures of this operator, and lets those of others and the end of the
// attempt pass.
func (g *guarding) catch() {
	if !g.inside || g.fault == nil && *g.op.Active != g.op.Index {
		g.inside = false
		return
	}
	g.inside = false
	switch p := recover().(type) {
	case nil: // user code ends the goroutine
	case *guarding:
		if p != g {
			panic(p)
		}
	case operator.Unwound:
		panic(p)
	default:
		err, ok := p.(error)
		if !ok {
			err = fmt.Errorf("%v", p)
		}
		g.fault = &operator.Failure{Operator: g.op.Name, Err: g.op.AtKey(fmt.Errorf("panic: %w", err)), Stack: callStack()}
	}
}

// guard stands before an input of an operator.
type guard[T any] struct {
	*guarding
	in      operator.Node[T]
	letters operator.Node[Letter[T]] // nil: failed records are skipped
	number  int64                    // of records that came
	letter  Letter[T]

	byItself bool // in is a guardedOperator
}

func (g *guard[T]) Record(v *T, ts int64) {
	g.number++
	if g.letters != nil {
		g.letter.Record = *v // the operator may change the record
	}
	g.fault, g.inside = nil, true
	g.try(v, ts)
	if g.fault != nil {
		g.reject(g.number, ts, g.fault)
	}
}

func (g *guard[T]) try(v *T, ts int64) {
	defer g.catch()
	g.in.Record(v, ts)
	g.fault, g.inside = nil, false
}

// reject counts a failed record and sends its letter, g.letter with what is known now.
func (g *guard[T]) reject(number, ts int64, err error) {
	stack := ""
	if f, ok := errors.AsType[*operator.Failure](err); ok {
		err, stack = f.Err, f.Stack
	}
	if g.logged++; g.logged <= loggedRejects && g.op.Log != nil {
		g.op.Log.Warn("record rejected", "record", number, "reason", err)
	}
	if g.letters == nil {
		g.skipped.Add(1)
		return
	}
	g.dead.Add(1)
	l := &g.letter
	l.Operator, l.UID, l.Subtask, l.Attempt = g.op.Name, g.op.UID, g.op.Subtask, g.op.Attempt.Attempt
	l.Number, l.EventTime, l.Error, l.Stack = number, ts, err.Error(), stack
	g.letters.Record(l, ts)
}

// rejects applies the policy to a record on which an operator failed after it had taken it, and tells whether there is
// one. number is that of the record among those of the first input.
func rejects[T any](c *RuntimeContext, v *T, number, ts int64, err error) bool {
	policy, ok := c.op.Task.(*guarding)
	if !ok {
		return false
	}
	g, ok := policy.inputs[0].(*guard[T])
	if !ok {
		return false
	}
	waiting := g.letter.Record // of the record that the operator is being given
	g.letter.Record = *v
	g.reject(number, ts, err)
	g.letter.Record = waiting
	return true
}

func (g *guard[T]) Watermark(ts int64) {
	g.in.Watermark(ts)
	g.each(func(o control) { o.Watermark(ts) })
}

func (g *guard[T]) Idle() { g.in.Idle(); g.each(control.Idle) }

func (g *guard[T]) End() { g.in.End(); g.each(control.End) }

// each calls f with the output of dead letters, if there is one to be told.
func (g *guard[T]) each(f func(control)) {
	if g.letters != nil && !g.byItself {
		f(g.letters)
	}
}

// BadRecord is the error of a Reader that could not make a record of a part of its input and can go on behind it. It
// is the only error of a Reader to which the policy of the source applies.
type BadRecord struct {
	Raw []byte // what was read, for the dead letter; may be nil
	Err error  // what is wrong with it, and where it is
}

func (e *BadRecord) Error() string { return e.Err.Error() }

func (e *BadRecord) Unwrap() error { return e.Err }

// tolerates applies the policy of a source to an error of its reader and tells whether the reader goes on.
func (c *RuntimeContext) tolerates(err error) bool {
	policy, ok := c.op.Task.(*guarding)
	if !ok || policy.source == nil {
		return false
	}
	bad, ok := errors.AsType[*BadRecord](err)
	if !ok {
		return false
	}
	g := policy.source
	g.number++
	g.letter.Record = bad.Raw
	g.reject(g.number, NoTimestamp, err)
	return true
}
