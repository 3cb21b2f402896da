package codec

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"
)

// maxDepth bounds how deep pointers, slices and maps may be nested in one record, so that a cycle or a hostile frame
// cannot exhaust the stack.
const maxDepth = 10_000

// Errors of decoding; they come wrapped with the type and place.
var (
	ErrShort = errors.New("encoded record ends too early")
	ErrDeep  = fmt.Errorf("record is nested deeper than %d levels", maxDepth)
)

// opKind is what a step of a plan does.
type opKind uint8

const (
	opRun     opKind = iota // size bytes of fixed-size fields without a gap, as they are
	opRun4                  // a run of 4 bytes
	opRun8                  // a run of 8 bytes
	opRun16                 // a run of 16 bytes
	opBool                  // 0 or 1
	opString                // uvarint length, bytes
	opBytes                 // []byte: uvarint length+1 or 0 for nil, bytes
	opSlice                 // uvarint length+1 or 0 for nil, elements
	opArray                 // elements
	opPointer               // 0, or 1 and the value
	opMap                   // uvarint length+1 or 0 for nil, keys and values in turn
	opTime                  // i64 seconds since 1970, u32 nanoseconds, i32 seconds east of UTC
	opForeign               // u32 length, bytes made by a method of the type
)

// op is one step: what to do with the field at off.
type op struct {
	kind opKind
	off  uintptr
	size uintptr // opRun: bytes; opSlice, opArray: size of an element; opPointer: of what it points to
	len  int     // opArray: elements
	elem *plan   // opSlice, opArray, opPointer: the element; opMap: the value
	key  *plan   // opMap
	maps *mapOps
	ext  *foreign
}

// plan is the compiled form of a type.
type plan struct {
	typ     reflect.Type
	ops     []op
	min     int  // fewest bytes that a value takes
	plain   bool // memory is the encoded form
	noPtr   bool // no pointers in memory
	aliases bool // decoded values may point into the source
}

// compiler holds the plans under construction, which recursive types refer to.
type compiler struct {
	plans map[reflect.Type]*plan
}

// compile makes the plan of t.
func compile(t reflect.Type) (*plan, error) {
	c := &compiler{plans: make(map[reflect.Type]*plan)}
	p, err := c.plan(t, typeName(t))
	if err != nil {
		return nil, err
	}
	c.settle()
	return p, nil
}

// typeName is the name of t as the root of a path: "Order".
func typeName(t reflect.Type) string {
	if t.Name() != "" {
		return t.Name()
	}
	return t.String()
}

// plan returns the plan of t, a new one or the one that is being made.
func (c *compiler) plan(t reflect.Type, path string) (*plan, error) {
	if p, ok := c.plans[t]; ok {
		return p, nil
	}
	p := &plan{typ: t}
	c.plans[t] = p
	if err := c.add(p, t, 0, path); err != nil {
		return nil, err
	}
	p.ops = mergeRuns(p.ops)
	for _, o := range p.ops {
		p.min += o.minSize()
	}
	p.plain = t.Size() > 0 && len(p.ops) == 1 && p.ops[0].isRun() && p.ops[0].size == t.Size()
	p.noPtr = pointerFree(t)
	return p, nil
}

// settle computes what depends on plans that were not complete when they were first referred to.
func (c *compiler) settle() {
	for changed := true; changed; {
		changed = false
		for _, p := range c.plans {
			if !p.aliases && p.mayAlias() {
				p.aliases, changed = true, true
			}
		}
	}
}

func (p *plan) mayAlias() bool {
	for _, o := range p.ops {
		switch {
		case o.kind == opString, o.kind == opBytes, o.kind == opForeign && o.ext.aliases,
			o.elem != nil && o.elem.aliases, o.key != nil && o.key.aliases:
			return true
		}
	}
	return false
}

