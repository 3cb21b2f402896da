package task_test

import (
	"sync"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// caller asks somebody else about each record and takes the next one only when it has the answer.
type caller struct {
	ctx     *operator.Context
	out     operator.Node[small]
	ask     func(v small) // waits for the answer
	slot    small
	calling bool
	calls   sync.WaitGroup
}

func callerNode(t testing.TB, ask func(v small)) *graph.StreamNode {
	return &graph.StreamNode{
		Name: "caller", Chaining: graph.ChainHead, Outputs: []operator.Type{typeOf[small](t)},
		New: func(ctx *operator.Context, outs []any) (operator.Instance, error) {
			c := &caller{ctx: ctx, out: outs[0].(operator.Node[small]), ask: ask}
			return operator.Instance{Inputs: []any{operator.Node[small](c)}, Lifecycle: c}, nil
		},
	}
}

func (c *caller) Open() error { return nil }

func (c *caller) Close() error {
	c.calls.Wait()
	return nil
}

func (c *caller) Record(v *small, ts int64) {
	c.rest()
	c.slot, c.calling = *v, true
	c.calls.Go(func() {
		c.ask(c.slot)
		c.ctx.Task.Run(func() {
			c.calling = false
			c.out.Record(&c.slot, ts)
		})
	})
}

func (c *caller) rest() {
	for c.calling {
		c.ctx.Task.Yield()
	}
}

func (c *caller) Watermark(ts int64) { c.rest(); c.out.Watermark(ts) }
func (c *caller) Idle()              { c.rest(); c.out.Idle() }
func (c *caller) End()               { c.rest(); c.out.End() }

// An operator that waits in the middle of a record hands on what it has emitted: the answer to each record depends on
// the one before having arrived at the end of the job.
func TestYieldFlushesAndRunsActions(t *testing.T) {
	for _, workers := range []int{0, 2} {
		const n = 50
		arrived := make(chan uint64, n)
		p := newPlan(t)
		p.vertex("source", 1, source[small](t, n, genValue))
		p.vertex("caller", 1, callerNode(t, func(v small) {
			if v.Value > 0 {
				if got := <-arrived; got != v.Value-1 {
					t.Errorf("%d arrived before %d", got, v.Value)
				}
			}
		}))
		p.vertex("sink", 1, sinkNode(func(_ *operator.Context, v *small, _ int64) { arrived <- v.Value }, nil))
		p.edge("source", "caller", graph.Rebalance, nil, 0)
		p.edge("caller", "sink", graph.Rebalance, nil, 0)
		p.deploy(newCluster(t, p.job.ID, workers), func(vertex, _ int) int { return vertex % max(workers, 1) }).finish(30 * time.Second)
	}
}

// A task that waits in the middle of a record ends when it is canceled.
func TestCancelEndsAYield(t *testing.T) {
	asked, answer := make(chan uint64, 9), make(chan struct{})
	p := newPlan(t)
	p.vertex("source", 1, source[small](t, 2, genValue))
	p.vertex("caller", 1, callerNode(t, func(v small) { asked <- v.Value; <-answer }))
	p.vertex("sink", 1, sinkNode(func(_ *operator.Context, v *small, _ int64) { t.Errorf("%d arrived", v.Value) }, nil))
	p.edge("source", "caller", graph.Rebalance, nil, 0)
	p.edge("caller", "sink", graph.Rebalance, nil, 0)
	r := p.deploy(newCluster(t, p.job.ID, 0), nil)
	<-asked
	for _, tk := range r.tasks {
		tk.Cancel(nil)
	}
	close(answer)
	if got := r.wait(30 * time.Second); got[core.ExecutionCanceled] == 0 || got[core.ExecutionFailed] > 0 {
		t.Errorf("tasks ended as %v", got)
	}
}
