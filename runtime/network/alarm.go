package network

import (
	"container/heap"
	"sync"
	"time"
)

// alarm wakes gates at given instants, to some tens of microseconds where the system allows: Go's own timers are up
// to a millisecond late in a process that has nothing else to do, too coarse for flushing and for paced sources. One
// goroutine serves all tasks; it starts with the first Set and ends with the Network.
type alarm struct {
	start time.Time // instants are durations since then: monotonic

	mu     sync.Mutex
	queue  alarmQueue
	clock  alarmClock // nil before the first Set
	armed  time.Duration
	closed bool
	done   chan struct{}
}

// alarmClock is the system's side of an alarm.
type alarmClock interface {
	// set makes the next wait return at an instant, instead of the one before.
	set(after time.Duration)
	// wait blocks until then; false after close.
	wait() bool
	close()
}

// WakeUp is the alarm of one gate. It belongs to the gate's task.
type WakeUp struct {
	at    time.Duration
	gate  *Gate
	index int // in the queue, -1: not set
}

func newAlarm() *alarm { return &alarm{start: time.Now(), done: make(chan struct{})} }

// NewWakeUp makes the alarm of a gate.
func (n *Network) NewWakeUp(g *Gate) *WakeUp { return &WakeUp{gate: g, index: -1} }

// SetWakeUp lets a token come into the gate's Wake at the instant t. ClearWakeUp takes it back.
func (n *Network) SetWakeUp(w *WakeUp, t time.Time) { n.alarm.set(w, t) }

// ClearWakeUp forgets a wake-up.
func (n *Network) ClearWakeUp(w *WakeUp) { n.alarm.clear(w) }

func (a *alarm) set(w *WakeUp, t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	w.at = t.Sub(a.start)
	if w.index < 0 {
		heap.Push(&a.queue, w)
	} else {
		heap.Fix(&a.queue, w.index)
	}
	if a.clock == nil {
		a.clock = newAlarmClock()
		a.armed = 1<<63 - 1
		go a.run(a.clock)
	}
	a.arm()
}

func (a *alarm) clear(w *WakeUp) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.index >= 0 {
		// The clock stays as it is: it goes off for nothing at worst.
		heap.Remove(&a.queue, w.index)
	}
}

// arm sets the clock for the first of the queue, if that is earlier than what it is set for.
func (a *alarm) arm() {
	if len(a.queue) > 0 && a.queue[0].at < a.armed {
		a.armed = a.queue[0].at
		a.clock.set(max(a.armed-time.Since(a.start), 1))
	}
}

// run is the alarm's goroutine.
func (a *alarm) run(clock alarmClock) {
	defer close(a.done)
	for clock.wait() {
		a.mu.Lock()
		now := time.Since(a.start)
		for len(a.queue) > 0 && a.queue[0].at <= now {
			w := heap.Pop(&a.queue).(*WakeUp)
			select {
			case w.gate.Wake <- struct{}{}:
			default:
			}
		}
		a.armed = 1<<63 - 1
		if !a.closed {
			a.arm()
		}
		a.mu.Unlock()
	}
}

func (a *alarm) close() {
	a.mu.Lock()
	running := a.clock != nil
	if running && !a.closed {
		a.clock.close()
	}
	a.closed = true
	a.mu.Unlock()
	if running {
		<-a.done
	}
}

// alarmQueue is a heap by instant.
type alarmQueue []*WakeUp

func (q alarmQueue) Len() int           { return len(q) }
func (q alarmQueue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q alarmQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *alarmQueue) Push(x any) {
	w := x.(*WakeUp)
	w.index = len(*q)
	*q = append(*q, w)
}

// Pop implements heap.Interface.
func (q *alarmQueue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	w.index = -1
	return w
}
