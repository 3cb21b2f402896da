package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flink-go/flink-go/graph/operator"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// sourceOperator polls the readers of one subtask.
//
// An uncoordinated source has one reader from Open on. One with splits starts with none and asks the coordinator for
// work whenever it could take a split: a bounded source when it has no reader, an unbounded one at once after each
// answer.
type sourceOperator[T any] struct {
	ctx  *RuntimeContext
	user user
	src  Source[T]
	out  operator.Node[T]

	strategy *WatermarkStrategy[T] // of event time; nil: that of the readers, and no watermarks
	pace     pace
	clock    *eventClock // nil: no watermarks
	align    *alignment  // nil: the source is in no group

	readers []splitReader[T]
	turn    int // which of readers is polled next
	asked   bool
	noMore  bool      // no split will be assigned any more
	slot    T         // every record goes through it
	polled  int       // records of the Poll under way
	now     time.Time // of the Poll under way, zero before somebody asked
	quietAt time.Time // when the first of the silent splits will be idle, zero: never

	enumeration sync.WaitGroup
	stop        context.CancelFunc
}

// splitReader is a Reader with the event time of what it reads.
type splitReader[T any] struct {
	Reader[T]
	clock     *splitClock // nil: the source has no strategy
	generator WatermarkGenerator[T]
}

func newSourceOperator[T any](op *operator.Context, src Source[T], strategy *WatermarkStrategy[T], p pace, out operator.Node[T]) *sourceOperator[T] {
	ctx := newRuntimeContext(op)
	n := &sourceOperator[T]{ctx: ctx, user: ctx.user(), src: src, strategy: strategy, pace: p, out: out, stop: func() {}}
	if strategy == nil || p.batch {
		return n
	}
	n.clock = newEventClock(ctx, out, p, strategy.idle)
	n.clock.oneByOne = src.Bounded && src.Enumerate != nil
	if strategy.group != "" {
		n.align = &alignment{group: strategy.group, drift: strategy.drift, clock: n.clock, send: n.send}
	}
	return n
}

// add begins to read r.
func (n *sourceOperator[T]) add(id string, r Reader[T]) {
	s := splitReader[T]{Reader: r}
	switch {
	case n.clock != nil:
		s.clock, s.generator = addSplit(n.clock, n.strategy, id)
	case n.strategy != nil:
		s.clock = &splitClock{} // for the timestamps
	}
	n.readers = append(n.readers, s)
}

// Open makes the reader, or starts the discovery of splits in subtask 0 and asks for a first split.
func (n *sourceOperator[T]) Open() error {
	n.user.enter()
	if n.src.Enumerate == nil {
		r, err := n.src.Open(n.ctx)
		if err != nil {
			return n.ctx.failed("open source", err)
		}
		n.add("", r)
		n.noMore = true
		return nil
	}
	if n.ctx.SubtaskIndex() == 0 {
		ctx, stop := context.WithCancel(n.ctx.Context())
		n.stop = stop
		// Ends when all splits were found or the attempt ends; Close waits for it.
		n.enumeration.Go(func() { n.enumerate(ctx) })
	}
	n.ask()
	return nil
}

// enumerate runs the program's discovery on a goroutine of its own and hands what it finds to the task.
func (n *sourceOperator[T]) enumerate(ctx context.Context) {
	op := *n.ctx.op
	op.Task = enumerationTask{n.ctx.op.Task, ctx}
	send := func(found *pb.SplitsDiscovered) {
		n.ctx.Run(func() { n.send(&pb.SourceEvent{Event: &pb.SourceEvent_Discovered{Discovered: found}}) })
	}
	err := catch(func() error {
		return n.src.Enumerate(&RuntimeContext{op: &op}, func(splits ...Split) {
			found := &pb.SplitsDiscovered{}
			for _, s := range splits {
				found.Splits = append(found.Splits, &pb.Split{Id: s.ID, Data: s.Data})
			}
			send(found)
		})
	})
	switch {
	case ctx.Err() != nil: // the attempt is over
	case err != nil:
		n.ctx.Run(func() { n.ctx.fail(fmt.Errorf("discover splits: %w", err)) })
	default:
		send(&pb.SplitsDiscovered{Complete: true})
	}
}

// enumerationTask is the task with a context that Close ends, so that discovery never outlives its operator.
type enumerationTask struct {
	operator.Task
	ctx context.Context
}

