package stream_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/operator"
)

// withRow says which row a record met.
func withRow(b bid, row *ask) string {
	if row == nil {
		return fmt.Sprint(b.Key, b.N, "-none")
	}
	row.N++ // the row is the function's own
	return fmt.Sprint(b.Key, b.N, "-", row.N-1)
}

func TestLookupMeetsTheLatestRow(t *testing.T) {
	backends(t, func(t *testing.T, d *disk) {
		got := &transcript[string]{}
		b := onBench(t, d, []any{operator.Node[string](got)}, func(env *stream.Env) {
			bids, asks := both(env)
			stream.Discard(stream.Lookup(bids, asks, withRow).UID("it"))
		})
		defer b.stop()
		bids, asks := input[bid](b, 0), input[ask](b, 1)
		bids.Record(&bid{"a", 1}, 5)
		asks.Record(&ask{"a", 10}, 6)
		asks.Record(&ask{"b", 20}, 6)
		bids.Record(&bid{"a", 2}, 7)
		asks.Record(&ask{"a", 11}, 8)
		bids.Record(&bid{"a", 3}, 2)
		bids.Record(&bid{"a", 4}, 2)
		bids.Record(&bid{"b", 5}, stream.NoTimestamp)
		b.watermark(9)
		got.want(t, "a1-none @5", "a2-10 @7", "a3-11 @2", "a4-11 @2", "b5-20", "w 9")
	})
}

// lookupModel is LookupAt in the plainest way: everything is kept.
type lookupModel struct {
	now           int64
	waiting, rows []modelRecord
	got           map[string][]string // by key
	late          int
}

func (m *lookupModel) answer() {
	slices.SortStableFunc(m.waiting, func(a, b modelRecord) int { return cmp.Compare(a.ts, b.ts) })
	m.waiting = slices.DeleteFunc(m.waiting, func(r modelRecord) bool {
		if r.ts > m.now {
			return false
		}
		row := (*ask)(nil)
		best := modelRecord{}
		for _, v := range m.rows {
			if v.key == r.key && v.ts <= r.ts && (row == nil || v.ts >= best.ts) {
				best = v
				row = &ask{v.key, v.n}
			}
		}
		m.got[r.key] = append(m.got[r.key], fmt.Sprint(withRow(bid{r.key, r.n}, row), " @", r.ts))
		return true
	})
}

func TestLookupAtFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &lookupModel{now: -1000, got: map[string][]string{}}
		var d *disk
		if rapid.Bool().Draw(rt, "on disk") {
			d = &disk{}
		}
		got := &transcript[string]{}
		b := onBench(rt, d, []any{operator.Node[string](got)}, func(env *stream.Env) {
			bids, asks := both(env)
			stream.Discard(stream.LookupAt(bids, asks, withRow).UID("it"))
		})
		defer b.stop()
		wm := int64(0)
		for i := range rapid.IntRange(0, 200).Draw(rt, "steps") {
			r := modelRecord{rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key"), i, wm + rapid.Int64Range(-5, 30).Draw(rt, "ts")}
			switch k := rapid.IntRange(0, 7).Draw(rt, "step"); {
			case k < 3:
				if r.ts < m.now {
					m.late++
				} else {
					m.waiting = append(m.waiting, r)
					m.answer()
				}
				input[bid](b, 0).Record(&bid{r.key, r.n}, r.ts)
			case k < 6:
				m.rows = append(m.rows, r)
				input[ask](b, 1).Record(&ask{r.key, r.n}, r.ts)
			default:
				wm += rapid.Int64Range(1, 20).Draw(rt, "step")
				m.now = wm
				m.answer()
				b.watermark(wm)
			}
		}
		m.now = operator.MaxWatermark
		m.answer()
		b.watermark(operator.MaxWatermark)
		for _, key := range []string{"a", "b"} {
			of := slices.DeleteFunc(slices.Clone(got.lines), func(l string) bool { return !strings.HasPrefix(l, key) })
			if !slices.Equal(of, m.got[key]) {
				rt.Fatalf("key %s: want %q\ngot  %q", key, m.got[key], of)
			}
		}
		if n := b.counts["numLateRecordsDropped"].Value(); n != int64(m.late) {
			rt.Errorf("%d late records, want %d", n, m.late)
		}
		if d != nil && len(d.entries) > 10 {
			rt.Errorf("%d entries are left for the last rows of 2 keys", len(d.entries))
		}
	})
}

func TestLookupAtFailures(t *testing.T) {
	late, out := &transcript[bid]{}, &transcript[string]{}
	b := onBench(t, nil, []any{operator.Node[string](out), operator.Node[bid](late)}, func(env *stream.Env) {
		bids, asks := both(env)
		joined := stream.LookupAt(bids, asks, withRow).UID("it")
		stream.Discard(stream.LateFirst[bid](joined))
		stream.Discard(joined)
	})
	defer b.stop()
	const noTime = `operator "LookupAt": key a: the record has no event time: give it one in the source or with stream.EventTime`
	wantError(t, failure(t, func() { input[bid](b, 0).Record(&bid{"a", 1}, stream.NoTimestamp) }), noTime)
	wantError(t, failure(t, func() { input[ask](b, 1).Record(&ask{"a", 1}, stream.NoTimestamp) }), noTime)
	b.watermark(10)
	input[bid](b, 0).Record(&bid{"a", 1}, 9)
	input[bid](b, 0).Record(&bid{"a", 2}, operator.MaxWatermark)
	input[bid](b, 0).Record(&bid{"a", 3}, 10)
	late.want(t, "w 10", "{a 1} @9")
	b.watermark(operator.MaxWatermark)
	out.want(t, "w 10", "a3-none @10", fmt.Sprint("a2-none @", operator.MaxWatermark), "w max")

	env := stream.NewEnv("bad", nil)
	bids, asks := both(env)
	stream.Discard(stream.Lookup[string, bid, ask, string](bids, asks, nil))
	stream.Discard(stream.LookupAt[string, bid, ask, string](bids, asks, nil))
	wantFaults(t, env, "Lookup: the function is nil", "LookupAt: the function is nil")
}

func TestLookupsAllocateNothing(t *testing.T) {
	meet := func(a num, row *num) int {
		if row == nil {
			return a.N
		}
		return row.N
	}
	for name, verb := range map[string]func(a, b *stream.Keyed[uint64, num]) *stream.Stream[int]{
		"Lookup":   func(a, b *stream.Keyed[uint64, num]) *stream.Stream[int] { return stream.Lookup(a, b, meet) },
		"LookupAt": func(a, b *stream.Keyed[uint64, num]) *stream.Stream[int] { return stream.LookupAt(a, b, meet) },
	} {
		out := &drop[int]{}
		b := onBench(t, nil, []any{operator.Node[int](out)}, func(env *stream.Env) {
			stream.Discard(verb(stream.KeyBy(from[num](env), numKey), stream.KeyBy(from[num](env), numKey)).UID("it"))
		})
		first, second := input[num](b, 0), input[num](b, 1)
		var x num
		i := 0
		one := func() {
			i++
			x.Key = uint64(i % 5)
			first.Record(&x, int64(i))
			second.Record(&x, int64(i))
			b.watermark(int64(i - 20))
		}
		for range 2000 {
			one()
		}
		if n := testing.AllocsPerRun(2000, one); n != 0 {
			t.Errorf("%s: %v allocations per pair of records", name, n)
		}
		if out.n == 0 {
			t.Errorf("%s: nothing came out", name)
		}
		b.stop()
	}
}
