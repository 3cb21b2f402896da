package task_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// trickle emits a record every so often, for ever.
type trickle struct {
	ctx  *operator.Context
	out  operator.Node[small]
	gap  time.Duration
	slot small
	next time.Time
}

func trickleNode(t testing.TB, gap time.Duration) *graph.StreamNode {
	return &graph.StreamNode{
		Kind: graph.Source, Name: "trickle", Outputs: []operator.Type{typeOf[small](t)},
		New: func(ctx *operator.Context, outs []any) (operator.Instance, error) {
			return operator.Instance{Source: &trickle{ctx: ctx, out: outs[0].(operator.Node[small]), gap: gap}}, nil
		},
	}
}

func (s *trickle) Poll(int) operator.Next {
	if now := s.ctx.Task.Now(); !now.Before(s.next) {
		s.slot.Key++
		s.out.Record(&s.slot, now.UnixMilli())
		s.next = now.Add(s.gap)
	}
	return operator.Next{State: operator.NextAt, At: s.next}
}

func (s *trickle) HandleEvent([]byte) error { return nil }

// heap is the memory in use by objects and stacks.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// scale runs five vertices, all to all, and cancels them.
func scale(t testing.TB, parallelism int) {
	p := newPlan(t)
	key := byKey(func(v *small) uint64 { return v.Key })
	for i := range 5 {
		name := fmt.Sprint("v", i)
		switch i {
		case 0:
			p.vertex(name, parallelism, trickleNode(t, time.Second))
		case 4:
			p.vertex(name, parallelism, sinkNode(func(*operator.Context, *small, int64) {}, nil))
		default:
			p.vertex(name, parallelism, mapNode(t, "pass", func(v *small) small { return *v }))
		}
		if i > 0 {
			p.edge(fmt.Sprint("v", i-1), name, graph.Hash, key, 0)
		}
	}
	c := newCluster(t, p.job.ID, 0)
	before := heap()
	start := time.Now()
	r := p.deploy(c, nil)
	r.awaitRunning(time.Minute)
	running := time.Since(start)
	used := heap() - before
	start = time.Now()
	for _, tk := range r.tasks {
		tk.Cancel(errors.New("enough"))
	}
	if got := r.wait(time.Minute); got[core.ExecutionCanceled] != 5*parallelism {
		t.Fatalf("ended as %v", got)
	}
	t.Logf("parallelism %d: RUNNING after %s, %d MiB, %d KiB per task; CANCELED after %s", parallelism, running, used>>20, used>>10/uint64(5*parallelism), time.Since(start))
	if perTask := used / uint64(5*parallelism); perTask > 256<<10 {
		t.Errorf("%d bytes per task", perTask)
	}
}

func TestScaleCostsGrowWithTasksNotChannels(t *testing.T) {
	scale(t, 100)
	if !testing.Short() && !raceEnabled {
		scale(t, 1000)
	}
}
