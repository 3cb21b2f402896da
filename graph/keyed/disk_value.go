package keyed

// Flags of what is known of a value.
const (
	isThere  = 1 << iota // there is a value
	isDirty              // the disk does not know it
	isStored             // the disk may have something under the key
)

// valueCell is a value in memory, or that there is none.
type valueCell[V any] struct {
	value  V
	weight int32
	flags  uint8
}

// diskValue is Value on disk.
type diskValue[V any] struct {
	diskState[valueCell[V]]
	diskCodec[V]
	sweeper sweeper
}

func newDiskValue[V any](sc *Scope, name string) (valueState[V], error) {
	return addDiskValue[V](sc.disk.(*rowCache), name)
}

func addDiskValue[V any](c *rowCache, name string) (*diskValue[V], error) {
	state, err := newDiskState[valueCell[V]](c, name)
	if err != nil {
		return nil, err
	}
	d := &diskValue[V]{diskState: state}
	if d.diskCodec, err = newDiskCodec[V](); err != nil {
		return nil, err
	}
	c.columns = append(c.columns, d)
	return d, nil
}

// load returns the cell of the current key.
func (d *diskValue[V]) load() *valueCell[V] {
	r := d.cache.take(d.name)
	if c := d.has(r); c != nil {
		return c
	}
	scratch := d.cache.value[:0]
	if d.alias {
		scratch = nil
	}
	value, ok := d.get(d.key(d.cache.currentKey()), scratch)
	c := d.place(r)
	if !ok {
		return c
	}
	if !d.alias {
		d.cache.value = value
	}
	_, err := d.decode(value, &c.value)
	d.fault(err)
	c.flags = isThere | isStored
	d.weigh(c)
	return c
}

// blind returns the cell of the current key for an operation that does not need to know the value.
func (d *diskValue[V]) blind() *valueCell[V] {
	r := d.cache.take(d.name)
	c := d.has(r)
	if c == nil {
		c = d.place(r)
		if !d.empty {
			c.flags = isStored
		}
	}
	return c
}

// weigh counts what the value points to.
func (d *diskValue[V]) weigh(c *valueCell[V]) {
	weight := int32(d.weight())
	d.cache.charge(int(weight - c.weight))
	c.weight = weight
}

// Get implements valueState.
func (d *diskValue[V]) Get() *V {
	if c := d.load(); c.flags&isThere != 0 {
		return &c.value
	}
	return nil
}

// Ref implements valueState.
func (d *diskValue[V]) Ref() (v *V, isNew bool) {
	c := d.load()
	isNew = c.flags&isThere == 0
	c.flags |= isThere | isDirty
	if isNew {
		d.weigh(c)
	}
	return &c.value, isNew
}

// Set implements valueState.
func (d *diskValue[V]) Set(v *V) {
	c := d.blind()
	c.value = *v
	if d.detach != nil {
		d.detach(&c.value)
	}
	c.flags |= isThere | isDirty
	d.weigh(c)
}

// Clear implements valueState.
func (d *diskValue[V]) Clear() { d.drop(d.blind()) }

func (d *diskValue[V]) drop(c *valueCell[V]) {
	d.cache.charge(-int(c.weight))
	*c = valueCell[V]{flags: c.flags&isStored | isDirty}
}

func (d *diskValue[V]) writeBack(row uint32, key []byte) {
	c := d.at(row)
	if c.flags&isDirty == 0 {
		return
	}
	switch {
	case c.flags&isThere != 0:
		d.cache.value = d.encode(d.cache.value[:0], &c.value)
		d.set(d.key(key), d.cache.value)
		c.flags = isThere | isStored
	case c.flags&isStored != 0:
		d.fault(d.cache.kv.Delete(d.key(key)))
		c.flags = 0
	}
}

func (d *diskValue[V]) release(row uint32) {
	c := d.at(row)
	d.cache.charge(-int(c.weight))
	*c = valueCell[V]{}
}

// Sweep implements valueState.
func (d *diskValue[V]) Sweep(n int, drop func(v *V) bool) (done bool) {
	return d.sweeper.sweep(d.cache, d.head, d.bit, n, func(r *rowState) {
		if c := d.at(r.row); c.flags&isThere != 0 && drop(&c.value) {
			d.drop(c)
		}
	}, func(key, value []byte) {
		_, r, err := d.cache.keys.find(key[len(d.head):])
		d.fault(err)
		if d.has(r) != nil {
			return
		}
		var v V
		_, err = d.decode(d.own(value), &v)
		d.fault(err)
		if drop(&v) {
			d.fault(d.cache.kv.Delete(key))
		}
	}, d.fault)
}
