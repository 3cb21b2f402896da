package keyed

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
)

// spread visits n keys in an order that caches do not foresee.
func spread(i uint32, n int) int { return int(uint64(i*2654435761) * uint64(n) >> 32) }

// BenchmarkValue is the state access of one record: one key, one or three states of it.
func BenchmarkValue(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		for _, states := range []int{1, 3} {
			b.Run(fmt.Sprintf("states=%d/keys=%d", states, n), func(b *testing.B) {
				backed := NewBackend(everything, core.DefaultMaxParallelism, nil, nil)
				rows, err := NewRows[[2]int64](backed)
				if err != nil {
					b.Fatal(err)
				}
				values := make([]*Value[[2]int64], states)
				for i := range values {
					if values[i], err = NewValue[[2]int64](&rows.Scope, fmt.Sprint(i)); err != nil {
						b.Fatal(err)
					}
				}
				var k [2]int64
				touch := func(i int) {
					k[0], k[1] = int64(i), int64(i)
					rows.SetKey(&k, rows.hashOf(&k))
					for _, value := range values {
						v, _ := value.Ref()
						v[0]++
					}
				}
				for i := range n {
					touch(i)
				}
				b.ReportAllocs()
				i := uint32(0)
				for b.Loop() {
					touch(spread(i, n))
					i++
				}
			})
		}
	}
}

// BenchmarkMap updates one of 8 entries of a key's map.
func BenchmarkMap(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			s := newBench[int](b, everything, core.DefaultMaxParallelism)
			k, mk := 0, 0
			touch := func(i, j int) {
				k, mk = i, j
				s.rows.SetKey(&k, s.hash(&k))
				v, _ := s.maps.Ref(&mk)
				*v++
			}
			for i := range n {
				for j := range 8 {
					touch(i, j)
				}
			}
			b.ReportAllocs()
			i := uint32(0)
			for b.Loop() {
				touch(spread(i, n), int(i%8))
				i++
			}
		})
	}
}

// BenchmarkTimers sets a timer per record and fires those that are due: keys and times as given.
func BenchmarkTimers(b *testing.B) {
	for _, c := range []struct {
		name   string
		keys   int
		perMs  uint32 // records of a millisecond
		cancel bool   // the key's timer before is cancelled
	}{
		{"set+fire/keys=1M/100 per ms", 1_000_000, 100, false},
		{"set+fire/keys=1M/1 per ms", 1_000_000, 1, false},
		{"set+fire/keys=10k/100 per ms", 10_000, 100, false},
		{"cancel+set/keys=10k/100 per ms", 10_000, 100, true},
		{"cancel+set/keys=1M/100 per ms", 1_000_000, 100, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newBench[int](b, everything, core.DefaultMaxParallelism)
			life := int64(c.keys) / int64(c.perMs) // so that each key has about one timer
			last := make([]int64, c.keys)
			i, fired := uint32(0), 0
			count := func(int64) { fired++ }
			k := 0
			record := func() {
				now := int64(i / c.perMs)
				k = spread(i, c.keys)
				s.rows.SetKey(&k, s.hash(&k))
				s.value.Ref()
				if c.cancel {
					s.event.Cancel(last[k])
					last[k] = now + life
				}
				s.event.Set(now + life)
				if i++; i%1000 == 0 {
					s.event.Fire(now, count)
				}
			}
			for range c.keys {
				record()
			}
			b.ReportAllocs()
			for b.Loop() {
				record()
			}
		})
	}
}

// BenchmarkAligned is the pattern of windows without slices: all keys have a timer at the same few times.
func BenchmarkAligned(b *testing.B) {
	s := newBench[int](b, everything, core.DefaultMaxParallelism)
	i, k := uint32(0), 0
	none := func(int64) {}
	b.ReportAllocs()
	for b.Loop() {
		k = spread(i, 10_000)
		s.rows.SetKey(&k, s.hash(&k))
		s.event.Set(int64(i / 100_000))
		if i++; i%100_000 == 0 {
			s.event.Fire(int64(i/100_000)-1, none)
		}
	}
}

// BenchmarkCollect is a full garbage collection with ten million keys, each with a value and a timer.
func BenchmarkCollect(b *testing.B) {
	const keys = 10_000_000
	for _, strings := range []bool{false, true} {
		b.Run(fmt.Sprintf("strings=%v", strings), func(b *testing.B) {
			if testing.Short() {
				b.Skip("takes gigabytes")
			}
			backed := NewBackend(everything, core.DefaultMaxParallelism, nil, nil)
			rows, err := NewRows[int64](backed)
			if err != nil {
				b.Fatal(err)
			}
			text, err1 := NewValue[string](&rows.Scope, "text")
			value, err2 := NewValue[[2]int64](&rows.Scope, "value")
			timers, err3 := NewTimers(&rows.Scope, "timers")
			if err1 != nil || err2 != nil || err3 != nil {
				b.Fatal(err1, err2, err3)
			}
			old := debug.SetGCPercent(400)
			defer debug.SetGCPercent(old)
			var k int64
			for k = range int64(keys) {
				rows.SetKey(&k, rows.hashOf(&k))
				if strings {
					s := fmt.Sprint("user-", k)
					text.Set(&s)
				} else {
					v, _ := value.Ref()
					v[0] = k
				}
				timers.Set(k / 100)
			}
			start, n := cpu(), 0
			for b.Loop() {
				runtime.GC()
				n++
			}
			b.ReportMetric(heapMiB(), "MiB")
			b.ReportMetric(float64((cpu()-start).Milliseconds())/float64(n), "gc-cpu-ms")
			if next, ok := timers.Next(); !ok || next != 0 {
				b.Fatal(next)
			}
			timers.Fire(math.MinInt64, nil)
		})
	}
}

var garbage []byte

// BenchmarkDelay is how long one of many records takes that each leave 256 bytes of garbage, with few keys of state
// and with ten million, and what collections take of the processor (issue 4, point 9).
func BenchmarkDelay(b *testing.B) {
	for _, keys := range []int{1000, 10_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			if testing.Short() {
				b.Skip("takes a gigabyte")
			}
			s := newBench[int](b, everything, core.DefaultMaxParallelism)
			percent := 800 // as the worker sets it, for a small heap and for a large one
			if keys > 1000 {
				percent = 30
			}
			defer debug.SetGCPercent(debug.SetGCPercent(percent))
			k, at, i := 0, int64(0), uint32(0)
			touch := func(key int) {
				k = key
				s.rows.SetKey(&k, s.hash(&k))
				v, _ := s.value.Ref()
				*v++
				s.event.Set(at)
			}
			for key := range keys {
				at = int64(key) / 1000
				touch(key)
			}
			runtime.GC()
			gc := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
			metrics.Read(gc)
			collecting, busy := gc[0].Value.Float64(), cpu()
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				garbage = make([]byte, 256)
				touch(spread(i, keys))
				took = append(took, time.Since(start))
				i++
			}
			busy = cpu() - busy
			runtime.GC() // brings the metric up to date
			metrics.Read(gc)
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
			b.ReportMetric(float64(took[len(took)*9999/10000].Nanoseconds()), "p99.99-ns")
			b.ReportMetric(100*(gc[0].Value.Float64()-collecting)/busy.Seconds(), "gc-%")
		})
	}
}
