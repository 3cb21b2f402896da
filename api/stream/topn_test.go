package stream_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/operator"
)

// higher ranks bids, the highest first.
func higher(a, b *bid) bool { return a.N > b.N }

// ranking is what a reader of TopN keeps: it does to its list what each change says.
type ranking struct {
	top map[string][]stream.Ranked[string, bid]
	bad string
	n   int
}

func (r *ranking) Record(v *stream.Ranked[string, bid], ts int64) {
	list := r.top[v.Key]
	switch {
	case v.Change == stream.Delete && v.Rank == len(list) && list[v.Rank-1].Record == v.Record:
		list = list[:v.Rank-1]
	case v.Change == stream.Insert && v.Rank <= len(list)+1 && len(list) < r.n:
		list = slices.Insert(list, v.Rank-1, *v)
	default:
		r.bad = fmt.Sprint("unexpected ", *v, " @", ts)
	}
	r.top[v.Key] = list
}
func (r *ranking) Watermark(int64) {}
func (r *ranking) Idle()           {}
func (r *ranking) End()            {}

// The changes add up to the first n of all records, at every moment and at the end.
func TestTopNFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		got := &ranking{top: map[string][]stream.Ranked[string, bid]{}, n: rapid.IntRange(1, 5).Draw(rt, "n")}
		var d *disk
		if rapid.Bool().Draw(rt, "on disk") {
			d = &disk{}
		}
		var when []stream.When
		atEnd := rapid.Bool().Draw(rt, "at end")
		if atEnd {
			when = append(when, stream.AtEnd)
		}
		b := onBench(rt, d, []any{operator.Node[stream.Ranked[string, bid]](got)}, func(env *stream.Env) {
			stream.Discard(stream.TopN(stream.KeyBy(from[bid](env), bidKey), got.n, func(a, b *bid) bool { return a.N/100 > b.N/100 }, when...).UID("it"))
		})
		defer b.stop()
		in := input[bid](b, 0)
		all := map[string][]bid{}
		check := func() {
			if got.bad != "" {
				rt.Fatal(got.bad)
			}
			for key, records := range all {
				slices.SortStableFunc(records, func(a, b bid) int { return b.N/100 - a.N/100 })
				want := records[:min(got.n, len(records))]
				if len(want) != len(got.top[key]) {
					rt.Fatalf("key %s: got %v, want %v", key, got.top[key], want)
				}
				for i, r := range got.top[key] {
					if r.Record != want[i] {
						rt.Fatalf("key %s: got %v, want %v", key, got.top[key], want)
					}
				}
			}
		}
		for i := range rapid.IntRange(0, 60).Draw(rt, "records") {
			r := bid{rapid.StringMatching("[ab]").Draw(rt, "key"), rapid.IntRange(0, 9).Draw(rt, "value")*100 + i}
			all[r.Key] = append(all[r.Key], r)
			in.Record(&r, int64(i))
			if !atEnd {
				check()
			}
		}
		b.watermark(operator.MaxWatermark)
		check()
		if atEnd && d != nil && len(d.entries) > 0 {
			rt.Errorf("%d entries are left", len(d.entries))
		}
	})
}

func TestTopNEmitsChanges(t *testing.T) {
	got := &transcript[stream.Ranked[string, bid]]{}
	b := onBench(t, nil, []any{operator.Node[stream.Ranked[string, bid]](got)}, func(env *stream.Env) {
		stream.Discard(stream.TopN(stream.KeyBy(from[bid](env), bidKey), 2, higher).UID("it"))
	})
	defer b.stop()
	for i, n := range []int{5, 7, 3, 6} {
		input[bid](b, 0).Record(&bid{"a", n}, int64(i))
	}
	got.want(t, "a #1 + {a 5} @0", "a #1 + {a 7} @1", "a #2 - {a 5} @3", "a #2 + {a 6} @3")
}

func TestTopNRefusesBadSettings(t *testing.T) {
	env := stream.NewEnv("bad", nil)
	k := stream.KeyBy(from[bid](env), bidKey)
	stream.Discard(stream.TopN(k, 0, higher))
	stream.Discard(stream.TopN(k, 1, nil))
	wantFaults(t, env, "TopN: n is 0: want at least 1", "TopN: the function is nil")
}
