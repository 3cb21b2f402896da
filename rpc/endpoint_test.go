package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
)

func newEndpoint(t *testing.T) *rpc.Endpoint {
	e := rpc.NewEndpoint("test", slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// S-205, S-220: functions run one at a time in the order of each caller, and may post further ones.
func TestEndpointRunsInOrder(t *testing.T) {
	e := newEndpoint(t)
	const callers, each = 8, 500
	var seen [callers][]int // touched by the main goroutine only
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				e.Run(func() {
					e.Assert()
					e.Run(func() { seen[c] = append(seen[c], i) })
				})
			}
		})
	}
	wg.Wait()
	for c := range callers {
		// Twice through the mailbox, because the posts above go through it twice.
		for range 2 {
			if _, err := rpc.Call(t.Context(), e, func() (int, error) { return 0, nil }); err != nil {
				t.Fatal(err)
			}
		}
		got, err := rpc.Call(t.Context(), e, func() ([]int, error) { return seen[c], nil })
		if err != nil || len(got) != each {
			t.Fatalf("caller %d: %d functions ran (%v), want %d", c, len(got), err, each)
		}
		for i, v := range got {
			if v != i {
				t.Fatalf("caller %d: function %d ran as number %d", c, v, i)
			}
		}
	}
}

func TestEndpointMayFloodItself(t *testing.T) {
	e := newEndpoint(t)
	n := 0
	done := make(chan struct{})
	e.Run(func() {
		for range 100_000 { // far more than the mailbox takes from outside
			e.Run(func() {
				if n++; n == 100_000 {
					close(done)
				}
			})
		}
	})
	<-done
}

func TestCallRespectsContextAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := rpc.NewEndpoint("test", slog.New(slog.DiscardHandler))
		release := make(chan struct{})
		e.Run(func() { <-release })

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ran := false
		_, err := rpc.Call(ctx, e, func() (int, error) { ran = true; return 1, nil })
		if core.KindOf(err) != core.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("call with deadline: %v", err)
		}
		canceled, cancelNow := context.WithCancel(t.Context())
		cancelNow()
		if _, err := rpc.Call(canceled, e, func() (int, error) { return 1, nil }); core.KindOf(err) != core.Canceled {
			t.Errorf("canceled call: %v", err)
		}

		pending := make(chan error, 1)
		go func() {
			_, err := rpc.Call(t.Context(), e, func() (int, error) { return 1, nil })
			pending <- err
		}()
		synctest.Wait()
		go func() { _ = e.Close() }()
		synctest.Wait()
		close(release)
		if err := <-pending; core.KindOf(err) != core.Unavailable || !errors.Is(err, rpc.ErrClosed) {
			t.Errorf("call pending at Close: %v", err)
		}
		_ = e.Close() // idempotent
		if _, err := rpc.Call(t.Context(), e, func() (int, error) { return 1, nil }); core.KindOf(err) != core.Unavailable {
			t.Errorf("call after Close: %v", err)
		}
		if ran {
			t.Error("a function ran whose caller had given up")
		}
	})
}

// The mailbox is bounded: callers beyond the bound wait outside, under their own ctx.
func TestCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := rpc.NewEndpoint("test", slog.New(slog.DiscardHandler))
		defer e.Close()
		release := make(chan struct{})
		e.Run(func() { <-release })
		var wg sync.WaitGroup
		for range 3000 {
			wg.Go(func() {
				if _, err := rpc.Call(t.Context(), e, func() (int, error) { return 1, nil }); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
	})
}

func TestAwaitAndAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := rpc.NewEndpoint("test", slog.New(slog.DiscardHandler))
		var got []string // touched by the main goroutine only
		e.Run(func() {
			rpc.Await(e, func(context.Context) (string, error) {
				time.Sleep(2 * time.Second)
				return "await", nil
			}, func(s string, err error) {
				e.Assert()
				got = append(got, s)
			})
			e.After(time.Second, func() { e.Assert(); got = append(got, "after 1") })
			stop := e.After(3*time.Second, func() { got = append(got, "stopped") })
			e.After(2500*time.Millisecond, func() { stop() })
		})
		time.Sleep(10 * time.Second)
		all, err := rpc.Call(t.Context(), e, func() ([]string, error) { return got, nil })
		if err != nil || len(all) != 2 || all[0] != "after 1" || all[1] != "await" {
			t.Errorf("got %q, %v", all, err)
		}

		// Close ends the ctx of work, waits for it and drops its result.
		ended := false
		rpc.Await(e, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Minute)
			ended = true
			return 0, nil
		}, func(int, error) { t.Error("then ran after Close") })
		synctest.Wait()
		_ = e.Close()
		if !ended {
			t.Error("Close returned before the work")
		}
		rpc.Await(e, func(context.Context) (int, error) { t.Error("work started after Close"); return 0, nil },
			func(int, error) {})
	})
}

func TestAssertPanicsElsewhere(t *testing.T) {
	e := newEndpoint(t)
	defer func() {
		if recover() == nil {
			t.Error("Assert did not panic")
		}
	}()
	e.Assert()
}

func BenchmarkCall(b *testing.B) {
	e := rpc.NewEndpoint("test", slog.New(slog.DiscardHandler))
	defer e.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rpc.Call(b.Context(), e, func() (int, error) { return 1, nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// A component that asks for it fails alone: its endpoint ends, its callers hear of it, the process goes on.
func TestPanicEndsTheEndpoint(t *testing.T) {
	e := rpc.NewEndpoint("breaks", slog.New(slog.DiscardHandler))
	handled := make(chan string, 1)
	e.OnPanic(func(cause any, stack []byte) { handled <- fmt.Sprintf("%v %v", cause, len(stack) > 0) })
	_, err := rpc.Call(t.Context(), e, func() (int, error) { panic("broken") })
	if core.KindOf(err) != core.Unavailable {
		t.Errorf("error %v, want Unavailable", err)
	}
	if got := <-handled; got != "broken true" {
		t.Errorf("handled %q", got)
	}
	if _, err := rpc.Call(t.Context(), e, func() (int, error) { return 1, nil }); core.KindOf(err) != core.Unavailable {
		t.Errorf("error %v after the panic, want Unavailable", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
