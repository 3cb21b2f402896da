package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/graph/operator"
)

// invert fails on 0 by a panic.
func invert(i int) int { return 100 / i }

// letter is a dead letter in a line.
func letter[T any](l stream.Letter[T]) string {
	place := ""
	if l.Stack != "" {
		place = " in " + l.Stack[strings.LastIndexByte(l.Stack[:strings.IndexByte(l.Stack, '\n')], '.')+1:strings.IndexByte(l.Stack, '\n')]
	}
	return fmt.Sprintf("%v of %s (%s) subtask %d attempt %d: number %d at %d: %s%s",
		l.Record, l.Operator, l.UID, l.Subtask, l.Attempt, l.Number, l.EventTime, l.Error, place)
}

func letters[T any](s *stream.Stream[stream.Letter[T]], got *[]string) {
	stream.ForEach(s, func(l stream.Letter[T]) error { *got = append(*got, letter(l)); return nil })
}

func TestLetterIsPrintedInOneLine(t *testing.T) {
	l := stream.Letter[string]{Record: "x", Operator: "parse", Subtask: 1, Number: 7, Error: "no number", Stack: "main.parse\n\tmain.go:3"}
	if got, want := fmt.Sprintf("%+v", l), `x: operator "parse", subtask 1, record 7: no number`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	raw := stream.Letter[[]byte]{Record: []byte("{\n"), Operator: "json", Error: "unexpected end"}
	if got, want := raw.String(), `"{\n": operator "json", subtask 0: unexpected end`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSkippedRecordsAreCounted(t *testing.T) {
	out := &transcript[int]{}
	op := operate(t, []any{operator.Node[int](out)}, func(env *stream.Env) {
		stream.Discard(stream.Map(from[int](env), invert).UID("it").OnError(stream.Skip))
	})
	in := op.Inputs[0].(operator.Node[int])
	for _, v := range []int{1, 0, 50, 0} {
		in.Record(&v, 7)
	}
	in.Watermark(9)
	in.Idle()
	in.End()
	out.want(t, "100 @7", "2 @7", "w 9", "idle", "end")
	if n := op.Counter("numRecordsSkipped").Value(); n != 2 {
		t.Errorf("%d are counted, want 2", n)
	}
}

// picky fails on what its name says, in every way.
type picky struct{}

func (picky) Process(ctx *stream.Context[bool, int], v int) error {
	ctx.Emit(v)
	switch v {
	case 1:
		return errors.New("one is not liked")
	case 2:
		var none []int
		ctx.Emit(none[v])
	case 3:
		ctx.EventTime() // fails by itself
	}
	ctx.Emit(10 * v)
	return nil
}

func (picky) ProcessFirst(_ *stream.Context[bool, int], v int) error { return fmt.Errorf("int %d", v) }

func (picky) ProcessSecond(_ *stream.Context[bool, int], v string) error {
	if v == "fine" {
		return nil
	}
	return fmt.Errorf("string %s", v)
}

func TestDeadLettersOfEveryKindOfOperator(t *testing.T) {
	var ints, strs, sunk, parsed, both, main []string
	run(t, func(env *stream.Env) {
		n := from(env, 1, 2, 3, 4)
		keyed := stream.KeyBy(n, func(i int) bool { return i%2 == 0 })
		p := stream.Process(keyed, picky{}).UID("picky")
		stream.ForEach(p, func(i int) error { main = append(main, fmt.Sprint(i)); return nil })
		letters(stream.DeadLetters[int](p), &ints)

		sink := stream.ForEach(n, func(i int) error {
			if i > 2 {
				return fmt.Errorf("%d is too many", i)
			}
			return nil
		}).Name("few")
		letters(stream.DeadLetters[int](sink), &sunk)

		s := from(env, "a", "bb")
		words := stream.FlatMapRef(s, func(s *string, emit func(string)) error {
			emit(*s)
			*s = "changed"
			return errors.New("no word")
		}).Name("words")
		letters(stream.DeadLetters[string](words), &parsed)
		stream.Discard(words)

		c := stream.Connect(keyed, stream.KeyBy(from(env, "fine", "bad"), func(string) bool { return true }))
		co := stream.CoProcess(c, picky{}).Name("two")
		letters(stream.DeadLetters[int](co), &both)
		letters(stream.DeadLetters[string](co), &strs)
	})
	wantSame(t, main, "1", "2", "3", "4", "40") // what came before the failure stays
	const at = "subtask 0 attempt 0: number"
	none := fmt.Sprint(stream.NoTimestamp)
	wantSame(t, ints,
		"1 of Process (picky) "+at+" 1 at "+none+": key false: one is not liked",
		"2 of Process (picky) "+at+" 2 at "+none+": key true: panic: runtime error: index out of range [2] with length 0 in Process",
		"3 of Process (picky) "+at+" 3 at "+none+": key false: the record has no event time: give it one in the source or with stream.EventTime")
	wantSame(t, sunk,
		"3 of few () "+at+" 3 at "+none+": 3 is too many",
		"4 of few () "+at+" 4 at "+none+": 4 is too many")
	wantSame(t, parsed,
		"a of words () "+at+" 1 at "+none+": no word",
		"bb of words () "+at+" 2 at "+none+": no word")
	wantSame(t, strs, "bad of two () "+at+" 2 at "+none+": key true: string bad")
	if len(both) != 4 {
		t.Errorf("%d letters of the other input, want 4", len(both))
	}
}

// A policy is about the functions of its operator: a failure of another one, of a timer and of Finish is not hidden.
func TestAPolicyHidesNoOtherFailure(t *testing.T) {
	for name, build := range map[string]func(env *stream.Env){
		`operator "strict": panic: runtime error: integer divide by zero`: func(env *stream.Env) {
			// The chain: a skipping operator, the strict one, a skipping one.
			n := stream.Map(from(env, 1, 0), func(i int) int { return i }).OnError(stream.Skip)
			strict := stream.Map(n, invert).Name("strict")
			stream.ForEach(strict, func(int) error { return nil }).OnError(stream.Skip)
		},
		`operator "end": only 1 wanted`: func(env *stream.Env) {
			n := stream.Map(from(env, 1, 2), func(i int) int { return i }).OnError(stream.Skip)
			stream.ForEach(n, func(i int) error {
				if i > 1 {
					return errors.New("only 1 wanted")
				}
				return nil
			}).Name("end")
		},
		`operator "late": key 5: timer of 1970-01-01T00:00:00.005Z: too late`: func(env *stream.Env) {
			p := stream.Process(stream.KeyBy(from(env, 5), func(i int) int { return i }), tooLate{}).Name("late").OnError(stream.Skip)
			stream.Discard(p)
		},
		`operator "strict again": 7 is odd`: func(env *stream.Env) {
			env.OnError(stream.Skip)
			stream.ForEach(from(env, 7), func(i int) error { return fmt.Errorf("%d is odd", i) }).Name("strict again").OnError(stream.Fail)
		},
	} {
		_, err := streamtest.Run(t.Context(), build)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v\nwant %s", err, name)
		}
	}
}

