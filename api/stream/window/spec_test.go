package window_test

import (
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/window"
)

type reading struct {
	Sensor  string
	At      int64
	Celsius float64
}

func sensor(r reading) string { return r.Sensor }

// sumOf has no Merge.
var sumOf = stream.Aggregator[reading, float64, float64]{
	Add:    func(sum float64, r reading) float64 { return sum + r.Celsius },
	Result: func(sum float64) float64 { return sum },
}

func merging() stream.Aggregator[reading, float64, float64] {
	a := sumOf
	a.Merge = func(a, b float64) float64 { return a + b }
	return a
}

// TestBadSpecsAreFaultsOfTheProgram holds that what is wrong with windows is found before anything runs, with the line.
func TestBadSpecsAreFaultsOfTheProgram(t *testing.T) {
	const s = time.Second
	aggregate := func(spec window.Spec, agg stream.Aggregator[reading, float64, float64]) func(*stream.Keyed[string, reading]) {
		return func(in *stream.Keyed[string, reading]) { window.Aggregate(in, spec, agg) }
	}
	counts := func(spec window.Spec) func(*stream.Keyed[string, reading]) {
		return func(in *stream.Keyed[string, reading]) { window.Counts(in, spec) }
	}
	for want, verb := range map[string]func(*stream.Keyed[string, reading]){
		"the Spec is empty: make one with":               counts(window.Spec{}),
		"the size is 0s: want more than 0":               counts(window.Tumbling(0)),
		"the size is -1s: want more than 0":              counts(window.Sliding(-s, s)),
		"the slide is 0s: want more than 0":              counts(window.Sliding(s, 0)),
		"the size is 1.5ms: want whole milliseconds":     counts(window.Tumbling(1500 * time.Microsecond)),
		"the gap is 0s: want more than 0":                counts(window.Session(0)),
		"the offset is 1s: want more than -1s and less":  counts(window.Tumbling(s).Offset(s)),
		"only Tumbling and Sliding can have one":         counts(window.Session(s).Offset(1)),
		"the lateness is -1s: want 0 or more":            counts(window.Tumbling(s).Lateness(-s)),
		"nothing is late in processing time":             counts(window.Tumbling(s).Lateness(s).ProcessingTime()),
		"only Tumbling and Sliding have slices":          counts(window.Session(s).Combine()),
		"both Combine and ProcessingTime":                counts(window.Tumbling(s).Combine().ProcessingTime()),
		"it has Combine and what needs each record":      counts(window.Tumbling(s).Combine().EarlyEvery(s)),
		"EarlyEvery is 0s: want more than 0":             counts(window.Tumbling(s).EarlyEvery(0)),
		"it is of 0 records every 0: want more than 0":   counts(window.Count(0)),
		"the function is nil":                            counts(window.SessionBy[reading](nil)),
		"the gap of SessionBy is of string, the records": counts(window.SessionBy(func(*string) time.Duration { return s })),
		"no Merge, which sessions need":                  aggregate(window.Session(s), sumOf),
		"no Merge, which Combine needs":                  aggregate(window.Tumbling(s).Combine(), sumOf),
		"the aggregator has no Add":                      aggregate(window.Tumbling(s), stream.Aggregator[reading, float64, float64]{Result: sumOf.Result}),
		"the aggregator has no Result":                   aggregate(window.Tumbling(s), stream.Aggregator[reading, float64, float64]{Add: sumOf.Add}),
		"WindowReduce: the function is nil":              func(in *stream.Keyed[string, reading]) { window.Reduce(in, window.Tumbling(s), nil) },
		"WindowSum: the function is nil": func(in *stream.Keyed[string, reading]) {
			window.Sums[string, reading, int](in, window.Tumbling(s), nil)
		},
		"the accumulator cannot be kept as state: func": badAccumulator,
	} {
		env := stream.NewEnv("faults", nil)
		verb(stream.KeyBy(input[reading](env, "readings"), sensor))
		_, err := env.StreamGraph()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant a fault with %q", err, want)
		} else if !strings.Contains(err.Error(), "window/spec_test.go:") {
			t.Errorf("no line of the program in: %v", err)
		}
	}
}

func badAccumulator(in *stream.Keyed[string, reading]) {
	window.Aggregate(in, window.Tumbling(time.Second), stream.Aggregator[reading, func(), int]{
		Add: func(f func(), _ reading) func() { return f }, Result: func(func()) int { return 0 },
	})
}

// TestGoodSpecsHaveNoFaults goes with the test above.
func TestGoodSpecsHaveNoFaults(t *testing.T) {
	const s = time.Second
	for _, spec := range []window.Spec{
		window.Tumbling(s), window.Tumbling(s).Offset(-s + 1e6).Lateness(0), window.Sliding(3*s, s).Combine(), window.Sliding(s, 3*s),
		window.Session(s).Lateness(s), window.SessionBy(func(*reading) time.Duration { return s }).ProcessingTime(),
	} {
		env := stream.NewEnv("good", nil)
		in := input[reading](env, "readings")
		stream.Discard(window.Aggregate(stream.KeyBy(in, sensor), spec, merging()))
		stream.Discard(window.Aggregate(in, spec, merging())) // over all records
		_, err := env.StreamGraph()
		if err != nil {
			t.Errorf("%v: %v", spec, err)
		}
	}
}
