package operator

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/internal/frame"
)

type rec struct {
	N    int64
	Text string
}

// loop is a network of one producer whose channels end in one reader each: local by gate, or remote by frames.
type loop struct {
	t       interface{ Fatalf(string, ...any) }
	remote  bool
	queues  [][]Message
	credits int
	inUse   []int
	deliver func(channel int) // called when the producer has no credit
	seq     []uint64
	frames  int
}

func (l *loop) Connect(i int) Link {
	if l.remote {
		return Link{Stream: loopStream{l, i}, Credits: l.credits}
	}
	return Link{Gate: loopGate{l, i}, Credits: l.credits}
}

func (l *loop) Wait() {
	for i := range l.queues {
		l.deliver(i)
	}
}
func (l *loop) Wake()          {}
func (l *loop) Flush()         {}
func (l *loop) Fail(err error) { panic(err) }

type loopGate struct {
	l *loop
	i int
}

func (g loopGate) Put(m Message) { g.l.queues[g.i] = append(g.l.queues[g.i], m) }

type loopStream struct {
	l *loop
	i int
}

func (s loopStream) Acquire() {
	for s.l.inUse[s.i] == s.l.credits {
		s.l.Wait()
	}
	s.l.inUse[s.i]++
}

func (s loopStream) Send(buf []byte, h *frame.Header) {
	h.Channel, h.Seq = uint32(s.i), s.l.seq[s.i]
	s.l.seq[s.i]++
	frame.Seal(buf, h)
	var head [frame.HeaderSize]byte
	got, payload, err := frame.Read(strings.NewReader(string(buf)), &head, MaxFrame, func(h *frame.Header) []byte { return make([]byte, h.Length) })
	if err != nil {
		s.l.t.Fatalf("read frame: %v", err)
	}
	s.l.frames++
	m := Message{Kind: got.Kind, Channel: int32(s.i), Arg: int64(got.Arg)}
	if got.Kind == frame.Data {
		m.Data = &Frame{Header: got, Payload: payload, Home: s}
	}
	s.l.queues[s.i] = append(s.l.queues[s.i], m)
}

func (s loopStream) Release(*Frame, bool) { s.l.inUse[s.i]-- }

// journal is a Node that writes down what it gets.
type journal struct{ lines []string }

func (j *journal) Record(v *rec, ts int64) {
	j.lines = append(j.lines, fmt.Sprintf("%d %s @%d", v.N, v.Text, ts))
}
func (j *journal) Watermark(ts int64) { j.lines = append(j.lines, fmt.Sprint("watermark ", ts)) }
func (j *journal) Idle()              { j.lines = append(j.lines, "idle") }
func (j *journal) End()               { j.lines = append(j.lines, "end") }

// net makes a writer with n channels that ends in n readers of one channel each.
func newLoop(t interface{ Fatalf(string, ...any) }, n, credits, segment int, remote bool, sel Selection, partition any) (*loop, Node[rec], Output, []*journal) {
	typ, err := TypeOf[rec]()
	if err != nil {
		t.Fatalf("%v", err)
	}
	l := &loop{t: t, remote: remote, queues: make([][]Message, n), credits: credits, inUse: make([]int, n), seq: make([]uint64, n)}
	var journals []*journal
	var inputs []Input
	for range n {
		j := &journal{}
		in, err := typ.NewReader(j, ReaderConfig{Channels: 1})
		if err != nil {
			t.Fatalf("%v", err)
		}
		journals, inputs = append(journals, j), append(inputs, in)
	}
	l.deliver = func(i int) {
		messages := l.queues[i]
		l.queues[i] = nil
		for _, m := range messages {
			m.Channel = 0
			if err := inputs[i].Read(&m); err != nil {
				t.Fatalf("read: %v", err)
			}
		}
	}
	node, out, err := typ.NewWriter(WriterConfig{Outlet: l, Select: sel, Partition: partition, Targets: n, MaxParallelism: 128, SegmentSize: segment})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return l, node.(Node[rec]), out, journals
}

