package task_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// item says where it comes from and its place there.
type item struct {
	From, Seq int
	Text      string
}

// arrivals collects what each subtask of a sink got, by producer.
type arrivals struct {
	mu  sync.Mutex
	got map[int]map[int][]int // subtask -> producer -> sequence numbers
}

func (a *arrivals) add(subtask int, v *item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.got == nil {
		a.got = map[int]map[int][]int{}
	}
	if a.got[subtask] == nil {
		a.got[subtask] = map[int][]int{}
	}
	a.got[subtask][v.From] = append(a.got[subtask][v.From], v.Seq)
}

var strategies = []graph.ShipStrategy{
	graph.Forward, graph.Hash, graph.Rebalance, graph.Rescale, graph.Shuffle, graph.Broadcast, graph.Global, graph.Custom,
}

// Every strategy delivers each record exactly once (Broadcast: once to each), to a target that it may go to, and in
// order within a channel; whatever the parallelism, in one process and in two.
func TestStrategiesDeliverExactlyOnceInOrder(t *testing.T) {
	for _, s := range strategies {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				up := rapid.IntRange(1, 5).Draw(rt, "up")
				down := rapid.IntRange(1, 5).Draw(rt, "down")
				if s == graph.Forward {
					down = up
				}
				n := rapid.SampledFrom([]int{0, 1, 7, 300, 3000}).Draw(rt, "records")
				workers := rapid.SampledFrom([]int{0, 2}).Draw(rt, "workers")
				segment := rapid.SampledFrom([]int{1, 100, 0}).Draw(rt, "segment")
				deliver(t, rt, s, up, down, n, workers, segment)
			})
		})
	}
}

func deliver(t testing.TB, rt *rapid.T, s graph.ShipStrategy, up, down, n, workers, segment int) {
	p := newPlan(t)
	p.segment = segment
	var a arrivals
	p.vertex("up", up, source(t, n, func(subtask, i int, v *item) int64 {
		*v = item{subtask, i, fmt.Sprint(i)}
		return int64(i)
	}))
	p.vertex("down", down, sinkNode(func(ctx *operator.Context, v *item, ts int64) {
		if v.Text != fmt.Sprint(v.Seq) || ts != int64(v.Seq) {
			ctx.Task.Fail(fmt.Errorf("got %+v at %d", *v, ts))
		}
		a.add(ctx.Subtask, v)
	}, nil))
	key := func(v *item) uint64 { return uint64(v.Seq % 13) }
	var partition any
	switch s {
	case graph.Hash:
		partition = byKey(key)
	case graph.Custom:
		partition = operator.Partition[item](func(parallelism, _ int) func(*item) int {
			return func(v *item) int { return v.Seq % parallelism }
		})
	default: // the others ask for no function
	}
	p.edge("up", "down", s, partition, 0)
	c := newCluster(t, p.job.ID, workers)
	p.deploy(c, nil).finish(30 * time.Second)
	c.close()
	for producer := range up {
		seen := make([]int, n)
		from, to := s.Targets(producer, up, down)
		for target, by := range a.got {
			if len(by[producer]) > 0 && (target < from || target >= to) {
				rt.Fatalf("producer %d reached target %d outside [%d, %d)", producer, target, from, to)
			}
			last := -1
			for _, q := range by[producer] {
				if q <= last {
					rt.Fatalf("target %d got %d of producer %d after %d", target, q, producer, last)
				}
				last = q
				seen[q]++
				switch v := (&item{Seq: q}); {
				case s == graph.Global && target != 0:
					rt.Fatalf("global reached target %d", target)
				case s == graph.Custom && target != q%down:
					rt.Fatalf("custom sent %d to %d", q, target)
				case s == graph.Hash && target != byKey(key)(down, core.DefaultMaxParallelismFor(down))(v):
					rt.Fatalf("key %d at target %d", key(v), target)
				}
			}
		}
		want := 1
		if s == graph.Broadcast {
			want = down
		}
		for q, k := range seen {
			if k != want {
				rt.Fatalf("%s %d->%d: record %d of producer %d arrived %d times", s, up, down, q, producer, k)
			}
		}
		if s == graph.Rebalance && n >= 300 {
			for target := range down {
				if k := len(a.got[target][producer]); k < n/down || k > n/down+1 {
					rt.Fatalf("rebalance gave %d of %d to target %d", k, n, target)
				}
			}
		}
	}
}

