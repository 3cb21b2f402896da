package stream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/graph/operator"
)

// from is a source of values in subtask 0.
func from[T any](env *stream.Env, values ...T) *stream.Stream[T] {
	return stream.From(env, stream.Source[T]{Name: "values", Bounded: true, Parallelism: 1,
		Open: func(*stream.RuntimeContext) (stream.Reader[T], error) { return &sliceReader[T]{values: values}, nil }})
}

type sliceReader[T any] struct {
	values []T
	closed func()
}

func (r *sliceReader[T]) Next(v *T) (int64, stream.Status, error) {
	if len(r.values) == 0 {
		return 0, stream.End, nil
	}
	*v, r.values = r.values[0], r.values[1:]
	return stream.NoTimestamp, stream.Record, nil
}

func (r *sliceReader[T]) Close() error {
	if r.closed != nil {
		r.closed()
	}
	return nil
}

// collect appends the records to got; the test runs all subtasks on one goroutine.
func collect[T any](s *stream.Stream[T], got *[]T) {
	stream.ForEach(s, func(v T) error { *got = append(*got, v); return nil })
}

func run(t *testing.T, build func(env *stream.Env)) *streamtest.Result {
	t.Helper()
	res, err := streamtest.Run(t.Context(), build)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func wantSame[T any](t *testing.T, got []T, want ...string) {
	t.Helper()
	texts := make([]string, len(got))
	for i, v := range got {
		texts[i] = fmt.Sprint(v)
	}
	slices.Sort(texts)
	slices.Sort(want)
	if !slices.Equal(texts, want) {
		t.Errorf("got %q, want %q", texts, want)
	}
}

func TestWordCountReadsAsItShould(t *testing.T) {
	var got []stream.Pair[string, int64]
	run(t, func(env *stream.Env) {
		words := stream.FlatMap(from(env, "to be or", "not To be"), strings.FieldsSeq)
		counts := stream.Count(stream.KeyBy(words, strings.ToLower), stream.AtEnd).UID("count").Parallelism(3)
		collect(counts, &got)
	})
	wantSame(t, got, "to 2", "be 2", "or 1", "not 1")
}

func TestAggregatesEmitEachUpdateByDefault(t *testing.T) {
	var counts []stream.Pair[string, int64]
	var sums []stream.Pair[bool, int]
	var longest []string
	run(t, func(env *stream.Env) {
		words := from(env, "a", "bb", "a", "ccc")
		collect(stream.Count(stream.KeyBy(words, strings.ToUpper)), &counts)
		odd := stream.KeyByRef(words, func(w *string) bool { return len(*w)%2 == 1 })
		collect(stream.Sum(odd, func(w string) int { return len(w) }), &sums)
		collect(stream.Reduce(odd, func(a, b string) string { return a + b }), &longest)
	})
	wantSame(t, counts, "A 1", "A 2", "BB 1", "CCC 1")
	wantSame(t, sums, "true 1", "true 2", "true 5", "false 2")
	wantSame(t, longest, "a", "bb", "aa", "aaccc")
}

// In mode Batch final values are the default, whenever the mode is set; who asks for updates gets them.
func TestBatchModeEmitsFinalValues(t *testing.T) {
	var final, updates []stream.Pair[string, int64]
	run(t, func(env *stream.Env) {
		byWord := stream.KeyBy(from(env, "a", "bb", "a"), strings.ToUpper)
		collect(stream.Count(byWord), &final)
		collect(stream.Count(byWord, stream.EachUpdate), &updates)
		env.RuntimeMode(stream.Batch)
	})
	wantSame(t, final, "A 2", "BB 1")
	wantSame(t, updates, "A 1", "A 2", "BB 1")
}

func TestStatelessVerbs(t *testing.T) {
	var got []int
	run(t, func(env *stream.Env) {
		n := from(env, 1, 2, 3, 4)
		even := stream.Filter(n, func(i int) bool { return i%2 == 0 })
		small := stream.FilterRef(n, func(i *int) bool { return *i < 2 })
		ten := stream.Map(even, func(i int) int { return 10 * i })
		hundred := stream.MapRef(small, func(i *int) int { return 100 * *i })
		twice := stream.FlatMapRef(ten, func(i *int, emit func(int)) error {
			emit(*i)
			emit(*i + 1)
			return nil
		})
		collect(stream.Union(twice, hundred, stream.FlatMap(small, func(i int) iter.Seq[int] { return slices.Values([]int{-i}) })), &got)
	})
	wantSame(t, got, "20", "21", "40", "41", "100", "-1")
}

// tagger counts per subtask and tells odd numbers apart.
type tagger struct {
	odd      stream.OutputTag[string]
	seen     int
	open     bool
	finished *[]int
	closed   *int
}

func (g *tagger) Open(ctx *stream.RuntimeContext) error {
	g.open = true
	ctx.IntCounter("opened").Add(1)
	return nil
}

func (g *tagger) Process(ctx *stream.Context[int, int], v int) error {
	if !g.open || ctx.Key() != v%3 {
		return fmt.Errorf("open %v, key %d of %d", g.open, ctx.Key(), v)
	}
	g.seen++
	if v%2 == 1 {
		g.odd.Emit(ctx, fmt.Sprint("odd ", v))
		return nil
	}
	ctx.Emit(v)
	return nil
}

func (g *tagger) Finish(ctx *stream.Context[int, int]) error {
	*g.finished = append(*g.finished, g.seen)
	ctx.Emit(1000)
	return nil
}

func (g *tagger) Close() error { *g.closed++; return nil }

func TestProcessHasKeySideOutputsAndFieldsPerSubtask(t *testing.T) {
	var main []int
	var side, again []string
	var finished []int
	closed := 0
	tag := stream.NewOutputTag[string]("odd")
	res := run(t, func(env *stream.Env) {
		env.Parallelism(2)
		keyed := stream.KeyBy(from(env, 1, 2, 3, 4, 5), func(i int) int { return i % 3 })
		p := stream.Process(keyed, &tagger{odd: tag, finished: &finished, closed: &closed}).UID("tag")
		collect(p, &main)
		collect(stream.SideOutput(p, tag), &side)
		collect(stream.SideOutput(p, tag), &again)
	})
	wantSame(t, main, "2", "4", "1000", "1000")
	wantSame(t, side, "odd 1", "odd 3", "odd 5")
	wantSame(t, again, "odd 1", "odd 3", "odd 5")
	if len(finished) != 2 || finished[0]+finished[1] != 5 || closed != 2 || res.Accumulators["opened"] != "2" {
		t.Errorf("subtasks saw %v, %d closed, %s opened: want two copies of the object", finished, closed, res.Accumulators["opened"])
	}
}

func TestConnect(t *testing.T) {
	var mapped, flat, joined []string
	run(t, func(env *stream.Env) {
		n, s := from(env, 1, 2), from(env, "one", "two", "three")
		c := stream.Connect(n, s)
		collect(stream.CoMap(c, func(i int) string { return fmt.Sprint(i) }, strings.ToUpper), &mapped)
		collect(stream.CoFlatMap(c,
			func(i int, emit func(string)) error { emit("a"); emit("b"); return nil },
			func(string, func(string)) error { return nil }), &flat)
		keyed := stream.Connect(stream.KeyBy(n, func(i int) int { return i }), stream.KeyBy(s, func(s string) int { return len(s) - 2 }))
		collect(stream.CoProcess(keyed, &pairer{}).Parallelism(2), &joined)
	})
	wantSame(t, mapped, "1", "2", "ONE", "TWO", "THREE")
	wantSame(t, flat, "a", "a", "b", "b")
	wantSame(t, joined, "1 of 1", "2 of 2", "one of 1", "two of 1", "three of 3", "end")
}

type pairer struct{ n int }

func (p *pairer) ProcessFirst(ctx *stream.Context[int, string], v int) error {
	ctx.Emit(fmt.Sprint(v, " of ", ctx.Key()))
	return nil
}

func (p *pairer) ProcessSecond(ctx *stream.Context[int, string], v string) error {
	p.n++
	ctx.Emit(fmt.Sprint(v, " of ", ctx.Key()))
	return nil
}

func (p *pairer) Finish(ctx *stream.Context[int, string]) error {
	if ctx.SubtaskIndex() == 0 {
		ctx.Emit("end")
	}
	return nil
}

func TestExchanges(t *testing.T) {
	for name, ship := range map[string]struct {
		by   func(*stream.Stream[int]) *stream.Stream[int]
		want []string // of "subtask:value"; nil: any subtask
	}{
		"rebalance": {stream.Rebalance[int], []string{"0:0", "1:1", "2:2", "0:3", "1:4", "2:5"}},
		"rescale":   {stream.Rescale[int], []string{"0:0", "1:1", "2:2", "0:3", "1:4", "2:5"}},
		"global":    {stream.Global[int], []string{"0:0", "0:1", "0:2", "0:3", "0:4", "0:5"}},
		"custom": {func(s *stream.Stream[int]) *stream.Stream[int] {
			return stream.PartitionCustom(s, func(v, n int) int { return n - 1 - v%2 })
		}, []string{"2:0", "1:1", "2:2", "1:3", "2:4", "1:5"}},
		"shuffle": {stream.Shuffle[int], nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			run(t, func(env *stream.Env) {
				p := stream.ProcessFunc(ship.by(from(env, 0, 1, 2, 3, 4, 5)), func(ctx *stream.Context[stream.NoKey, string], v int) error {
					ctx.Emit(fmt.Sprintf("%d:%d", ctx.SubtaskIndex(), v))
					return nil
				})
				collect(p.Parallelism(3), &got)
			})
			if ship.want == nil {
				if len(got) != 6 {
					t.Errorf("got %q", got)
				}
				return
			}
			wantSame(t, got, ship.want...)
		})
	}
	t.Run("broadcast", func(t *testing.T) {
		var got []int
		run(t, func(env *stream.Env) {
			collect(stream.Map(stream.Broadcast(from(env, 7, 8)), func(i int) int { return i }).Parallelism(3), &got)
		})
		wantSame(t, got, "7", "7", "7", "8", "8", "8")
	})
	t.Run("forward", func(t *testing.T) {
		var got []int
		run(t, func(env *stream.Env) {
			collect(stream.Map(stream.Forward(from(env, 7, 8)), func(i int) int { return i }), &got)
		})
		wantSame(t, got, "7", "8")
	})
}

