package network

import "time"

// A clock lets one task sleep until an instant. It has its own timer, which wakes the task's goroutine itself: a
// goroutine for all timers that hands over to the task would wake a second thread each time.
type clock interface {
	sleeper
	// wait returns at the instant until, or after interrupt; rarely for nothing.
	wait(until time.Time)
	close()
}

// sleeper is what a sleeping task waits for.
type sleeper interface {
	// interrupt wakes the task. Any goroutine; one that comes late ends the task's next sleep.
	interrupt()
}

// maxClocks is how many timers of the system a worker has: each is a file descriptor. The tasks beyond have Go's.
const maxClocks = 1024

// newClock makes the clock of a gate.
func (n *Network) newClock() clock {
	if n.clocks.Add(1) <= maxClocks {
		if c := newSystemClock(); c != nil {
			return c
		}
	}
	return newGoClock()
}

func (n *Network) closeClock(c clock) {
	c.close()
	n.clocks.Add(-1)
}

// token is a sleeper without an end. Capacity 1: one token says all.
type token chan struct{}

func newToken() token { return make(token, 1) }

func (t token) interrupt() {
	select {
	case t <- struct{}{}:
	default:
	}
}

// goClock is a clock of Go's timers. They are up to a millisecond late in a process that has nothing else to do.
type goClock struct {
	token
	timer *time.Timer
}

func newGoClock() *goClock {
	c := &goClock{token: newToken(), timer: time.NewTimer(time.Hour)}
	c.timer.Stop()
	return c
}

func (c *goClock) wait(until time.Time) {
	c.timer.Reset(time.Until(until))
	select {
	case <-c.timer.C:
	case <-c.token:
	}
}

func (c *goClock) close() { c.timer.Stop() }
