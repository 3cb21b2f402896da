package keyed

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
)

var everything = core.KeyGroupRange{From: 0, To: core.DefaultMaxParallelism}

func newTable[K comparable, V any](t testing.TB) (*Table[K, V], func(*K) uint64) {
	t.Helper()
	table, err := New[K, V](everything, core.DefaultMaxParallelism)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := codec.HashFor[K]()
	if err != nil {
		t.Fatal(err)
	}
	return table, hash
}

// TestTableIsAMap runs random operations against a Go map.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table, err := New[int, int](core.KeyGroupRange{From: 0, To: 2}, 2)
		if err != nil {
			rt.Fatal(err)
		}
		// Few different hashes, so that keys collide in slots and in all 32 bits.
		spread := rapid.SampledFrom([]uint64{1, 3, 1 << 20}).Draw(rt, "spread")
		hash := func(k int) uint64 { return codec.Uint64(uint64(k) % spread) }
		model := make(map[int]int)
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				for range rapid.IntRange(1, 100).Draw(rt, "n") {
					k, v := rapid.IntRange(0, 2000).Draw(rt, "k"), rapid.Int().Draw(rt, "v")
					_, known := model[k]
					ref, isNew := table.Ref(&k, hash(k))
					if isNew == known || *ref != model[k] {
						rt.Fatalf("ref of %d: new %v, value %d; want %v, %d", k, isNew, *ref, !known, model[k])
					}
					*ref, model[k] = v, v
				}
			},
			"get": func(rt *rapid.T) {
				k := rapid.IntRange(0, 2000).Draw(rt, "k")
				want, known := model[k]
				if got := table.Get(&k, hash(k)); (got != nil) != known || known && *got != want {
					rt.Fatalf("get of %d: %v, want %v %v", k, got, want, known)
				}
			},
			"delete": func(rt *rapid.T) {
				for range rapid.IntRange(1, 50).Draw(rt, "n") {
					k := rapid.IntRange(0, 2000).Draw(rt, "k")
					_, known := model[k]
					if table.Delete(&k, hash(k)) != known {
						rt.Fatalf("delete of %d: want %v", k, known)
					}
					delete(model, k)
				}
			},
			"sweep": func(rt *rapid.T) {
				odd := rapid.IntRange(0, 1).Draw(rt, "odd")
				for k := range table.All() {
					if key := *k; key%2 == odd {
						table.Delete(&key, hash(key))
						delete(model, key)
					}
				}
			},
			"clear": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "do") == 0 {
					table.Clear()
					clear(model)
				}
			},
			"": func(rt *rapid.T) {
				seen := make(map[int]int)
				for k, v := range table.All() {
					if _, twice := seen[*k]; twice {
						rt.Fatalf("key %d twice", *k)
					}
					seen[*k] = *v
				}
				if fmt.Sprint(seen) != fmt.Sprint(model) || table.Len() != len(model) {
					rt.Fatalf("table %v (%d)\nmodel %v", seen, table.Len(), model)
				}
			},
		})
	})
}

func TestInsertionOrderAndStablePointers(t *testing.T) {
	table, hash := newTable[int, int](t)
	const n = 200_000
	refs := make([]*int, n)
	for i := range n {
		refs[i], _ = table.Ref(&i, hash(&i))
		*refs[i] = i
	}
	for i := range n {
		if got, _ := table.Ref(&i, hash(&i)); got != refs[i] || *got != i {
			t.Fatalf("entry %d moved", i)
		}
	}
	for group := range core.DefaultMaxParallelism {
		last := -1
		for k := range table.Group(group) {
			if *k <= last || core.KeyGroup(hash(k), core.DefaultMaxParallelism) != group {
				t.Fatalf("key %d after %d in group %d", *k, last, group)
			}
			last = *k
		}
	}
}

// TestKeysDoNotPinFrames holds that a stored key has memory of its own (DATAPLANE 5).
func TestKeysDoNotPinFrames(t *testing.T) {
	type key struct {
		User string
		Tags [2]string
	}
	table, hash := newTable[key, string](t)
	frame := strings.Repeat("x", 32<<10)
	k := key{frame[:8], [2]string{frame[8:16], frame[16:20]}}
	table.Ref(&k, hash(&k))
	for stored := range table.All() {
		if *stored != k {
			t.Fatal(*stored)
		}
		for _, s := range []string{stored.User, stored.Tags[0], stored.Tags[1]} {
			at, lo := uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(unsafe.Pointer(unsafe.StringData(frame)))
			if at >= lo && at < lo+uintptr(len(frame)) {
				t.Errorf("%q points into the frame", s)
			}
		}
	}
}

// TestForeignKeyGroupPanics holds B-46: a key that hashes differently each time does not go into a wrong table.
func TestForeignKeyGroupPanics(t *testing.T) {
	table, err := New[string, int](core.KeyGroupRange{From: 0, To: 64}, 128)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "key group 127") {
			t.Fatal(got)
		}
	}()
	k := "k"
	table.Ref(&k, 1<<64-1)
}

func TestNewRefuses(t *testing.T) {
	if _, err := New[*int, int](everything, 128); err == nil {
		t.Error("pointer keys were accepted")
	}
	if _, err := New[int, int](core.KeyGroupRange{From: 5, To: 200}, 128); err == nil {
		t.Error("a range beyond the key groups was accepted")
	}
}

func TestHitDoesNotAllocate(t *testing.T) {
	table, hash := newTable[string, int64](t)
	words := make([]string, 1000)
	for i := range words {
		words[i] = fmt.Sprint("word", i)
		table.Ref(&words[i], hash(&words[i]))
	}
	i := 0
	if n := testing.AllocsPerRun(10_000, func() {
		k := &words[i%len(words)]
		v, _ := table.Ref(k, hash(k))
		*v++
		i++
	}); n != 0 {
		t.Errorf("%v allocations per hit", n)
	}
}

func benchmark[K comparable](b *testing.B, keys []K) {
	hash, err := codec.HashFor[K]()
	if err != nil {
		b.Fatal(err)
	}
	b.Run(fmt.Sprintf("table/%d", len(keys)), func(b *testing.B) {
		table, _ := newTable[K, [2]int64](b)
		for i := range keys {
			table.Ref(&keys[i], hash(&keys[i]))
		}
		b.ReportAllocs()
		i := uint32(0)
		for b.Loop() {
			k := &keys[uint64(i*2654435761)*uint64(len(keys))>>32]
			v, _ := table.Ref(k, hash(k))
			v[0]++
			i++
		}
	})
	b.Run(fmt.Sprintf("gomap/%d", len(keys)), func(b *testing.B) {
		m := make(map[K][2]int64)
		for i := range keys {
			m[keys[i]] = [2]int64{}
		}
		b.ReportAllocs()
		i := uint32(0)
		for b.Loop() {
			k := &keys[uint64(i*2654435761)*uint64(len(keys))>>32]
			v := m[*k]
			v[0]++
			m[*k] = v
			i++
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		ints, texts := make([][2]int64, n), make([]string, n)
		for i := range n {
			ints[i] = [2]int64{int64(i), int64(i)}
			texts[i] = fmt.Sprint("word-", i)
		}
		b.Run("pair", func(b *testing.B) { benchmark(b, ints) })
		b.Run("string", func(b *testing.B) { benchmark(b, texts) })
	}
}
