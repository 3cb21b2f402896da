package stream_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/graph/operator"
)

func TestDistinct(t *testing.T) {
	backends(t, func(t *testing.T, d *disk) {
		got := &transcript[bid]{}
		b := onBench(t, d, []any{operator.Node[bid](got)}, func(env *stream.Env) {
			stream.Discard(stream.Distinct(stream.KeyBy(from[bid](env), bidKey)).UID("it"))
		})
		defer b.stop()
		in := input[bid](b, 0)
		for i, key := range []string{"a", "b", "a", "c", "b", "a"} {
			in.Record(&bid{key, i}, int64(100-i))
		}
		in.Idle()
		b.watermark(200)
		in.End()
		got.want(t, "{a 0} @100", "{b 1} @99", "{c 3} @97", "idle", "w 200", "end")
	})
}

// With a time to live a key comes through again, and keys that never come again are forgotten.
func TestDistinctForgets(t *testing.T) {
	d := &disk{}
	got := &transcript[bid]{}
	b := onBench(t, d, []any{operator.Node[bid](got)}, func(env *stream.Env) {
		stream.Discard(stream.Distinct(stream.KeyBy(from[bid](env), bidKey), state.TTL(time.Minute)).UID("it"))
	})
	defer b.stop()
	in := input[bid](b, 0)
	in.Record(&bid{"a", 1}, 1)
	b.now = b.now.Add(59 * time.Second)
	in.Record(&bid{"a", 2}, 2)
	b.now = b.now.Add(time.Second)
	in.Record(&bid{"a", 3}, 3)
	in.Record(&bid{"a", 4}, 4)
	got.want(t, "{a 1} @1", "{a 3} @3")
	for i := range 1000 {
		b.now = b.now.Add(time.Second)
		in.Record(&bid{fmt.Sprint("k", i), i}, int64(i))
	}
	if n := len(d.entries); n > 3*130 {
		t.Errorf("%d entries for 60 keys that live", n)
	}
}

func TestEarliestFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var d *disk
		if rapid.Bool().Draw(rt, "on disk") {
			d = &disk{}
		}
		got, lateGot := &transcript[bid]{}, &transcript[bid]{}
		b := onBench(rt, d, []any{operator.Node[bid](got), operator.Node[bid](lateGot)}, func(env *stream.Env) {
			first := stream.Earliest(stream.KeyBy(from[bid](env), bidKey)).UID("it")
			stream.Discard(stream.LateFirst[bid](first))
			stream.Discard(first)
		})
		defer b.stop()
		in := input[bid](b, 0)
		var want, late []string
		var waiting []modelRecord
		done := map[string]bool{}
		wm := int64(-100)
		b.watermark(wm)
		pass := func() { // what may leave
			slices.SortStableFunc(waiting, func(a, b modelRecord) int { return int(a.ts - b.ts) })
			for len(waiting) > 0 && waiting[0].ts <= wm {
				if r := waiting[0]; !done[r.key] {
					done[r.key] = true
					want = append(want, fmt.Sprintf("{%s %d} @%d", r.key, r.n, r.ts))
				}
				waiting = waiting[1:]
			}
		}
		for i := range rapid.IntRange(0, 100).Draw(rt, "steps") {
			if rapid.IntRange(0, 4).Draw(rt, "step") == 0 {
				wm += rapid.Int64Range(1, 20).Draw(rt, "by")
				pass()
				b.watermark(wm)
				continue
			}
			r := modelRecord{rapid.StringMatching("[a-f]").Draw(rt, "key"), i, wm + rapid.Int64Range(-5, 30).Draw(rt, "ts")}
			switch {
			case done[r.key]:
			case r.ts < wm:
				late = append(late, fmt.Sprintf("{%s %d} @%d", r.key, r.n, r.ts))
			default:
				waiting = append(waiting, r)
				pass()
			}
			in.Record(&bid{r.key, r.n}, r.ts)
		}
		wm += 100
		pass()
		b.watermark(wm)
		// Keys of one time leave in no order that counts.
		sorted := func(lines []string) []string {
			lines = slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.HasPrefix(l, "w ") })
			slices.Sort(lines)
			return lines
		}
		if !slices.Equal(sorted(got.lines), sorted(want)) || !slices.Equal(sorted(lateGot.lines), sorted(late)) {
			rt.Fatalf("want %q, late %q\ngot  %q, late %q", want, late, got.lines, lateGot.lines)
		}
	})
}

func TestLatest(t *testing.T) {
	backends(t, func(t *testing.T, d *disk) {
		for _, c := range []struct {
			name string
			verb func(*stream.Keyed[string, bid]) *stream.Stream[bid]
			want []string
		}{
			{"by event time", func(k *stream.Keyed[string, bid]) *stream.Stream[bid] { return stream.Latest(k) },
				[]string{"{a 1} @10", "{b 2} @5", "{a 4} @10", "{c 5}", "{c 6}", "end"}},
			{"by event time at the end", func(k *stream.Keyed[string, bid]) *stream.Stream[bid] { return stream.Latest(k, stream.AtEnd) },
				[]string{"{a 4}", "{b 2}", "{c 6}", "end"}},
			{"by a number", func(k *stream.Keyed[string, bid]) *stream.Stream[bid] {
				return stream.LatestBy(k, func(b bid) int { return -b.N })
			}, []string{"{a 1} @10", "{b 2} @5", "{c 5}", "end"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				if d != nil {
					d = &disk{}
				}
				got := &transcript[bid]{}
				b := onBench(t, d, []any{operator.Node[bid](got)}, func(env *stream.Env) {
					stream.Discard(c.verb(stream.KeyBy(from[bid](env), bidKey)).UID("it"))
				})
				defer b.stop()
				in := input[bid](b, 0)
				in.Record(&bid{"a", 1}, 10)
				in.Record(&bid{"b", 2}, 5)
				in.Record(&bid{"a", 3}, 9)
				in.Record(&bid{"a", 4}, 10)
				in.Record(&bid{"c", 5}, stream.NoTimestamp)
				in.Record(&bid{"c", 6}, stream.NoTimestamp)
				in.End()
				if !strings.HasPrefix(c.want[0], "{a 1}") {
					slices.Sort(got.lines[:len(got.lines)-1])
				}
				got.want(t, c.want...)
			})
		}
	})
}

