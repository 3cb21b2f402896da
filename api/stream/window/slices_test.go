package window

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
)

func countsOf(spec Spec) func(in *stream.Keyed[int64, click]) *stream.Stream[Result[int64, int64]] {
	return func(in *stream.Keyed[int64, click]) *stream.Stream[Result[int64, int64]] { return Counts(in, spec) }
}

// text is results without their keys: "[start,end)=value @time".
func text(got []sent[Result[int64, int64]]) string {
	sortResults(got)
	var b strings.Builder
	for _, r := range got {
		fmt.Fprintf(&b, " [%d,%d)=%d @%d", r.V.Window.Start, r.V.Window.End, r.V.Value, r.At)
	}
	return strings.TrimSpace(b.String())
}

func wantText(t *testing.T, got []sent[Result[int64, int64]], want string) {
	t.Helper()
	if got := text(got); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWindowsAtTheEdgesOfTheInputCount(t *testing.T) {
	r := newRig(t, 1, false, clickKey, nil, countsOf(Sliding(ms(10), ms(2))))
	r.send(click{Key: 1}, 5)
	r.end()
	wantText(t, r.out.take(), "[-4,6)=1 @5 [-2,8)=1 @7 [0,10)=1 @9 [2,12)=1 @11 [4,14)=1 @13")
}

// TestOffsetsMoveWindows holds the example of the documentation: days of UTC+8.
func TestOffsetsMoveWindows(t *testing.T) {
	r := newRig(t, 1, false, clickKey, nil, countsOf(Tumbling(24*time.Hour).Offset(-8*time.Hour)))
	at := time.Date(2024, 5, 1, 17, 0, 0, 0, time.UTC) // May 2, 1:00 there
	r.send(click{Key: 1}, at.UnixMilli())
	r.end()
	if got, want := r.out.got[0].V.Window.String(), "[2024-05-01T16:00:00.000Z, 2024-05-02T16:00:00.000Z)"; got != want {
		t.Errorf("window %s, want %s", got, want)
	}
}

// TestLateRecordsFireAgain holds what allowed lateness means.
func TestLateRecordsFireAgain(t *testing.T) {
	r := newRig(t, 1, false, clickKey, nil, countsOf(Tumbling(ms(10)).Lateness(ms(5))))
	r.send(click{Key: 1}, 3)
	r.watermark(8)
	wantText(t, r.out.take(), "")
	r.watermark(9) // End-1: no record of the window comes any more
	wantText(t, r.out.take(), "[0,10)=1 @9")
	r.send(click{Key: 1}, 4)
	wantText(t, r.out.take(), "[0,10)=2 @9")
	r.watermark(13)
	r.send(click{Key: 2}, 4)
	wantText(t, r.out.take(), "[0,10)=1 @9")
	r.watermark(14)
	r.send(click{Key: 1}, 4) // End-1 plus lateness is not after the watermark
	r.end()
	wantText(t, r.out.take(), "")
	if r.dropped() != 1 {
		t.Errorf("%d dropped, want 1", r.dropped())
	}
}

// TestGapsBetweenWindows: what is in no window is not late, unless its time has passed.
func TestGapsBetweenWindows(t *testing.T) {
	r := newRig(t, 1, false, clickKey, nil, countsOf(Sliding(ms(2), ms(10))))
	for at := range int64(20) {
		r.send(click{Key: 1}, at)
	}
	if r.dropped() != 0 {
		t.Errorf("%d dropped as late", r.dropped())
	}
	r.watermark(18)
	r.send(click{Key: 1}, 18)
	if r.dropped() != 1 {
		t.Errorf("%d dropped as late, want the one behind the watermark", r.dropped())
	}
	wantText(t, r.out.take(), "[0,2)=2 @1 [10,12)=2 @11")
}

func TestProcessingTimeFiresByTheClock(t *testing.T) {
	for spec, want := range map[string]struct {
		spec Spec
		at15 string // what has come when the clock shows 15
		end  string
	}{
		"tumbling": {Tumbling(ms(10)), "[0,10)=2 @9", "[10,20)=1 @19"},
		"sliding":  {Sliding(ms(10), ms(5)), "[-5,5)=1 @4 [0,10)=2 @9 [5,15)=2 @14", "[10,20)=1 @19"},
		"session":  {Session(ms(5)), "[3,12)=2 @11", "[14,19)=1 @18"},
	} {
		t.Run(spec, func(t *testing.T) {
			r := newRig(t, 1, false, clickKey, nil, countsOf(want.spec.ProcessingTime()))
			r.task.pass(time.UnixMilli(3))
			r.send(click{Key: 1}, stream.NoTimestamp)
			r.task.pass(time.UnixMilli(7))
			r.send(click{Key: 1}, 1e12) // event time does not count
			r.watermark(1e12)
			r.task.pass(time.UnixMilli(14))
			r.send(click{Key: 1}, stream.NoTimestamp)
			r.task.pass(time.UnixMilli(15))
			wantText(t, r.out.take(), want.at15)
			r.end() // what is open has its result too
			wantText(t, r.out.take(), want.end)
			r.task.pass(time.UnixMilli(100))
			wantText(t, r.out.take(), "")
		})
	}
}

// failing runs f and returns the error with which it ended the attempt.
func failing(t *testing.T, f func()) (err error) {
	t.Helper()
	defer func() {
		if f, ok := recover().(rigFailure); ok {
			err = f.err
		} else {
			t.Error("it did not fail")
		}
	}()
	f()
	return nil
}

// TestBadTimestampsAreNamed holds what issue 4 wants of records that have no place in a window.
func TestBadTimestampsAreNamed(t *testing.T) {
	for _, spec := range []Spec{Tumbling(ms(10)), Sliding(ms(10), ms(3)), Session(ms(10)), Tumbling(ms(10)).Combine()} {
		nodes := rigProgram(t, func(in *stream.Stream[click]) { stream.Discard(Counts(stream.KeyBy(in, clickKey), spec)) })
		for at, want := range map[int64]string{
			stream.NoTimestamp: "stream.EventTime",
			math.MaxInt64 - 3:  "milliseconds since 1970",
			math.MinInt64 + 3:  "milliseconds since 1970",
		} {
			if spec.shape == session && at < 0 && at != stream.NoTimestamp {
				continue // a session reaches forward only
			}
			in := openNode[click](t, newRigTask(), nil, nodes[0], 0, 1, discardOf(spec))
			err := failing(t, func() { in.Record(&click{Key: 1}, at) })
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `operator "WindowCount`) {
				t.Errorf("%v, time %d: error %v, want one with %q and the operator", spec, at, err, want)
			}
		}
	}
}

