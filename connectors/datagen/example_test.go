package datagen_test

import (
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/datagen"
	"github.com/flink-go/flink-go/connectors/stdio"
)

func ExampleGenerate() {
	env := stream.NewEnv("squares", nil)
	squares := stream.From(env, datagen.Generate(func(n uint64) uint64 { return n * n }, datagen.Count(1000), datagen.Rate(100)))
	stream.To(squares, stdio.Print)
}
