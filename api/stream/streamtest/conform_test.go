package streamtest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/graph/operator"
)

// pass is an operator that does nothing wrong, to be changed by others.
type pass struct {
	*stream.Setup[stream.NoKey, int]
}

func (p *pass) Open() error             { return nil }
func (p *pass) Close() error            { return nil }
func (p *pass) Record(v *int, ts int64) { p.Out.Record(v, ts) }
func (p *pass) Watermark(ts int64)      { p.Pass(ts) }
func (p *pass) Idle()                   { p.PassIdle() }
func (p *pass) End()                    { p.PassEnd() }

// hoarder keeps the pointer of the last record, which is not its own, and emits it again with the next watermark.
type hoarder struct {
	pass
	last *int
}

func (h *hoarder) Record(v *int, ts int64) {
	h.last = v
	h.Out.Record(v, ts)
}

func (h *hoarder) Watermark(ts int64) {
	if h.last != nil {
		h.Out.Record(h.last, ts)
	}
	h.Pass(ts)
}

// loner counts records in its subtask, though they may go to any.
type loner struct {
	pass
	n int
}

func (l *loner) Record(_ *int, ts int64) {
	l.n++
	l.Out.Record(&l.n, ts)
}

func numbers(h *streamtest.OperatorHarness[int, int]) {
	for from := 1; from < 2000; from += 500 {
		for i := range 500 {
			h.Send(from + i)
		}
		h.Watermark(time.UnixMilli(int64(from)))
	}
}

func fragment(make func(s *stream.Setup[stream.NoKey, int]) stream.Operator[int]) func(in *stream.Stream[int]) *stream.Stream[int] {
	return func(in *stream.Stream[int]) *stream.Stream[int] {
		in = stream.Map(in, func(v int) int { return v })
		return stream.Transform(in, "Op", func(s *stream.Setup[stream.NoKey, int], _ func(*int) stream.NoKey) (stream.Operator[int], error) {
			return make(s), nil
		}).UID("op")
	}
}

func TestConformNoticesWhatAnOperatorMustNotDo(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(s *stream.Setup[stream.NoKey, int]) stream.Operator[int]
		want string // in the name of a way
	}{
		{"nothing", func(s *stream.Setup[stream.NoKey, int]) stream.Operator[int] { return &pass{s} }, ""},
		{"a kept pointer", func(s *stream.Setup[stream.NoKey, int]) stream.Operator[int] { return &hoarder{pass{s}, nil} }, "parallelism"},
		{"a count per subtask", func(s *stream.Setup[stream.NoKey, int]) stream.Operator[int] { return &loner{pass{s}, 0} }, "parallelism 2"},
	} {
		s := &spy{TB: t}
		got := streamtest.ConformOperator(s, fragment(c.make), numbers)
		if len(got) < 2000 {
			t.Errorf("%s: %d records", c.name, len(got))
		}
		text := strings.Join(s.errors, "\n")
		if (c.want == "") != (text == "") || !strings.Contains(text, c.want) {
			t.Errorf("%s: Conform says %q", c.name, text)
		}
	}
}

var _ operator.Node[int] = (*pass)(nil)
