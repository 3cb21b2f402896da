package rest

import (
	"time"

	"github.com/flink-go/flink-go/conf"
)

// FromConfig are the Options that a configuration asks for. The time for trying again is that of
// rest.retry.max-attempts and rest.retry.delay if somebody set one of them; Flink's defaults for them would let a
// mistyped address look like a minute of silence.
func FromConfig(c *conf.Config) Options {
	o := Options{
		MaxAnswer:      int64(conf.RestClientMaxContentLength.Get(c)),
		ConnectTimeout: conf.RestConnectionTimeout.Get(c),
		IdleTimeout:    conf.RestIdlenessTimeout.Get(c),
	}
	attempts, attemptsSet := conf.RestRetryMaxAttempts.Lookup(c)
	delay, delaySet := conf.RestRetryDelay.Lookup(c)
	if attemptsSet || delaySet {
		o.RetryFor = time.Duration(attempts) * delay
		if o.RetryFor == 0 {
			o.RetryFor = -1
		}
	}
	return o
}
