package main

import (
	"fmt"
	"math"
	"testing"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/connectors/collection"
	"github.com/flink-go/flink-go/examples/internal/result"
)

// line returns line i of the text that the benchmark counts.
func line(i uint64) string {
	var b []byte
	for j := range uint64(8) {
		u := float64(result.Mix(i*16+j)>>11) / (1 << 53)
		b = fmt.Appendf(b, "w%d ", int64(math.Floor(100000*((u*u)*u))))
	}
	return string(b[:len(b)-1])
}

func TestCountsEachWord(t *testing.T) {
	lines := make([]string, 2000)
	counts := map[string]uint64{}
	for i := range lines {
		lines[i] = line(uint64(i))
	}
	lines = append(lines, "", "  to \tbe  ", "to be")
	counts["to"], counts["be"] = 2, 2
	for _, l := range lines[:2000] {
		var words [8]string
		if _, err := fmt.Sscan(l, &words[0], &words[1], &words[2], &words[3], &words[4], &words[5], &words[6], &words[7]); err != nil {
			t.Fatal(err)
		}
		for _, w := range words {
			counts[w]++
		}
	}
	var checksum uint64
	for w, n := range counts {
		checksum += result.Row2(result.FNV(w), n)
	}
	for _, p := range []int{1, 4} {
		res, err := streamtest.Run(t.Context(), func(env *stream.Env) {
			env.Parallelism(p)
			count(stream.From(env, collection.Of(lines...)), 3)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Accumulators["count"]; got != fmt.Sprint(len(counts)) {
			t.Errorf("parallelism %d: %s words, want %d", p, got, len(counts))
		}
		if got := res.Accumulators["checksum"]; got != fmt.Sprint(checksum) {
			t.Errorf("parallelism %d: checksum %s, want %d", p, got, checksum)
		}
		if got := res.Accumulators["words"]; got != "16004" {
			t.Errorf("parallelism %d: %s words read", p, got)
		}
	}
}

func TestTopWordsAreInOrder(t *testing.T) {
	res, err := streamtest.Run(t.Context(), func(env *stream.Env) {
		count(stream.From(env, collection.Of("b a c", "b a", "b d")), 3)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"word":"b","count":3},{"word":"a","count":2},{"word":"c","count":1}]`
	if got := res.Accumulators["top"]; got != want {
		t.Errorf("top words %s, want %s", got, want)
	}
}
