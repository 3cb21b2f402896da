package web

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/flink-go/flink-go/core"
)

// body decodes the JSON body of a request into v. An empty body counts as {}; unknown fields are ignored, as Flink
// does.
func (q *query) body(v any) error {
	b, err := io.ReadAll(http.MaxBytesReader(q.w, q.req.Body, maxJSON))
	if err != nil {
		return bodyError(err)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	return decodeJSON("request body", b, v)
}

func bodyError(err error) error {
	if m, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return status(http.StatusRequestEntityTooLarge, "the request body is larger than %d bytes", m.Limit)
	}
	return invalid("the request body cannot be read: %v", err)
}

// decodeJSON decodes foreign JSON under a limit of depth and says where it is wrong (B-21).
func decodeJSON(what string, b []byte, v any) error {
	if depth := depthOf(b); depth > maxDepth {
		return invalid("%s: nested deeper than %d levels", what, maxDepth)
	}
	err := json.Unmarshal(b, v)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return invalid("%s: not JSON at byte %d: %v", what, e.Offset, err)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := e.Field
		if where == "" {
			where = "the top"
		}
		return invalid("%s: at %s: expected %s, got %s", what, where, jsonName(e.Type), e.Value)
	}
	return invalid("%s: %v", what, err)
}

// jsonName names a Go type in the words of JSON: a client knows no others.
func jsonName(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "a string"
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Pointer:
		return jsonName(t.Elem())
	default:
		return "a whole number"
	}
}

// depthOf is how deep brackets nest; it stops counting past maxDepth.
func depthOf(b []byte) int {
	depth, most := 0, 0
	inString := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			most = max(most, depth)
			if most > maxDepth {
				return most
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return most
}

// unavailable is the answer of paths whose feature this version does not have.
func unavailable(feature string) error {
	return core.E("", core.Invalid, "", fmt.Errorf("%s are not available in this version", feature))
}
