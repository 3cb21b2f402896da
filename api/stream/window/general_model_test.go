package window

import (
	"fmt"
	"iter"
	"testing"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/keyed"
)

// keepAll is an evictor that evicts nothing.
type keepAll struct{}

func (keepAll) EvictBefore(*Records) {}
func (keepAll) EvictAfter(*Records)  {}

// sortedValues is a function of windows that has the results of the model.
func sortedValues(ctx *Context[int64, Result[int64, string]], records iter.Seq[click]) error {
	var values []int64
	for c := range records {
		values = append(values, c.N)
	}
	ctx.Emit(Result[int64, string]{ctx.Key(), ctx.Window(), listText(values)})
	return nil
}

// TestGeneralOperatorIsThatOfTheModel is TestAggregatesAreThoseOfTheModel for the general operator, in all the ways in
// which it keeps contents, on both backends.
func TestGeneralOperatorIsThatOfTheModel(t *testing.T) {
	type verb func(in *stream.Keyed[int64, click], spec Spec) *stream.Stream[Result[int64, string]]
	verbs := map[string]verb{
		"accumulators": func(in *stream.Keyed[int64, click], spec Spec) *stream.Stream[Result[int64, string]] {
			return AggregateRef(in, spec.Trigger(EventTimeTrigger()), texts)
		},
		"accumulators with maps": func(in *stream.Keyed[int64, click], spec Spec) *stream.Stream[Result[int64, string]] {
			return Aggregate(in, spec.Trigger(EarlyTrigger(NeverTrigger(), nil)), bags)
		},
		"accumulators and a function": func(in *stream.Keyed[int64, click], spec Spec) *stream.Stream[Result[int64, string]] {
			return AggregateWithFunc(in, spec.Trigger(EventTimeTrigger()), bags, func(ctx *Context[int64, Result[int64, string]], r string) error {
				ctx.Emit(Result[int64, string]{ctx.Key(), ctx.Window(), r})
				return nil
			})
		},
		"a function behind the operators of aggregates": func(in *stream.Keyed[int64, click], spec Spec) *stream.Stream[Result[int64, string]] {
			return AggregateWithFunc(in, spec, bags, func(ctx *Context[int64, Result[int64, string]], r string) error {
				ctx.Emit(Result[int64, string]{ctx.Key(), ctx.Window(), r})
				return nil
			})
		},
		"records": func(in *stream.Keyed[int64, click], spec Spec) *stream.Stream[Result[int64, string]] {
			return ProcessFunc(in, spec, sortedValues)
		},
		"records with a trigger": func(in *stream.Keyed[int64, click], spec Spec) *stream.Stream[Result[int64, string]] {
			return ProcessFunc(in, spec.Trigger(EarlyTrigger(NeverTrigger(), nil)), sortedValues)
		},
		"records with an evictor": func(in *stream.Keyed[int64, click], spec Spec) *stream.Stream[Result[int64, string]] {
			return ProcessFunc(in, spec.Evictor(keepAll{}), sortedValues)
		},
		"accumulators with an evictor": func(in *stream.Keyed[int64, click], spec Spec) *stream.Stream[Result[int64, string]] {
			return AggregateRef(in, spec.Evictor(keepAll{}), texts)
		},
	}
	for name, verb := range verbs {
		for _, backend := range []string{"heap", "disk"} {
			t.Run(fmt.Sprint(name, "/", backend), func(t *testing.T) {
				rapid.Check(t, func(rt *rapid.T) {
					m, spec := drawWindows(rt)
					readLate := rapid.Bool().Draw(rt, "read late")
					var disk keyed.KeyValue
					if backend == "disk" {
						disk = new(Memory)
					}
					r := newRig(t, 1, readLate, clickKey, disk, func(in *stream.Keyed[int64, click]) *stream.Stream[Result[int64, string]] {
						return verb(in, spec)
					})
					m.compare(rt, spec, r, readLate)
				})
			})
		}
	}
}
