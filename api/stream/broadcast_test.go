package stream_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/graph/operator"
)

// limit is a rule: what the total of a kind must not exceed. Of 0 forgets all totals.
type limit struct {
	Kind string
	Most int
}

type sale struct {
	Shop, Kind string
	Price      int
}

// watch reports shops whose total of a kind is above its limit.
type watch struct {
	limits *state.Broadcast[string, int]
	totals *state.Map[string, int]
}

func newWatch() *watch {
	return &watch{state.NewBroadcast[string, int]("limits"), state.NewMap[string, int]("totals")}
}

func (w *watch) State() []state.Descriptor { return []state.Descriptor{w.limits, w.totals} }

func (w *watch) Process(ctx *stream.Context[string, string], s sale) error {
	total, _ := w.totals.Get(ctx, s.Kind)
	total += s.Price
	w.totals.Put(ctx, s.Kind, total)
	if most, ok := w.limits.Get(ctx, s.Kind); ok && total > most {
		ctx.Emit(fmt.Sprintf("%s %s %d", ctx.Key(), s.Kind, total))
	}
	return nil
}

func (w *watch) ProcessBroadcast(ctx *stream.BroadcastContext[string, string], l limit) error {
	switch {
	case l.Most < 0:
		return fmt.Errorf("limit %d of %s", l.Most, l.Kind)
	case l.Most == 0:
		return ctx.ForEachKey(w.totals, func(ctx *stream.Context[string, string]) error {
			ctx.Emit("forget " + ctx.Key())
			w.totals.Clear(ctx)
			ctx.SetTimer(ctx.EventTime().Add(time.Millisecond))
			return nil
		})
	}
	w.limits.Put(ctx, l.Kind, l.Most)
	ctx.Emit(fmt.Sprint(w.limits.Len(ctx), " limits"))
	return nil
}

func (w *watch) OnTimer(ctx *stream.Context[string, string], at time.Time) error {
	ctx.Emit(fmt.Sprint(ctx.Key(), " begins anew at ", at.UnixMilli()))
	return nil
}

func TestBroadcastStateOfAKeyedStream(t *testing.T) {
	out := &transcript[string]{}
	op := operate(t, []any{operator.Node[string](out)}, func(env *stream.Env) {
		shops := stream.KeyBy(from[sale](env), func(s sale) string { return s.Shop })
		stream.Discard(stream.BroadcastProcess(shops, from[limit](env), newWatch()).UID("it").Name("watch"))
	})
	sales, limits := op.Inputs[0].(operator.Node[sale]), op.Inputs[1].(operator.Node[limit])
	sales.Record(&sale{"north", "tea", 5}, 1)
	limits.Record(&limit{"tea", 6}, 2)
	sales.Record(&sale{"north", "tea", 2}, 3)
	sales.Record(&sale{"south", "tea", 2}, 4)
	limits.Record(&limit{"coffee", 1}, 5)
	sales.Record(&sale{"south", "coffee", 2}, 6)
	out.want(t, "1 limits @2", "north tea 7 @3", "2 limits @5", "south coffee 2 @6")
	limits.Record(&limit{"", 0}, 7)
	slices.Sort(out.lines)
	out.want(t, "forget north @7", "forget south @7")
	sales.Record(&sale{"north", "tea", 6}, 8)
	out.want(t)
	sales.Watermark(20)
	out.want(t)
	limits.Watermark(20)
	slices.Sort(out.lines)
	out.want(t, "north begins anew at 8 @8", "south begins anew at 8 @8", "w 20")
	wantError(t, failure(t, func() { limits.Record(&limit{"tea", -1}, 9) }), `operator "watch": limit -1 of tea`)
}

// Every subtask has every rule, and deals with the keys that it owns.
func TestBroadcastReachesEverySubtask(t *testing.T) {
	var got []string
	run(t, func(env *stream.Env) {
		env.Parallelism(3)
		var sold []sale
		for i := range 20 {
			sold = append(sold, sale{fmt.Sprint("shop", i), "tea", i % 3})
		}
		sales := stream.KeyBy(from(env, sold...), func(s sale) string { return s.Shop })
		// streamtest reads the source that was made last first.
		limits := from(env, limit{"tea", 1}, limit{"coffee", 1})
		collect(stream.BroadcastProcess(sales, limits, newWatch()), &got)
	})
	counts := map[string]int{}
	for _, line := range got {
		counts[strings.Join(strings.Fields(line)[1:], " ")]++
	}
	if want := map[string]int{"limits": 6, "tea 2": 6}; !maps.Equal(counts, want) {
		t.Errorf("got %v, want %v", counts, want)
	}
}

// gate lets words pass that are among those broadcast; it has no key.
type gate struct {
	open *state.Broadcast[string, bool]
}

func (g *gate) State() []state.Descriptor { return []state.Descriptor{g.open} }

func (g *gate) Process(ctx *stream.Context[stream.NoKey, string], v string) error {
	if ok, _ := g.open.Get(ctx, v); ok {
		ctx.Emit(v)
	}
	return nil
}

func (g *gate) ProcessBroadcast(ctx *stream.BroadcastContext[stream.NoKey, string], v string) error {
	switch v {
	case "none":
		g.open.Clear(ctx)
	case "keys":
		return ctx.ForEachKey(state.NewValue[int]("visits"), nil)
	default:
		if on, _ := g.open.Get(ctx, v); on {
			g.open.Delete(ctx, v)
		} else {
			g.open.Put(ctx, v, true)
		}
	}
	all := []string{}
	for word := range g.open.All(ctx) {
		all = append(all, word)
	}
	ctx.Emit(fmt.Sprint(all))
	return nil
}

