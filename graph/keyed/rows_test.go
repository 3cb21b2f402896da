package keyed

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
)

// bench is a set of rows with one state of each kind.
type bench[K comparable] struct {
	rows   *Rows[K]
	hash   func(*K) uint64
	value  *Value[int]
	list   *List[int]
	maps   *Map[int, int]
	event  *Timers
	proc   *Timers
	extra  *Value[string]
	backed *Backend
}

func newBench[K comparable](t interface {
	Fatal(args ...any)
}, owned core.KeyGroupRange, maxParallelism int) *bench[K] {
	backed := NewBackend(owned, maxParallelism, nil, nil)
	b := &bench[K]{backed: backed}
	var errs [8]error
	b.rows, errs[0] = NewRows[K](backed)
	b.hash, errs[1] = codec.HashFor[K]()
	sc := &b.rows.Scope
	b.value, errs[2] = NewValue[int](sc, "value")
	b.list, errs[3] = NewList[int](sc, "list")
	b.maps, errs[4] = NewMap[int, int](sc, "map")
	b.event, errs[5] = NewTimers(sc, "event")
	b.proc, errs[6] = NewTimers(sc, "proc")
	b.extra, errs[7] = NewValue[string](sc, "extra")
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *bench[K]) key(k K) { b.rows.SetKey(&k, b.hash(&k)) }

// model is what a bench must do, in Go maps.
type model struct {
	value map[int]int
	list  map[int][]int
	maps  map[int]map[int]int
	event map[int]map[int64]bool
	proc  map[int]map[int64]bool
}

func newModel() *model {
	return &model{map[int]int{}, map[int][]int{}, map[int]map[int]int{}, map[int]map[int64]bool{}, map[int]map[int64]bool{}}
}

// keys are those with any state.
func (m *model) keys() map[int]bool {
	keys := map[int]bool{}
	for k := range m.value {
		keys[k] = true
	}
	for k := range m.list {
		keys[k] = true
	}
	for k := range m.maps {
		keys[k] = true
	}
	for _, timers := range []map[int]map[int64]bool{m.event, m.proc} {
		for k, at := range timers {
			if len(at) > 0 {
				keys[k] = true
			}
		}
	}
	return keys
}

func count(timers map[int]map[int64]bool) (n int) {
	for _, at := range timers {
		n += len(at)
	}
	return n
}

func (m *model) set(timers map[int]map[int64]bool, k int, at int64) {
	if timers[k] == nil {
		timers[k] = map[int64]bool{}
	}
	timers[k][at] = true
}

