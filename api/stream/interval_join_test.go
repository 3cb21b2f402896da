package stream_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/operator"
)

type bid struct {
	Key string
	N   int
}

func bidKey(b bid) string { return b.Key }

type ask struct {
	Key string
	N   int
}

func askKey(a ask) string { return a.Key }

// both makes the keyed inputs of a join.
func both(env *stream.Env) (*stream.Keyed[string, bid], *stream.Keyed[string, ask]) {
	return stream.KeyBy(from[bid](env), bidKey), stream.KeyBy(from[ask](env), askKey)
}

func pairText(b bid, a ask) string { return fmt.Sprint(b.Key, b.N, "-", a.Key, a.N) }

// intervalModel is Flink's interval join as its documentation says: all records, and the rules.
type intervalModel struct {
	lower, upper  int64
	now           int64
	first, second []modelRecord
	got           transcript[string]
	late          int
}

type modelRecord struct {
	key string
	n   int
	ts  int64
}

func (m *intervalModel) send(isFirst bool, r modelRecord) {
	if r.ts < m.now {
		m.late++
		return
	}
	own, others := &m.first, m.second
	if !isFirst {
		own, others = &m.second, m.first
	}
	for _, o := range others {
		a, b := r, o
		if !isFirst {
			a, b = o, r
		}
		if a.key == b.key && b.ts >= a.ts+m.lower && b.ts <= a.ts+m.upper {
			text := pairText(bid{a.key, a.n}, ask{b.key, b.n})
			m.got.Record(&text, max(a.ts, b.ts))
		}
	}
	*own = append(*own, r)
	m.release()
}

func (m *intervalModel) watermark(ts int64) {
	m.now = ts
	m.release()
	m.got.Watermark(ts)
}

func (m *intervalModel) release() {
	m.first = slices.DeleteFunc(m.first, func(r modelRecord) bool { return r.ts+max(m.upper, 0) <= m.now })
	m.second = slices.DeleteFunc(m.second, func(r modelRecord) bool { return r.ts+max(-m.lower, 0) <= m.now })
}

func TestIntervalJoinFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &intervalModel{lower: rapid.Int64Range(-30, 30).Draw(rt, "lower"), now: math.MinInt64}
		m.upper = m.lower + rapid.Int64Range(0, 40).Draw(rt, "width")
		var d *disk
		if rapid.Bool().Draw(rt, "on disk") {
			d = &disk{}
		}
		got := &transcript[string]{}
		b := onBench(rt, d, []any{operator.Node[string](got)}, func(env *stream.Env) {
			bids, asks := both(env)
			within := stream.Between(time.Duration(m.lower)*time.Millisecond, time.Duration(m.upper)*time.Millisecond)
			stream.Discard(stream.IntervalJoin(bids, asks, within, pairText).UID("it"))
		})
		defer b.stop()
		wm := int64(-100)
		for i := range rapid.IntRange(0, 200).Draw(rt, "steps") {
			r := modelRecord{rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key"), i, wm + rapid.Int64Range(-5, 50).Draw(rt, "ts")}
			switch k := rapid.IntRange(0, 7).Draw(rt, "step"); {
			case k < 3:
				m.send(true, r)
				input[bid](b, 0).Record(&bid{r.key, r.n}, r.ts)
			case k < 6:
				m.send(false, r)
				input[ask](b, 1).Record(&ask{r.key, r.n}, r.ts)
			default:
				wm += rapid.Int64Range(1, 20).Draw(rt, "step")
				m.watermark(wm)
				b.watermark(wm)
			}
		}
		if !slices.Equal(m.got.lines, got.lines) {
			rt.Fatalf("want %q\ngot  %q", m.got.lines, got.lines)
		}
		if n := b.counts["numLateRecordsDropped"].Value(); n != int64(m.late) {
			rt.Errorf("%d late records, want %d", n, m.late)
		}
		// An eighth of the interval after the last partner could have come nothing is left.
		b.watermark(wm + 200)
		if d != nil && len(d.entries) > 0 {
			rt.Errorf("%d entries are left in the state", len(d.entries))
		}
	})
}

