package window_test

import (
	"context"
	"fmt"
	"time"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/connectors/collection"
	"github.com/flink-go/flink-go/connectors/stdio"
)

// execute runs a program in an embedded cluster, with parallelism 1 so that results come in order. Most programs say
// job.Main(name, build) instead.
func execute(build func(env *stream.Env)) {
	_, err := job.Execute(context.Background(), "example", func(env *stream.Env) { build(env.Parallelism(1)) })
	if err != nil {
		fmt.Println(err)
	}
}

// readings are of two sensors, at seconds after some noon.
func readings(env *stream.Env) *stream.Stream[reading] {
	noon := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC).UnixMilli()
	at := func(s int64) int64 { return noon + s*1000 }
	all := stream.From(env, collection.Of(
		reading{"hall", at(5), 20}, reading{"yard", at(20), 9}, reading{"hall", at(55), 22},
		reading{"hall", at(70), 23}, reading{"yard", at(200), 11}, reading{"hall", at(65), 25},
	))
	return stream.EventTime(all, stream.TimestampsMillis(func(r *reading) int64 { return r.At }).OutOfOrder(5*time.Second))
}

// sum is what a mean is made of.
type sum struct{ total, n float64 }

var mean = stream.Aggregator[reading, sum, float64]{
	Add:    func(s sum, r reading) sum { return sum{s.total + r.Celsius, s.n + 1} },
	Merge:  func(a, b sum) sum { return sum{a.total + b.total, a.n + b.n} },
	Result: func(s sum) float64 { return s.total / s.n },
}

func ExampleAggregate() {
	execute(func(env *stream.Env) {
		minutes := window.Tumbling(time.Minute).Lateness(30 * time.Second)
		means := window.Aggregate(stream.KeyBy(readings(env), sensor), minutes, mean).UID("mean")
		stream.To(means, stdio.Print)
	})
	// Unordered output:
	// hall [2024-05-01T12:00:00.000Z, 2024-05-01T12:01:00.000Z) 21
	// yard [2024-05-01T12:00:00.000Z, 2024-05-01T12:01:00.000Z) 9
	// hall [2024-05-01T12:01:00.000Z, 2024-05-01T12:02:00.000Z) 24
	// yard [2024-05-01T12:03:00.000Z, 2024-05-01T12:04:00.000Z) 11
}

func ExampleAggregateRef() {
	execute(func(env *stream.Env) {
		hottest := stream.AggregatorRef[reading, float64, float64]{ // degrees above freezing
			Add:    func(top *float64, r *reading) { *top = max(*top, r.Celsius) },
			Merge:  func(into, from *float64) { *into = max(*into, *from) },
			Result: func(top *float64) float64 { return *top },
		}
		hours := window.Tumbling(time.Hour).Combine()
		stream.To(window.AggregateRef(readings(env), hours, hottest).UID("hottest"), stdio.Print) // of all sensors
	})
	// Output:
	// [2024-05-01T12:00:00.000Z, 2024-05-01T13:00:00.000Z) 25
}

func ExampleReduce() {
	execute(func(env *stream.Env) {
		hottest := func(a, b reading) reading {
			if b.Celsius > a.Celsius {
				return b
			}
			return a
		}
		tops := window.Reduce(stream.KeyBy(readings(env), sensor), window.Tumbling(5*time.Minute), hottest).UID("hottest")
		stream.To(stream.Map(tops, func(r window.Result[string, reading]) string {
			return fmt.Sprint(r.Key, " ", r.Value.Celsius)
		}), stdio.Print)
	})
	// Unordered output:
	// hall 25
	// yard 11
}

func ExampleCounts() {
	execute(func(env *stream.Env) {
		sliding := window.Sliding(2*time.Minute, time.Minute)
		stream.To(window.Counts(stream.KeyBy(readings(env), sensor), sliding).UID("counts"), stdio.Print)
	})
	// Unordered output:
	// hall [2024-05-01T11:59:00.000Z, 2024-05-01T12:01:00.000Z) 2
	// yard [2024-05-01T11:59:00.000Z, 2024-05-01T12:01:00.000Z) 1
	// hall [2024-05-01T12:00:00.000Z, 2024-05-01T12:02:00.000Z) 4
	// yard [2024-05-01T12:00:00.000Z, 2024-05-01T12:02:00.000Z) 1
	// hall [2024-05-01T12:01:00.000Z, 2024-05-01T12:03:00.000Z) 2
	// yard [2024-05-01T12:02:00.000Z, 2024-05-01T12:04:00.000Z) 1
	// yard [2024-05-01T12:03:00.000Z, 2024-05-01T12:05:00.000Z) 1
}

func ExampleSums() {
	execute(func(env *stream.Env) {
		sessions := window.Session(time.Minute)
		stream.To(window.Sums(stream.KeyBy(readings(env), sensor), sessions, func(r reading) float64 { return r.Celsius }).UID("sums"), stdio.Print)
	})
	// Unordered output:
	// hall [2024-05-01T12:00:05.000Z, 2024-05-01T12:02:10.000Z) 90
	// yard [2024-05-01T12:00:20.000Z, 2024-05-01T12:01:20.000Z) 9
	// yard [2024-05-01T12:03:20.000Z, 2024-05-01T12:04:20.000Z) 11
}

func ExampleLate() {
	execute(func(env *stream.Env) {
		each := stream.Timestamps(func(r reading) time.Time { return time.UnixMilli(r.At) }).
			Punctuated(func(_ *reading, ts int64) (int64, bool) { return ts, true }) // each record says that it was the last of its time
		timed := stream.EventTime(stream.From(env, collection.Of(
			reading{"hall", 1000, 20}, reading{"hall", 70_000, 21}, reading{"hall", 2000, 22},
		)), each)
		counts := window.Counts(stream.KeyBy(timed, sensor), window.Tumbling(time.Minute)).UID("counts")
		stream.To(counts, stdio.Print)
		stream.To(window.Late[reading](counts), stdio.Print)
	})
	// Unordered output:
	// hall [1970-01-01T00:00:00.000Z, 1970-01-01T00:01:00.000Z) 1
	// {Sensor:hall At:2000 Celsius:22}
	// hall [1970-01-01T00:01:00.000Z, 1970-01-01T00:02:00.000Z) 1
}
