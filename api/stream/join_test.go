package stream_test

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// disk is a store of bytes in order, as a backend on disk is one.
type disk struct{ entries []diskEntry }

type diskEntry struct{ key, value []byte }

func (d *disk) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(d.entries, key, func(e diskEntry, k []byte) int { return bytes.Compare(e.key, k) })
}

func (d *disk) Get(key, dst []byte) ([]byte, bool, error) {
	i, ok := d.find(key)
	if !ok {
		return dst, false, nil
	}
	return append(dst, d.entries[i].value...), true, nil
}

func (d *disk) Set(key, value []byte) error {
	i, ok := d.find(key)
	if !ok {
		d.entries = slices.Insert(d.entries, i, diskEntry{key: bytes.Clone(key)})
	}
	d.entries[i].value = bytes.Clone(value)
	return nil
}

func (d *disk) Delete(key []byte) error {
	if i, ok := d.find(key); ok {
		d.entries = slices.Delete(d.entries, i, i+1)
	}
	return nil
}

func (d *disk) DeleteRange(from, to []byte) error {
	i, _ := d.find(from)
	j, _ := d.find(to)
	d.entries = slices.Delete(d.entries, i, max(i, j))
	return nil
}

func (d *disk) Scan(from, to []byte, each func(key, value []byte) bool) error {
	i, _ := d.find(from)
	j, _ := d.find(to)
	for _, e := range slices.Clone(d.entries[i:max(i, j)]) {
		if !each(e.key, e.value) {
			break
		}
	}
	return nil
}

// bench is one keyed operator, the one with the uid it, with its state where the test wants it.
type bench struct {
	*fakeTask
	operator.Instance
	stop func()
	run  func(fn func()) // the task's Run; nil: there is none
}

// Run implements operator.Task.
func (b *bench) Run(fn func()) { b.run(fn) }

// onBench opens the operator with the uid it. outs are its outputs, the side outputs that the program reads included.
// d nil: its state is on the heap.
func onBench(t fataler, d *disk, outs []any, build func(env *stream.Env)) *bench {
	env := stream.NewEnv("bench", nil)
	build(env)
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{fakeTask: &fakeTask{ctx: context.Background(), now: time.UnixMilli(1000), counts: map[string]*operator.Counter{}}}
	for _, n := range sg.Nodes {
		if n.UID != "it" {
			continue
		}
		ctx := &operator.Context{Name: n.Name, Parallelism: 1, MaxParallelism: core.DefaultMaxParallelism, Task: b, Active: new(int32)}
		if d != nil {
			ctx.Disk = d
		}
		if b.Instance, err = n.New(ctx, outs); err != nil {
			t.Fatal(err)
		}
		if err = b.Lifecycle.Open(); err != nil {
			t.Fatal(err)
		}
		b.stop = func() {
			if err := b.Lifecycle.Close(); err != nil {
				t.Fatal(err)
			}
		}
		return b
	}
	t.Fatal("no operator has the uid it")
	return nil
}

type fataler interface{ Fatal(args ...any) }

// watermark sends a watermark to all inputs.
func (b *bench) watermark(ts int64) {
	for _, in := range b.Inputs {
		in.(interface{ Watermark(ts int64) }).Watermark(ts)
	}
}

// input is input i.
func input[T any](b *bench, i int) operator.Node[T] { return b.Inputs[i].(operator.Node[T]) }

// backends runs a test with state on the heap and on disk.
func backends(t *testing.T, f func(t *testing.T, d *disk)) {
	t.Helper()
	t.Run("heap", func(t *testing.T) { f(t, nil) })
	t.Run("disk", func(t *testing.T) { f(t, &disk{}) })
}

func BenchmarkJoins(b *testing.B) {
	pair := func(x, y num) int { return x.N + y.N }
	row := func(x num, _ *num) int { return x.N }
	for _, c := range []struct {
		name string
		verb func(x, y *stream.Keyed[uint64, num]) *stream.Stream[int]
	}{
		{"IntervalJoin", func(x, y *stream.Keyed[uint64, num]) *stream.Stream[int] {
			return stream.IntervalJoin(x, y, stream.Between(-10*time.Second, 10*time.Second), pair)
		}},
		{"Lookup", func(x, y *stream.Keyed[uint64, num]) *stream.Stream[int] { return stream.Lookup(x, y, row) }},
		{"LookupAt", func(x, y *stream.Keyed[uint64, num]) *stream.Stream[int] { return stream.LookupAt(x, y, row) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			j := onBench(b, nil, []any{operator.Node[int](&drop[int]{})}, func(env *stream.Env) {
				stream.Discard(c.verb(stream.KeyBy(from[num](env), numKey), stream.KeyBy(from[num](env), numKey)).UID("it"))
			})
			defer j.stop()
			first, second := input[num](j, 0), input[num](j, 1)
			var v num
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				v.Key = uint64(i) * 7919 % 10_000 // two records of a key within the interval, nearly
				ts := int64(i)
				first.Record(&v, ts)
				second.Record(&v, ts)
				if i%100 == 0 {
					j.watermark(ts - 1000)
				}
			}
		})
	}
}

func BenchmarkDeduplication(b *testing.B) {
	benchmarkKeyed(b, "Distinct", func(k *stream.Keyed[uint64, num]) *stream.Stream[num] { return stream.Distinct(k) })
	benchmarkKeyed(b, "Latest", func(k *stream.Keyed[uint64, num]) *stream.Stream[num] { return stream.Latest(k) })
	benchmarkKeyed(b, "TopN", func(k *stream.Keyed[uint64, num]) *stream.Stream[stream.Ranked[uint64, num]] {
		return stream.TopN(k, 10, func(a, b *num) bool { return a.N > b.N })
	})
}

// benchmarkKeyed sends records of 100,000 keys whose numbers are as good as random.
func benchmarkKeyed[U any](b *testing.B, name string, verb func(*stream.Keyed[uint64, num]) *stream.Stream[U]) {
	b.Run(name, func(b *testing.B) {
		j := onBench(b, nil, []any{operator.Node[U](&drop[U]{})}, func(env *stream.Env) {
			stream.Discard(verb(stream.KeyBy(from[num](env), numKey)).UID("it"))
		})
		defer j.stop()
		in := input[num](j, 0)
		var v num
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			v.Key, v.N = uint64(i)*7919%100_000, int(uint32(i)*2654435761>>8)
			in.Record(&v, int64(i))
		}
	})
}