// Whatever is written in whatever order arrives in that order on each channel, local and remote: watermarks stay
// between the records where they were, only those with nothing between them may become one.
func TestElementsKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "channels")
		byNumber := Partition[rec](func(p, _ int) func(*rec) int { return func(v *rec) int { return int(v.N) % p } })
		l, node, out, got := newLoop(t, n, rapid.IntRange(2, 8).Draw(t, "credits"), rapid.SampledFrom([]int{1, 60, 0}).Draw(t, "segment"),
			rapid.Bool().Draw(t, "remote"), SelectPartition, byNumber)
		want := make([][]string, n)
		at, wm := int64(0), int64(0)
		for range rapid.IntRange(0, 400).Draw(t, "elements") {
			switch k := rapid.IntRange(0, 20).Draw(t, "kind"); {
			case k < 12:
				at++
				r := rec{at, fmt.Sprint("t", at)}
				ts := rapid.SampledFrom([]int64{NoTimestamp, at, -at}).Draw(t, "ts")
				node.Record(&r, ts)
				want[at%int64(n)] = append(want[at%int64(n)], fmt.Sprintf("%d %s @%d", r.N, r.Text, ts))
			case k < 16:
				wm++
				node.Watermark(wm)
				for i := range want {
					want[i] = append(want[i], fmt.Sprint("watermark ", wm))
				}
			case k < 17:
				node.Idle()
				for i := range want {
					want[i] = append(want[i], "idle")
				}
			case k < 19:
				out.Flush()
				if out.Pending() {
					t.Fatalf("pending after a flush")
				}
			default:
				l.deliver(rapid.IntRange(0, n-1).Draw(t, "deliver"))
			}
		}
		node.Watermark(MaxWatermark)
		node.End()
		for i := range n {
			l.deliver(i)
			want[i] = append(want[i], fmt.Sprint("watermark ", MaxWatermark), "end")
			if w, g := mergeMarks(want[i]), mergeMarks(withoutRepeats(got[i].lines)); !slices.Equal(w, g) {
				t.Fatalf("channel %d:\nwant %q\ngot  %q", i, w, g)
			}
		}
	})
}

// mergeMarks leaves of watermarks and idles without a record between them the greatest watermark, and whether idle
// was said at the end of them.
func mergeMarks(lines []string) []string {
	var out []string
	mark, idle := "", false
	flush := func() {
		if mark != "" {
			out = append(out, mark)
		}
		if idle {
			out = append(out, "idle")
		}
		mark, idle = "", false
	}
	for _, s := range lines {
		switch {
		case strings.HasPrefix(s, "watermark"):
			mark, idle = s, false
		case s == "idle":
			idle = true
		default:
			flush()
			out = append(out, s)
		}
	}
	flush()
	return out
}

// withoutRepeats leaves out watermarks that say again what was said: that an idle input counts again.
func withoutRepeats(lines []string) []string {
	last := ""
	return slices.DeleteFunc(slices.Clone(lines), func(s string) bool {
		if !strings.HasPrefix(s, "watermark") {
			return false
		}
		repeat := s == last
		last = s
		return repeat
	})
}

func TestPartitionerOutOfRangeFailsTheTask(t *testing.T) {
	for _, target := range []int{-1, 2, 1 << 40} {
		_, node, _, _ := newLoop(t, 2, 2, 0, false, SelectPartition, Partition[rec](func(int, int) func(*rec) int {
			return func(*rec) int { return target }
		}))
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "of 2") {
					t.Errorf("target %d: got %v", target, err)
				}
			}()
			node.Record(&rec{}, NoTimestamp)
		}()
	}
}

func TestPartitionOfAnotherTypeIsRefused(t *testing.T) {
	typ, err := TypeOf[rec]()
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = typ.NewWriter(WriterConfig{Select: SelectPartition, Targets: 1, Partition: Partition[int](nil)})
	if err == nil {
		t.Error("accepted")
	}
	if _, err := typ.NewReader(discard[int]{}, ReaderConfig{}); err == nil {
		t.Error("a node of another type was accepted")
	}
}

// A frame that is not what a writer wrote is an error, never a crash (B-51).
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00a"), uint32(1), uint16(0), uint8(0))
	f.Add(make([]byte, 24), uint32(0), uint16(2), uint8(1))
	f.Fuzz(func(t *testing.T, payload []byte, records uint32, marks uint16, flags uint8) {
		typ, err := TypeOf[rec]()
		if err != nil {
			t.Fatal(err)
		}
		in, err := typ.NewReader(&journal{}, ReaderConfig{Channels: 1})
		if err != nil {
			t.Fatal(err)
		}
		h := frame.Header{Kind: frame.Data, Length: uint32(len(payload)), Records: records, Marks: marks, Flags: flags}
		m := Message{Kind: frame.Data, Data: &Frame{Header: h, Payload: payload, Home: nowhere{}}}
		_ = in.Read(&m) // any error will do
	})
}

type nowhere struct{}

func (nowhere) Release(*Frame, bool) {}

func TestTeeGivesEachItsOwnCopy(t *testing.T) {
	typ, err := TypeOf[rec]()
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := &changer{}, &changer{}, &changer{}
	node := typ.Tee([]any{a, b, c}).(Node[rec])
	node.Record(&rec{N: 1}, 5)
	node.Watermark(6)
	node.Idle()
	node.End()
	for _, x := range []*changer{a, b, c} {
		if got := strings.Join(x.lines, ", "); got != "1  @5, watermark 6, idle, end" {
			t.Errorf("got %s", got)
		}
	}
	none := typ.Tee(nil).(Node[rec])
	none.Record(&rec{}, 0)
	if typ.Tee([]any{a}) != any(a) {
		t.Error("a tee in front of one node")
	}
	defer func() {
		if _, ok := recover().(error); !ok {
			t.Error("a node of another type was accepted")
		}
	}()
	typ.Tee([]any{discard[int]{}})
}

