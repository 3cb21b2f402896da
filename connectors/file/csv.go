package file

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/internal/lines"
)

// CSV reads files of comma-separated values (RFC 4180) into structs. The first record of each file names the
// columns; a column goes into the field whose tag names it, `csv:"name"`, or whose name it has, whatever the case.
// Columns without a field are left out; a field without a column is a fault of the file unless its tag says
// `csv:"name,omitempty"`. Fields are strings, numbers, bools, time.Duration and what has the methods of
// encoding.TextMarshaler and TextUnmarshaler, time.Time among them.
//
// A record may go over several lines, so a file cannot be cut: one subtask reads all of it. Paths are as for Lines.
func CSV[T any](path string, opts ...Option) stream.Source[T] {
	c := newConfig(path, opts)
	c.checkUTF8, c.whole = true, true
	columns, err := columnsOf(reflect.TypeFor[T]())
	if err != nil {
		c.faults = append(c.faults, err.Error())
	}
	src := newSource[T](c, "CSV", nil)
	src.OpenSplit = func(ctx *stream.RuntimeContext, split stream.Split) (stream.Reader[T], error) {
		parts, err := parseSplit(split)
		if err != nil {
			return nil, err
		}
		return &csvReader[T]{partReader: newPartReader(ctx, c, parts), columns: columns}, nil
	}
	return src
}

// csvReader reads the records of the files of a split.
type csvReader[T any] struct {
	partReader
	columns []column
	src     *budget
	csv     *csv.Reader // of the open part
	fields  []*column   // by column of the open part, nil for one that is left out
}

// budget limits how much one record may take from the source: an open quote would otherwise read all of it.
type budget struct {
	src   io.Reader
	left  int64
	read  int64
	limit int
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, &lines.TooLongError{Limit: b.limit}
	}
	n, err := b.src.Read(p)
	b.left -= int64(n)
	b.read += int64(n)
	return n, err
}

func (b *budget) renew() { b.left = int64(b.limit) }

// Next reads the next record that fits T.
func (r *csvReader[T]) Next(v *T) (int64, stream.Status, error) {
	for {
		var err error
		if r.csv == nil {
			err = r.nextFile()
			if errors.Is(err, errNoMoreParts) {
				return 0, stream.End, nil
			}
		} else {
			err = r.record(v)
			switch {
			case err == nil:
				return stream.NoTimestamp, stream.Record, nil
			case errors.Is(err, io.EOF):
				r.csv = nil
				if err = r.open.ended(r.src.read); err == nil {
					continue
				}
				err = r.open.fault(r.src.read, err)
			case r.csv != nil:
				if err = r.badRecord(err, ""); err != nil {
					return 0, 0, err
				}
			}
		}
		if err != nil {
			if err = r.bad(err); err != nil {
				return 0, 0, err
			}
		}
	}
}

// nextFile opens the next file and reads its header.
func (r *csvReader[T]) nextFile() error {
	if err := r.next(); err != nil {
		return err
	}
	r.src = &budget{src: r.open.src, limit: r.c.lineLimit}
	r.src.renew()
	in := bufio.NewReaderSize(r.src, 64<<10)
	if b, err := in.Peek(len(bom)); err == nil && string(b) == bom {
		_, _ = in.Discard(len(bom)) // what Peek has shown
	}
	r.csv = csv.NewReader(in)
	r.csv.Comma, r.csv.ReuseRecord = r.c.comma, true
	header, err := r.csv.Read()
	if err == nil {
		err = r.match(header)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		r.csv = nil // an empty file
		return nil
	default:
		r.csv = nil
		return r.open.fault(0, fmt.Errorf("header: %w", err))
	}
}

// match finds the fields of the columns.
func (r *csvReader[T]) match(header []string) error {
	r.fields = make([]*column, len(header))
	for i := range r.columns {
		c := &r.columns[i]
		at := slices.Index(header, c.name)
		if at < 0 {
			at = slices.IndexFunc(header, func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), c.name) })
		}
		switch {
		case at >= 0:
			r.fields[at] = c
		case !c.optional:
			return fmt.Errorf("no column %q among %q", c.name, header)
		}
	}
	return nil
}

// record reads one record into *v.
func (r *csvReader[T]) record(v *T) error {
	start := r.csv.InputOffset()
	r.src.renew()
	cells, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return err
	}
	if err != nil {
		if p, ok := errors.AsType[*csv.ParseError](err); !ok {
			r.csv = nil // the rest of the file cannot be read
		} else {
			err = fmt.Errorf("line %d, column %d: %w", p.Line, p.Column, p.Err)
		}
		return r.open.fault(start, err)
	}
	var zero T // nothing of the record before may show through
	*v = zero
	to := reflect.ValueOf(v).Elem()
	for i, cell := range cells {
		c := r.fields[i]
		switch {
		case c == nil, cell == "" && c.optional:
			continue
		case !utf8.ValidString(cell):
			err = fmt.Errorf("column %q: not valid UTF-8", c.name)
		default:
			field := to.FieldByIndex(c.index)
			if err = c.set(field, cell); err != nil {
				err = cellError(c.name, cell, field.Type(), err)
			}
		}
		if err != nil {
			line, _ := r.csv.FieldPos(i)
			return r.open.fault(start, fmt.Errorf("line %d: %w", line, err))
		}
	}
	return nil
}
