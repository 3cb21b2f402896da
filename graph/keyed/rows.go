package keyed

import (
	"fmt"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
)

// Rows holds the states and timers of keys of type K: a row per key, a column per state. SetKey chooses the key that
// all of them speak of. The row is looked up at the first access only and once for all of them; reading what is not
// there makes no row. A row is freed when its last state is cleared and its last timer gone.
type Rows[K comparable] struct {
	Scope
	key    K
	hashOf func(*K) uint64
	codec  codec.Codec[K]
	table  *Table[K, rowState]
	// groups holds, per key group, the pages of its rows in order.
	groups [][]uint32
}

// rowState is what is known of a row besides its key.
type rowState struct {
	present uint64 // a bit per column that has something for the key
	row     uint32 // its number: a page and the place in it
}

// Scope is the part of Rows that does not depend on K: what states and timers are bound to.
type Scope struct {
	backend *Backend
	where   position
	hash    uint64    // of the current key
	cur     *rowState // of the current key; nil if it has none or if it was not yet looked for
	index   rowIndex
	pages   []page
	columns []anyColumn
	clock   func() int64
	now     int64
	nowRead bool      // now is that of the current record
	disk    diskScope // nil: heap
	bound   []any     // what Attach was given
}

// position says what is known of the current key.
type position uint8

const (
	noKey position = iota
	unresolved
	resolved
)

// pageLen rows make a page, which belongs to one key group: so columns can be written by key group.
const pageLen = chunkLen

// page is where pageLen rows come from.
type page struct {
	group  int32
	number uint32 // that of the first row within the key group
}

// rowIndex is Rows without its type parameter.
type rowIndex interface {
	lookup() *rowState           // row of the current key, nil if there is none
	insert() *rowState           // makes a row for the current key
	drop(row uint32)             // frees a row
	state(row uint32) *rowState  // of a row in use
	enter(row uint32)            // makes the row's key the current one
	appendKey(dst []byte) []byte // current key: key group, 2 bytes, big endian, and the encoded key
	enterKey(src []byte) error   // makes what appendKey wrote the current key
}

// anyColumn is a column, whatever its type.
type anyColumn interface {
	// forget gives the memory of a page back, in which no row is present.
	forget(page uint32)
}

// diskScope is what the disk adds to a Scope.
type diskScope interface {
	// leave is called before the current key changes: what was changed in place is written.
	leave()
}

// NewRows returns the rows of b. A backend has one set of rows.
func NewRows[K comparable](b *Backend) (*Rows[K], error) {
	if b.key != nil {
		return nil, fmt.Errorf("the backend has rows already")
	}
	schema, err := codec.SchemaOf[K]()
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	r, err := makeRows[K](b)
	if err != nil {
		return nil, err
	}
	if b.disk != nil {
		if r.disk, err = newDiskScope(r); err != nil {
			return nil, err
		}
	}
	b.key = schema
	return r, nil
}

// makeRows returns rows that b does not know of.
func makeRows[K comparable](b *Backend) (*Rows[K], error) {
	r := &Rows[K]{Scope: Scope{backend: b}}
	var err error
	if r.hashOf, err = codec.HashFor[K](); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if r.codec, err = codec.For[K](); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if r.table, err = New[K, rowState](b.owned, b.maxParallelism); err != nil {
		return nil, err
	}
	r.groups = make([][]uint32, b.owned.To-b.owned.From)
	r.index = r
	return r, nil
}

// SetKey makes *k the current key. hash is that of codec.HashFor[K].
func (r *Rows[K]) SetKey(k *K, hash uint64) {
	if r.disk != nil {
		r.disk.leave()
	}
	r.key, r.hash = *k, hash
	r.cur, r.where = nil, unresolved
	r.nowRead = false
}

// Key returns the current key, which must not be changed. Without one it is the last.
func (r *Rows[K]) Key() *K { return &r.key }

// Len returns the number of keys with a state or a timer; if state is on disk, of those in memory.
func (r *Rows[K]) Len() int { return r.table.Len() }

// NoKey ends the context of the current key: access to a state panics until the next SetKey.
func (sc *Scope) NoKey() {
	if sc.disk != nil {
		sc.disk.leave()
	}
	sc.cur, sc.where = nil, noKey
	sc.nowRead = false
}

// HasKey tells whether there is a current key.
func (sc *Scope) HasKey() bool { return sc.where != noKey }

// Backend returns the backend of the rows.
func (sc *Scope) Backend() *Backend { return sc.backend }

