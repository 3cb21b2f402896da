package keyedtest

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
	"github.com/flink-go/flink-go/graph/keyed"
)

// Run tests a backend. open returns an empty store for the disk, which the test cleans up after, or nil for the heap.
func Run(t *testing.T, open func(t testing.TB) keyed.KeyValue) {
	if open(t) == nil {
		suite{t, open, 0}.run()
		return
	}
	for name, budget := range map[string]int64{"Fits": 64 << 20, "Evicts": 2 << 10, "EvictsAll": 1} {
		t.Run(name, func(t *testing.T) { suite{t, open, budget}.run() })
	}
}

type suite struct {
	t      *testing.T
	open   func(t testing.TB) keyed.KeyValue
	budget int64
}

func (s suite) run() {
	for name, test := range map[string]func(suite, *testing.T){
		"StoreIsAMap":              suite.storeIsAMap,
		"StatesOfKeysAreApart":     suite.statesOfKeysAreApart,
		"TimersFireInOrder":        suite.timersFireInOrder,
		"TimersBeyondMemory":       suite.timersBeyondMemory,
		"BackendsAreApart":         suite.backendsAreApart,
		"KeyGroupsFollowEachOther": suite.keyGroupsFollowEachOther,
		"NegativeZeroIsZero":       suite.negativeZeroIsZero,
		"SweepVisitsEverything":    suite.sweepVisitsEverything,
		"EachVisitsEveryKeyOnce":   suite.eachVisitsEveryKeyOnce,
		"StringsAreOwn":            suite.stringsAreOwn,
		"LongListsAndMaps":         suite.longListsAndMaps,
		"LoopsMayUseOtherKeys":     suite.loopsMayUseOtherKeys,
		"NoKeyNoState":             suite.noKeyNoState,
	} {
		s.t.Run(name, func(t *testing.T) { test(s, t) })
	}
}

// budgeted limits the memory above a KeyValue.
type budgeted struct {
	keyed.KeyValue
	budget *keyed.CacheBudget
}

// CacheBudget implements keyed.Budgeted.
func (b budgeted) CacheBudget() *keyed.CacheBudget { return b.budget }

func (s suite) disk(t testing.TB) keyed.KeyValue {
	kv := s.open(t)
	if kv == nil {
		return nil
	}
	return Limited(kv, s.budget)
}

const maxParallelism = 128

// owned is not all key groups, so that numbers of groups and places among the owned ones differ.
var owned = core.KeyGroupRange{From: 32, To: 96}

func (s suite) backend(t testing.TB) *keyed.Backend {
	return keyed.NewBackend(owned, maxParallelism, s.disk(t), []byte{1, 2})
}

// fatal is what rapid.T and testing.T share.
type fatal interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func must[T any](t fatal, err error, v T) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func hashOf[K comparable](t fatal) func(*K) uint64 {
	t.Helper()
	hash, err := codec.HashFor[K]()
	return must(t, err, hash)
}

// ownKeys returns n keys of the owned groups.
func ownKeys[K comparable](t fatal, n int, key func(i int) K) []K {
	t.Helper()
	hash := hashOf[K](t)
	var keys []K
	for i := 0; len(keys) < n; i++ {
		k := key(i)
		if g := core.KeyGroup(hash(&k), maxParallelism); g >= owned.From && g < owned.To {
			keys = append(keys, k)
		}
	}
	return keys
}

// user is a key with strings, row a value with strings.
type user struct {
	Name string
	ID   int32
}

type row struct {
	Count int64
	Note  string
}

func name(i int) user { return user{fmt.Sprint("user", i%7), int32(i)} }

