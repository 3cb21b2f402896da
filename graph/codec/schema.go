package codec

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"time"
)

// FormatVersion is the version of the byte format of records; it is part of every fingerprint.
const FormatVersion = 1

// Schema describes the encoded form of a type: what a later program needs to read what an earlier one wrote.
type Schema struct {
	// Kind is "struct", "array", "slice", "pointer", "map", "string", "bytes", "time", a Go kind of fixed size such
	// as "int64", one of the forms with methods, "codec", "protobuf", "binary" and "text", or "ref".
	Kind   string  `json:"kind"`
	Type   string  `json:"type,omitempty"`   // Go name of structs and of types with methods; for "ref" the one meant
	Size   int     `json:"size,omitempty"`   // bytes, of kinds of fixed size
	Len    int     `json:"len,omitempty"`    // of arrays
	Fields []Field `json:"fields,omitempty"` // of structs, in order
	Key    *Schema `json:"key,omitempty"`    // of maps
	Elem   *Schema `json:"elem,omitempty"`   // of arrays, slices, pointers and maps
}

// Field is a field of a struct.
type Field struct {
	Name string  `json:"name"`
	Type *Schema `json:"type"`
}

// SchemaOf describes T, with the same error as For if it cannot be encoded.
func SchemaOf[T any]() (*Schema, error) {
	t := reflect.TypeFor[T]()
	if _, err := compile(t); err != nil {
		return nil, err
	}
	return schemaOf(t, make(map[reflect.Type]bool)), nil
}

// Fingerprint identifies the layout of T in frames and in state: format version, byte order, names, kinds, order and
// sizes of the fields, Plain or not. Names of Go types do not count, except for types with methods of their own. It
// is 0 for types that cannot be encoded.
func Fingerprint[T any]() uint64 {
	t := reflect.TypeFor[T]()
	p, err := compile(t)
	if err != nil {
		return 0
	}
	text, err := json.Marshal(struct {
		Version int     `json:"version"`
		Order   string  `json:"order"`
		Plain   bool    `json:"plain"`
		Schema  *Schema `json:"schema"`
	}{FormatVersion, binary.NativeEndian.String(), p.plain, anonymous(schemaOf(t, make(map[reflect.Type]bool)))})
	if err != nil {
		panic(err) // a tree of strings and numbers
	}
	sum := sha256.Sum256(text)
	return binary.LittleEndian.Uint64(sum[:])
}

// anonymous removes the names of structs, which may change without a change of the layout.
func anonymous(s *Schema) *Schema {
	if s == nil {
		return nil
	}
	if s.Kind == "struct" {
		s.Type = ""
	}
	for i := range s.Fields {
		anonymous(s.Fields[i].Type)
	}
	anonymous(s.Key)
	anonymous(s.Elem)
	return s
}

// schemaOf describes t; open holds the structs around it.
func schemaOf(t reflect.Type, open map[reflect.Type]bool) *Schema {
	if t == reflect.TypeFor[time.Time]() {
		return &Schema{Kind: "time"}
	}
	if ext := foreignOf(t); ext != nil {
		return &Schema{Kind: ext.name, Type: t.String()}
	}
	if open[t] {
		return &Schema{Kind: "ref", Type: t.String()}
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Slice, reflect.Map:
		open[t] = true
		defer delete(open, t)
	}
	switch t.Kind() {
	case reflect.Struct:
		s := &Schema{Kind: "struct", Type: t.String()}
		for f := range t.Fields() {
			if f.Type.Size() > 0 {
				s.Fields = append(s.Fields, Field{f.Name, schemaOf(f.Type, open)})
			}
		}
		return s
	case reflect.Array:
		return &Schema{Kind: "array", Len: t.Len(), Elem: schemaOf(t.Elem(), open)}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && foreignOf(t.Elem()) == nil {
			return &Schema{Kind: "bytes"}
		}
		return &Schema{Kind: "slice", Elem: schemaOf(t.Elem(), open)}
	case reflect.Pointer:
		return &Schema{Kind: "pointer", Elem: schemaOf(t.Elem(), open)}
	case reflect.Map:
		return &Schema{Kind: "map", Key: schemaOf(t.Key(), open), Elem: schemaOf(t.Elem(), open)}
	case reflect.String:
		return &Schema{Kind: "string"}
	default:
		return &Schema{Kind: t.Kind().String(), Size: int(t.Size())}
	}
}
