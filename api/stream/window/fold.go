package window

import (
	"reflect"
	"time"

	"github.com/flink-go/flink-go/graph/codec"
)

// noTimestamp is the error of a record that should have an event time.
const noTimestamp = "a record has no event time, which %v windows need: give it one with stream.EventTime, or use ProcessingTime"

// fold is how an accumulator takes in records and others of its kind, however the program said it.
type fold[T, A, R any] struct {
	first  func(acc *A, v *T) // the first record of acc, which is zero; nil: add does that too
	add    func(acc *A, v *T)
	merge  func(into, from *A) // nil: it cannot. into is never empty: a first one is copied
	result func(acc *A) R

	// What state keeps must not hold the frame that it came in, so either the accumulator gets strings of its own
	// after each record, or, where it nests and that would copy more and more, the record does before. nil: no need.
	detach func(acc *A)
	own    func(v *T)
	// codec copies accumulators that share memory when they are assigned; nil: they do not.
	codec codec.Codec[A]
	bytes []byte
}

// prepare finds out what kind of type A is. The error is that of a type that cannot be encoded.
func (f *fold[T, A, R]) prepare() (err error) {
	if f.detach, err = codec.DetachFor[A](); err != nil {
		return err
	}
	if shares(reflect.TypeFor[A]()) {
		if f.codec, err = codec.For[A](); err != nil {
			return err
		}
		if f.detach != nil {
			f.detach = nil
			f.own, _ = codec.DetachFor[T]() // an error is that of the stream of T
		}
	}
	return nil
}

// take adds a record.
func (f *fold[T, A, R]) take(acc *A, v *T, isFirst bool) {
	if f.own != nil {
		f.own(v)
	}
	if isFirst && f.first != nil {
		f.first(acc, v)
	} else {
		f.add(acc, v)
	}
	if f.detach != nil {
		f.detach(acc)
	}
}

// copy makes into, whatever it is, equal to from. A merge changes into in place, so the two must share nothing that
// can be changed.
func (f *fold[T, A, R]) copy(into, from *A) {
	if f.codec == nil {
		*into = *from
		return
	}
	// Decoded strings may point into bytes, so each copy has its own, which is no more than it needs.
	f.bytes = f.codec.Append(f.bytes[:0], from)
	var fresh A
	if _, err := f.codec.Decode(append([]byte(nil), f.bytes...), &fresh); err != nil {
		panic(err) // what a type's own methods wrote and do not read
	}
	*into = fresh
}

// shares tells whether values of a type share changeable memory after an assignment.
func shares(t reflect.Type) bool {
	if t == reflect.TypeFor[time.Time]() {
		return false
	}
	switch t.Kind() {
	case reflect.Map, reflect.Slice, reflect.Pointer, reflect.Interface, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return true
	case reflect.Array:
		return shares(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if shares(f.Type) {
				return true
			}
		}
	}
	return false
}
