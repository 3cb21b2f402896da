package operator

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/internal/frame"
)

// reader turns the messages of one input into calls of its Node. It lives on the task's goroutine.
type reader[T any] struct {
	node    Node[T]
	codec   codec.Codec[T]
	aliases bool
	size    int
	valve   valve
	over    bool
	shown   atomic.Int64 // valve.now, for other goroutines
	slot    T            // the record being delivered, if it came in a frame

	records, bytes *Counter
}

// NewReader implements Type.
func (t *recordType[T]) NewReader(node any, c ReaderConfig) (Input, error) {
	n, err := t.node(node)
	if err != nil {
		return nil, err
	}
	r := &reader[T]{node: n, codec: t.codec, aliases: t.aliases, size: t.size, valve: newValve(c.Channels), records: c.Records, bytes: c.Bytes}
	r.shown.Store(r.valve.now)
	if r.records == nil {
		r.records = new(Counter)
	}
	if r.bytes == nil {
		r.bytes = new(Counter)
	}
	return r, nil
}

// Ended implements Input.
func (r *reader[T]) Ended() bool { return r.over }

// Watermark implements Input.
func (r *reader[T]) Watermark() int64 { return r.shown.Load() }

// Read implements Input.
func (r *reader[T]) Read(m *Message) error {
	switch m.Kind {
	case frame.Data:
		switch d := m.Data.(type) {
		case *Batch[T]:
			r.batch(m.Channel, d)
			return nil
		case *Frame:
			return r.frame(m.Channel, d)
		default:
			return fmt.Errorf("channel %d carries a %T", m.Channel, m.Data)
		}
	case frame.Watermark:
		r.mark(m.Channel, m.Arg)
		if m.ThenIdle {
			r.mark(m.Channel, idleMark)
		}
	case frame.Idle:
		r.mark(m.Channel, idleMark)
	case frame.End:
		r.end(m.Channel)
	case frame.Barrier:
		// The gate aligns barriers before they get here.
	default:
		return fmt.Errorf("channel %d: unexpected %s message", m.Channel, m.Kind)
	}
	return nil
}

func (r *reader[T]) batch(c int32, b *Batch[T]) {
	at := 0
	for _, m := range b.Marks {
		r.run(c, b, at, m.At)
		at = m.At
		r.mark(c, m.Time)
	}
	r.run(c, b, at, len(b.Records))
	n := int64(len(b.Records))
	r.records.Add(n)
	r.bytes.Add(n * int64(r.size))
	b.home.put(b)
}

// run delivers the records [from, to) of b.
func (r *reader[T]) run(c int32, b *Batch[T], from, to int) {
	if from == to {
		return
	}
	r.wake(c)
	node := r.node
	if records := b.Records[from:to]; len(b.Times) == 0 {
		for i := range records {
			node.Record(&records[i], NoTimestamp)
		}
		return
	}
	for i := from; i < to; i++ {
		node.Record(&b.Records[i], b.Times[i])
	}
}

func (r *reader[T]) frame(c int32, f *Frame) error {
	h := &f.Header
	p := f.Payload
	tail := int(h.Marks) * frame.MarkSize
	if tail > len(p) {
		return fmt.Errorf("channel %d: frame of %d bytes has %d marks", c, len(p), h.Marks)
	}
	p, marks := p[:len(p)-tail], p[len(p)-tail:]
	next := nextMark(marks)
	node, times := r.node, h.Flags&frame.Timestamps != 0
	if h.Records > 0 && next > 0 {
		r.wake(c)
	}
	for i := range h.Records {
		if i == next {
			for i == next {
				marks = r.markAt(c, marks)
				next = nextMark(marks)
			}
			r.wake(c)
		}
		ts := NoTimestamp
		if times {
			if len(p) < 8 {
				return fmt.Errorf("channel %d: record %d of %d has no room for its timestamp", c, i, h.Records)
			}
			ts, p = int64(binary.LittleEndian.Uint64(p)), p[8:]
		}
		n, err := r.codec.Decode(p, &r.slot)
		if err != nil {
			return fmt.Errorf("channel %d: record %d of %d: %w", c, i, h.Records, err)
		}
		p = p[n:]
		node.Record(&r.slot, ts)
	}
	if len(p) > 0 {
		return fmt.Errorf("channel %d: %d bytes after the last of %d records", c, len(p), h.Records)
	}
	for len(marks) > 0 {
		marks = r.markAt(c, marks)
	}
	r.records.Add(int64(h.Records))
	r.bytes.Add(int64(frame.HeaderSize + h.Length))
	f.Home.Release(f, !r.aliases)
	return nil
}

// wake ends the rest of a channel that has records.
func (r *reader[T]) wake(c int32) {
	if r.valve.wake(c) {
		r.advance()
	}
}

// nextMark is the number of records before the first of marks.
func nextMark(marks []byte) uint32 {
	if len(marks) == 0 {
		return ^uint32(0)
	}
	return binary.LittleEndian.Uint32(marks)
}

// markAt applies the first of marks and returns the others.
func (r *reader[T]) markAt(c int32, marks []byte) []byte {
	r.mark(c, int64(binary.LittleEndian.Uint64(marks[4:])))
	return marks[frame.MarkSize:]
}

// advance tells the Node the input's new watermark.
func (r *reader[T]) advance() {
	r.shown.Store(r.valve.now)
	r.node.Watermark(r.valve.now)
}

func (r *reader[T]) mark(c int32, ts int64) {
	if ts == idleMark {
		moved, silent := r.valve.rest(c)
		if moved {
			r.advance()
		}
		if silent {
			r.node.Idle()
		}
		return
	}
	// The end of a channel is told by End. Its watermark would be that of the whole input while all others rest, and
	// make late what they have when they wake.
	if ts != MaxWatermark && r.valve.watermark(c, ts) {
		r.advance()
	}
}

func (r *reader[T]) end(c int32) {
	moved, silent, all := r.valve.end(c)
	switch {
	case all:
		r.over = true
		if r.valve.now != MaxWatermark {
			r.valve.now = MaxWatermark
			r.advance()
		}
		r.node.End()
	default:
		if moved {
			r.advance()
		}
		if silent {
			r.node.Idle()
		}
	}
}