func TestFailuresNameTheOperator(t *testing.T) {
	boom := errors.New("boom")
	for name, build := range map[string]func(*stream.Stream[int]){
		"panic in map": func(s *stream.Stream[int]) {
			stream.Discard(stream.Map(s, func(i int) int { panic(boom) }).Name("bad"))
		},
		"panic after emit": func(s *stream.Stream[int]) {
			f := stream.FlatMapRef(s, func(i *int, emit func(int)) error { emit(1); panic(boom) }).Name("bad")
			stream.Discard(stream.Map(f, func(i int) int { return i }))
		},
		"error of flat map": func(s *stream.Stream[int]) {
			stream.Discard(stream.FlatMapRef(s, func(*int, func(int)) error { return boom }).Name("bad"))
		},
		"error of process": func(s *stream.Stream[int]) {
			stream.Discard(stream.ProcessFunc(s, func(*stream.Context[stream.NoKey, int], int) error { return boom }).Name("bad"))
		},
		"error of sink": func(s *stream.Stream[int]) { stream.ForEach(s, func(int) error { return boom }).Name("bad") },
		"error of open": func(s *stream.Stream[int]) {
			stream.To(s, func(*stream.RuntimeContext) (stream.Writer[int], error) { return nil, boom }).Name("bad")
		},
		"partitioner out of range": func(s *stream.Stream[int]) {
			p := stream.PartitionCustom(stream.Map(s, func(i int) int { return i }).Name("bad"), func(int, int) int { return 7 })
			stream.Discard(p).Parallelism(2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			closed := 0
			_, err := streamtest.Run(t.Context(), func(env *stream.Env) {
				build(stream.From(env, stream.Source[int]{Name: "n", Bounded: true, Parallelism: 1,
					Open: func(*stream.RuntimeContext) (stream.Reader[int], error) {
						return &sliceReader[int]{values: []int{1, 2}, closed: func() { closed++ }}, nil
					}}))
			})
			failure, ok := errors.AsType[*operator.Failure](err)
			if !ok || failure.Operator != "bad" {
				t.Errorf("error %v, want a failure of operator bad", err)
			}
			if name != "error of open" && closed != 1 {
				t.Errorf("the source was closed %d times", closed)
			}
		})
	}
}