func TestJoinMeetsAllThatCameBefore(t *testing.T) {
	backends(t, func(t *testing.T, d *disk) {
		got := &transcript[string]{}
		b := onBench(t, d, []any{operator.Node[string](got)}, func(env *stream.Env) {
			bids, asks := both(env)
			stream.Discard(stream.Join(bids, asks, pairText).UID("it"))
		})
		defer b.stop()
		bids, asks := input[bid](b, 0), input[ask](b, 1)
		bids.Record(&bid{"a", 1}, 10)
		asks.Record(&ask{"a", 2}, 5)
		asks.Record(&ask{"b", 3}, 5)
		bids.Record(&bid{"a", 4}, 1)
		asks.Record(&ask{"a", 5}, 7)
		got.want(t, "a1-a2 @5", "a4-a2 @1", "a1-a5 @7", "a4-a5 @7")
	})
}

func TestJoinForgets(t *testing.T) {
	d := &disk{}
	got := &transcript[string]{}
	b := onBench(t, d, []any{operator.Node[string](got)}, func(env *stream.Env) {
		bids, asks := both(env)
		stream.Discard(stream.Join(bids, asks, pairText, state.TTL(time.Minute)).UID("it"))
	})
	defer b.stop()
	bids, asks := input[bid](b, 0), input[ask](b, 1)
	bids.Record(&bid{"a", 1}, 1)
	b.now = b.now.Add(30 * time.Second)
	bids.Record(&bid{"a", 2}, 1)
	b.now = b.now.Add(40 * time.Second)
	asks.Record(&ask{"a", 3}, 1)
	got.want(t, "a2-a3 @1")
	for i := range 500 {
		b.now = b.now.Add(time.Second)
		bids.Record(&bid{fmt.Sprint("k", i), i}, 1)
		asks.Record(&ask{fmt.Sprint("q", i), i}, 1)
	}
	if n := len(d.entries); n > 2*3*130 {
		t.Errorf("%d entries for 120 records that live", n)
	}
}

func TestTimesToLiveAreChecked(t *testing.T) {
	env := stream.NewEnv("bad", nil)
	bids, asks := both(env)
	stream.Discard(stream.Distinct(bids, state.TTL(0)))
	stream.Discard(stream.Earliest(bids, state.TTL(-1)))
	stream.Discard(stream.Join(bids, asks, pairText, state.TTL(0)))
	stream.Discard(stream.Join[string, bid, ask, string](bids, asks, nil))
	stream.Discard(stream.LatestBy[string, bid, int](bids, nil))
	wantFaults(t, env,
		`Distinct: state "seen": time to live 0s: it must be at least 1ms`,
		`Earliest: state "done": time to live -1ns: it must be at least 1ms`,
		`Join: state "first": time to live 0s: it must be at least 1ms`,
		"Join: the function is nil",
		"LatestBy: the function is nil")
}

func TestDeduplicationAllocatesNothing(t *testing.T) {
	allocatesNothing(t, "Distinct", func(k *stream.Keyed[uint64, num]) *stream.Stream[num] { return stream.Distinct(k) })
	allocatesNothing(t, "Distinct with a time to live", func(k *stream.Keyed[uint64, num]) *stream.Stream[num] {
		return stream.Distinct(k, state.TTL(time.Hour))
	})
	allocatesNothing(t, "Earliest", func(k *stream.Keyed[uint64, num]) *stream.Stream[num] { return stream.Earliest(k) })
	allocatesNothing(t, "Latest", func(k *stream.Keyed[uint64, num]) *stream.Stream[num] { return stream.Latest(k) })
	allocatesNothing(t, "LatestBy", func(k *stream.Keyed[uint64, num]) *stream.Stream[num] {
		return stream.LatestBy(k, func(n num) int { return n.N })
	})
	allocatesNothing(t, "TopN", func(k *stream.Keyed[uint64, num]) *stream.Stream[stream.Ranked[uint64, num]] {
		return stream.TopN(k, 3, func(a, b *num) bool { return a.N > b.N })
	})
}

// allocatesNothing sends records of keys that are known, with watermarks.
func allocatesNothing[U any](t *testing.T, name string, verb func(*stream.Keyed[uint64, num]) *stream.Stream[U]) {
	t.Helper()
	out := &drop[U]{}
	b := onBench(t, nil, []any{operator.Node[U](out)}, func(env *stream.Env) {
		stream.Discard(verb(stream.KeyBy(from[num](env), numKey)).UID("it"))
	})
	defer b.stop()
	in := input[num](b, 0)
	var x num
	i := 0
	one := func() {
		i++
		x.Key, x.N = uint64(i%100), i
		in.Record(&x, int64(i))
		in.Watermark(int64(i - 5))
	}
	for range 2000 {
		one()
	}
	if n := testing.AllocsPerRun(2000, one); n != 0 {
		t.Errorf("%s: %v allocations per record", name, n)
	}
	if out.n == 0 {
		t.Errorf("%s: nothing came out", name)
	}
}