// add appends the steps for a field of type t at offset off.
func (c *compiler) add(p *plan, t reflect.Type, off uintptr, path string) error {
	if t.Size() == 0 {
		return nil
	}
	if t == reflect.TypeFor[time.Time]() {
		p.ops = append(p.ops, op{kind: opTime, off: off})
		return nil
	}
	if ext := foreignOf(t); ext != nil {
		p.ops = append(p.ops, op{kind: opForeign, off: off, ext: ext})
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		p.ops = append(p.ops, op{kind: opBool, off: off})
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		p.ops = append(p.ops, op{kind: opRun, off: off, size: t.Size()})
	case reflect.String:
		p.ops = append(p.ops, op{kind: opString, off: off})
	case reflect.Struct:
		return c.addStruct(p, t, off, path)
	case reflect.Array:
		return c.addArray(p, t, off, path)
	case reflect.Slice:
		elem, err := c.plan(t.Elem(), path+"[]")
		if err != nil {
			return err
		}
		if t.Elem().Kind() == reflect.Uint8 && elem.ops[0].kind != opForeign {
			p.ops = append(p.ops, op{kind: opBytes, off: off})
			return nil
		}
		p.ops = append(p.ops, op{kind: opSlice, off: off, size: t.Elem().Size(), elem: elem, maps: &mapOps{typ: t}})
	case reflect.Pointer:
		elem, err := c.plan(t.Elem(), path)
		if err != nil {
			return err
		}
		p.ops = append(p.ops, op{kind: opPointer, off: off, size: t.Elem().Size(), elem: elem})
	case reflect.Map:
		key, err := c.plan(t.Key(), path+"[key]")
		if err != nil {
			return err
		}
		elem, err := c.plan(t.Elem(), path+"[]")
		if err != nil {
			return err
		}
		p.ops = append(p.ops, op{kind: opMap, off: off, key: key, elem: elem, maps: mapOpsOf(t)})
	default:
		return fmt.Errorf("%s: %s cannot be encoded", path, t)
	}
	return nil
}

