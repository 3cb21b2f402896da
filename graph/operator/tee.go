package operator

import (
	"fmt"

	"github.com/flink-go/flink-go/graph/codec"
)

// discard is an output that nobody reads.
type discard[T any] struct{}

func (discard[T]) Record(*T, int64) {}
func (discard[T]) Watermark(int64)  {}
func (discard[T]) Idle()            {}
func (discard[T]) End()             {}
func (discard[T]) ReadsOnly() bool  { return true }

// Tee implements Type. It panics if a node is not a Node[T].
func (t *recordType[T]) Tee(nodes []any) any {
	// Those that only read come first and see the original.
	var readers, others []Node[T]
	for _, n := range nodes {
		node, err := t.node(n)
		if err != nil {
			panic(fmt.Errorf("tee: %w", err))
		}
		if ReadsOnly(n) {
			readers = append(readers, node)
		} else {
			others = append(others, node)
		}
	}
	switch {
	case len(nodes) == 0:
		return discard[T]{}
	case len(nodes) == 1:
		return nodes[0]
	case len(others) == 0:
		last := len(readers) - 1
		return &tee[T]{direct: readers[:last], last: readers[last]}
	default:
		last := len(others) - 1
		return &tee[T]{direct: readers, copied: others[:last], last: others[last]}
	}
}

// tee hands each record to several nodes. The scratch copy lives here because a local one would escape.
type tee[T any] struct {
	direct []Node[T] // get the original and leave it as it is
	copied []Node[T] // get a copy each
	last   Node[T]   // gets the original
	slot   T
}

func (t *tee[T]) Record(v *T, ts int64) {
	for _, n := range t.direct {
		n.Record(v, ts)
	}
	for _, n := range t.copied {
		t.slot = *v
		n.Record(&t.slot, ts)
	}
	t.last.Record(v, ts)
}

// ReadsOnly implements ReadOnly: the last Node gets the original.
func (t *tee[T]) ReadsOnly() bool { return ReadsOnly(t.last) }

func (t *tee[T]) each(f func(Node[T])) {
	for _, n := range t.direct {
		f(n)
	}
	for _, n := range t.copied {
		f(n)
	}
	f(t.last)
}

func (t *tee[T]) Watermark(ts int64) { t.each(func(n Node[T]) { n.Watermark(ts) }) }
func (t *tee[T]) Idle()              { t.each(func(n Node[T]) { n.Idle() }) }
func (t *tee[T]) End()               { t.each(func(n Node[T]) { n.End() }) }

// NewCollector implements Type.
func (t *recordType[T]) NewCollector(each func(v any, ts int64)) any {
	return &collector[T]{codec: t.codec, each: each}
}

// collector hands out records that stay as they are, whatever becomes of the original: it copies them as the network
// does.
type collector[T any] struct {
	discard[T]
	codec codec.Codec[T]
	each  func(v any, ts int64)
}

func (c *collector[T]) Record(v *T, ts int64) {
	var copied T
	if _, err := c.codec.Decode(c.codec.Append(nil, v), &copied); err != nil {
		panic(fmt.Errorf("copy a record: %w", err)) // what the codec wrote, it reads
	}
	c.each(copied, ts)
}
