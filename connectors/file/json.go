package file

import (
	"encoding/json"
	"fmt"
	"strings"
	"unsafe"

	"github.com/flink-go/flink-go/api/stream"
)

// JSON reads JSON lines: one value per line, decoded by encoding/json. Empty lines are left out. Paths are as for
// Lines.
func JSON[T any](path string, opts ...Option) stream.Source[T] {
	c := newConfig(path, opts)
	c.checkUTF8 = true
	return newSource(c, "JSON", func(line string, v *T) error {
		if strings.TrimSpace(line) == "" {
			return errNoRecord
		}
		var zero T // nothing of the record before may show through
		*v = zero
		// encoding/json does not write to its input.
		if err := json.Unmarshal(unsafe.Slice(unsafe.StringData(line), len(line)), v); err != nil {
			return errBadRecord{fmt.Errorf("line %s: %w", clip(line), err)}
		}
		return nil
	})
}

// clip quotes the start of a line for an error.
func clip(line string) string {
	const most = 60
	if len(line) > most {
		return fmt.Sprintf("%q...", strings.ToValidUTF8(line[:most], ""))
	}
	return fmt.Sprintf("%q", line)
}
