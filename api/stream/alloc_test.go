package stream_test

import (
	"context"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/operator"
)

// big is a record of the size of a benchmark event, with a string.
type big struct {
	Key  uint64
	Text string
	Rest [16]uint64
}

// task is the least a task can be.
type task struct{ operator.Task }

func (task) Context() context.Context { return context.Background() }

func (task) OnIdle(func()) {}

func (task) Metrics(core.OperatorID) operator.MetricGroup { return metrics{} }

type metrics struct{}

func (metrics) Counter(string) *operator.Counter { return new(operator.Counter) }

func (metrics) Gauge(string, func() float64) {}

// drop is the end of a chain.
type drop[T any] struct{ n int }

func (d *drop[T]) Record(*T, int64) { d.n++ }
func (d *drop[T]) Watermark(int64)  {}
func (d *drop[T]) Idle()            {}
func (d *drop[T]) End()             {}

// chain builds a program with one operator and returns its input and how many records came out.
func chain[T, U any](t testing.TB, verb func(*stream.Stream[T]) *stream.Stream[U]) (operator.Node[T], *drop[U]) {
	t.Helper()
	env := stream.NewEnv("alloc", nil)
	stream.Discard(verb(from[T](env)))
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	out := &drop[U]{}
	in, err := sg.Nodes[1].New(&operator.Context{Name: "op", Parallelism: 1, MaxParallelism: core.DefaultMaxParallelism, Task: task{}},
		[]any{operator.Node[U](out), operator.Node[stream.Letter[T]](&drop[stream.Letter[T]]{})})
	if err != nil {
		t.Fatal(err)
	}
	if in.Lifecycle != nil {
		if err := in.Lifecycle.Open(); err != nil {
			t.Fatal(err)
		}
	}
	return in.Inputs[0].(operator.Node[T]), out
}

// perRecord measures how an operator takes records of 100 keys.
func perRecord[U any](t *testing.T, name string, verb func(*stream.Stream[big]) *stream.Stream[U]) {
	t.Run(name, func(t *testing.T) {
		in, out := chain(t, verb)
		v := &big{Text: "text"}
		send := func() {
			v.Key = (v.Key + 1) % 100
			in.Record(v, 7)
		}
		for range 200 {
			send() // tables have grown
		}
		if n := testing.AllocsPerRun(1000, send); n != 0 {
			t.Errorf("%v allocations per record", n)
		}
		if out.n == 0 {
			t.Error("nothing came out")
		}
	})
}

// rename is a Processor with everything that costs something.
type rename struct{ tag stream.OutputTag[uint64] }

func (r *rename) Process(ctx *stream.Context[uint64, big], v big) error {
	v.Text = "renamed"
	ctx.Emit(v)
	r.tag.Emit(ctx, ctx.Key())
	return nil
}

func TestOperatorsDoNotAllocatePerRecord(t *testing.T) {
	key := func(v big) uint64 { return v.Key }
	text := func(v big) string { return v.Text }
	perRecord(t, "Map", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.Map(s, func(v big) big { v.Key++; return v })
	})
	perRecord(t, "MapRef", func(s *stream.Stream[big]) *stream.Stream[uint64] {
		return stream.MapRef(s, func(v *big) uint64 { return v.Key })
	})
	perRecord(t, "Filter", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.Filter(s, func(v big) bool { return v.Key%2 == 0 })
	})
	perRecord(t, "FilterRef", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.FilterRef(s, func(v *big) bool { return v.Key%2 == 0 })
	})
	perRecord(t, "Update", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.Update(s, func(v *big) { v.Rest[0]++ })
	})
	perRecord(t, "Pick", func(s *stream.Stream[big]) *stream.Stream[string] {
		return stream.Pick(s, func(v *big) *string { return &v.Text })
	})
	perRecord(t, "FlatMapRef", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.FlatMapRef(s, func(v *big, emit func(big)) error { emit(*v); emit(*v); return nil })
	})
	perRecord(t, "KeyBy+Count", func(s *stream.Stream[big]) *stream.Stream[stream.Pair[uint64, int64]] {
		return stream.Count(stream.KeyBy(s, key))
	})
	perRecord(t, "KeyBy+Count of strings", func(s *stream.Stream[big]) *stream.Stream[stream.Pair[string, int64]] {
		return stream.Count(stream.KeyBy(s, text))
	})
	perRecord(t, "KeyBy+Sum", func(s *stream.Stream[big]) *stream.Stream[stream.Pair[uint64, uint64]] {
		return stream.Sum(stream.KeyBy(s, key), key)
	})
	perRecord(t, "KeyBy+Process", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.Process(stream.KeyBy(s, key), &rename{stream.NewOutputTag[uint64]("keys")})
	})
	perRecord(t, "KeyBy+Process with state", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.Process(stream.KeyBy(s, key), &tally{state.NewValue[int64]("n")})
	})
	perRecord(t, "KeyBy+Process with timers", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.Process(stream.KeyBy(s, key), &postponer{state.NewValue[time.Time]("due")})
	})
	perRecord(t, "CoFlatMap", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.CoFlatMap(stream.Connect(s, s),
			func(v big, emit func(big)) error { emit(v); return nil }, func(big, func(big)) error { return nil })
	})
	perRecord(t, "CoMap", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.CoMap(stream.Connect(s, s), func(v big) big { return v }, func(v big) big { return v })
	})
}

