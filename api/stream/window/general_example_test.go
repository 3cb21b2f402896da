package window_test

import (
	"fmt"
	"iter"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/connectors/stdio"
)

func ExampleProcessFunc() {
	execute(func(env *stream.Env) {
		spread := func(ctx *window.Context[string, string], records iter.Seq[reading]) error {
			low, high := 100.0, -100.0
			for r := range records {
				low, high = min(low, r.Celsius), max(high, r.Celsius)
			}
			ctx.Emit(fmt.Sprint(ctx.Key(), " ", ctx.Window().StartTime().Format("15:04"), " ", high-low))
			return nil
		}
		spreads := window.ProcessFunc(stream.KeyBy(readings(env), sensor), window.Tumbling(time.Minute).Lateness(time.Minute), spread)
		stream.To(spreads.UID("spread"), stdio.Print)
	})
	// Unordered output:
	// hall 12:00 2
	// yard 12:00 0
	// hall 12:01 2
	// yard 12:03 0
}

func ExampleAggregateWithFunc() {
	execute(func(env *stream.Env) {
		alert := func(ctx *window.Context[string, string], mean float64) error {
			if mean > 20 {
				ctx.Emit(fmt.Sprintf("%s is at %v", ctx.Key(), mean))
			}
			return nil
		}
		alerts := window.AggregateWithFunc(stream.KeyBy(readings(env), sensor), window.Tumbling(5*time.Minute), mean, alert)
		stream.To(alerts.UID("alerts"), stdio.Print)
	})
	// Output:
	// hall is at 22.5
}

func ExampleSpec_Trigger() {
	execute(func(env *stream.Env) {
		pairs := window.Global().Trigger(window.PurgingTrigger(window.CountTrigger(2)))
		means := window.Aggregate(stream.KeyBy(readings(env), sensor), pairs, mean).UID("means")
		stream.To(stream.Map(means, func(r window.Result[string, float64]) string { return fmt.Sprint(r.Key, " ", r.Value) }), stdio.Print)
	})
	// Unordered output:
	// hall 21
	// yard 10
	// hall 24
}

func ExampleJoin() {
	execute(func(env *stream.Env) {
		all := readings(env)
		hall := stream.Filter(all, func(r reading) bool { return r.Sensor == "hall" })
		yard := stream.Filter(all, func(r reading) bool { return r.Sensor == "yard" })
		everywhere := func(reading) string { return "house" }
		warmer := window.Join(stream.KeyBy(hall, everywhere), stream.KeyBy(yard, everywhere), window.Tumbling(time.Minute),
			func(in, out reading) string { return fmt.Sprint(in.Celsius-out.Celsius, " warmer inside") })
		stream.To(warmer.UID("warmer"), stdio.Print)
	})
	// Unordered output:
	// 11 warmer inside
	// 13 warmer inside
}
