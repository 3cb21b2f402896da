package keyed

// Value is a state of one V per key.
type Value[V any] struct {
	column[V]
	detach func(*V)
	cursor uint32
	disk   valueState[V] // nil: heap
}

// valueState is Value on disk. Its methods do what those of Value say.
type valueState[V any] interface {
	Get() *V
	Ref() (v *V, isNew bool)
	Set(v *V)
	Clear()
	Sweep(n int, drop func(v *V) bool) (done bool)
}

// NewValue registers a state of one V per key.
func NewValue[V any](sc *Scope, name string) (*Value[V], error) {
	schema, detach, err := schemaOf[V](name, "value")
	if err != nil {
		return nil, err
	}
	c, err := newColumn[V](sc, State{Name: name, Kind: KindValue, Value: schema})
	if err != nil {
		return nil, err
	}
	v := &Value[V]{column: c, detach: detach}
	if sc.disk != nil {
		if v.disk, err = newDiskValue[V](sc, name); err != nil {
			return nil, err
		}
	}
	sc.columns = append(sc.columns, v)
	return v, nil
}

// Get returns the value of the current key, nil if there is none. The pointer is valid until the key changes or the
// state is changed by another call. To change *v in place, use Ref.
func (v *Value[V]) Get() *V {
	if v.disk != nil {
		return v.disk.Get()
	}
	_, value := v.get()
	return value
}

// Ref returns the value of the current key, a new zero one if there was none, to be changed in place until the key
// changes. Strings that the caller puts there are the caller's to detach; see Set.
func (v *Value[V]) Ref() (value *V, isNew bool) {
	if v.disk != nil {
		return v.disk.Ref()
	}
	_, value, isNew = v.ref()
	return value, isNew
}

// Set stores a copy of *value with strings of its own.
func (v *Value[V]) Set(value *V) {
	if v.disk != nil {
		v.disk.Set(value)
		return
	}
	_, to, _ := v.ref()
	*to = *value
	if v.detach != nil {
		v.detach(to)
	}
}

// Clear removes the value of the current key.
func (v *Value[V]) Clear() {
	if v.disk != nil {
		v.disk.Clear()
		return
	}
	v.clear()
}

// Sweep visits about n rows, going on where the last call ended and beginning anew after the end, and removes the
// values for which drop returns true. done tells that it came to the end. It needs no current key and does not change it.
func (v *Value[V]) Sweep(n int, drop func(v *V) bool) (done bool) {
	if v.disk != nil {
		return v.disk.Sweep(n, drop)
	}
	return v.sweep(&v.cursor, n, func(_ uint32, value *V) bool { return drop(value) })
}
