package codec

import (
	"bytes"
	"reflect"
	"strings"
	"unsafe"
)

// DetachFor returns a function that gives *v memory of its own for everything that may point into a frame, so that a
// value kept for long does not keep 32 KiB with it. It is nil for types that never point there. Copies of *v made
// before are not changed.
func DetachFor[T any]() (func(v *T), error) {
	p, err := compile(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	switch {
	case !p.aliases:
		return nil, nil
	case p.shallow():
		return func(v *T) { p.detach(unsafe.Pointer(v)) }, nil
	default:
		return func(v *T) {
			// What nests is shared with other copies of the value, so it is made anew as a whole.
			own := p.encode(nil, unsafe.Pointer(v), 0)
			if _, err := p.decode(bytes.Clone(own), 0, unsafe.Pointer(v), 0); err != nil {
				panic(err) // what a type's own methods wrote and do not read
			}
		}, nil
	}
}

// shallow tells whether everything that may point into a frame lies in the value itself.
func (p *plan) shallow() bool {
	for i := range p.ops {
		o := &p.ops[i]
		switch {
		case o.kind == opArray && !o.elem.shallow(),
			o.kind == opForeign && o.ext.aliases,
			o.kind != opArray && o.elem != nil && o.elem.aliases,
			o.key != nil && o.key.aliases:
			return false
		}
	}
	return true
}

func (p *plan) detach(base unsafe.Pointer) {
	for i := range p.ops {
		o := &p.ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opString:
			s := (*string)(at)
			*s = strings.Clone(*s)
		case opBytes:
			b := (*[]byte)(at)
			*b = bytes.Clone(*b)
		case opArray:
			for j := range o.len {
				o.elem.detach(unsafe.Add(at, uintptr(j)*o.size))
			}
		default: // points nowhere into a frame: the plan is shallow
		}
	}
}
