package stream_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph"
)

type wire struct {
	Lines []struct{ Ch chan int }
}

func TestFaultsAreReportedTogetherWithTheirPlace(t *testing.T) {
	env := stream.NewEnv("", map[string]string{
		"parallelism.default":            "many",
		"execution.buffer-timeout":       "5 parsec",
		"restart-strategy.type":          "hope",
		"pipeline.operator-chaining":     "yes",
		"execution.runtime-mode":         "fast",
		"pipeline.max-parallelism":       "0",
		"pipeline.global-job-parameters": "a",
	})
	env.Parallelism(0).BufferTimeout(-1).RestartStrategy(stream.RestartStrategy{}).RuntimeMode("fast")
	n := from(env, 1)
	stream.Map(n, func(int) wire { return wire{} })
	stream.KeyBy(n, func(int) *int { return nil })
	stream.Map(n, func(i int) int { return i }).UID("twice").Parallelism(-1)
	stream.Map(n, func(i int) int { return i }).UID("twice")
	stream.Map(n, func(i int) int { return i }).UID("\x00").Name(strings.Repeat("x", 300))
	stream.Filter(n, nil)
	stream.Discard(stream.Forward(stream.Map(n, func(i int) int { return i }).Parallelism(2))).Parallelism(3)
	stream.Discard(n).Parallelism(64).MaxParallelism(32)
	stream.Rebalance(n).UID("late")
	stream.SideOutput(n, stream.NewOutputTag[int]("side"))
	stream.Discard(from(stream.NewEnv("other", nil), 1))
	stream.Discard(stream.Union(n, from(stream.NewEnv("other", nil), 1)))
	from(env, 1).Parallelism(2)

	_, err := env.StreamGraph()
	faults, ok := errors.AsType[graph.Faults](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	place := regexp.MustCompile(`^stream/(faults|operators)_test\.go:\d+$`)
	for _, f := range faults {
		if f.Position != "" && !place.MatchString(f.Position) {
			t.Errorf("position %q of %q", f.Position, f.Text)
		}
	}
	text := err.Error()
	for _, want := range []string{
		`setting parallelism.default: "many": want a whole number from 1`,
		`setting execution.buffer-timeout: "5 parsec": want a duration`,
		`setting restart-strategy.type: "hope": want none, fixed-delay, failure-rate or exponential-delay`,
		`setting pipeline.operator-chaining: "yes": want true or false`,
		`setting execution.runtime-mode: "fast": want STREAMING or BATCH`,
		`setting pipeline.max-parallelism: "0": want a whole number from 1`,
		`setting pipeline.global-job-parameters: "a": want key:value pairs`,
		`faults_test.go:28: parallelism 0: want at least 1`,
		`faults_test.go:28: buffer timeout -1ns: want at least 0`,
		`faults_test.go:28: restart strategy: make one with`,
		`faults_test.go:28: runtime mode "fast"`,
		`faults_test.go:30: Map: `, `Lines[].Ch: chan int`,
		`faults_test.go:31: KeyBy: `,
		`faults_test.go:32: parallelism -1 of "Map": want at least 1`,
		`faults_test.go:33: uid "twice" is used twice, first at stream/faults_test.go:32`,
		`faults_test.go:34: UID: "\x00" has control characters`,
		`faults_test.go:34: Name: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"... has 300 bytes`,
		`faults_test.go:35: Filter: the function is nil`,
		`faults_test.go:36: forward from "Map" with parallelism 2 to "Discard" with parallelism 3`,
		`faults_test.go:37: "Discard" has parallelism 64, its max parallelism is 32`,
		`faults_test.go:38: UID: set it on what the operator's verb returned`,
		`faults_test.go:39: SideOutput "side": the stream is not what Process returned`,
		`faults_test.go:41: To: the input belongs to another Env`,
		`source "values" runs at parallelism 1 only, not 2`,
		`job name: it is empty`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestAProgramNeedsASourceAndASink(t *testing.T) {
	_, err := stream.NewEnv("empty", nil).StreamGraph()
	want := "the program has 2 faults:\n  it has no source: begin with From\n  it has no sink: end with To, ForEach or Discard"
	if err == nil || err.Error() != want {
		t.Errorf("error %v", err)
	}
}

func TestSettingsStandBelowTheProgram(t *testing.T) {
	env := stream.NewEnv("", map[string]string{
		"pipeline.name":                                                    "from settings",
		"parallelism.default":                                              "8",
		"pipeline.max-parallelism":                                         "-1",
		"execution.buffer-timeout.interval":                                "5 ms",
		"pipeline.operator-chaining.enabled":                               "FALSE",
		"execution.runtime-mode":                                           "batch",
		"jobmanager.execution.failover-strategy":                           "full",
		"pipeline.global-job-parameters":                                   "a:1, b:2",
		"restart-strategy.type":                                            "exponentialdelay",
		"restart-strategy.exponential-delay.initial-backoff":               "10 s",
		"restart-strategy.exponential-delay.backoff-multiplier":            "2.5",
		"restart-strategy.exponential-delay.attempts-before-reset-backoff": "infinite",
		"taskmanager.numberOfTaskSlots":                                    "unknown to programs",
	})
	c := env.Config()
	if env.JobName() != "from settings" || c.Parallelism != 8 || c.MaxParallelism != 0 || c.BufferTimeout != 5*time.Millisecond ||
		c.Chaining || c.RuntimeMode != "BATCH" || c.Failover != "full" || c.Params["b"] != "2" || !c.ObjectReuse {
		t.Errorf("settings give %+v", c)
	}
	want := stream.ExponentialDelay(10*time.Second, time.Minute)
	want.Multiplier = 2.5
	if c.Restart != want {
		t.Errorf("restart strategy %+v, want %+v", c.Restart, want)
	}
	env.Parallelism(2).BufferTimeout(0).RestartStrategy(stream.FixedDelay(3, time.Second))
	if c := env.Config(); c.Parallelism != 2 || c.BufferTimeout != 0 || c.Restart.Attempts != 3 {
		t.Errorf("the program's settings give %+v", c)
	}
	if c := stream.NewEnv("x", nil).Config(); c.Parallelism != 1 || c.BufferTimeout != stream.DefaultBufferTimeout || !c.Chaining || c.Restart.Type != "" {
		t.Errorf("defaults are %+v", c)
	}
}