// TestRowsAreMaps runs random operations on states and timers of random keys against Go maps. Whatever happens, a
// row exists as long as something of its key does.
func TestRowsAreMaps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		groups := rapid.SampledFrom([]int{1, 2, 128}).Draw(rt, "groups")
		b, m := newBench[int](rt, core.KeyGroupRange{From: 0, To: groups}, groups), newModel()
		top := rapid.SampledFrom([]int{3, 40, 3000}).Draw(rt, "keys")
		span := rapid.SampledFrom([]int64{1, 5, 10000}).Draw(rt, "times")
		key := func(rt *rapid.T) int {
			k := rapid.IntRange(0, top).Draw(rt, "k")
			b.key(k)
			return k
		}
		at := func(rt *rapid.T) int64 { return rapid.Int64Range(0, span).Draw(rt, "at") }
		many := func(f func(rt *rapid.T, k int)) func(rt *rapid.T) {
			return func(rt *rapid.T) {
				for range rapid.IntRange(1, 60).Draw(rt, "n") {
					f(rt, key(rt))
				}
			}
		}
		fire := func(rt *rapid.T, timers *Timers, of map[int]map[int64]bool, upTo int64, again bool) {
			last := int64(math.MinInt64)
			timers.Fire(upTo, func(at int64) {
				k := *b.rows.Key()
				if at < last || at > upTo || !of[k][at] {
					rt.Fatalf("timer of %d at %d fired after %d, up to %d; it has %v", k, at, last, upTo, of[k])
				}
				last = at
				delete(of[k], at)
				if v := b.value.Get(); (v != nil) != hasKey(m.value, k) || v != nil && *v != m.value[k] {
					rt.Fatalf("in the timer of %d the value is %v", k, v)
				}
				switch rapid.IntRange(0, 5).Draw(rt, "do") {
				case 0:
					b.value.Clear()
					delete(m.value, k)
				case 1:
					b.value.Set(&k)
					m.value[k] = k
				case 2:
					if again { // a timer that is already due fires as well
						timers.Set(at)
						timers.Set(at + 1)
						m.set(of, k, at)
						m.set(of, k, at+1)
						again = false
					}
				case 3: // one of this time that may not have fired yet
					other := (k + 1) % (top + 1)
					b.key(other)
					timers.Cancel(at)
					delete(of[other], at)
				case 4:
					timers.Set(upTo + 7)
					timers.Cancel(upTo + 7)
					delete(of[k], upTo+7)
				}
			})
			for k, times := range of {
				for at := range times {
					if at <= upTo {
						rt.Fatalf("the timer of %d at %d did not fire up to %d", k, at, upTo)
					}
				}
			}
			if b.rows.HasKey() {
				rt.Fatal("there is a current key after Fire")
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"value": many(func(rt *rapid.T, k int) {
				switch v, isNew := b.value.Ref(); rapid.IntRange(0, 3).Draw(rt, "do") {
				case 0:
					b.value.Clear()
					delete(m.value, k)
				case 1:
					n := rapid.Int().Draw(rt, "v")
					b.value.Set(&n)
					m.value[k] = n
				default:
					if isNew == hasKey(m.value, k) || *v != m.value[k] {
						rt.Fatalf("value of %d: %d, new %v; want %d", k, *v, isNew, m.value[k])
					}
					*v++
					m.value[k]++
				}
			}),
			"list": many(func(rt *rapid.T, k int) {
				switch rapid.IntRange(0, 4).Draw(rt, "do") {
				case 0:
					b.list.Clear()
					delete(m.list, k)
				case 1:
					odd := func(v *int) bool { *v += 2; return *v%2 == 1 }
					b.list.Filter(odd)
					m.list[k] = slices.DeleteFunc(m.list[k], func(v int) bool { return v%2 == 1 })
					for i := range m.list[k] {
						m.list[k][i] += 2
					}
					if len(m.list[k]) == 0 {
						delete(m.list, k)
					}
				default:
					v := rapid.IntRange(0, 99).Draw(rt, "v")
					b.list.Append(&v)
					m.list[k] = append(m.list[k], v)
				}
			}),
			"map": many(func(rt *rapid.T, k int) {
				mk := rapid.IntRange(0, 6).Draw(rt, "mk")
				want, known := m.maps[k][mk]
				if got := b.maps.Get(&mk); (got != nil) != known || known && *got != want {
					rt.Fatalf("map of %d at %d: %v, want %d %v", k, mk, got, want, known)
				}
				switch rapid.IntRange(0, 9).Draw(rt, "do") {
				case 0:
					b.maps.Clear()
					delete(m.maps, k)
				case 1, 2, 3:
					if b.maps.Delete(&mk) != known {
						rt.Fatalf("delete of %d %d: want %v", k, mk, known)
					}
					delete(m.maps[k], mk)
				case 4: // from within the loop
					for mk := range b.maps.All() {
						if own := *mk; own%2 == 0 {
							b.maps.Delete(&own)
							delete(m.maps[k], own)
						}
					}
				default:
					b.maps.Set(&mk, &want)
					v, isNew := b.maps.Ref(&mk)
					if isNew {
						rt.Fatalf("%d %d is new after set", k, mk)
					}
					*v++
					if m.maps[k] == nil {
						m.maps[k] = map[int]int{}
					}
					m.maps[k][mk] = want + 1
				}
				if len(m.maps[k]) == 0 {
					delete(m.maps, k)
				}
			}),
			"timer": many(func(rt *rapid.T, k int) {
				timers, of := b.event, m.event
				if rapid.Bool().Draw(rt, "proc") {
					timers, of = b.proc, m.proc
				}
				at := at(rt)
				if rapid.IntRange(0, 2).Draw(rt, "do") == 0 {
					timers.Cancel(at)
					delete(of[k], at)
				} else {
					timers.Set(at)
					m.set(of, k, at)
				}
			}),
			"many times": func(rt *rapid.T) {
				k := key(rt)
				for i := range rapid.Int64Range(1, 100).Draw(rt, "n") {
					b.event.Set(i)
					m.set(m.event, k, i)
				}
				for i := range rapid.Int64Range(1, 100).Draw(rt, "cancel") {
					b.event.Cancel(i)
					delete(m.event[k], i)
				}
			},
			"many rows": func(rt *rapid.T) {
				at := at(rt)
				for k := range min(top, 300) {
					b.key(k)
					b.event.Set(at)
					m.set(m.event, k, at)
				}
				for k := range rapid.IntRange(0, min(top, 300)).Draw(rt, "cancel") {
					b.key(k)
					b.event.Cancel(at)
					delete(m.event[k], at)
					if k%3 == 0 {
						b.event.Set(at)
						m.set(m.event, k, at)
					}
				}
			},
			"fire": func(rt *rapid.T) {
				upTo := at(rt)
				fire(rt, b.event, m.event, upTo, true)
				fire(rt, b.proc, m.proc, at(rt), false)
			},
			"sweep": func(rt *rapid.T) {
				mod := rapid.IntRange(2, 5).Draw(rt, "mod")
				drop := func(v *int) bool { return *v%mod == 0 }
				n := rapid.IntRange(1, 50).Draw(rt, "n")
				for !b.value.Sweep(n, drop) {
				}
				for !b.list.Sweep(n, drop) {
				}
				for !b.maps.Sweep(n, func(_, v *int) bool { return drop(v) }) {
				}
				// A pass may have been under way, so that it is complete only now.
				for !b.value.Sweep(n, drop) {
				}
				for !b.list.Sweep(n, drop) {
				}
				for !b.maps.Sweep(n, func(_, v *int) bool { return drop(v) }) {
				}
				maps.DeleteFunc(m.value, func(_, v int) bool { return v%mod == 0 })
				for k, list := range m.list {
					if m.list[k] = slices.DeleteFunc(list, func(v int) bool { return v%mod == 0 }); len(m.list[k]) == 0 {
						delete(m.list, k)
					}
				}
				for k, of := range m.maps {
					if maps.DeleteFunc(of, func(_, v int) bool { return v%mod == 0 }); len(of) == 0 {
						delete(m.maps, k)
					}
				}
			},
			"all gone": func(rt *rapid.T) {
				if rapid.IntRange(0, 3).Draw(rt, "do") > 0 {
					return
				}
				for k := range m.keys() {
					b.key(k)
					b.value.Clear()
					b.list.Clear()
					b.maps.Clear()
				}
				none := func(int64) {}
				b.event.Fire(math.MaxInt64, none)
				b.proc.Fire(math.MaxInt64, none)
				m = newModel()
			},
			"": func(rt *rapid.T) {
				keys := m.keys()
				if b.rows.Len() != len(keys) || b.event.Len() != count(m.event) || b.proc.Len() != count(m.proc) {
					rt.Fatalf("%d rows, %d and %d timers; want %d, %d, %d", b.rows.Len(), b.event.Len(), b.proc.Len(), len(keys), count(m.event), count(m.proc))
				}
				for k := range keys {
					b.key(k)
					if v := b.value.Get(); (v != nil) != hasKey(m.value, k) || v != nil && *v != m.value[k] {
						rt.Fatalf("value of %d is %v, want %d", k, v, m.value[k])
					}
					var list []int
					for v := range b.list.All() {
						list = append(list, *v)
					}
					if !slices.Equal(list, m.list[k]) || b.list.Len() != len(list) {
						rt.Fatalf("list of %d is %v, want %v", k, list, m.list[k])
					}
					got := map[int]int{}
					for mk, v := range b.maps.All() {
						got[*mk] = *v
					}
					if !maps.Equal(got, m.maps[k]) || b.maps.Len() != len(got) {
						rt.Fatalf("map of %d is %v, want %v", k, got, m.maps[k])
					}
				}
				next, ok := b.event.Next()
				want := int64(math.MaxInt64)
				for _, times := range m.event {
					for at := range times {
						want = min(want, at)
					}
				}
				if ok != (count(m.event) > 0) || ok && next != want {
					rt.Fatalf("next is %d %v, want %d", next, ok, want)
				}
			},
		})
	})
}

