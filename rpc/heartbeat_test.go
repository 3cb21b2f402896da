package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
)

// bubble is an endpoint with a Monitor whose losses are recorded with the second at which they were noticed.
type bubble struct {
	*rpc.Endpoint
	monitor *rpc.Monitor[string]
	start   time.Time
	lost    []string
}

func newBubble(t *testing.T, cfg rpc.HeartbeatConfig) *bubble {
	b := &bubble{Endpoint: rpc.NewEndpoint("test", slog.New(slog.DiscardHandler)), start: time.Now()}
	t.Cleanup(func() { _ = b.Close() })
	b.monitor = rpc.NewMonitor(b.Endpoint, cfg, func(k string, err error) {
		b.Assert()
		b.lost = append(b.lost, fmt.Sprintf("%s after %v: %v", k, time.Since(b.start), err))
	})
	return b
}

// on runs fn on the main goroutine and waits until nothing moves any more.
func (b *bubble) on(fn func()) {
	b.Run(fn)
	synctest.Wait()
}

func TestSilentTargetIsLostOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, rpc.HeartbeatConfig{})
		b.on(func() { b.monitor.Watch("passive", nil); b.monitor.Watch("kept", nil) })
		for range 20 {
			time.Sleep(10 * time.Second)
			b.on(func() { b.monitor.Heard("kept") })
		}
		b.on(func() {
			if want := []string{"passive after 50s: no heartbeat for 50s"}; !slices.Equal(b.lost, want) {
				t.Errorf("lost %q, want %q", b.lost, want)
			}
		})
	})
}

func TestBeatsCarryPayloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, rpc.HeartbeatConfig{})
		n, sum := 0, 0
		b.on(func() {
			b.monitor.Watch("tm", rpc.Exchange(
				func() int { b.Assert(); n++; return n },
				func(_ context.Context, p int) (int, error) { return p * 10, nil },
				func(r int) { b.Assert(); sum += r }))
		})
		time.Sleep(35 * time.Second)
		b.on(func() {
			if n != 3 || sum != 60 {
				t.Errorf("after 35 s: %d beats, answers sum up to %d, want 3 and 60", n, sum)
			}
			b.monitor.Forget("tm")
		})
		time.Sleep(time.Hour)
		b.on(func() {
			if n != 3 || len(b.lost) != 0 {
				t.Errorf("a forgotten target was asked %d times, lost %q", n-3, b.lost)
			}
		})
	})
}

// heartbeat.rpc-failure-threshold: two failed beats in a row mean lost, without waiting for the timeout.
func TestFailedBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, rpc.HeartbeatConfig{})
		refused := core.E("beat", core.Unavailable, "tm", errors.New("connection refused"))
		failing := func(failures int, err error) rpc.Beat {
			return rpc.Exchange(func() int { return 0 }, func(context.Context, int) (int, error) {
				if failures--; failures >= 0 {
					return 0, err
				}
				return 0, nil
			}, func(int) {})
		}
		b.on(func() {
			b.monitor.Watch("one failure", failing(1, refused))
			b.monitor.Watch("dead", failing(100, refused))
			b.monitor.Watch("other leader", failing(1, core.E("beat", core.Fenced, "tm", nil)))
		})
		time.Sleep(time.Minute)
		b.on(func() {
			want := []string{
				"other leader after 10s: heartbeat: beat tm: fenced",
				"dead after 10.1s: heartbeat: beat tm: connection refused",
			}
			if !slices.Equal(b.lost, want) {
				t.Errorf("lost %q, want %q", b.lost, want)
			}
		})
	})
}

// L-8: a target that answers no more, though its connection lives, is lost by the timeout.
func TestHangingBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, rpc.HeartbeatConfig{})
		b.on(func() {
			b.monitor.Watch("hangs", rpc.Exchange(func() int { return 0 }, func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, rpc.ContextError(ctx, "beat", "hangs")
			}, func(int) {}))
		})
		time.Sleep(2 * time.Minute)
		b.on(func() {
			if want := []string{"hangs after 50s: no heartbeat for 50s"}; !slices.Equal(b.lost, want) {
				t.Errorf("lost %q, want %q", b.lost, want)
			}
		})
	})
}

// A process that stood still itself does not take the silence of that time for the others' death.
func TestOwnPauseIsForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, rpc.HeartbeatConfig{})
		b.on(func() {
			b.monitor.Watch("alive", rpc.Exchange(func() int { return 0 },
				func(context.Context, int) (int, error) { return 0, nil }, func(int) {}))
		})
		b.on(func() { time.Sleep(5 * time.Minute) }) // the main goroutine is held up
		time.Sleep(5 * time.Minute)
		b.on(func() {
			if len(b.lost) != 0 {
				t.Errorf("lost %q", b.lost)
			}
		})
	})
}

func TestBrokenConnectionIsNoticedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, rpc.HeartbeatConfig{})
		jm := rpc.NewLocal("jm")
		tm := jm.Peer("tm")
		b.on(func() {
			b.monitor.Watch("tm", nil)
			b.monitor.WatchConnection("tm", jm, "tm")
			b.monitor.Watch("never there", nil)
			b.monitor.WatchConnection("never there", jm, "tm2")
		})
		time.Sleep(time.Second)
		_ = tm.Close()
		synctest.Wait()
		b.on(func() {
			if len(b.lost) != 2 || !strings.HasPrefix(b.lost[0], "never there after 0s") || !strings.HasPrefix(b.lost[1], "tm after 1s: connection to tm") {
				t.Errorf("lost %q", b.lost)
			}
		})
	})
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unavailable := core.E("register", core.Unavailable, "rm", errors.New("no leader"))
		start, n := time.Now(), 0
		exact := rpc.Backoff{Random: func() float64 { return 0.5 }}
		err := rpc.Retry(t.Context(), exact, func(context.Context) error {
			if n++; n < 5 {
				return unavailable
			}
			return nil
		})
		if want := 1500 * time.Millisecond; err != nil || time.Since(start) != want {
			t.Errorf("fifth attempt after %v (%v), want %v", time.Since(start), err, want)
		}

		n = 0
		refused := core.E("register", core.PermissionDenied, "rm", nil)
		if err := rpc.Retry(t.Context(), exact, func(context.Context) error { n++; return refused }); !errors.Is(err, refused) || n != 1 {
			t.Errorf("an error that does not heal: %v after %d attempts", err, n)
		}

		// the end says how often, why no longer, and what was wrong.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = rpc.Retry(ctx, rpc.Backoff{}, func(context.Context) error { return unavailable })
		if core.KindOf(err) != core.Unavailable || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no leader") {
			t.Errorf("after the deadline: %v", err)
		}
	})
}