// Nodes that only read are given one record, and before those that may change it.
func TestTeeSharesAmongReaders(t *testing.T) {
	typ, err := TypeOf[rec]()
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := &looker{}, &changer{}, &looker{}
	node := typ.Tee([]any{a, b, c}).(Node[rec])
	r := rec{N: 1}
	node.Record(&r, 5)
	if a.saw != &r || c.saw != &r || a.n != 1 || c.n != 1 {
		t.Errorf("saw %+v and %+v of %p", a, c, &r)
	}
	if ReadsOnly(node) || !ReadsOnly(typ.Tee([]any{a, c})) || !ReadsOnly(typ.Tee(nil)) {
		t.Error("a tee reads only if all behind it do")
	}
}

// looker notes what it is shown.
type looker struct {
	journal
	saw *rec
	n   int64
}

func (l *looker) Record(v *rec, _ int64) { l.saw, l.n = v, v.N }

func (l *looker) ReadsOnly() bool { return true }

// changer changes what it gets, as an operator may.
type changer struct{ journal }

func (c *changer) Record(v *rec, ts int64) { c.journal.Record(v, ts); v.N = 99 }

// The hot path makes no garbage once its batches are there.
func TestRecordsAllocateNothing(t *testing.T) {
	for _, remote := range []bool{false, true} {
		l, node, out, _ := newLoop(t, 2, 8, 0, remote, SelectPartition, Partition[rec](func(int, int) func(*rec) int {
			return func(v *rec) int { return int(v.N & 1) }
		}))
		r := rec{Text: "some text"}
		one := func() {
			for range 100 {
				r.N++
				node.Record(&r, r.N)
			}
		}
		for range 30 {
			one()
			one()
			one() // batches and buffers grow to their size
			out.Flush()
			for i := range l.queues {
				for _, m := range l.queues[i] {
					switch d := m.Data.(type) {
					case *Batch[rec]:
						d.home.put(d)
					case *Frame:
						d.Home.Release(d, true)
					}
				}
				l.queues[i] = l.queues[i][:0]
			}
		}
		// AllocsPerRun calls it twice: 100 records of a channel fit into its batch, nothing is sent meanwhile.
		if n := testing.AllocsPerRun(1, one); n != 0 {
			t.Errorf("remote %v: %v allocations for 100 records", remote, n)
		}
	}
	typ, err := TypeOf[rec]()
	if err != nil {
		t.Fatal(err)
	}
	var node Node[rec] = counter{}
	tee := typ.Tee([]any{node, node, node}).(Node[rec])
	r := rec{Text: "x"}
	if n := testing.AllocsPerRun(100, func() { tee.Record(&r, 1) }); n != 0 {
		t.Errorf("tee: %v allocations", n)
	}
}

type counter struct{}

func (counter) Record(*rec, int64) {}
func (counter) Watermark(int64)    {}
func (counter) Idle()              {}
func (counter) End()               {}

// Of two edges to the two inputs of one consumer, the busy one takes along what the other holds for that consumer.
func TestAFullBatchTakesCoupledOnesAlong(t *testing.T) {
	for _, remote := range []bool{false, true} {
		t.Run(fmt.Sprint("remote ", remote), func(t *testing.T) {
			byNumber := Partition[rec](func(p, _ int) func(*rec) int { return func(v *rec) int { return int(v.N) % p } })
			busy, busyNode, busyOut, _ := newLoop(t, 2, 8, 0, remote, SelectPartition, byNumber)
			quiet, quietNode, quietOut, _ := newLoop(t, 2, 8, 0, remote, SelectPartition, byNumber)
			Couple(busyOut, quietOut)
			for n := range int64(2) {
				quietNode.Record(&rec{N: n, Text: "quiet"}, NoTimestamp)
			}
			for len(busy.queues[1]) == 0 {
				busyNode.Record(&rec{N: 1, Text: "busy"}, NoTimestamp)
			}
			if len(quiet.queues[1]) != 1 {
				t.Errorf("%d messages for the consumer of a full batch, want 1", len(quiet.queues[1]))
			}
			if len(quiet.queues[0]) != 0 {
				t.Errorf("%d messages for the consumer that got nothing else, want 0", len(quiet.queues[0]))
			}
			quietOut.Flush()
			if len(quiet.queues[0]) != 1 || len(quiet.queues[1]) != 1 {
				t.Errorf("after a flush %d and %d messages, want one each", len(quiet.queues[0]), len(quiet.queues[1]))
			}
		})
	}
}