func hasKey[V any](m map[int]V, k int) bool {
	_, ok := m[k]
	return ok
}

// TestReadingMakesNoRow holds that a look at what is not there costs no memory.
func TestReadingMakesNoRow(t *testing.T) {
	b := newBench[string](t, everything, core.DefaultMaxParallelism)
	k := 5
	b.key("a")
	if b.value.Get() != nil || b.list.Len() != 0 || b.maps.Get(&k) != nil || b.maps.Delete(&k) {
		t.Error("a key that nobody wrote has state")
	}
	b.value.Clear()
	b.list.Clear()
	b.maps.Clear()
	b.event.Cancel(3)
	if b.rows.Len() != 0 {
		t.Errorf("%d rows", b.rows.Len())
	}
}

// TestNoCurrentKey holds that state outside the context of a key is a clear fault (issue 4, B-46).
func TestNoCurrentKey(t *testing.T) {
	b := newBench[string](t, everything, core.DefaultMaxParallelism)
	k := 1
	for name, access := range map[string]func(){
		"value": func() { b.value.Get() },
		"list":  func() { b.list.Append(&k) },
		"map":   func() { b.maps.Ref(&k) },
		"event": func() { b.event.Set(1) },
	} {
		t.Run(name, func(t *testing.T) {
			b.key("a")
			b.rows.NoKey()
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, `state "`+name+`": there is no current key`) {
					t.Error(got)
				}
			}()
			access()
		})
	}
}

