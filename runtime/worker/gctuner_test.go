package worker

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	const room = 16 << 20
	for _, tc := range []struct {
		live, scan uint64
		want       int
	}{
		{0, 0, 800}, {1 << 20, 1 << 20, 800}, {4 << 20, 0, 400}, {16 << 20, 0, 100}, {32 << 20, 32 << 20, 50}, {1 << 30, 1 << 30, 30},
		{1 << 30, 1 << 20, 10}, {64 << 20, 0, 25}, {1 << 30, 2 << 30, 30},
	} {
		if got := gcPercent(room, tc.live, tc.scan); got != tc.want {
			t.Errorf("%d bytes alive, %d to scan: %d %%, want %d", tc.live, tc.scan, got, tc.want)
		}
	}
}

func TestGCTunerFollowsTheHeap(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	tuner := StartGCTuner(8 << 20)
	keep := make([]byte, 64<<20)
	percent := func() int {
		tuner.mu.Lock()
		defer tuner.mu.Unlock()
		return tuner.percent
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); percent() > 40; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d %% with 64 MiB alive and room for 8", percent())
		}
		runtime.GC()
	}
	runtime.KeepAlive(keep)
	tuner.Stop()
	tuner.Stop()
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("%d %% after Stop, want 77", got)
	}
}
