package worker

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// DefaultGCRoom is how much a heap may grow between two collections when the program says nothing else. It is the
// knob between memory and CPU of a worker: a fixed GOGC collects a small heap too often and lets a large one double.
const DefaultGCRoom = 32 << 20

// Bounds of the GC percentage that the tuner sets.
const (
	minGCPercent = 10
	maxGCPercent = 800
	// scanPercent is the least growth in percent of what a collection has to scan: state without pointers, however
	// large, costs next to nothing and need not wait until there is much garbage beside it.
	scanPercent = 30
)

// GCTuner sets the GC percentage after each collection so that the heap may grow by about the same number of bytes
// until the next one, whatever its size. GOMEMLIMIT stays the ceiling.
type GCTuner struct {
	room   uint64
	before int

	mu      sync.Mutex
	stopped bool
	percent int
	sample  [2]metrics.Sample
}

// gcSentinel is garbage from the moment it is made: its cleanup runs after the next collection. It holds a pointer so
// that it is an object of its own.
type gcSentinel struct{ _ *gcSentinel }

// StartGCTuner begins to tune; room <= 0 is DefaultGCRoom. Stop puts things back.
func StartGCTuner(room int64) *GCTuner {
	if room <= 0 {
		room = DefaultGCRoom
	}
	t := &GCTuner{room: uint64(room)}
	t.sample[0].Name = "/gc/heap/live:bytes"
	t.sample[1].Name = "/gc/scan/heap:bytes"
	t.percent = maxGCPercent
	t.before = debug.SetGCPercent(t.next())
	t.arm()
	return t
}

// Stop ends the tuning and restores the percentage that was in force before.
func (t *GCTuner) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		t.stopped = true
		debug.SetGCPercent(t.before)
	}
}

func (t *GCTuner) arm() { runtime.AddCleanup(new(gcSentinel), (*GCTuner).collected, t) }

// collected runs after a collection, on the runtime's cleanup goroutine.
func (t *GCTuner) collected() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	// Setting it stops the world for an instant, so small changes are left.
	if p := t.next(); p < t.percent*9/10 || p > t.percent*11/10 {
		t.percent = p
		debug.SetGCPercent(p)
	}
	t.arm()
}

func (t *GCTuner) next() int {
	metrics.Read(t.sample[:])
	return gcPercent(t.room, t.sample[0].Value.Uint64(), t.sample[1].Value.Uint64())
}

// gcPercent is the percentage at which a heap with so much alive, and so much to scan, grows by room before it is
// collected.
func gcPercent(room, live, scan uint64) int {
	if live == 0 {
		return maxGCPercent
	}
	grow := max(100*room, scanPercent*min(scan, live))
	return int(min(max(grow/live, minGCPercent), maxGCPercent))
}
