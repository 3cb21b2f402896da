package stream

import (
	"errors"
	"fmt"
	"time"

	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// errNoEventTime is the error of a record without the timestamp that somebody asks for.
var errNoEventTime = errors.New("the record has no event time: give it one in the source or with stream.EventTime")

// SetTimer sets a timer of the key in event time: OnTimer is called when the watermark is at or after at, at the
// latest at the end of a bounded input. A key has at most one timer per time, however often it is set. Times are
// counted in milliseconds; a part of one counts as a whole.
//
// At the end of a bounded input the watermark is MaxWatermark, and a timer that is set then fires at once: a timer that
// sets itself again looks at Watermark first.
func (c *Context[K, U]) SetTimer(at time.Time) {
	if c.timers.event == nil {
		c.noTimers("SetTimer", "OnTimer")
	}
	c.timers.event.Set(millis(at))
}

// CancelTimer removes the key's timer at that event time, if there is one.
func (c *Context[K, U]) CancelTimer(at time.Time) {
	if c.timers.event == nil {
		c.noTimers("CancelTimer", "OnTimer")
	}
	c.timers.event.Cancel(millis(at))
}

// SetProcessingTimer sets a timer of the key in processing time: OnProcessingTimer is called when Now is at or after
// at. Those that are not due when a bounded input ends never fire, as in Flink.
func (c *Context[K, U]) SetProcessingTimer(at time.Time) {
	if c.timers.processing == nil {
		c.noTimers("SetProcessingTimer", "OnProcessingTimer")
	}
	ms := millis(at)
	c.timers.processing.Set(ms)
	c.timers.alarm.set(ms)
}

// CancelProcessingTimer removes the key's timer at that processing time, if there is one.
func (c *Context[K, U]) CancelProcessingTimer(at time.Time) {
	if c.timers.processing == nil {
		c.noTimers("CancelProcessingTimer", "OnProcessingTimer")
	}
	c.timers.processing.Cancel(millis(at))
}

// millis is t in milliseconds, rounded up: a timer never fires early.
func millis(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ms
}

func (c *Context[K, U]) noTimers(called, handler string) {
	c.fail(fmt.Errorf("%s: the processor has no method %s(ctx *stream.Context[K, U], at time.Time) error that the timer could call", called, handler))
}

// timerSet is the timers of an operator in one subtask.
type timerSet struct {
	event, processing         *keyed.Timers // nil if nobody handles them
	fireEvent, fireProcessing func(at int64)
	alarm                     alarm
}

func (t *timerSet) forEvents(sc *keyed.Scope, fire func(at int64)) (err error) {
	t.event, err = keyed.NewTimers(sc, "event-time timers")
	t.fireEvent = fire
	return err
}

func (t *timerSet) forProcessing(sc *keyed.Scope, task operator.Task, fire func(at int64)) (err error) {
	t.processing, err = keyed.NewTimers(sc, "processing-time timers")
	t.fireProcessing = fire
	t.alarm = alarm{task: task, ring: func() {
		t.processing.Fire(task.Now().UnixMilli(), t.fireProcessing)
		if at, ok := t.processing.Next(); ok {
			t.alarm.set(at)
		}
	}}
	return err
}

// stop lets no timer in processing time fire any more.
func (t *timerSet) stop() {
	t.alarm.clear()
	t.alarm.task = nil
}

// alarm is the one wake-up of an operator: that of its earliest timer in processing time.
type alarm struct {
	task   operator.Task // nil: it never rings
	ring   func()
	at     int64
	forget func() // nil: not set
}

// set makes the alarm ring at a time in milliseconds, unless it rings earlier anyway.
func (a *alarm) set(at int64) {
	if a.task == nil || a.forget != nil && a.at <= at {
		return
	}
	a.clear()
	a.at = at
	a.forget = a.task.At(time.UnixMilli(at), func() {
		a.forget = nil
		a.ring()
	})
}

func (a *alarm) clear() {
	if a.forget != nil {
		a.forget()
		a.forget = nil
	}
}
