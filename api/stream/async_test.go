package stream_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// mailTask is a task whose mailbox the test empties.
type mailTask struct {
	operator.Task
	ctx  context.Context
	mail chan func()
}

func (t *mailTask) Context() context.Context { return t.ctx }
func (t *mailTask) Run(fn func())            { t.mail <- fn }
func (t *mailTask) Yield()                   { (<-t.mail)() }
func (t *mailTask) Now() time.Time           { return time.Now() }
func (t *mailTask) Fail(err error)           { panic(err) }

// script writes down what leaves an operator.
type script struct{ lines []string }

func (s *script) Record(v *int, ts int64) { s.lines = append(s.lines, fmt.Sprint(*v, "@", ts)) }
func (s *script) Watermark(ts int64)      { s.lines = append(s.lines, fmt.Sprint("watermark ", ts)) }
func (s *script) Idle()                   { s.lines = append(s.lines, "idle") }
func (s *script) End()                    { s.lines = append(s.lines, "end") }

// merged leaves of marks without a record between them the greatest watermark and whether idle was the last.
func (s *script) merged() []string {
	var out []string
	mark, idle := "", false
	flush := func() {
		if mark != "" {
			out = append(out, mark)
		}
		if idle {
			out = append(out, "idle")
		}
		mark, idle = "", false
	}
	for _, l := range s.lines {
		switch {
		case strings.HasPrefix(l, "watermark"):
			mark, idle = l, false
		case l == "idle":
			idle = true
		default:
			flush()
			out = append(out, l)
		}
	}
	flush()
	return out
}

// asyncModel says what must leave, in the plainest way: a list of what is under way.
type asyncModel struct {
	script
	ordered bool
	under   []asyncElement
	done    []int // in the order of completion
}

type asyncElement struct {
	record int // 0: a mark
	mark   func()
}

func (m *asyncModel) leave() {
	for {
		border := slices.IndexFunc(m.under, func(e asyncElement) bool { return e.record == 0 })
		switch {
		case border == 0:
			m.under[0].mark()
			m.under = m.under[1:]
			continue
		case len(m.under) == 0:
			return
		case border < 0:
			border = len(m.under)
		}
		if m.ordered {
			border = 1
		}
		i := slices.IndexFunc(m.done, func(r int) bool {
			return slices.ContainsFunc(m.under[:border], func(e asyncElement) bool { return e.record == r })
		})
		if i < 0 {
			return
		}
		r := m.done[i]
		m.done = slices.Delete(m.done, i, i+1)
		m.under = slices.DeleteFunc(m.under, func(e asyncElement) bool { return e.record == r })
		m.Record(&r, int64(r))
	}
}

// under counts the records that hold a place.
func (m *asyncModel) records() (n int) {
	for _, e := range m.under {
		if e.record != 0 {
			n++
		}
	}
	return n
}

// asyncNode makes the operator of one Async, with a mailbox that the test empties.
func asyncNode(t *testing.T, call stream.AsyncCall[int, int], out operator.Node[int]) (node operator.Node[int], task *mailTask, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	task = &mailTask{ctx: ctx, mail: make(chan func(), 100)}
	env := stream.NewEnv("async", nil)
	stream.Discard(stream.Async(from[int](env), call))
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	in, err := sg.Nodes[1].New(&operator.Context{Name: "op", Parallelism: 1, MaxParallelism: core.DefaultMaxParallelism, Task: task}, []any{out})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Lifecycle.Open(); err != nil {
		t.Fatal(err)
	}
	return in.Inputs[0].(operator.Node[int]), task, func() {
		cancel()
		if err := in.Lifecycle.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Whatever the order in which calls return, results leave in the order of the records, or unordered but never across
// a watermark; marks keep their place, and no more records than the capacity are under way.
func TestAsyncKeepsOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		gates := make([]chan struct{}, 200)
		for i := range gates {
			gates[i] = make(chan struct{}, 1)
		}
		capacity := rapid.IntRange(1, 9).Draw(rt, "capacity")
		call := stream.Call(func(ctx context.Context, v int) (int, error) {
			select {
			case <-gates[v]:
				return v, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}).Capacity(capacity)
		model := &asyncModel{ordered: rapid.Bool().Draw(rt, "ordered")}
		if !model.ordered {
			call = call.Unordered()
		}
		got := &script{}
		node, task, stop := asyncNode(t, call, got)
		defer stop()
		var calls []int
		complete := func() {
			i := rapid.IntRange(0, len(calls)-1).Draw(rt, "returns")
			r := calls[i]
			calls = slices.Delete(calls, i, i+1)
			model.done = append(model.done, r)
			model.leave()
			gates[r] <- struct{}{}
		}
		mark := func(f func()) {
			model.under = append(model.under, asyncElement{mark: f})
			model.leave()
		}
		last := 0
		for range rapid.IntRange(0, 100).Draw(rt, "steps") {
			switch k := rapid.IntRange(0, 9).Draw(rt, "step"); {
			case k < 5:
				if model.records() == capacity {
					for complete(); model.records() == capacity; complete() {
						task.Yield()
					} // the last of them is taken by Record, which waits for room
				}
				last++
				v := last
				model.under = append(model.under, asyncElement{record: v})
				calls = append(calls, v)
				node.Record(&v, int64(v))
			case k < 7 && len(calls) > 0:
				complete()
				task.Yield()
			case k < 9:
				ts := int64(last)
				mark(func() { model.Watermark(ts) })
				node.Watermark(ts)
			default:
				mark(model.Idle)
				node.Idle()
			}
		}
		for len(calls) > 0 {
			complete()
			if len(calls) > 0 {
				task.Yield() // else End waits for it
			}
		}
		node.End()
		model.End()
		if want, got := model.merged(), got.merged(); !slices.Equal(want, got) {
			rt.Fatalf("want %q\ngot  %q", want, got)
		}
	})
}