type tooLate struct{}

func (tooLate) Process(ctx *stream.Context[int, int], v int) error {
	ctx.SetTimer(time.UnixMilli(int64(v)))
	return nil
}

func (tooLate) OnTimer(*stream.Context[int, int], time.Time) error { return errors.New("too late") }

func TestThePolicyOfTheEnvIsThatOfAllOperators(t *testing.T) {
	var got []int
	run(t, func(env *stream.Env) {
		env.OnError(stream.Skip)
		odd := stream.Filter(stream.Map(from(env, 0, 1, 2, 50), invert), func(i int) bool { return 2/(i-100) < 5 })
		stream.ForEach(odd, func(i int) error {
			if i == 50 {
				return errors.New("not 50")
			}
			got = append(got, i)
			return nil
		})
	})
	if !slices.Equal(got, []int{2}) {
		t.Errorf("got %v", got)
	}
}

// A policy keeps no attempt alive that must end: what unwinds a canceled task passes.
func TestCancellationPassesAPolicy(t *testing.T) {
	out := &transcript[int]{}
	op := operate(t, []any{operator.Node[int](&blocked{out})}, func(env *stream.Env) {
		stream.Discard(stream.Map(from[int](env), func(i int) int { return i }).UID("it").OnError(stream.Skip))
	})
	v := 1
	wantError(t, failure(t, func() { op.Inputs[0].(operator.Node[int]).Record(&v, 1) }), "context canceled")
}

