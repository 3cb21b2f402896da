package file

import (
	"fmt"
	"strings"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/internal/lines"
)

// DefaultSplitSize is the largest split unless set otherwise.
const DefaultSplitSize = 64 << 20

// Option changes how files are read.
type Option func(*config)

// config is how files are read.
type config struct {
	paths     []string
	splitSize int64
	lineLimit int
	flat      bool // directories without those in them
	checkUTF8 bool
	whole     bool // files are not cut
	skipBad   bool
	comma     rune
	faults    []string // of the options
}

// SplitSize sets the largest split, in bytes.
func SplitSize(n int64) Option {
	return func(c *config) {
		if n <= 0 {
			c.faults = append(c.faults, fmt.Sprintf("split size %d: want at least 1", n))
			return
		}
		c.splitSize = n
	}
}

// LineLimit sets the longest line, in bytes. The default is 64 MiB.
func LineLimit(n int) Option {
	return func(c *config) {
		if n <= 0 {
			c.faults = append(c.faults, fmt.Sprintf("line limit %d: want at least 1", n))
			return
		}
		c.lineLimit = n
	}
}

// Flat leaves out the directories inside a directory.
func Flat() Option { return func(c *config) { c.flat = true } }

// ValidUTF8 makes a line that is not UTF-8 a bad record. Lines passes bytes on as they are without it; JSON and CSV
// always check.
func ValidUTF8() Option { return func(c *config) { c.checkUTF8 = true } }

// Comma sets the delimiter of CSV files.
func Comma(r rune) Option { return func(c *config) { c.comma = r } }

// Policy says what happens with a record that cannot be read.
type Policy uint8

// The policies.
const (
	Fail Policy = iota // the attempt fails with file, byte offset and reason, unless the source has dead letters
	Skip               // it is left out, counted in the metric "skippedRecords", and the first ones are logged
)

// OnBadRecord sets the policy for records that cannot be read: a line that is too long, not JSON, not UTF-8; the rest
// of a file that is missing, cut short or changed while it was read, counted as one. The default is Fail, which leaves
// single records to Stream.OnError and stream.DeadLetters.
func OnBadRecord(p Policy) Option { return func(c *config) { c.skipBad = p == Skip } }

// In reads from paths in addition to the one that the source was given: files, directories or patterns.
func In(paths ...string) Option { return func(c *config) { c.paths = append(c.paths, paths...) } }

func newConfig(path string, opts []Option) *config {
	c := &config{paths: []string{path}, splitSize: DefaultSplitSize, lineLimit: lines.DefaultLimit, comma: ','}
	for _, o := range opts {
		o(c)
	}
	for _, p := range c.paths {
		if p == "" {
			c.faults = append(c.faults, "a path is empty: name a file, a directory or a pattern")
		}
	}
	return c
}

// Lines reads text by lines, without their ends. A path is a file, a directory, which stands for all files in and
// below it but hidden ones (names that begin with a dot), or a pattern of path/filepath.Match. Files whose name ends
// in .gz or .zst are decompressed.
//
// A line is a string into a 256 KiB chunk of the file: strings.Clone a short one that is kept for long.
func Lines(path string, opts ...Option) stream.Source[string] {
	c := newConfig(path, opts)
	return newSource(c, "Lines", func(line string, v *string) error {
		*v = line
		return nil
	})
}

// newSource makes a source of lines that decode turns into records.
func newSource[T any](c *config, name string, decode func(line string, v *T) error) stream.Source[T] {
	return stream.Source[T]{
		Name:      name + " " + strings.Join(c.paths, " "),
		Bounded:   true,
		Faults:    c.faults,
		Enumerate: c.enumerate,
		OpenSplit: func(ctx *stream.RuntimeContext, split stream.Split) (stream.Reader[T], error) {
			parts, err := parseSplit(split)
			if err != nil {
				return nil, err
			}
			return &lineReader[T]{partReader: newPartReader(ctx, c, parts), decode: decode}, nil
		},
	}
}
