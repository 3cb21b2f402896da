package keyed

import (
	"encoding/binary"
	"iter"
	"slices"
	"unsafe"
)

// maxMapEntries is how many entries of one key's map are kept in memory.
const maxMapEntries = 4096

// diskMap is Map on disk: under the key of the row and 0 the number of entries, under 1 and the encoded key of an entry
// its value. In memory are the entries that were used since the row was read.
type diskMap[MK comparable, V any] struct {
	diskState[mapCell[MK, V]]
	diskCodec[V]
	entryKeys  diskCodec[MK]
	zeroSigns  func(*MK)
	entrySize  int
	sweeper    sweeper
	entryKeyOf MK // scratch
}

// mapCell is a map in memory, as far as it is known.
type mapCell[MK comparable, V any] struct {
	entries map[MK]*valueCell[V]
	weight  int
	n       int  // entries in memory and on disk
	all     bool // what is not among entries does not exist
	dirty   bool // the number on disk is not n
	onDisk  bool // there is a number on disk
}

func newDiskMap[MK comparable, V any](sc *Scope, name string) (mapState[MK, V], error) {
	cache := sc.disk.(*rowCache)
	state, err := newDiskState[mapCell[MK, V]](cache, name)
	if err != nil {
		return nil, err
	}
	d := &diskMap[MK, V]{diskState: state, zeroSigns: zeroSigns[MK]()}
	if d.diskCodec, err = newDiskCodec[V](); err != nil {
		return nil, err
	}
	if d.entryKeys, err = newDiskCodec[MK](); err != nil {
		return nil, err
	}
	const perEntry = 32 // of Go's map, the pointer included
	d.entrySize = perEntry + int(unsafe.Sizeof(d.entryKeyOf)+unsafe.Sizeof(valueCell[V]{}))
	cache.columns = append(cache.columns, d)
	return d, nil
}

// load returns the cell of the current key.
func (d *diskMap[MK, V]) load() *mapCell[MK, V] {
	r := d.cache.take(d.name)
	if c := d.has(r); c != nil {
		return c
	}
	value, ok := d.get(append(d.key(d.cache.currentKey()), tagNumbers), d.cache.value[:0])
	d.cache.value = value
	c := d.place(r)
	c.all = !ok
	if ok {
		n, _ := binary.Uvarint(value)
		c.n, c.onDisk = int(n), true
	}
	return c
}

func (d *diskMap[MK, V]) weigh(c *mapCell[MK, V]) {
	weight := len(c.entries) * (d.entrySize + d.weight() + d.entryKeys.weight())
	d.cache.charge(weight - c.weight)
	c.weight = weight
}

// entryKey is that of an entry on disk; it is valid until the next key is made.
func (d *diskMap[MK, V]) entryKey(row []byte, k *MK) []byte {
	key := append(d.key(row), tagEntry)
	if d.zeroSigns != nil {
		d.entryKeyOf = *k
		d.zeroSigns(&d.entryKeyOf)
		k = &d.entryKeyOf
	}
	key = d.entryKeys.encode(key, k)
	d.cache.buf = key
	return key
}

// find returns what is known of an entry, nil if it is known not to be there.
func (d *diskMap[MK, V]) find(c *mapCell[MK, V], k *MK) *valueCell[V] {
	e := c.entries[*k]
	if e != nil || c.all {
		return e
	}
	if len(c.entries) >= maxMapEntries {
		d.shed(c)
	}
	scratch := d.cache.value[:0]
	if d.alias {
		scratch = nil
	}
	value, ok := d.get(d.entryKey(d.cache.currentKey(), k), scratch)
	e = d.insert(c, k)
	if !ok {
		return e
	}
	if !d.alias {
		d.cache.value = value
	}
	_, err := d.decode(value, &e.value)
	d.fault(err)
	e.flags = isThere | isStored
	return e
}

// insert adds an empty entry.
func (d *diskMap[MK, V]) insert(c *mapCell[MK, V], k *MK) *valueCell[V] {
	if c.entries == nil {
		c.entries = make(map[MK]*valueCell[V])
	}
	own := *k
	if d.entryKeys.detach != nil {
		d.entryKeys.detach(&own)
	}
	e := new(valueCell[V])
	c.entries[own] = e
	d.weigh(c)
	return e
}

// shed writes the entries in memory and forgets them.
func (d *diskMap[MK, V]) shed(c *mapCell[MK, V]) {
	d.write(c, d.cache.currentKey())
	c.entries, c.all = nil, c.n == 0
	d.weigh(c)
}

// Get implements mapState.
func (d *diskMap[MK, V]) Get(k *MK) *V {
	if e := d.find(d.load(), k); e != nil && e.flags&isThere != 0 {
		return &e.value
	}
	return nil
}

// Ref implements mapState.
func (d *diskMap[MK, V]) Ref(k *MK) (v *V, isNew bool) {
	c := d.load()
	e := d.find(c, k)
	if e == nil {
		if len(c.entries) >= maxMapEntries {
			d.shed(c)
		}
		e = d.insert(c, k)
	}
	if isNew = e.flags&isThere == 0; isNew {
		c.n++
		c.dirty = true
	}
	e.flags |= isThere | isDirty
	return &e.value, isNew
}

// Set implements mapState.
func (d *diskMap[MK, V]) Set(k *MK, v *V) {
	to, _ := d.Ref(k)
	*to = *v
	if d.detach != nil {
		d.detach(to)
	}
}

// Delete implements mapState.
func (d *diskMap[MK, V]) Delete(k *MK) bool {
	c := d.load()
	e := d.find(c, k)
	if e == nil || e.flags&isThere == 0 {
		return false
	}
	d.drop(c, e)
	return true
}