func TestBroadcastStateWithoutKey(t *testing.T) {
	out := &transcript[string]{}
	op := operate(t, []any{operator.Node[string](out)}, func(env *stream.Env) {
		stream.Discard(stream.BroadcastProcess(from[string](env), from[string](env), &gate{state.NewBroadcast[string, bool]("open")}).UID("it").Name("gate"))
	})
	words, rules := op.Inputs[0].(operator.Node[string]), op.Inputs[1].(operator.Node[string])
	word := func(v string) { words.Record(&v, stream.NoTimestamp) }
	rule := func(v string) { rules.Record(&v, stream.NoTimestamp) }
	word("a")
	rule("a")
	rule("b")
	word("a")
	word("c")
	rule("a")
	word("a")
	word("b")
	rule("none")
	word("b")
	out.want(t, "[a]", "[a b]", "a", "[b]", "b", "[]")
	wantError(t, failure(t, func() { rule("keys") }), `operator "gate": state "visits" is not declared: list it in what the State method of the processor returns, and use KeyBy if the stream has no key`)
	v, allocs := "b", 0.0
	rule(v)
	if allocs = testing.AllocsPerRun(100, func() { words.Record(&v, 1); out.lines = out.lines[:0] }); allocs > 4 { // the transcript's
		t.Errorf("%v allocations per record", allocs)
	}
}

// batcher keeps records per subtask and lets them go by threes.
type batcher struct {
	waiting *state.OperatorList[string]
	total   *state.OperatorList[int] // not declared: made at its first use
}

func (b *batcher) State() []state.Descriptor { return []state.Descriptor{b.waiting} }

func (b *batcher) Open(ctx *stream.RuntimeContext) error {
	b.total.Set(ctx, []int{b.waiting.Len(ctx)})
	return nil
}

func (b *batcher) Process(ctx *stream.Context[stream.NoKey, string], v string) error {
	b.waiting.Add(ctx, v)
	b.total.Add(ctx, len(v))
	if b.waiting.Len(ctx) == 3 {
		b.flush(ctx)
	}
	return nil
}

func (b *batcher) Finish(ctx *stream.Context[stream.NoKey, string]) error {
	b.flush(ctx)
	ctx.Emit(fmt.Sprint(slices.Collect(b.total.All(ctx))))
	return nil
}

func (b *batcher) flush(ctx *stream.Context[stream.NoKey, string]) {
	ctx.Emit(strings.Join(slices.Collect(b.waiting.All(ctx)), "+"))
	b.waiting.Clear(ctx)
}

func TestOperatorStateIsOfTheSubtask(t *testing.T) {
	var got []string
	run(t, func(env *stream.Env) {
		env.Parallelism(2)
		s := stream.Rebalance(from(env, "a", "bb", "c", "dd", "e", "ff", "g", "hh"))
		p := stream.Process(s, &batcher{state.NewOperatorList[string]("waiting"), state.NewUnionList[int]("total")})
		collect(p, &got)
	})
	wantSame(t, got, "a+c+e", "bb+dd+ff", "g", "hh", "[0 1 1 1 1]", "[0 2 2 2 2]")
}

// keeping is a sink that writes what it has when it is told to.
type keeping struct {
	ctx  *stream.RuntimeContext
	held *state.OperatorList[int]
	out  *[]int
}

func (k *keeping) Open(ctx *stream.RuntimeContext) error { k.ctx = ctx; return nil }

func (k *keeping) Invoke(v int) error {
	k.held.Add(k.ctx, v)
	if v == 0 {
		return errors.New("nothing")
	}
	return nil
}

func (k *keeping) Flush() error { *k.out = slices.Collect(k.held.All(k.ctx)); return nil }

func (k *keeping) Close() error { return nil }

func TestOperatorStateOfASink(t *testing.T) {
	var out []int
	run(t, func(env *stream.Env) {
		held := state.NewOperatorList[int]("held")
		stream.To(from(env, 1, 2, 3), stream.RichSink[int](&keeping{held: held, out: &out}))
	})
	if !slices.Equal(out, []int{1, 2, 3}) {
		t.Errorf("got %v", out)
	}
}

func TestFaultsOfOperatorState(t *testing.T) {
	env := stream.NewEnv("faults", nil)
	s := from(env, "a")
	for _, states := range [][]state.Descriptor{
		{state.NewOperatorList[int]("twice"), state.NewUnionList[int]("twice")},
		{state.NewOperatorList[func()]("call")},
		{state.NewBroadcast[string, chan int]("channel")},
		{state.NewBroadcast[*int, int]("pointer")},
		{state.NewOperatorList[int]("")},
	} {
		stream.Discard(stream.ProcessFunc(s, func(*stream.Context[stream.NoKey, string], string) error { return nil }, states...))
	}
	_, err := env.StreamGraph()
	for _, want := range []string{
		`state "twice" is declared twice, as split and as union: names are unique within an operator`,
		`state "call": element: `, `state "channel": value: `, `state "pointer": key: `,
		`a state has no name: give it one that is unique within its operator`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s in %v", want, err)
		}
	}
	_, err = streamtest.Run(t.Context(), func(env *stream.Env) {
		a, b := state.NewOperatorList[int]("same"), state.NewOperatorList[int]("same")
		stream.Discard(stream.ProcessFunc(from(env, 1), func(ctx *stream.Context[stream.NoKey, int], v int) error {
			a.Add(ctx, v)
			b.Add(ctx, v)
			return nil
		}))
	})
	if want := `operator "Process": panic: state "same" is declared twice, as split and as split`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}
