package keyed

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"unsafe"
)

// maxListTail is how many bytes of a list, about, are added in memory before they are written.
const maxListTail = 32 << 10

// fewStored is up to how many elements on disk are kept in memory when they are read.
const fewStored = 256

// diskList is List on disk: under the key of the row and 0 the numbers of elements and chunks, under 1 and the number of
// a chunk its elements. What was appended is written as a new chunk; earlier ones are not touched.
type diskList[V any] struct {
	diskState[listCell[V]]
	diskCodec[V]
	sweeper sweeper
}

// listCell is a list in memory: the end of it that is not on disk, or all of it.
type listCell[V any] struct {
	list   []V
	weight int
	stored int    // elements on disk
	chunks uint64 // chunks on disk
	all    bool   // list begins with the elements that are on disk
	dirty  bool   // numbers on disk are not these
	onDisk bool   // there are numbers on disk
}

// Tags behind the key of a row.
const (
	tagNumbers = iota
	tagEntry
	tagEnd
)

func newDiskList[V any](sc *Scope, name string) (listState[V], error) {
	cache := sc.disk.(*rowCache)
	state, err := newDiskState[listCell[V]](cache, name)
	if err != nil {
		return nil, err
	}
	d := &diskList[V]{diskState: state}
	if d.diskCodec, err = newDiskCodec[V](); err != nil {
		return nil, err
	}
	cache.columns = append(cache.columns, d)
	return d, nil
}

// load returns the cell of the current key.
func (d *diskList[V]) load() *listCell[V] {
	r := d.cache.take(d.name)
	if c := d.has(r); c != nil {
		return c
	}
	value, ok := d.get(append(d.key(d.cache.currentKey()), tagNumbers), d.cache.value[:0])
	d.cache.value = value
	c := d.place(r)
	if ok {
		c.read(value)
	}
	return c
}

func (c *listCell[V]) read(value []byte) {
	stored, n := binary.Uvarint(value)
	c.chunks, _ = binary.Uvarint(value[max(n, 0):])
	c.stored, c.onDisk = int(stored), true
}

// fresh is what is not on disk.
func (c *listCell[V]) fresh() []V {
	if c.all {
		return c.list[c.stored:]
	}
	return c.list
}

func (c *listCell[V]) len() int { return c.stored + len(c.fresh()) }

// chunkKey is that of a chunk.
func (d *diskList[V]) chunkKey(row []byte, chunk uint64) []byte {
	return binary.BigEndian.AppendUint64(append(d.key(row), tagEntry), chunk)
}

// Append implements listState.
func (d *diskList[V]) Append(v *V) {
	c := d.load()
	d.add(c, v)
	if c.weight > maxListTail {
		d.spill(c, d.cache.currentKey())
	}
}

func (d *diskList[V]) add(c *listCell[V], v *V) {
	c.list = append(c.list, *v)
	if d.detach != nil {
		d.detach(&c.list[len(c.list)-1])
	}
	d.weigh(c)
}

func (d *diskList[V]) weigh(c *listCell[V]) {
	weight := cap(c.list)*int(unsafe.Sizeof(*new(V))) + len(c.list)*d.weight()
	d.cache.charge(weight - c.weight)
	c.weight = weight
}

// spill writes what is not on disk and keeps nothing of the list in memory.
func (d *diskList[V]) spill(c *listCell[V], row []byte) {
	d.write(c, row)
	c.list, c.all = nil, false
	d.weigh(c)
}

// write writes what is not on disk.
func (d *diskList[V]) write(c *listCell[V], row []byte) {
	if fresh := c.fresh(); len(fresh) > 0 {
		value := d.codec.AppendAll(binary.AppendUvarint(d.cache.value[:0], uint64(len(fresh))), fresh)
		d.cache.value = value
		d.seen(len(value) / len(fresh))
		d.set(d.chunkKey(row, c.chunks), value)
		c.chunks++
		c.stored += len(fresh)
		c.dirty = true
		if !c.all {
			c.list = c.list[:0]
			c.all = c.stored == 0
		}
	}
	if !c.dirty {
		return
	}
	c.dirty = false
	key := append(d.key(row), tagNumbers)
	if c.stored == 0 {
		if c.onDisk {
			d.fault(d.cache.kv.Delete(key))
		}
		c.onDisk = false
		return
	}
	value := binary.AppendUvarint(binary.AppendUvarint(d.cache.value[:0], uint64(c.stored)), c.chunks)
	d.cache.value = value
	d.set(key, value)
	c.onDisk = true
}

func (d *diskList[V]) writeBack(row uint32, key []byte) { d.write(d.at(row), key) }

func (d *diskList[V]) release(row uint32) {
	c := d.at(row)
	d.cache.charge(-c.weight)
	*c = listCell[V]{}
}