func (s suite) storeIsAMap(t *testing.T) {
	keys := ownKeys(t, 200, name)
	hash := hashOf[user](t)
	rapid.Check(t, func(rt *rapid.T) {
		store, err := keyed.NewStore[user, row](s.backend(t), "counts")
		must(rt, err, store)
		model := map[user]row{}
		draw := func(rt *rapid.T) *user { return &keys[rapid.IntRange(0, len(keys)-1).Draw(rt, "key")] }
		rt.Repeat(map[string]func(*rapid.T){
			"ref": func(rt *rapid.T) {
				for range rapid.IntRange(1, 50).Draw(rt, "n") {
					k := draw(rt)
					want, known := model[*k]
					v, isNew := store.Ref(k, hash(k))
					if isNew == known || *v != want {
						rt.Fatalf("ref %v: %v %v, want %v %v", *k, *v, isNew, want, !known)
					}
					v.Count++
					v.Note = strings.Repeat("n", int(v.Count))
					model[*k] = *v
				}
			},
			"get": func(rt *rapid.T) {
				k := draw(rt)
				want, known := model[*k]
				if v := store.Get(k, hash(k)); (v != nil) != known || known && *v != want {
					rt.Fatalf("get %v: %v, want %v %v", *k, v, want, known)
				}
			},
			"delete": func(rt *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(rt, "n") {
					k := draw(rt)
					if _, known := model[*k]; store.Delete(k, hash(k)) != known {
						rt.Fatalf("delete %v: want %v", *k, known)
					}
					delete(model, *k)
				}
			},
			"sweep": func(rt *rapid.T) {
				seen := 0
				for k, v := range store.All() {
					seen++
					k := *k
					if model[k] != *v {
						rt.Fatalf("all: %v is %v, want %v", k, *v, model[k])
					}
					switch v.Count % 3 {
					case 0:
						store.Delete(&k, hash(&k))
						delete(model, k)
					case 1:
						v, _ := store.Ref(&k, hash(&k))
						v.Count += 10
						model[k] = *v
					}
				}
				_ = seen
			},
			"clear": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "do") == 0 {
					store.Clear()
					clear(model)
				}
			},
			"": func(rt *rapid.T) {
				seen := map[user]row{}
				for k, v := range store.All() {
					if _, twice := seen[*k]; twice {
						rt.Fatalf("%v came twice", *k)
					}
					seen[*k] = *v
				}
				if !maps.Equal(seen, model) || store.Len() != len(model) {
					rt.Fatalf("all: %v (%d)\nwant %v", seen, store.Len(), model)
				}
			},
		})
	})
}

// states are the states of an operator, and what they should hold.
type states struct {
	rows   *keyed.Rows[string]
	value  *keyed.Value[row]
	plain  *keyed.Value[int64]
	list   *keyed.List[row]
	counts *keyed.Map[string, int64]
	timers *keyed.Timers
	hash   func(*string) uint64
}

func newStates(t fatal, b *keyed.Backend) *states {
	t.Helper()
	s := &states{hash: hashOf[string](t)}
	var err error
	s.rows, err = keyed.NewRows[string](b)
	must(t, err, s.rows)
	s.value, err = keyed.NewValue[row](&s.rows.Scope, "value")
	must(t, err, s.value)
	s.plain, err = keyed.NewValue[int64](&s.rows.Scope, "plain")
	must(t, err, s.plain)
	s.list, err = keyed.NewList[row](&s.rows.Scope, "list")
	must(t, err, s.list)
	s.counts, err = keyed.NewMap[string, int64](&s.rows.Scope, "counts")
	must(t, err, s.counts)
	s.timers, err = keyed.NewTimers(&s.rows.Scope, "timers")
	return must(t, err, s)
}

func (s *states) enter(k string) { s.rows.SetKey(&k, s.hash(&k)) }

type model struct {
	value  *row
	plain  *int64
	list   []row
	counts map[string]int64
}

func (s *states) check(rt fatal, k string, m *model) {
	s.enter(k)
	if v := s.value.Get(); (v != nil) != (m.value != nil) || v != nil && *v != *m.value {
		rt.Fatalf("value of %q: %v, want %v", k, v, m.value)
	}
	if v := s.plain.Get(); (v != nil) != (m.plain != nil) || v != nil && *v != *m.plain {
		rt.Fatalf("plain value of %q: %v, want %v", k, v, m.plain)
	}
	var list []row
	for v := range s.list.All() {
		list = append(list, *v)
	}
	if !slices.Equal(list, m.list) || s.list.Len() != len(m.list) {
		rt.Fatalf("list of %q: %v (%d), want %v", k, list, s.list.Len(), m.list)
	}
	counts := map[string]int64{}
	for mk, v := range s.counts.All() {
		counts[*mk] = *v
	}
	if !maps.Equal(counts, m.counts) || s.counts.Len() != len(m.counts) {
		rt.Fatalf("map of %q: %v (%d), want %v", k, counts, s.counts.Len(), m.counts)
	}
}

