package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/examples/internal/result"
)

func TestCountsPerKeyAndMeasuresAfterWarmUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options{rate: 2000, seconds: 2, warmup: 1, timeout: 0}
		res, err := streamtest.Run(t.Context(), func(env *stream.Env) { build(env, o) })
		if err != nil {
			t.Fatal(err)
		}
		var checksum uint64
		for n := range uint64(6000) {
			checksum += result.Row2(n%keys, n/keys+1)
		}
		if got := res.Accumulators["count"]; got != "6000" {
			t.Errorf("%s records, want 6000", got)
		}
		if got := res.Accumulators["checksum"]; got != fmt.Sprint(checksum) {
			t.Errorf("checksum %s, want %d", got, checksum)
		}
		var found []result.Latency
		if err := json.Unmarshal([]byte(res.Accumulators[latency]), &found); err != nil || len(found) != 1 {
			t.Fatalf("latencies %s: %v", res.Accumulators[latency], err)
		}
		// The bubble's clock stands still while records are under way: the least bucket is all there is.
		if l := found[0]; l.P50 > 1 || l.Max > 1 {
			t.Errorf("latency %+v in a bubble", l)
		}
	})
}
