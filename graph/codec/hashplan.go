package codec

import (
	"fmt"
	"reflect"
	"time"
	"unsafe"
)

// hashKind is what a step of a hash plan does.
type hashKind uint8

const (
	hashRun     hashKind = iota // size bytes of memory
	hashSigned                  // an integer, sign-extended
	hashString                  // the bytes of a string
	hashFloat32                 // a float whose zeros are one
	hashFloat64
)

// hashStep hashes one part of a key.
type hashStep struct {
	kind hashKind
	off  uintptr
	size uintptr
}

// HashFor returns the hash function of a key type, the same in every process and on every machine. It refuses keys
// that mean nothing to another process, pointers, interfaces and channels, naming the path. The function panics with
// ErrNaNKey for a NaN. An integer hashes as its value, whatever its size.
func HashFor[K comparable]() (func(*K) uint64, error) {
	t := reflect.TypeFor[K]()
	steps, err := hashSteps(nil, t, 0, typeName(t))
	if err != nil {
		return nil, err
	}
	if len(steps) == 1 && steps[0].off == 0 {
		return hashOne[K](steps[0]), nil
	}
	return func(k *K) uint64 {
		h := uint64(mul0)
		for i := range steps {
			h = join(h, steps[i].hash(unsafe.Pointer(k)))
		}
		return h
	}, nil
}

// hashOne returns the function of a key that is one step.
func hashOne[K comparable](s hashStep) func(*K) uint64 {
	switch {
	case s.kind == hashString:
		return func(k *K) uint64 { return String(*(*string)(unsafe.Pointer(k))) }
	case (s.kind == hashSigned || s.kind == hashRun) && s.size == 8:
		return func(k *K) uint64 { return mix64(*(*uint64)(unsafe.Pointer(k))) }
	case s.kind == hashSigned && s.size == 4:
		return func(k *K) uint64 { return mix64(uint64(*(*int32)(unsafe.Pointer(k)))) }
	case s.kind == hashRun && s.size == 4:
		return func(k *K) uint64 { return mix64(uint64(*(*uint32)(unsafe.Pointer(k)))) }
	case s.kind == hashRun && s.size == 16:
		return func(k *K) uint64 { return hashBytes(unsafe.Pointer(k), 16) }
	default:
		return func(k *K) uint64 { return s.hash(unsafe.Pointer(k)) }
	}
}

func (s *hashStep) hash(base unsafe.Pointer) uint64 {
	p := unsafe.Add(base, s.off)
	switch s.kind {
	case hashString:
		return String(*(*string)(p))
	case hashSigned:
		switch s.size {
		case 1:
			return mix64(uint64(*(*int8)(p)))
		case 2:
			return mix64(uint64(*(*int16)(p)))
		case 4:
			return mix64(uint64(*(*int32)(p)))
		default:
			return mix64(*(*uint64)(p))
		}
	case hashFloat32:
		return hashFloat(float64(*(*float32)(p)))
	case hashFloat64:
		return hashFloat(*(*float64)(p))
	default:
		switch s.size {
		case 1:
			return mix64(uint64(*(*uint8)(p)))
		case 2:
			return mix64(uint64(*(*uint16)(p)))
		case 4:
			return mix64(uint64(*(*uint32)(p)))
		case 8:
			return mix64(*(*uint64)(p))
		default:
			return hashBytes(p, int(s.size))
		}
	}
}

// hashSteps appends the steps of a part of type t at off, in the order of the memory.
func hashSteps(steps []hashStep, t reflect.Type, off uintptr, path string) ([]hashStep, error) {
	if t == reflect.TypeFor[time.Time]() {
		return nil, fmt.Errorf("%s: %s is no key: one instant has many values of it; use UnixNano()", path, t)
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return append(steps, hashStep{hashSigned, off, t.Size()}), nil
	case reflect.Bool, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return append(steps, hashStep{hashRun, off, t.Size()}), nil
	case reflect.Float32:
		return append(steps, hashStep{hashFloat32, off, 4}), nil
	case reflect.Float64:
		return append(steps, hashStep{hashFloat64, off, 8}), nil
	case reflect.Complex64:
		return append(steps, hashStep{hashFloat32, off, 4}, hashStep{hashFloat32, off + 4, 4}), nil
	case reflect.Complex128:
		return append(steps, hashStep{hashFloat64, off, 8}, hashStep{hashFloat64, off + 8, 8}), nil
	case reflect.String:
		return append(steps, hashStep{hashString, off, 0}), nil
	case reflect.Array, reflect.Struct:
		if t.Comparable() && bytewise(t) && t.Size() > 0 {
			return append(steps, hashStep{hashRun, off, t.Size()}), nil
		}
	default:
		return nil, fmt.Errorf("%s: %s is no key: %s", path, t, whyNoKey(t))
	}
	var err error
	if t.Kind() == reflect.Array {
		for i := range t.Len() {
			if steps, err = hashSteps(steps, t.Elem(), off+uintptr(i)*t.Elem().Size(), path+"[]"); err != nil {
				return nil, err
			}
		}
		return steps, nil
	}
	for f := range t.Fields() {
		if f.Name == "_" {
			continue // == skips it too
		}
		if steps, err = hashSteps(steps, f.Type, off+f.Offset, path+"."+f.Name); err != nil {
			return nil, err
		}
	}
	return steps, nil
}

func whyNoKey(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer, reflect.UnsafePointer, reflect.Uintptr, reflect.Chan:
		return "an address means nothing in another process; use what it points to"
	case reflect.Interface:
		return "what it holds is not known when the graph is built; use a concrete type"
	default:
		return "it cannot be compared with =="
	}
}

// bytewise tells whether two values of t are equal exactly if their bytes are: integers only, no padding, no blank
// fields.
func bytewise(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Array:
		return bytewise(t.Elem())
	case reflect.Struct:
		var end uintptr
		for f := range t.Fields() {
			if f.Name == "_" || f.Offset != end || !bytewise(f.Type) {
				return false
			}
			end += f.Type.Size()
		}
		return end == t.Size()
	default:
		return false
	}
}
