package file

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/internal/lines"
	"github.com/flink-go/flink-go/graph/operator"
)

const (
	bom           = "\ufeff"
	loggedSkips   = 10        // per reader
	maxZstdWindow = 128 << 20 // what zstd --long makes at most
)

// errBadRecord marks errors after which the next record can still be read.
type errBadRecord struct{ error }

func (e errBadRecord) Unwrap() error { return e.error }

// partReader opens the parts of a split one after the other and applies the policy to what is wrong with them.
type partReader struct {
	ctx     *stream.RuntimeContext
	c       *config
	parts   []part // the one being read first
	open    *openPart
	skipped *operator.Counter
	logged  int
}

// openPart is a file that is being read.
type openPart struct {
	part
	file   *os.File
	src    io.Reader // of the decompressed bytes
	closer func()    // of the decompressor
}

func newPartReader(ctx *stream.RuntimeContext, c *config, parts []part) partReader {
	r := partReader{ctx: ctx, c: c, parts: parts}
	if c.skipBad {
		r.skipped = ctx.Counter("skippedRecords")
	}
	return r
}

// errNoMoreParts ends a split. It is not io.EOF, which errors of files may wrap.
var errNoMoreParts = errors.New("no more parts")

// next opens the next part, with errNoMoreParts after the last.
func (r *partReader) next() error {
	r.Close()
	if len(r.parts) == 0 {
		return errNoMoreParts
	}
	p := r.parts[0]
	r.parts = r.parts[1:]
	o, err := openFile(p)
	if err != nil {
		return err
	}
	r.open = o
	return nil
}

// Close closes the file that is open. Nothing was written to it, so that closing has no errors of interest.
func (r *partReader) Close() error {
	if r.open != nil {
		r.open.close()
		r.open = nil
	}
	return nil
}

func (o *openPart) close() {
	if o.closer != nil {
		o.closer()
	}
	_ = o.file.Close()
}

// openFile opens the file of p at its start, and makes sure that it is the one that was found.
func openFile(p part) (*openPart, error) {
	f, err := os.Open(p.Path)
	if err != nil {
		return nil, fmt.Errorf("read input: %w%s", err, onThisMachine())
	}
	o := &openPart{part: p, file: f, src: f}
	if err := o.check(); err != nil {
		o.close()
		return nil, err
	}
	switch compression(p.Path) {
	case "gzip":
		z, err := gzip.NewReader(bufio.NewReaderSize(f, lines.ChunkSize))
		if err != nil {
			o.close()
			return nil, fmt.Errorf("%s, byte 0: %w", p.Path, err)
		}
		o.src = z
	case "zstd":
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			o.close()
			return nil, fmt.Errorf("%s, byte 0: %w", p.Path, err)
		}
		o.src, o.closer = z, z.Close
	}
	return o, nil
}

// check compares the file with the one that was found. One that has grown is taken for the same.
func (o *openPart) check() error {
	info, err := o.file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("read input: %w", err)
	case info.Size() < o.Size:
		return fmt.Errorf("%s, byte %d: the file shrank to %d bytes, it had %d when it was found", o.Path, o.From, info.Size(), o.Size)
	case info.Size() == o.Size && !info.ModTime().Equal(o.Modified):
		return fmt.Errorf("%s, byte %d: the file was replaced: modified %s, it was %s when it was found", o.Path, o.From,
			info.ModTime().UTC().Format("2006-01-02T15:04:05.000Z"), o.Modified.Format("2006-01-02T15:04:05.000Z"))
	}
	return nil
}

// fault says where in the file err is, in words for the common ones.
func (o *openPart) fault(offset int64, err error) error {
	where := fmt.Sprintf("%s, byte %d", o.Path, offset)
	kind := compression(o.Path)
	if kind != "" {
		where += " of the decompressed text"
	}
	if kind != "" && errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: the %s file is cut short", where, kind)
	}
	return fmt.Errorf("%s: %w", where, err)
}