func (t enumerationTask) Context() context.Context { return t.ctx }

// catch turns a panic on a goroutine of ours into an error: only the task's own goroutine recovers by itself.
func catch(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

func (n *sourceOperator[T]) send(e *pb.SourceEvent) {
	b, err := proto.Marshal(e)
	if err != nil {
		n.ctx.fail(fmt.Errorf("encode source event: %w", err))
	}
	n.ctx.op.Task.SendEvent(n.ctx.op.Operator, b)
}

// ask asks the coordinator for a split, if there may be one and none was asked for.
func (n *sourceOperator[T]) ask() {
	if n.asked || n.noMore {
		return
	}
	n.asked = true
	n.send(&pb.SourceEvent{Event: &pb.SourceEvent_Request{Request: &pb.SplitRequest{}}})
}

// HandleEvent takes an answer of the coordinator.
func (n *sourceOperator[T]) HandleEvent(payload []byte) error {
	var e pb.SourceEvent
	if err := proto.Unmarshal(payload, &e); err != nil {
		return fmt.Errorf("operator %q: decode source event: %w", n.ctx.OperatorName(), err)
	}
	switch e := e.Event.(type) {
	case *pb.SourceEvent_Assigned:
		n.asked = false
		for _, s := range e.Assigned.Splits {
			n.user.enter()
			r, err := n.src.OpenSplit(n.ctx, Split{ID: s.Id, Data: s.Data})
			if err != nil {
				return n.ctx.failed("open split "+s.Id, err)
			}
			n.add(s.Id, r)
		}
		if !n.src.Bounded {
			n.ask()
		}
	case *pb.SourceEvent_NoMore:
		n.asked, n.noMore = false, true
	case *pb.SourceEvent_GroupWatermark:
		if n.align == nil {
			return fmt.Errorf("operator %q: watermark of a group that it is not in", n.ctx.OperatorName())
		}
		n.align.hear(e.GroupWatermark.GetWatermark())
	default:
		return fmt.Errorf("operator %q: unexpected source event %T", n.ctx.OperatorName(), e)
	}
	return nil
}

// Poll reads at most limit records from the reader whose turn it is.
func (n *sourceOperator[T]) Poll(limit int) operator.Next {
	n.polled, n.now, n.quietAt = 0, time.Time{}, time.Time{}
	next := n.poll(limit)
	next.Records = n.polled
	if n.clock != nil {
		n.keepTime(&next)
	}
	return next
}

// keepTime sends watermarks after a poll and sees to it that the next one comes in time.
func (n *sourceOperator[T]) keepTime(next *operator.Next) {
	if next.State == operator.NextEnd {
		n.align.end()
		return
	}
	waiting := next.State != operator.NextNow
	now := n.ctx.Now()
	due := earlier(n.quietAt, n.clock.tick(now, waiting))
	due = earlier(due, n.align.report(now))
	if waiting && !due.IsZero() {
		next.At = earlier(next.At, due)
		next.State = operator.NextAt
	}
}

// quiet says that a split has nothing to read.
func (n *sourceOperator[T]) quiet(c *splitClock) {
	if n.now.IsZero() {
		n.now = n.ctx.Now()
	}
	n.quietAt = earlier(n.quietAt, n.clock.quiet(c, n.now))
}

func (n *sourceOperator[T]) poll(limit int) operator.Next {
	var due time.Time // when the first of the waiting readers has something
	for range len(n.readers) {
		if n.turn >= len(n.readers) {
			n.turn = 0
		}
		c := n.readers[n.turn].clock
		if n.align != nil && n.clock.hold(c) {
			n.turn++
			continue
		}
		s := n.read(limit)
		switch {
		case s == Record:
			n.turn++ // the others have their turn first
			return operator.Next{State: operator.NextNow}
		case s == End:
			n.drop()
			return operator.Next{State: operator.NextNow}
		case s > 0:
			due = earlier(due, time.Unix(0, int64(s)))
		}
		if n.clock != nil {
			n.quiet(c)
		}
		n.turn++
	}
	switch {
	case len(n.readers) == 0 && n.noMore:
		return operator.Next{State: operator.NextEnd} // the task tells what follows
	case len(n.readers) == 0:
		n.ask()
		if n.clock != nil {
			n.quiet(n.clock.none)
		}
		return operator.Next{State: operator.NextEvent}
	case !due.IsZero():
		return operator.Next{State: operator.NextAt, At: due}
	default:
		return operator.Next{State: operator.NextEvent}
	}
}

// read emits at most limit records of the reader whose turn it is and returns its last status.
func (n *sourceOperator[T]) read(limit int) Status {
	r := &n.readers[n.turn]
	if r.clock != nil {
		return n.readTimed(r, limit)
	}
	for i := range limit {
		n.user.enter()
		ts, s, err := r.Next(&n.slot)
		if err != nil {
			if n.ctx.tolerates(err) {
				n.polled--
				continue
			}
			n.ctx.fail(err)
		}
		if s != Record {
			n.polled += i
			return s
		}
		n.out.Record(&n.slot, ts)
	}
	n.polled += limit
	return Record
}

// readLatest is read for a source whose watermarks follow the latest record: nearly all that have event time.
func (n *sourceOperator[T]) readLatest(r *splitReader[T], limit int) Status {
	c, millis, heard := r.clock, n.strategy.millis, false
	latest := c.latest
	for i := range limit {
		n.user.enter()
		ts, s, err := r.Next(&n.slot)
		if err != nil {
			if n.ctx.tolerates(err) {
				n.polled--
				continue
			}
			n.ctx.fail(err)
		}
		if s != Record {
			c.latest = latest
			n.polled += i
			return s
		}
		if millis != nil {
			ts = millis(&n.slot)
		}
		if ts > latest {
			latest = ts
		} else if ts == NoTimestamp {
			n.ctx.fail(n.strategy.untimed())
		}
		if !heard { // the first that was read may have been a bad one
			heard = true
			n.heard(c)
		}
		n.out.Record(&n.slot, ts)
	}
	c.latest = latest
	n.polled += limit
	return Record
}

// readTimed is read for a source with any strategy for event time.
func (n *sourceOperator[T]) readTimed(r *splitReader[T], limit int) Status {
	if r.generator == nil && n.align == nil {
		return n.readLatest(r, limit)
	}
	c, millis, heard := r.clock, n.strategy.millis, false
	for i := range limit {
		n.user.enter()
		ts, s, err := r.Next(&n.slot)
		if err != nil {
			if n.ctx.tolerates(err) {
				n.polled--
				continue
			}
			n.ctx.fail(err)
		}
		if s != Record {
			n.polled += i
			return s
		}
		if millis != nil {
			ts = millis(&n.slot)
		}
		if ts == NoTimestamp {
			n.ctx.fail(n.strategy.untimed())
		}
		if !heard { // the first that was read may have been a bad one
			heard = true
			n.heard(c)
		}
		c.latest = max(c.latest, ts)
		if r.generator == nil {
			n.out.Record(&n.slot, ts)
		} else {
			before := c.out.mark
			c.out.idle = false
			r.generator.OnRecord(&n.slot, ts, &c.out)
			n.out.Record(&n.slot, ts)
			if c.out.mark > before {
				n.clock.punctuated(before)
			}
		}
		if n.align != nil && c.watermark() > n.clock.limit {
			n.polled += i + 1
			return Record // poll holds it
		}
	}
	n.polled += limit
	return Record
}

// heard says that a split has records.
func (n *sourceOperator[T]) heard(c *splitClock) {
	if n.clock == nil {
		return
	}
	n.clock.fresh = true
	c.silent = time.Time{}
	if c.idle {
		n.clock.wake(c)
	}
}

// drop closes the reader whose turn it is.
func (n *sourceOperator[T]) drop() {
	r := n.readers[n.turn]
	n.readers = append(n.readers[:n.turn], n.readers[n.turn+1:]...)
	if n.clock != nil {
		n.clock.remove(r.clock)
	}
	if err := r.Close(); err != nil {
		n.ctx.fail(fmt.Errorf("close reader: %w", err))
	}
}

// Close ends the discovery of splits and closes all readers.
func (n *sourceOperator[T]) Close() error {
	n.stop()
	n.enumeration.Wait()
	n.user.enter()
	var errs []error
	for _, r := range n.readers {
		errs = append(errs, r.Close())
	}
	n.readers = nil
	if err := errors.Join(errs...); err != nil {
		return n.ctx.failed("close source", err)
	}
	return nil
}
