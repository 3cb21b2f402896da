package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unsafe"
)

// sliceHeader is the memory of any slice.
type sliceHeader struct {
	data unsafe.Pointer
	len  int
	cap  int
}

// encode appends the value at base.
func (p *plan) encode(dst []byte, base unsafe.Pointer, depth int) []byte {
	for i := range p.ops {
		o := &p.ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opRun:
			dst = append(dst, unsafe.Slice((*byte)(at), o.size)...)
		case opRun4:
			dst = append(dst, (*[4]byte)(at)[:]...)
		case opRun8:
			dst = append(dst, (*[8]byte)(at)[:]...)
		case opRun16:
			dst = append(dst, (*[16]byte)(at)[:]...)
		case opBool:
			dst = append(dst, *(*byte)(at))
		case opString:
			dst = appendString(dst, *(*string)(at))
		case opBytes:
			b := *(*[]byte)(at)
			dst = append(appendCount(dst, b == nil, len(b)), b...)
		default:
			dst = o.encodeDeep(dst, at, depth+1)
		}
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	if len(s) < 0x80 {
		dst = append(dst, byte(len(s)))
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
	}
	return append(dst, s...)
}

// encodeDeep appends what nests or has methods.
func (o *op) encodeDeep(dst []byte, at unsafe.Pointer, depth int) []byte {
	if depth > maxDepth {
		panic(fmt.Errorf("encode: %w; does it point to itself?", ErrDeep))
	}
	switch o.kind {
	case opSlice:
		s := (*sliceHeader)(at)
		dst = appendCount(dst, s.data == nil, s.len)
		if o.elem.plain {
			return append(dst, unsafe.Slice((*byte)(s.data), uintptr(s.len)*o.size)...)
		}
		return o.encodeElems(dst, s.data, s.len, depth)
	case opArray:
		return o.encodeElems(dst, at, o.len, depth)
	case opPointer:
		to := *(*unsafe.Pointer)(at)
		if to == nil {
			return append(dst, 0)
		}
		return o.elem.encode(append(dst, 1), to, depth)
	case opMap:
		return o.maps.encode(o, dst, at, depth)
	case opTime:
		return appendTime(dst, *(*time.Time)(at))
	case opForeign:
		return o.ext.encode(dst, at)
	default:
		panic(fmt.Errorf("encode: unknown step %d", o.kind))
	}
}

func (o *op) encodeElems(dst []byte, data unsafe.Pointer, n, depth int) []byte {
	if len(o.elem.ops) == 0 {
		return dst // however many there are
	}
	for i := range n {
		dst = o.elem.encode(dst, unsafe.Add(data, uintptr(i)*o.size), depth)
	}
	return dst
}

// encode appends what the type's method makes, behind its length.
func (f *foreign) encode(dst []byte, at unsafe.Pointer) []byte {
	start := len(dst)
	dst, err := f.append(append(dst, 0, 0, 0, 0), at)
	if err != nil {
		panic(fmt.Errorf("encode: %w", err))
	}
	n := len(dst) - start - 4
	if n < 0 || n > math.MaxInt32 {
		panic(fmt.Errorf("encode: a %s method made %d bytes", f.name, n))
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(n))
	return dst
}

// appendCount appends a length that tells nil from empty.
func appendCount(dst []byte, isNil bool, n int) []byte {
	if isNil {
		return append(dst, 0)
	}
	return binary.AppendUvarint(dst, uint64(n)+1)
}

func appendTime(dst []byte, t time.Time) []byte {
	_, offset := t.Zone()
	dst = binary.LittleEndian.AppendUint64(dst, uint64(t.Unix()))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(t.Nanosecond()))
	return binary.LittleEndian.AppendUint32(dst, uint32(int32(offset)))
}