// A long run of ever new keys keeps no more than the interval holds.
func TestIntervalJoinReleasesState(t *testing.T) {
	d := &disk{}
	b := onBench(t, d, []any{operator.Node[string](&transcript[string]{})}, func(env *stream.Env) {
		bids, asks := both(env)
		stream.Discard(stream.IntervalJoin(bids, asks, stream.Between(-80*time.Millisecond, 80*time.Millisecond), pairText).UID("it"))
	})
	defer b.stop()
	most := 0
	for i := range 5000 {
		ts := int64(i)
		input[bid](b, 0).Record(&bid{fmt.Sprint("k", i), i}, ts)
		input[ask](b, 1).Record(&ask{fmt.Sprint("k", i+20), i}, ts)
		b.watermark(ts - 10)
		if i > 1000 {
			most = max(most, len(d.entries))
		} else if i == 1000 {
			most = len(d.entries)
		}
	}
	b.watermark(operator.MaxWatermark)
	if len(d.entries) > 0 {
		t.Errorf("%d entries are left at the end", len(d.entries))
	}
	if most > 20*2*110 { // records of 110 ms, a few entries each
		t.Errorf("up to %d entries", most)
	}
}

func TestIntervalJoinBounds(t *testing.T) {
	at := func(ms ...int) string { return fmt.Sprint(ms) }
	for _, c := range []struct {
		name   string
		within stream.JoinInterval
		want   string // times of the partners of a record of time 0
	}{
		{"both included", stream.Between(-2*time.Millisecond, 3*time.Millisecond), at(-2, -1, 0, 1, 2, 3)},
		{"lower excluded", stream.Between(-2*time.Millisecond, 3*time.Millisecond).LowerExclusive(), at(-1, 0, 1, 2, 3)},
		{"upper excluded", stream.Between(-2*time.Millisecond, 3*time.Millisecond).UpperExclusive(), at(-2, -1, 0, 1, 2)},
		{"parts of milliseconds", stream.Between(-1500*time.Microsecond, 1500*time.Microsecond), at(-1, 0, 1)},
		{"parts, excluded", stream.Between(500*time.Microsecond, 2500*time.Microsecond).LowerExclusive().UpperExclusive(), at(1, 2)},
		{"negative", stream.Between(-3*time.Millisecond, -2*time.Millisecond), at(-3, -2)},
		{"negative parts", stream.Between(-3500*time.Microsecond, -1500*time.Microsecond), at(-3, -2)},
		{"one", stream.Between(0, 0), at(0)},
	} {
		var got []int
		b := onBench(t, nil, []any{operator.Node[int](&drop[int]{})}, func(env *stream.Env) {
			bids, asks := both(env)
			stream.Discard(stream.IntervalJoin(bids, asks, c.within, func(_ bid, a ask) int { got = append(got, a.N); return 0 }).UID("it"))
		})
		input[bid](b, 0).Record(&bid{"a", 0}, 0)
		for ts := -6; ts <= 6; ts++ {
			input[ask](b, 1).Record(&ask{"a", ts}, int64(ts))
		}
		b.stop()
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// spread tells the times of each pair to a side output.
type spread struct {
	tag    stream.OutputTag[string]
	opened bool
}

func (s *spread) Open(*stream.RuntimeContext) error { s.opened = true; return nil }

func (s *spread) Join(ctx *stream.JoinContext[string, string], b bid, a ask) error {
	if b.N < 0 || !s.opened {
		return errors.New("a negative bid")
	}
	s.tag.Emit(ctx, fmt.Sprint(ctx.FirstTimestamp(), " ", ctx.SecondTimestamp()))
	ctx.Emit(ctx.Key() + pairText(b, a))
	return nil
}

func TestIntervalJoinProcess(t *testing.T) {
	out, times, lateBids, lateAsks := &transcript[string]{}, &transcript[string]{}, &transcript[bid]{}, &transcript[ask]{}
	outs := []any{operator.Node[string](out), operator.Node[string](times), operator.Node[bid](lateBids), operator.Node[ask](lateAsks)}
	b := onBench(t, nil, outs, func(env *stream.Env) {
		bids, asks := both(env)
		tag := stream.NewOutputTag[string]("times")
		joined := stream.IntervalJoinProcess(bids, asks, stream.Between(0, time.Second), &spread{tag: tag}).UID("it")
		stream.Discard(stream.SideOutput(joined, tag))
		stream.Discard(stream.LateFirst[bid](joined))
		stream.Discard(stream.LateSecond[ask](joined))
		stream.Discard(joined)
	})
	defer b.stop()
	input[bid](b, 0).Record(&bid{"a", 1}, 100)
	input[ask](b, 1).Record(&ask{"a", 2}, 1100)
	input[bid](b, 0).Record(&bid{"a", 3}, 1000)
	b.watermark(1050)
	input[bid](b, 0).Record(&bid{"a", 4}, 1049)
	input[ask](b, 1).Record(&ask{"a", 5}, 7)
	out.want(t, "aa1-a2 @1100", "aa3-a2 @1100", "w 1050")
	times.want(t, "100 1100 @1100", "1000 1100 @1100", "w 1050")
	lateBids.want(t, "w 1050", "{a 4} @1049")
	lateAsks.want(t, "w 1050", "{a 5} @7")
}

func TestIntervalJoinFailures(t *testing.T) {
	b := onBench(t, nil, []any{operator.Node[string](&transcript[string]{})}, func(env *stream.Env) {
		bids, asks := both(env)
		stream.Discard(stream.IntervalJoinProcess(bids, asks, stream.Between(0, time.Second), &spread{}).UID("it"))
	})
	defer b.stop()
	input[bid](b, 0).Record(&bid{"a", -1}, 100)
	wantError(t, failure(t, func() { input[ask](b, 1).Record(&ask{"a", 2}, 100) }), `operator "IntervalJoin": key a: a negative bid`)
	wantError(t, failure(t, func() { input[ask](b, 1).Record(&ask{"b", 2}, stream.NoTimestamp) }),
		`operator "IntervalJoin": key b: the record has no event time: give it one in the source or with stream.EventTime`)
}

// B-46: times at the ends of int64 neither overflow nor wait for ever.
func TestIntervalJoinAtTheEndsOfTime(t *testing.T) {
	backends(t, func(t *testing.T, d *disk) {
		out := &transcript[string]{}
		b := onBench(t, d, []any{operator.Node[string](out)}, func(env *stream.Env) {
			bids, asks := both(env)
			stream.Discard(stream.IntervalJoin(bids, asks, stream.Between(-time.Hour, time.Hour), pairText).UID("it"))
		})
		defer b.stop()
		const first, last = math.MinInt64 + 1, math.MaxInt64
		for i, ts := range []int64{first, last} {
			input[bid](b, 0).Record(&bid{"a", i}, ts)
			input[ask](b, 1).Record(&ask{"a", i}, ts)
		}
		out.want(t, fmt.Sprint("a0-a0 @", first), fmt.Sprint("a1-a1 @", last))
		b.watermark(operator.MaxWatermark)
		out.want(t, "w max")
		if d != nil && len(d.entries) > 0 {
			t.Errorf("%d entries are left", len(d.entries))
		}
	})
}

func TestIntervalJoinRefusesBadSettings(t *testing.T) {
	env := stream.NewEnv("bad", nil)
	bids, asks := both(env)
	for _, within := range []stream.JoinInterval{{}, stream.Between(2, 1), stream.Between(0, time.Millisecond).LowerExclusive().UpperExclusive()} {
		stream.Discard(stream.IntervalJoin(bids, asks, within, pairText))
	}
	stream.Discard(stream.IntervalJoin[string, bid, ask, string](bids, asks, stream.Between(0, 1), nil))
	stream.Discard(stream.IntervalJoinProcess[string, bid, ask, string](bids, asks, stream.Between(0, 1), nil))
	wantFaults(t, env,
		"IntervalJoin: the interval is missing: make it with Between",
		"IntervalJoin: the lower bound 2ns is above the upper bound 1ns",
		"IntervalJoin: no millisecond lies between the bounds 0s and 1ms",
		"IntervalJoin: the function is nil",
		"IntervalJoin: the function is nil")
}

// wantFaults compares the faults of a program, which are all of this package's tests.
func wantFaults(t *testing.T, env *stream.Env, want ...string) {
	t.Helper()
	_, err := env.StreamGraph()
	if err == nil {
		t.Fatal("the program has no fault")
	}
	var got []string
	for _, line := range strings.Split(err.Error(), "\n")[1:] {
		position, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if !strings.Contains(position, "_test.go:") {
			t.Errorf("%s: not a place in the program", position)
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// num is a record without strings: state takes its own copies of those.
type num struct {
	Key uint64
	N   int
}

func numKey(n num) uint64 { return n.Key }

func TestIntervalJoinAllocatesNothing(t *testing.T) {
	out := &drop[int]{}
	b := onBench(t, nil, []any{operator.Node[int](out)}, func(env *stream.Env) {
		first, second := stream.KeyBy(from[num](env), numKey), stream.KeyBy(from[num](env), numKey)
		stream.Discard(stream.IntervalJoin(first, second, stream.Between(-50*time.Millisecond, 50*time.Millisecond), func(a, b num) int { return a.N + b.N }).UID("it"))
	})
	defer b.stop()
	first, second := input[num](b, 0), input[num](b, 1)
	var x num
	i := 0
	one := func() {
		i++
		x.Key = uint64(i % 5)
		first.Record(&x, int64(i))
		second.Record(&x, int64(i))
		b.watermark(int64(i - 20))
	}
	for range 2000 {
		one()
	}
	if n := testing.AllocsPerRun(2000, one); n != 0 {
		t.Errorf("%v allocations per pair of records", n)
	}
	if out.n == 0 {
		t.Error("nothing came out")
	}
}