// All implements listState.
func (d *diskList[V]) All() iter.Seq[*V] {
	return func(yield func(*V) bool) {
		c := d.load()
		d.cache.pinned++ // the loop may use other keys
		defer func() { d.cache.pinned-- }()
		if !c.all && c.stored > 0 && c.stored <= fewStored {
			d.fetch(c, d.cache.currentKey())
		}
		if !c.all && c.stored > 0 {
			more := true
			d.scan(slices.Clone(d.cache.currentKey()), func(v *V) bool {
				more = yield(v)
				return more
			})
			if !more {
				return
			}
		}
		for i := range c.list {
			if !yield(&c.list[i]) {
				return
			}
		}
	}
}

// scan calls each with the elements on disk.
func (d *diskList[V]) scan(row []byte, each func(v *V) bool) {
	from := append(append(append([]byte(nil), d.head...), row...), tagEntry)
	d.fault(d.cache.kv.Scan(from, after(from), func(_, value []byte) bool {
		more := true
		d.decodeChunk(d.own(value), func(v *V) bool {
			more = each(v)
			return more
		})
		return more
	}))
}

func (d *diskList[V]) decodeChunk(value []byte, each func(v *V) bool) {
	n, at := binary.Uvarint(value)
	if at <= 0 {
		d.fault(fmt.Errorf("a chunk of %d bytes has no length", len(value)))
	}
	var v V
	for range n {
		v = *new(V)
		size, err := d.decode(value[at:], &v)
		d.fault(err)
		at += size
		if !each(&v) {
			return
		}
	}
}

// fetch reads the elements on disk into memory.
func (d *diskList[V]) fetch(c *listCell[V], row []byte) {
	if c.all {
		return
	}
	list := make([]V, 0, c.len())
	if c.stored > 0 {
		d.scan(row, func(v *V) bool {
			list = append(list, *v)
			return true
		})
	}
	c.list, c.all = append(list, c.list...), true
	d.weigh(c)
}

// Len implements listState.
func (d *diskList[V]) Len() int { return d.load().len() }

// Clear implements listState.
func (d *diskList[V]) Clear() { d.clear(d.load(), d.cache.currentKey()) }

func (d *diskList[V]) clear(c *listCell[V], row []byte) {
	d.removeChunks(c, row)
	c.list, c.stored, c.all = nil, 0, false
	d.weigh(c)
}

func (d *diskList[V]) removeChunks(c *listCell[V], row []byte) {
	const few = 8
	if c.chunks <= few {
		for i := range c.chunks {
			d.fault(d.cache.kv.Delete(d.chunkKey(row, i)))
		}
	} else {
		from := append(append(append([]byte(nil), d.head...), row...), tagEntry)
		d.fault(d.cache.kv.DeleteRange(from, after(from)))
	}
	c.chunks, c.stored, c.dirty = 0, 0, true
}

// Filter implements listState.
func (d *diskList[V]) Filter(drop func(v *V) bool) {
	d.filter(d.load(), d.cache.currentKey(), true, drop)
}

// filter removes elements. changes says that drop may change what it keeps.
func (d *diskList[V]) filter(c *listCell[V], row []byte, changes bool, drop func(v *V) bool) {
	row = slices.Clone(row) // drop may do anything
	d.fetch(c, row)
	before := len(c.list)
	kept := c.list[:0]
	for i := range c.list {
		if v := &c.list[i]; !drop(v) {
			kept = append(kept, *v)
		}
	}
	clear(c.list[len(kept):])
	if len(kept) < before || changes && c.stored > 0 {
		d.removeChunks(c, row)
	}
	c.list = kept
	if c.weight > maxListTail {
		d.spill(c, row)
	}
	d.weigh(c)
}

// Sweep implements listState.
func (d *diskList[V]) Sweep(n int, drop func(v *V) bool) (done bool) {
	return d.sweeper.sweep(d.cache, d.head, d.bit, n, func(r *rowState) {
		d.cache.row = d.cache.keys.appendRow(d.cache.row[:0], r.row)
		d.filter(d.at(r.row), d.cache.row, false, drop)
	}, func(key, value []byte) {
		n, r, err := d.cache.keys.find(key[len(d.head):])
		d.fault(err)
		row := key[len(d.head) : len(d.head)+n]
		if key[len(d.head)+n] != tagEntry || d.has(r) != nil {
			return
		}
		d.sweepChunk(row, key, value, drop)
	}, d.fault)
}

// sweepChunk removes elements of a chunk of a list that is not in memory.
func (d *diskList[V]) sweepChunk(row, key, value []byte, drop func(v *V) bool) {
	var kept []V
	gone := 0
	d.decodeChunk(d.own(value), func(v *V) bool {
		if drop(v) {
			gone++
		} else {
			kept = append(kept, *v)
		}
		return true
	})
	if gone == 0 {
		return
	}
	if len(kept) == 0 {
		d.fault(d.cache.kv.Delete(key))
	} else {
		d.set(key, d.codec.AppendAll(binary.AppendUvarint(nil, uint64(len(kept))), kept))
	}
	numbers, ok := d.get(append(d.key(row), tagNumbers), nil)
	if !ok {
		return
	}
	var c listCell[V]
	c.read(numbers)
	c.stored -= gone
	c.dirty = true
	d.write(&c, row)
}
