package stream

import (
	"cmp"
	"fmt"
	"time"

	"github.com/flink-go/flink-go/api/stream/state"
)

// BroadcastProcessor is a Processor beside which every subtask gets all records of a second stream: rules that change
// while the job runs. What it keeps of them is a state.Broadcast, which Process can read and ProcessBroadcast can
// change. It may have the same optional methods as a Processor.
type BroadcastProcessor[K comparable, A, B, U any] interface {
	Process(ctx *Context[K, U], v A) error
	ProcessBroadcast(ctx *BroadcastContext[K, U], v B) error
}

// BroadcastProcess runs an object on the records of a stream, or of a keyed stream, and on those of rules, each of
// which goes to every subtask. Records of the two have no order between them.
func BroadcastProcess[K comparable, A, B, U any](in Input[K, A], rules *Stream[B], p BroadcastProcessor[K, A, B, U]) *Stream[U] {
	c := &Connected[K, A, B]{first: in.keyed(), second: &Keyed[K, B]{stream: Broadcast(rules)}}
	out := Transform2(c, "BroadcastProcess", func(s *Setup[K, U], key func(*A) K, _ func(*B) K) (Operator2[A, B], error) {
		o := &broadcastOperator[K, A, B, U]{p: clone(p), key: key}
		o.object = newObject(s, o.p)
		o.rules = BroadcastContext[K, U]{s.RuntimeContext, s.Context, o.object}
		return o, nil
	})
	declare[K, U](out.made(), p, c.first.key != nil)
	return out
}

type broadcastOperator[K comparable, A, B, U any] struct {
	*object[K, U]
	p     BroadcastProcessor[K, A, B, U]
	key   func(*A) K // nil: no key
	rules BroadcastContext[K, U]
}

func (n *broadcastOperator[K, A, B, U]) First(v *A, ts int64) {
	n.begin(ts)
	if n.key != nil {
		n.ctx.key = n.key(v)
		n.enterKey()
	}
	n.done(n.p.Process(n.ctx, *v))
}

func (n *broadcastOperator[K, A, B, U]) Second(v *B, ts int64) {
	n.begin(ts)
	if err := n.p.ProcessBroadcast(&n.rules, *v); err != nil {
		n.ctx.fail(err)
	}
}

// BroadcastContext is what a BroadcastProcessor may use while it processes a record of the second stream, besides the
// RuntimeContext. It has no key, and it alone can change a state.Broadcast. It is valid during the call only.
type BroadcastContext[K comparable, U any] struct {
	*RuntimeContext
	ctx *Context[K, U]
	of  *object[K, U]
}

// Emit sends v to the main output, with the event time of the record.
func (c *BroadcastContext[K, U]) Emit(v U) { c.ctx.out.send(v) }

// Timestamp is as Context.Timestamp.
func (c *BroadcastContext[K, U]) Timestamp() int64 { return c.ctx.Timestamp() }

// EventTime is as Context.EventTime.
func (c *BroadcastContext[K, U]) EventTime() time.Time { return c.ctx.EventTime() }

// Watermark is as Context.Watermark.
func (c *BroadcastContext[K, U]) Watermark() int64 { return c.ctx.Watermark() }

// BroadcastSide implements state.BroadcastWriter.
func (c *BroadcastContext[K, U]) BroadcastSide() {}

func (c *BroadcastContext[K, U]) side(name string) any { return c.ctx.side(name) }

func (c *BroadcastContext[K, U]) now() (int64, user) { return c.ctx.now() }

func (c *BroadcastContext[K, U]) failed(err error) { c.fail(err) }

// ForEachKey calls f for every key of this subtask that has something in s, a state that State lists, with a context
// in which it is the current key: Flink's applyToKeyedState. f may change all state of the key and set timers. The order
// of the keys is not defined.
func (c *BroadcastContext[K, U]) ForEachKey(s state.Descriptor, f func(ctx *Context[K, U]) error) error {
	rows := c.ctx.rows
	if rows == nil {
		return fmt.Errorf("state %q is not declared: list it in what the State method of the processor returns, and use KeyBy if the stream has no key", s.Name())
	}
	var failed error
	err := rows.Each(s.Name(), func() bool {
		c.of.begin(c.ctx.out.ts)
		c.ctx.key, c.of.inKey = *rows.Key(), true
		if err := f(c.ctx); err != nil {
			failed = c.ctx.op.AtKey(err)
		}
		c.of.inKey = false
		return failed == nil
	})
	return cmp.Or(failed, err)
}
