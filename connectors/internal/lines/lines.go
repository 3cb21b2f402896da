// Package lines cuts a byte stream into lines without copying or allocating per line.
//
// A Scanner belongs to one goroutine.
package lines

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"unsafe"
)

// ChunkSize is how much a Scanner reads at a time, unless told that there is less.
const ChunkSize = 256 << 10

// DefaultLimit is the longest line unless set otherwise.
const DefaultLimit = 64 << 20

// TooLongError says that a line is over the limit. The Scanner goes on behind that line.
type TooLongError struct{ Limit int }

func (e *TooLongError) Error() string { return fmt.Sprintf("line is longer than %d bytes", e.Limit) }

// Scanner returns the lines of a reader. Lines are substrings of chunks that are never written again once a line was
// returned from them, so they stay valid; one that is kept holds its chunk in memory.
type Scanner struct {
	src   io.Reader
	until int64 // a line that starts here or behind belongs to somebody else
	limit int

	buf  []byte
	pos  int   // start of the next line in buf
	seen int   // no line end between pos and here
	end  int   // bytes of buf that were read
	base int64 // place of buf[0] in the source
	from int64 // place of the line that was returned last
	last error // of src, reported when the lines before it are through
}

// NewScanner returns a Scanner of src, whose first byte is at place offset of the source. hint is about how many
// bytes there are, 0 if not known; limit is that of a line, 0 for DefaultLimit.
func NewScanner(src io.Reader, offset int64, hint int64, limit int) *Scanner {
	size := int64(ChunkSize)
	if hint > 0 && hint < size {
		size = hint + 1 // so that the end of the source is seen without another chunk
	}
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Scanner{src: src, until: math.MaxInt64, limit: limit, buf: make([]byte, size), base: offset}
}

// Until lets the Scanner end before the first line that starts at or behind place offset of the source.
func (s *Scanner) Until(offset int64) { s.until = offset }

// Offset returns the place in the source of the line that Next returned last, or of the error.
func (s *Scanner) Offset() int64 { return s.from }

// Read returns how far the source was read.
func (s *Scanner) Read() int64 { return s.base + int64(s.end) }

// Next returns the next line without its end, \n or \r\n. A last line needs none. After the last it returns io.EOF.
func (s *Scanner) Next() (string, error) {
	for {
		s.from = s.base + int64(s.pos)
		if i := bytes.IndexByte(s.buf[s.seen:s.end], '\n'); i >= 0 {
			if s.from >= s.until {
				return "", io.EOF
			}
			stop := s.seen + i
			line := s.buf[s.pos:stop]
			s.pos, s.seen = stop+1, stop+1
			if len(line) > s.limit {
				return "", &TooLongError{s.limit}
			}
			return text(line), nil
		}
		s.seen = s.end
		switch {
		case s.from >= s.until:
			return "", io.EOF
		case s.end-s.pos > s.limit:
			start := s.from
			s.discard()
			s.from = start
			return "", &TooLongError{s.limit}
		case s.last != nil && !errors.Is(s.last, io.EOF):
			s.from = s.Read()
			return "", s.last
		case s.last != nil && s.pos == s.end:
			return "", io.EOF
		case s.last != nil:
			line := s.buf[s.pos:s.end]
			s.pos = s.end
			return text(line), nil //nolint:nilerr // the end of the input, told by the next call
		}
		s.fill()
	}
}

// Pending tells whether Next would return something without reading.
func (s *Scanner) Pending() bool {
	return s.last != nil || bytes.IndexByte(s.buf[s.seen:s.end], '\n') >= 0
}

// text drops the \r of a line end and makes the line a string on the same memory.
func text(line []byte) string {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return unsafe.String(unsafe.SliceData(line), len(line))
}

// fill reads once, into a new chunk if this one is full.
func (s *Scanner) fill() {
	if s.end == len(s.buf) {
		part := s.buf[s.pos:s.end]
		next := make([]byte, max(ChunkSize, 2*len(part)))
		copy(next, part)
		s.base += int64(s.pos)
		s.buf, s.pos, s.seen, s.end = next, 0, len(part), len(part)
	}
	for range 100 {
		n, err := s.src.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.last = err
		}
		if n > 0 || err != nil {
			return
		}
	}
	s.last = io.ErrNoProgress
}

// SkipLine drops what comes before the first line end: the part of a line that belongs to the range before.
func (s *Scanner) SkipLine() { s.discard() }

// discard goes behind the next line end without keeping what is before it, or as far as any line of ours may start.
func (s *Scanner) discard() {
	// Lines that were returned are in the present chunk, so what comes now needs another one.
	scrap := make([]byte, len(s.buf))
	for {
		s.base += int64(s.end)
		s.buf, s.pos, s.seen, s.end = scrap, 0, 0, 0
		if s.last == nil && s.base < s.until {
			s.fill()
		}
		if i := bytes.IndexByte(s.buf[:s.end], '\n'); i >= 0 {
			s.pos, s.seen = i+1, i+1
			return
		}
		if s.last != nil || s.base >= s.until {
			s.pos, s.seen = s.end, s.end
			return
		}
	}
}
