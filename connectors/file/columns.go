package file

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// column is a field of a struct as a column of a CSV file.
type column struct {
	name     string
	index    []int
	optional bool // the column may be missing and its cells may be empty
	set      func(to reflect.Value, cell string) error
	append   func(dst []byte, from reflect.Value) ([]byte, error)
}

// columnsOf returns the columns of struct t. A field is named by its tag, `csv:"name"`, or by its own name;
// `csv:"name,omitempty"` makes it optional, `csv:"-"` leaves it out.
func columnsOf(t reflect.Type) ([]column, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("CSV records are structs, not %s", t)
	}
	var columns []column
	for _, f := range reflect.VisibleFields(t) {
		tag, tagged := f.Tag.Lookup("csv")
		if !f.IsExported() || tag == "-" || f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct {
			continue
		}
		c := column{name: f.Name, index: f.Index}
		if name, opts, _ := strings.Cut(tag, ","); tagged {
			if name != "" {
				c.name = name
			}
			c.optional = opts == "omitempty"
		}
		var ok bool
		if c.set, c.append, ok = cellOf(f.Type); !ok || throughPointer(t, f.Index) {
			return nil, fmt.Errorf("%s.%s: %s is no CSV column", t.Name(), f.Name, f.Type)
		}
		columns = append(columns, c)
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("%s has no exported field to be a CSV column", t)
	}
	return columns, nil
}

// throughPointer tells whether a promoted field lies behind an embedded pointer.
func throughPointer(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer {
			return true
		}
	}
	return false
}

// cellOf returns how cells of type t are read and written.
func cellOf(t reflect.Type) (set func(reflect.Value, string) error, app func([]byte, reflect.Value) ([]byte, error), ok bool) {
	if t == reflect.TypeFor[time.Duration]() {
		set = func(to reflect.Value, cell string) error {
			d, err := time.ParseDuration(cell)
			to.SetInt(int64(d))
			return err
		}
		app = func(dst []byte, from reflect.Value) ([]byte, error) {
			return append(dst, time.Duration(from.Int()).String()...), nil
		}
		return set, app, true
	}
	if p := reflect.PointerTo(t); p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) && p.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		set = func(to reflect.Value, cell string) error {
			return to.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(cell))
		}
		app = func(dst []byte, from reflect.Value) ([]byte, error) {
			b, err := from.Addr().Interface().(encoding.TextMarshaler).MarshalText()
			return append(dst, b...), err
		}
		return set, app, true
	}
	bits := 0
	if t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 {
		bits = t.Bits()
	}
	switch t.Kind() {
	case reflect.String:
		set = func(to reflect.Value, cell string) error { to.SetString(cell); return nil }
		app = func(dst []byte, from reflect.Value) ([]byte, error) { return append(dst, from.String()...), nil }
	case reflect.Bool:
		set = func(to reflect.Value, cell string) error {
			b, err := strconv.ParseBool(cell)
			to.SetBool(b)
			return err
		}
		app = func(dst []byte, from reflect.Value) ([]byte, error) { return strconv.AppendBool(dst, from.Bool()), nil }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		set = func(to reflect.Value, cell string) error {
			n, err := strconv.ParseInt(cell, 10, bits)
			to.SetInt(n)
			return err
		}
		app = func(dst []byte, from reflect.Value) ([]byte, error) {
			return strconv.AppendInt(dst, from.Int(), 10), nil
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		set = func(to reflect.Value, cell string) error {
			n, err := strconv.ParseUint(cell, 10, bits)
			to.SetUint(n)
			return err
		}
		app = func(dst []byte, from reflect.Value) ([]byte, error) {
			return strconv.AppendUint(dst, from.Uint(), 10), nil
		}
	case reflect.Float32, reflect.Float64:
		set = func(to reflect.Value, cell string) error {
			x, err := strconv.ParseFloat(cell, bits)
			to.SetFloat(x)
			return err
		}
		app = func(dst []byte, from reflect.Value) ([]byte, error) {
			return strconv.AppendFloat(dst, from.Float(), 'g', -1, bits), nil
		}
	}
	return set, app, set != nil
}

// cellError says what is wrong with a cell; strconv repeats the text, which the caller quotes.
func cellError(name, cell string, t reflect.Type, err error) error {
	if n, ok := errors.AsType[*strconv.NumError](err); ok {
		err = n.Err
	}
	return fmt.Errorf("column %q: %s as %s: %w", name, clip(cell), t, err)
}