func (s suite) statesOfKeysAreApart(t *testing.T) {
	keys := ownKeys(t, 40, func(i int) string { return strings.Repeat("k", i%5) + fmt.Sprint(i) })
	rapid.Check(t, func(rt *rapid.T) {
		st := newStates(rt, s.backend(t))
		models := map[string]*model{}
		for _, k := range keys {
			models[k] = &model{counts: map[string]int64{}}
		}
		enter := func(rt *rapid.T) (string, *model) {
			k := keys[rapid.IntRange(0, len(keys)-1).Draw(rt, "key")]
			st.enter(k)
			return k, models[k]
		}
		note := rapid.StringN(0, 5, 20)
		rt.Repeat(map[string]func(*rapid.T){
			"set value": func(rt *rapid.T) {
				_, m := enter(rt)
				v := row{rapid.Int64().Draw(rt, "count"), note.Draw(rt, "note")}
				st.value.Set(&v)
				m.value = &v
			},
			"ref value": func(rt *rapid.T) {
				k, m := enter(rt)
				v, isNew := st.plain.Ref()
				if isNew != (m.plain == nil) {
					rt.Fatalf("ref of %q: new %v", k, isNew)
				}
				*v++
				got := *v
				m.plain = &got
			},
			"clear values": func(rt *rapid.T) {
				_, m := enter(rt)
				st.value.Clear()
				st.plain.Clear()
				m.value, m.plain = nil, nil
			},
			"append": func(rt *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(rt, "n") {
					_, m := enter(rt)
					v := row{int64(len(m.list)), note.Draw(rt, "note")}
					st.list.Append(&v)
					m.list = append(m.list, v)
				}
			},
			"filter": func(rt *rapid.T) {
				_, m := enter(rt)
				odd := func(v row) bool { return v.Count%2 == 1 }
				st.list.Filter(func(v *row) bool { return odd(*v) })
				m.list = slices.DeleteFunc(m.list, odd)
			},
			"clear list": func(rt *rapid.T) {
				_, m := enter(rt)
				st.list.Clear()
				m.list = nil
			},
			"map": func(rt *rapid.T) {
				k, m := enter(rt)
				for range rapid.IntRange(1, 10).Draw(rt, "n") {
					mk := fmt.Sprint(rapid.IntRange(0, 30).Draw(rt, "entry"))
					want, known := m.counts[mk]
					switch rapid.IntRange(0, 4).Draw(rt, "do") {
					case 0:
						if v := st.counts.Get(&mk); (v != nil) != known || known && *v != want {
							rt.Fatalf("entry %q of %q: %v, want %v %v", mk, k, v, want, known)
						}
					case 1:
						if st.counts.Delete(&mk) != known {
							rt.Fatalf("delete entry %q of %q: want %v", mk, k, known)
						}
						delete(m.counts, mk)
					case 2:
						v := want * 2
						st.counts.Set(&mk, &v)
						m.counts[mk] = v
					default:
						v, isNew := st.counts.Ref(&mk)
						if isNew == known || *v != want {
							rt.Fatalf("entry %q of %q: %v %v, want %v %v", mk, k, *v, isNew, want, !known)
						}
						*v++
						m.counts[mk] = *v
					}
				}
			},
			"visit map": func(rt *rapid.T) {
				_, m := enter(rt)
				for mk, v := range st.counts.All() {
					mk := *mk
					if *v%2 == 0 {
						st.counts.Delete(&mk)
						delete(m.counts, mk)
					} else {
						v, _ := st.counts.Ref(&mk)
						*v += 2
						m.counts[mk] = *v
					}
				}
			},
			"clear map": func(rt *rapid.T) {
				_, m := enter(rt)
				st.counts.Clear()
				clear(m.counts)
			},
			"": func(rt *rapid.T) {
				for k, m := range models {
					st.check(rt, k, m)
				}
			},
		})
	})
}