func discardOf(spec Spec) any {
	if spec.combine {
		return &tally[partial[int64, int64]]{}
	}
	return &tally[Result[int64, int64]]{}
}

// TestExtremeTimestampsWithinRange: no arithmetic goes around.
func TestExtremeTimestampsWithinRange(t *testing.T) {
	for _, spec := range []Spec{Tumbling(ms(10)).Lateness(time.Hour), Sliding(ms(10), ms(3)), Session(ms(10))} {
		r := newRig(t, 1, false, clickKey, nil, countsOf(spec))
		for _, at := range []int64{math.MinInt64 + 100, -1, 0, math.MaxInt64 - 100} {
			r.send(click{Key: 1}, at)
		}
		r.end()
		n := int64(0)
		for _, e := range r.out.take() {
			n += e.V.Value
			if w := e.V.Window; w.Start >= w.End || e.At != w.End-1 {
				t.Errorf("%v: window from %d to %d at %d", spec, w.Start, w.End, e.At)
			}
		}
		if n < 4 {
			t.Errorf("%v: %d records in windows, want at least 4", spec, n)
		}
	}
}

// TestStateIsReleased runs long: keys come once and never again, and neither stores nor memory grow with their number.
func TestStateIsReleased(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 20
	}
	for _, spec := range []Spec{
		Tumbling(ms(1000)), Sliding(ms(1000), ms(300)).Lateness(ms(500)), Session(ms(200)).Lateness(ms(500)),
	} {
		t.Run(spec.String(), func(t *testing.T) {
			r := newRig(t, 1, false, clickKey, nil, countsOf(spec))
			results, key, early := 0, int64(0), uint64(0)
			for round := range rounds {
				for range 10_000 {
					key++
					r.send(click{Key: key}, key/10) // 10,000 keys in a second
					if key%1000 == 0 {
						r.watermark(key/10 - 50)
						results += len(r.out.take())
					}
				}
				if round == 9 {
					early = liveHeap()
				}
			}
			if late := liveHeap(); late > early+early/4+1<<20 {
				t.Errorf("the heap grew from %d to %d bytes", early, late)
			}
			r.end()
			results += len(r.out.take())
			if results < int(key) {
				t.Errorf("%d results of %d keys", results, key)
			}
			switch n := r.ins[0].(type) {
			case *sliceOperator[int64, click, int64, int64]:
				if len(n.open) != 0 || n.stores > 13 {
					t.Errorf("%d slices are open at the end, %d stores were made", len(n.open), n.stores)
				}
			case *sessionOperator[int64, click, int64, int64]:
				if n.rows.Len() != 0 || n.timers.Len() != 0 {
					t.Errorf("%d keys and %d timers are left at the end", n.rows.Len(), n.timers.Len())
				}
			}
		})
	}
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestAFloodLeavesNoMemory: slices that held much give it back when the flood is over.
func TestAFloodLeavesNoMemory(t *testing.T) {
	r := newRig(t, 1, false, clickKey, nil, countsOf(Tumbling(ms(10))))
	before := liveHeap()
	for i := range int64(1_000_000) {
		r.send(click{Key: i}, i/20_000) // 50 ms: 5 slices at once
	}
	if flood := liveHeap(); flood < before+16<<20 {
		t.Errorf("%d bytes: that is no flood", flood-before)
	}
	r.watermark(1000)
	r.out.take()
	for at := int64(1000); at < 2000; at += 10 {
		for i := range int64(10) {
			r.send(click{Key: i}, at)
		}
		r.watermark(at + 9)
		r.out.take()
	}
	if after := liveHeap(); after > before+8<<20 {
		t.Errorf("%d bytes are still held", after-before)
	}
	runtime.KeepAlive(r)
}
