// Package stdio has sinks that print records on the standard output or error of the process that runs the subtask:
// the program itself when it runs embedded, a worker, whose output the dashboard shows, on a cluster.
//
//	stream.To(counts, stdio.Print)
package stdio

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/flink-go/flink-go/api/stream"
)

// bufferSize is how much text is gathered while the task has no idle moment.
const bufferSize = 32 << 10

// Print writes each record as a line to the standard output: strings as they are, others as fmt.Sprintf("%+v") does.
// With more than one subtask a line begins with the number of its subtask, counted from 1, and "> ", as Flink's
// print does. Lines of different subtasks do not mix.
func Print[T any](ctx *stream.RuntimeContext) (stream.Writer[T], error) {
	return newPrinter[T](os.Stdout, ctx.SubtaskIndex(), ctx.Parallelism()), nil
}

// PrintErr is Print for the standard error.
func PrintErr[T any](ctx *stream.RuntimeContext) (stream.Writer[T], error) {
	return newPrinter[T](os.Stderr, ctx.SubtaskIndex(), ctx.Parallelism()), nil
}

// printer gathers whole lines and writes them at once, so that those of other subtasks do not come between.
type printer[T any] struct {
	out    io.Writer
	prefix string
	buf    []byte
	text   func(dst []byte, v *T) []byte
}

func newPrinter[T any](out io.Writer, subtask, parallelism int) *printer[T] {
	p := &printer[T]{out: out, text: func(dst []byte, v *T) []byte { return fmt.Appendf(dst, "%+v", *v) }}
	if parallelism > 1 {
		p.prefix = strconv.Itoa(subtask+1) + "> "
	}
	switch any((*T)(nil)).(type) {
	case *string:
		p.text = func(dst []byte, v *T) []byte { return append(dst, *any(v).(*string)...) }
	case *int:
		p.text = func(dst []byte, v *T) []byte { return strconv.AppendInt(dst, int64(*any(v).(*int)), 10) }
	case *int64:
		p.text = func(dst []byte, v *T) []byte { return strconv.AppendInt(dst, *any(v).(*int64), 10) }
	}
	return p
}

// Write gathers one line.
func (p *printer[T]) Write(v *T) error {
	p.buf = append(p.buf, p.prefix...)
	p.buf = append(p.text(p.buf, v), '\n')
	if len(p.buf) >= bufferSize {
		return p.Flush()
	}
	return nil
}

// Flush writes what was gathered.
func (p *printer[T]) Flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	_, err := p.out.Write(p.buf)
	if p.buf = p.buf[:0]; cap(p.buf) > 16*bufferSize {
		p.buf = nil // after a record of unusual size
	}
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// Close prints what is left, so that the last lines before a failure are seen.
func (p *printer[T]) Close() error { return p.Flush() }
