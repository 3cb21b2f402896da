package keyed

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
)

// CacheBudget is how much memory the decoded state above one KeyValue may take. It belongs to the goroutine of the
// task.
//
// Each set of rows and each store is a cache. One may use what the others leave; when all is used, those give way that
// have more than their equal share, each when it is used next.
type CacheBudget struct {
	bytes  int
	used   int
	caches int
}

// NewCacheBudget returns a budget of so many bytes.
func NewCacheBudget(bytes int64) *CacheBudget { return &CacheBudget{bytes: int(bytes)} }

// Budgeted is a KeyValue that says how much memory the decoded state above it may take.
type Budgeted interface {
	KeyValue
	CacheBudget() *CacheBudget
}

// defaultCacheBytes is the budget above a KeyValue that has none.
const defaultCacheBytes = 16 << 20

// over tells whether a cache of so many bytes must give way. Once it does, it makes room for more than the next row.
func (b *CacheBudget) over(bytes int, evicting bool) bool {
	limit := b.bytes
	if evicting {
		limit = limit / 16 * 15
	}
	return b.used > limit && bytes > limit/b.caches
}

// rowCache holds the rows of a Scope on disk that were used last. A row in memory has, per state, a cell with what is
// known of the key: what the program reads and changes in place. Cells that were changed are written when their row
// makes room for another, many rows at a time.
//
// The key of a state on disk is the prefix of the backend, the number of the state, the key group and the encoded key,
// the first two of these in 2 bytes each, high byte first. So what belongs to a key group is one range in each state.
type rowCache struct {
	sc      *Scope
	kv      KeyValue
	budget  *CacheBudget
	keys    rowKeys
	columns []diskColumn
	rowSize int // bytes of a row without what its cells point to

	heat    []heat // by row
	rows    int    // in memory
	bytes   int    // of the rows in memory
	hand    uint32 // next row to look at when room is made
	touched bool   // the current key's row was used already
	pinned  int    // loops during which no row may be evicted

	current []byte // the current key, encoded; empty: not yet
	buf     []byte // a key that is being asked for or written
	value   []byte // a value that is being read or written
	row     []byte // key of a row that is being evicted or swept
}

// heat tells rows that are used again and again from those that are used once.
type heat uint8

const (
	unused heat = iota
	cold
	hot
)

// rowKeys is the part of a rowCache that knows the type of the key.
type rowKeys interface {
	appendCurrent(dst []byte) []byte
	appendRow(dst []byte, row uint32) []byte
	// find reads a key from the start of src: its length, and its row if it is in memory.
	find(src []byte) (n int, r *rowState, err error)
}

// diskColumn is a state of a rowCache.
type diskColumn interface {
	mask() uint64
	// writeBack writes what the disk does not know of a row that has a cell.
	writeBack(row uint32, key []byte)
	// release empties the cell.
	release(row uint32)
}

func newDiskScope[K comparable](r *Rows[K]) (diskScope, error) { return newRowCache(r) }

func newRowCache[K comparable](r *Rows[K]) (*rowCache, error) {
	c := &rowCache{sc: &r.Scope, kv: r.backend.disk, keys: &typedKeys[K]{r, zeroSigns[K]()}}
	var k K
	// The entry of a table, its slot, and the heat.
	c.rowSize = int(unsafe.Sizeof(k)+unsafe.Sizeof(rowState{})) + 16 + 1
	if b, ok := c.kv.(Budgeted); ok {
		c.budget = b.CacheBudget()
	} else {
		c.budget = NewCacheBudget(defaultCacheBytes)
	}
	c.budget.caches++
	return c, nil
}

// leave implements diskScope: here no pointer to a cell is in use.
func (c *rowCache) leave() {
	c.current = c.current[:0]
	c.touched = false
	if c.pinned == 0 && c.budget.over(c.bytes, false) {
		c.makeRoom()
	}
}

// charge counts memory that is taken, or given back if bytes is negative.
func (c *rowCache) charge(bytes int) {
	c.bytes += bytes
	c.budget.used += bytes
}

// take returns the row of the current key. state is who asks.
func (c *rowCache) take(state string) *rowState {
	r := c.sc.find(state)
	switch {
	case r == nil:
		r = c.sc.take(state)
		for int(r.row) >= len(c.heat) {
			c.heat = append(c.heat, unused)
		}
		c.heat[r.row] = cold
		c.rows++
		c.charge(c.rowSize)
	case !c.touched:
		c.heat[r.row] = hot
	}
	c.touched = true
	return r
}

