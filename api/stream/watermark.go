package stream

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/flink-go/flink-go/graph/operator"
)

// splitClock is the event time of one split.
type splitClock struct {
	id       string
	latest   int64 // event time of the latest record
	rule     func(latest int64) int64
	out      WatermarkOutput
	periodic func() // OnPeriodic of its generator; nil: none

	silent time.Time // since when it had nothing to read; zero: it had
	idle   bool
	held   bool // too far ahead of its group
}

// watermark is how far the split has come, NoTimestamp if nobody knows.
func (c *splitClock) watermark() int64 {
	if c.rule != nil {
		return c.rule(c.latest)
	}
	return c.out.mark
}

// eventClock makes the event time of a subtask from that of its splits: the least of those that are not idle.
type eventClock struct {
	out   control
	pace  pace
	idle  time.Duration // how long a split may be silent; 0: for ever
	limit int64         // splits further than that are not read
	log   *slog.Logger

	// oneByOne: a split follows another, and where event time stands is for the next one to say.
	oneByOne bool

	splits    []*splitClock
	none      *splitClock // stands for the first split while there is none
	generated bool        // splits have OnPeriodic
	fresh     bool        // records came since the last OnPeriodic
	now       int64       // event time, never going back
	sent      int64       // the last watermark
	sentAt    time.Time
	asked     time.Time // the last OnPeriodic
	resting   bool      // Idle was said last

	// For any goroutine:
	shown  atomic.Int64 // sent
	active atomic.Int64 // splits that count
	idlers atomic.Int64 // splits that are idle
	paused atomic.Int64 // splits that are too far ahead
}

func newEventClock(ctx *RuntimeContext, out control, p pace, idle time.Duration) *eventClock {
	e := &eventClock{out: out, pace: p, idle: idle, limit: operator.MaxWatermark, log: ctx.Log(), now: NoTimestamp, sent: NoTimestamp}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.none = &splitClock{out: WatermarkOutput{mark: NoTimestamp}}
	e.splits = []*splitClock{e.none}
	e.shown.Store(e.sent)
	for name, n := range map[string]*atomic.Int64{
		"currentOutputWatermark": &e.shown, "numActiveSplits": &e.active, "numIdleSplits": &e.idlers, "numPausedSplits": &e.paused,
	} {
		ctx.Gauge(name, func() float64 { return float64(n.Load()) })
	}
	return e
}

// add begins a split. rule is nil if a generator makes its watermarks.
func (e *eventClock) add(id string, rule func(int64) int64) *splitClock {
	c := &splitClock{id: id, latest: NoTimestamp, rule: rule, out: WatermarkOutput{mark: NoTimestamp}}
	if e.splits[0] == e.none {
		e.splits = e.splits[:0]
	}
	e.splits = append(e.splits, c)
	e.show()
	e.stir()
	return c
}

// remove ends a split: it no longer holds back event time.
func (e *eventClock) remove(c *splitClock) {
	e.advance()
	i := slices.Index(e.splits, c)
	e.splits = slices.Delete(e.splits, i, i+1)
	if len(e.splits) == 0 {
		e.none.silent, e.none.idle = time.Time{}, e.resting
		e.splits = append(e.splits, e.none)
		if e.oneByOne {
			e.now = e.sent
		}
	}
	e.show()
}

// wake ends the idleness of a split that has a record.
func (e *eventClock) wake(c *splitClock) {
	c.idle, c.silent = false, time.Time{}
	e.log.Debug("split counts again for event time", "split", c.id)
	e.show()
	e.stir()
}

// stir ends the rest of the subtask.
func (e *eventClock) stir() {
	if !e.resting {
		return
	}
	e.resting = false
	if e.sent != NoTimestamp {
		e.out.Watermark(e.sent) // tells all consumers, not only that of the next record
	}
}

// quiet says that a split had nothing to read at now. It returns when the split will be idle, zero: it is or never
// will be.
func (e *eventClock) quiet(c *splitClock, now time.Time) time.Time {
	if c.idle || e.idle == 0 {
		return time.Time{}
	}
	if c.silent.IsZero() {
		c.silent = now
	}
	at := c.silent.Add(e.idle)
	if now.Before(at) {
		return at
	}
	e.rest(c)
	return time.Time{}
}

// rest makes a split idle.
func (e *eventClock) rest(c *splitClock) {
	e.advance()
	c.idle = true
	e.log.Debug("split is silent and no longer holds back event time", "split", c.id, "watermark", c.watermark())
	e.show()
}