// failing runs a program that must fail, in simulated time, and returns when and with which error it did.
func failing(t *testing.T, build func(env *stream.Env)) (took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err = streamtest.Run(t.Context(), build)
		took = time.Since(began)
	})
	if err == nil {
		t.Fatal("no error")
	}
	return took, err
}

// wait is a service that answers after so many milliseconds.
func wait(ctx context.Context, ms int) (int, error) {
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return ms, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func TestAsyncCallsOverlap(t *testing.T) {
	for _, c := range []struct {
		call stream.AsyncCall[int, int]
		want []int
		took time.Duration
	}{
		{stream.Call(wait), []int{30, 10, 25, 40}, 40 * time.Millisecond},
		{stream.Call(wait).Unordered(), []int{10, 25, 30, 40}, 40 * time.Millisecond},
		{stream.Call(wait).Capacity(1), []int{30, 10, 25, 40}, 105 * time.Millisecond},
		{stream.Call(wait).Capacity(2).Unordered(), []int{10, 30, 25, 40}, 70 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var got []int
			run(t, func(env *stream.Env) { collect(stream.Async(from(env, 30, 10, 25, 40), c.call), &got) })
			if took := time.Since(began); !slices.Equal(got, c.want) || took != c.took {
				t.Errorf("got %v after %v, want %v after %v", got, took, c.want, c.took)
			}
		})
	}
}

func TestAsyncEmitsAnyNumber(t *testing.T) {
	var got []int
	run(t, func(env *stream.Env) {
		collect(stream.Async(from(env, 3, 0, 1), stream.CallEmit(func(_ context.Context, v int, emit func(int)) error {
			for i := range v {
				emit(10*v + i)
			}
			return nil
		})), &got)
	})
	if want := []int{30, 31, 32, 10}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Two Asyncs in a row, each with more to do than it has capacity.
func TestAsyncAfterAsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		run(t, func(env *stream.Env) {
			first := stream.Async(from(env, 5, 1, 4, 2, 3, 1), stream.Call(wait).Capacity(3))
			second := stream.Async(stream.Map(first, func(i int) int { return 10 * i }), stream.Call(wait).Capacity(2))
			collect(second, &got)
		})
		if want := []int{50, 10, 40, 20, 30, 10}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestAsyncTimeout(t *testing.T) {
	took, err := failing(t, func(env *stream.Env) {
		stream.Discard(stream.Async(from(env, 10, 60, 1000), stream.Call(wait).Timeout(50*time.Millisecond)).Name("slow"))
	})
	if !errors.Is(err, context.DeadlineExceeded) || took != 50*time.Millisecond ||
		!strings.Contains(err.Error(), `operator "slow": the call did not return within 50ms`) {
		t.Errorf("after %v: %v", took, err)
	}
}

// A record whose time is up has its result at once, also if its function goes on; that one keeps its place until
// it returns.
func TestAsyncTimeoutWith(t *testing.T) {
	for name, call := range map[string]stream.AsyncCall[int, int]{
		"heeds its context": stream.Call(wait),
		"does not":          stream.Call(func(ctx context.Context, v int) (int, error) { return wait(context.WithoutCancel(ctx), v) }),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var got []int
				var at []time.Duration
				run(t, func(env *stream.Env) {
					call := call.Timeout(50 * time.Millisecond).TimeoutWith(func(v int) (int, error) { return -v, nil })
					stream.ForEach(stream.Async(from(env, 10, 200, 20), call.Capacity(1)), func(v int) error {
						got, at = append(got, v), append(at, time.Since(began)/time.Millisecond)
						return nil
					})
				})
				wantAt := []time.Duration{10, 60, 80}
				if name == "does not" {
					wantAt = []time.Duration{10, 60, 230}
				}
				if want := []int{10, -200, 20}; !slices.Equal(got, want) || !slices.Equal(at, wantAt) {
					t.Errorf("got %v at %v, want %v at %v", got, at, want, wantAt)
				}
			})
		})
	}
}

