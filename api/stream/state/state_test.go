package state_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/keyed/keyedtest"
)

// subtask is an operator's keyed state with keys of type int, as a context sees it.
type subtask struct {
	rows *keyed.Rows[int]
	hash func(*int) uint64
	now  int64
	k    int
}

func (s *subtask) Scope() *keyed.Scope { return &s.rows.Scope }

func (s *subtask) key(k int) {
	s.k = k
	s.rows.SetKey(&s.k, s.hash(&s.k))
}

// backends are where state may lie: on the heap, on disk with memory for all of it, and with memory for nothing.
var backends = map[string]func() keyed.KeyValue{
	"heap":        func() keyed.KeyValue { return nil },
	"disk":        func() keyed.KeyValue { return &keyedtest.Memory{} },
	"disk, tight": func() keyed.KeyValue { return keyedtest.Limited(&keyedtest.Memory{}, 1) },
}

func newSubtask(t interface{ Fatal(args ...any) }, handles ...state.Descriptor) *subtask {
	return newSubtaskOn(t, nil, handles...)
}

func newSubtaskOn(t interface{ Fatal(args ...any) }, disk keyed.KeyValue, handles ...state.Descriptor) *subtask {
	s := new(subtask)
	b := keyed.NewBackend(core.KeyGroupRange{From: 0, To: core.DefaultMaxParallelism}, core.DefaultMaxParallelism, disk, nil)
	var err error
	if s.rows, err = keyed.NewRows[int](b); err != nil {
		t.Fatal(err)
	}
	if s.hash, err = codec.HashFor[int](); err != nil {
		t.Fatal(err)
	}
	s.rows.SetClock(func() int64 { return s.now })
	for _, h := range handles {
		if err := h.Bind(s.Scope()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// noKey is the context of a stream without key.
type noKey struct{}

func (noKey) Scope() *keyed.Scope { return nil }

func sum(a, b int) int { return a + b }

func TestHandles(t *testing.T) {
	for name, disk := range backends {
		t.Run(name, func(t *testing.T) { testHandles(t, disk()) })
	}
}

func testHandles(t *testing.T, disk keyed.KeyValue) {
	last := state.NewValue[time.Duration]("last")
	seen := state.NewList[string]("seen")
	stock := state.NewMap[string, int]("stock")
	total := state.NewReducing("total", sum)
	mean := state.NewAggregating("mean", func(acc [2]int, v int) [2]int { return [2]int{acc[0] + v, acc[1] + 1} },
		func(acc [2]int) float64 { return float64(acc[0]) / float64(acc[1]) })
	handles := []state.Descriptor{last, seen, stock, total, mean}
	ctx := newSubtaskOn(t, disk, handles...)
	for k := range 3 {
		ctx.key(k)
		if _, ok := last.Get(ctx); ok {
			t.Error("a value before the first")
		}
		last.Set(ctx, time.Duration(k))
		seen.Add(ctx, "a")
		seen.Add(ctx, fmt.Sprint(k))
		stock.Put(ctx, "apples", k)
		n, isNew := stock.Ref(ctx, "pears")
		if !isNew {
			t.Error("pears are known")
		}
		*n += 10 * k
		total.Add(ctx, k)
		total.Add(ctx, 5)
		mean.Add(ctx, k)
		mean.Add(ctx, 0)
	}
	for k := range 3 {
		ctx.key(k)
		if v, ok := last.Get(ctx); !ok || v != time.Duration(k) {
			t.Error(v, ok)
		}
		if got := slices.Collect(seen.All(ctx)); !slices.Equal(got, []string{"a", fmt.Sprint(k)}) || seen.Len(ctx) != 2 {
			t.Error(got)
		}
		if got := maps.Collect(stock.All(ctx)); !maps.Equal(got, map[string]int{"apples": k, "pears": 10 * k}) || stock.Len(ctx) != 2 {
			t.Error(got)
		}
		if v, ok := total.Get(ctx); !ok || v != k+5 {
			t.Error(v, ok)
		}
		if v, ok := mean.Get(ctx); !ok || v != float64(k)/2 {
			t.Error(v, ok)
		}
		seen.Set(ctx, []string{"x", "y"})
		if got := slices.Collect(seen.All(ctx)); !slices.Equal(got, []string{"x", "y"}) {
			t.Error(got)
		}
		if !stock.Delete(ctx, "apples") || stock.Delete(ctx, "apples") {
			t.Error("apples are deleted once")
		}
		last.Clear(ctx)
		seen.Clear(ctx)
		stock.Clear(ctx)
		total.Clear(ctx)
		mean.Clear(ctx)
		if _, ok := mean.Get(ctx); ok {
			t.Error("a mean of nothing")
		}
	}
	if n := ctx.rows.Len(); n != 0 && disk == nil {
		t.Errorf("%d keys are left", n)
	}
}

// TestHandleIsShared holds that a handle has no state of its own: subtasks and operators that share it do not mix,
// wherever in their scopes it is.
func TestHandleIsShared(t *testing.T) {
	a, b := state.NewValue[int]("a"), state.NewValue[int]("b")
	one, two := newSubtask(t, a, b), newSubtask(t, b, a)
	for i, ctx := range []*subtask{one, two, one, two} {
		ctx.key(7)
		n, isNew := a.Ref(ctx)
		if isNew != (i < 2) {
			t.Errorf("access %d: new is %v", i, isNew)
		}
		*n++
		b.Set(ctx, -*n)
		if v, _ := a.Get(ctx); v != i/2+1 {
			t.Errorf("access %d: %d", i, v)
		}
		if v, _ := b.Get(ctx); v != -(i/2 + 1) {
			t.Errorf("access %d: %d", i, v)
		}
	}
}

func panics(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}()
	f()
}

// TestMisuse holds issue 4, points 3 and 10: access where there is no state is an error that says what to do.
func TestMisuse(t *testing.T) {
	v, other := state.NewValue[int]("count"), state.NewList[int]("other")
	ctx := newSubtask(t, v)
	panics(t, `state "count": there is no current key`, func() { v.Get(ctx) })
	ctx.key(1)
	v.Set(ctx, 1)
	ctx.rows.NoKey()
	panics(t, `state "count": there is no current key`, func() { v.Set(ctx, 2) })
	ctx.key(1)
	panics(t, `state "other" is not declared: list it in what the State method`, func() { other.Add(ctx, 1) })
	panics(t, `state "count": the stream has no key: state belongs to a key, so use KeyBy`, func() { v.Get(noKey{}) })

	for want, h := range map[string]state.Descriptor{
		`a state has no name`:                         state.NewValue[int](""),
		`state "count" is declared twice`:             state.NewMap[int, int]("count"),
		`state "t": time to live 0s`:                  state.NewValue[int]("t", state.TTL(0)),
		`state "f": the function is nil`:              state.NewReducing[int]("f", nil),
		`state "g": the function is nil`:              state.NewAggregating[int, int, int]("g", nil, nil),
		`state "c": value: `:                          state.NewList[func()]("c"),
		`state "m": map key: `:                        state.NewMap[any, int]("m"),
		`state "at": map key: Time: time.Time is no`:  state.NewMap[time.Time, int]("at"),
		`state "r": value: chan int: chan int cannot`: state.NewValue[chan int]("r"),
		`state "l": time to live 1µs: it must be`:     state.NewMap[int, int]("l", state.TTL(time.Microsecond)),
	} {
		if err := h.Bind(ctx.Scope()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// entry is a value of the model with the time of its last write.
type entry struct {
	v  int
	at int64
}

// TestTTLIsATable runs random accesses with a clock that may run backwards against Go maps that know when each
// value was written: what is expired is never seen again.
func TestTTLIsATable(t *testing.T) {
	for name, disk := range backends {
		t.Run(name, func(t *testing.T) { testTTL(t, disk) })
	}
}

func testTTL(t *testing.T, disk func() keyed.KeyValue) {
	rapid.Check(t, func(rt *rapid.T) {
		const life = 100
		onRead := rapid.Bool().Draw(rt, "on read")
		how := []state.TTLOption{state.Cleanup(rapid.IntRange(0, 3).Draw(rt, "cleanup"))}
		if onRead {
			how = append(how, state.OnRead())
		}
		ttl := state.TTL(life*time.Millisecond, how...)
		value, total := state.NewValue[int]("value", ttl), state.NewReducing("total", sum, ttl)
		list, table := state.NewList[int]("list", ttl), state.NewMap[int, int]("map", ttl)
		ctx := newSubtaskOn(rt, disk(), value, list, table, total)
		values, totals := map[int]entry{}, map[int]entry{}
		lists, tables := map[int][]entry{}, map[int]map[int]entry{}
		var clock int64 // what the states go by: the latest that was seen
		live := func(e entry, ok bool) bool { return ok && clock-e.at < life }
		step := func(rt *rapid.T) int {
			if rapid.IntRange(0, 3).Draw(rt, "tick") == 0 {
				ctx.now += rapid.Int64Range(-150, 150).Draw(rt, "ms")
			}
			k := rapid.IntRange(0, 5).Draw(rt, "k")
			ctx.key(k)
			clock = max(clock, ctx.now)
			if ctx.Scope().Now() != clock {
				rt.Fatalf("the clock is at %d, want %d", ctx.Scope().Now(), clock)
			}
			return k
		}
		rt.Repeat(map[string]func(*rapid.T){
			"value": func(rt *rapid.T) {
				k := step(rt)
				e, ok := values[k]
				ok = live(e, ok)
				switch rapid.IntRange(0, 4).Draw(rt, "do") {
				case 0:
					value.Clear(ctx)
					delete(values, k)
				case 1:
					p, isNew := value.Ref(ctx)
					if isNew == ok || ok && *p != e.v || !ok && *p != 0 {
						rt.Fatalf("ref of %d: %d, new %v; want %v", k, *p, isNew, e)
					}
					*p = k
					values[k] = entry{k, clock}
				case 2:
					value.Set(ctx, -k)
					values[k] = entry{-k, clock}
				default:
					if v, got := value.Get(ctx); got != ok || got && v != e.v {
						rt.Fatalf("value of %d at %d: %d %v, want %v %v", k, clock, v, got, e, ok)
					}
					if ok && onRead {
						values[k] = entry{e.v, clock}
					}
				}
			},
			"reducing": func(rt *rapid.T) {
				k := step(rt)
				e, ok := totals[k]
				if !live(e, ok) {
					e = entry{}
				}
				total.Add(ctx, 3)
				totals[k] = entry{e.v + 3, clock}
				if v, got := total.Get(ctx); !got || v != e.v+3 {
					rt.Fatalf("total of %d is %d, want %d", k, v, e.v+3)
				}
			},
			"list": func(rt *rapid.T) {
				k := step(rt)
				lists[k] = slices.DeleteFunc(lists[k], func(e entry) bool { return !live(e, true) })
				if rapid.Bool().Draw(rt, "add") {
					list.Add(ctx, k)
					lists[k] = append(lists[k], entry{k, clock})
					return
				}
				if n := list.Len(ctx); n != len(lists[k]) {
					rt.Fatalf("length of %d at %d: %d, want %v", k, clock, n, lists[k])
				}
				i := 0
				for v := range list.All(ctx) {
					if v != lists[k][i].v {
						rt.Fatalf("element %d of %d: %d, want %v", i, k, v, lists[k])
					}
					if onRead {
						lists[k][i].at = clock
					}
					i++
				}
				if i != len(lists[k]) {
					rt.Fatalf("%d elements of %d, want %v", i, k, lists[k])
				}
			},
			"map": func(rt *rapid.T) {
				k, mk := step(rt), rapid.IntRange(0, 3).Draw(rt, "mk")
				if tables[k] == nil {
					tables[k] = map[int]entry{}
				}
				e, ok := tables[k][mk]
				ok = live(e, ok)
				switch rapid.IntRange(0, 5).Draw(rt, "do") {
				case 0:
					if table.Delete(ctx, mk) != ok {
						rt.Fatalf("delete of %d %d: want %v", k, mk, ok)
					}
					delete(tables[k], mk)
				case 1:
					table.Put(ctx, mk, k)
					tables[k][mk] = entry{k, clock}
				case 2:
					p, isNew := table.Ref(ctx, mk)
					if isNew == ok || ok && *p != e.v {
						rt.Fatalf("ref of %d %d: %d, new %v; want %v", k, mk, *p, isNew, e)
					}
					*p = -k
					tables[k][mk] = entry{-k, clock}
				case 3:
					want := map[int]int{}
					for mk, e := range tables[k] {
						if live(e, true) {
							want[mk] = e.v
							if onRead {
								tables[k][mk] = entry{e.v, clock}
							}
						}
					}
					if n := table.Len(ctx); n != len(want) {
						rt.Fatalf("map of %d has %d, want %v", k, n, want)
					}
					if got := maps.Collect(table.All(ctx)); !maps.Equal(got, want) {
						rt.Fatalf("map of %d at %d: %v, want %v", k, clock, got, want)
					}
				default:
					if v, got := table.Get(ctx, mk); got != ok || got && v != e.v {
						rt.Fatalf("map of %d at %d: %d %v, want %v %v", k, mk, v, got, e, ok)
					}
					if ok && onRead {
						tables[k][mk] = entry{e.v, clock}
					}
				}
			},
		})
	})
}

// TestExpiredStateIsReleased holds that values of keys that never come again are removed by the accesses to others.
func TestExpiredStateIsReleased(t *testing.T) {
	ttl := state.TTL(time.Second)
	value, list := state.NewValue[int]("value", ttl), state.NewList[int]("list", ttl)
	table := state.NewMap[int, int]("map", ttl)
	ctx := newSubtask(t, value, list, table)
	most := 0
	for i := range 100_000 { // ten new keys a millisecond: 10,000 are alive
		ctx.now = int64(i) / 10
		ctx.key(i)
		value.Set(ctx, i)
		list.Add(ctx, i)
		table.Put(ctx, i, i)
		most = max(most, ctx.rows.Len())
	}
	if most > 15_000 {
		t.Errorf("%d keys at a time, of which 10,000 are not expired", most)
	}
	ctx.now += 5000
	for range 20_000 { // one key only
		ctx.key(-1)
		value.Get(ctx)
		value.Set(ctx, 1)
		list.Add(ctx, 1)
		list.Clear(ctx)
		table.Put(ctx, 1, 1)
	}
	if n := ctx.rows.Len(); n != 1 {
		t.Errorf("%d keys are left", n)
	}
}

// TestExpiredStateIsReleasedAfterALoopThatPanicked: a policy may keep the panic.
func TestExpiredStateIsReleasedAfterALoopThatPanicked(t *testing.T) {
	ttl := state.TTL(time.Second)
	list, table := state.NewList[int]("list", ttl), state.NewMap[int, int]("map", ttl)
	ctx := newSubtask(t, list, table)
	ctx.key(-1)
	list.Add(ctx, 1)
	table.Put(ctx, 1, 1)
	for _, loop := range []func(){
		func() {
			for range list.All(ctx) {
				panic("in the list")
			}
		},
		func() {
			for range table.All(ctx) {
				panic("in the map")
			}
		},
	} {
		func() {
			defer func() { _ = recover() }()
			loop()
		}()
	}
	for i := range 50_000 { // ten new keys a millisecond: 10,000 are alive
		ctx.now = int64(i) / 10
		ctx.key(i)
		list.Add(ctx, i)
		table.Put(ctx, i, i)
	}
	if n := ctx.rows.Len(); n > 15_000 {
		t.Errorf("%d keys, of which 10,000 are not expired", n)
	}
}

// TestExpiredStateLeavesTheDisk is the same for what is in no memory.
func TestExpiredStateLeavesTheDisk(t *testing.T) {
	ttl := state.TTL(time.Second)
	value, table := state.NewValue[int]("value", ttl), state.NewMap[int, int]("map", ttl)
	disk := keyedtest.Limited(&keyedtest.Memory{}, 1)
	ctx := newSubtaskOn(t, disk, value, table)
	entries := func() (n int) {
		if err := disk.Scan(nil, bytes.Repeat([]byte{0xff}, 16), func(_, _ []byte) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	most := 0
	for i := range 4000 { // a new key a millisecond: 1000 are alive
		ctx.now = int64(i)
		ctx.key(i)
		value.Set(ctx, i)
		table.Put(ctx, i, i)
		if i%500 == 0 {
			most = max(most, entries())
		}
	}
	if most < 2000 || most > 5000 {
		t.Errorf("%d entries at a time, of which 2000 are not expired", most)
	}
	ctx.now += 5000
	for range 2000 { // one key only
		ctx.key(-1)
		value.Set(ctx, 1)
		table.Put(ctx, 1, 1)
	}
	if n := entries(); n > 4 { // a value, and a map with one entry
		t.Errorf("%d entries are left", n)
	}
}

// TestReturnExpired holds the other visibility: what is still there is seen once more.
func TestReturnExpired(t *testing.T) {
	for name, disk := range backends {
		t.Run(name, func(t *testing.T) { testReturnExpired(t, disk()) })
	}
}

func testReturnExpired(t *testing.T, disk keyed.KeyValue) {
	ttl := state.TTL(time.Second, state.ReturnExpired(), state.Cleanup(0))
	value, table := state.NewValue[int]("value", ttl), state.NewMap[int, int]("map", ttl)
	ctx := newSubtaskOn(t, disk, value, table)
	ctx.key(1)
	value.Set(ctx, 5)
	table.Put(ctx, 1, 5)
	ctx.now = 1000
	ctx.key(1)
	for _, want := range []bool{true, false} {
		if v, ok := value.Get(ctx); ok != want || ok && v != 5 {
			t.Error(v, ok)
		}
		if v, ok := table.Get(ctx, 1); ok != want || ok && v != 5 {
			t.Error(v, ok)
		}
	}
}

// TestAccessDoesNotAllocate runs each handle as a process function does, with a time to live and without.
func TestAccessDoesNotAllocate(t *testing.T) {
	for name, opts := range map[string][]state.Option{"plain": nil, "ttl": {state.TTL(time.Second, state.OnRead())}} {
		t.Run(name, func(t *testing.T) {
			type profile struct {
				Name string
				N    [4]int
			}
			last, seen := state.NewValue[profile]("last", opts...), state.NewList[int]("seen", opts...)
			stock, total := state.NewMap[int, int]("stock", opts...), state.NewReducing("total", sum, opts...)
			acc := state.NewAggregating("acc", func(a [2]int, v int) [2]int { return [2]int{a[0] + v, a[1] + 1} },
				func(a [2]int) int { return a[0] / a[1] }, opts...)
			ctx := newSubtask(t, last, seen, stock, total, acc)
			i := 0
			record := func() {
				i++
				ctx.now = int64(i)
				ctx.key(i % 1000)
				p, _ := last.Ref(ctx)
				p.N[1]++
				v, _ := last.Get(ctx)
				v.N[0] = i
				last.Set(ctx, v)
				if seen.Add(ctx, i); seen.Len(ctx) > 10 {
					seen.Clear(ctx)
				}
				stock.Put(ctx, i%5, i)
				n, _ := stock.Ref(ctx, 7)
				*n++
				stock.Get(ctx, i%7)
				stock.Delete(ctx, i%3)
				total.Add(ctx, i)
				acc.Add(ctx, i)
				acc.Get(ctx)
			}
			for range 50_000 {
				record()
			}
			if n := testing.AllocsPerRun(20_000, record); n != 0 {
				t.Errorf("%v allocations per record", n)
			}
		})
	}
}

func BenchmarkValue(b *testing.B) {
	for name, opts := range map[string][]state.Option{"plain": nil, "ttl": {state.TTL(time.Hour)}} {
		for _, keys := range []int{1000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/keys=%d", name, keys), func(b *testing.B) {
				count := state.NewValue[int64]("count", opts...)
				ctx := newSubtask(b, count)
				for k := range keys {
					ctx.key(k)
					count.Set(ctx, 1)
				}
				i := uint32(0)
				b.ReportAllocs()
				for b.Loop() {
					ctx.key(int(uint64(i*2654435761) * uint64(keys) >> 32))
					n, _ := count.Ref(ctx)
					*n++
					i++
				}
			})
		}
	}
}
