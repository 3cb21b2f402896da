package file

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flink-go/flink-go/api/stream"
)

const (
	minSplitSize     = 1 << 20 // a smaller one is not worth its way through the JobMaster
	splitsPerSubtask = 4       // enough that subtasks end at about the same time
	maxPartsPerSplit = 1000
	splitsPerReport  = 64
)

// part is a range of a file: the lines that start in [From, To).
type part struct {
	Path     string    `json:"path"`
	From     int64     `json:"from"`
	To       int64     `json:"to"`
	Size     int64     `json:"size"` // of the file when it was found
	Modified time.Time `json:"modified"`
}

// compression is how a file is compressed, "" if it is not.
func compression(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".gz", ".gzip":
		return "gzip"
	case ".zst", ".zstd":
		return "zstd"
	}
	return ""
}

// enumerate finds the files and reports them as splits. It finds all files before it makes splits, so that splits
// have about equal sizes and ids do not depend on timing.
func (c *config) enumerate(ctx *stream.RuntimeContext, found func(...stream.Split)) error {
	files, err := c.find(func() error { return ctx.Context().Err() })
	if err != nil {
		return err
	}
	splits, err := c.cut(files, ctx.Parallelism())
	if err != nil {
		return err
	}
	for report := range slices.Chunk(splits, splitsPerReport) {
		found(report...)
	}
	return nil
}

// find lists the files that the paths stand for, each once, in order of their names.
func (c *config) find(canceled func() error) ([]part, error) {
	var files []part
	seen := make(map[string]bool)
	add := func(path string, info fs.FileInfo) {
		if path = filepath.Clean(path); !seen[path] {
			seen[path] = true
			files = append(files, part{Path: path, To: info.Size(), Size: info.Size(), Modified: info.ModTime().UTC()})
		}
	}
	for _, path := range c.paths {
		matches := []string{path}
		if _, err := os.Stat(path); err != nil && strings.ContainsAny(path, `*?[`) {
			if matches, err = filepath.Glob(path); err != nil {
				return nil, fmt.Errorf("pattern %q: %w", path, err)
			}
			matches = slices.DeleteFunc(matches, func(m string) bool { return hidden(filepath.Base(m)) })
			if len(matches) == 0 {
				return nil, fmt.Errorf("no file matches %q%s", path, onThisMachine())
			}
		}
		for _, m := range matches {
			info, err := os.Stat(m)
			switch {
			case err != nil:
				return nil, fmt.Errorf("find input: %w%s", err, onThisMachine())
			case info.IsDir():
				err = c.walk(m, add, canceled)
			case !info.Mode().IsRegular():
				err = fmt.Errorf("%s is no regular file (%s)", m, info.Mode().Type())
			default:
				add(m, info)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(files, func(a, b part) int { return cmp.Compare(a.Path, b.Path) })
	return files, nil
}

// walk adds the regular files below dir. Symbolic links to files are followed, those to directories are not: they
// may lead in circles.
func (c *config) walk(dir string, add func(string, fs.FileInfo), canceled func() error) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err := cmp.Or(err, canceled()); err != nil {
			return err
		}
		switch {
		case path == dir:
			return nil
		case d.IsDir() && (c.flat || hidden(d.Name())):
			return fs.SkipDir
		case d.IsDir() || hidden(d.Name()):
			return nil
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // removed meanwhile, or a link to nothing
		case err != nil:
			return err
		case info.Mode().IsRegular():
			add(path, info)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find input below %s: %w", dir, err)
	}
	return nil
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") && name != "." && name != ".." }

// onThisMachine names the machine: a file that only the client has is a common mistake (B-48).
func onThisMachine() string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return " (on " + host + ")"
}

// cut makes splits of files: ranges of large ones, several small ones together.
func (c *config) cut(files []part, subtasks int) ([]stream.Split, error) {
	var total int64
	for _, f := range files {
		total += f.Size
	}
	size := min(max(total/int64(subtasks*splitsPerSubtask), minSplitSize), c.splitSize)
	var splits []stream.Split
	var parts []part
	var filled int64
	flush := func() error {
		if len(parts) == 0 {
			return nil
		}
		s, err := newSplit(parts)
		splits = append(splits, s)
		parts, filled = nil, 0
		return err
	}
	for _, f := range files {
		if f.Size == 0 {
			continue
		}
		for from := int64(0); from < f.Size; {
			p := f
			p.From = from
			if !c.whole && compression(f.Path) == "" {
				// The rest goes into this split too if it is small.
				if room := size - filled; f.Size-from > room+size/8 {
					p.To = from + room
				}
			}
			parts = append(parts, p)
			filled += p.To - p.From
			from = p.To
			if filled >= size || len(parts) >= maxPartsPerSplit {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	return splits, flush()
}

// newSplit names a split by its place and by all that is in it: after a change of the files the same id never stands
// for other bytes.
func newSplit(parts []part) (stream.Split, error) {
	data, err := json.Marshal(parts)
	if err != nil {
		return stream.Split{}, fmt.Errorf("encode split: %w", err)
	}
	sum := sha256.Sum256(data)
	return stream.Split{
		ID:   fmt.Sprintf("%s:%d-%s", parts[0].Path, parts[0].From, hex.EncodeToString(sum[:8])),
		Data: data,
	}, nil
}

func parseSplit(s stream.Split) ([]part, error) {
	var parts []part
	if err := json.Unmarshal(s.Data, &parts); err != nil {
		return nil, fmt.Errorf("decode split %s: %w", s.ID, err)
	}
	for _, p := range parts {
		if p.From < 0 || p.To < p.From || p.Size < p.To {
			return nil, fmt.Errorf("decode split %s: bytes %d to %d of %d of %s", s.ID, p.From, p.To, p.Size, p.Path)
		}
	}
	return parts, nil
}
