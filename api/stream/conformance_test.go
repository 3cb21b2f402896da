package stream_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/api/stream/window"
)

// receipt is the record of the conformance tests.
type receipt struct {
	Shop   string
	Amount int64
	At     int64 // milliseconds
}

func shopOf(s receipt) string  { return s.Shop }
func amountOf(s receipt) int64 { return s.Amount }

// receipts is n receipts at 7 shops, up to 20 ms out of order, and now and then one that is far behind.
func receipts(n int) []receipt {
	out := make([]receipt, n)
	for i := range out {
		at := int64(i*10 - i*7%20)
		if i%29 == 28 {
			at -= 500
		}
		out[i] = receipt{fmt.Sprint("shop ", i*i%7), int64(i%13 - 3), at}
	}
	return out
}

// epoch plus ms.
func ms(n int64) time.Time { return time.UnixMilli(n) }

// sell sends receipts to a source with watermarks in between; a second and third source get the same in another order.
func sell(h *streamtest.Harness, uids ...string) {
	all := receipts(120)
	for from := 0; from < len(all); from += 15 {
		for i, uid := range uids {
			for j := range 15 {
				s := all[from+(j*(2*i+1))%15]
				h.SendAt(uid, ms(s.At), s)
			}
		}
		for _, uid := range uids {
			h.Watermark(uid, ms(int64(from+15)*10-25))
		}
		h.Advance(50 * time.Millisecond)
	}
}

// one is a program of one verb after one source.
func one[U any](verb func(in *stream.Stream[receipt]) *stream.Stream[U]) func(t *testing.T) {
	return func(t *testing.T) {
		got := streamtest.ConformOperator(t, verb, func(h *streamtest.OperatorHarness[receipt, U]) { sell(h.Harness, "input") })
		if len(got) == 0 {
			t.Error("nothing came out")
		}
	}
}

// two is a program of one verb after two sources.
func two[U any](verb func(a, b *stream.Stream[receipt]) *stream.Stream[U]) func(t *testing.T) {
	return func(t *testing.T) {
		got := streamtest.Conform(t, func(env *stream.Env) {
			a := stream.From(env, streamtest.Source[receipt]()).UID("a")
			b := stream.From(env, streamtest.Source[receipt]()).UID("b")
			stream.Discard(verb(a, b)).UID("out")
		}, func(h *streamtest.Harness) { sell(h, "a", "b") })
		if len(got["out"]) == 0 {
			t.Error("nothing came out")
		}
	}
}

func byShop(s *stream.Stream[receipt]) *stream.Keyed[string, receipt] { return stream.KeyBy(s, shopOf) }

// debts has every kind of output: records, a side output, timers of event time, and a Finish.
type debts struct {
	total *state.Value[int64]
	seen  *state.List[int64]
	tag   stream.OutputTag[string]
	n     int
}

func (d *debts) State() []state.Descriptor { return []state.Descriptor{d.total, d.seen} }

func (d *debts) Process(ctx *stream.Context[string, string], s receipt) error {
	d.n++
	total, _ := d.total.Get(ctx)
	if total += s.Amount; total < 0 {
		d.tag.Emit(ctx, fmt.Sprint(ctx.Key(), " owes ", -total))
	}
	d.total.Set(ctx, total)
	d.seen.Add(ctx, s.Amount)
	ctx.SetTimer(ms(s.At/100*100 + 150))
	return nil
}

func (d *debts) OnTimer(ctx *stream.Context[string, string], at time.Time) error {
	total, _ := d.total.Get(ctx)
	ctx.Emit(fmt.Sprint(ctx.Key(), " has ", total, " at ", at.UnixMilli(), " after ", slices.Collect(d.seen.All(ctx))))
	d.seen.Clear(ctx)
	return nil
}

// pairs joins by state that both inputs share, so that the order of the inputs does not matter.
type pairs struct{ sum *state.Value[int64] }

func (p *pairs) State() []state.Descriptor { return []state.Descriptor{p.sum} }

