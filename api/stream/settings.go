package stream

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/flink-go/flink-go/graph"
)

// apply reads the configuration keys that stand for what a program does not set. A wrong value is a fault that
// names the key.
func (e *Env) apply(settings map[string]string) {
	if len(settings) == 0 {
		return
	}
	c := &e.config
	s := reader{settings, e}
	if name, ok := settings["pipeline.name"]; ok && e.name == "" {
		e.Name(name)
	}
	s.int("parallelism.default", 1, &c.Parallelism)
	if settings["pipeline.max-parallelism"] != "-1" { // Flink's "not set"
		s.int("pipeline.max-parallelism", 1, &c.MaxParallelism)
	}
	s.duration("execution.buffer-timeout", &c.BufferTimeout)
	s.duration("execution.buffer-timeout.interval", &c.BufferTimeout)
	s.duration("pipeline.auto-watermark-interval", &e.watermarkInterval)
	s.bool("pipeline.operator-chaining", &c.Chaining)
	s.bool("pipeline.operator-chaining.enabled", &c.Chaining)
	s.enum("execution.runtime-mode", &c.RuntimeMode, string(Streaming), string(Batch))
	s.stateBackend("state.backend", &c.StateBackend)
	s.stateBackend("state.backend.type", &c.StateBackend)
	s.enum("jobmanager.execution.failover-strategy", &c.Failover, "region", "full")
	s.pairs("pipeline.global-job-parameters", &c.Params)
	s.restart(&c.Restart)
}

// reader reads typed values and reports what is wrong with them as faults.
type reader struct {
	settings map[string]string
	env      *Env
}

func (s reader) fault(key, want string) {
	s.env.faults = append(s.env.faults, graph.Fault{Text: fmt.Sprintf("setting %s: %q: want %s", key, s.settings[key], want)})
}

func (s reader) int(key string, least int, v *int) {
	if text, ok := s.settings[key]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < least {
			s.fault(key, "a whole number from "+strconv.Itoa(least))
			return
		}
		*v = n
	}
}

func (s reader) float(key string, least, most float64, v *float64) {
	if text, ok := s.settings[key]; ok {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f >= least && f <= most) {
			s.fault(key, fmt.Sprintf("a number from %g to %g", least, most))
			return
		}
		*v = f
	}
}

func (s reader) bool(key string, v *bool) {
	if text, ok := s.settings[key]; ok {
		switch strings.ToLower(text) {
		case "true":
			*v = true
		case "false":
			*v = false
		default:
			s.fault(key, "true or false")
		}
	}
}

func (s reader) enum(key string, v *string, allowed ...string) {
	if text, ok := s.settings[key]; ok {
		for _, a := range allowed {
			if strings.EqualFold(a, strings.ReplaceAll(text, "_", "-")) {
				*v = a
				return
			}
		}
		s.fault(key, strings.Join(allowed, " or "))
	}
}

// stateBackend reads a state backend. Flink's rocksdb is what pebble is here.
func (s reader) stateBackend(key string, v *string) {
	if strings.EqualFold(s.settings[key], "rocksdb") {
		*v = string(Pebble)
		return
	}
	s.enum(key, v, string(HashMap), string(Pebble))
}

func (s reader) duration(key string, v *time.Duration) {
	if text, ok := s.settings[key]; ok {
		d, ok := parseDuration(text)
		if !ok {
			s.fault(key, "a duration such as 100 ms, 10 s or 5 min")
			return
		}
		*v = d
	}
}

// pairs reads Flink's map form, "k1:v1,k2:v2", and single entries by prefix.
func (s reader) pairs(key string, v *map[string]string) {
	set := func(k, value string) {
		if *v == nil {
			*v = map[string]string{}
		}
		(*v)[k] = value
	}
	if text := s.settings[key]; text != "" {
		for pair := range strings.SplitSeq(text, ",") {
			k, value, ok := strings.Cut(pair, ":")
			if !ok {
				s.fault(key, "key:value pairs with commas between them")
				return
			}
			set(strings.TrimSpace(k), strings.TrimSpace(value))
		}
	}
	for k, value := range s.settings {
		if name, ok := strings.CutPrefix(k, key+"."); ok {
			set(name, value)
		}
	}
}

// restart reads the restart strategy; keys of strategies that were not chosen are not looked at.
func (s reader) restart(r *RestartStrategy) {
	key := "restart-strategy.type"
	if _, ok := s.settings[key]; !ok {
		key = "restart-strategy"
	}
	text, ok := s.settings[key]
	if !ok {
		return
	}
	switch strings.ReplaceAll(strings.ToLower(text), "-", "") {
	case "none", "off", "disable":
		*r = NoRestart()
	case "fixeddelay":
		*r = FixedDelay(1, time.Second)
		s.int("restart-strategy.fixed-delay.attempts", 0, &r.Attempts)
		s.duration("restart-strategy.fixed-delay.delay", &r.Delay)
	case "failurerate":
		*r = FailureRate(1, time.Minute, time.Second)
		s.int("restart-strategy.failure-rate.max-failures-per-interval", 1, &r.MaxFailures)
		s.duration("restart-strategy.failure-rate.failure-rate-interval", &r.Interval)
		s.duration("restart-strategy.failure-rate.delay", &r.Delay)
	case "exponentialdelay":
		*r = ExponentialDelay(time.Second, time.Minute)
		s.duration("restart-strategy.exponential-delay.initial-backoff", &r.InitialBackoff)
		s.duration("restart-strategy.exponential-delay.max-backoff", &r.MaxBackoff)
		s.float("restart-strategy.exponential-delay.backoff-multiplier", 1, 1000, &r.Multiplier)
		s.float("restart-strategy.exponential-delay.jitter-factor", 0, 1, &r.Jitter)
		s.duration("restart-strategy.exponential-delay.reset-backoff-threshold", &r.ResetThreshold)
		if s.settings["restart-strategy.exponential-delay.attempts-before-reset-backoff"] != "infinite" {
			s.int("restart-strategy.exponential-delay.attempts-before-reset-backoff", 0, &r.Attempts)
		}
	default:
		s.fault(key, "none, fixed-delay, failure-rate or exponential-delay")
	}
}

// units are Flink's; a bare number is milliseconds.
var units = map[string]time.Duration{
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"": time.Millisecond, "ms": time.Millisecond, "milli": time.Millisecond, "millis": time.Millisecond,
	"millisecond": time.Millisecond, "milliseconds": time.Millisecond,
	"µs": time.Microsecond, "us": time.Microsecond, "micro": time.Microsecond, "micros": time.Microsecond,
	"microsecond": time.Microsecond, "microseconds": time.Microsecond,
	"ns": 1, "nano": 1, "nanos": 1, "nanosecond": 1, "nanoseconds": 1,
}

// parseDuration reads a whole number with one of Flink's units.
func parseDuration(text string) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(text[:end], 10, 64)
	unit, ok := units[strings.ToLower(strings.TrimSpace(text[end:]))]
	if err != nil || !ok || n > math.MaxInt64/int64(unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}