var errBusy = errors.New("busy")

func TestAsyncRetry(t *testing.T) {
	type attempt struct {
		call int
		at   time.Duration
	}
	for _, c := range []struct {
		retry stream.Retry
		fails int // calls that fail
		want  []attempt
		err   string
	}{
		{stream.FixedRetry(3, time.Second), 2, []attempt{{1, 0}, {2, time.Second}, {3, 2 * time.Second}}, ""},
		{stream.FixedRetry(1, time.Second), 9, []attempt{{1, 0}, {2, time.Second}}, "after 2 calls: busy"},
		{stream.ExponentialRetry(4, time.Second, 3*time.Second), 9,
			[]attempt{{1, 0}, {2, time.Second}, {3, 3 * time.Second}, {4, 6 * time.Second}, {5, 9 * time.Second}}, "after 5 calls: busy"},
		{stream.FixedRetry(3, time.Second).If(func(err error) bool { return !errors.Is(err, errBusy) }), 9, []attempt{{1, 0}}, "busy"},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var got []attempt
			_, err := streamtest.Run(t.Context(), func(env *stream.Env) {
				stream.Discard(stream.Async(from(env, 1), stream.Call(func(context.Context, int) (int, error) {
					got = append(got, attempt{len(got) + 1, time.Since(began)})
					if len(got) <= c.fails {
						return 0, errBusy
					}
					return 0, nil
				}).Retry(c.retry)))
			})
			if !slices.Equal(got, c.want) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, %v; want %v, %q", got, err, c.want, c.err)
			}
		})
	}
}

// The time of a record includes its retries.
func TestAsyncTimeoutEndsRetries(t *testing.T) {
	took, err := failing(t, func(env *stream.Env) {
		stream.Discard(stream.Async(from(env, 1), stream.Call(func(context.Context, int) (int, error) { return 0, errBusy }).
			Retry(stream.FixedRetry(1000, time.Second)).Timeout(10*time.Second)))
	})
	if !errors.Is(err, context.DeadlineExceeded) || took != 10*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}

// A panic or the end of its goroutine in a function fails the attempt with operator and stack; it is not retried.
func TestAsyncFunctionPanics(t *testing.T) {
	calls := 0
	_, err := failing(t, func(env *stream.Env) {
		stream.Discard(stream.Async(from(env, 1), stream.Call(func(_ context.Context, v int) (int, error) {
			calls++
			var none []int
			return none[v], nil
		}).Retry(stream.FixedRetry(3, 0))).Name("lookup"))
	})
	f, ok := errors.AsType[*operator.Failure](err)
	if !ok || f.Operator != "lookup" || !strings.Contains(f.Error(), "index out of range") || calls != 1 {
		t.Fatalf("%d calls: %v", calls, err)
	}
	if first, _, _ := strings.Cut(f.Stack, "\n"); !strings.Contains(first, "TestAsyncFunctionPanics") {
		t.Errorf("stack does not begin in user code:\n%s", f.Stack)
	}
	_, err = failing(t, func(env *stream.Env) {
		stream.Discard(stream.Async(from(env, 1), stream.Call(func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })))
	})
	if !strings.Contains(err.Error(), `operator "Async": the function ended its goroutine`) {
		t.Error(err)
	}
}

// A failure ends the calls that are under way and waits for them; goleak sees that nothing stays.
func TestAsyncCloseEndsCalls(t *testing.T) {
	var ended atomic.Int32
	took, err := failing(t, func(env *stream.Env) {
		stream.Discard(stream.Async(from(env, 100_000, 200_000, 7), stream.Call(func(ctx context.Context, v int) (int, error) {
			defer ended.Add(1)
			if _, err := wait(ctx, v); err != nil {
				return 0, err
			}
			return 0, errBusy
		}).Unordered()))
	})
	if !errors.Is(err, errBusy) || took != 7*time.Millisecond || ended.Load() != 3 {
		t.Errorf("%d calls ended after %v: %v", ended.Load(), took, err)
	}
}