// ended is the error of a file that ended after so many bytes, nil if all were there.
func (o *openPart) ended(read int64) error {
	if compression(o.Path) != "" || read >= o.To {
		return nil
	}
	return fmt.Errorf("the file shrank while it was read, it had %d bytes when it was found", o.Size)
}

// badRecord applies the policy to an error of one record. With Fail it is the policy of the source's operator that
// counts, which may send raw to its dead letters.
func (r *partReader) badRecord(err error, raw string) error {
	if !r.c.skipBad {
		return &stream.BadRecord{Raw: []byte(raw), Err: err}
	}
	return r.bad(err)
}

// bad applies the policy to an error: nil if reading goes on behind it.
func (r *partReader) bad(err error) error {
	if !r.c.skipBad {
		return err
	}
	r.skipped.Add(1)
	if r.logged++; r.logged <= loggedSkips {
		r.ctx.Log().Warn("input skipped", "reason", err)
	}
	return nil
}

// lineReader reads the lines of a split.
type lineReader[T any] struct {
	partReader
	decode func(line string, v *T) error
	scan   *lines.Scanner // of the open part
}

// Next reads the next line that decodes.
func (r *lineReader[T]) Next(v *T) (int64, stream.Status, error) {
	for {
		if r.scan != nil {
			line, err := r.scan.Next()
			if err == nil {
				if err = r.take(line, v); err == nil {
					return stream.NoTimestamp, stream.Record, nil
				}
			}
			if errors.Is(err, errNoRecord) {
				continue
			}
			if err = r.broken(err, line); err != nil {
				return 0, 0, err
			}
			continue
		}
		switch err := r.nextScanner(); {
		case errors.Is(err, errNoMoreParts):
			return 0, stream.End, nil
		case err != nil:
			if err := r.bad(err); err != nil {
				return 0, 0, err
			}
		}
	}
}

// errNoRecord says that a line holds no record, such as an empty line between JSON texts.
var errNoRecord = errors.New("no record")

// take decodes a line.
func (r *lineReader[T]) take(line string, v *T) error {
	if r.scan.Offset() == 0 {
		line = strings.TrimPrefix(line, bom)
	}
	if r.c.checkUTF8 && !utf8.ValidString(line) {
		return errBadRecord{errors.New("not valid UTF-8")}
	}
	return r.decode(line, v)
}

// broken handles an error of a line; after one that leaves nothing to go on with the part is given up.
func (r *lineReader[T]) broken(err error, line string) error {
	o, offset := r.open, r.scan.Offset()
	_, tooLong := errors.AsType[*lines.TooLongError](err)
	_, badRecord := errors.AsType[errBadRecord](err)
	if tooLong || badRecord {
		return r.badRecord(o.fault(offset, err), line)
	}
	read := r.scan.Read()
	r.scan = nil
	if errors.Is(err, io.EOF) {
		if err = o.ended(read); err == nil {
			return nil
		}
		offset = read
	}
	return r.bad(o.fault(offset, err))
}

// nextScanner opens the next part for reading by lines.
func (r *lineReader[T]) nextScanner() error {
	if err := r.next(); err != nil {
		return err
	}
	o := r.open
	if compression(o.Path) != "" {
		r.scan = lines.NewScanner(o.src, 0, 0, r.c.lineLimit)
		return nil
	}
	start := max(o.From-1, 0)
	if _, err := o.file.Seek(start, io.SeekStart); err != nil {
		return fmt.Errorf("%s, byte %d: %w", o.Path, start, err)
	}
	r.scan = lines.NewScanner(o.src, start, o.Size-start, r.c.lineLimit)
	r.scan.Until(o.To)
	if o.From > 0 {
		// The line that byte From is in belongs to the part before, unless byte From-1 ends a line.
		r.scan.SkipLine()
	}
	return nil
}