// makeRoom evicts rows that were not used for long, so many that it need not be done again at once.
func (c *rowCache) makeRoom() {
	for c.rows > 0 && c.budget.over(c.bytes, true) {
		if int(c.hand) >= len(c.heat) {
			c.hand = 0
		}
		switch row := c.hand; c.heat[row] {
		case hot:
			c.heat[row] = cold
		case cold:
			c.evict(row)
		case unused:
		}
		c.hand++
	}
}

func (c *rowCache) evict(row uint32) {
	present := c.sc.index.state(row).present
	c.row = c.keys.appendRow(c.row[:0], row)
	for _, col := range c.columns {
		if present&col.mask() != 0 {
			col.writeBack(row, c.row)
		}
	}
	c.forget(row)
}

// forget gives the memory of a row back.
func (c *rowCache) forget(row uint32) {
	present := c.sc.index.state(row).present
	for _, col := range c.columns {
		if present&col.mask() != 0 {
			col.release(row)
		}
	}
	c.sc.index.drop(row)
	c.heat[row] = unused
	c.rows--
	c.charge(-c.rowSize)
}

// flush writes all that the disk does not know.
func (c *rowCache) flush() {
	for row, h := range c.heat {
		if h == unused {
			continue
		}
		present := c.sc.index.state(uint32(row)).present
		c.row = c.keys.appendRow(c.row[:0], uint32(row))
		for _, col := range c.columns {
			if present&col.mask() != 0 {
				col.writeBack(uint32(row), c.row)
			}
		}
	}
}

// currentKey returns the current key, encoded.
func (c *rowCache) currentKey() []byte {
	if len(c.current) == 0 {
		c.current = c.keys.appendCurrent(c.current)
	}
	return c.current
}

// diskState is what the states of a rowCache have in common. E is their cell.
type diskState[E any] struct {
	column[E]
	cache *rowCache
	head  []byte // of its keys on disk
	empty bool   // nothing of this state was ever written
}

func newDiskState[E any](c *rowCache, name string) (diskState[E], error) {
	c.rowSize += int(unsafe.Sizeof(*new(E)))
	s := diskState[E]{
		column: column[E]{scope: c.sc, name: name, bit: 1 << len(c.columns)},
		cache:  c,
		head:   diskHead(c.sc.backend),
		empty:  true,
	}
	err := c.kv.Scan(s.head, after(s.head), func([]byte, []byte) bool {
		s.empty = false
		return false
	})
	return s, err
}

// diskHead begins the keys of the state that was registered last.
func diskHead(b *Backend) []byte {
	return binary.BigEndian.AppendUint16(append([]byte(nil), b.prefix...), uint16(len(b.states)-1))
}

func (s *diskState[E]) mask() uint64 { return s.bit }

// place returns the cell of a row, a zero one if it had none.
func (s *diskState[E]) place(r *rowState) *E {
	if r.present&s.bit == 0 {
		return s.column.place(r)
	}
	return s.at(r.row)
}

// has returns the cell of a row in memory, nil if it has none.
func (s *diskState[E]) has(r *rowState) *E {
	if r == nil || r.present&s.bit == 0 {
		return nil
	}
	return s.at(r.row)
}

// key is that of this state on disk; it is valid until the next one is made.
func (s *diskState[E]) key(row []byte) []byte {
	const suffix = 16 // callers append so much
	buf := slices.Grow(s.cache.buf[:0], len(s.head)+len(row)+suffix)
	s.cache.buf = append(append(buf, s.head...), row...)
	return s.cache.buf
}

// get reads what is under a key; see KeyValue.Get.
func (s *diskState[E]) get(key, dst []byte) (value []byte, ok bool) {
	if s.empty {
		return dst, false
	}
	value, ok, err := s.cache.kv.Get(key, dst)
	s.fault(err)
	return value, ok
}

// set writes what is under a key.
func (s *diskState[E]) set(key, value []byte) {
	s.empty = false
	s.fault(s.cache.kv.Set(key, value))
}

// fault ends the attempt.
func (s *diskState[E]) fault(err error) {
	if err != nil {
		panic(fmt.Errorf("state %q: %w", s.name, err))
	}
}

// after returns the end of the range of keys that begin with prefix.
func after(prefix []byte) []byte {
	dst := slices.Clone(prefix)
	for i := len(dst) - 1; i >= 0; i-- {
		if dst[i]++; dst[i] != 0 {
			return dst[:i+1]
		}
	}
	return append(dst, 0xff) // a prefix of a backend does not consist of 0xff
}