// blocked is an output whose task is canceled while it waits for room.
type blocked struct{ operator.Node[int] }

func (b *blocked) Record(*int, int64) { panic(unwound{context.Canceled}) }

// B-46: a key that cannot be one, and one that is not always the same.
func TestKeysThatAreNone(t *testing.T) {
	_, err := streamtest.Run(t.Context(), func(env *stream.Env) {
		env.Parallelism(2)
		stream.Discard(stream.Count(stream.KeyBy(from(env, 1, math.NaN()), func(f float64) float64 { return f })))
	})
	if err == nil || !strings.Contains(err.Error(), `operator "values": panic: `) || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("NaN: error %v", err)
	}
	n := 0
	_, err = streamtest.Run(t.Context(), func(env *stream.Env) {
		env.Parallelism(2)
		s := stream.FlatMapRef(from(env, 1), func(_ *int, emit func(int)) error {
			for i := range 100 {
				emit(i)
			}
			return nil
		})
		stream.Discard(stream.Count(stream.KeyBy(s, func(int) int { n++; return n })).Name("counter"))
	})
	if err == nil || !strings.Contains(err.Error(), `operator "counter": key `) || !strings.Contains(err.Error(), "its key is not always the same") {
		t.Errorf("fickle key: error %v", err)
	}
	// NaN is a bad record like others where a policy says so.
	var got []stream.Pair[float64, int64]
	var dead []string
	run(t, func(env *stream.Env) {
		s := stream.Map(from(env, 1, math.NaN()), func(f float64) float64 { return f }).Name("before")
		letters(stream.DeadLetters[float64](s), &dead)
		collect(stream.Count(stream.KeyBy(s, func(f float64) float64 { return f })), &got)
	})
	if len(got) != 1 || len(dead) != 1 || !strings.HasPrefix(dead[0], "NaN of before") {
		t.Errorf("got %v, dead letters %v", got, dead)
	}
}

func TestGuardsDoNotAllocatePerRecord(t *testing.T) {
	perRecord(t, "Skip", func(s *stream.Stream[big]) *stream.Stream[big] {
		return stream.MapRef(s, func(v *big) big { v.Key++; return *v }).OnError(stream.Skip)
	})
	perRecord(t, "DeadLetters", func(s *stream.Stream[big]) *stream.Stream[big] {
		m := stream.MapRef(s, func(v *big) big { v.Key++; return *v })
		stream.Discard(stream.DeadLetters[big](m))
		return m
	})
}

func TestFaultsOfPolicies(t *testing.T) {
	env := stream.NewEnv("faults", nil)
	n := from(env, 1)
	m := stream.Map(n, invert).Name("invert")
	stream.Discard(stream.DeadLetters[string](m))
	stream.Discard(stream.DeadLetters[int](stream.Rebalance(m)))
	stream.Discard(m.OnError(7))
	env.OnError(9)
	_, err := env.StreamGraph()
	for _, want := range []string{
		`policy_test.go:`, `DeadLetters: operator "invert" reads int, not string`,
		`DeadLetters: set it on what the operator's verb returned`,
		`OnError: 7 is no policy: want Fail or Skip`,
		`OnError: 9 is no policy: want Fail or Skip`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s in %v", want, err)
		}
	}
}

