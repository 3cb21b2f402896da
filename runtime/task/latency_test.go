package task_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// pacer emits rate records a second with the time at which each was due.
type pacer struct {
	ctx     *operator.Context
	out     operator.Node[texty]
	rate, n int
	i       int
	start   time.Time
	slot    texty
}

func pacerNode(t testing.TB, rate, n int) *graph.StreamNode {
	return &graph.StreamNode{
		Kind: graph.Source, Name: "pacer", Outputs: []operator.Type{typeOf[texty](t)},
		New: func(ctx *operator.Context, outs []any) (operator.Instance, error) {
			return operator.Instance{Source: &pacer{ctx: ctx, out: outs[0].(operator.Node[texty]), rate: rate, n: n}}, nil
		},
	}
}

func (s *pacer) Poll(limit int) operator.Next {
	if s.start.IsZero() {
		s.start = time.Now()
	}
	due := int(time.Since(s.start).Seconds() * float64(s.rate))
	for ; s.i < min(due, s.n) && limit > 0; limit-- {
		s.slot = texty{Key: uint64(s.i), Text: "wonderland", At: int64(s.i) * int64(time.Second) / int64(s.rate)}
		s.i++
		s.out.Record(&s.slot, operator.NoTimestamp)
	}
	if s.i == s.n {
		return operator.Next{State: operator.NextEnd}
	}
	return operator.Next{State: operator.NextAt, At: s.start.Add(time.Duration(s.i+1) * time.Second / time.Duration(s.rate))}
}

func (s *pacer) HandleEvent([]byte) error { return nil }

// latency measures from the instant a record is due at the source to its arrival at the sink.
func latency(b *testing.B, workers, rate int, timeout time.Duration) {
	p := newPlan(b)
	p.job.Config.BufferTimeout = timeout
	took := make([]int64, 0, b.N)
	var src *pacer
	n := pacerNode(b, rate, b.N)
	made := n.New
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		in, err := made(ctx, outs)
		src = in.Source.(*pacer)
		return in, err
	}
	p.vertex("up", 1, n)
	p.vertex("down", 1, sinkNode(func(_ *operator.Context, v *texty, _ int64) {
		took = append(took, int64(time.Since(src.start))-v.At)
	}, nil))
	p.edge("up", "down", graph.Hash, byKey(keyText), 0)
	c := newCluster(b, p.job.ID, workers)
	b.ResetTimer()
	before := cpu()
	p.deploy(c, func(vertex, _ int) int { return vertex % len(c.nets) }).finish(time.Minute)
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
	slices.Sort(took)
	for _, q := range []float64{50, 99, 99.9} {
		b.ReportMetric(float64(took[int(float64(len(took)-1)*q/100)])/1000, fmt.Sprintf("p%v-us", q))
	}
}

func BenchmarkLatency(b *testing.B) {
	for _, workers := range []int{0, 2} {
		for _, rate := range []int{10_000, 100_000, 300_000} {
			for _, timeout := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond} {
				b.Run(fmt.Sprintf("workers=%d/rate=%d/timeout=%s", workers, rate, timeout), func(b *testing.B) { latency(b, workers, rate, timeout) })
			}
		}
	}
}