// Attach keeps what a library of handles bound to the scope and returns its place.
func (sc *Scope) Attach(bound any) int {
	sc.bound = append(sc.bound, bound)
	return len(sc.bound) - 1
}

// Attached returns what was attached at a place, nil if there is no such place.
func (sc *Scope) Attached(i int) any {
	if sc == nil || uint(i) >= uint(len(sc.bound)) {
		return nil
	}
	return sc.bound[i]
}

// SetClock sets the processing time, in milliseconds since 1970, that states with a time to live go by.
func (sc *Scope) SetClock(now func() int64) { sc.clock = now }

// Now is the processing time of the current record in milliseconds: it is read once per record and never runs
// backwards. Without a clock it is 0.
func (sc *Scope) Now() int64 {
	if !sc.nowRead && sc.clock != nil {
		sc.now = max(sc.now, sc.clock())
		sc.nowRead = true
	}
	return sc.now
}

// find returns the row of the current key, nil if there is none. state is who asks.
func (sc *Scope) find(state string) *rowState {
	if sc.where == resolved {
		return sc.cur
	}
	return sc.resolve(state)
}

func (sc *Scope) resolve(state string) *rowState {
	if sc.where == noKey {
		panic(fmt.Errorf("state %q: there is no current key: use it while a record of a keyed stream is processed or a timer fires, not in Open, Finish or another goroutine", state))
	}
	sc.cur = sc.index.lookup()
	sc.where = resolved
	return sc.cur
}

// take returns the row of the current key and makes it if there is none.
func (sc *Scope) take(state string) *rowState {
	if cur := sc.find(state); cur != nil {
		return cur
	}
	sc.cur = sc.index.insert()
	return sc.cur
}

// settle frees a row that has become empty.
func (sc *Scope) settle(r *rowState) {
	if r.present == 0 {
		if sc.cur == r {
			sc.cur = nil
		}
		sc.index.drop(r.row)
	}
}

func (r *Rows[K]) lookup() *rowState { return r.table.Get(&r.key, r.hash) }

func (r *Rows[K]) insert() *rowState {
	g := core.KeyGroup(r.hash, r.table.maxParallelism) - r.table.owned.From
	number := r.table.groups[g].next()
	state, _ := r.table.Ref(&r.key, r.hash)
	if int(number/pageLen) >= len(r.groups[g]) {
		r.groups[g] = append(r.groups[g], uint32(len(r.pages)))
		r.pages = append(r.pages, page{int32(g), number / pageLen * pageLen})
	}
	*state = rowState{row: r.groups[g][number/pageLen]*pageLen + number%pageLen}
	return state
}

// entry returns the entry of a row in use.
func (r *Rows[K]) entry(row uint32) *entry[K, rowState] {
	p := &r.pages[row/pageLen]
	return r.table.groups[p.group].at(p.number + row%pageLen)
}

func (r *Rows[K]) state(row uint32) *rowState { return &r.entry(row).value }

func (r *Rows[K]) drop(row uint32) {
	g := r.pages[row/pageLen].group
	k := &r.entry(row).key
	r.table.Delete(k, r.hashOf(k))
	if t := &r.table.groups[g]; t.live == 0 {
		for _, page := range r.groups[g][(t.room()+pageLen-1)/pageLen:] {
			for _, c := range r.columns {
				c.forget(page)
			}
		}
	}
}

func (r *Rows[K]) enter(row uint32) {
	e := r.entry(row)
	r.key, r.hash = e.key, r.hashOf(&e.key)
	r.cur, r.where = &e.value, resolved
	r.nowRead = false
}

func (r *Rows[K]) appendKey(dst []byte) []byte {
	g := core.KeyGroup(r.hash, r.backend.maxParallelism)
	return r.codec.Append(append(dst, byte(g>>8), byte(g)), &r.key)
}

func (r *Rows[K]) enterKey(src []byte) error {
	if len(src) < 2 {
		return fmt.Errorf("a stored key has %d bytes, which is less than its key group takes", len(src))
	}
	var k K
	if n, err := r.codec.Decode(src[2:], &k); err != nil {
		return fmt.Errorf("stored key: %w", err)
	} else if n != len(src)-2 {
		return fmt.Errorf("stored key: %d bytes are left", len(src)-2-n)
	}
	if detach := r.table.detachKey; detach != nil {
		detach(&k)
	}
	r.SetKey(&k, r.hashOf(&k))
	return nil
}
