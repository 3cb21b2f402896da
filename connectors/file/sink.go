package file

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/flink-go/flink-go/api/stream"
)

// DefaultRollSize is the size at which a part file is finished unless set otherwise.
const DefaultRollSize = 128 << 20

// SinkOption changes how files are written.
type SinkOption func(*sinkConfig)

// sinkConfig is how files are written.
type sinkConfig struct {
	dir       string
	rollSize  int64
	rollEvery time.Duration
	suffix    string
}

// RollSize sets the size, in bytes, at which a part file is finished and the next one begun.
func RollSize(n int64) SinkOption { return func(c *sinkConfig) { c.rollSize = max(n, 1) } }

// RollEvery sets the longest time that a part file stays in progress. Without it only size and the end of the input
// finish one.
func RollEvery(d time.Duration) SinkOption {
	return func(c *sinkConfig) { c.rollEvery = max(d, time.Millisecond) }
}

// Suffix sets how the names of part files end, ".txt", ".jsonl" and ".csv" unless set.
func Suffix(s string) SinkOption { return func(c *sinkConfig) { c.suffix = s } }

// format appends one record with all that it needs around it.
type format[T any] struct {
	header []byte // at the start of each file
	append func(dst []byte, v *T) ([]byte, error)
}

// WriteLines writes records as text, one per line: strings as they are, others as fmt.Sprintf("%+v") does.
//
// It writes into dir, which it makes if needed, files part-<subtask>-<number> with a suffix. A file has a hidden name
// that ends in ".inprogress" until it is complete on disk; then it is renamed, and not touched again. A file that an
// earlier attempt of a subtask did not complete is removed by the next one. Files that are in dir are never replaced.
func WriteLines[T any](dir string, opts ...SinkOption) stream.Sink[T] {
	return newSink(dir, ".txt", opts, func() (format[T], error) {
		return format[T]{append: func(dst []byte, v *T) ([]byte, error) {
			if s, ok := any(v).(*string); ok {
				dst = append(dst, *s...)
			} else {
				dst = fmt.Appendf(dst, "%+v", *v)
			}
			return append(dst, '\n'), nil
		}}, nil
	})
}

// WriteFunc writes what appendRecord appends for each record, line end included. Files are as for WriteLines.
func WriteFunc[T any](dir string, appendRecord func(dst []byte, v *T) []byte, opts ...SinkOption) stream.Sink[T] {
	return newSink(dir, ".txt", opts, func() (format[T], error) {
		return format[T]{append: func(dst []byte, v *T) ([]byte, error) { return appendRecord(dst, v), nil }}, nil
	})
}

// WriteJSON writes records as JSON lines. Files are as for WriteLines.
func WriteJSON[T any](dir string, opts ...SinkOption) stream.Sink[T] {
	return newSink(dir, ".jsonl", opts, func() (format[T], error) {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		return format[T]{append: func(dst []byte, v *T) ([]byte, error) {
			buf.Reset()
			if err := enc.Encode(v); err != nil {
				return dst, err
			}
			return append(dst, buf.Bytes()...), nil
		}}, nil
	})
}

// WriteCSV writes structs as comma-separated values with a header in each file, the twin of CSV. Files are as for
// WriteLines.
func WriteCSV[T any](dir string, opts ...SinkOption) stream.Sink[T] {
	return newSink(dir, ".csv", opts, func() (format[T], error) {
		columns, err := columnsOf(reflect.TypeFor[T]())
		if err != nil {
			return format[T]{}, err
		}
		var header []byte
		for i, c := range columns {
			if i > 0 {
				header = append(header, ',')
			}
			header = quoteCell(append(header, c.name...), len(header))
		}
		return format[T]{header: append(header, '\n'), append: func(dst []byte, v *T) ([]byte, error) {
			from := reflect.ValueOf(v).Elem()
			for i := range columns {
				c := &columns[i]
				if i > 0 {
					dst = append(dst, ',')
				}
				start := len(dst)
				field := from.FieldByIndex(c.index)
				if c.optional && field.IsZero() {
					continue
				}
				var err error
				if dst, err = c.append(dst, field); err != nil {
					return dst, fmt.Errorf("column %q: %w", c.name, err)
				}
				dst = quoteCell(dst, start)
			}
			return append(dst, '\n'), nil
		}}, nil
	})
}

// quoteCell puts dst[start:] into quotes if it needs them.
func quoteCell(dst []byte, start int) []byte {
	cell := dst[start:]
	if !bytes.ContainsAny(cell, "\",\r\n") && !bytes.HasPrefix(cell, []byte{' '}) {
		return dst
	}
	return append(dst[:start], `"`+strings.ReplaceAll(string(cell), `"`, `""`)+`"`...)
}

// newSink returns a sink whose subtasks each make a format of their own.
func newSink[T any](dir, suffix string, opts []SinkOption, newFormat func() (format[T], error)) stream.Sink[T] {
	c := &sinkConfig{dir: dir, rollSize: DefaultRollSize, suffix: suffix}
	for _, o := range opts {
		o(c)
	}
	return func(ctx *stream.RuntimeContext) (stream.Writer[T], error) {
		f, err := newFormat()
		if err != nil {
			return nil, err
		}
		p, err := openParts(ctx, c, f.header)
		if err != nil {
			return nil, err
		}
		return &writer[T]{parts: p, format: f}, nil
	}
}

// writer writes the records of one subtask.
type writer[T any] struct {
	*parts
	format format[T]
}

// Write formats one record.
func (w *writer[T]) Write(v *T) error {
	if err := w.begin(); err != nil {
		return err
	}
	var err error
	if w.buf, err = w.format.append(w.buf, v); err != nil {
		return fmt.Errorf("format record for %s: %w", w.name, err)
	}
	return w.end()
}
