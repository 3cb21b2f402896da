package pebble

import (
	"flag"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
)

// With -keys=4000000 the data is several times the memory: the shape of the state workload of bench/WORKLOADS.md.
var (
	benchKeys   = flag.Int("keys", 200_000, "keys of the benchmarks")
	benchMemory = flag.Int64("memory", 16<<20, "bytes for state in the benchmarks")
)

type hundred struct {
	Count int64
	Rest  [92]byte
}

type benchState interface {
	update(k int64, hash uint64)
}

type storeState struct {
	keyed.Store[int64, hundred]
}

func (s storeState) update(k int64, hash uint64) {
	v, _ := s.Ref(&k, hash)
	v.Count++
}

type valueState struct {
	rows  *keyed.Rows[int64]
	value *keyed.Value[hundred]
}

func (s valueState) update(k int64, hash uint64) {
	s.rows.SetKey(&k, hash)
	v, _ := s.value.Ref()
	v.Count++
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkUpdate(b *testing.B) {
	hash, err := codec.HashFor[int64]()
	if err != nil {
		b.Fatal(err)
	}
	for name, open := range map[string]func(b *testing.B, backend *keyed.Backend) benchState{
		"Store": func(b *testing.B, backend *keyed.Backend) benchState {
			s, err := keyed.NewStore[int64, hundred](backend, "store")
			if err != nil {
				b.Fatal(err)
			}
			return storeState{s}
		},
		"Value": func(b *testing.B, backend *keyed.Backend) benchState {
			rows, err := keyed.NewRows[int64](backend)
			if err != nil {
				b.Fatal(err)
			}
			v, err := keyed.NewValue[hundred](&rows.Scope, "value")
			if err != nil {
				b.Fatal(err)
			}
			return valueState{rows, v}
		},
	} {
		b.Run(name, func(b *testing.B) {
			store := openStore(b, openDisk(b, *benchMemory))
			state := open(b, keyed.NewBackend(core.KeyGroupRange{From: 0, To: 128}, 128, store, nil))
			for k := range int64(*benchKeys) {
				state.update(k, hash(&k))
			}
			rng := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			before := cpuTime()
			for b.Loop() {
				k := rng.Int64N(int64(*benchKeys))
				state.update(k, hash(&k))
			}
			b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
