package streamtest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/api/stream"
)

// MaxConformParallelism is the highest parallelism at which Conform runs a program.
const MaxConformParallelism = 4

// Conform runs script over the program that build makes, then ends all sources, in each of these ways: fed one by one
// and in batches, with channels that hold two small batches so that operators are stopped in the middle of their
// output, chained and each operator by itself, at parallelism 1 to MaxConformParallelism where the program sets none.
// What comes to the sinks must be the same each time; in the same order where each operator has one subtask
// and one input.
//
// The script sends, and lets time pass; it wants nothing: Conform returns what came to the sinks, by UID, in the order
// of the first way. In batches the records between two calls of Watermark, Idle, Advance or End are read together, so
// the program must not depend on watermarks that its sources make by themselves, nor on the order of records of
// different keys.
func Conform(t testing.TB, build func(env *stream.Env), script func(h *Harness)) map[string][]any {
	t.Helper()
	var first map[string][]any
	for _, w := range ways() {
		got := w.run(t, build, script)
		if first == nil {
			first = got.sinks
			continue
		}
		for uid, want := range first {
			if text := difference(got.sinks[uid], want, got.ordered); text != "" {
				t.Errorf("%s: sink %q: %s", w.name, uid, text)
			}
		}
	}
	return first
}

// ConformOperator is Conform for a fragment with one input, to which script sends, and one output, which is returned.
func ConformOperator[T, U any](t testing.TB, fragment func(in *stream.Stream[T]) *stream.Stream[U], script func(h *OperatorHarness[T, U])) []U {
	t.Helper()
	all := Conform(t, around(fragment), func(h *Harness) { script(&OperatorHarness[T, U]{h}) })
	out := make([]U, len(all[outputUID]))
	for i, v := range all[outputUID] {
		out[i] = v.(U) // the sink's type
	}
	return out
}

// way is one way to run a program that must not matter.
type way struct {
	name    string
	options []Option
}

func ways() []way {
	var all []way
	for p := 1; p <= MaxConformParallelism; p++ {
		for _, unchain := range []bool{false, true} {
			for _, hold := range []bool{false, true} {
				for _, narrow := range []bool{false, true} {
					name := fmt.Sprintf("parallelism %d", p)
					name += choose(unchain, ", unchained", "") + choose(hold, ", in batches", ", one by one") + choose(narrow, ", little room", "")
					all = append(all, way{name, []Option{Parallelism(p), func(o *options) {
						o.unchain, o.hold, o.narrow = unchain, hold, narrow
					}}})
				}
			}
		}
	}
	return all
}

func choose(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// outcome is what came to each sink.
type outcome struct {
	ordered bool // nothing in the program changes the order
	sinks   map[string][]any
}

func (w way) run(t testing.TB, build func(env *stream.Env), script func(h *Harness)) outcome {
	t.Helper()
	h := New(t, build, w.options...)
	script(h)
	h.alive()
	h.End()
	defer h.close()
	got := outcome{ordered: true, sinks: map[string][]any{}}
	for _, v := range h.runner.compiled.Job.Vertices {
		got.ordered = got.ordered && v.Parallelism == 1 && len(v.Inputs) <= 1
	}
	for uid := range h.sinks {
		got.sinks[uid] = h.taken(uid).got
	}
	return got
}

// difference says what is not as wanted, in order or not, "" if all is.
func difference(got, want []any, ordered bool) string {
	if !ordered {
		got, want = sorted(got), sorted(want)
	}
	if slices.EqualFunc(got, want, reflect.DeepEqual) {
		return ""
	}
	i := 0
	for i < min(len(got), len(want)) && reflect.DeepEqual(got[i], want[i]) {
		i++
	}
	some := func(values []any) string { return list(values[i:min(i+5, len(values))]) }
	return fmt.Sprintf("%d records, at first %d; from number %d on\n%s\nat first\n%s", len(got), len(want), i, some(got), some(want))
}

// sorted orders records by their text.
func sorted(values []any) []any {
	return slices.SortedFunc(slices.Values(values), func(a, b any) int {
		return strings.Compare(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b))
	})
}
