package job_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/datagen"
)

// Two sources in a group: the fast one, which alone would be at its end when the slow one has done a fifth, waits.
func TestAlignedSourcesStayTogether(t *testing.T) {
	const end = 200 // seconds of event time
	var slowAt, atEnd atomic.Int64
	_, err := job.Execute(t.Context(), "aligned", func(env *stream.Env) {
		source := func(name string, perSecond uint64, rate float64) *stream.Stream[int64] {
			numbers := datagen.Generate(func(n uint64) int64 { return int64(n * 1000 / perSecond) }, datagen.Count(end*perSecond), datagen.Rate(rate))
			numbers.Name = name
			at := stream.TimestampsMillis(func(ms *int64) int64 { return *ms }).Align("both", 10*time.Second)
			return stream.EventTime(stream.From(env, numbers).Parallelism(1), at)
		}
		stream.ForEach(source("fast", 10, 10_000), func(ms int64) error {
			if ms == end*1000-100 {
				atEnd.Store(slowAt.Load())
			}
			return nil
		}).Parallelism(1)
		stream.ForEach(source("slow", 1, 200), func(ms int64) error {
			slowAt.Store(ms)
			return nil
		}).Parallelism(1)
	})
	if err != nil {
		t.Fatal(err)
	}
	// A record of the slow source each second, and its report is late rather than early.
	if lead := end*1000 - 100 - atEnd.Load(); lead > 11_200 {
		t.Errorf("the fast source ended when the slow one was %d ms behind, want at most 10 s and a record", lead)
	}
}
