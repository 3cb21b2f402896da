package window

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/keyed"
)

// model is the plain meaning of windows: each record in each of its windows, in maps.
type model struct {
	size, slide, offset, gap, lateness int64 // gap > 0: sessions
	watermark                          int64
	windows                            map[modelWindow][]int64
	dropped                            int64
	late                               []click
	got                                []sent[Result[int64, string]]
}

type modelWindow struct {
	key int64
	Window
}

func (m *model) over(w Window) bool { return w.MaxTimestamp()+m.lateness <= m.watermark }

func (m *model) emit(w modelWindow) {
	values := slices.Clone(m.windows[w])
	slices.Sort(values)
	m.got = append(m.got, sent[Result[int64, string]]{Result[int64, string]{w.key, w.Window, fmt.Sprint(values)}, w.MaxTimestamp()})
}

// assign returns the windows of a record. For sessions that is the one which it becomes a part of.
func (m *model) assign(c click) []modelWindow {
	if m.gap > 0 {
		w := modelWindow{c.Key, Window{c.At, c.At + m.gap}}
		for again := true; again; {
			again = false
			for o, values := range m.windows {
				if o != w && o.key == w.key && o.Start <= w.End && w.Start <= o.End {
					merged := modelWindow{w.key, Window{min(w.Start, o.Start), max(w.End, o.End)}}
					values = append(values, m.windows[w]...)
					delete(m.windows, o)
					delete(m.windows, w)
					m.windows[merged] = values
					w, again = merged, true
					break
				}
			}
		}
		return []modelWindow{w}
	}
	var ws []modelWindow
	for start := c.At - m.size - m.slide; start <= c.At; start++ {
		if (start-m.offset)%m.slide == 0 && start <= c.At && c.At < start+m.size {
			ws = append(ws, modelWindow{c.Key, Window{start, start + m.size}})
		}
	}
	return ws
}

func (m *model) record(c click) {
	needed := false
	windows := m.assign(c)
	for _, w := range windows {
		if m.over(w.Window) {
			continue
		}
		needed = true
		m.windows[w] = append(m.windows[w], c.N)
		if w.MaxTimestamp() <= m.watermark {
			m.emit(w)
		}
	}
	if !needed && (len(windows) > 0 || c.At+m.lateness <= m.watermark) {
		m.dropped++
		m.late = append(m.late, c)
	}
}

func (m *model) advance(to int64) {
	last := m.watermark
	m.watermark = max(m.watermark, to)
	for w := range m.windows {
		if w.MaxTimestamp() > last && w.MaxTimestamp() <= to {
			m.emit(w)
		}
	}
	for w := range m.windows {
		if m.over(w.Window) {
			delete(m.windows, w)
		}
	}
}

func (m *model) take() []sent[Result[int64, string]] {
	got := m.got
	m.got = nil
	return got
}

// bags is an aggregator whose accumulators share memory when they are copied carelessly: how often each value came.
var bags = stream.Aggregator[click, map[int64]int, string]{
	Add: func(acc map[int64]int, c click) map[int64]int { return addToBag(acc, c.N, 1) },
	Merge: func(a, b map[int64]int) map[int64]int {
		for v, n := range b {
			a = addToBag(a, v, n)
		}
		return a
	},
	Result: func(acc map[int64]int) string {
		var values []int64
		for v, n := range acc {
			values = append(values, slices.Repeat([]int64{v}, n)...)
		}
		return listText(values)
	},
}

func addToBag(bag map[int64]int, v int64, n int) map[int64]int {
	if bag == nil {
		bag = map[int64]int{}
	}
	bag[v] += n
	return bag
}

func listText(acc []int64) string {
	slices.Sort(acc)
	return fmt.Sprint(acc)
}

