package job_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/collection"
	"github.com/flink-go/flink-go/connectors/stdio"
)

// A program is all of main. Started by itself it runs here; started by flink-go run it runs on a cluster.
func ExampleMain() {
	job.Main("word-count", func(env *stream.Env) {
		words := stream.From(env, collection.Of("to", "be", "or", "not", "to", "be"))
		counts := stream.Count(stream.KeyBy(words, strings.ToLower), stream.AtEnd).UID("count")
		stream.To(counts, stdio.Print)
	})
}

// Execute returns when the job has ended, with what its accumulators collected.
func ExampleExecute() {
	result, err := job.Execute(context.Background(), "long-words", func(env *stream.Env) {
		words := stream.From(env, collection.Of("streams", "of", "typed", "records"))
		stream.To(words, longest)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := result.Accumulators.Int64("longest")
	fmt.Println(result.Status, n, err)
	// Output: FINISHED 7 <nil>
}

// longest is a sink that remembers the length of the longest word in an accumulator.
func longest(ctx *stream.RuntimeContext) (stream.Writer[string], error) {
	return &longestWriter{ctx.LongMax("longest")}, nil
}

type longestWriter struct{ max *stream.LongMax }

func (w *longestWriter) Write(word *string) error { w.max.Add(int64(len(*word))); return nil }
func (w *longestWriter) Flush() error             { return nil }
func (w *longestWriter) Close() error             { return nil }