func (s suite) timersFireInOrder(t *testing.T) {
	type timer struct {
		at int64
		k  string
	}
	keys := ownKeys(t, 20, func(i int) string { return fmt.Sprint("key", i) })
	rapid.Check(t, func(rt *rapid.T) {
		st := newStates(rt, s.backend(t))
		set := map[timer]bool{}
		draw := func(rt *rapid.T) timer {
			return timer{rapid.Int64Range(-50, 50).Draw(rt, "at"), keys[rapid.IntRange(0, len(keys)-1).Draw(rt, "key")]}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"set": func(rt *rapid.T) {
				for range rapid.IntRange(1, 30).Draw(rt, "n") {
					tm := draw(rt)
					st.enter(tm.k)
					st.timers.Set(tm.at)
					set[tm] = true
				}
			},
			"cancel": func(rt *rapid.T) {
				tm := draw(rt)
				st.enter(tm.k)
				st.timers.Cancel(tm.at)
				delete(set, tm)
			},
			"fire": func(rt *rapid.T) {
				upTo := rapid.Int64Range(-60, 60).Draw(rt, "up to")
				last := int64(math.MinInt64)
				st.timers.Fire(upTo, func(at int64) {
					tm := timer{at, *st.rows.Key()}
					if !set[tm] || at > upTo || at < last {
						rt.Fatalf("timer %v fired up to %d after %d; set: %v", tm, upTo, last, set[tm])
					}
					last = at
					delete(set, tm)
					if at%10 == 3 {
						st.timers.Set(at + 1)
						set[timer{at + 1, tm.k}] = true
					}
				})
				for tm := range set {
					if tm.at <= upTo {
						rt.Fatalf("timer %v did not fire up to %d", tm, upTo)
					}
				}
			},
			"": func(rt *rapid.T) {
				first, any := int64(math.MaxInt64), false
				for tm := range set {
					first, any = min(first, tm.at), true
				}
				if at, ok := st.timers.Next(); ok != any || ok && at != first || st.timers.Len() != len(set) {
					rt.Fatalf("next %d %v of %d, want %d %v of %d", at, ok, st.timers.Len(), first, any, len(set))
				}
			},
		})
	})
}

// timersBeyondMemory sets so many that most are on disk, many of them for one time, and cancels some.
func (s suite) timersBeyondMemory(t *testing.T) {
	st := newStates(t, s.backend(t))
	keys := ownKeys(t, 2000, func(i int) string { return fmt.Sprint("key", i) })
	times := func(i int) [3]int64 { return [3]int64{1000, int64(i % 50), int64(5000 - i)} }
	for i, k := range keys {
		st.enter(k)
		for _, at := range times(i) {
			st.timers.Set(at)
			st.timers.Set(at)
		}
		if i%4 == 0 {
			st.timers.Cancel(1000)
			st.timers.Cancel(999)
		}
	}
	if n, want := st.timers.Len(), 3*len(keys)-len(keys)/4; n != want {
		t.Fatalf("%d timers, want %d", n, want)
	}
	fired := map[string]int{}
	last := int64(math.MinInt64)
	for at, ok := st.timers.Next(); ok; at, ok = st.timers.Next() {
		st.timers.Fire(at, func(at int64) {
			if at < last {
				t.Fatalf("%d fired after %d", at, last)
			}
			last = at
			fired[*st.rows.Key()]++
		})
	}
	for i, k := range keys {
		want := 3
		if i%4 == 0 {
			want = 2
		}
		if fired[k] != want {
			t.Fatalf("%d timers of %q fired, want %d", fired[k], k, want)
		}
	}
}

