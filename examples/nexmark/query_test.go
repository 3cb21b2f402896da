package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/examples/internal/result"
)

// The right results of the first 100,000 events.
var expected = map[string]struct {
	count    int
	checksum uint64
}{
	"q0":  {92000, 0xd7e18b74714a1800},
	"q1":  {92000, 0x0594e987ac3a2fe5},
	"q2":  {388, 0x058d4733cafabb50},
	"q3":  {621, 0x7a02d9a600a12f67},
	"q5":  {5, 0xfce5277de487eab4},
	"q7":  {1, 0xd7a7c9ebf4ffeebc},
	"q8":  {971, 0x19d8a87f308aed10},
	"q11": {1917, 0xf3928d5fc9b974df},
	"q18": {28227, 0xd4ad1b09b85edc0f},
	"q20": {20514, 0x1a48224ad4c43964},
}

// However a query is run, its result is that of the oracle.
func TestQueriesGiveTheRightResult(t *testing.T) {
	for name, program := range queries {
		for _, p := range []int{1, 2, 4, 7} {
			for _, chained := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/p=%d/chained=%t", name, p, chained), func(t *testing.T) {
					res, err := streamtest.Run(t.Context(), func(env *stream.Env) {
						env.Parallelism(p)
						if !chained {
							env.DisableChaining()
						}
						program(read(env, 100_000))
					})
					if err != nil {
						t.Fatal(err)
					}
					want := expected[name]
					if got := res.Accumulators["count"]; got != fmt.Sprint(want.count) {
						t.Errorf("count %s, want %d", got, want.count)
					}
					if got := res.Accumulators["checksum"]; got != fmt.Sprint(want.checksum) {
						t.Errorf("checksum %s, want %d", got, want.checksum)
					}
				})
			}
		}
	}
}

// Likewise in an embedded cluster, where subtasks run at once, on both backends.
func TestQueriesGiveTheRightResultInACluster(t *testing.T) {
	for name, program := range queries {
		for _, backend := range []stream.StateBackend{stream.HashMap, stream.Pebble} {
			for _, chained := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s/chained=%t", name, backend, chained), func(t *testing.T) {
					res, err := job.Execute(t.Context(), name, func(env *stream.Env) {
						env.Parallelism(4).StateBackend(backend)
						if !chained {
							env.DisableChaining()
						}
						program(read(env, 100_000))
					})
					if err != nil {
						t.Fatal(err)
					}
					line, err := result.Of(name, 4, 100_000, res)
					if err != nil {
						t.Fatal(err)
					}
					if want := expected[name]; line.Count != int64(want.count) || line.Checksum != fmt.Sprintf("%016x", want.checksum) {
						t.Errorf("count %d and checksum %s, want %d and %016x", line.Count, line.Checksum, want.count, want.checksum)
					}
				})
			}
		}
	}
}

func BenchmarkQuery(b *testing.B) {
	for _, name := range queryNames() {
		b.Run(name, func(b *testing.B) {
			_, err := streamtest.Run(context.Background(), func(env *stream.Env) {
				queries[name](read(env, uint64(b.N)))
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
