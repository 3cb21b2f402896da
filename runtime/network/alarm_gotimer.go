package network

import (
	"sync"
	"time"
)

// goTimer is an alarmClock of Go's own timers.
type goTimer struct {
	timer *time.Timer
	end   chan struct{}
	once  sync.Once
}

func newGoTimer() *goTimer {
	t := &goTimer{timer: time.NewTimer(time.Hour), end: make(chan struct{})}
	t.timer.Stop()
	return t
}

func (t *goTimer) set(after time.Duration) { t.timer.Reset(after) }

func (t *goTimer) wait() bool {
	select {
	case <-t.timer.C:
		return true
	case <-t.end:
		return false
	}
}

func (t *goTimer) close() { t.once.Do(func() { close(t.end) }) }