func (c *compiler) addStruct(p *plan, t reflect.Type, off uintptr, path string) error {
	if hidden := hiddenField(t); hidden != "" && standard(t.PkgPath()) {
		return fmt.Errorf("%s: %s cannot be encoded: it hides its state (field %s) and has no MarshalBinary and UnmarshalBinary", path, t, hidden)
	}
	for f := range t.Fields() {
		if err := c.add(p, f.Type, off+f.Offset, path+"."+f.Name); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) addArray(p *plan, t reflect.Type, off uintptr, path string) error {
	elem, err := c.plan(t.Elem(), path+"[]")
	if err != nil {
		return err
	}
	if elem.plain {
		p.ops = append(p.ops, op{kind: opRun, off: off, size: t.Size()})
		return nil
	}
	p.ops = append(p.ops, op{kind: opArray, off: off, size: t.Elem().Size(), len: t.Len(), elem: elem})
	return nil
}

// mergeRuns joins runs that touch, and marks those of common sizes.
func mergeRuns(ops []op) []op {
	var merged []op
	for _, o := range ops {
		if last := len(merged) - 1; o.kind == opRun && last >= 0 && merged[last].kind == opRun &&
			merged[last].off+merged[last].size == o.off {
			merged[last].size += o.size
			continue
		}
		merged = append(merged, o)
	}
	for i := range merged {
		if merged[i].kind == opRun {
			switch merged[i].size {
			case 4:
				merged[i].kind = opRun4
			case 8:
				merged[i].kind = opRun8
			case 16:
				merged[i].kind = opRun16
			}
		}
	}
	return merged
}

func (o *op) isRun() bool {
	return o.kind == opRun || o.kind == opRun4 || o.kind == opRun8 || o.kind == opRun16
}

// minSize is the fewest bytes that the step can write.
func (o *op) minSize() int {
	switch o.kind {
	case opRun, opRun4, opRun8, opRun16:
		return int(o.size)
	case opTime:
		return 16
	case opForeign:
		return 4
	case opArray:
		return o.len * o.elem.min
	default:
		return 1
	}
}

// pointerFree tells whether values of t hold no pointers, so that the garbage collector need not look at them.
func pointerFree(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return t.Len() == 0 || pointerFree(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if !pointerFree(f.Type) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// hiddenField returns the name of an unexported field of t, "" if it has none.
func hiddenField(t reflect.Type) string {
	for f := range t.Fields() {
		if !f.IsExported() && f.Name != "_" {
			return f.Name
		}
	}
	return ""
}

// standard tells whether a package belongs to the standard library, whose unexported fields mean nothing to another
// process (a mutex, an atomic). Paths of other modules have a dot in their first element, with the exception of
// program modules that are not meant to be downloaded, which the build information names.
func standard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	if pkg == "" || pkg == "main" || strings.Contains(first, ".") {
		return false
	}
	within := func(module string) bool {
		return module != "" && (pkg == module || strings.HasPrefix(pkg, module+"/"))
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if within(info.Main.Path) {
			return false
		}
		for _, dep := range info.Deps {
			if within(dep.Path) {
				return false
			}
		}
	}
	return true
}

// foreign is how a type with methods of its own is encoded.
type foreign struct {
	name    string // of the kind, for the fingerprint
	append  func(dst []byte, p unsafe.Pointer) ([]byte, error)
	decode  func(src []byte, p unsafe.Pointer) error
	aliases bool
}

// foreignOf returns how the methods of t encode it, nil if it has none of the known pairs. Methods that t has from
// an embedded field do not count: they would drop its other fields.
func foreignOf(t reflect.Type) *foreign {
	if t.Kind() == reflect.Interface {
		return nil
	}
	ptr := reflect.PointerTo(t)
	has := func(ifaces ...reflect.Type) bool {
		for _, i := range ifaces {
			if !ptr.Implements(i) || promoted(t, i) {
				return false
			}
		}
		return true
	}
	at := func(p unsafe.Pointer) any { return reflect.NewAt(t, p).Interface() }
	switch {
	case has(reflect.TypeFor[Appender](), reflect.TypeFor[Decoder]()):
		return &foreign{name: "codec", aliases: true,
			append: func(dst []byte, p unsafe.Pointer) ([]byte, error) { return at(p).(Appender).AppendTo(dst), nil },
			decode: func(src []byte, p unsafe.Pointer) error {
				rest, err := at(p).(Decoder).DecodeFrom(src)
				if err == nil && len(rest) != 0 {
					err = fmt.Errorf("DecodeFrom left %d of %d bytes", len(rest), len(src))
				}
				return err
			}}
	case has(reflect.TypeFor[proto.Message]()):
		return &foreign{name: "protobuf",
			append: func(dst []byte, p unsafe.Pointer) ([]byte, error) {
				return proto.MarshalOptions{AllowPartial: true}.MarshalAppend(dst, at(p).(proto.Message))
			},
			decode: func(src []byte, p unsafe.Pointer) error {
				return proto.UnmarshalOptions{AllowPartial: true, RecursionLimit: 100}.Unmarshal(src, at(p).(proto.Message))
			}}
	case has(reflect.TypeFor[encoding.BinaryAppender](), reflect.TypeFor[encoding.BinaryUnmarshaler]()):
		return &foreign{name: "binary",
			append: func(dst []byte, p unsafe.Pointer) ([]byte, error) {
				return at(p).(encoding.BinaryAppender).AppendBinary(dst)
			},
			decode: func(src []byte, p unsafe.Pointer) error {
				return at(p).(encoding.BinaryUnmarshaler).UnmarshalBinary(src)
			}}
	case has(reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler]()):
		return &foreign{name: "binary",
			append: func(dst []byte, p unsafe.Pointer) ([]byte, error) {
				b, err := at(p).(encoding.BinaryMarshaler).MarshalBinary()
				return append(dst, b...), err
			},
			decode: func(src []byte, p unsafe.Pointer) error {
				return at(p).(encoding.BinaryUnmarshaler).UnmarshalBinary(src)
			}}
	case t.Kind() == reflect.Struct && standard(t.PkgPath()) && hiddenField(t) != "" &&
		has(reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()):
		// Such as big.Int, whose fields are nobody's business.
		return &foreign{name: "text",
			append: func(dst []byte, p unsafe.Pointer) ([]byte, error) {
				b, err := at(p).(encoding.TextMarshaler).MarshalText()
				return append(dst, b...), err
			},
			decode: func(src []byte, p unsafe.Pointer) error {
				return at(p).(encoding.TextUnmarshaler).UnmarshalText(src)
			}}
	}
	return nil
}

// promoted tells whether struct t embeds a field that implements i.
func promoted(t, i reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for f := range t.Fields() {
		if f.Anonymous && (f.Type.Implements(i) || reflect.PointerTo(f.Type).Implements(i)) {
			return true
		}
	}
	return false
}
