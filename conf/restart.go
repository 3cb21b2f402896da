package conf

import "time"

// Restart is the restart strategy of jobs that choose none. It has the fields of graph.RestartStrategy in their
// order, so that the one converts to the other; fields that the type does not use are zero.
type Restart struct {
	Type string

	Attempts int
	Delay    time.Duration

	MaxFailures int
	Interval    time.Duration

	InitialBackoff time.Duration
	MaxBackoff     time.Duration
	Multiplier     float64
	ResetThreshold time.Duration
	Jitter         float64
}

// Restart reads the restart-strategy options.
func (c *Config) Restart() Restart {
	s := Restart{Type: RestartStrategyType.Get(c)}
	switch s.Type {
	case "fixed-delay":
		s.Attempts = RestartStrategyFixedDelayAttempts.Get(c)
		s.Delay = RestartStrategyFixedDelayDelay.Get(c)
	case "failure-rate":
		s.MaxFailures = RestartStrategyFailureRateMaxFailuresPerInterval.Get(c)
		s.Interval = RestartStrategyFailureRateFailureRateInterval.Get(c)
		s.Delay = RestartStrategyFailureRateDelay.Get(c)
	case "exponential-delay":
		s.InitialBackoff = RestartStrategyExponentialDelayInitialBackoff.Get(c)
		s.MaxBackoff = RestartStrategyExponentialDelayMaxBackoff.Get(c)
		s.Multiplier = RestartStrategyExponentialDelayBackoffMultiplier.Get(c)
		s.Jitter = RestartStrategyExponentialDelayJitterFactor.Get(c)
		s.ResetThreshold = RestartStrategyExponentialDelayResetBackoffThreshold.Get(c)
		if n := RestartStrategyExponentialDelayAttemptsBeforeResetBackoff.Get(c); n != infinite {
			s.Attempts = n
		}
	}
	return s
}