// counting is a source without end that counts what it emitted.
func counting(t testing.TB, emitted *atomic.Int64) *graph.StreamNode {
	return source(t, 1<<62, func(_, i int, v *wide) int64 {
		v.Auction = uint64(i)
		emitted.Add(1)
		return operator.NoTimestamp
	})
}

// A sink that does not go on stops the source after as many records as the credits allow, and cancellation ends the
// blocked source at once (backpressure ends at the source; R-40).
func TestBackpressureStopsTheSourceAndCancelFreesIt(t *testing.T) {
	for _, workers := range []int{0, 2} {
		t.Run(fmt.Sprint("workers ", workers), func(t *testing.T) {
			p := newPlan(t)
			var emitted atomic.Int64
			release := make(chan struct{})
			p.vertex("up", 1, counting(t, &emitted))
			p.vertex("down", 1, sinkNode(func(ctx *operator.Context, _ *wide, _ int64) {
				select {
				case <-release:
				case <-ctx.Task.Context().Done():
				}
			}, nil))
			p.edge("up", "down", graph.Rebalance, nil, 0)
			c := newCluster(t, p.job.ID, workers)
			r := p.deploy(c, func(vertex, _ int) int { return vertex % len(c.nets) })
			r.awaitRunning(10 * time.Second)
			source := r.tasks[0]
			eventually(t, func() bool { return source.Report().IO.BackpressuredMillis > 100 })
			held := emitted.Load()
			// 8 batches of 32 KiB under way, one being filled.
			if limit := int64(10 * 32 << 10 / 100); held > limit {
				t.Errorf("the source emitted %d records, at most %d should fit", held, limit)
			}
			eventually(t, func() bool { return source.Report().IO.BackpressuredMillis > 200 })
			if now := emitted.Load(); now != held {
				t.Errorf("the source went on from %d to %d", held, now)
			}
			begin := time.Now()
			for _, tk := range r.tasks {
				tk.Cancel(errors.New("enough"))
			}
			if got := r.wait(10 * time.Second); got[core.ExecutionCanceled] != 2 {
				t.Errorf("ended as %v", got)
			}
			if d := time.Since(begin); d > 2*time.Second {
				t.Errorf("cancel took %s", d)
			}
			close(release)
		})
	}
}

// Smallest buffers, 100 x 100 shuffle and a diamond: nothing waits for itself.
func TestSmallBuffersDoNotDeadlock(t *testing.T) {
	for _, workers := range []int{0, 2} {
		parallelism := 100
		if raceEnabled || workers > 0 {
			parallelism = 30
		}
		t.Run(fmt.Sprint("shuffle, workers ", workers), func(t *testing.T) {
			p := newPlan(t)
			p.segment = 1
			var n atomic.Int64
			p.vertex("up", parallelism, source(t, 500, func(_, i int, v *small) int64 { v.Key = uint64(i); return int64(i) }))
			p.vertex("down", parallelism, sinkNode(func(*operator.Context, *small, int64) { n.Add(1) }, nil))
			p.edge("up", "down", graph.Shuffle, nil, 0)
			p.deploy(newCluster(t, p.job.ID, workers), nil).finish(60 * time.Second)
			if n.Load() != int64(500*parallelism) {
				t.Errorf("%d records", n.Load())
			}
		})
		t.Run(fmt.Sprint("diamond, workers ", workers), func(t *testing.T) {
			p := newPlan(t)
			p.segment = 1
			var n atomic.Int64
			p.vertex("a", 3, source(t, 5000, func(_, i int, v *small) int64 { v.Key = uint64(i); return int64(i) }))
			p.vertex("b", 2, mapNode(t, "b", func(v *small) small { return *v }))
			p.vertex("c", 4, mapNode(t, "c", func(v *small) small { return *v }))
			p.vertex("d", 3, sinkNode(func(*operator.Context, *small, int64) { n.Add(1) }, nil))
			p.edge("a", "b", graph.Rebalance, nil, 0)
			p.edge("a", "c", graph.Hash, byKey(keySmall), 0)
			p.edge("b", "d", graph.Rebalance, nil, 0)
			p.edge("c", "d", graph.Rescale, nil, 0)
			p.deploy(newCluster(t, p.job.ID, workers), nil).finish(60 * time.Second)
			if n.Load() != 3*5000*2 {
				t.Errorf("%d records", n.Load())
			}
		})
	}
}