// backendsAreApart: operators of one chain share a subtask's store on disk.
func (s suite) backendsAreApart(t *testing.T) {
	disk := s.disk(t)
	first := newStates(t, keyed.NewBackend(owned, maxParallelism, disk, []byte{0, 1}))
	second := newStates(t, keyed.NewBackend(owned, maxParallelism, disk, []byte{0, 2}))
	stores := make([]keyed.Store[int64, int64], 3)
	b := keyed.NewBackend(owned, maxParallelism, disk, []byte{0, 3})
	for i := range stores {
		store, err := keyed.NewStore[int64, int64](b, fmt.Sprint("store", i))
		stores[i] = must(t, err, store)
	}
	for i, k := range ownKeys(t, 300, func(i int) string { return fmt.Sprint(i) }) {
		for n, st := range []*states{first, second} {
			st.enter(k)
			v := int64(i * (n + 1))
			st.plain.Set(&v)
		}
	}
	hash := hashOf[int64](t)
	keys := ownKeys(t, 300, func(i int) int64 { return int64(i) })
	for _, k := range keys {
		for n, store := range stores {
			v, _ := store.Ref(&k, hash(&k))
			*v = k * int64(n+1)
		}
	}
	stores[1].Clear()
	for i, k := range ownKeys(t, 300, func(i int) string { return fmt.Sprint(i) }) {
		for n, st := range []*states{first, second} {
			st.enter(k)
			if v := st.plain.Get(); v == nil || *v != int64(i*(n+1)) {
				t.Fatalf("backend %d, key %q: %v", n, k, v)
			}
		}
	}
	for n, want := range []int{300, 0, 300} {
		got := 0
		for k, v := range stores[n].All() {
			got++
			if *v != *k*int64(n+1) {
				t.Fatalf("store %d, key %d: %d", n, *k, *v)
			}
		}
		if got != want || stores[n].Len() != want {
			t.Fatalf("store %d has %d keys (%d), want %d", n, got, stores[n].Len(), want)
		}
	}
}

func (s suite) keyGroupsFollowEachOther(t *testing.T) {
	store, err := keyed.NewStore[int64, int64](s.backend(t), "store")
	must(t, err, store)
	hash := hashOf[int64](t)
	for _, k := range ownKeys(t, 2000, func(i int) int64 { return int64(i) }) {
		store.Ref(&k, hash(&k))
	}
	last := -1
	for k := range store.All() {
		g := core.KeyGroup(hash(k), maxParallelism)
		if g < last {
			t.Fatalf("group %d after %d", g, last)
		}
		last = g
	}
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "key group") {
			t.Fatalf("a key of a foreign group: %s", text)
		}
	}()
	for i := int64(0); ; i++ { // B-46
		if core.KeyGroup(hash(&i), maxParallelism) < owned.From {
			store.Ref(&i, hash(&i))
		}
	}
}

func (s suite) negativeZeroIsZero(t *testing.T) {
	type point struct{ X, Y float64 }
	b := keyed.NewBackend(core.KeyGroupRange{From: 0, To: maxParallelism}, maxParallelism, s.disk(t), nil)
	store, err := keyed.NewStore[point, int64](b, "store")
	must(t, err, store)
	hash := hashOf[point](t)
	zero, negative := point{0, 1}, point{math.Copysign(0, -1), 1}
	for i := range 3 {
		for _, k := range []point{zero, negative} {
			v, _ := store.Ref(&k, hash(&k))
			*v++
		}
		for j := range 100 { // others push it out
			k := point{float64(j + 2), float64(i)}
			store.Ref(&k, hash(&k))
		}
	}
	if v := store.Get(&zero, hash(&zero)); v == nil || *v != 6 {
		t.Fatalf("0 and -0 together: %v, want 6", v)
	}
}

func (s suite) sweepVisitsEverything(t *testing.T) {
	st := newStates(t, s.backend(t))
	keys := ownKeys(t, 500, func(i int) string { return fmt.Sprint("key", i) })
	for i, k := range keys {
		st.enter(k)
		n := int64(i)
		st.plain.Set(&n)
		for j := range int64(4) {
			st.list.Append(&row{j, "note"})
			mk := fmt.Sprint(j)
			st.counts.Set(&mk, &j)
		}
	}
	odd := func(v *int64) bool { return *v%2 == 1 }
	for _, sweep := range []func() bool{
		func() bool { return st.plain.Sweep(10, odd) },
		func() bool { return st.list.Sweep(10, func(v *row) bool { return odd(&v.Count) }) },
		func() bool { return st.counts.Sweep(10, func(_ *string, v *int64) bool { return odd(v) }) },
	} {
		for calls := 0; !sweep(); calls++ {
			if calls > 10_000 {
				t.Fatal("the sweep does not come to an end")
			}
		}
	}
	for i, k := range keys {
		m := &model{list: []row{{0, "note"}, {2, "note"}}, counts: map[string]int64{"0": 0, "2": 2}}
		if n := int64(i); i%2 == 0 {
			m.plain = &n
		}
		st.check(t, k, m)
	}
}

