package streamtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// Harness runs a program whose sources and sinks with a UID are in the hands of a test. See the package documentation.
// The goroutine of the test uses it.
type Harness struct {
	t        testing.TB
	runner   *runner
	stop     context.CancelFunc
	sources  map[string]*graph.StreamNode // by uid
	sinks    map[string]*sink
	marks    map[string]int64 // Watermark by uid
	err      error            // why the program failed
	expected bool             // the test knows
	hold     bool             // Send does not run the program: it is fed in batches
	patience time.Duration
}

// sink is what has come to a sink of the program.
type sink struct {
	typ  operator.Type
	got  []any
	time []int64
}

// fed is one subtask of a source that is fed.
type fed struct {
	stream.Feed
	ended bool
}

// Option changes how a Harness runs the program.
type Option func(*options)

type options struct {
	settings map[string]string
	narrow   bool
	hold     bool
	unchain  bool
}

// Parallelism is that of operators that set none; 1 unless set. Sources that are fed have parallelism 1 unless they
// say otherwise, so that records come in the order in which they were sent.
func Parallelism(n int) Option {
	return Setting("parallelism.default", fmt.Sprint(n))
}

// Setting sets a configuration key that stands for what the program does not set, as stream.NewEnv reads them.
func Setting(key, value string) Option {
	return func(o *options) { o.settings[key] = value }
}

