package rpc

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/flink-go/flink-go/core"
)

// Backoff is how long Retry pauses between attempts. Zero fields get the defaults in their comments.
type Backoff struct {
	Initial time.Duration  // 100 ms: before the second attempt
	Max     time.Duration  // 10 s: pauses double up to it
	Random  func() float64 // in [0,1), the jitter: a pause is 75 to 125 % of its nominal length
}

// Retry calls attempt until it succeeds, fails with a kind other than Unavailable, or ctx ends; then the error tells
// how often it was tried and what the last attempt said. It is how components register at each other.
func Retry(ctx context.Context, b Backoff, attempt func(ctx context.Context) error) error {
	pause := cmp.Or(b.Initial, 100*time.Millisecond)
	longest := cmp.Or(b.Max, 10*time.Second)
	random := b.Random
	if random == nil {
		random = rand.Float64
	}
	for n := 1; ; n++ {
		err := attempt(ctx)
		if err == nil || core.KindOf(err) != core.Unavailable {
			return err
		}
		timer := time.NewTimer(time.Duration(float64(pause) * (0.75 + random()/2)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("gave up after %d attempts (%w); the last: %w", n, context.Cause(ctx), err)
		}
		pause = min(2*pause, longest)
	}
}
