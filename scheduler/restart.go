package scheduler

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// restarter decides whether a failed job runs again. failed is called once per failure, or group of failures with one
// cause, and returns how long to wait. Failures while a restart waits join that restart and are not counted.
//
// lost is called when TaskManagers, slots or workers are lost, which is no fault of the job; true means to restart at once, and
// that failures just before, which mostly are the same loss seen by its neighbors, are not held against the job.
type restarter interface {
	failed(now time.Time) (delay time.Duration, again bool)
	lost(now time.Time) bool
}

// newRestarter makes the strategy of a job; a strategy without a type is exponential-delay. Fields that are zero have
// Flink's defaults, but Delay: a fixed-delay or failure-rate of no delay restarts at once. jitter returns a number in
// [0, 1).
func newRestarter(s graph.RestartStrategy, jitter func() float64) (restarter, error) {
	switch s.Type {
	case "none", "off", "disable":
		return noRestart{}, nil
	case "fixed-delay", "fixeddelay":
		return &fixedDelay{left: cmp.Or(s.Attempts, 1), delay: s.Delay}, nil
	case "failure-rate", "failurerate":
		return &failureRate{
			max:      cmp.Or(s.MaxFailures, 1),
			interval: cmp.Or(s.Interval, time.Minute),
			delay:    s.Delay,
		}, nil
	case "", "exponential-delay", "exponentialdelay":
		e := &exponentialDelay{
			initial:    cmp.Or(s.InitialBackoff, time.Second),
			max:        cmp.Or(s.MaxBackoff, time.Minute),
			multiplier: cmp.Or(s.Multiplier, 1.5),
			reset:      cmp.Or(s.ResetThreshold, time.Hour),
			share:      s.Jitter,
			attempts:   s.Attempts,
			jitter:     jitter,
		}
		if s.Type == "" {
			e.share = 0.1
		}
		if e.initial < 0 || e.max < e.initial || e.multiplier < 1 || e.share < 0 || e.share > 1 {
			return nil, fmt.Errorf("restart strategy exponential-delay: want 0 <= initial backoff <= max backoff, multiplier >= 1 and jitter in [0, 1], have %v, %v, %v and %v",
				e.initial, e.max, e.multiplier, e.share)
		}
		return e, nil
	default:
		return nil, core.E("choose restart strategy", core.Invalid, clip(s.Type),
			errors.New("unknown type, want none, fixed-delay, failure-rate or exponential-delay"))
	}
}

// noRestart lets the first failure fail the job.
type noRestart struct{}

func (noRestart) failed(time.Time) (time.Duration, bool) { return 0, false }
func (noRestart) lost(time.Time) bool                    { return false }

// fixedDelay restarts a number of times.
type fixedDelay struct {
	left  int
	delay time.Duration
}

func (f *fixedDelay) failed(time.Time) (time.Duration, bool) {
	if f.left <= 0 {
		return 0, false
	}
	f.left--
	return f.delay, true
}

func (*fixedDelay) lost(time.Time) bool { return false }

// failureRate restarts unless more than max failures fell into one interval.
type failureRate struct {
	max      int
	interval time.Duration
	delay    time.Duration
	recent   []time.Time // failures of the last interval, at most max+1
}

func (f *failureRate) failed(now time.Time) (time.Duration, bool) {
	f.recent = append(f.recent, now)
	if len(f.recent) > f.max+1 {
		f.recent = f.recent[1:]
	}
	again := len(f.recent) <= f.max || now.Sub(f.recent[0]) > f.interval
	return f.delay, again
}

func (*failureRate) lost(time.Time) bool { return false }

// exponentialDelay waits longer after each failure, up to max; a time of reset without failure begins anew. Unlike
// Flink's it does not wait after the loss of a machine: to wait cures a program or its surroundings, not a machine, and
// the wait would be most of the time in which the job stands still. Losses that follow each other within lossPause
// count as failures.
type exponentialDelay struct {
	initial, max time.Duration
	multiplier   float64
	reset        time.Duration
	share        float64 // of the delay that is random
	attempts     int     // failures since the last reset that are allowed, 0: any number
	jitter       func() float64

	current  time.Duration
	failures int
	resumed  time.Time // when the last restart was due

	failedAt time.Time // the last failure, and what was before it
	before   struct {
		current  time.Duration
		failures int
	}
	lostAt time.Time // the last loss after which it did not wait
}

// lossPause is the least time between two losses after which exponentialDelay does not wait.
const lossPause = 5 * time.Second

func (e *exponentialDelay) lost(now time.Time) bool {
	if !e.lostAt.IsZero() && now.Sub(e.lostAt) < lossPause {
		return false
	}
	e.lostAt = now
	if e.failures > 0 && now.Sub(e.failedAt) < lossPause {
		e.current, e.failures = e.before.current, e.before.failures
	}
	return true
}

func (e *exponentialDelay) failed(now time.Time) (time.Duration, bool) {
	e.failedAt, e.before.current, e.before.failures = now, e.current, e.failures
	if e.failures > 0 && now.Sub(e.resumed) >= e.reset {
		e.failures = 0
	}
	e.failures++
	if e.attempts > 0 && e.failures > e.attempts {
		return 0, false
	}
	if e.failures == 1 {
		e.current = e.initial
	} else {
		e.current = time.Duration(math.Min(float64(e.max), float64(e.current)*e.multiplier))
	}
	// As Flink: the delay varies by its share in both directions, within initial and max.
	delay := e.current + time.Duration((2*e.jitter()-1)*e.share*float64(e.current))
	delay = min(max(delay, e.initial), e.max)
	e.resumed = now.Add(delay)
	return delay, true
}
