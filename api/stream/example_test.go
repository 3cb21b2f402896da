package stream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/collection"
	"github.com/flink-go/flink-go/connectors/stdio"
)

// execute runs a program in an embedded cluster, with parallelism 1 so that results come in order. Most programs say
// job.Main(name, build) instead.
func execute(build func(env *stream.Env)) {
	_, err := job.Execute(context.Background(), "example", func(env *stream.Env) {
		build(env.Parallelism(1))
	})
	if err != nil {
		fmt.Println(err)
	}
}

func Example() {
	execute(func(env *stream.Env) {
		lines := stream.From(env, collection.Of("to be or not", "To be"))
		words := stream.FlatMap(lines, strings.FieldsSeq)
		counts := stream.Count(stream.KeyBy(words, strings.ToLower), stream.AtEnd).UID("count")
		stream.To(counts, stdio.Print)
	})
	// Unordered output:
	// to 2
	// be 2
	// or 1
	// not 1
}

func ExampleFrom() {
	// A source of its own: three countdowns, one split each.
	countdowns := stream.Source[string]{
		Name:    "countdowns",
		Bounded: true,
		Enumerate: func(_ *stream.RuntimeContext, found func(...stream.Split)) error {
			found(stream.Split{ID: "a", Data: []byte{2}}, stream.Split{ID: "b", Data: []byte{1}})
			return nil
		},
		OpenSplit: func(_ *stream.RuntimeContext, s stream.Split) (stream.Reader[string], error) {
			return &countdown{s.ID, int(s.Data[0])}, nil
		},
	}
	execute(func(env *stream.Env) {
		stream.To(stream.From(env, countdowns), stdio.Print)
	})
	// Unordered output:
	// a 2
	// a 1
	// b 1
}

// countdown reads one split.
type countdown struct {
	name string
	left int
}

func (c *countdown) Next(v *string) (int64, stream.Status, error) {
	if c.left == 0 {
		return 0, stream.End, nil
	}
	*v = fmt.Sprint(c.name, " ", c.left)
	c.left--
	return stream.NoTimestamp, stream.Record, nil
}

func (c *countdown) Close() error { return nil }

func ExampleMap() {
	execute(func(env *stream.Env) {
		words := stream.From(env, collection.Of("a", "b"))
		stream.To(stream.Map(words, strings.ToUpper), stdio.Print)
	})
	// Output:
	// A
	// B
}

type order struct {
	Buyer string
	Cents int
	Paid  bool
}

func orders(env *stream.Env) *stream.Stream[order] {
	return stream.From(env, collection.Of(order{"ann", 300, true}, order{"bob", 150, false}, order{"ann", 50, true}))
}

func ExampleMapRef() {
	execute(func(env *stream.Env) {
		buyers := stream.MapRef(orders(env), func(o *order) string { return o.Buyer })
		stream.To(buyers, stdio.Print)
	})
	// Output:
	// ann
	// bob
	// ann
}

func ExampleFilter() {
	execute(func(env *stream.Env) {
		paid := stream.Filter(orders(env), func(o order) bool { return o.Paid })
		stream.To(paid, stdio.Print)
	})
	// Output:
	// {Buyer:ann Cents:300 Paid:true}
	// {Buyer:ann Cents:50 Paid:true}
}

func ExampleFilterRef() {
	execute(func(env *stream.Env) {
		open := stream.FilterRef(orders(env), func(o *order) bool { return !o.Paid })
		stream.To(open, stdio.Print)
	})
	// Output: {Buyer:bob Cents:150 Paid:false}
}

func ExampleUpdate() {
	execute(func(env *stream.Env) {
		stream.To(stream.Update(orders(env), func(o *order) { o.Cents *= 2 }), stdio.Print)
	})
	// Output:
	// {Buyer:ann Cents:600 Paid:true}
	// {Buyer:bob Cents:300 Paid:false}
	// {Buyer:ann Cents:100 Paid:true}
}

func ExamplePick() {
	execute(func(env *stream.Env) {
		cents := stream.Pick(orders(env), func(o *order) *int {
			if !o.Paid {
				return nil
			}
			return &o.Cents
		})
		stream.To(cents, stdio.Print)
	})
	// Output:
	// 300
	// 50
}

func ExampleFlatMap() {
	execute(func(env *stream.Env) {
		lines := stream.From(env, collection.Of("to be", "or not"))
		stream.To(stream.FlatMap(lines, strings.FieldsSeq), stdio.Print)
	})
	// Output:
	// to
	// be
	// or
	// not
}

func ExampleFlatMapRef() {
	execute(func(env *stream.Env) {
		lines := stream.From(env, collection.Of("to be", "or not"))
		words := stream.FlatMapRef(lines, func(line *string, emit func(string)) error {
			first, second, ok := strings.Cut(*line, " ")
			if !ok {
				return fmt.Errorf("no space in %q", *line)
			}
			emit(first)
			emit(second)
			return nil
		})
		stream.To(words, stdio.Print)
	})
	// Output:
	// to
	// be
	// or
	// not
}

