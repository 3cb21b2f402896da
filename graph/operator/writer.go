package operator

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/internal/frame"
)

const (
	maxBatchRecords = 1024
	writerBudget    = 4 << 20 // bytes that one writer may have under way in all its channels, as long as frames stay useful
	minSegmentSize  = 1 << 10
	// MaxFrame is the largest payload of a frame and so the largest record that can leave a process.
	MaxFrame = 256 << 20
)

// writer sends the records of one edge. It is the Node at the end of a chain and lives on the task's goroutine.
//
// A channel costs nothing before its first record: no state, no batch. Watermarks are not sent when they come but
// noted, and travel with the next batch or flush, at their place between the records.
type writer[T any] struct {
	outlet  Outlet
	codec   codec.Codec[T]
	sel     Selection
	choose  func(*T) int
	next    int // of the round robin
	targets int
	chans   []*channel[T] // nil before the first record; an entry is nil before its first record
	open    []*channel[T] // what may hold something that was not sent
	limit   int           // records of a full batch
	segment int           // payload bytes of a full frame
	size    int           // of a T

	mark    int64  // the latest watermark, or idleMark
	turn    uint32 // changes with mark; a channel that has seen this turn needs no mark
	flushed uint32 // the turn that all channels have seen
	epoch   uint64

	peers []peer // outputs to the same consumers

	records, bytes *Counter
}

// peer is a writer, whatever its record type, to another input of the same consumers.
type peer interface{ sendTo(target int) }

// Couple tells outputs that they lead to different inputs of the same consumers: what is sent to one of them because
// a batch is full takes along what the others hold for it. So the inputs of an operator that joins stay as close
// together as the streams were written, though one has many more records than the other.
func Couple(outputs ...Output) {
	for i, o := range outputs {
		w, ok := o.(interface{ join(p peer) })
		for k, other := range outputs {
			if p, is := other.(peer); ok && is && i != k {
				w.join(p)
			}
		}
	}
}

func (w *writer[T]) join(p peer) { w.peers = append(w.peers, p) }

// sendTo sends what the channel to a target holds, if anything.
func (w *writer[T]) sendTo(target int) {
	if target < len(w.chans) && w.chans[target] != nil {
		w.send(w.chans[target])
	}
}

// sendFull sends a full batch or frame to target i.
func (w *writer[T]) sendFull(i int, c *channel[T]) {
	for _, p := range w.peers {
		p.sendTo(i)
	}
	w.send(c)
}

// channel is the way from this subtask to one consumer.
type channel[T any] struct {
	batch  *Batch[T] // being filled, nil: none; always nil for a remote consumer
	seen   uint32    // turn of the last mark
	listed bool      // in writer.open
	link   Link
	home   *home[T] // local
	remote *remote  // remote
}

// remote is a frame being filled.
type remote struct {
	buf     []byte // empty: none
	times   bool   // records are preceded by their event time; once so, always
	records int
	marks   []Mark
}

// NewWriter implements Type.
func (t *recordType[T]) NewWriter(c WriterConfig) (any, Output, error) {
	w := &writer[T]{
		outlet: c.Outlet, codec: t.codec, sel: c.Select, targets: c.Targets, size: t.size, records: c.Records, bytes: c.Bytes,
	}
	if c.Select == SelectPartition {
		p, ok := c.Partition.(Partition[T])
		if !ok {
			return nil, nil, fmt.Errorf("partition of %s is a %T", t.name, c.Partition)
		}
		w.choose = p(c.Targets, c.MaxParallelism)
	}
	if c.Targets > 0 {
		w.next = c.Start % c.Targets
	}
	if w.records == nil {
		w.records = new(Counter)
	}
	if w.bytes == nil {
		w.bytes = new(Counter)
	}
	w.segment = c.SegmentSize
	if w.segment <= 0 {
		w.segment = DefaultSegmentSize
	}
	// With many targets the batches get smaller, so that what is under way stays bounded.
	targets := max(c.Targets, 1)
	w.segment = min(w.segment, max(writerBudget/(targets*Credits(targets)), minSegmentSize))
	w.limit = min(max(w.segment/max(t.size, 1), 1), maxBatchRecords)
	return w, w, nil
}

// ReadsOnly implements ReadOnly: a record is encoded or copied before Record returns.
func (w *writer[T]) ReadsOnly() bool { return true }