// diskCodec brings values to the disk and back.
type diskCodec[V any] struct {
	codec  codec.Codec[V]
	detach func(*V)
	alias  bool // decoded values point into the bytes that they come from
	plain  bool
	mean   int // bytes that an encoded value has, of late
}

func newDiskCodec[V any]() (diskCodec[V], error) {
	c, err := codec.For[V]()
	if err != nil {
		return diskCodec[V]{}, err
	}
	detach, err := codec.DetachFor[V]()
	if err != nil {
		return diskCodec[V]{}, err
	}
	return diskCodec[V]{codec: c, detach: detach, alias: codec.Aliases[V](), plain: codec.Plain[V](), mean: 64}, nil
}

// own returns bytes that decode may read from, which belong to the value from then on if it needs them.
func (c *diskCodec[V]) own(src []byte) []byte {
	if c.alias {
		return append([]byte(nil), src...)
	}
	return src
}

// decode reads a value; see own.
func (c *diskCodec[V]) decode(src []byte, v *V) (int, error) {
	n, err := c.codec.Decode(src, v)
	c.seen(n)
	return n, err
}

func (c *diskCodec[V]) encode(dst []byte, v *V) []byte {
	n := len(dst)
	dst = c.codec.Append(dst, v)
	c.seen(len(dst) - n)
	return dst
}

func (c *diskCodec[V]) seen(n int) { c.mean += (n - c.mean) / 16 }

// weight estimates the bytes that a value takes outside of itself.
func (c *diskCodec[V]) weight() int {
	if c.plain {
		return 0
	}
	return c.mean
}

// typedKeys are the keys of a rowCache.
type typedKeys[K comparable] struct {
	rows      *Rows[K]
	zeroSigns func(*K) // nil for keys without floats
}

func (t *typedKeys[K]) append(dst []byte, k *K, hash uint64) []byte {
	g := core.KeyGroup(hash, t.rows.backend.maxParallelism)
	dst = append(dst, byte(g>>8), byte(g))
	if t.zeroSigns != nil {
		own := *k
		t.zeroSigns(&own)
		return t.rows.codec.Append(dst, &own)
	}
	return t.rows.codec.Append(dst, k)
}

func (t *typedKeys[K]) appendCurrent(dst []byte) []byte {
	return t.append(dst, &t.rows.key, t.rows.hash)
}

func (t *typedKeys[K]) appendRow(dst []byte, row uint32) []byte {
	k := &t.rows.entry(row).key
	return t.append(dst, k, t.rows.hashOf(k))
}

func (t *typedKeys[K]) find(src []byte) (n int, r *rowState, err error) {
	var k K
	if len(src) < 2 {
		return 0, nil, fmt.Errorf("a stored key has %d bytes, which is less than its key group takes", len(src))
	}
	if n, err = t.rows.codec.Decode(src[2:], &k); err != nil {
		return 0, nil, fmt.Errorf("stored key: %w", err)
	}
	return n + 2, t.rows.table.Get(&k, t.rows.hashOf(&k)), nil
}

// zeroSigns returns what makes -0 to 0 in the floats of a K, nil if it has none: they are one key, and so must be their
// encoded forms.
func zeroSigns[K comparable]() func(*K) {
	var steps []func(unsafe.Pointer)
	var walk func(t reflect.Type, offset uintptr)
	walk = func(t reflect.Type, offset uintptr) {
		switch t.Kind() {
		case reflect.Float32:
			steps = append(steps, func(p unsafe.Pointer) { *(*float32)(unsafe.Add(p, offset)) += 0 })
		case reflect.Float64:
			steps = append(steps, func(p unsafe.Pointer) { *(*float64)(unsafe.Add(p, offset)) += 0 })
		case reflect.Complex64:
			walk(reflect.TypeFor[[2]float32](), offset)
		case reflect.Complex128:
			walk(reflect.TypeFor[[2]float64](), offset)
		case reflect.Array:
			for i := range t.Len() {
				walk(t.Elem(), offset+uintptr(i)*t.Elem().Size())
			}
		case reflect.Struct:
			for f := range t.Fields() {
				walk(f.Type, offset+f.Offset)
			}
		default:
		}
	}
	walk(reflect.TypeFor[K](), 0)
	if steps == nil {
		return nil
	}
	return func(k *K) {
		for _, step := range steps {
			step(unsafe.Pointer(k))
		}
	}
}
