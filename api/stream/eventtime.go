package stream

import (
	"math"
	"slices"
	"time"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// DefaultIdle is how long a split may be silent before it no longer holds back event time, unless set by
// WatermarkStrategy.Idle.
const DefaultIdle = time.Minute

// WatermarkStrategy says what the event time of a record is and how far event time has come. Make one with Timestamps,
// TimestampsMillis or SourceTime; its methods return a changed copy. As it is, event time never goes back within a
// split: the watermark follows the latest record.
type WatermarkStrategy[T any] struct {
	made      bool           // by one of the functions that make strategies
	millis    func(*T) int64 // nil: the source's own
	delay     int64          // milliseconds by which records may be out of order
	delayed   bool
	generator func() WatermarkGenerator[T] // nil: the latest record less delay
	perRecord bool                         // the generator has nothing to do periodically
	idle      time.Duration                // 0: never
	group     string                       // of alignment, "" none
	drift     int64                        // milliseconds
	faults    []string
}

// WatermarkGenerator is an own rule for watermarks. Each split of a source has a generator, so that its fields are of
// one split; it runs on the task's goroutine.
//
// A watermark says that no record of an earlier or equal event time will follow. One that is not later than those
// before it is ignored: event time never goes back. operator.MaxWatermark, which means the end of input, counts as the
// instant before it, because more records may follow.
type WatermarkGenerator[T any] interface {
	// OnRecord sees each record of the split before it travels on; ts is its event time. What it emits follows the
	// record at once.
	OnRecord(v *T, ts int64, out *WatermarkOutput)
	// OnPeriodic is called from time to time, see Env.AutoWatermarkInterval.
	OnPeriodic(out *WatermarkOutput)
}

// WatermarkOutput takes what a WatermarkGenerator has to say about its split.
type WatermarkOutput struct {
	mark int64
	idle bool
}

// Emit says that event time has come to watermark, in milliseconds since 1970.
func (o *WatermarkOutput) Emit(watermark int64) {
	o.mark = max(o.mark, min(watermark, operator.MaxWatermark-1))
}

// Idle says that the split does not hold back event time until its next record.
func (o *WatermarkOutput) Idle() { o.idle = true }

// Timestamps takes the event time of a record from the record.
func Timestamps[T any](of func(T) time.Time) WatermarkStrategy[T] {
	if of == nil {
		return TimestampsMillis[T](nil)
	}
	return TimestampsMillis(func(v *T) int64 { return of(*v).UnixMilli() })
}

// TimestampsMillis is Timestamps for records that hold milliseconds since 1970, and without a copy of the record.
func TimestampsMillis[T any](of func(*T) int64) WatermarkStrategy[T] {
	s := SourceTime[T]()
	if s.millis = of; of == nil {
		s.faults = []string{"the function that gives the timestamps is nil"}
	}
	return s
}

// SourceTime keeps the event time that the source gave the record, such as the time of a message in its log. A record
// without one fails the attempt.
func SourceTime[T any]() WatermarkStrategy[T] {
	return WatermarkStrategy[T]{made: true, idle: DefaultIdle}
}

// OutOfOrder lets records come up to d later than the latest one: the watermark stays d and a millisecond behind it.
func (s WatermarkStrategy[T]) OutOfOrder(d time.Duration) WatermarkStrategy[T] {
	if d < 0 {
		return s.fault("OutOfOrder(" + d.String() + "): want at least 0")
	}
	// A part of a millisecond counts as one.
	s.delay, s.delayed = int64(d/time.Millisecond), true
	if d%time.Millisecond > 0 {
		s.delay++
	}
	return s
}

// Punctuated takes watermarks from records that carry them: f returns the watermark that follows v and whether there is
// one.
func (s WatermarkStrategy[T]) Punctuated(f func(v *T, ts int64) (watermark int64, ok bool)) WatermarkStrategy[T] {
	if f == nil {
		return s.fault("Punctuated: the function is nil")
	}
	s = s.Generator(func() WatermarkGenerator[T] { return punctuated[T](f) })
	s.perRecord = true
	return s
}

type punctuated[T any] func(v *T, ts int64) (int64, bool)

func (f punctuated[T]) OnRecord(v *T, ts int64, out *WatermarkOutput) {
	if watermark, ok := f(v, ts); ok {
		out.Emit(watermark)
	}
}

func (punctuated[T]) OnPeriodic(*WatermarkOutput) {}

// Generator makes watermarks by an own rule: one generator for each split.
func (s WatermarkStrategy[T]) Generator(generator func() WatermarkGenerator[T]) WatermarkStrategy[T] {
	if generator == nil {
		return s.fault("Generator: the function is nil")
	}
	s.generator, s.perRecord = generator, false
	return s
}

// Idle sets how long a split may be silent before it no longer holds back event time; 0: it holds it back for ever.
// Time that the split could not be read, because what follows is slow or because it is ahead of its group, does not
// count. Records of a split that wakes behind the watermark are late.
func (s WatermarkStrategy[T]) Idle(after time.Duration) WatermarkStrategy[T] {
	if after < 0 {
		return s.fault("Idle(" + after.String() + "): want at least 0")
	}
	s.idle = after
	return s
}

// Align stops reading splits while their watermark is more than maxDrift ahead of the earliest in the group: that of
// all splits, in all subtasks, of all sources of the job that name the group. What joins a fast and a slow source then
// keeps little of the fast one. Silent splits do not count once they are idle, nor do those that have ended.
func (s WatermarkStrategy[T]) Align(group string, maxDrift time.Duration) WatermarkStrategy[T] {
	switch {
	case group == "":
		return s.fault("Align: the group has no name")
	case maxDrift < time.Millisecond:
		return s.fault("Align(" + group + ", " + maxDrift.String() + "): want a drift of at least 1ms")
	}
	s.group, s.drift = group, maxDrift.Milliseconds()
	return s
}

func (s WatermarkStrategy[T]) fault(text string) WatermarkStrategy[T] {
	s.faults = append(slices.Clip(s.faults), text)
	return s
}

// watermark is the built-in rule: what is complete when latest is the latest event time.
func (s *WatermarkStrategy[T]) watermark(latest int64) int64 {
	if latest <= math.MinInt64+s.delay+1 {
		return NoTimestamp // there is nothing before it
	}
	return latest - s.delay - 1
}

// EventTime gives records their event time and the stream its watermarks.
//
// Directly after From it changes the source, as its settings do, and so for all who read it: there is a watermark for
// each split, and that of a subtask is the least of its splits. Settings of what EventTime returns are then those of
// the source. Anywhere else, and the second time, it is an operator: event time and watermarks from further up end
// there.
//
// A watermark follows when event time has moved: at once when there is nothing more to read, but not more often than
// Env.AutoWatermarkInterval says. In mode Batch there is only the last one, at the end: no record is late.
func EventTime[T any](s *Stream[T], strategy WatermarkStrategy[T]) *Stream[T] {
	for _, f := range strategy.faults {
		s.env.fault("EventTime: %s", f)
	}
	if !strategy.made {
		s.env.fault("EventTime: the strategy is empty: begin with Timestamps, TimestampsMillis or SourceTime")
	}
	if strategy.delayed && strategy.generator != nil {
		s.env.fault("EventTime: OutOfOrder belongs to the built-in rule, the strategy has another: Punctuated or Generator")
	}
	if n := sourceOf(s); n != nil && n.eventTime == nil {
		n.eventTime = &strategy
		n.Coordinated = n.Coordinated || strategy.group != ""
		return s
	}
	if strategy.group != "" {
		s.env.fault("EventTime: Align needs splits to stop: call EventTime directly after From")
	}
	n := s.env.add(graph.Transform, "EventTime", "EventTime")
	link(n, 0, s)
	env := s.env
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		o := newEventTimeOperator(newRuntimeContext(ctx), &strategy, env.pace(), outs[0].(operator.Node[T]))
		return operator.Instance{Inputs: []any{operator.Node[T](o)}, Lifecycle: o}, nil
	}
	return newStream[T](n)
}

