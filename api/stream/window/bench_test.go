package window

import (
	"fmt"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/operator"
)

// feed sends records in order, perSecond of them in a second of event time, over keys, with a watermark each 100 ms.
type feed struct {
	in        operator.Node[click]
	keys      uint64
	perSecond int64
	n         int64
	v         click
}

func (f *feed) next() {
	f.n++
	f.v.Key = int64(uint64(f.n) * 0x9e3779b97f4a7c15 >> 32 * f.keys >> 32)
	f.v.At = f.n * 1000 / f.perSecond
	f.in.Record(&f.v, f.v.At)
	if f.n%(f.perSecond/10) == 0 {
		f.in.Watermark(f.v.At - 1)
	}
}

// count is the end of a chain.
type tally[U any] struct{ n int64 }

func (t *tally[U]) Record(*U, int64) { t.n++ }
func (t *tally[U]) Watermark(int64)  {}
func (t *tally[U]) Idle()            {}
func (t *tally[U]) End()             {}

func newFeed[U any](t testing.TB, keys int, verb func(*stream.Keyed[int64, click]) *stream.Stream[U]) (*feed, *tally[U]) {
	t.Helper()
	nodes := rigProgram(t, func(in *stream.Stream[click]) { stream.Discard(verb(stream.KeyBy(in, clickKey))) })
	out := &tally[U]{}
	in := openNode[click](t, newRigTask(), nil, nodes[len(nodes)-1], 0, 1, operator.Node[U](out))
	return &feed{in: in, keys: uint64(keys), perSecond: 100_000}, out
}

// specs are the windows that run without the general operator.
var specs = []Spec{
	Tumbling(10 * time.Second), Sliding(10*time.Second, 2*time.Second), Sliding(time.Minute, time.Second), Session(10 * time.Second),
}

// BenchmarkCounts is the cost of a record, results included.
func BenchmarkCounts(b *testing.B) {
	for _, keys := range []int{100, 10_000, 1_000_000} {
		for _, spec := range specs {
			b.Run(fmt.Sprintf("%v/%d", spec, keys), func(b *testing.B) {
				f, out := newFeed(b, keys, func(in *stream.Keyed[int64, click]) *stream.Stream[Result[int64, int64]] { return Counts(in, spec) })
				b.ReportAllocs()
				for b.Loop() {
					f.next()
				}
				b.ReportMetric(float64(out.n)/float64(b.N), "results/op")
			})
		}
	}
}

// TestRecordsDoNotAllocate holds that neither a record in order nor a window that fires costs an allocation once the
// tables have grown.
func TestRecordsDoNotAllocate(t *testing.T) {
	for _, spec := range specs {
		t.Run(spec.String(), func(t *testing.T) {
			f, out := newFeed(t, 100, func(in *stream.Keyed[int64, click]) *stream.Stream[Result[int64, int64]] { return Counts(in, spec) })
			f.perSecond = 100
			for range 10_000 { // 100 s
				f.next()
			}
			if n := testing.AllocsPerRun(20_000, f.next); n != 0 {
				t.Errorf("%v allocations per record", n)
			}
			if out.n == 0 && spec.shape != session {
				t.Error("no window fired")
			}
		})
	}
}
