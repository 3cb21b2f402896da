package keyed

import (
	"math"
	"runtime"
	"testing"

	"github.com/flink-go/flink-go/core"
)

// heapMiB is the memory of what is reachable.
func heapMiB() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// TestReleased holds that the memory of keys that came and went serves the next ones, and is given back when no key
// is left: a job that runs long does not grow (issue 4, point 2).
func TestReleased(t *testing.T) {
	b := newBench[int](t, everything, core.DefaultMaxParallelism)
	before := heapMiB()
	const keys = 50_000
	k, at := 0, int64(0)
	clear := func(int64) {
		b.value.Clear()
		b.list.Clear()
		b.maps.Clear()
		b.extra.Clear()
	}
	text := "a text that is no key"
	fill := func(n int) {
		for range n {
			k++ // always a new key
			b.rows.SetKey(&k, b.hash(&k))
			v, _ := b.value.Ref()
			*v = k
			b.list.Append(v)
			b.list.Append(v)
			b.maps.Set(v, v)
			b.extra.Set(&text)
			at++
			for i := range int64(k % 4) {
				b.event.Set(at - i)
			}
			b.event.Set(at)
		}
	}
	fill(keys)
	full := heapMiB() - before
	for range 5 * keys {
		fill(1)
		b.event.Fire(at-keys, clear)
	}
	if grown := heapMiB() - before; grown > 1.6*full {
		t.Errorf("%.1f MiB for %d keys at first, %.1f MiB after five times as many came and went", full, keys, grown)
	}
	for range 3 { // memory goes back when it was not needed twice
		b.event.Fire(math.MaxInt64, clear)
		fill(1)
	}
	if left := heapMiB() - before; left > full/2 {
		t.Errorf("%.1f MiB are left of %.1f for one key", left, full)
	}
	runtime.KeepAlive(b)
}

// TestCancelledTimersAreReleased holds that to move the one timer of a key with each record takes no memory, although
// the old time never comes.
func TestCancelledTimersAreReleased(t *testing.T) {
	for _, keys := range []int{1, 100} {
		b := newBench[int](t, everything, core.DefaultMaxParallelism)
		const hour = 3_600_000
		last := make([]int64, keys)
		move := func(n int, step int64) {
			for i := range n {
				k, at := i%keys, int64(i)*step
				b.key(k)
				if last[k] != 0 {
					b.event.Cancel(last[k])
				}
				last[k] = at + hour
				b.event.Set(last[k])
			}
		}
		move(1000, 1)
		before := heapMiB()
		move(500_000, 1)
		move(500_000, 0) // all to the same time
		if grown := heapMiB() - before; grown > 1 {
			t.Errorf("%d keys: %.1f MiB more after a million moves", keys, grown)
		}
		if b.event.Len() != keys || len(b.event.times) > 128+2*keys {
			t.Errorf("%d timers, %d times for %d keys", b.event.Len(), len(b.event.times), keys)
		}
		n := 0
		b.event.Fire(math.MaxInt64, func(at int64) {
			if at != last[*b.rows.Key()] {
				t.Errorf("timer of %d at %d, want %d", *b.rows.Key(), at, last[*b.rows.Key()])
			}
			n++
		})
		if n != keys {
			t.Errorf("%d timers fired of %d keys", n, keys)
		}
	}
}

// TestMemoryPerKey holds what a key costs: state of pointer-free types, inline and with little around it.
func TestMemoryPerKey(t *testing.T) {
	const keys = 300_000
	backed := NewBackend(everything, core.DefaultMaxParallelism, nil, nil)
	rows, err := NewRows[int64](backed)
	if err != nil {
		t.Fatal(err)
	}
	type account struct{ N, Sum int64 }
	value, err := NewValue[account](&rows.Scope, "account")
	if err != nil {
		t.Fatal(err)
	}
	before := heapMiB()
	var k int64
	for k = range int64(keys) {
		rows.SetKey(&k, rows.hashOf(&k))
		v, _ := value.Ref()
		v.N = k
	}
	perKey := (heapMiB() - before) * (1 << 20) / keys
	t.Logf("%.0f bytes per key of 8 bytes with a value of 16", perKey)
	if perKey > 72 {
		t.Errorf("%.0f bytes per key", perKey)
	}
	runtime.KeepAlive(rows)
}
