package stream_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/streamtest"
)

// numbers are 0 to n-1; subtask i of p makes those that leave rest i.
func numbers(n int) stream.Source[int] {
	return stream.Source[int]{Name: "numbers", Bounded: true, Open: func(ctx *stream.RuntimeContext) (stream.Reader[int], error) {
		r := &sliceReader[int]{}
		for i := ctx.SubtaskIndex(); i < n; i += ctx.Parallelism() {
			r.values = append(r.values, i)
		}
		return r, nil
	}}
}

// step is one verb of a random program and what it does to all records at once.
type step struct {
	name  string
	verb  func(*stream.Stream[int]) *stream.Stream[int]
	naive func([]int) []int
}

func each(f func(int) []int) func([]int) []int {
	return func(in []int) (out []int) {
		for _, v := range in {
			out = append(out, f(v)...)
		}
		return out
	}
}

func perKey(key func(int) int, f func(sum, v int) int, result func(key, sum int) int) func([]int) []int {
	return func(in []int) (out []int) {
		sums := map[int]int{}
		for _, v := range in {
			sums[key(v)] = f(sums[key(v)], v)
		}
		for k, sum := range sums {
			out = append(out, result(k, sum))
		}
		return out
	}
}

func third(v int) int { return v % 3 }

func value(p stream.Pair[int, int]) int { return 10*p.Value + p.Key }

func same(in []int) []int { return in }

var steps = []step{
	{"map", func(s *stream.Stream[int]) *stream.Stream[int] {
		return stream.Map(s, func(v int) int { return v + 7 })
	}, each(func(v int) []int { return []int{v + 7} })},
	{"filter", func(s *stream.Stream[int]) *stream.Stream[int] {
		return stream.FilterRef(s, func(v *int) bool { return *v%4 != 1 })
	}, each(func(v int) []int {
		if v%4 == 1 {
			return nil
		}
		return []int{v}
	})},
	{"flat map", func(s *stream.Stream[int]) *stream.Stream[int] {
		return stream.FlatMapRef(s, func(v *int, emit func(int)) error { emit(*v); emit(2 * *v); return nil })
	}, each(func(v int) []int { return []int{v, 2 * v} })},
	{"change in place", func(s *stream.Stream[int]) *stream.Stream[int] {
		// A consumer may change a record; the other one must not see it.
		return stream.Union(stream.Update(s, func(v *int) { *v++ }), stream.MapRef(s, func(v *int) int { *v *= 3; return *v }))
	}, each(func(v int) []int { return []int{v + 1, 3 * v} })},
	{"update", func(s *stream.Stream[int]) *stream.Stream[int] {
		return stream.Update(s, func(v *int) { *v += 2 })
	}, each(func(v int) []int { return []int{v + 2} })},
	{"pick", func(s *stream.Stream[int]) *stream.Stream[int] {
		pairs := stream.Map(s, func(v int) [2]int { return [2]int{v, -v} })
		return stream.Pick(pairs, func(p *[2]int) *int {
			if p[0]%3 == 0 {
				return nil
			}
			return &p[1]
		})
	}, each(func(v int) []int {
		if v%3 == 0 {
			return nil
		}
		return []int{-v}
	})},
	{"rebalance", func(s *stream.Stream[int]) *stream.Stream[int] { return stream.Rebalance(s) }, same},
	{"rescale", func(s *stream.Stream[int]) *stream.Stream[int] { return stream.Rescale(s) }, same},
	{"shuffle", func(s *stream.Stream[int]) *stream.Stream[int] { return stream.Shuffle(s) }, same},
	{"global", func(s *stream.Stream[int]) *stream.Stream[int] { return stream.Global(s) }, same},
	{"sum", func(s *stream.Stream[int]) *stream.Stream[int] {
		return stream.Map(stream.Sum(stream.KeyBy(s, third), func(v int) int { return v }, stream.AtEnd), value)
	}, perKey(third, func(sum, v int) int { return sum + v }, func(k, sum int) int { return 10*sum + k })},
	{"reduce", func(s *stream.Stream[int]) *stream.Stream[int] {
		return stream.Reduce(stream.KeyBy(s, func(v int) int { return v % 5 }), func(a, b int) int { return max(a, b) }, stream.AtEnd)
	}, func(in []int) (out []int) {
		most := map[int]int{}
		for _, v := range in {
			if old, ok := most[v%5]; !ok || v > old {
				most[v%5] = v
			}
		}
		for _, v := range most {
			out = append(out, v)
		}
		return out
	}},
	{"connect", func(s *stream.Stream[int]) *stream.Stream[int] {
		odd := stream.Filter(s, func(v int) bool { return v%2 == 1 })
		return stream.CoMap(stream.Connect(s, odd), func(v int) int { return v }, func(v int) int { return -v })
	}, each(func(v int) []int {
		if v%2 == 1 {
			return []int{v, -v}
		}
		return []int{v}
	})},
}

// Parallelism and chaining must not change what a program computes.
func TestResultsDoNotDependOnParallelismOrChaining(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		program := rapid.SliceOfN(rapid.SampledFrom(steps), 1, 5).Draw(rt, "steps")
		n := rapid.IntRange(0, 50).Draw(rt, "records")
		var names []string
		want := []int{}
		for i := range n {
			want = append(want, i)
		}
		for _, s := range program {
			names = append(names, s.name)
			want = append([]int{}, s.naive(want)...)
		}
		slices.Sort(want)
		for _, p := range []int{1, 3} {
			for _, chaining := range []string{"true", "false"} {
				got := []int{}
				_, err := streamtest.Run(t.Context(), func(env *stream.Env) {
					env.Parallelism(p)
					if chaining == "false" {
						env.DisableChaining()
					}
					s := stream.From(env, numbers(n))
					for i, x := range program {
						s = x.verb(s)
						if i == len(program)/2 {
							s = stream.Map(s, func(v int) int { return v }).Parallelism(2) // another parallelism in the middle
						}
					}
					collect(s, &got)
				})
				if err != nil {
					rt.Fatal(err)
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					rt.Fatalf("%q at parallelism %d, chaining %s: got %v, want %v", names, p, chaining, got, want)
				}
			}
		}
	})
}

func ExamplePair() {
	fmt.Println(stream.Pair[string, int64]{Key: "to", Value: 2})
	// Output: to 2
}
