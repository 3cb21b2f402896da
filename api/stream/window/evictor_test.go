package window_test

import (
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

func TestCountEvictorLeavesTheLast(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Tumbling(100*time.Millisecond).Trigger(window.CountTrigger(3)).Evictor(window.CountEvictor(2)))
		s.send("a1 b2 c3").want("k 0-100 bc @99")
		s.send("d4 e5 f6").want("k 0-100 ef @99")
		s.send("w99").want().wantEmpty()
	})
}

func TestTimeEvictorLeavesWhatIsNearTheNewest(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Tumbling(100*time.Millisecond).Evictor(window.TimeEvictor(10*time.Millisecond)))
		s.send("a30 b40 c31 d5 e39 w99").want("k 0-100 bce @99") // 30 is 10 older than 40
		s.wantEmpty()

		s = play(t, disk2(disk), window.Global().Trigger(window.CountTrigger(2)).Evictor(window.TimeEvictor(10*time.Millisecond)))
		s.send("a b").want("k all ab") // no timestamps: all stay
	})
}

func TestDeltaEvictorLeavesWhatIsNearTheLast(t *testing.T) {
	near := window.DeltaEvictor(3, func(v, last word) float64 { return float64(last.Text[0]) - float64(v.Text[0]) })
	s := play(t, nil, window.Tumbling(100*time.Millisecond).Evictor(near))
	s.send("c1 a2 d3 b4 e5 w99").want("k 0-100 cde @99").wantEmpty()
}

func TestEvictAfterLetsTheFunctionSeeAll(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		spec := window.Global().Trigger(window.CountTrigger(2)).Evictor(window.EvictAfter(window.CountEvictor(1)))
		s := play(t, disk, spec)
		s.send("a1 b2").want("k all ab @2")
		s.send("c3 d4").want("k all bcd @4")
		s.send("e5 f6").want("k all def @6")
	})
}

// vowels is an evictor of the program: it removes consonants before, and the vowels themselves after.
type vowels struct{}

func vowel(r *window.Records, i int) bool {
	switch r.At(i).(*word).Text {
	case "a", "e", "i", "o", "u":
		return true
	}
	return false
}

func (vowels) EvictBefore(r *window.Records) {
	for i := range r.Len() {
		if !vowel(r, i) {
			r.Remove(i)
		}
	}
}

func (vowels) EvictAfter(r *window.Records) {
	for i := range r.Len() {
		if r.Timestamp(i) < r.Watermark() {
			r.Remove(i)
		}
	}
}

func TestCustomEvictor(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Global().Trigger(window.CountTrigger(4)).Evictor(vowels{}))
		s.send("w5 a1 b2 c3 e9").want("k all ae @9") // a was before the watermark, b and c are no vowels
		s.send("f10 g11 i12 h13").want("k all ei @13")
	})
}

func TestAnEvictedWindowIsAggregatedOverWhatIsLeft(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		var out transcript[window.Result[string, int64]]
		d := operate(t, disk, []any{operator.Node[window.Result[string, int64]](&out)}, func(env *stream.Env) {
			sums := window.Sums(stream.KeyBy(input[number](env, "numbers"), number.key), window.CountSliding(3, 2),
				func(n number) int64 { return n.N })
			stream.To(sums.UID("it"), nowhere)
		})
		in := d.Inputs[0].(operator.Node[number])
		for n := range int64(7) {
			in.Record(&number{"k", n}, n)
		}
		if len(out.lines) != 3 {
			t.Fatalf("got %q", out.lines)
		}
		for i, want := range []string{" 1 @1", " 6 @3", " 12 @5"} { // 0+1, 1+2+3, 3+4+5
			if got := out.lines[i]; got[len(got)-len(want):] != want {
				t.Errorf("result %d is %q, want %q", i, got, want)
			}
		}
	})
}

type number struct {
	Key string
	N   int64
}

func (n number) key() string { return n.Key }