func (d *diskMap[MK, V]) drop(c *mapCell[MK, V], e *valueCell[V]) {
	*e = valueCell[V]{flags: e.flags&isStored | isDirty}
	c.n--
	c.dirty = true
}

// write writes what the disk does not know.
func (d *diskMap[MK, V]) write(c *mapCell[MK, V], row []byte) {
	for k, e := range c.entries {
		if e.flags&isDirty == 0 {
			continue
		}
		switch {
		case e.flags&isThere != 0:
			d.cache.value = d.encode(d.cache.value[:0], &e.value)
			d.set(d.entryKey(row, &k), d.cache.value)
			e.flags = isThere | isStored
		case e.flags&isStored != 0:
			d.fault(d.cache.kv.Delete(d.entryKey(row, &k)))
			e.flags = 0
		}
	}
	if !c.dirty {
		return
	}
	c.dirty = false
	d.writeNumber(c, row)
}

func (d *diskMap[MK, V]) writeNumber(c *mapCell[MK, V], row []byte) {
	key := append(d.key(row), tagNumbers)
	if c.n > 0 {
		d.cache.value = binary.AppendUvarint(d.cache.value[:0], uint64(c.n))
		d.set(key, d.cache.value)
	} else if c.onDisk {
		d.fault(d.cache.kv.Delete(key))
	}
	c.onDisk = c.n > 0
}

func (d *diskMap[MK, V]) writeBack(row uint32, key []byte) { d.write(d.at(row), key) }

func (d *diskMap[MK, V]) release(row uint32) {
	c := d.at(row)
	d.cache.charge(-c.weight)
	*c = mapCell[MK, V]{}
}

// All implements mapState.
func (d *diskMap[MK, V]) All() iter.Seq2[*MK, *V] {
	return func(yield func(*MK, *V) bool) {
		c := d.load()
		d.cache.pinned++ // the loop may use other keys
		defer func() { d.cache.pinned-- }()
		if !c.all && c.n <= fewStored {
			d.fetch(c)
		}
		if c.all {
			for k, e := range c.entries {
				if e.flags&isThere != 0 && !yield(&k, &e.value) {
					return
				}
			}
			return
		}
		d.write(c, d.cache.currentKey())
		d.scan(d.cache.currentKey(), func(k *MK, value []byte) bool {
			if e := c.entries[*k]; e != nil {
				return e.flags&isThere == 0 || yield(k, &e.value)
			}
			var v V
			_, err := d.decode(d.own(value), &v)
			d.fault(err)
			return yield(k, &v)
		})
	}
}

// fetch reads all entries into memory.
func (d *diskMap[MK, V]) fetch(c *mapCell[MK, V]) {
	d.scan(d.cache.currentKey(), func(k *MK, value []byte) bool {
		if c.entries[*k] != nil {
			return true
		}
		e := d.insert(c, k)
		_, err := d.decode(d.own(value), &e.value)
		d.fault(err)
		e.flags = isThere | isStored
		return true
	})
	c.all = true
}

// scan calls each with the entries on disk.
func (d *diskMap[MK, V]) scan(row []byte, each func(k *MK, value []byte) bool) {
	from := append(slices.Concat(d.head, row), tagEntry)
	d.fault(d.cache.kv.Scan(from, after(from), func(key, value []byte) bool {
		var k MK
		_, err := d.entryKeys.decode(d.entryKeys.own(key[len(from):]), &k)
		d.fault(err)
		return each(&k, value)
	}))
}

// Len implements mapState.
func (d *diskMap[MK, V]) Len() int { return d.load().n }

// Clear implements mapState.
func (d *diskMap[MK, V]) Clear() {
	c := d.load()
	if c.onDisk {
		from := append(slices.Concat(d.head, d.cache.currentKey()), tagEntry)
		d.fault(d.cache.kv.DeleteRange(from, after(from)))
	}
	c.dirty = c.dirty || c.n > 0
	c.entries, c.n, c.all = nil, 0, true
	d.weigh(c)
}

// Sweep implements mapState.
func (d *diskMap[MK, V]) Sweep(n int, drop func(k *MK, v *V) bool) (done bool) {
	return d.sweeper.sweep(d.cache, d.head, d.bit, n, func(r *rowState) {
		c := d.at(r.row)
		for k, e := range c.entries {
			if e.flags&isThere != 0 && drop(&k, &e.value) {
				d.drop(c, e)
			}
		}
	}, func(key, value []byte) {
		d.sweepEntry(key, value, drop)
	}, d.fault)
}

// sweepEntry removes an entry that is not in memory.
func (d *diskMap[MK, V]) sweepEntry(key, value []byte, drop func(k *MK, v *V) bool) {
	n, r, err := d.cache.keys.find(key[len(d.head):])
	d.fault(err)
	at := len(d.head) + n
	if key[at] != tagEntry {
		return
	}
	var k MK
	var v V
	_, err = d.entryKeys.decode(d.entryKeys.own(key[at+1:]), &k)
	d.fault(err)
	c := d.has(r)
	if c != nil && c.entries[k] != nil {
		return
	}
	_, err = d.decode(d.own(value), &v)
	d.fault(err)
	if !drop(&k, &v) {
		return
	}
	d.fault(d.cache.kv.Delete(key))
	if c != nil {
		c.n--
		c.dirty = true
		return
	}
	row := key[len(d.head):at]
	number, ok := d.get(append(d.key(row), tagNumbers), nil)
	if ok {
		n, _ := binary.Uvarint(number)
		d.writeNumber(&mapCell[MK, V]{n: int(n) - 1, onDisk: true}, row)
	}
}
