package keyed

import "iter"

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

// All implements Store. It reads the disk from end to end and keeps nothing of it in memory.
func (s *diskStore[K, V]) All() iter.Seq2[*K, *V] {
	return func(yield func(*K, *V) bool) {
		d := s.value
		d.cache.flush()
		var k K
		var v V
		d.fault(d.cache.kv.Scan(d.head, after(nil, d.head), func(key, value []byte) bool {
			k, v = *new(K), *new(V)
			n, r, err := d.cache.keys.find(key[len(d.head):])
			d.fault(err)
			_, err = s.rows.codec.Decode(append([]byte(nil), key[len(d.head)+2:len(d.head)+n]...), &k)
			d.fault(err)
			if c := d.has(r); c != nil { // it may have been changed by the loop
				return c.flags&isThere == 0 || yield(&k, &c.value)
			}
			_, err = d.decode(d.own(value), &v)
			d.fault(err)
			return yield(&k, &v)
		}))
	}
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
	d.fault(d.cache.kv.DeleteRange(d.head, after(nil, d.head)))
	s.live = 0
}
