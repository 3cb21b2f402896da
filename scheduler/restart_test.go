package scheduler

import (
	"slices"
	"testing"
	"time"

	"github.com/flink-go/flink-go/graph"
)

// delays lets a strategy decide about failures that come so long after the previous restart.
func delays(t *testing.T, s graph.RestartStrategy, jitter float64, after ...time.Duration) []time.Duration {
	t.Helper()
	r, err := newRestarter(s, func() float64 { return jitter })
	if err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(0)
	var got []time.Duration
	for _, d := range after {
		now = now.Add(d)
		delay, again := r.failed(now)
		if !again {
			return append(got, -1)
		}
		got = append(got, delay)
		now = now.Add(delay)
	}
	return got
}

func TestRestartStrategies(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	ms := time.Millisecond
	cases := []struct {
		name     string
		strategy graph.RestartStrategy
		jitter   float64
		after    []time.Duration
		want     []time.Duration
	}{
		{"none", graph.RestartStrategy{Type: "none"}, 0.5, []time.Duration{s}, []time.Duration{-1}},
		{"fixed delay", graph.RestartStrategy{Type: "fixed-delay", Attempts: 2, Delay: 3 * s}, 0.5,
			[]time.Duration{s, h, s}, []time.Duration{3 * s, 3 * s, -1}},
		{"fixed delay, Flink's one attempt", graph.RestartStrategy{Type: "fixed-delay"}, 0.5,
			[]time.Duration{s, s}, []time.Duration{0, -1}},
		{"failure rate", graph.RestartStrategy{Type: "failure-rate", MaxFailures: 2, Interval: m, Delay: s}, 0.5,
			[]time.Duration{0, 29 * s, 31 * s, 31 * s, s}, []time.Duration{s, s, s, s, -1}},
		{"exponential, the default", graph.RestartStrategy{}, 0.5,
			[]time.Duration{0, 0, 0, 59 * m, h}, []time.Duration{s, 1500 * ms, 2250 * ms, 3375 * ms, s}},
		{"exponential up to max", graph.RestartStrategy{Type: "exponential-delay", Multiplier: 10, MaxBackoff: 30 * s}, 0,
			[]time.Duration{0, 0, 0, 0}, []time.Duration{s, 10 * s, 30 * s, 30 * s}},
		{"exponential, jitter down", graph.RestartStrategy{Type: "exponential-delay", Multiplier: 2, Jitter: 0.5}, 0,
			[]time.Duration{0, 0, 0}, []time.Duration{s, s, 2 * s}},
		{"exponential, jitter up, within max", graph.RestartStrategy{Type: "exponential-delay", MaxBackoff: 1400 * ms, Jitter: 0.5}, 0.9,
			[]time.Duration{0, 0}, []time.Duration{1400 * ms, 1400 * ms}},
		{"exponential with attempts", graph.RestartStrategy{Type: "exponential-delay", Attempts: 2}, 0.5,
			[]time.Duration{0, 0, 2 * h, 0, 0}, []time.Duration{s, 1500 * ms, s, 1500 * ms, -1}},
	}
	for _, c := range cases {
		if got := delays(t, c.strategy, c.jitter, c.after...); !slices.Equal(got, c.want) {
			t.Errorf("%s: delays %v, want %v", c.name, got, c.want)
		}
	}
	for _, bad := range []graph.RestartStrategy{
		{Type: "sometimes"},
		{Type: "exponential-delay", Multiplier: 0.5},
		{Type: "exponential-delay", InitialBackoff: h, MaxBackoff: s},
		{Type: "exponential-delay", Jitter: 2},
	} {
		if _, err := newRestarter(bad, nil); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
