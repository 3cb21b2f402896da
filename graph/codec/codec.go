package codec

import (
	"fmt"
	"reflect"
	"unsafe"
)

// Codec encodes and decodes records of type T. It may be used from any goroutine.
type Codec[T any] interface {
	// Append appends the encoded form of *v to dst. It panics with an error if v cannot be encoded: a cycle of
	// pointers, or a marshaler of the program that returns an error.
	Append(dst []byte, v *T) []byte
	// AppendAll appends all of vs, one after the other: the same bytes as Append for each.
	AppendAll(dst []byte, vs []T) []byte
	// Decode reads one record from the start of src into *v and returns how many bytes it took. Strings and byte
	// slices of *v may point into src, see Aliases; nothing else does. After an error *v is undefined.
	Decode(src []byte, v *T) (n int, err error)
	// DecodeAll reads len(vs) records.
	DecodeAll(src []byte, vs []T) (n int, err error)
}

// Appender is one half of a record type's own codec: it appends the record to dst. A type whose pointer has both
// halves is encoded by them.
type Appender interface {
	AppendTo(dst []byte) []byte
}

// Decoder is the other half of a type's own codec: it reads what AppendTo wrote. src holds exactly those bytes, so
// that rest must come back empty; src must not be changed, but strings may point into it.
type Decoder interface {
	DecodeFrom(src []byte) (rest []byte, err error)
}

// For returns the codec of T, or an error that names the path of what cannot be encoded.
func For[T any]() (Codec[T], error) {
	p, err := compile(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	switch {
	case p.plain:
		return plainCodec[T]{}, nil
	case len(p.ops) == 1 && p.ops[0].kind == opString && p.typ.Kind() == reflect.String:
		return stringCodec[T]{}, nil
	}
	return &planCodec[T]{p}, nil
}

// Plain tells that a T in memory is its encoded form: it has no pointers, no padding and no bools. A []T can then be
// copied to and from frames as a whole.
func Plain[T any]() bool {
	p, err := compile(reflect.TypeFor[T]())
	return err == nil && p.plain
}

// Aliases tells whether decoded values of T may point into the bytes that they were decoded from, so that those must
// neither be changed nor used again.
func Aliases[T any]() bool {
	p, err := compile(reflect.TypeFor[T]())
	return err != nil || p.aliases
}

// planCodec walks a plan.
type planCodec[T any] struct{ plan *plan }

func (c *planCodec[T]) Append(dst []byte, v *T) []byte {
	return c.plan.encode(dst, unsafe.Pointer(v), 0)
}

func (c *planCodec[T]) AppendAll(dst []byte, vs []T) []byte {
	for i := range vs {
		dst = c.plan.encode(dst, unsafe.Pointer(&vs[i]), 0)
	}
	return dst
}

func (c *planCodec[T]) Decode(src []byte, v *T) (int, error) {
	n, err := c.plan.decode(src, 0, unsafe.Pointer(v), 0)
	if err != nil {
		return 0, fmt.Errorf("decode %s: %w", c.plan.typ, err)
	}
	return n, nil
}

func (c *planCodec[T]) DecodeAll(src []byte, vs []T) (int, error) {
	n := 0
	for i := range vs {
		var err error
		if n, err = c.plan.decode(src, n, unsafe.Pointer(&vs[i]), 0); err != nil {
			return 0, fmt.Errorf("decode %s, record %d of %d: %w", c.plan.typ, i, len(vs), err)
		}
	}
	return n, nil
}

// plainCodec copies memory.
type plainCodec[T any] struct{}

func (plainCodec[T]) Append(dst []byte, v *T) []byte {
	return append(dst, unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))...)
}

func (plainCodec[T]) AppendAll(dst []byte, vs []T) []byte { return append(dst, rawBytes(vs)...) }

func (plainCodec[T]) Decode(src []byte, v *T) (int, error) {
	size := int(unsafe.Sizeof(*v))
	if len(src) < size {
		return 0, fmt.Errorf("decode %s: %w: %d bytes, need %d", reflect.TypeFor[T](), ErrShort, len(src), size)
	}
	return copy(unsafe.Slice((*byte)(unsafe.Pointer(v)), size), src), nil
}

func (plainCodec[T]) DecodeAll(src []byte, vs []T) (int, error) {
	raw := rawBytes(vs)
	if len(src) < len(raw) {
		return 0, fmt.Errorf("decode %d of %s: %w: %d bytes, need %d", len(vs), reflect.TypeFor[T](), ErrShort, len(src), len(raw))
	}
	return copy(raw, src), nil
}

// rawBytes is the memory of vs.
func rawBytes[T any](vs []T) []byte {
	var t T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(vs))), len(vs)*int(unsafe.Sizeof(t)))
}

// stringCodec is the plan of string types spelled out, because they are most of what text programs exchange.
type stringCodec[T any] struct{}

func (stringCodec[T]) Append(dst []byte, v *T) []byte {
	return appendString(dst, *(*string)(unsafe.Pointer(v)))
}

func (stringCodec[T]) AppendAll(dst []byte, vs []T) []byte {
	for i := range vs {
		dst = appendString(dst, *(*string)(unsafe.Pointer(&vs[i])))
	}
	return dst
}

func (stringCodec[T]) Decode(src []byte, v *T) (int, error) {
	n, err := decodeString(src, 0, (*string)(unsafe.Pointer(v)))
	if err != nil {
		return 0, fmt.Errorf("decode %s: %w", reflect.TypeFor[T](), err)
	}
	return n, nil
}

func (stringCodec[T]) DecodeAll(src []byte, vs []T) (int, error) {
	n := 0
	for i := range vs {
		var err error
		if n, err = decodeString(src, n, (*string)(unsafe.Pointer(&vs[i]))); err != nil {
			return 0, fmt.Errorf("decode %s, record %d of %d: %w", reflect.TypeFor[T](), i, len(vs), err)
		}
	}
	return n, nil
}
