// Command scale runs five vertices with all-to-all edges between them, in which a few records trickle until the job
// is canceled: it shows what deployment and scheduling cost at high parallelism.
//
//	flink-go run -d ./examples/scale -p 500
package main

import (
	"flag"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/datagen"
)

func main() {
	p := flag.Int("p", 100, "parallelism")
	flag.Parse()
	job.Main("scale", func(env *stream.Env) { build(env, *p) })
}

func build(env *stream.Env, p int) {
	env.Parallelism(p)
	// One record a second and subtask.
	s := stream.From(env, datagen.Generate(func(n uint64) uint64 { return n }, datagen.Rate(float64(p))))
	for range 3 {
		s = stream.Map(stream.Rebalance(s), func(n uint64) uint64 { return n + 1 })
	}
	stream.Discard(stream.Rebalance(s))
}
