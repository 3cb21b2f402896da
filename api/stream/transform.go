package stream

import (
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// Operator is an operator of one input in one subtask, as Transform runs it: what the verbs of this package are made
// of. Its Node methods pass on to Setup.Out what follows from them: watermarks, idleness and the end included.
type Operator[T any] interface {
	operator.Node[T]
	operator.Lifecycle
}

// Operator2 is an operator of two inputs in one subtask, as Transform2 runs it.
type Operator2[A, B any] interface {
	operator.Lifecycle
	First(v *A, ts int64)
	Second(v *B, ts int64)
	// Watermark says that neither input will have a record of an earlier or equal event time.
	Watermark(ts int64)
	// Idle says that neither input holds back event time.
	Idle()
	// End says that both inputs are over, after a last Watermark(operator.MaxWatermark).
	End()
}

// Setup is what the operator of one subtask is made of. K is NoKey if its input has no key.
type Setup[K comparable, U any] struct {
	*Context[K, U]
	Out  operator.Node[U]
	Hash func(*K) uint64 // of keys; nil for NoKey
	// State is the keyed state of this operator in this subtask; nil for NoKey.
	State *keyed.Backend
}

// Begin says that user code runs now for a record of event time ts, NoTimestamp if it has none: what Emit and side
// outputs send has that time.
func (s *Setup[K, U]) Begin(ts int64) {
	s.out.enter()
	s.out.ts = ts
}

// Pass hands a watermark on to all outputs; so do PassIdle and PassEnd with what they are named after.
func (s *Setup[K, U]) Pass(watermark int64) { s.sendWatermark(watermark) }

// PassIdle hands idleness on to all outputs.
func (s *Setup[K, U]) PassIdle() { s.sendIdle() }

// PassEnd hands the end of input on to all outputs.
func (s *Setup[K, U]) PassEnd() { s.sendEnd() }

// Transform adds an operator of a library of operators to the program: the way to what no verb does. verb names the
// operator in plans until Name does, and its id is derived from it. make is called once in each subtask; key is the
// key selector of the input, nil for NoKey. Per record nothing of it should be on the heap: keep scratch in fields.
// Side outputs are declared with SideOutput on the result and sent with OutputTag.Emit(setup, v).
func Transform[K comparable, T, U any](in Input[K, T], verb string, make func(s *Setup[K, U], key func(*T) K) (Operator[T], error)) *Stream[U] {
	k := in.keyed()
	n := k.stream.env.add(graph.Transform, verb, verb)
	n.Stateful = k.key != nil
	linkKeyed(n, 0, k)
	n.sides = new([]sideTag)
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		s, err := newSetup[K, U](ctx, outs, *n.sides, k.key != nil)
		if err != nil {
			return operator.Instance{}, err
		}
		o, err := make(s, k.key)
		if err != nil {
			return operator.Instance{}, err
		}
		return operator.Instance{Inputs: []any{operator.Node[T](o)}, Lifecycle: o}, nil
	}
	return newStream[U](n)
}

// Transform2 is Transform for an operator of two inputs, both keyed by the same kind of key or both without key.
func Transform2[K comparable, A, B, U any](c *Connected[K, A, B], verb string, make func(s *Setup[K, U], first func(*A) K, second func(*B) K) (Operator2[A, B], error)) *Stream[U] {
	n := c.first.stream.env.add(graph.Transform, verb, verb)
	n.Stateful = c.first.key != nil
	linkKeyed(n, 0, c.first)
	linkKeyed(n, 1, c.second)
	n.sides = new([]sideTag)
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		s, err := newSetup[K, U](ctx, outs, *n.sides, c.first.key != nil)
		if err != nil {
			return operator.Instance{}, err
		}
		o, err := make(s, c.first.key, c.second.key)
		if err != nil {
			return operator.Instance{}, err
		}
		j := newJoint(o)
		return operator.Instance{Inputs: []any{
			operator.Node[A](&firstOf[A, B]{side{j, 0}, o}), operator.Node[B](&secondOf[A, B]{side{j, 1}, o}),
		}, Lifecycle: o}, nil
	}
	return newStream[U](n)
}

func newSetup[K comparable, U any](ctx *operator.Context, outs []any, sides []sideTag, hasKey bool) (*Setup[K, U], error) {
	s := &Setup[K, U]{Context: newContext[K, U](ctx, outs, sides), Out: outs[0].(operator.Node[U])}
	if !hasKey {
		return s, nil
	}
	hash, err := codec.HashFor[K]()
	if err != nil {
		return nil, err
	}
	s.Hash, s.State = hash, ctx.KeyedState()
	return s, nil
}

// joint makes one event time of two inputs: the lesser watermark counts, of those that are not idle.
type joint struct {
	out    control
	inputs [2]struct {
		watermark   int64
		idle, ended bool
	}
	sent int64
}

func newJoint(out control) *joint {
	j := &joint{out: out, sent: NoTimestamp}
	for i := range j.inputs {
		j.inputs[i].watermark = NoTimestamp
	}
	return j
}

func (j *joint) advance() {
	least := operator.MaxWatermark
	for _, in := range j.inputs {
		if !in.idle {
			least = min(least, in.watermark)
		}
	}
	if least > j.sent {
		j.sent = least
		j.out.Watermark(least)
	}
}

// side is one of the two inputs.
type side struct {
	j *joint
	i int
}

// Watermark implements operator.Node.
func (s side) Watermark(ts int64) {
	in := &s.j.inputs[s.i]
	in.idle = false
	in.watermark = max(in.watermark, ts)
	s.j.advance()
}

// Idle implements operator.Node.
func (s side) Idle() {
	j := s.j
	j.inputs[s.i].idle = true
	if j.inputs[1-s.i].idle {
		j.out.Idle()
		return
	}
	j.advance()
}

// End implements operator.Node.
func (s side) End() {
	j := s.j
	j.inputs[s.i].ended = true
	if j.inputs[1-s.i].ended {
		j.out.End()
	}
}

type firstOf[A, B any] struct {
	side
	o Operator2[A, B]
}

func (n *firstOf[A, B]) Record(v *A, ts int64) {
	n.j.inputs[0].idle = false
	n.o.First(v, ts)
}

type secondOf[A, B any] struct {
	side
	o Operator2[A, B]
}

func (n *secondOf[A, B]) Record(v *B, ts int64) {
	n.j.inputs[1].idle = false
	n.o.Second(v, ts)
}