// eventually polls a condition; only for what has no event to wait for.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen in 10 s")
		}
	}
}

// Cancel and fail at any moment, while tasks connect, wait for credits and give batches back: everything ends at once
// and nothing stays behind.
func TestEndAtAnyMoment(t *testing.T) {
	repeats := 60
	if testing.Short() {
		repeats = 10
	}
	for _, workers := range []int{0, 2, 3} {
		t.Run(fmt.Sprint("workers ", workers), func(t *testing.T) {
			t.Parallel()
			for i := range repeats {
				endAfter(t, workers, time.Duration(i*i)*3*time.Microsecond)
			}
		})
	}
}

// endAfter runs a diamond without end and ends it after a while.
func endAfter(t *testing.T, workers int, after time.Duration) {
	p := newPlan(t)
	p.segment = 200
	var emitted atomic.Int64
	p.vertex("a", 3, counting(t, &emitted))
	p.vertex("b", 2, mapNode(t, "b", func(v *wide) wide { return *v }))
	p.vertex("c", 4, sinkNode(func(*operator.Context, *wide, int64) {}, nil))
	p.edge("a", "b", graph.Rebalance, nil, 0)
	p.edge("a", "c", graph.Hash, byKey(keyWide), 0)
	p.edge("b", "c", graph.Shuffle, nil, 0)
	c := newCluster(t, p.job.ID, workers)
	r := p.deploy(c, nil)
	<-time.After(after)
	begin := time.Now()
	for _, tk := range r.tasks {
		tk.Cancel(errors.New("enough"))
	}
	if got := r.wait(10 * time.Second); got[core.ExecutionCanceled] != len(r.tasks) {
		t.Fatalf("ended as %v: %v", got, r.cause())
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("it took %s to end", d)
	}
	c.close()
}

// A chain and an exchange make no garbage per record.
func TestRunningJobAllocatesNothingPerRecord(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const n = 400_000
	for _, workers := range []int{0, 2} {
		p := newPlan(t)
		p.vertex("up", 1, source(t, n, genSmall), filterNode(t, "filter", func(v *small) bool { return v.Value == 0 }))
		p.vertex("down", 2, sinkNode(func(*operator.Context, *small, int64) {}, nil))
		p.edge("up", "down", graph.Hash, byKey(keySmall), 0)
		c := newCluster(t, p.job.ID, workers)
		before := mallocs()
		p.deploy(c, nil).finish(20 * time.Second)
		if made := mallocs() - before; made > n/100 {
			t.Errorf("workers %d: %d allocations for %d records", workers, made, n)
		}
	}
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// A record may be much larger than a segment.
func TestLargeRecords(t *testing.T) {
	text := strings.Repeat("large ", 1<<20)
	for _, workers := range []int{0, 2} {
		p := newPlan(t)
		var n atomic.Int64
		p.vertex("up", 1, source(t, 20, func(_, i int, v *texty) int64 {
			v.Text = "small"
			if i%4 == 0 {
				v.Text = text
			}
			return operator.NoTimestamp
		}))
		p.vertex("down", 2, sinkNode(func(_ *operator.Context, v *texty, _ int64) { n.Add(int64(len(v.Text))) }, nil))
		p.edge("up", "down", graph.Rebalance, nil, 0)
		p.deploy(newCluster(t, p.job.ID, workers), nil).finish(20 * time.Second)
		if want := int64(5*len(text) + 15*len("small")); n.Load() != want {
			t.Errorf("workers %d: %d bytes of %d", workers, n.Load(), want)
		}
	}
}