// sourceOf returns the source whose main output s is, as From returned it, or nil.
func sourceOf[T any](s *Stream[T]) *node {
	if len(s.parts) != 1 {
		return nil
	}
	if p := s.parts[0]; p.node.Kind == graph.Source && p.output == 0 && p.strategy == "" {
		return p.node
	}
	return nil
}

// pace says how often watermarks are sent.
type pace struct {
	busy    time.Duration // least time between two watermarks while there is more to read
	waiting time.Duration // the same while there is not
	poll    time.Duration // time between two calls of OnPeriodic while nothing comes
	off     bool          // no periodic watermarks
	batch   bool          // timestamps only
}

// Unless the program or the configuration says otherwise. While a source has more to read its records wait for each
// other anyway, and a watermark costs each consumer something; when it has not, whoever waits for a result waits for
// the watermark.
const (
	busyWatermarks    = 5 * time.Millisecond
	waitingWatermarks = time.Millisecond
	quietWatermarks   = 200 * time.Millisecond
)

func (e *Env) pace() pace {
	p := pace{busy: busyWatermarks, waiting: waitingWatermarks, poll: quietWatermarks, batch: e.config.RuntimeMode == string(Batch)}
	if i := e.watermarkInterval; i >= 0 {
		p.busy, p.waiting, p.poll, p.off = i, i, i, i == 0
	}
	return p
}

// AutoWatermarkInterval sets the time between two watermarks of a source or EventTime, as pipeline.auto-watermark-interval
// does. 0 leaves only those that records carry (WatermarkStrategy.Punctuated and OnRecord of a generator). Unless set,
// a watermark is sent when there is nothing more to read, at most every millisecond, and every 5 ms while there is.
func (e *Env) AutoWatermarkInterval(d time.Duration) *Env {
	if d < 0 {
		e.fault("auto watermark interval %v: want at least 0", d)
		return e
	}
	e.watermarkInterval = d
	return e
}
