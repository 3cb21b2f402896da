package window_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/connectors/collection"
)

// TestResultsDoNotDependOnHowTheJobRuns runs one program at several parallelisms, chained and not, with Combine and
// without, and compares with a count of records per key and window.
func TestResultsDoNotDependOnHowTheJobRuns(t *testing.T) {
	const n, disorder = 3000, 500
	rnd := rand.New(rand.NewPCG(1, 2))
	var records []reading
	for i := range int64(n) {
		records = append(records, reading{fmt.Sprint("s", rnd.IntN(20)), i*10 - rnd.Int64N(disorder), 1})
	}
	sliding := window.Sliding(3*time.Second, time.Second)
	want := map[string]int64{}
	for _, r := range records {
		for start := int64(-3000); start <= r.At; start += 1000 {
			if r.At < start+3000 {
				w := window.Window{Start: start, End: start + 3000}
				want[fmt.Sprint(r.Sensor, " ", w)]++
				want[fmt.Sprint("all ", w)]++
			}
		}
	}
	for _, parallelism := range []int{1, 2, 3} {
		for _, chained := range []bool{true, false} {
			for _, spec := range []window.Spec{sliding, sliding.Combine()} {
				var mu sync.Mutex
				got := map[string]int64{}
				collect := func(key string, w window.Window, n int64) {
					mu.Lock()
					defer mu.Unlock()
					got[fmt.Sprint(key, " ", w)] += n
				}
				_, err := job.Execute(context.Background(), "metamorphic", func(env *stream.Env) {
					env.Parallelism(parallelism)
					if !chained {
						env.DisableChaining()
					}
					in := stream.From(env, collection.Of(records...)).Parallelism(1)
					timed := stream.EventTime(in, stream.TimestampsMillis(func(r *reading) int64 { return r.At }).OutOfOrder(disorder*time.Millisecond))
					spread := stream.Map(stream.Rebalance(timed), func(r reading) reading { return r })
					stream.ForEach(window.Counts(stream.KeyBy(spread, sensor), spec).UID("by sensor"), func(r window.Result[string, int64]) error {
						collect(r.Key, r.Window, r.Value)
						return nil
					})
					stream.ForEach(window.Counts(spread, spec).UID("all"), func(r window.Result[stream.NoKey, int64]) error {
						collect("all", r.Window, r.Value)
						return nil
					})
				})
				if err != nil {
					t.Fatal(err)
				}
				if !maps.Equal(got, want) {
					t.Errorf("parallelism %d, chained %v, %v: %d results, want %d", parallelism, chained, spec, len(got), len(want))
					for _, k := range slices.Sorted(maps.Keys(want)) {
						if got[k] != want[k] {
							t.Fatalf("%s: %d, want %d", k, got[k], want[k])
						}
					}
				}
			}
		}
	}
}