func ExampleCount() {
	execute(func(env *stream.Env) {
		words := stream.From(env, collection.Of("a", "b", "a"))
		key := func(w string) string { return w }
		stream.To(stream.Count(stream.KeyBy(words, key)).UID("count"), stdio.Print) // each update
	})
	// Output:
	// a 1
	// b 1
	// a 2
}

func ExampleSum() {
	execute(func(env *stream.Env) {
		byBuyer := stream.KeyByRef(orders(env), func(o *order) string { return o.Buyer })
		spent := stream.Sum(byBuyer, func(o order) int { return o.Cents }, stream.AtEnd).UID("spent")
		stream.To(spent, stdio.Print)
	})
	// Unordered output:
	// ann 350
	// bob 150
}

func ExampleReduce() {
	execute(func(env *stream.Env) {
		n := stream.From(env, collection.Of(3, 8, 5, 2))
		even := stream.KeyBy(n, func(n int) bool { return n%2 == 0 })
		stream.To(stream.Reduce(even, func(a, b int) int { return max(a, b) }, stream.AtEnd).UID("largest"), stdio.Print)
	})
	// Unordered output:
	// 5
	// 8
}

// numberer is a Processor with a field of its own in each subtask and a side output.
type numberer struct {
	n    int
	long stream.OutputTag[string]
}

func (p *numberer) Process(ctx *stream.Context[stream.NoKey, string], word string) error {
	if len(word) > 3 {
		p.long.Emit(ctx, word)
		return nil
	}
	p.n++
	ctx.Emit(fmt.Sprint(p.n, " ", word))
	return nil
}

func ExampleProcess() {
	long := stream.NewOutputTag[string]("long")
	execute(func(env *stream.Env) {
		words := stream.From(env, collection.Of("a", "long one", "b"))
		numbered := stream.Process(words, &numberer{long: long})
		stream.To(numbered, stdio.Print)
		stream.To(stream.Map(stream.SideOutput(numbered, long), strings.ToUpper), stdio.Print)
	})
	// Unordered output:
	// 1 a
	// 2 b
	// LONG ONE
}

func ExampleProcessFunc() {
	execute(func(env *stream.Env) {
		byBuyer := stream.KeyBy(orders(env), func(o order) string { return o.Buyer })
		stream.To(stream.ProcessFunc(byBuyer, func(ctx *stream.Context[string, string], o order) error {
			if o.Cents < 0 {
				return fmt.Errorf("%s pays %d", ctx.Key(), o.Cents)
			}
			ctx.Emit(fmt.Sprintf("%s pays %d", ctx.Key(), o.Cents))
			return nil
		}), stdio.Print)
	})
	// Output:
	// ann pays 300
	// bob pays 150
	// ann pays 50
}

func ExampleUnion() {
	execute(func(env *stream.Env) {
		a, b := stream.From(env, collection.Of(1, 2)), stream.From(env, collection.Of(3))
		stream.To(stream.Union(a, b), stdio.Print)
	})
	// Unordered output:
	// 1
	// 2
	// 3
}

func ExampleCoMap() {
	execute(func(env *stream.Env) {
		numbers, words := stream.From(env, collection.Of(1, 2)), stream.From(env, collection.Of("three"))
		both := stream.CoMap(stream.Connect(numbers, words),
			func(n int) string { return fmt.Sprint("number ", n) },
			func(w string) string { return "word " + w })
		stream.To(both, stdio.Print)
	})
	// Unordered output:
	// number 1
	// number 2
	// word three
}

func ExampleCoFlatMap() {
	execute(func(env *stream.Env) {
		numbers, words := stream.From(env, collection.Of(2)), stream.From(env, collection.Of("a b"))
		both := stream.CoFlatMap(stream.Connect(numbers, words),
			func(n int, emit func(string)) error {
				for i := range n {
					emit(fmt.Sprint(i))
				}
				return nil
			},
			func(line string, emit func(string)) error {
				for w := range strings.FieldsSeq(line) {
					emit(w)
				}
				return nil
			})
		stream.To(both, stdio.Print)
	})
	// Unordered output:
	// 0
	// 1
	// a
	// b
}

// limits keeps what is left of the limit of each buyer. The two inputs mix in any order.
type limits struct{ of map[string]int }

func (l *limits) Open(*stream.RuntimeContext) error {
	l.of = map[string]int{} // made here: each subtask has its own
	return nil
}

func (l *limits) ProcessFirst(ctx *stream.Context[string, string], limit order) error {
	l.of[ctx.Key()] += limit.Cents
	return nil
}

func (l *limits) ProcessSecond(_ *stream.Context[string, string], o order) error {
	l.of[o.Buyer] -= o.Cents
	return nil
}

func (l *limits) Finish(ctx *stream.Context[string, string]) error {
	for buyer, left := range l.of {
		ctx.Emit(fmt.Sprint(buyer, " has ", left, " left"))
	}
	return nil
}