// New builds a program and starts it. What the program leaves undone is closed at the end of the test, which fails if
// the program has failed and the test did not want that.
func New(t testing.TB, build func(env *stream.Env), opts ...Option) *Harness {
	t.Helper()
	o := options{settings: map[string]string{}}
	for _, opt := range opts {
		opt(&o)
	}
	h := &Harness{t: t, sources: map[string]*graph.StreamNode{}, sinks: map[string]*sink{}, marks: map[string]int64{}, hold: o.hold, patience: courtesy}
	env := stream.NewEnv("test", o.settings)
	build(env)
	if o.unchain {
		env.DisableChaining()
	}
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	h.replace(sg)
	compiled, err := graph.Translate(sg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	h.runner = newRunner(ctx, sg, compiled)
	h.runner.time = &virtualTime{now: Start}
	if h.runner.narrow = o.narrow; o.narrow {
		h.runner.segment = 1 // as small as batches get
	}
	t.Cleanup(h.close)
	h.try(h.runner.start)
	return h
}

// replace puts the test in the place of sinks, and notes the sources, which are fed when they are made.
func (h *Harness) replace(sg *graph.StreamGraph) {
	forward := map[*graph.StreamNode]bool{}
	for _, n := range sg.Nodes {
		for _, e := range n.Inputs {
			forward[e.Source] = forward[e.Source] || e.Strategy == graph.Forward
		}
	}
	for _, n := range sg.Nodes {
		switch {
		case n.Verb == "Async", n.Kind == graph.Source && n.UID == "":
			h.patience = patience
		case n.UID == "":
		case n.Kind == graph.Source:
			h.sources[n.UID] = n
			if n.Parallelism == 0 && !forward[n] {
				n.Parallelism = 1
			}
		case n.Kind == graph.Sink:
			s := &sink{typ: n.Inputs[0].Source.Outputs[n.Inputs[0].Output]}
			h.sinks[n.UID] = s
			n.New = func(*operator.Context, []any) (operator.Instance, error) {
				return operator.Instance{Inputs: []any{s.typ.NewCollector(func(v any, ts int64) {
					s.got, s.time = append(s.got, v), append(s.time, ts)
				})}}, nil
			}
		}
	}
}

// feed takes the place of a source's readers.
func (r *runner) feed(n *graph.StreamNode, s operator.Source) {
	if f, ok := stream.FeedSource(s); ok {
		r.feeds[n] = append(r.feeds[n], &fed{Feed: f})
	}
}

// close ends the program where it stands.
func (h *Harness) close() {
	h.t.Helper()
	err := h.runner.close()
	h.stop()
	if h.err != nil && !h.expected {
		h.expected = true // reported once
		h.t.Errorf("the program failed: %s", h.failed())
	}
	if err != nil {
		h.t.Errorf("close: %v", err)
	}
}

// try runs a part of the program and notes its failure.
func (h *Harness) try(f func() error) {
	if h.err == nil {
		h.err = h.runner.protect(f)
	}
}

// failed is the failure of the program, and of a panic the place.
func (h *Harness) failed() string {
	if f, ok := errors.AsType[*operator.Failure](h.err); ok && f.Stack != "" {
		return fmt.Sprintf("%v\n%s", h.err, f.Stack)
	}
	return h.err.Error()
}

// run lets the program do all that it can do now.
func (h *Harness) run() {
	h.t.Helper()
	h.try(func() error {
		_, err := h.runner.settle()
		return err
	})
}

// alive ends a test that goes on after an unexpected failure of the program.
func (h *Harness) alive() {
	h.t.Helper()
	if h.err != nil {
		h.expected = true // it is reported here
		h.t.Fatalf("the program failed: %s", h.failed())
	}
}

// source returns the subtasks of a source.
func (h *Harness) source(uid string) []*fed {
	h.t.Helper()
	h.alive()
	n := h.sources[uid]
	if n == nil {
		h.t.Fatalf("there is no source with uid %q: %s", uid, names(h.sources))
	}
	return h.runner.feeds[n]
}

func names[V any](m map[string]V) string {
	if len(m) == 0 {
		return "none has one, set it with UID"
	}
	return "those that the program has are " + fmt.Sprintf("%q", slices.Sorted(maps.Keys(m)))
}

// Send sends records to a source. Their event time is what the program's EventTime takes from them, if anything.
// Records for a source of several subtasks go to them in turn.
func (h *Harness) Send(uid string, values ...any) {
	h.t.Helper()
	h.send(uid, stream.NoTimestamp, values)
}

// SendAt sends records with an event time, as a source that knows it. A program that takes event time from the records
// keeps that.
func (h *Harness) SendAt(uid string, at time.Time, values ...any) {
	h.t.Helper()
	h.send(uid, at.UnixMilli(), values)
}

func (h *Harness) send(uid string, ts int64, values []any) {
	h.t.Helper()
	feeds := h.source(uid)
	for i, v := range values {
		f := feeds[i%len(feeds)]
		if f.ended {
			h.t.Fatalf("source %q has ended", uid)
		}
		if err := f.Put(v, ts); err != nil {
			h.t.Fatalf("source %q: %v", uid, err)
		}
		if !h.hold {
			h.run()
		}
	}
}

// Watermark says that a source will send nothing of an earlier or equal event time. Event time cannot go back.
func (h *Harness) Watermark(uid string, at time.Time) {
	h.t.Helper()
	feeds, ts := h.source(uid), at.UnixMilli()
	if last, ok := h.marks[uid]; ok && ts < last {
		h.t.Fatalf("source %q: its watermark is %s, it cannot go back to %s", uid, time.UnixMilli(last).UTC(), at.UTC())
	}
	h.marks[uid] = ts
	h.control(feeds, func(f *fed) { f.Watermark(ts) })
}

// Idle says that a source does not hold back event time until its next record.
func (h *Harness) Idle(uid string) {
	h.t.Helper()
	h.control(h.source(uid), func(f *fed) { f.Idle() })
}

// End ends a source. Without a uid it ends all that have not.
func (h *Harness) End(uids ...string) {
	h.t.Helper()
	if len(uids) == 0 {
		uids = slices.Sorted(maps.Keys(h.sources))
	}
	for _, uid := range uids {
		h.control(h.source(uid), func(f *fed) {
			f.ended = true
			f.End()
		})
	}
}

// control tells all subtasks of a source something after what was sent before.
func (h *Harness) control(feeds []*fed, say func(*fed)) {
	h.t.Helper()
	h.run()
	h.alive()
	h.try(func() error {
		for _, f := range feeds {
			if !f.ended {
				say(f)
			}
		}
		return nil
	})
	h.run()
}

// Now is the processing time of the program. It passes by Advance only.
func (h *Harness) Now() time.Time { return h.runner.time.now }

// Advance lets processing time pass: timers, timeouts and sources that wait for a time see each instant in order.
func (h *Harness) Advance(d time.Duration) {
	h.t.Helper()
	h.alive()
	h.try(func() error { return h.runner.advance(d) })
}

// Output returns the records of type T that have come to a sink since they were last asked for, in order.
func Output[T any](h *Harness, uid string) []T {
	h.t.Helper()
	s := h.taken(uid)
	if typ := reflect.TypeFor[T](); typ.String() != s.typ.String() {
		h.t.Fatalf("sink %q: its records are of type %s, not %s", uid, s.typ, typ)
	}
	out := make([]T, len(s.got))
	for i, v := range s.got {
		out[i] = v.(T)
	}
	return out
}

// taken takes what has come to a sink.
func (h *Harness) taken(uid string) sink {
	h.t.Helper()
	h.run()
	h.alive()
	s := h.sinks[uid]
	if s == nil {
		h.t.Fatalf("there is no sink with uid %q: %s", uid, names(h.sinks))
	}
	out := *s
	s.got, s.time = nil, nil
	return out
}

// Want wants exactly these records to have come to a sink since they were last asked for, in this order. It waits for
// goroutines of the program, such as those of Async, that have less to show so far.
func (h *Harness) Want(uid string, want ...any) {
	h.t.Helper()
	h.await(uid, len(want))
	s := h.taken(uid)
	h.sameTypes(uid, s.typ, want)
	if !slices.EqualFunc(s.got, want, reflect.DeepEqual) {
		h.t.Errorf("sink %q got\n%s\nwant\n%s", uid, list(s.got), list(want))
	}
}

// WantUnordered is Want for records in any order.
func (h *Harness) WantUnordered(uid string, want ...any) {
	h.t.Helper()
	h.await(uid, len(want))
	s := h.taken(uid)
	h.sameTypes(uid, s.typ, want)
	left := slices.Clone(want)
	extra := slices.DeleteFunc(slices.Clone(s.got), func(v any) bool {
		i := slices.IndexFunc(left, func(w any) bool { return reflect.DeepEqual(v, w) })
		if i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
		return i >= 0
	})
	if len(extra)+len(left) > 0 {
		h.t.Errorf("sink %q: missing\n%s\nnot wanted\n%s", uid, list(left), list(extra))
	}
}

// WantTimes wants the records that come next to be asked for to have these event times; it does not take them. The
// zero time stands for none.
func (h *Harness) WantTimes(uid string, want ...time.Time) {
	h.t.Helper()
	h.await(uid, len(want))
	h.run()
	h.alive()
	s := h.sinks[uid]
	if s == nil {
		h.t.Fatalf("there is no sink with uid %q: %s", uid, names(h.sinks))
	}
	same := len(s.time) == len(want)
	var got []any
	for i, ts := range s.time {
		at := time.Time{}
		if ts != stream.NoTimestamp {
			at = time.UnixMilli(ts).UTC()
		}
		got = append(got, at)
		same = same && at.Equal(want[i])
	}
	if !same {
		h.t.Errorf("sink %q got the times\n%s\nwant %v", uid, list(got), want)
	}
}

// WantError wants the program to have failed with an error that contains all these texts.
func (h *Harness) WantError(texts ...string) {
	h.t.Helper()
	h.run()
	h.expected = true
	if h.err == nil {
		h.t.Errorf("the program has not failed, want an error with %q", texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(h.err.Error(), text) {
			h.t.Errorf("the program failed: %s\nwant an error with %q", h.failed(), text)
		}
	}
}

// Accumulator returns an accumulator as JSON, "" if there is none of that name.
func (h *Harness) Accumulator(name string) string {
	h.t.Helper()
	h.run()
	if a := h.runner.accumulators[name]; a != nil {
		return a.JSON()
	}
	return ""
}

// Counter returns a metric that counts, summed up over the subtasks of the operator with that UID: late records that
// were dropped, records that were skipped.
func (h *Harness) Counter(uid, name string) int64 {
	h.t.Helper()
	h.run()
	for _, v := range h.runner.compiled.Job.Vertices {
		for _, op := range v.Operators {
			if op.UID != uid {
				continue
			}
			if c := h.runner.metrics[op.ID][name]; c != nil {
				return c.Value()
			}
			return 0
		}
	}
	h.t.Fatalf("there is no operator with uid %q", uid)
	return 0
}

// How long a test waits, in real time, for goroutines of the program that have something to say: those that it is known
// to have, and those that a function may have started.
const (
	patience = 10 * time.Second
	courtesy = 500 * time.Millisecond
)

// await runs the program until n records have come to a sink or it has waited long enough.
func (h *Harness) await(uid string, n int) {
	h.t.Helper()
	h.run()
	s := h.sinks[uid]
	if s == nil || len(s.got) >= n {
		return
	}
	timeout := time.NewTimer(h.patience)
	defer timeout.Stop()
	for h.err == nil && len(s.got) < n {
		select {
		case <-h.runner.wake:
			h.run()
		case <-timeout.C:
			return
		}
	}
}

func (h *Harness) sameTypes(uid string, typ operator.Type, want []any) {
	h.t.Helper()
	for _, w := range want {
		if got := fmt.Sprintf("%T", w); got != typ.String() {
			h.t.Fatalf("sink %q: its records are of type %s, the test wants one of type %s", uid, typ, got)
		}
	}
}

func list(values []any) string {
	if len(values) == 0 {
		return "\tnothing"
	}
	lines := make([]string, len(values))
	for i, v := range values {
		lines[i] = fmt.Sprintf("\t%+v", v)
	}
	return strings.Join(lines, "\n")
}

// settle runs the program until it has nothing to do at this instant, and returns when a source wants to be polled
// again, zero: when something has changed.
func (r *runner) settle() (due time.Time, err error) {
	for range maxSteps {
		r.act()
		for r.time.fire(nil) {
			r.act()
		}
		var busy bool
		busy, due = r.poll()
		for _, o := range r.outputs {
			busy = busy || o.Pending()
		}
		r.flush()
		for r.drain() {
			busy = true
		}
		for _, o := range r.outputs {
			busy = busy || o.Pending()
		}
		if !busy && !r.pending() && (len(r.time.timers) == 0 || r.time.timers[0].at.After(r.time.now)) {
			return due, nil
		}
	}
	return time.Time{}, errors.New("the program does not come to rest: a source or a timer always has more to do")
}

// maxSteps bounds what a program does at one instant.
const maxSteps = 1_000_000

// drain reads what lies in the gates, downstream first, and tells whether there was anything.
func (r *runner) drain() (any bool) {
	for _, g := range r.order {
		for g.take() {
			any = true
		}
	}
	return any
}

// advance lets d pass.
func (r *runner) advance(d time.Duration) error {
	end := r.time.now.Add(d)
	for range maxSteps {
		due, err := r.settle()
		if err != nil {
			return err
		}
		if len(r.time.timers) > 0 && (due.IsZero() || r.time.timers[0].at.Before(due)) {
			due = r.time.timers[0].at
		}
		if due.IsZero() || due.After(end) {
			r.time.now = end
			_, err = r.settle()
			return err
		}
		if due.After(r.time.now) {
			r.time.now = due
		}
	}
	return fmt.Errorf("more than %d things happen within %v", maxSteps, d)
}
