package operator

import (
	"math"
	"sync"
)

// Batch is what travels between two subtasks of one process: records in order, their event times, and the marks
// between them. It belongs to one channel for life: the producer fills it, the consumer reads it and gives it back.
// That return is the channel's credit.
type Batch[T any] struct {
	Records []T
	Times   []int64 // as Records, or empty if none of them has an event time
	Marks   []Mark
	home    *home[T]
}

// Mark is a watermark between the records of a batch.
type Mark struct {
	At   int   // number of records before it
	Time int64 // the watermark, or idleMark
}

// idleMark stands for Idle among watermarks; as a watermark it would say nothing.
const idleMark int64 = math.MinInt64

// maxMarks bounds the marks of one batch, for a stream that has more watermarks than records.
const maxMarks = 256

// stamp adds the event time of the record that was appended last.
func (b *Batch[T]) stamp(ts int64) {
	for len(b.Times) < len(b.Records)-1 {
		b.Times = append(b.Times, NoTimestamp)
	}
	b.Times = append(b.Times, ts)
}

// home holds the empty batches of a channel. It makes them one by one as they are needed, up to its limit.
type home[T any] struct {
	mu      sync.Mutex
	free    []*Batch[T]
	made    int
	limit   int
	waiting bool // the producer waits for a batch
	outlet  Outlet
}

// take returns an empty batch, nil if all are under way; then the producer is woken when one comes back.
func (h *home[T]) take() *Batch[T] {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.free); n > 0 {
		b := h.free[n-1]
		h.free = h.free[:n-1]
		return b
	}
	if h.made < h.limit {
		h.made++
		return &Batch[T]{home: h}
	}
	h.waiting = true
	return nil
}

// put takes a batch back from the consumer.
func (h *home[T]) put(b *Batch[T]) {
	b.Records, b.Times, b.Marks = b.Records[:0], b.Times[:0], b.Marks[:0]
	h.mu.Lock()
	h.free = append(h.free, b)
	wake := h.waiting
	h.waiting = false
	h.mu.Unlock()
	if wake {
		h.outlet.Wake()
	}
}