// Under a policy a failed call costs its record only. Dead letters keep their place between watermarks as results do.
func TestAsyncObeysTheErrorPolicy(t *testing.T) {
	call := stream.Call(func(ctx context.Context, v int) (int, error) {
		switch {
		case v < 0:
			return 0, errBusy
		case v == 7:
			panic("seven")
		}
		return wait(ctx, v)
	}).Timeout(time.Second)
	synctest.Test(t, func(t *testing.T) {
		var skipped, got []int
		var letters []stream.Letter[int]
		run(t, func(env *stream.Env) {
			in := from(env, 30, -1, 20, 7, 5000, 10)
			collect(stream.Async(in, call).OnError(stream.Skip), &skipped)
			enriched := stream.Async(in, call).Name("lookup")
			collect(stream.DeadLetters[int](enriched), &letters)
			collect(enriched, &got)
		})
		if want := []int{30, 20, 10}; !slices.Equal(got, want) || !slices.Equal(skipped, want) {
			t.Errorf("got %v, %v; want %v twice", got, skipped, want)
		}
		var texts []string
		for _, l := range letters {
			texts = append(texts, fmt.Sprint(l.Operator, " ", l.Number, " ", l.Record, ": ", l.Error, " ", l.Stack != ""))
		}
		slices.Sort(texts)
		want := []string{
			"lookup 2 -1: busy false",
			"lookup 4 7: panic: seven true",
			"lookup 5 5000: the call did not return within 1s: context deadline exceeded (Timeout sets the limit, TimeoutWith a result for such records) false",
		}
		if !slices.Equal(texts, want) {
			t.Errorf("got %q\nwant %q", texts, want)
		}
	})
	out, letters := &transcript[int]{}, &transcript[stream.Letter[int]]{}
	b := onBench(t, nil, []any{operator.Node[int](out), operator.Node[stream.Letter[int]](letters)}, func(env *stream.Env) {
		enriched := stream.Async(from[int](env), stream.Call(func(context.Context, int) (int, error) { return 0, errBusy })).UID("it")
		stream.Discard(stream.DeadLetters[int](enriched))
		stream.Discard(enriched)
	})
	defer b.stop()
	mail := make(chan func(), 9)
	b.run = func(fn func()) { mail <- fn }
	in := input[int](b, 0)
	in.Record(new(1), 5)
	in.Watermark(6)
	in.Idle()
	letters.want(t)
	(<-mail)()
	out.want(t, "w 6", "idle")
	if len(letters.lines) != 3 || letters.lines[1] != "w 6" || letters.lines[2] != "idle" {
		t.Errorf("letters: %q", letters.lines)
	}
	in.End()
	letters.lines = letters.lines[3:]
	letters.want(t, "end")
}

func TestAsyncRefusesBadSettings(t *testing.T) {
	env := stream.NewEnv("bad", nil)
	in := from(env, 1)
	good := stream.Call(wait)
	for _, c := range []stream.AsyncCall[int, int]{
		stream.Call[int, int](nil),
		{},
		good.Capacity(0),
		good.Timeout(-time.Second),
		good.TimeoutWith(func(int) (int, error) { return 0, nil }),
		good.Retry(stream.FixedRetry(0, time.Second)),
		good.Retry(stream.FixedRetry(1, -time.Second)),
		good.Retry(stream.ExponentialRetry(1, time.Minute, time.Second)),
	} {
		stream.Discard(stream.Async(in, c))
	}
	_, err := env.StreamGraph()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"Async: the function is nil: make the call with Call or CallEmit",
		"Async: capacity 0: want at least 1",
		"Async: timeout -1s: want more than 0, or 0 for none",
		"Async: TimeoutWith without Timeout",
		"Async: 0 retries: want at least 1",
		"Async: retry delay -1s: want at least 0",
		"Async: retry delay of 1s at most, but 1m0s at first",
		"stream/async_test.go:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

// Once its workers and buffers are there, an Async makes no garbage.
func TestAsyncAllocatesNothing(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		call := stream.Call(func(_ context.Context, v int) (int, error) { return v, nil }).Capacity(4)
		if unordered {
			call = call.Unordered()
		}
		node, task, stop := asyncNode(t, call, &drop[int]{})
		v := 0
		one := func() {
			v++
			node.Record(&v, 7)
			node.Watermark(int64(v))
			for len(task.mail) > 0 {
				task.Yield()
			}
		}
		for range 100 {
			one()
		}
		if n := testing.AllocsPerRun(1000, one); n != 0 {
			t.Errorf("unordered %v: %v allocations per record", unordered, n)
		}
		stop()
	}
}