func TestReduceDoesNotAllocatePerRecord(t *testing.T) {
	in, out := chain(t, func(s *stream.Stream[uint64]) *stream.Stream[uint64] {
		return stream.Reduce(stream.KeyBy(s, func(v uint64) uint64 { return v % 10 }), func(a, b uint64) uint64 { return a/10*10 + b })
	})
	v := uint64(0)
	send := func() { v++; in.Record(&v, 1) }
	for range 100 {
		send()
	}
	if n := testing.AllocsPerRun(1000, send); n != 0 || out.n == 0 {
		t.Errorf("%v allocations per record, %d came out", n, out.n)
	}
}

func TestPartitionersDoNotAllocatePerRecord(t *testing.T) {
	for name, s := range map[string]func(*stream.Stream[big]) *stream.Stream[big]{
		"KeyBy": func(s *stream.Stream[big]) *stream.Stream[big] {
			return stream.KeyBy(s, func(v big) string { return v.Text }).Stream()
		},
		"PartitionCustom": func(s *stream.Stream[big]) *stream.Stream[big] {
			return stream.PartitionCustom(s, func(v big, n int) int { return int(v.Key) % n })
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := stream.NewEnv("alloc", nil)
			stream.Discard(s(from[big](env)))
			sg, err := env.StreamGraph()
			if err != nil {
				t.Fatal(err)
			}
			choose := sg.Nodes[1].Inputs[0].Partition.(operator.Partition[big])(4, 128)
			v, seen := &big{Text: "text"}, [4]int{}
			if n := testing.AllocsPerRun(1000, func() { v.Key++; seen[choose(v)]++ }); n != 0 {
				t.Errorf("%v allocations per record", n)
			}
		})
	}
}

// The producer's choice of a subtask must be the consumer's choice of its key groups, for any number of them.
func TestKeysGoToTheSubtaskThatOwnsThem(t *testing.T) {
	hash, err := codec.HashFor[uint64]()
	if err != nil {
		t.Fatal(err)
	}
	env := stream.NewEnv("keys", nil)
	stream.Discard(stream.KeyBy(from[uint64](env), func(v uint64) uint64 { return v }).Stream())
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	for _, maxParallelism := range []int{1, 7, 100, 128, 32768} {
		for _, p := range []int{1, 2, 3, 7, 100} {
			if p > maxParallelism {
				continue
			}
			choose := sg.Nodes[1].Inputs[0].Partition.(operator.Partition[uint64])(p, maxParallelism)
			for v := range uint64(1000) {
				i, group := choose(&v), core.KeyGroup(hash(&v), maxParallelism)
				if own := core.KeyGroupsOf(i, maxParallelism, p); group < own.From || group >= own.To {
					t.Fatalf("key %d of group %d of %d goes to subtask %d of %d, which owns %v", v, group, maxParallelism, i, p, own)
				}
			}
		}
	}
}

// BenchmarkChain is the cost of a chain of operators over a record of 152 bytes.
func BenchmarkChain(b *testing.B) {
	in, _ := chain(b, func(s *stream.Stream[big]) *stream.Stream[uint64] {
		return stream.MapRef(s, func(v *big) uint64 { return v.Key })
	})
	b.Run("MapRef", func(b *testing.B) {
		v := &big{}
		b.ReportAllocs()
		for b.Loop() {
			in.Record(v, 1)
		}
	})
	count, _ := chain(b, func(s *stream.Stream[big]) *stream.Stream[stream.Pair[uint64, int64]] {
		return stream.Count(stream.KeyByRef(s, func(v *big) uint64 { return v.Key }))
	})
	b.Run("Count of 10k keys", func(b *testing.B) {
		v := &big{}
		b.ReportAllocs()
		for b.Loop() {
			v.Key = (v.Key + 1) % 10_000
			count.Record(v, 1)
		}
	})
}

// BenchmarkProcess is the cost of state, timers and guards per record, of 10,000 keys.
func BenchmarkProcess(b *testing.B) {
	key := func(v *big) uint64 { return v.Key }
	for name, verb := range map[string]func(*stream.Stream[big]) *stream.Stream[big]{
		"State": func(s *stream.Stream[big]) *stream.Stream[big] {
			return stream.Process(stream.KeyByRef(s, key), &tally{state.NewValue[int64]("n")})
		},
		"StateAndTimer": func(s *stream.Stream[big]) *stream.Stream[big] {
			return stream.Process(stream.KeyByRef(s, key), &postponer{state.NewValue[time.Time]("due")})
		},
		"Filter": func(s *stream.Stream[big]) *stream.Stream[big] {
			return stream.FilterRef(s, func(*big) bool { return true })
		},
		"FilterThatSkips": func(s *stream.Stream[big]) *stream.Stream[big] {
			return stream.FilterRef(s, func(*big) bool { return true }).OnError(stream.Skip)
		},
	} {
		b.Run(name, func(b *testing.B) {
			in, _ := chain(b, verb)
			v := &big{}
			b.ReportAllocs()
			for b.Loop() {
				v.Key = (v.Key + 1) % 10_000
				in.Record(v, 1)
			}
		})
	}
}
