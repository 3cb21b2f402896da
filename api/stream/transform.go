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

	about *current[K]
}

// current is the key that user code works on; nil if it works on none, or on none that is known.
type current[K comparable] struct{ key *K }

// Begin says that user code runs now for a record of event time ts, NoTimestamp if it has none: what Emit and side
// outputs send has that time.
func (s *Setup[K, U]) Begin(ts int64) {
	s.about.key = nil
	s.out.enter()
	s.out.ts = ts
}

// About says which key user code works on until the next Begin: messages name it.
func (s *Setup[K, U]) About(k *K) { s.about.key = k }

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
	s := &Setup[K, U]{Context: newContext[K, U](ctx, outs, sides), Out: outs[0].(operator.Node[U]), about: new(current[K])}
	if !hasKey {
		return s, nil
	}
	hash, err := codec.HashFor[K]()
	if err != nil {
		return nil, err
	}
	s.Hash, s.State = hash, ctx.KeyedState()
	ctx.Key = func() any {
		if s.about.key == nil {
			return nil
		}
		return *s.about.key
	}
	return s, nil
}

// joint makes one event time of two inputs: the lesser watermark counts, of those that are neither idle nor ended.
type joint struct {
	out    control
	inputs [2]jointInput
	sent   int64
	silent bool // Idle was said last
}

type jointInput struct {
	watermark int64
	idle      bool
	over      bool // after its last watermark
	ended     bool
}

func newJoint(out control) *joint {
	j := &joint{out: out, sent: NoTimestamp}
	for i := range j.inputs {
		j.inputs[i].watermark = NoTimestamp
	}
	return j
}

func (j *joint) send(watermark int64) {
	if watermark > j.sent {
		j.sent = watermark
		j.out.Watermark(watermark)
	}
}

// settle follows a change of an input: a watermark, or Idle if no input counts any more.
func (j *joint) settle() {
	least, furthest, counts := operator.MaxWatermark, NoTimestamp, false
	for _, in := range j.inputs {
		switch {
		case in.over:
		case in.idle:
			furthest = max(furthest, in.watermark)
		default:
			least, counts = min(least, in.watermark), true
		}
	}
	switch {
	case counts:
		j.send(least)
	case !j.silent:
		j.send(furthest) // whichever of them went to rest last
		j.silent = true
		j.out.Idle()
	}
}

// wake ends the idleness of an input.
func (j *joint) wake(i int) {
	j.inputs[i].idle = false
	if j.silent {
		j.silent = false
		if j.sent != NoTimestamp {
			j.out.Watermark(j.sent)
		}
	}
}

// side is one of the two inputs.
type side struct {
	j *joint
	i int
}

// Watermark implements operator.Node. The last one waits for the end of both inputs: an idle one may wake.
func (s side) Watermark(ts int64) {
	if ts == operator.MaxWatermark {
		s.over()
		return
	}
	in := &s.j.inputs[s.i]
	if in.idle {
		s.j.wake(s.i)
	}
	in.watermark = max(in.watermark, ts)
	s.j.settle()
}

// Idle implements operator.Node.
func (s side) Idle() {
	s.j.inputs[s.i].idle = true
	s.j.settle()
}

// End implements operator.Node.
func (s side) End() {
	s.over()
	s.j.inputs[s.i].ended = true
	if s.j.inputs[1-s.i].ended {
		s.j.out.End()
	}
}

func (s side) over() {
	j := s.j
	j.inputs[s.i].over = true
	if j.inputs[1-s.i].over {
		j.send(operator.MaxWatermark)
		return
	}
	j.settle()
}

// heard says that the input has a record.
func (s side) heard() {
	if s.j.inputs[s.i].idle {
		s.j.wake(s.i)
	}
}

type firstOf[A, B any] struct {
	side
	o Operator2[A, B]
}

func (n *firstOf[A, B]) Record(v *A, ts int64) {
	n.heard()
	n.o.First(v, ts)
}

type secondOf[A, B any] struct {
	side
	o Operator2[A, B]
}

func (n *secondOf[A, B]) Record(v *B, ts int64) {
	n.heard()
	n.o.Second(v, ts)
}