// Record implements Node.
func (w *writer[T]) Record(v *T, ts int64) {
	i := 0
	switch w.sel {
	case SelectFirst:
	case SelectPartition:
		i = w.choose(v)
	case SelectRoundRobin:
		i = w.next
		if w.next++; w.next == w.targets {
			w.next = 0
		}
	case SelectRandom:
		i = int(rand.Uint32N(uint32(w.targets)))
	case SelectAll:
		for i := range w.targets {
			w.put(i, v, ts)
		}
		return
	}
	w.put(i, v, ts)
}

// put appends *v to the batch of target i.
func (w *writer[T]) put(i int, v *T, ts int64) {
	if uint(i) >= uint(len(w.chans)) {
		w.grow(i)
	}
	c := w.chans[i]
	if c == nil || c.batch == nil || c.seen != w.turn {
		if c = w.begin(i); c.batch == nil {
			w.encode(i, c, v, ts)
			return
		}
	}
	b := c.batch
	b.Records = append(b.Records, *v)
	if ts != NoTimestamp || len(b.Times) > 0 {
		b.stamp(ts)
	}
	if len(b.Records) >= w.limit {
		w.sendFull(i, c)
	}
}

// grow makes room for channels before the first record, and refuses a target that does not exist.
func (w *writer[T]) grow(i int) {
	if i < 0 || i >= w.targets {
		w.outlet.Fail(core.E("partition record", core.UserCode, "",
			fmt.Errorf("partitioner chose subtask %d of %d", i, w.targets)))
	}
	w.chans = make([]*channel[T], w.targets)
}

// channel returns the state of target i, made and connected on first use.
func (w *writer[T]) channel(i int) *channel[T] {
	c := w.chans[i]
	if c == nil {
		// What was flushed before went to this channel too.
		c = &channel[T]{link: w.outlet.Connect(i), seen: w.flushed}
		if c.link.Stream != nil {
			c.remote = new(remote)
		} else {
			c.home = &home[T]{limit: max(c.link.Credits, 2), outlet: w.outlet}
		}
		w.chans[i] = c
	}
	return c
}

// begin sees to it that channel i has a batch or frame to fill and that it holds the latest mark.
func (w *writer[T]) begin(i int) *channel[T] {
	c := w.channel(i)
	if c.remote != nil {
		if len(c.remote.buf) == 0 {
			w.beginFrame(c)
		}
		if c.seen != w.turn {
			w.noteRemote(c)
		}
		return c
	}
	if c.batch == nil {
		w.beginBatch(c)
	}
	if c.seen != w.turn {
		w.note(c)
	}
	return c
}

func (w *writer[T]) beginBatch(c *channel[T]) {
	for {
		if c.batch = c.home.take(); c.batch != nil {
			break
		}
		w.outlet.Wait()
	}
	w.list(c)
}

func (w *writer[T]) beginFrame(c *channel[T]) {
	c.link.Stream.Acquire()
	r := c.remote
	if cap(r.buf) < frame.HeaderSize {
		r.buf = make([]byte, frame.HeaderSize, frame.HeaderSize+512)
	} else {
		r.buf = r.buf[:frame.HeaderSize]
	}
	w.list(c)
}

func (w *writer[T]) list(c *channel[T]) {
	if !c.listed {
		c.listed = true
		w.open = append(w.open, c)
	}
}

// note adds the latest mark to a batch, at its place between the records.
func (w *writer[T]) note(c *channel[T]) {
	c.seen = w.turn
	c.batch.Marks = append(c.batch.Marks, Mark{len(c.batch.Records), w.mark})
	if len(c.batch.Marks) >= maxMarks {
		w.send(c)
		w.beginBatch(c)
	}
}

func (w *writer[T]) noteRemote(c *channel[T]) {
	c.seen = w.turn
	c.remote.marks = append(c.remote.marks, Mark{c.remote.records, w.mark})
	if len(c.remote.marks) >= maxMarks {
		w.send(c)
		w.outlet.Flush()
		w.beginFrame(c)
	}
}

// encode appends *v to the frame of a remote channel.
func (w *writer[T]) encode(i int, c *channel[T], v *T, ts int64) {
	r := c.remote
	if ts != NoTimestamp && !r.times {
		if r.records > 0 {
			w.send(c)
			w.outlet.Flush()
			w.beginFrame(c)
		}
		r.times = true
	}
	buf := r.buf
	if r.times {
		buf = binary.LittleEndian.AppendUint64(buf, uint64(ts))
	}
	r.buf = w.codec.Append(buf, v) // a record on which this panics leaves nothing behind: a policy may go on
	r.records++
	if len(r.buf) >= w.segment {
		w.sendFull(i, c)
		w.outlet.Flush()
	}
}