// texts is an aggregator with strings in it.
var texts = stream.AggregatorRef[click, string, string]{
	Add:   func(acc *string, c *click) { *acc += fmt.Sprint(c.N, " ") },
	Merge: func(into, from *string) { *into += *from },
	Result: func(acc *string) string {
		var values []int64
		for f := range strings.FieldsSeq(*acc) {
			var n int64
			if _, err := fmt.Sscan(f, &n); err != nil {
				panic(err)
			}
			values = append(values, n)
		}
		return listText(values)
	},
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// TestAggregatesAreThoseOfTheModel sends records in any order, with watermarks at any point, to an operator and to the
// plain model: each step must emit the same results, late records included.
func TestAggregatesAreThoseOfTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, spec := drawWindows(rt)
		readLate := rapid.Bool().Draw(rt, "read late")
		withBags := rapid.Bool().Draw(rt, "bags")
		var disk keyed.KeyValue
		subtasks := rapid.IntRange(1, 3).Draw(rt, "subtasks")
		if rapid.Bool().Draw(rt, "on disk") {
			disk, subtasks = &Memory{}, 1
		}
		r := newRig(t, subtasks, readLate, clickKey, disk, func(in *stream.Keyed[int64, click]) *stream.Stream[Result[int64, string]] {
			if withBags {
				return Aggregate(in, spec, bags)
			}
			return AggregateRef(in, spec, texts)
		})
		m.compare(rt, spec, r, readLate)
	})
}

// drawWindows draws windows and makes the model of them.
func drawWindows(rt *rapid.T) (m *model, spec Spec) {
	m = &model{watermark: math.MinInt64 / 2, windows: map[modelWindow][]int64{}}
	switch rapid.SampledFrom([]shape{tumbling, sliding, session, sessionBy}).Draw(rt, "shape") {
	case tumbling:
		m.size = rapid.Int64Range(1, 12).Draw(rt, "size")
		m.slide = m.size
		spec = Tumbling(ms(m.size))
	case sliding:
		m.size = rapid.Int64Range(1, 20).Draw(rt, "size")
		m.slide = rapid.Int64Range(1, 20).Draw(rt, "slide")
		spec = Sliding(ms(m.size), ms(m.slide))
	case session:
		m.gap = rapid.Int64Range(1, 8).Draw(rt, "gap")
		spec = Session(ms(m.gap))
	default:
		m.gap = rapid.Int64Range(1, 8).Draw(rt, "gap")
		spec = SessionBy(func(*click) time.Duration { return ms(m.gap) })
	}
	if m.gap == 0 && rapid.Bool().Draw(rt, "shift") {
		m.offset = rapid.Int64Range(1-m.slide, m.slide-1).Draw(rt, "offset")
		spec = spec.Offset(ms(m.offset))
	}
	if rapid.Bool().Draw(rt, "allow") {
		m.lateness = rapid.Int64Range(0, 30).Draw(rt, "lateness")
		spec = spec.Lateness(ms(m.lateness))
	}
	return m, spec
}

// compare runs records and watermarks through the model and an operator.
func (m *model) compare(rt *rapid.T, spec Spec, r *rig[click, Result[int64, string]], readLate bool) {
	now := rapid.Int64Range(-40, 40).Draw(rt, "begin")
	for range rapid.IntRange(1, 80).Draw(rt, "steps") {
		if rapid.IntRange(0, 4).Draw(rt, "what") == 0 {
			to := now + rapid.Int64Range(-20, 10).Draw(rt, "watermark")
			if to > m.watermark {
				m.advance(to)
				r.watermark(to)
				if r.out.watermark != to {
					rt.Fatalf("watermark %d came out as %d", to, r.out.watermark)
				}
			}
		} else {
			now += rapid.Int64Range(0, 6).Draw(rt, "step")
			c := click{rapid.Int64Range(1, 4).Draw(rt, "key"), now - rapid.Int64Range(0, 30).Draw(rt, "back"), rapid.Int64Range(0, 99).Draw(rt, "n")}
			m.record(c)
			r.send(c, c.At)
		}
		sameResults(rt, spec, r.out.take(), m.take())
	}
	m.advance(math.MaxInt64)
	r.end()
	sameResults(rt, spec, r.out.take(), m.take())
	if readLate {
		var late []click
		for _, e := range r.late.take() {
			late = append(late, e.V)
		}
		if fmt.Sprint(late) != fmt.Sprint(m.late) {
			rt.Fatalf("late records %v, want %v", late, m.late)
		}
	} else if r.dropped() != m.dropped {
		rt.Fatalf("%d records dropped, want %d", r.dropped(), m.dropped)
	}
}

// sameResults compares what came out in one step.
func sameResults(rt *rapid.T, spec Spec, got, want []sent[Result[int64, string]]) {
	rt.Helper()
	sortResults(got)
	sortResults(want)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		rt.Fatalf("%v:\ngot  %v\nwant %v", spec, got, want)
	}
}
