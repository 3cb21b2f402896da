package window_test

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// joined drives a join of words with numbers.
type joined struct {
	*driven
	words   operator.Node[word]
	numbers operator.Node[number]
	out     transcript[string]
	late    transcript[word]
	lateN   transcript[number]
}

func join(t *testing.T, disk keyed.KeyValue, verb func(a *stream.Keyed[string, word], b *stream.Keyed[string, number]) *stream.Stream[string]) *joined {
	j := new(joined)
	j.driven = operate(t, disk, []any{operator.Node[string](&j.out), operator.Node[word](&j.late), operator.Node[number](&j.lateN)}, func(env *stream.Env) {
		out := verb(stream.KeyBy(input[word](env, "words"), word.key), stream.KeyBy(input[number](env, "numbers"), number.key)).UID("it")
		stream.To(out, nowhere)
		stream.To(window.LateFirst[word](out), nowhere)
		stream.To(window.LateSecond[number](out), nowhere)
	})
	j.words, j.numbers = j.Inputs[0].(operator.Node[word]), j.Inputs[1].(operator.Node[number])
	return j
}

func (j *joined) word(key, text string, ts int64) { j.words.Record(&word{key, text}, ts) }

func (j *joined) number(key string, n, ts int64) { j.numbers.Record(&number{key, n}, ts) }

func (j *joined) watermark(ts int64) {
	j.words.Watermark(ts)
	j.numbers.Watermark(ts)
}

func TestJoinPairsRecordsOfAWindow(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		j := join(t, disk, func(a *stream.Keyed[string, word], b *stream.Keyed[string, number]) *stream.Stream[string] {
			return window.Join(a, b, window.Tumbling(10*time.Millisecond), func(a word, b number) string { return fmt.Sprint(a.Key, a.Text, b.N) })
		})
		j.word("k", "a", 1)
		j.number("k", 1, 2)
		j.number("k", 2, 9)
		j.word("k", "b", 3)
		j.word("x", "c", 1) // no partner
		j.number("k", 3, 10)
		j.words.Watermark(20)
		j.out.want(t) // the slower side holds back
		j.numbers.Watermark(9)
		j.out.want(t, "ka1 @9", "ka2 @9", "kb1 @9", "kb2 @9")
		j.word("k", "d", 11)
		j.word("k", "e", 9)
		j.number("k", 4, 8)
		j.late.want(t, "{k e} @9")
		j.lateN.want(t, "{k 4} @8")
		j.numbers.Watermark(20)
		j.out.want(t, "kd3 @19")
		if n := window.Rows(j.Lifecycle); n != 0 && disk == nil {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestJoinOfSessions(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		j := join(t, disk, func(a *stream.Keyed[string, word], b *stream.Keyed[string, number]) *stream.Stream[string] {
			return window.Join(a, b, window.Session(10*time.Millisecond), func(a word, b number) string { return fmt.Sprint(a.Text, b.N) })
		})
		j.word("k", "a", 0)
		j.number("k", 1, 20)
		j.number("k", 2, 40)
		j.word("k", "b", 10) // the first two are one session now
		j.watermark(100)
		j.out.want(t, "a1 @29", "b1 @29")
	})
}

// both shows the records of both sides.
func both(ctx *window.Context[string, string], a iter.Seq[word], b iter.Seq[number]) error {
	var s strings.Builder
	for v := range a {
		s.WriteString(v.Text)
	}
	s.WriteString("|")
	for v := range b {
		fmt.Fprint(&s, v.N)
	}
	ctx.Emit(fmt.Sprint(ctx.Key(), " ", span(ctx.Window()), " ", s.String()))
	return nil
}

func TestCoGroupSeesBothSides(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		j := join(t, disk, func(a *stream.Keyed[string, word], b *stream.Keyed[string, number]) *stream.Stream[string] {
			return window.CoGroupFunc(a, b, window.Sliding(10*time.Millisecond, 5*time.Millisecond).Lateness(time.Millisecond), both)
		})
		j.word("k", "a", 1)
		j.number("k", 1, 6)
		j.number("x", 2, 6)
		j.watermark(4)
		j.out.want(t, "k -5-5 a| @4")
		j.watermark(9)
		j.out.want(t, "k 0-10 a|1 @9", "x 0-10 |2 @9")
		j.word("k", "b", 3)
		j.out.want(t, "k 0-10 ab|1 @9")
		j.watermark(30)
		j.out.want(t, "k 5-15 |1 @14", "x 5-15 |2 @14")
	})
}

func TestEvictorsOfJoinsSeeBothSidesInOrder(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		j := join(t, disk, func(a *stream.Keyed[string, word], b *stream.Keyed[string, number]) *stream.Stream[string] {
			return window.CoGroupFunc(a, b, window.Global().Trigger(window.CountTrigger(2)).Evictor(window.CountEvictor(3)), both)
		})
		j.word("k", "a", 1)
		j.number("k", 1, 2)
		j.out.want(t, "k all a|1 @2")
		j.number("k", 2, 3)
		j.word("k", "b", 4)
		j.out.want(t, "k all b|12 @4")
		j.word("k", "c", 5)
		j.word("k", "d", 6)
		j.out.want(t, "k all bcd| @6")
	})
}

func TestErrorsOfJoins(t *testing.T) {
	j := join(t, nil, func(a *stream.Keyed[string, word], b *stream.Keyed[string, number]) *stream.Stream[string] {
		return window.JoinRef(a, b, window.Tumbling(time.Second), func(*word, *number, func(string)) error { return errors.New("no luck") })
	})
	j.word("k", "a", 1)
	j.number("k", 1, 1)
	j.words.Watermark(1000)
	err := failure(t, func() { j.numbers.Watermark(1000) })
	want := `operator "it": key k, window [1970-01-01T00:00:00.000Z, 1970-01-01T00:00:01.000Z): no luck`
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant %s", err, want)
	}
	wantFaults(t, func(env *stream.Env) {
		a, b := stream.KeyBy(input[word](env, "words"), word.key), stream.KeyBy(input[number](env, "numbers"), number.key)
		stream.To(window.Join[string, word, number, string](a, b, window.Tumbling(0), nil), nowhere)
		stream.To(window.Join(a, b, window.Tumbling(time.Second).Combine(), func(word, number) string { return "" }), nowhere)
		stream.To(window.CoGroup[string, word, number, string](a, b, window.Spec{}, nil), nowhere)
		gap := window.SessionBy(func(*word) time.Duration { return time.Second })
		stream.To(window.CoGroupFunc(a, b, gap, both), nowhere)
	}, "WindowJoin: the function is nil", "WindowJoin: Tumbling(0s): the size is 0s: want more than 0", "window/join_test.go",
		"it has Combine, which is for Aggregate, Reduce, Counts and Sums", "WindowCoGroup: the function or processor is nil", "the Spec is empty",
		"the gap of SessionBy is of window_test.word, the records are of window_test.number")
}