func TestNamesAndTypesAreChecked(t *testing.T) {
	b := NewBackend(everything, core.DefaultMaxParallelism, nil, nil)
	rows, err := NewRows[string](b)
	if err != nil {
		t.Fatal(err)
	}
	sc := &rows.Scope
	if _, err := NewValue[int](sc, "count"); err != nil {
		t.Fatal(err)
	}
	for want, make := range map[string]func() error{
		`state "count" is declared twice, as value and as list`: func() error { _, err := NewList[int](sc, "count"); return err },
		`declared twice, as value and as store`:                 func() error { _, err := NewStore[int, int](b, "count"); return err },
		`has no name`:                                           func() error { _, err := NewTimers(sc, ""); return err },
		`state "chan": value: chan int`:                         func() error { _, err := NewValue[chan int](sc, "chan"); return err },
		`state "ptr": map key`:                                  func() error { _, err := NewMap[*int, int](sc, "ptr"); return err },
		`rows already`:                                          func() error { _, err := NewRows[int](b); return err },
	} {
		if err := make(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	for i := range maxStates - 1 {
		if _, err := NewValue[int](sc, fmt.Sprint("s", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := NewValue[int](sc, "too many"); err == nil {
		t.Error("more states than bits")
	}
	states := b.States()
	if len(states) < maxStates || states[0].Name != "count" || states[0].Kind != KindValue || states[0].Value.Kind != "int" || b.Key().Kind != "string" {
		t.Errorf("%+v of key %+v", states[0], b.Key())
	}
}

// TestStatesDoNotPinFrames holds that stored strings have memory of their own (DATAPLANE 5).
func TestStatesDoNotPinFrames(t *testing.T) {
	backed := NewBackend(everything, core.DefaultMaxParallelism, nil, nil)
	rows, err := NewRows[string](backed)
	if err != nil {
		t.Fatal(err)
	}
	value, err1 := NewValue[string](&rows.Scope, "value")
	list, err2 := NewList[string](&rows.Scope, "list")
	maps, err3 := NewMap[string, string](&rows.Scope, "map")
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	frame := []byte("key+value")
	text := unsafeString(frame)
	k, v := text[:3], text[4:]
	hash, _ := codec.HashFor[string]()
	rows.SetKey(&k, hash(&k))
	value.Set(&v)
	list.Append(&v)
	maps.Set(&k, &v)
	copy(frame, "xxxxxxxxx")
	own := "key"
	rows.SetKey(&own, hash(&own))
	if got := value.Get(); got == nil || *got != "value" {
		t.Error("value is part of the frame")
	}
	for got := range list.All() {
		if *got != "value" {
			t.Error("list element is part of the frame")
		}
	}
	if got := maps.Get(&own); got == nil || *got != "value" {
		t.Error("map entry is part of the frame")
	}
}

// TestHotPathDoesNotAllocate runs what a process function does per record.
func TestHotPathDoesNotAllocate(t *testing.T) {
	b := newBench[int](t, everything, core.DefaultMaxParallelism)
	n, at := 0, int64(0)
	k, mk := 0, 0 // a local one would escape
	count := func(*int) bool { return true }
	fire := func(int64) {
		b.value.Clear()
		b.list.Clear()
		b.maps.Clear()
	}
	record := func() {
		k = n % 1000
		n++
		b.rows.SetKey(&k, b.hash(&k))
		v, _ := b.value.Ref()
		*v++
		b.value.Set(v)
		b.list.Append(v)
		b.list.Each(count)
		mk = n % 7
		b.maps.Set(&mk, v)
		b.maps.Delete(&mk)
		b.maps.Set(&mk, v)
		b.event.Cancel(at + 50)
		at++
		b.event.Set(at + 50)
		b.proc.Set(at / 100 * 100)
		if n%100 == 0 {
			b.event.Fire(at, fire)
			b.proc.Fire(at-200, fire)
		}
	}
	for range 20_000 {
		record()
	}
	if got := testing.AllocsPerRun(50_000, record); got > 0 {
		t.Errorf("%v allocations per record", got)
	}
}
