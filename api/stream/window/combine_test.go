package window

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// exchange is the way from combiners to the operator behind them: each combiner has a channel of its own, and event
// time is the least of them.
type exchange[T any] struct {
	to        []operator.Node[T]
	route     func(v *T) int
	watermark []int64 // by channel; math.MaxInt64 while idle
	sent      int64
}

type channel[T any] struct {
	x *exchange[T]
	i int
}

func (c channel[T]) Record(v *T, ts int64) { c.x.to[c.x.route(v)].Record(v, ts) }

func (c channel[T]) Watermark(ts int64) {
	c.x.watermark[c.i] = ts
	if least := slices.Min(c.x.watermark); least > c.x.sent {
		c.x.sent = least
		for _, n := range c.x.to {
			n.Watermark(least)
		}
	}
}

func (c channel[T]) Idle() {
	if slices.Min(c.x.watermark) < math.MaxInt64 {
		c.Watermark(math.MaxInt64 - 1)
	}
}

func (c channel[T]) End() {}

// TestCombineIsTheModel runs two combiners and two subtasks behind them.
func TestCombineIsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{watermark: math.MinInt64 / 2, windows: map[modelWindow][]int64{}}
		m.size = rapid.Int64Range(1, 20).Draw(rt, "size")
		m.slide = rapid.Int64Range(1, 20).Draw(rt, "slide")
		spec := Sliding(ms(m.size), ms(m.slide)).Combine()
		withBags := rapid.Bool().Draw(rt, "bags")
		nodes := rigProgram(t, func(in *stream.Stream[click]) {
			k := stream.KeyBy(in, clickKey)
			if withBags {
				stream.Discard(Aggregate(k, spec, bags))
			} else {
				stream.Discard(AggregateRef(k, spec, texts))
			}
		})
		task, out := newRigTask(), &gather[Result[int64, string]]{}
		var ins []operator.Node[click]
		if withBags {
			ins = combined2[map[int64]int](t, task, nodes, out)
		} else {
			ins = combined2[string](t, task, nodes, out)
		}
		at := []int64{math.MinInt64 / 2, math.MinInt64 / 2}
		now := rapid.Int64Range(-40, 40).Draw(rt, "begin")
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			i := rapid.IntRange(0, 1).Draw(rt, "combiner")
			if rapid.IntRange(0, 4).Draw(rt, "what") == 0 {
				if to := now + rapid.Int64Range(-20, 10).Draw(rt, "watermark"); to > at[i] {
					at[i] = to
					ins[i].Watermark(to)
					m.advance(slices.Min(at))
				}
			} else {
				now += rapid.Int64Range(0, 6).Draw(rt, "step")
				c := click{rapid.Int64Range(1, 4).Draw(rt, "key"), now - rapid.Int64Range(0, 30).Draw(rt, "back"), rapid.Int64Range(0, 99).Draw(rt, "n")}
				// A record behind the watermark of its own channel may come in time or not, by what the other one does.
				if c.At <= at[i] {
					continue
				}
				m.record(c)
				ins[i].Record(&c, c.At)
			}
			sameResults(rt, spec, out.take(), m.take())
		}
		for _, in := range ins {
			in.Watermark(operator.MaxWatermark)
			in.End()
		}
		m.advance(math.MaxInt64)
		sameResults(rt, spec, out.take(), m.take())
		if dropped := task.Counter("numLateRecordsDropped").Value(); dropped != m.dropped {
			rt.Fatalf("%d records dropped, want %d", dropped, m.dropped)
		}
	})
}

// combined2 opens two subtasks of both operators of Combine.
func combined2[A any](t *testing.T, task *rigTask, nodes []*graph.StreamNode, out operator.Node[Result[int64, string]]) []operator.Node[click] {
	t.Helper()
	x := &exchange[partial[int64, A]]{route: routeBy(func(p partial[int64, A]) int64 { return p.Key }, 2),
		watermark: []int64{math.MinInt64, math.MinInt64}, sent: math.MinInt64}
	var ins []operator.Node[click]
	for i := range 2 {
		x.to = append(x.to, openNode[partial[int64, A]](t, task, nil, nodes[1], i, 2, out))
		ins = append(ins, openNode[click](t, task, nil, nodes[0], i, 2, operator.Node[partial[int64, A]](channel[partial[int64, A]]{x, i})))
	}
	return ins
}

// TestCombineSendsOncePerKeyAndSlice holds what Combine is for.
func TestCombineSendsOncePerKeyAndSlice(t *testing.T) {
	nodes := rigProgram(t, func(in *stream.Stream[click]) {
		stream.Discard(Counts(stream.KeyBy(in, clickKey), Sliding(ms(10), ms(2)).Combine()))
	})
	out := &gather[partial[int64, int64]]{}
	in := openNode[click](t, newRigTask(), nil, nodes[0], 0, 1, operator.Node[partial[int64, int64]](out))
	for at := range int64(4) {
		for range 100 {
			in.Record(&click{Key: 7}, at)
		}
	}
	if got := out.take(); len(got) != 0 {
		t.Errorf("sent before the watermark: %v", got)
	}
	in.Watermark(2)
	want := sent[partial[int64, int64]]{partial[int64, int64]{Key: 7, Acc: 200, Records: 200}, 1}
	if got := out.take(); len(got) != 1 || got[0] != want {
		t.Errorf("sent %v, want %v", got, want)
	}
	in.Idle()
	if got := out.take(); len(got) != 1 || got[0].At != 3 || !out.idle {
		t.Errorf("sent %v when idle, want what is left", got)
	}
	for key := range int64(maxCombined + 1) {
		in.Record(&click{Key: key}, 5)
	}
	if got := out.take(); len(got) < maxCombined {
		t.Errorf("%d of %d keys sent: a combiner must not grow without bound", len(got), maxCombined+1)
	}
}

// TestCombineCannotShowLateRecords holds that a program learns that Combine has only sums, also if it does not ask by
// Late.
func TestCombineCannotShowLateRecords(t *testing.T) {
	nodes := rigProgram(t, func(in *stream.Stream[click]) {
		out := Counts(stream.KeyBy(in, clickKey), Tumbling(ms(10)).Combine())
		stream.Discard(stream.SideOutput(out, lateTag[click]()))
		stream.Discard(out)
	})
	outs := []any{operator.Node[Result[int64, int64]](&gather[Result[int64, int64]]{}), operator.Node[click](&gather[click]{})}
	in, err := nodes[1].New(&operator.Context{Name: "op", Parallelism: 1, MaxParallelism: core.DefaultMaxParallelism, Task: newRigTask()}, outs)
	if err != nil {
		t.Fatal(err)
	}
	err = in.Lifecycle.Open()
	if err == nil || !strings.Contains(err.Error(), "leave Combine or Late out") {
		t.Errorf("error %v", err)
	}
}
