package stream_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
	pb "github.com/flink-go/flink-go/rpc/proto"
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

// eventTask is a task to which a source can send.
type eventTask struct{ task }

func (eventTask) SendEvent(core.OperatorID, []byte) {}

func (eventTask) Run(func()) {}

// B-51: what the coordinator sends may be anything.
func FuzzSourceEvents(f *testing.F) {
	for _, e := range []*pb.SourceEvent{
		{Event: &pb.SourceEvent_Assigned{Assigned: &pb.SplitsAssigned{Splits: []*pb.Split{{Id: "a", Data: []byte("b")}}}}},
		{Event: &pb.SourceEvent_NoMore{NoMore: &pb.NoMoreSplits{}}},
		{Event: &pb.SourceEvent_Request{Request: &pb.SplitRequest{}}},
		{},
	} {
		b, err := proto.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	env := stream.NewEnv("fuzz", nil)
	stream.Discard(stream.From(env, stream.Source[int]{Name: "n",
		Enumerate: func(*stream.RuntimeContext, func(...stream.Split)) error { return nil },
		OpenSplit: func(*stream.RuntimeContext, stream.Split) (stream.Reader[int], error) {
			return &sliceReader[int]{values: []int{1}}, nil
		},
	}))
	sg, err := env.StreamGraph()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		in, err := sg.Nodes[0].New(&operator.Context{Name: "n", Subtask: 1, Parallelism: 2, Task: eventTask{}}, []any{operator.Node[int](&drop[int]{})})
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Lifecycle.Open(); err != nil {
			t.Fatal(err)
		}
		_ = in.Source.HandleEvent(payload) // an error or not, but no panic
		for range 10 {
			in.Source.Poll(5)
		}
		if err := in.Lifecycle.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// spoiled has a bad record before the next one.
type spoiled struct {
	stream.Reader[tick]
	bad bool
}

func (s *spoiled) Next(v *tick) (int64, stream.Status, error) {
	if s.bad {
		s.bad = false
		return 0, stream.Record, &stream.BadRecord{Err: errors.New("bad")}
	}
	return s.Reader.Next(v)
}

// TestBadRecordsOfASourceWithEventTime: the policy leaves them out, and a split wakes by the record behind.
func TestBadRecordsOfASourceWithEventTime(t *testing.T) {
	for name, strategy := range map[string]stream.WatermarkStrategy[tick]{
		"by the latest": stream.TimestampsMillis(tickTime).Idle(10 * time.Second),
		"aligned":       stream.TimestampsMillis(tickTime).Idle(10*time.Second).Align("group", time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			var split *spoiled
			h := newTimed(t, strategy, func(src *stream.Source[tick], env *stream.Env) {
				env.OnError(stream.Skip)
				open := src.OpenSplit
				src.OpenSplit = func(ctx *stream.RuntimeContext, s stream.Split) (stream.Reader[tick], error) {
					r, err := open(ctx, s)
					split = &spoiled{Reader: r}
					return split, err
				}
			})
			h.assign("a")
			h.splits["a"].put(10)
			h.pass(0)
			h.want("10 w9")
			h.pass(10 * time.Second)
			h.want("idle")
			split.bad = true
			h.splits["a"].put(20)
			h.pass(time.Second)
			h.want("w9 20 w19")
		})
	}
}
