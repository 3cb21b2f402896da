package window

import (
	"iter"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
)

// BenchmarkGeneral is the cost of a record of 10,000 keys on the general operator, results included.
func BenchmarkGeneral(b *testing.B) {
	type verb func(*stream.Keyed[int64, click]) *stream.Stream[int64]
	sum := func(ctx *Context[int64, int64], records iter.Seq[click]) error {
		var n int64
		for c := range records {
			n += c.N
		}
		ctx.Emit(n)
		return nil
	}
	process := func(spec Spec) verb {
		return func(in *stream.Keyed[int64, click]) *stream.Stream[int64] { return ProcessFunc(in, spec, sum) }
	}
	count := func(spec Spec) verb {
		agg := stream.Aggregator[click, int64, int64]{
			Add:    func(n int64, _ click) int64 { return n + 1 },
			Merge:  func(a, b int64) int64 { return a + b },
			Result: func(n int64) int64 { return n },
		}
		return func(in *stream.Keyed[int64, click]) *stream.Stream[int64] {
			return AggregateWithFunc(in, spec, agg, func(ctx *Context[int64, int64], n int64) error {
				ctx.Emit(n)
				return nil
			})
		}
	}
	for _, c := range []struct {
		name string
		verb verb
	}{
		{"tumbling 10 s, count", count(Tumbling(10 * time.Second).Trigger(EventTimeTrigger()))},
		{"tumbling 10 s, count on the fast path", count(Tumbling(10 * time.Second))},
		{"tumbling 10 s, records", process(Tumbling(10 * time.Second))},
		{"sliding 10 s by 2 s, count", count(Sliding(10*time.Second, 2*time.Second).Trigger(EventTimeTrigger()))},
		{"sliding 10 s by 2 s, records", process(Sliding(10*time.Second, 2*time.Second))},
		{"session 1 s, count", count(Session(time.Second).Trigger(EventTimeTrigger()))},
		{"session 1 s, records", process(Session(time.Second))},
		{"count 100", count(Count(100))},
		{"count 100 by 10, records", process(CountSliding(100, 10))},
		{"tumbling 10 s, early every 1 s", count(Tumbling(10 * time.Second).EarlyEvery(time.Second))},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, out := newFeed(b, 10_000, c.verb)
			b.ReportAllocs()
			for b.Loop() {
				f.next()
			}
			b.ReportMetric(float64(out.n)/float64(b.N), "results/op")
		})
	}
}
