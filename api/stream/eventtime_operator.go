package stream

import (
	"time"

	"github.com/flink-go/flink-go/graph/operator"
)

// eventTimeOperator is EventTime anywhere but in a source: one split, whose records come from further up. It looks at
// the clock when the task has nothing to do, and while it has by a timer that runs as long as records come.
type eventTimeOperator[T any] struct {
	ctx       *RuntimeContext
	user      user
	out       operator.Node[T]
	strategy  *WatermarkStrategy[T]
	pace      pace
	clock     *eventClock // nil: no watermarks
	split     *splitClock
	generator WatermarkGenerator[T]

	period  time.Duration // of the timer while records come
	timer   time.Time     // when it fires, zero: it is not set
	stop    func()
	heard   bool // records came since the task had nothing to do or the timer fired
	suspect bool // the split seems idle
}

func newEventTimeOperator[T any](ctx *RuntimeContext, s *WatermarkStrategy[T], p pace, out operator.Node[T]) *eventTimeOperator[T] {
	period := p.busy
	if p.off {
		period = busyWatermarks
	}
	return &eventTimeOperator[T]{ctx: ctx, user: ctx.user(), out: out, strategy: s, pace: p, split: &splitClock{}, period: period, stop: func() {}}
}

// Open implements operator.Lifecycle.
func (n *eventTimeOperator[T]) Open() error {
	if n.pace.batch {
		return nil
	}
	n.clock = newEventClock(n.ctx, n.out, n.pace, n.strategy.idle)
	n.user.enter()
	n.split, n.generator = addSplit(n.clock, n.strategy, "")
	n.ctx.op.Task.OnIdle(n.rest)
	return nil
}

// Close implements operator.Lifecycle.
func (n *eventTimeOperator[T]) Close() error {
	n.stop()
	return nil
}

// Record implements operator.Node.
func (n *eventTimeOperator[T]) Record(v *T, ts int64) {
	n.user.enter()
	if n.strategy.millis != nil {
		ts = n.strategy.millis(v)
	}
	if ts == NoTimestamp {
		n.ctx.fail(n.strategy.untimed())
	}
	if !n.heard && n.clock != nil {
		n.begin()
	}
	c := n.split
	c.latest = max(c.latest, ts)
	if n.generator == nil {
		n.out.Record(v, ts)
		return
	}
	before := c.out.mark
	c.out.idle = false
	n.generator.OnRecord(v, ts, &c.out)
	n.out.Record(v, ts)
	if c.out.mark > before {
		n.clock.punctuated(before)
	}
}

// begin says that records come again.
func (n *eventTimeOperator[T]) begin() {
	n.heard, n.suspect, n.clock.fresh = true, false, true
	n.split.silent = time.Time{}
	if n.split.idle {
		n.clock.wake(n.split)
	}
	n.wakeAt(n.ctx.Now().Add(n.period))
}

// rest is called when the task has nothing to do.
func (n *eventTimeOperator[T]) rest() {
	if n.clock.sent == operator.MaxWatermark {
		return
	}
	n.user.enter()
	now := n.ctx.Now()
	n.heard = false
	due := n.clock.quiet(n.split, now)
	n.wakeAt(earlier(due, n.clock.tick(now, true)))
}

// wakeAt sets the timer unless it fires earlier anyway; zero: no matter when.
func (n *eventTimeOperator[T]) wakeAt(at time.Time) {
	if at.IsZero() || !n.timer.IsZero() && !at.Before(n.timer) {
		return
	}
	n.stop()
	n.timer = at
	n.stop = n.ctx.op.Task.At(at, n.fire)
}

// fire is the timer: the task may have been busy all the time.
func (n *eventTimeOperator[T]) fire() {
	n.timer = time.Time{}
	if n.clock.sent == operator.MaxWatermark {
		return
	}
	n.user.enter()
	now := n.ctx.Now()
	var due time.Time
	switch {
	case n.heard:
		n.heard = false
		due = now.Add(n.period)
	case n.idleSoon(now) && !n.suspect:
		// Records may be waiting because the task could not read them: it reads some before the next timer.
		n.suspect = true
		due = now.Add(time.Millisecond)
	default:
		due = n.clock.quiet(n.split, now)
	}
	n.wakeAt(earlier(due, n.clock.tick(now, false)))
}

// idleSoon tells whether the split is about to be idle.
func (n *eventTimeOperator[T]) idleSoon(now time.Time) bool {
	c := n.split
	return !c.idle && n.clock.idle > 0 && !c.silent.IsZero() && !now.Before(c.silent.Add(n.clock.idle))
}

// Watermark implements operator.Node. Watermarks from further up end here, but for that of the end.
func (n *eventTimeOperator[T]) Watermark(ts int64) {
	if ts != operator.MaxWatermark {
		return
	}
	if n.clock != nil {
		n.clock.now = ts
		n.clock.send()
		return
	}
	n.out.Watermark(ts)
}

// Idle implements operator.Node: if nobody further up expects a record there is no need to wait.
func (n *eventTimeOperator[T]) Idle() {
	if n.clock == nil || n.clock.idle == 0 || n.split.idle {
		return
	}
	n.heard = false
	n.clock.rest(n.split)
	n.wakeAt(n.clock.tick(n.ctx.Now(), true))
}

// End implements operator.Node.
func (n *eventTimeOperator[T]) End() {
	n.stop()
	n.out.End()
}
