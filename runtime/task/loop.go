package task

import (
	"time"

	"github.com/flink-go/flink-go/graph/operator"
)

// pollRecords is how many records a source may emit before the task looks at its mailbox and the clock.
const pollRecords = 512

// flushPolicy says when part-filled batches are sent. A task with nothing to do flushes, but not more often than
// linger: then it waits, and more records may join. A task that always has something to do flushes after busy.
type flushPolicy struct {
	linger time.Duration
	busy   time.Duration // negative: only full batches are sent
	last   time.Duration // when it was done, since the task's start
}

const (
	maxLinger = time.Millisecond // an idle task has no reason to wait longer, whatever the buffer timeout
	minBusy   = time.Millisecond // in a busy task smaller batches would only make it later
)

func (f *flushPolicy) init(bufferTimeout time.Duration) {
	f.linger = min(max(bufferTimeout, 0), maxLinger)
	f.busy = max(bufferTimeout, minBusy)
	if bufferTimeout < 0 {
		f.busy = -1
	}
	f.last = -f.linger
}

// elapsed is the time since the task's start, on the monotonic clock.
func (t *Task) elapsed() time.Duration { return time.Since(t.start) }

// loop runs until the input has ended.
func (t *Task) loop() {
	var messages []operator.Message
	var actions []func()
	for {
		messages, actions = t.gate.Take(messages)
		t.act(actions)
		for i := range messages {
			m := &messages[i]
			if err := t.inputs[m.Input].Read(m); err != nil {
				t.unwind(t.badInput(err))
			}
			*m = operator.Message{} // the batch has gone back, do not hold it
			t.between()
		}
		if len(messages) > 0 {
			if t.inputEnded() {
				return
			}
			continue
		}
		if t.source == nil {
			t.idle(time.Time{})
			continue
		}
		next := t.source.Poll(pollRecords)
		t.meter.recordsIn.Add(int64(next.Records))
		switch next.State {
		case operator.NextNow:
			t.between()
		case operator.NextAt:
			t.idle(next.At)
		case operator.NextEvent:
			t.idle(time.Time{})
		case operator.NextEnd:
			for _, s := range t.sinks {
				s.Watermark(operator.MaxWatermark)
				s.End()
			}
			return
		}
	}
}

func (t *Task) inputEnded() bool {
	for _, in := range t.inputs {
		if !in.Ended() {
			return false
		}
	}
	return true
}

// act runs what came through the mailbox, and ends the task if it has to end.
func (t *Task) act(actions []func()) {
	for _, fn := range actions {
		if t.ending.Load() {
			break
		}
		fn()
	}
	if t.ending.Load() {
		t.unwind(nil)
	}
}

// between is what happens between two batches: mailbox, timers, and the flush of a task that is always busy.
func (t *Task) between() {
	if t.gate.Urgent() || t.ending.Load() {
		t.act(t.gate.Actions())
	}
	now := t.elapsed()
	if len(t.timers) > 0 {
		t.fire(now)
	}
	if t.flush.busy >= 0 && now-t.flush.last >= t.flush.busy {
		t.flushOutputs(now)
	}
}

func (t *Task) flushOutputs(now time.Duration) {
	t.flush.last = now
	for _, o := range t.outputs {
		o.Flush()
	}
}

func (t *Task) pending() bool {
	for _, o := range t.outputs {
		if o.Pending() {
			return true
		}
	}
	return false
}

// idle waits for something to do: a message, an action, a timer, or the instant at, unless that is zero.
func (t *Task) idle(at time.Time) {
	if end, ok := t.prepare(at); ok {
		t.meter.resting(true)
		t.gate.Wait(end) // also until stop, which runs an action
		t.meter.resting(false)
	}
}

// yield waits for an action or a timer and runs what is due, while an operator is in the middle of a record. The wait
// counts as busy: the operator is what holds the job back.
func (t *Task) yield() {
	if !t.gate.Urgent() && !t.ending.Load() {
		if end, ok := t.prepare(time.Time{}); ok {
			t.gate.WaitAction(end)
		}
	}
	t.act(t.gate.Actions())
}

// prepare does what is due before a wait: timers, idle functions, the flush. It returns the end of the wait, zero if it
// has none; ok false: there shall be no wait.
func (t *Task) prepare(at time.Time) (end time.Time, ok bool) {
	now := t.elapsed()
	if len(t.timers) > 0 {
		t.fire(now)
	}
	for _, fn := range t.idlers {
		fn()
	}
	const never = time.Duration(1<<63 - 1)
	until := never
	if !at.IsZero() {
		// What a source emitted earlier would lie in its outputs until the next flush.
		until = at.Sub(t.start)
		if len(t.outputs) > 0 && t.flush.linger > 0 {
			until = max(until, t.flush.last+t.flush.linger)
		}
	}
	if t.flush.busy >= 0 && t.pending() {
		if next := t.flush.last + t.flush.linger; now >= next {
			t.flushOutputs(now)
		} else {
			until = min(until, next)
		}
	}
	if len(t.timers) > 0 {
		until = min(until, t.timers[0].at)
	}
	if until <= t.elapsed() {
		return time.Time{}, false
	}
	if until != never {
		end = t.start.Add(until)
	}
	return end, true
}