// send sends what c holds, if anything.
func (w *writer[T]) send(c *channel[T]) {
	if c.remote != nil {
		w.sendFrame(c)
		return
	}
	b := c.batch
	if b == nil {
		return
	}
	c.batch = nil
	if c.seen != w.turn {
		c.seen = w.turn
		b.Marks = append(b.Marks, Mark{len(b.Records), w.mark})
	}
	n := int64(len(b.Records))
	w.records.Add(n)
	w.bytes.Add(n * int64(w.size))
	c.link.Gate.Put(Message{Kind: frame.Data, Input: c.link.Input, Channel: c.link.Channel, Data: b})
}

func (w *writer[T]) sendFrame(c *channel[T]) {
	r := c.remote
	if len(r.buf) == 0 {
		return
	}
	if c.seen != w.turn {
		c.seen = w.turn
		r.marks = append(r.marks, Mark{r.records, w.mark})
	}
	for _, m := range r.marks {
		r.buf = binary.LittleEndian.AppendUint32(r.buf, uint32(m.At))
		r.buf = binary.LittleEndian.AppendUint64(r.buf, uint64(m.Time))
	}
	if n := len(r.buf) - frame.HeaderSize; n > MaxFrame {
		w.outlet.Fail(core.E("send record", core.TooLarge, "", fmt.Errorf("%d bytes are over the limit of %d", n, MaxFrame)))
	}
	h := frame.Header{Kind: frame.Data, Marks: uint16(len(r.marks)), Records: uint32(r.records), Epoch: w.epoch}
	if r.times {
		h.Flags = frame.Timestamps
	}
	c.link.Stream.Send(r.buf, &h)
	w.records.Add(int64(r.records))
	w.bytes.Add(int64(len(r.buf)))
	if cap(r.buf) > 4*w.segment+frame.HeaderSize {
		r.buf = nil // one large record does not keep its memory for ever
	}
	r.buf, r.marks, r.records = r.buf[:0], r.marks[:0], 0
}

// control sends an element without records to target i. It allocates nothing for a local channel that was never used.
func (w *writer[T]) control(i int, kind frame.Kind, arg int64) {
	var link Link
	if i < len(w.chans) && w.chans[i] != nil {
		link = w.chans[i].link
	} else {
		link = w.outlet.Connect(i)
	}
	if link.Stream == nil {
		link.Gate.Put(Message{Kind: kind, Input: link.Input, Channel: link.Channel, Arg: arg})
		return
	}
	link.Stream.Send(make([]byte, frame.HeaderSize), &frame.Header{Kind: kind, Arg: uint64(arg), Epoch: w.epoch})
}

// Watermark implements Node.
func (w *writer[T]) Watermark(ts int64) {
	if ts == idleMark || ts == w.mark && w.turn > 0 {
		return
	}
	w.mark = ts
	w.turn++
}

// Idle implements Node.
func (w *writer[T]) Idle() {
	// A watermark that has not reached all channels must not be replaced by the idle mark.
	w.Flush()
	w.mark = idleMark
	w.turn++
}

// End implements Node.
func (w *writer[T]) End() {
	w.Flush()
	for i := range w.targets {
		w.control(i, frame.End, 0)
	}
	w.outlet.Flush()
}

// Pending implements Output.
func (w *writer[T]) Pending() bool { return len(w.open) > 0 || w.flushed != w.turn }

// Flush implements Output.
func (w *writer[T]) Flush() {
	if !w.Pending() {
		return
	}
	for i, c := range w.open {
		c.listed = false
		w.open[i] = nil
		w.send(c)
	}
	w.open = w.open[:0]
	if w.flushed != w.turn {
		kind := frame.Watermark
		if w.mark == idleMark {
			kind = frame.Idle
		}
		for i := range w.targets {
			if i < len(w.chans) && w.chans[i] != nil {
				if w.chans[i].seen == w.turn {
					continue
				}
				w.chans[i].seen = w.turn
			}
			w.control(i, kind, w.mark)
		}
		w.flushed = w.turn
	}
	w.outlet.Flush()
}

// Barrier implements Output.
func (w *writer[T]) Barrier(checkpoint int64) {
	w.Flush()
	for i := range w.targets {
		w.control(i, frame.Barrier, checkpoint)
	}
	w.epoch = uint64(checkpoint)
	w.outlet.Flush()
}
