// Command latency measures how long a record takes from the moment it was due in the source, through an exchange by
// key and a running count, to the sink. Source and sink are in slot sharing groups of their own, so that on
// TaskManagers of one slot they are in different processes.
//
//	flink-go run ./examples/latency --rate 100000 --seconds 20
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/datagen"
	"github.com/flink-go/flink-go/examples/internal/result"
)

type options struct {
	rate            uint64 // records per second
	seconds, warmup uint64
	timeout         int // buffer timeout in milliseconds, -1: the configured one
	json            bool
}

func main() {
	var o options
	flag.Uint64Var(&o.rate, "rate", 10_000, "records per second")
	flag.Uint64Var(&o.seconds, "seconds", 20, "seconds that are measured")
	flag.Uint64Var(&o.warmup, "warmup", 10, "seconds before that")
	flag.IntVar(&o.timeout, "timeout", -1, "buffer timeout in milliseconds; -1 is the configured one")
	flag.BoolVar(&o.json, "json", false, "print the result as one line of JSON")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(job.ExitCode(err))
	}
}

// record is what travels: 24 bytes without pointers.
type record struct {
	N     uint64
	Due   int64 // nanoseconds since 1970
	Count int64 // of the records with this key so far
}

// keys is how many different keys the records have.
const keys = 1000

func build(env *stream.Env, o options) {
	env.Parallelism(1)
	if o.timeout >= 0 {
		env.BufferTimeout(time.Duration(o.timeout) * time.Millisecond)
	}
	stamp := func(n uint64, due time.Time, v *record) { *v = record{N: n, Due: due.UnixNano(), Count: 1} }
	records := stream.From(env, datagen.GenerateDue(stamp, datagen.Rate(float64(o.rate)), datagen.Count(o.rate*(o.seconds+o.warmup)))).
		SlotSharingGroup("source")
	counted := stream.Reduce(stream.KeyByRef(records, func(r *record) uint64 { return r.N % keys }),
		func(sum, r record) record {
			r.Count += sum.Count
			return r
		}).UID("running count").SlotSharingGroup("sink")
	stream.To(counted, measure(o.rate*o.warmup))
}

func run(o options) error {
	res, err := job.Execute(context.Background(), "latency", func(env *stream.Env) { build(env, o) })
	if err != nil || res.Detached {
		return err
	}
	line, err := result.Of("latency", 1, int64(o.rate*(o.seconds+o.warmup)), res)
	if err != nil {
		return err
	}
	found, err := job.Value[[]result.Latency](res.Accumulators, latency)
	if err != nil {
		return err
	}
	line.Latency = &found[0]
	if o.json {
		return line.WriteJSON(os.Stdout)
	}
	fmt.Printf("latency at %d records/s: p50 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n",
		o.rate, line.Latency.P50, line.Latency.P99, line.Latency.P999, line.Latency.Max)
	return nil
}
