package stream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/flink-go/flink-go/api/stream"
)

// paced makes a record each second, three in all; in between it waits for the time or for a wake-up.
type paced struct {
	ctx   *stream.RuntimeContext
	woken bool
	due   time.Time
	left  int
	sleep bool // wait for a goroutine instead of the clock
	done  chan struct{}
}

func (p *paced) Next(v *time.Time) (int64, stream.Status, error) {
	now := p.ctx.Now()
	switch {
	case p.left == 0:
		return 0, stream.End, nil
	case p.due.IsZero():
		p.due = now
	case p.sleep && !p.woken && now.Before(p.due):
		go func() { // ends when the time has come; Close waits
			defer close(p.done)
			<-time.After(p.due.Sub(now))
			p.ctx.Run(func() { p.woken = true })
		}()
		return 0, stream.Idle, nil
	case now.Before(p.due):
		return 0, stream.IdleUntil(p.due), nil
	}
	if p.woken {
		<-p.done
		p.done, p.woken = make(chan struct{}), false
	}
	*v = now
	p.due = p.due.Add(time.Second)
	p.left--
	return now.UnixMilli(), stream.Record, nil
}

func (p *paced) Close() error { return nil }

func TestAWaitingSourceIsAskedAgainInTime(t *testing.T) {
	for name, sleep := range map[string]bool{"by the clock": false, "by a function given to Run": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var got []time.Duration
				run(t, func(env *stream.Env) {
					src := stream.Source[time.Time]{Name: "paced", Bounded: true, Open: func(ctx *stream.RuntimeContext) (stream.Reader[time.Time], error) {
						return &paced{ctx: ctx, left: 3, sleep: sleep, done: make(chan struct{})}, nil
					}}
					stream.ForEach(stream.From(env, src), func(at time.Time) error {
						got = append(got, at.Sub(start))
						return nil
					})
				})
				for i, d := range got {
					if d != time.Duration(i)*time.Second {
						t.Errorf("record %d came after %v", i, d)
					}
				}
				if len(got) != 3 {
					t.Errorf("%d records", len(got))
				}
			})
		})
	}
}

// An unbounded source reads all splits that it was given in turns.
func TestUnboundedSplitsTakeTurns(t *testing.T) {
	var got []string
	run(t, func(env *stream.Env) {
		src := stream.Source[string]{Name: "partitions",
			Enumerate: func(_ *stream.RuntimeContext, found func(...stream.Split)) error {
				found(stream.Split{ID: "a"}, stream.Split{ID: "b"})
				return nil
			},
			OpenSplit: func(_ *stream.RuntimeContext, s stream.Split) (stream.Reader[string], error) {
				return &burst{id: s.ID, left: 2}, nil
			}}
		collect(stream.From(env, src), &got)
	})
	wantSame(t, got, "a", "a", "b", "b")
}

// burst has a record, then nothing for a millisecond, and so on; it ends only so that the test does.
type burst struct {
	id   string
	left int
	rest bool
}

func (b *burst) Next(v *string) (int64, stream.Status, error) {
	if b.left == 0 {
		return 0, stream.End, nil
	}
	if b.rest = !b.rest; b.rest {
		return 0, stream.IdleUntil(time.Now().Add(time.Millisecond)), nil
	}
	b.left--
	*v = b.id
	return stream.NoTimestamp, stream.Record, nil
}

func (b *burst) Close() error { return nil }
