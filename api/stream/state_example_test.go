package stream_test

import (
	"fmt"
	"strconv"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/connectors/collection"
	"github.com/flink-go/flink-go/connectors/stdio"
)

// watchdog reports a device that sends nothing for a while: state and a timer per key.
type watchdog struct {
	limit time.Duration
	last  *state.Value[time.Time]
}

func (w *watchdog) State() []state.Descriptor { return []state.Descriptor{w.last} }

func (w *watchdog) Process(ctx *stream.Context[string, string], b beat) error {
	if last, ok := w.last.Get(ctx); ok {
		ctx.CancelTimer(last.Add(w.limit))
	}
	w.last.Set(ctx, b.At)
	ctx.SetTimer(b.At.Add(w.limit))
	return nil
}

func (w *watchdog) OnTimer(ctx *stream.Context[string, string], at time.Time) error {
	ctx.Emit(fmt.Sprintf("%s is silent since %s", ctx.Key(), at.Add(-w.limit).UTC().Format(time.TimeOnly)))
	w.last.Clear(ctx)
	return nil
}

func ExampleContext_SetTimer() {
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC) }
	execute(func(env *stream.Env) {
		beats := stream.From(env, collection.Of(
			beat{"pump", at(0)}, beat{"fan", at(1)}, beat{"pump", at(4)}, beat{"pump", at(8)}))
		timed := stream.EventTime(beats, stream.Timestamps(func(b beat) time.Time { return b.At }))
		silent := &watchdog{5 * time.Minute, state.NewValue[time.Time]("last-seen")}
		stream.To(stream.Process(stream.KeyBy(timed, device), silent).UID("watchdog"), stdio.Print)
	})
	// Output:
	// fan is silent since 12:01:00
	// pump is silent since 12:08:00
}

func ExampleDeadLetters() {
	execute(func(env *stream.Env) {
		texts := stream.From(env, collection.Of("1", "two", "3"))
		numbers := stream.FlatMapRef(texts, func(s *string, emit func(int)) error {
			n, err := strconv.Atoi(*s)
			if err != nil {
				return err
			}
			emit(n)
			return nil
		}).Name("parse")
		stream.To(numbers, stdio.Print)
		stream.To(stream.Map(stream.DeadLetters[string](numbers), func(l stream.Letter[string]) string {
			return fmt.Sprintf("record %d of %s, %q: %s", l.Number, l.Operator, l.Record, l.Error)
		}), stdio.Print)
	})
	// Unordered output:
	// 1
	// 3
	// record 2 of parse, "two": strconv.Atoi: parsing "two": invalid syntax
}

func ExampleStream_OnError() {
	execute(func(env *stream.Env) {
		env.OnError(stream.Skip) // of every operator that says nothing else
		numbers := stream.From(env, collection.Of(4, 0, 2))
		inverse := stream.Map(numbers, func(n int) int { return 100 / n })
		stream.To(inverse, stdio.Print).OnError(stream.Fail)
	})
	// Output:
	// 25
	// 50
}

// tariff prices calls by country; the prices come as a stream of their own.
type tariff struct{ prices *state.Broadcast[string, int] }

func (t *tariff) State() []state.Descriptor { return []state.Descriptor{t.prices} }

func (t *tariff) ProcessBroadcast(ctx *stream.BroadcastContext[stream.NoKey, string], p stream.Pair[string, int]) error {
	t.prices.Put(ctx, p.Key, p.Value)
	ctx.Emit(fmt.Sprint("a call to ", p, " cents"))
	return nil
}

func (t *tariff) Process(ctx *stream.Context[stream.NoKey, string], country string) error {
	if price, ok := t.prices.Get(ctx, country); ok {
		ctx.Emit(fmt.Sprint(country, " for ", price))
	} else {
		ctx.Emit(country + " without a price yet") // the two streams have no order between them
	}
	return nil
}

func ExampleBroadcastProcess() {
	execute(func(env *stream.Env) {
		prices := stream.From(env, collection.Of(stream.Pair[string, int]{Key: "it", Value: 7}))
		calls := stream.From(env, collection.Of("fr"))
		stream.To(stream.BroadcastProcess(calls, prices, &tariff{state.NewBroadcast[string, int]("prices")}), stdio.Print)
	})
	// Unordered output:
	// a call to it 7 cents
	// fr without a price yet
}
