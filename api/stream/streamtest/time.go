package streamtest

import (
	"slices"
	"time"
)

// Start is the processing time with which a Harness begins.
var Start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// virtualTime is processing time that passes when the test says so.
type virtualTime struct {
	now    time.Time
	timers []*timer // by instant, those of one instant in the order in which they were set
}

type timer struct {
	at    time.Time
	chain *chainTask
	fn    func()
}

func (v *virtualTime) at(at time.Time, chain *chainTask, fn func()) (stop func()) {
	t := &timer{at, chain, fn}
	i := slices.IndexFunc(v.timers, func(other *timer) bool { return other.at.After(at) })
	if i < 0 {
		i = len(v.timers)
	}
	v.timers = slices.Insert(v.timers, i, t)
	return func() { v.timers = slices.DeleteFunc(v.timers, func(other *timer) bool { return other == t }) }
}

// fire calls the first timer that is due, of chain unless that is nil, and tells whether there was one.
func (v *virtualTime) fire(chain *chainTask) bool {
	for i, t := range v.timers {
		if t.at.After(v.now) {
			return false
		}
		if chain == nil || t.chain == chain {
			v.timers = slices.Delete(v.timers, i, i+1)
			t.fn()
			return true
		}
	}
	return false
}
