package main

import (
	"strings"
	"testing"
)

func TestRatiosStandBesideTheirBars(t *testing.T) {
	run := func(engine, setup string, rate, cpu, rss float64) line {
		return line{Engine: engine, Job: "q7", Setup: setup, Parallelism: 2, Events: 1e6, EventsPerS: rate, CPU: cpu, PeakRSS: mustJSON(rss)}
	}
	var out strings.Builder
	compare(&out, []line{
		run(flink, "1x2", 1e6, 2, 1000), run(engine, "1x2", 2e6, 1.5, 100),
		run(flink, "1x2", 1e6, 2, 1000), run(engine, "1x2", 2e6, 1.5, 100),
		run(engine, "embedded", 2e6, 1, 100), // nothing to compare it with
		run(flink, "2x1", 1e6, 2, 1000), run(engine, "2x1", 2e6, 1.5, 200),
	})
	want := [][]string{
		{"job", "setup", "p", "events/s", "events/cpu-s", "bar", "RSS", "bar"},
		{"q7", "1x2", "2", "2.00x", "1.33x", "MISSED", "1.8", "10.00x", "8"},
		{"q7", "2x1", "2", "2.00x", "1.33x", "1.2", "5.00x", "MISSED", "8"},
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d lines:\n%s", len(lines), out.String())
	}
	for i, l := range lines {
		if got := strings.Join(strings.Fields(l), " "); got != strings.Join(want[i], " ") {
			t.Errorf("line %d is %q, want %q", i, got, want[i])
		}
	}
}
