package codec

import (
	"fmt"
	"reflect"
	"unsafe"
)

// mapOps is how maps of one type are read and filled. Go offers no access to a map whose type is not known at
// compile time but by reflection, which costs some 100 ns per entry; the common types are spelled out.
type mapOps struct {
	typ  reflect.Type
	fast fastMap
}

// fastMap is a map type that the package knows by name.
type fastMap interface {
	encode(o *op, dst []byte, at unsafe.Pointer, depth int) []byte
	decode(o *op, src []byte, n, count int, at unsafe.Pointer, depth int) (int, error)
}

func mapOpsOf(t reflect.Type) *mapOps {
	m := &mapOps{typ: t}
	switch {
	case t.Key().Kind() != reflect.String:
	case t.Elem().Kind() == reflect.String:
		m.fast = typedMap[string]{}
	case t.Elem().Kind() == reflect.Int64, t.Elem().Kind() == reflect.Int && unsafe.Sizeof(int(0)) == 8:
		m.fast = typedMap[int64]{}
	case t.Elem().Kind() == reflect.Float64:
		m.fast = typedMap[float64]{}
	}
	return m
}

// typedMap is a map[string]V, or a type with the same memory.
type typedMap[V any] struct{}

func (typedMap[V]) encode(o *op, dst []byte, at unsafe.Pointer, depth int) []byte {
	var entry struct {
		k string
		v V
	}
	for entry.k, entry.v = range *(*map[string]V)(at) {
		dst = o.key.encode(dst, unsafe.Pointer(&entry.k), depth)
		dst = o.elem.encode(dst, unsafe.Pointer(&entry.v), depth)
	}
	return dst
}

func (typedMap[V]) decode(o *op, src []byte, n, count int, at unsafe.Pointer, depth int) (int, error) {
	m := make(map[string]V, count)
	var entry struct {
		k string
		v V
	}
	for range count {
		var err error
		if n, err = o.key.decode(src, n, unsafe.Pointer(&entry.k), depth); err != nil {
			return 0, err
		}
		if n, err = o.elem.decode(src, n, unsafe.Pointer(&entry.v), depth); err != nil {
			return 0, err
		}
		m[entry.k] = entry.v
	}
	*(*map[string]V)(at) = m
	return n, nil
}

func (m *mapOps) encode(o *op, dst []byte, at unsafe.Pointer, depth int) []byte {
	v := reflect.NewAt(m.typ, at).Elem()
	dst = appendCount(dst, v.IsNil(), v.Len())
	if v.Len() == 0 {
		return dst
	}
	if m.fast != nil {
		return m.fast.encode(o, dst, at, depth)
	}
	key, elem := reflect.New(m.typ.Key()), reflect.New(m.typ.Elem())
	for iter := v.MapRange(); iter.Next(); {
		key.Elem().SetIterKey(iter)
		elem.Elem().SetIterValue(iter)
		dst = o.key.encode(dst, key.UnsafePointer(), depth)
		dst = o.elem.encode(dst, elem.UnsafePointer(), depth)
	}
	return dst
}

func (m *mapOps) decode(o *op, src []byte, n int, at unsafe.Pointer, depth int) (int, error) {
	isNil, count, n, err := readCount(src, n, o.key.min+o.elem.min)
	if err != nil {
		return 0, err
	}
	if isNil {
		*(*unsafe.Pointer)(at) = nil
		return n, nil
	}
	if o.key.min+o.elem.min == 0 && count > 1 {
		return 0, fmt.Errorf("%d entries of a %s, which has room for one", count, m.typ)
	}
	if m.fast != nil {
		return m.fast.decode(o, src, n, count, at, depth)
	}
	v := reflect.MakeMapWithSize(m.typ, count)
	key, elem := reflect.New(m.typ.Key()), reflect.New(m.typ.Elem())
	for range count {
		if n, err = o.key.decode(src, n, key.UnsafePointer(), depth); err != nil {
			return 0, err
		}
		if n, err = o.elem.decode(src, n, elem.UnsafePointer(), depth); err != nil {
			return 0, err
		}
		v.SetMapIndex(key.Elem(), elem.Elem())
	}
	reflect.NewAt(m.typ, at).Elem().Set(v)
	return n, nil
}