func TestSplitsAreReadOnceEach(t *testing.T) {
	var got []string
	closed := 0
	run(t, func(env *stream.Env) {
		src := stream.Source[string]{Name: "splits", Bounded: true,
			Enumerate: func(ctx *stream.RuntimeContext, found func(...stream.Split)) error {
				for i := range 5 {
					found(stream.Split{ID: fmt.Sprint(i), Data: []byte{byte('a' + i)}})
				}
				return ctx.Context().Err()
			},
			OpenSplit: func(ctx *stream.RuntimeContext, s stream.Split) (stream.Reader[string], error) {
				return &sliceReader[string]{values: []string{s.ID, string(s.Data)}, closed: func() { closed++ }}, nil
			}}
		collect(stream.From(env, src).Parallelism(2), &got)
	})
	wantSame(t, got, "0", "1", "2", "3", "4", "a", "b", "c", "d", "e")
	if closed != 5 {
		t.Errorf("%d readers were closed, want 5", closed)
	}
}

func TestFailedDiscoveryFailsTheSource(t *testing.T) {
	for name, enumerate := range map[string]func(*stream.RuntimeContext, func(...stream.Split)) error{
		"error": func(*stream.RuntimeContext, func(...stream.Split)) error { return errors.New("no such directory") },
		"panic": func(*stream.RuntimeContext, func(...stream.Split)) error { panic("no such directory") },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := streamtest.Run(t.Context(), func(env *stream.Env) {
				stream.Discard(stream.From(env, stream.Source[int]{Name: "splits", Bounded: true, Enumerate: enumerate,
					OpenSplit: func(*stream.RuntimeContext, stream.Split) (stream.Reader[int], error) { return nil, nil }}))
			})
			if err == nil || !strings.Contains(err.Error(), `operator "splits": discover splits`) || !strings.Contains(err.Error(), "no such directory") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// counter pushes numbers from a goroutine of its own (S-019 to S-023).
type counter struct {
	n        int
	canceled chan struct{}
	closed   *int
}

func (c *counter) Open(ctx *stream.RuntimeContext) error {
	c.canceled = make(chan struct{})
	c.n += ctx.SubtaskIndex() // a field of this subtask's copy
	return nil
}

func (c *counter) Run(ctx *stream.SourceContext[int]) error {
	for i := range c.n {
		ctx.CollectWithTimestamp(i, int64(i))
	}
	if c.n > 5000 {
		<-c.canceled // endless, until Cancel
	}
	return nil
}

func (c *counter) Cancel() { close(c.canceled) }

func (c *counter) Close() error { *c.closed++; return nil }

// summer adds up in a sink object.
type summer struct {
	ctx *stream.RuntimeContext
	sum int
	out map[int]int
}

func (s *summer) Open(ctx *stream.RuntimeContext) error { s.ctx = ctx; return nil }

func (s *summer) Invoke(v int) error { s.sum += v; return nil }

func (s *summer) Close() error { s.out[s.ctx.SubtaskIndex()] = s.sum; return nil }

func TestRichFunctions(t *testing.T) {
	closed, sums := 0, map[int]int{}
	run(t, func(env *stream.Env) {
		env.Parallelism(2)
		n := stream.From(env, stream.RichSource("count", &counter{n: 2000, closed: &closed}))
		stream.To(n, stream.RichSink[int](&summer{out: sums})).UID("sum")
	})
	if closed != 2 || sums[0] != 1999000 || sums[1] != 2001000 {
		t.Errorf("%d closed, sums %v", closed, sums)
	}
}

func TestRichSourceIsCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	closed := 0
	_, err := streamtest.Run(ctx, func(env *stream.Env) {
		n := stream.From(env, stream.RichSource("count", &counter{n: 6000, closed: &closed}))
		stream.ForEach(n, func(v int) error {
			if v == 5999 {
				cancel()
			}
			return nil
		})
	})
	if !errors.Is(err, context.Canceled) || closed != 1 {
		t.Errorf("error %v, %d closed", err, closed)
	}
}

func TestRuntimeContext(t *testing.T) {
	res := run(t, func(env *stream.Env) {
		env.Parallelism(2).MaxParallelism(64).Params(map[string]string{"color": "red"})
		stream.To(stream.Map(stream.Rebalance(from(env, 1, 2, 3)), func(i int) int { return i }),
			func(ctx *stream.RuntimeContext) (stream.Writer[int], error) {
				if ctx.Parallelism() != 2 || ctx.MaxParallelism() != 64 || ctx.Param("color") != "red" || ctx.UID() != "sink" || ctx.Attempt() != 0 {
					return nil, fmt.Errorf("wrong context of subtask %d", ctx.SubtaskIndex())
				}
				ctx.Counter("records")
				return &accumulating{ctx: ctx}, nil
			}).UID("sink")
	})
	for name, want := range map[string]string{
		"int": "3", "long": "6", "sum": "18446744073709551610", "min": "1", "max": "3", "double": "1.5",
		"histogram": `{"1":1,"2":1,"3":1}`, "list": `[1,3,2]`, "none": "9223372036854775807",
	} {
		if got := res.Accumulators[name]; got != want {
			t.Errorf("accumulator %s is %s, want %s", name, got, want)
		}
	}
}

type accumulating struct{ ctx *stream.RuntimeContext }

func (w *accumulating) Write(v *int) error {
	w.ctx.IntCounter("int").Add(1)
	w.ctx.LongCounter("long").Add(int64(*v))
	w.ctx.LongSum64("sum").Add(-uint64(*v))
	w.ctx.LongMin("min").Add(int64(*v))
	w.ctx.LongMax("max").Add(int64(*v))
	w.ctx.Double("double").Add(0.5)
	w.ctx.Histogram("histogram").Add(*v)
	w.ctx.LongMin("none")
	return w.ctx.List("list").Add(*v)
}

func (w *accumulating) Flush() error { return nil }

func (w *accumulating) Close() error { return nil }

func TestNamesOfConnectorsAreMadeFit(t *testing.T) {
	for name, want := range map[string]string{
		"": "Source", "lines a\nb\xff": "lines a b?", strings.Repeat("ä", 200): strings.Repeat("ä", 126) + "...",
	} {
		env := stream.NewEnv("names", nil)
		stream.Discard(stream.From(env, stream.Source[int]{Name: name, Open: func(*stream.RuntimeContext) (stream.Reader[int], error) { return nil, nil }}))
		sg, err := env.StreamGraph()
		if err != nil {
			t.Fatal(err)
		}
		if got := sg.Nodes[0].Name; got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}