func ExampleCoProcess() {
	execute(func(env *stream.Env) {
		buyer := func(o order) string { return o.Buyer }
		limit := stream.From(env, collection.Of(order{Buyer: "ann", Cents: 1000}, order{Buyer: "bob", Cents: 500}))
		left := stream.CoProcess(stream.Connect(stream.KeyBy(limit, buyer), stream.KeyBy(orders(env), buyer)), &limits{}).UID("limits")
		stream.To(left, stdio.Print)
	})
	// Unordered output:
	// ann has 650 left
	// bob has 350 left
}

// place prints which subtask a record came to.
func place(s *stream.Stream[int], p int) {
	stream.To(stream.ProcessFunc(s, func(ctx *stream.Context[stream.NoKey, string], n int) error {
		ctx.Emit(fmt.Sprintf("%d in subtask %d", n, ctx.SubtaskIndex()))
		return nil
	}).Parallelism(p), stdio.Print)
}

func ExampleRebalance() {
	execute(func(env *stream.Env) {
		place(stream.Rebalance(stream.From(env, collection.Of(1, 2, 3))), 2)
	})
	// Unordered output:
	// 1 in subtask 0
	// 2 in subtask 1
	// 3 in subtask 0
}

func ExampleRescale() {
	execute(func(env *stream.Env) {
		place(stream.Rescale(stream.From(env, collection.Of(1, 2))), 2)
	})
	// Unordered output:
	// 1 in subtask 0
	// 2 in subtask 1
}

func ExampleBroadcast() {
	execute(func(env *stream.Env) {
		place(stream.Broadcast(stream.From(env, collection.Of(7))), 2)
	})
	// Unordered output:
	// 7 in subtask 0
	// 7 in subtask 1
}

func ExampleGlobal() {
	execute(func(env *stream.Env) {
		place(stream.Global(stream.From(env, collection.Of(1, 2))), 2)
	})
	// Unordered output:
	// 1 in subtask 0
	// 2 in subtask 0
}

func ExampleForward() {
	execute(func(env *stream.Env) {
		place(stream.Forward(stream.From(env, collection.Of(1))), 1)
	})
	// Output: 1 in subtask 0
}

func ExampleShuffle() {
	execute(func(env *stream.Env) {
		n := stream.Map(stream.Shuffle(stream.From(env, collection.Of(1, 2))), func(n int) int { return n }).Parallelism(2)
		stream.To(n, stdio.Print)
	})
	// Unordered output:
	// 1
	// 2
}

func ExamplePartitionCustom() {
	execute(func(env *stream.Env) {
		n := stream.From(env, collection.Of(10, 25, 31))
		place(stream.PartitionCustom(n, func(n, subtasks int) int { return n / 10 % subtasks }), 2)
	})
	// Unordered output:
	// 10 in subtask 1
	// 25 in subtask 0
	// 31 in subtask 1
}

func ExampleForEach() {
	var all []string
	execute(func(env *stream.Env) {
		stream.ForEach(stream.From(env, collection.Of("a", "b")), func(s string) error {
			all = append(all, s) // parallelism 1, embedded: one goroutine of this process
			return nil
		})
	})
	slices.Sort(all)
	fmt.Println(all)
	// Output: [a b]
}

func ExampleDiscard() {
	execute(func(env *stream.Env) {
		stream.Discard(stream.From(env, collection.Of(1, 2, 3)))
	})
	// Output:
}

// total is a sink object: each subtask has a copy of its own.
type total struct {
	ctx *stream.RuntimeContext
	n   int
}

func (t *total) Open(ctx *stream.RuntimeContext) error {
	t.ctx = ctx
	return nil
}

func (t *total) Invoke(n int) error {
	t.n += n
	return nil
}

func (t *total) Close() error {
	fmt.Println("subtask", t.ctx.SubtaskIndex(), "of", t.ctx.Parallelism(), "got", t.n)
	return nil
}

func ExampleRichSink() {
	execute(func(env *stream.Env) {
		stream.To(stream.From(env, collection.Of(1, 2, 3)), stream.RichSink[int](&total{}))
	})
	// Output: subtask 0 of 1 got 6
}

// greetings is a source object that pushes from a goroutine of its own.
type greetings struct{ to []string }

func (g *greetings) Open(*stream.RuntimeContext) error { return nil }

func (g *greetings) Run(ctx *stream.SourceContext[string]) error {
	for _, name := range g.to {
		ctx.Collect("hello " + name)
	}
	return nil
}

func (g *greetings) Cancel() {}

func (g *greetings) Close() error { return nil }

func ExampleRichSource() {
	execute(func(env *stream.Env) {
		src := stream.RichSource("greetings", &greetings{[]string{"ann", "bob"}})
		stream.To(stream.From(env, src), stdio.Print)
	})
	// Output:
	// hello ann
	// hello bob
}

func ExampleRuntimeContext_LongCounter() {
	res, err := job.Execute(context.Background(), "example", func(env *stream.Env) {
		words := stream.From(env, collection.Of("a", "bb"))
		stream.Discard(stream.ProcessFunc(words, func(ctx *stream.Context[stream.NoKey, string], w string) error {
			ctx.LongCounter("letters").Add(int64(len(w)))
			ctx.Emit(w)
			return nil
		}))
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := res.Accumulators.Int64("letters")
	fmt.Println(n, err)
	// Output: 3 <nil>
}