// stringsAreOwn: what is stored must not change with the frame that a record came in.
func (s suite) stringsAreOwn(t *testing.T) {
	st := newStates(t, s.backend(t))
	for i, k := range ownKeys(t, 50, func(i int) string { return fmt.Sprint("key", i) }) {
		st.enter(k)
		st.value.Set(&row{int64(i), strings.Clone(k)})
	}
	var kept []string
	for _, k := range ownKeys(t, 50, func(i int) string { return fmt.Sprint("key", i) }) {
		st.enter(k)
		kept = append(kept, st.value.Get().Note)
	}
	for i, k := range ownKeys(t, 50, func(i int) string { return fmt.Sprint("key", i) }) {
		if kept[i] != k {
			t.Fatalf("the string of %q has become %q", k, kept[i])
		}
	}
}

// longListsAndMaps have more than is kept of one key in memory.
func (s suite) longListsAndMaps(t *testing.T) {
	st := newStates(t, s.backend(t))
	keys := ownKeys(t, 2, func(i int) string { return fmt.Sprint("key", i) })
	const n = 6000
	for i := range int64(n) {
		for _, k := range keys {
			st.enter(k)
			st.list.Append(&row{i, "note"})
			mk := fmt.Sprint(i)
			st.counts.Set(&mk, &i)
		}
	}
	for _, k := range keys {
		st.enter(k)
		next := int64(0)
		for v := range st.list.All() {
			if v.Count != next {
				t.Fatalf("element %d is %d", next, v.Count)
			}
			next++
		}
		sum := int64(0)
		for mk, v := range st.counts.All() {
			if *mk != fmt.Sprint(*v) {
				t.Fatalf("entry %q is %d", *mk, *v)
			}
			sum += *v
		}
		if next != n || st.list.Len() != n || st.counts.Len() != n || sum != n*(n-1)/2 {
			t.Fatalf("%q: %d elements (%d), %d entries, sum %d", k, next, st.list.Len(), st.counts.Len(), sum)
		}
		st.list.Clear()
		st.counts.Clear()
		st.check(t, k, &model{})
	}
}

// loopsMayUseOtherKeys: a function of windows has states of the window and of the key.
func (s suite) loopsMayUseOtherKeys(t *testing.T) {
	st := newStates(t, s.backend(t))
	keys := ownKeys(t, 400, func(i int) string { return fmt.Sprint("key", i) })
	const n = 5
	fill := func(k string) {
		st.enter(k)
		for i := range int64(n) {
			st.list.Append(&row{i, k})
			mk := fmt.Sprint(k, i)
			st.counts.Set(&mk, &i)
		}
	}
	fill(keys[0])
	st.enter(keys[0])
	next := int64(0)
	for v := range st.list.All() {
		if v.Count != next || v.Note != keys[0] {
			t.Fatalf("element %d is %v", next, *v)
		}
		next++
		for _, k := range keys[next*30 : next*30+30] {
			fill(k)
		}
	}
	st.enter(keys[0])
	entries := 0
	for mk, v := range st.counts.All() {
		if *mk != fmt.Sprint(keys[0], *v) {
			t.Fatalf("entry %q is %d", *mk, *v)
		}
		entries++
		for _, k := range keys[200+entries*30 : 200+entries*30+30] {
			fill(k)
		}
	}
	if next != n || entries != n {
		t.Fatalf("%d elements and %d entries, want %d", next, entries, n)
	}
}

// noKeyNoState: state outside of its key's context is an error that names it.
func (s suite) noKeyNoState(t *testing.T) {
	st := newStates(t, s.backend(t))
	st.enter(ownKeys(t, 1, func(i int) string { return fmt.Sprint(i) })[0])
	st.plain.Ref()
	st.rows.NoKey()
	for state, use := range map[string]func(){
		"plain":  func() { st.plain.Get() },
		"list":   func() { st.list.Append(&row{}) },
		"counts": func() { st.counts.Len() },
		"timers": func() { st.timers.Set(1) },
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, state) || !strings.Contains(text, "no current key") {
					t.Errorf("%s without a key: %s", state, text)
				}
			}()
			use()
		}()
	}
}
