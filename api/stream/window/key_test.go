package window_test

import (
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/connectors/collection"
)

// A panic in a function of the program names operator and key, whatever runs the function; a key selector that fails
// has no key.
func TestPanicsNameTheKey(t *testing.T) {
	minute := window.Tumbling(time.Minute)
	bad := func(v string) {
		if v == "bad" {
			panic("no such word")
		}
	}
	add := stream.Aggregator[string, int, int]{Add: func(n int, v string) int { bad(v); return n + 1 }, Merge: func(a, b int) int { return a + b },
		Result: func(n int) int { return n }}
	result := stream.Aggregator[string, string, int]{Add: func(_, v string) string { return v }, Merge: func(a, _ string) string { return a },
		Result: func(v string) int { bad(v); return len(v) }}
	for name, build := range map[string]func(k *stream.Keyed[string, string]){
		"reduce": func(k *stream.Keyed[string, string]) {
			stream.Discard(stream.Reduce(k, func(sum, _ string) string { bad(sum); return sum }))
		},
		"process": func(k *stream.Keyed[string, string]) {
			stream.Discard(stream.ProcessFunc(k, func(_ *stream.Context[string, string], v string) error { bad(v); return nil }))
		},
		"add": func(k *stream.Keyed[string, string]) { stream.Discard(window.Aggregate(k, minute, add)) },
		"sliding": func(k *stream.Keyed[string, string]) {
			stream.Discard(window.Aggregate(k, window.Sliding(time.Minute, time.Second), result))
		},
		"session": func(k *stream.Keyed[string, string]) {
			stream.Discard(window.Aggregate(k, window.Session(time.Minute), result))
		},
		"trigger": func(k *stream.Keyed[string, string]) { stream.Discard(window.Aggregate(k, window.Count(2), result)) },
	} {
		_, err := streamtest.Run(t.Context(), func(env *stream.Env) {
			timed := stream.EventTime(stream.From(env, collection.Of("good", "bad", "good", "bad")), stream.Timestamps(func(string) time.Time { return time.UnixMilli(1000) }))
			build(stream.KeyBy(timed, func(v string) string { return "the " + v }))
		})
		if err == nil || !strings.Contains(err.Error(), `": key the bad: panic: no such word`) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := streamtest.Run(t.Context(), func(env *stream.Env) {
		keyed := stream.KeyBy(stream.From(env, collection.Of("good", "bad")), func(v string) string { bad(v); return v })
		stream.Discard(stream.Count(keyed))
	})
	if err == nil || strings.Contains(err.Error(), "key ") || !strings.Contains(err.Error(), "panic: no such word") {
		t.Errorf("key selector: %v", err)
	}
}