// hold tells whether a split is too far ahead of its group to be read.
func (e *eventClock) hold(c *splitClock) bool {
	held := c.watermark() > e.limit
	if held != c.held {
		c.held, c.silent = held, time.Time{}
		e.log.Debug("split is ahead of its group and waits, or goes on", "split", c.id, "watermark", c.watermark(), "limit", e.limit, "waits", held)
		e.show()
	}
	return held
}

// show counts the splits for metrics.
func (e *eventClock) show() {
	var active, idle, held int64
	for _, c := range e.splits {
		switch {
		case c == e.none:
		case c.idle:
			idle++
		default:
			active++
		}
		if c.held {
			held++
		}
	}
	e.active.Store(active)
	e.idlers.Store(idle)
	e.paused.Store(held)
}

// least is the least watermark of the splits that count, and whether there are any.
func (e *eventClock) least() (int64, bool) {
	least, any := int64(math.MaxInt64), false
	for _, c := range e.splits {
		if !c.idle {
			least, any = min(least, c.watermark()), true
		}
	}
	return least, any
}

// advance brings event time up to date and tells whether a watermark is due.
func (e *eventClock) advance() bool {
	if least, any := e.least(); any {
		e.now = max(e.now, least)
	}
	return e.now > e.sent
}

func (e *eventClock) send() {
	e.sent = e.now
	e.shown.Store(e.sent)
	e.out.Watermark(e.sent)
}

// punctuated follows a record whose generator emitted; before is what it had emitted earlier.
func (e *eventClock) punctuated(before int64) {
	// A split that was ahead of event time holds nothing back.
	if before <= e.now && e.advance() {
		e.send()
	}
}

// tick sends a watermark if one is due, and Idle if no split counts. waiting says that there is nothing more to read.
// It returns when it wants to be called again, zero: when something has changed.
func (e *eventClock) tick(now time.Time, waiting bool) (next time.Time) {
	if e.generated {
		next = e.generate(now, waiting)
	}
	if e.advance() {
		gap := e.pace.busy
		if waiting {
			gap = e.pace.waiting
		}
		if at := e.sentAt.Add(gap); now.Before(at) {
			return earlier(next, at)
		}
		e.sentAt = now
		e.send()
	}
	if !e.resting && !slices.ContainsFunc(e.splits, func(c *splitClock) bool { return !c.idle }) {
		e.sleep()
	}
	return next
}

// sleep says that no split counts. Which of them went to rest last must not matter: what the furthest one knew is
// said before.
func (e *eventClock) sleep() {
	for _, c := range e.splits {
		e.now = max(e.now, c.watermark())
	}
	if e.now > e.sent {
		e.send()
	}
	e.resting = true
	e.out.Idle()
}

// generate calls OnPeriodic of the generators if it is time.
func (e *eventClock) generate(now time.Time, waiting bool) (next time.Time) {
	gap := e.pace.busy
	switch {
	case e.pace.off:
		return time.Time{}
	case waiting && e.fresh:
		gap = e.pace.waiting
	case waiting:
		gap = e.pace.poll
	}
	if at := e.asked.Add(gap); now.Before(at) {
		return at
	}
	e.asked, e.fresh = now, false
	for _, c := range e.splits {
		if c.periodic == nil || c.idle {
			continue
		}
		c.periodic()
		if c.out.idle {
			c.out.idle = false
			e.rest(c)
		}
	}
	return now.Add(e.pace.poll)
}

// earlier is the earlier of two instants, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

var errNoGenerator = errors.New("the function given to Generator returned nil: want a generator for each split")

// addSplit begins a split by the rule of a strategy.
func addSplit[T any](e *eventClock, s *WatermarkStrategy[T], id string) (*splitClock, WatermarkGenerator[T]) {
	if s.generator == nil {
		rule := s.watermark
		if e.pace.off {
			rule = func(int64) int64 { return NoTimestamp }
		}
		return e.add(id, rule), nil
	}
	g := s.generator()
	if IsNil(g) {
		panic(errNoGenerator)
	}
	c := e.add(id, nil)
	if !s.perRecord {
		e.generated = true
		c.periodic = func() { g.OnPeriodic(&c.out) }
	}
	return c, g
}

// untimed is the error of a record without event time.
func (s *WatermarkStrategy[T]) untimed() error {
	if s.millis == nil {
		return errors.New("a record has no event time: its source gives none, take it from the record with stream.Timestamps")
	}
	return fmt.Errorf("the timestamp of a record is %d, which stands for none: want milliseconds since 1970", NoTimestamp)
}
