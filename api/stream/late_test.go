package stream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/window"
)

func TestLateRecordsAreOfTheTypeOfTheirInput(t *testing.T) {
	env := stream.NewEnv("", nil)
	in := stream.KeyBy(from[int64](env), func(i int64) int64 { return i })
	counts := window.Counts(in, window.Tumbling(time.Minute)).UID("counts")
	joined := stream.IntervalJoin(in, stream.KeyBy(from[string](env), func(s string) int64 { return 1 }), stream.Between(0, time.Second),
		func(i int64, s string) string { return s }).UID("joined")
	stream.Discard(window.Late[int64](counts))
	stream.Discard(window.Late[string](counts))
	stream.Discard(stream.LateFirst[int64](joined))
	stream.Discard(stream.LateSecond[int64](joined))
	stream.Discard(window.Late[int64](window.Counts(in, window.Tumbling(time.Minute).Combine()).UID("combined")))
	stream.Discard(window.Late[int64](stream.Map(counts, func(window.Result[int64, int64]) int64 { return 0 })))
	_, err := env.StreamGraph()
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{
		`Late: the late records of operator "WindowCount" are of type int64, not string`,
		`LateSecond: the late records of operator "IntervalJoin" are of type string, not int64`,
		"Late: late records cannot be read behind Combine, which sends sums of them: leave Combine or Late out",
		"Late: the stream is not what a verb with late records returned",
	} {
		if strings.Count(err.Error(), want) != 1 {
			t.Errorf("want one %q in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "LateFirst") {
		t.Errorf("a fault too many in\n%v", err)
	}
}
