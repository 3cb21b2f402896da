package codec

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"time"
	"unsafe"
)

// decode reads a value from src[n:] into the memory at base and returns the place behind it. It overwrites all of
// the value, and never reuses memory that an earlier value at base refers to: the program may have kept it.
func (p *plan) decode(src []byte, n int, base unsafe.Pointer, depth int) (int, error) {
	if len(src)-n < p.min {
		return 0, fmt.Errorf("%w: %d bytes left, need %d", ErrShort, len(src)-n, p.min)
	}
	for i := range p.ops {
		o := &p.ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opRun:
			if uintptr(len(src)-n) < o.size {
				return 0, short(src, n, int(o.size))
			}
			n += copy(unsafe.Slice((*byte)(at), o.size), src[n:])
		case opRun4:
			if len(src)-n < 4 {
				return 0, short(src, n, 4)
			}
			*(*[4]byte)(at) = [4]byte(src[n:])
			n += 4
		case opRun8:
			if len(src)-n < 8 {
				return 0, short(src, n, 8)
			}
			*(*[8]byte)(at) = [8]byte(src[n:])
			n += 8
		case opRun16:
			if len(src)-n < 16 {
				return 0, short(src, n, 16)
			}
			*(*[16]byte)(at) = [16]byte(src[n:])
			n += 16
		case opBool:
			if n >= len(src) {
				return 0, short(src, n, 1)
			}
			if src[n] > 1 {
				return 0, fmt.Errorf("byte %d is no bool", src[n])
			}
			*(*bool)(at) = src[n] == 1
			n++
		case opString:
			var err error
			if n, err = decodeString(src, n, (*string)(at)); err != nil {
				return 0, err
			}
		default:
			var err error
			if n, err = o.decodeDeep(src, n, at, depth+1); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func decodeString(src []byte, n int, to *string) (int, error) {
	var size int
	if n < len(src) && src[n] < 0x80 {
		size = int(src[n])
		n++
	} else {
		var err error
		if size, n, err = readLength(src, n); err != nil {
			return 0, err
		}
	}
	if len(src)-n < size {
		return 0, short(src, n, size)
	}
	if size == 0 {
		*to = ""
	} else {
		*to = unsafe.String(&src[n], size)
	}
	return n + size, nil
}

// decodeDeep reads what nests or has methods.
func (o *op) decodeDeep(src []byte, n int, at unsafe.Pointer, depth int) (int, error) {
	if depth > maxDepth {
		return 0, ErrDeep
	}
	switch o.kind {
	case opBytes:
		return decodeBytes(src, n, (*[]byte)(at))
	case opSlice:
		return o.decodeSlice(src, n, at, depth)
	case opArray:
		return o.decodeElems(src, n, at, o.len, depth)
	case opPointer:
		if n >= len(src) {
			return 0, short(src, n, 1)
		}
		switch src[n] {
		case 0:
			*(*unsafe.Pointer)(at) = nil
			return n + 1, nil
		case 1:
			to := reflect.New(o.elem.typ).UnsafePointer()
			*(*unsafe.Pointer)(at) = to
			return o.elem.decode(src, n+1, to, depth)
		default:
			return 0, fmt.Errorf("byte %d is no mark of a pointer", src[n])
		}
	case opMap:
		return o.maps.decode(o, src, n, at, depth)
	case opTime:
		return decodeTime(src, n, (*time.Time)(at))
	case opForeign:
		return o.ext.read(src, n, at)
	default:
		return 0, fmt.Errorf("unknown step %d", o.kind)
	}
}

func decodeBytes(src []byte, n int, to *[]byte) (int, error) {
	isNil, size, n, err := readCount(src, n, 1)
	if err != nil {
		return 0, err
	}
	switch {
	case isNil:
		*to = nil
	case size == 0:
		*to = []byte{}
	default:
		// The capacity ends with the bytes, so that an append of the program does not run into the next field.
		*to = src[n : n+size : n+size]
	}
	return n + size, nil
}

func (o *op) decodeSlice(src []byte, n int, at unsafe.Pointer, depth int) (int, error) {
	isNil, count, n, err := readCount(src, n, o.elem.min)
	if err != nil {
		return 0, err
	}
	s := (*sliceHeader)(at)
	if isNil {
		// Not *s = sliceHeader{}: the pointer alone needs the write barrier, and it gets it.
		s.data, s.len, s.cap = nil, 0, 0
		return n, nil
	}
	var data unsafe.Pointer
	switch {
	case o.elem.noPtr:
		// Words, because they are aligned for every type; make checks the size.
		data = unsafe.Pointer(unsafe.SliceData(make([]uint64, (uintptr(count)*o.size+7)/8)))
	case o.elem.typ.Kind() == reflect.String:
		data = unsafe.Pointer(unsafe.SliceData(make([]string, count)))
	default:
		data = reflect.MakeSlice(o.maps.typ, count, count).UnsafePointer()
	}
	s.data, s.len, s.cap = data, count, count
	if o.elem.plain {
		size := uintptr(count) * o.size
		return n + copy(unsafe.Slice((*byte)(data), size), src[n:]), nil
	}
	return o.decodeElems(src, n, data, count, depth)
}

func (o *op) decodeElems(src []byte, n int, data unsafe.Pointer, count, depth int) (int, error) {
	if len(o.elem.ops) == 0 {
		return n, nil // however many there are
	}
	for i := range count {
		var err error
		if n, err = o.elem.decode(src, n, unsafe.Add(data, uintptr(i)*o.size), depth); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// read gives the type's method exactly the bytes that its twin made.
func (f *foreign) read(src []byte, n int, at unsafe.Pointer) (int, error) {
	if len(src)-n < 4 {
		return 0, short(src, n, 4)
	}
	size := int(binary.LittleEndian.Uint32(src[n:]))
	n += 4
	if len(src)-n < size {
		return 0, short(src, n, size)
	}
	return n + size, f.decode(src[n:n+size:n+size], at)
}

func decodeTime(src []byte, n int, to *time.Time) (int, error) {
	if len(src)-n < 16 {
		return 0, short(src, n, 16)
	}
	sec := int64(binary.LittleEndian.Uint64(src[n:]))
	nsec := binary.LittleEndian.Uint32(src[n+8:])
	offset := int32(binary.LittleEndian.Uint32(src[n+12:]))
	if nsec >= 1e9 {
		return 0, fmt.Errorf("time with %d nanoseconds", nsec)
	}
	t := time.Unix(sec, int64(nsec))
	if offset == 0 {
		*to = t.UTC()
	} else {
		*to = t.In(time.FixedZone("", int(offset)))
	}
	return n + 16, nil
}

// readLength reads a uvarint that must fit into what is left.
func readLength(src []byte, n int) (size, next int, err error) {
	u, used := binary.Uvarint(src[n:])
	if used <= 0 {
		return 0, 0, fmt.Errorf("%w in a length", ErrShort)
	}
	n += used
	if u > uint64(len(src)-n) {
		return 0, 0, fmt.Errorf("%w: length %d, %d bytes left", ErrShort, u, len(src)-n)
	}
	return int(u), n, nil
}

// readCount reads what appendCount wrote and compares it with what is left, elements taking at least min bytes each.
func readCount(src []byte, n, min int) (isNil bool, count, next int, err error) {
	u, used := binary.Uvarint(src[n:])
	if used <= 0 {
		return false, 0, 0, fmt.Errorf("%w in a length", ErrShort)
	}
	n += used
	if u == 0 {
		return true, 0, n, nil
	}
	u--
	// Elements without bytes are elements without memory, so that any number of them is harmless; but not more than
	// an int holds.
	if left := uint64(len(src) - n); (min > 0 && u > left/uint64(min)) || u > 1<<62 {
		return false, 0, 0, fmt.Errorf("%w: %d elements, %d bytes left", ErrShort, u, left)
	}
	return false, int(u), n, nil
}

func short(src []byte, n, need int) error {
	return fmt.Errorf("%w: %d bytes left, need %d", ErrShort, len(src)-n, need)
}