// A call of Async fails when its record is no longer the one that the operator is given.
func TestDeadLettersOfAsync(t *testing.T) {
	for _, capacity := range []int{1, 3, 100} {
		var got []int
		var dead []string
		run(t, func(env *stream.Env) {
			call := stream.Call(func(ctx context.Context, v int) (int, error) {
				switch v {
				case 3:
					return 0, errors.New("no answer")
				case 5:
					panic("five")
				case 6:
					<-ctx.Done()
					return 0, ctx.Err()
				}
				return 10 * v, nil
			})
			a := stream.Async(from(env, 1, 2, 3, 4, 5, 6, 7), call.Capacity(capacity).Timeout(100*time.Millisecond)).Name("ask")
			collect(a, &got)
			stream.ForEach(stream.DeadLetters[int](a), func(l stream.Letter[int]) error {
				dead = append(dead, fmt.Sprintf("%d is number %d: %s", l.Record, l.Number, strings.SplitN(l.Error, ":", 2)[0]))
				return nil
			})
		})
		if !slices.Equal(got, []int{10, 20, 40, 70}) {
			t.Errorf("capacity %d: got %v", capacity, got)
		}
		wantSame(t, dead, "3 is number 3: no answer", "5 is number 5: panic", "6 is number 6: the call did not return within 100ms")
	}
}

// Windows aggregate by functions of the program too, in one operator or two.
func TestDeadLettersOfWindows(t *testing.T) {
	sum := stream.Aggregator[int, int, int]{
		Add:    func(sum, v int) int { return sum + 12/v },
		Merge:  func(a, b int) int { return a + b },
		Result: func(sum int) int { return sum },
	}
	tumbling := window.Tumbling(10 * time.Millisecond)
	for name, spec := range map[string]window.Spec{
		"slices": tumbling, "combined": tumbling.Combine(), "sessions": window.Session(5 * time.Millisecond),
		"general": tumbling.Trigger(window.CountTrigger(100)),
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			var dead []int
			run(t, func(env *stream.Env) {
				timed := stream.EventTime(from(env, 1, 0, 2, 3, 0), stream.Timestamps(func(v int) time.Time { return time.UnixMilli(int64(v)) }))
				sums := window.Aggregate(stream.KeyBy(timed, func(int) bool { return true }), spec, sum)
				stream.ForEach(sums, func(r window.Result[bool, int]) error { got = append(got, fmt.Sprint(r.Value)); return nil })
				stream.ForEach(stream.DeadLetters[int](sums), func(l stream.Letter[int]) error {
					if !strings.Contains(l.Error, "integer divide by zero") || l.EventTime != 0 {
						return fmt.Errorf("letter %+v", l)
					}
					dead = append(dead, int(l.Number))
					return nil
				})
			})
			wantSame(t, dead, "2", "5")
			if name != "general" { // whose trigger does not fire
				wantSame(t, got, "22")
			}
		})
	}
}

// bomb panics while it has a key, and then asks for state without one.
type bomb struct{ seen *state.Value[int] }

func (b *bomb) State() []state.Descriptor { return []state.Descriptor{b.seen} }

func (b *bomb) Process(ctx *stream.Context[int, int], v int) error {
	b.seen.Set(ctx, v)
	panic("boom")
}

func (b *bomb) Finish(ctx *stream.Context[int, int]) error {
	_, ok := b.seen.Get(ctx)
	return fmt.Errorf("found %t", ok)
}

func TestASkippedRecordLeavesNoKeyBehind(t *testing.T) {
	_, err := streamtest.Run(t.Context(), func(env *stream.Env) {
		p := stream.Process(stream.KeyBy(from(env, 1), func(i int) int { return i }), &bomb{state.NewValue[int]("seen")})
		stream.Discard(p.OnError(stream.Skip))
	})
	if err == nil || !strings.Contains(err.Error(), "there is no current key") {
		t.Errorf("error %v", err)
	}
}
