package keyed_test

import (
	"testing"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/keyed/keyedtest"
)

func TestConformanceOfHeap(t *testing.T) {
	keyedtest.Run(t, func(testing.TB) keyed.KeyValue { return nil })
}

func TestConformanceOfDisk(t *testing.T) {
	keyedtest.Run(t, func(testing.TB) keyed.KeyValue { return &keyedtest.Memory{} })
}

// TestHitOnDiskDoesNotAllocate: what is in memory is used as on the heap.
func TestHitOnDiskDoesNotAllocate(t *testing.T) {
	b := keyed.NewBackend(core.KeyGroupRange{From: 0, To: 128}, 128, &keyedtest.Memory{}, nil)
	store, err := keyed.NewStore[string, int64](b, "store")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := keyed.NewRows[string](b)
	if err != nil {
		t.Fatal(err)
	}
	value, err := keyed.NewValue[int64](&rows.Scope, "value")
	if err != nil {
		t.Fatal(err)
	}
	counts, err := keyed.NewMap[string, int64](&rows.Scope, "counts")
	if err != nil {
		t.Fatal(err)
	}
	hash, err := codec.HashFor[string]()
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{"one", "two", "three"}
	i := 0
	update := func() {
		k := &keys[i%len(keys)]
		h := hash(k)
		v, _ := store.Ref(k, h)
		*v++
		rows.SetKey(k, h)
		v, _ = value.Ref()
		*v++
		v, _ = counts.Ref(k)
		*v++
		i++
	}
	for range keys {
		update()
	}
	if n := testing.AllocsPerRun(1000, update); n != 0 {
		t.Errorf("%v allocations per update", n)
	}
}