func (p *pairs) add(ctx *stream.Context[string, string], v receipt) error {
	sum, _ := p.sum.Get(ctx)
	p.sum.Set(ctx, sum+v.Amount)
	ctx.SetTimer(ms(2000))
	return nil
}

func (p *pairs) ProcessFirst(ctx *stream.Context[string, string], v receipt) error {
	return p.add(ctx, v)
}
func (p *pairs) ProcessSecond(ctx *stream.Context[string, string], v receipt) error {
	return p.add(ctx, v)
}

func (p *pairs) OnTimer(ctx *stream.Context[string, string], _ time.Time) error {
	sum, _ := p.sum.Get(ctx)
	ctx.Emit(fmt.Sprint(ctx.Key(), " ", sum))
	return nil
}

// Each verb gives the same, fed one by one or many at once, stopped in the middle of its output, chained or not, at
// any parallelism.
func TestVerbsConform(t *testing.T) {
	sum := func(a, b receipt) receipt { return receipt{a.Shop, a.Amount + b.Amount, max(a.At, b.At)} }
	mean := stream.Aggregator[receipt, [2]int64, float64]{
		Add:    func(a [2]int64, s receipt) [2]int64 { return [2]int64{a[0] + s.Amount, a[1] + 1} },
		Merge:  func(a, b [2]int64) [2]int64 { return [2]int64{a[0] + b[0], a[1] + b[1]} },
		Result: func(a [2]int64) float64 { return float64(a[0]) / float64(a[1]) },
	}
	total := func(_ *window.Context[string, string], records iter.Seq[receipt]) int64 {
		n := int64(0)
		for s := range records {
			n = n*31 + s.Amount
		}
		return n
	}
	each := func(ctx *window.Context[string, string], records iter.Seq[receipt]) error {
		ctx.Emit(fmt.Sprint(ctx.Key(), " ", ctx.Window(), " ", total(ctx, records)))
		return nil
	}
	shops := func(a, b receipt) string { return fmt.Sprint(a, b) }
	tumbling := window.Tumbling(100 * time.Millisecond)
	for name, test := range map[string]func(t *testing.T){
		"Map": one(func(s *stream.Stream[receipt]) *stream.Stream[int64] { return stream.Map(s, amountOf) }),
		"MapRef": one(func(s *stream.Stream[receipt]) *stream.Stream[int64] {
			return stream.MapRef(s, func(v *receipt) int64 { return v.Amount })
		}),
		"Filter": one(func(s *stream.Stream[receipt]) *stream.Stream[receipt] {
			return stream.Filter(s, func(v receipt) bool { return v.Amount > 3 })
		}),
		"FilterRef": one(func(s *stream.Stream[receipt]) *stream.Stream[receipt] {
			return stream.FilterRef(s, func(v *receipt) bool { return v.Amount > 3 })
		}),
		"Update": one(func(s *stream.Stream[receipt]) *stream.Stream[receipt] {
			return stream.Update(s, func(v *receipt) { v.Shop += "!" })
		}),
		"Pick": one(func(s *stream.Stream[receipt]) *stream.Stream[string] {
			return stream.Pick(s, func(v *receipt) *string {
				if v.Amount < 0 {
					return nil
				}
				return &v.Shop
			})
		}),
		"FlatMap": one(func(s *stream.Stream[receipt]) *stream.Stream[string] {
			return stream.FlatMap(s, func(v receipt) iter.Seq[string] {
				return strings.FieldsSeq(strings.Repeat(v.Shop+" ", int(v.Amount+3)))
			})
		}),
		"FlatMapRef": one(func(s *stream.Stream[receipt]) *stream.Stream[receipt] {
			return stream.FlatMapRef(s, func(v *receipt, emit func(receipt)) error {
				for range v.Amount + 3 {
					emit(*v)
				}
				return nil
			})
		}),
		"exchanges": one(func(s *stream.Stream[receipt]) *stream.Stream[receipt] {
			same := func(v receipt) receipt { return v }
			s = stream.Map(stream.Rebalance(s), same)
			s = stream.Map(stream.Shuffle(s), same)
			s = stream.Map(stream.Rescale(s), same).Parallelism(2)
			s = stream.Map(stream.PartitionCustom(s, func(v receipt, n int) int { return int(v.Amount+3) % n }), same)
			s = stream.Map(stream.Union(stream.KeyByRef(s, func(v *receipt) int64 { return v.Amount }).Stream(), s), same)
			return stream.Map(stream.Global(s), same)
		}),
		"ProcessFunc": one(func(s *stream.Stream[receipt]) *stream.Stream[string] {
			return stream.ProcessFunc(s, func(ctx *stream.Context[stream.NoKey, string], v receipt) error {
				ctx.Emit(fmt.Sprint(v, " at ", ctx.Timestamp(), " is ahead: ", ctx.Timestamp() > ctx.Watermark()))
				return nil
			})
		}),
		"Process": one(func(s *stream.Stream[receipt]) *stream.Stream[string] {
			tag := stream.NewOutputTag[string]("debts")
			out := stream.Process(byShop(s), &debts{state.NewValue[int64]("total"), state.NewList[int64]("seen"), tag, 0}).UID("it")
			stream.Discard(stream.SideOutput(out, tag)).UID("debts")
			return out
		}),
		"Count": one(func(s *stream.Stream[receipt]) *stream.Stream[stream.Pair[string, int64]] {
			return stream.Count(byShop(s)).UID("it")
		}),
		"Sum": one(func(s *stream.Stream[receipt]) *stream.Stream[stream.Pair[string, int64]] {
			return stream.Sum(byShop(s), amountOf).UID("it")
		}),
		"Sum AtEnd": one(func(s *stream.Stream[receipt]) *stream.Stream[stream.Pair[string, int64]] {
			return stream.Sum(byShop(s), amountOf, stream.AtEnd).UID("it")
		}),
		"Reduce": one(func(s *stream.Stream[receipt]) *stream.Stream[receipt] {
			return stream.Reduce(byShop(s), sum).UID("it")
		}),
		"Distinct": one(func(s *stream.Stream[receipt]) *stream.Stream[receipt] {
			return stream.Distinct(stream.KeyBy(s, func(v receipt) string { return fmt.Sprint(v.Shop, v.Amount) })).UID("it")
		}),
		"Earliest": one(func(s *stream.Stream[receipt]) *stream.Stream[receipt] { return stream.Earliest(byShop(s)).UID("it") }),
		"Latest":   one(func(s *stream.Stream[receipt]) *stream.Stream[receipt] { return stream.Latest(byShop(s)).UID("it") }),
		"TopN": one(func(s *stream.Stream[receipt]) *stream.Stream[stream.Ranked[string, receipt]] {
			return stream.TopN(byShop(s), 3, func(a, b *receipt) bool { return a.Amount > b.Amount || a.Amount == b.Amount && a.At < b.At }).UID("it")
		}),
		"EventTime": one(func(s *stream.Stream[receipt]) *stream.Stream[receipt] {
			s = stream.Map(s, func(v receipt) receipt { return v })
			return stream.EventTime(s, stream.TimestampsMillis(func(v *receipt) int64 { return v.At }))
		}),
		"Async": one(func(s *stream.Stream[receipt]) *stream.Stream[int64] {
			return stream.Async(s, stream.Call(func(_ context.Context, v receipt) (int64, error) { return v.Amount * 2, nil })).UID("it")
		}),

		"CoMap": two(func(a, b *stream.Stream[receipt]) *stream.Stream[string] {
			return stream.CoMap(stream.Connect(a, b), shopOf, func(v receipt) string { return v.Shop + "!" })
		}),
		"CoFlatMap": two(func(a, b *stream.Stream[receipt]) *stream.Stream[receipt] {
			return stream.CoFlatMap(stream.Connect(a, b), func(v receipt, emit func(receipt)) error { emit(v); emit(v); return nil },
				func(v receipt, emit func(receipt)) error { emit(v); return nil })
		}),
		"CoProcess": two(func(a, b *stream.Stream[receipt]) *stream.Stream[string] {
			return stream.CoProcess(stream.Connect(byShop(a), byShop(b)), &pairs{state.NewValue[int64]("sum")}).UID("it")
		}),
		"Join": two(func(a, b *stream.Stream[receipt]) *stream.Stream[string] {
			return stream.Join(byShop(a), byShop(b), shops).UID("it")
		}),
		"IntervalJoin": two(func(a, b *stream.Stream[receipt]) *stream.Stream[string] {
			return stream.IntervalJoin(byShop(a), byShop(b), stream.Between(-30*time.Millisecond, 60*time.Millisecond), shops).UID("it")
		}),
		"LookupAt": two(func(a, b *stream.Stream[receipt]) *stream.Stream[string] {
			return stream.LookupAt(byShop(a), stream.KeyBy(stream.Filter(b, func(v receipt) bool { return v.At%4 == 0 }), shopOf), func(v receipt, row *receipt) string {
				if row == nil {
					return fmt.Sprint(v, " finds nothing")
				}
				return fmt.Sprint(v, " finds ", row.At)
			}).UID("it")
		}),

		"window.Counts": one(func(s *stream.Stream[receipt]) *stream.Stream[window.Result[string, int64]] {
			out := window.Counts(byShop(s), tumbling).UID("it")
			stream.Discard(window.Late[receipt](out)).UID("late")
			return out
		}),
		"window.Sums, sliding, late": one(func(s *stream.Stream[receipt]) *stream.Stream[window.Result[string, int64]] {
			return window.Sums(byShop(s), window.Sliding(200*time.Millisecond, 50*time.Millisecond).Lateness(300*time.Millisecond), amountOf).UID("it")
		}),
		"window.Aggregate, combined": one(func(s *stream.Stream[receipt]) *stream.Stream[window.Result[string, float64]] {
			return window.Aggregate(byShop(s), tumbling.Combine(), mean).UID("it")
		}),
		"window.Aggregate, sessions": one(func(s *stream.Stream[receipt]) *stream.Stream[window.Result[string, float64]] {
			return window.Aggregate(byShop(s), window.Session(40*time.Millisecond), mean).UID("it")
		}),
		"window.Reduce, all": one(func(s *stream.Stream[receipt]) *stream.Stream[window.Result[stream.NoKey, receipt]] {
			return window.Reduce(s, tumbling, sum).UID("it").Parallelism(1)
		}),
		"window.ProcessFunc": one(func(s *stream.Stream[receipt]) *stream.Stream[string] {
			return window.ProcessFunc(byShop(s), tumbling.Lateness(100*time.Millisecond), each).UID("it")
		}),
		"window.ProcessFunc, sessions": one(func(s *stream.Stream[receipt]) *stream.Stream[string] {
			return window.ProcessFunc(byShop(s), window.Session(40*time.Millisecond), each).UID("it")
		}),
		"window.Sums, counted": one(func(s *stream.Stream[receipt]) *stream.Stream[window.Result[string, int64]] {
			return window.Sums(byShop(s), window.CountSliding(5, 2), amountOf).UID("it")
		}),
		"window.Sums, trigger": one(func(s *stream.Stream[receipt]) *stream.Stream[window.Result[string, int64]] {
			return window.Sums(byShop(s), window.Global().Trigger(window.PurgingTrigger(window.CountTrigger(4))), amountOf).UID("it")
		}),
		"window.ProcessFunc, evictor": one(func(s *stream.Stream[receipt]) *stream.Stream[string] {
			return window.ProcessFunc(byShop(s), tumbling.Evictor(window.CountEvictor(2)), each).UID("it")
		}),
		"window.Sums, processing time": one(func(s *stream.Stream[receipt]) *stream.Stream[window.Result[string, int64]] {
			return window.Sums(byShop(s), window.Tumbling(70*time.Millisecond).ProcessingTime(), amountOf).UID("it")
		}),
		"window.Join": two(func(a, b *stream.Stream[receipt]) *stream.Stream[string] {
			return window.Join(byShop(a), byShop(b), tumbling, shops).UID("it")
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}
