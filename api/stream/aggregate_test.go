package stream_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/api/stream"
)

func TestAggregateKeepsAnAccumulatorPerKey(t *testing.T) {
	longest := stream.Aggregator[string, int, string]{
		Add:    func(n int, v string) int { return max(n, len(v)) },
		Result: func(n int) string { return strings.Repeat("x", n) },
	}
	var each, last []string
	run(t, func(env *stream.Env) {
		words := stream.KeyBy(from(env, "a", "bb", "abc", "b"), func(v string) string { return v[:1] })
		stream.ForEach(stream.Aggregate(words, longest), func(p stream.Pair[string, string]) error { each = append(each, fmt.Sprint(p)); return nil })
		stream.ForEach(stream.Aggregate(words, longest, stream.AtEnd), func(p stream.Pair[string, string]) error { last = append(last, fmt.Sprint(p)); return nil })
	})
	wantSame(t, each, "a x", "b xx", "a xxx", "b xx")
	wantSame(t, last, "a xxx", "b xx")
	env := stream.NewEnv("test", nil)
	stream.Discard(stream.Aggregate(stream.KeyBy(from(env, "a"), strings.ToUpper), stream.Aggregator[string, int, int]{}))
	if _, err := env.StreamGraph(); err == nil || !strings.Contains(err.Error(), "the aggregator has no Add or no Result") {
		t.Error(err)
	}
}
