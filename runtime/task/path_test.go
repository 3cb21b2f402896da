package task_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

type small struct {
	Key   uint64
	Value uint64
	More  [2]uint64
}

type texty struct {
	Key  uint64
	Text string
	At   int64
}

func TestChainInOneTask(t *testing.T) {
	p := newPlan(t)
	var sum, count atomic.Int64
	p.vertex("all", 2,
		source(t, 1000, func(s, i int, v *small) int64 { *v = small{Key: uint64(s), Value: uint64(i)}; return int64(i) }),
		filterNode(t, "even", func(v *small) bool { return v.Value%2 == 0 }),
		mapNode(t, "double", func(v *small) uint64 { return 2 * v.Value }),
		sinkNode(func(_ *operator.Context, v *uint64, _ int64) { count.Add(1); sum.Add(int64(*v)) }, nil),
	)
	p.deploy(newCluster(t, p.job.ID, 0), nil).finish(10 * time.Second)
	if count.Load() != 1000 || sum.Load() != 2*2*(499*500) {
		t.Fatalf("count %d, sum %d", count.Load(), sum.Load())
	}
}

func exchangeJob(t testing.TB, workers, n int) {
	p := newPlan(t)
	var count atomic.Int64
	p.vertex("up", 2, source(t, n, func(s, i int, v *texty) int64 { *v = texty{uint64(i), "some text", int64(s)}; return int64(i) }))
	p.vertex("down", 2, sinkNode(func(_ *operator.Context, v *texty, ts int64) {
		if v.Text != "some text" || uint64(ts) != v.Key {
			panic("wrong record")
		}
		count.Add(1)
	}, nil))
	p.edge("up", "down", graph.Hash, byKey(func(v *texty) uint64 { return v.Key }), 0)
	p.deploy(newCluster(t, p.job.ID, workers), nil).finish(20 * time.Second)
	if count.Load() != int64(2*n) {
		t.Fatalf("%d records of %d", count.Load(), 2*n)
	}
}

func TestTwoTasksInOneProcess(t *testing.T) { exchangeJob(t, 0, 100_000) }

func TestTwoTasksOverTCP(t *testing.T) { exchangeJob(t, 2, 100_000) }
