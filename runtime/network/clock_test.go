package network

import (
	"sync"
	"testing"
	"time"

	"github.com/flink-go/flink-go/graph/operator"
	"github.com/flink-go/flink-go/internal/frame"
)

// A clock never rings early, and its kind makes no difference but in how late it is.
func TestClockRingsInTime(t *testing.T) {
	n := New(Config{Job: testJob})
	defer func() { _ = n.Close() }()
	for name, c := range map[string]clock{"system": n.newClock(), "Go": newGoClock()} {
		var late []time.Duration
		c.interrupt() // ends one wait
		c.wait(time.Now().Add(time.Hour))
		for range 20 {
			until := time.Now().Add(3 * time.Millisecond)
			c.wait(until)
			d := time.Since(until)
			if d < 0 {
				t.Fatalf("%s: %s early", name, -d)
			}
			late = append(late, d)
			c.wait(until) // over already
		}
		t.Logf("%s: late by %v", name, late)
		c.close()
		c.interrupt() // nothing
	}
}

// Messages and the ends of waits come at random; no message is left in the gate while the task sleeps.
func TestWaitMissesNothing(t *testing.T) {
	n := New(Config{Job: testJob})
	defer func() { _ = n.Close() }()
	g := n.NewGate(newFakeTask(), attempt(downstream, 0, 0), nil)
	defer g.Close()
	const senders, each = 2, 2000
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := range each {
				g.Put(operator.Message{Kind: frame.Data, Arg: int64(i)})
				for start := time.Now(); i%8 == 0 && time.Since(start) < 20*time.Microsecond; {
				}
			}
		})
	}
	waits := [...]time.Duration{0, time.Hour, 10 * time.Microsecond, time.Hour, 50 * time.Microsecond}
	for got, i := 0, 0; got < senders*each; i++ {
		m, _ := g.Take(nil)
		got += len(m)
		if len(m) > 0 {
			continue
		}
		var until time.Time
		if d := waits[i%len(waits)]; d > 0 {
			until = time.Now().Add(d)
		}
		if got < senders*each {
			g.Wait(until)
		}
	}
	wg.Wait()
}

func TestClocksAreBounded(t *testing.T) {
	n := New(Config{Job: testJob})
	defer func() { _ = n.Close() }()
	n.clocks.Store(maxClocks)
	c := n.newClock()
	if _, ok := c.(*goClock); !ok {
		t.Errorf("clock %d is a %T", maxClocks+1, c)
	}
	n.closeClock(c)
	if got := n.clocks.Load(); got != maxClocks {
		t.Errorf("%d clocks, want %d", got, maxClocks)
	}
}
