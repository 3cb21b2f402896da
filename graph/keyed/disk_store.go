package keyed

import (
	"bytes"
	"encoding/binary"
	"iter"
	"slices"
)

// diskStore is Store on disk: rows of its own with one value.
type diskStore[K comparable, V any] struct {
	rows  *Rows[K]
	value *diskValue[V]
	live  int
}

func newDiskStore[K comparable, V any](b *Backend, name string) (Store[K, V], error) {
	rows, err := makeRows[K](b)
	if err != nil {
		return nil, err
	}
	cache, err := newRowCache(rows)
	if err != nil {
		return nil, err
	}
	rows.disk = cache
	value, err := addDiskValue[V](cache, name)
	if err != nil {
		return nil, err
	}
	return &diskStore[K, V]{rows: rows, value: value}, nil
}

// Ref implements Store.
func (s *diskStore[K, V]) Ref(k *K, hash uint64) (v *V, isNew bool) {
	s.rows.SetKey(k, hash)
	v, isNew = s.value.Ref()
	if isNew {
		s.live++
	}
	return v, isNew
}

// Get implements Store.
func (s *diskStore[K, V]) Get(k *K, hash uint64) *V {
	s.rows.SetKey(k, hash)
	return s.value.Get()
}

// Delete implements Store.
func (s *diskStore[K, V]) Delete(k *K, hash uint64) bool {
	s.rows.SetKey(k, hash)
	c := s.value.load()
	if c.flags&isThere == 0 {
		return false
	}
	s.value.drop(c)
	s.live--
	return true
}

// Len implements Store.
func (s *diskStore[K, V]) Len() int { return s.live }

// All implements Store. It reads the disk from end to end and keeps nothing of it in memory, besides what the loop
// changes in one key group.
func (s *diskStore[K, V]) All() iter.Seq2[*K, *V] {
	return func(yield func(*K, *V) bool) {
		b := s.rows.backend
		for g := b.owned.From; g < b.owned.To; g++ {
			if !s.group(g, yield) {
				return
			}
		}
	}
}

// group calls yield for the keys in memory and then for those that are on disk only. In between none may be evicted,
// or it would come twice.
func (s *diskStore[K, V]) group(g int, yield func(*K, *V) bool) (more bool) {
	d := s.value
	d.cache.pinned++
	defer func() { d.cache.pinned-- }()
	for k, r := range s.rows.table.Group(g) {
		if c := d.has(r); c != nil && c.flags&isThere != 0 && !yield(k, &c.value) {
			return false
		}
	}
	if d.empty {
		return true
	}
	more = true
	var k K
	var v V
	head := binary.BigEndian.AppendUint16(slices.Clone(d.head), uint16(g))
	d.fault(d.cache.kv.Scan(head, after(head), func(key, value []byte) bool {
		n, r, err := d.cache.keys.find(key[len(d.head):])
		d.fault(err)
		if d.has(r) != nil {
			return true
		}
		k, v = *new(K), *new(V)
		_, err = s.rows.codec.Decode(bytes.Clone(key[len(head):len(d.head)+n]), &k)
		d.fault(err)
		_, err = d.decode(d.own(value), &v)
		d.fault(err)
		more = yield(&k, &v)
		return more
	}))
	return more
}

// Clear implements Store.
func (s *diskStore[K, V]) Clear() {
	d := s.value
	s.rows.NoKey()
	for row, h := range d.cache.heat {
		if h != unused {
			d.cache.forget(uint32(row))
		}
	}
	if !d.empty {
		d.fault(d.cache.kv.DeleteRange(d.head, after(d.head)))
	}
	d.empty = true
	s.live = 0
}
