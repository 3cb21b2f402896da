package file

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/flink-go/flink-go/api/stream"
)

const (
	bufferSize = 64 << 10
	inProgress = ".inprogress"
)

// parts is the sequence of part files of one subtask. It is used by the task's goroutine only.
type parts struct {
	ctx    *stream.RuntimeContext
	c      *sinkConfig
	header []byte
	owner  string // "<job>-<random>": in names of files in progress, so that no two attempts use one

	number int // of the next part
	file   *os.File
	name   string // of file
	size   int64  // written to file, without buf
	buf    []byte
	timer  *time.Timer // for RollEvery
	err    error       // of a roll by the timer
}

// openParts prepares the directory and removes what earlier attempts of the subtask left in progress.
func openParts(ctx *stream.RuntimeContext, c *sinkConfig, header []byte) (*parts, error) {
	if err := os.MkdirAll(c.dir, 0o777); err != nil {
		return nil, fmt.Errorf("output directory: %w", err)
	}
	job := ctx.JobID().String()
	p := &parts{ctx: ctx, c: c, header: header, owner: job + "-" + strings.ToLower(rand.Text()[:10])}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("output directory: %w", err)
	}
	final := fmt.Sprintf("part-%d-", ctx.SubtaskIndex())
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, "."+final) && strings.HasSuffix(name, inProgress) && strings.Contains(name, "."+job+"-") {
			if err := os.Remove(filepath.Join(c.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("discard part of an earlier attempt: %w", err)
			}
			continue
		}
		if rest, ok := strings.CutPrefix(name, final); ok {
			digits, _, _ := strings.Cut(rest, ".")
			if n, err := strconv.Atoi(digits); err == nil && n >= p.number {
				p.number = n + 1
			}
		}
	}
	return p, nil
}

// begin makes sure that there is a file to append to.
func (p *parts) begin() error {
	if p.file != nil || p.err != nil {
		return p.err
	}
	p.name = filepath.Join(p.c.dir, fmt.Sprintf(".part-%d-%d.%s%s", p.ctx.SubtaskIndex(), p.number, p.owner, inProgress))
	f, err := os.OpenFile(p.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("begin part file: %w", err)
	}
	p.file, p.size = f, 0
	p.buf = append(p.buf[:0], p.header...)
	if p.c.rollEvery > 0 {
		// The task drops the function when it has ended; Close stops the timer.
		p.timer = time.AfterFunc(p.c.rollEvery, func() { p.ctx.Run(func() { p.rollTimed(f) }) })
	}
	return nil
}

// rollTimed finishes file f if it is still the one in progress. Its error is that of the next call.
func (p *parts) rollTimed(f *os.File) {
	if p.file == f && p.err == nil {
		p.err = p.roll()
	}
}

// end follows each record.
func (p *parts) end() error {
	if len(p.buf) >= bufferSize {
		if err := p.flush(); err != nil {
			return err
		}
	}
	if p.size+int64(len(p.buf)) >= p.c.rollSize {
		return p.roll()
	}
	return nil
}

func (p *parts) flush() error {
	n, err := p.file.Write(p.buf)
	p.size += int64(n)
	p.buf = p.buf[:0]
	if err != nil {
		return fmt.Errorf("write part file: %w", err)
	}
	return nil
}

// Flush gives what is buffered to the operating system.
func (p *parts) Flush() error {
	if p.err != nil || p.file == nil || len(p.buf) == 0 {
		return p.err
	}
	return p.flush()
}

// Finish completes the last file, after the last record.
func (p *parts) Finish() error {
	if p.err != nil || p.file == nil {
		return p.err
	}
	return p.roll()
}

// roll completes the file in progress: all of it is on disk before it gets its final name, and so is the name before
// roll returns.
func (p *parts) roll() error {
	if err := p.flush(); err != nil {
		return err
	}
	f := p.file
	p.stop()
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("complete part file: %w", err)
	}
	for {
		final := filepath.Join(p.c.dir, fmt.Sprintf("part-%d-%d%s", p.ctx.SubtaskIndex(), p.number, p.c.suffix))
		p.number++
		switch err := publish(p.name, final); {
		case errors.Is(err, fs.ErrExist):
			continue // another job writes here too
		case err != nil:
			return fmt.Errorf("complete part file: %w", err)
		}
		return syncDir(p.c.dir)
	}
}

// publish renames a file without replacing another. A link and a removal do that on every file system that has
// links; on others there is a moment in which another job's file of that name could be replaced.
func publish(from, to string) error {
	err := os.Link(from, to)
	switch {
	case err == nil:
		return os.Remove(from)
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("complete part file: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("complete part file: %w", err)
	}
	return nil
}

// stop forgets the file in progress.
func (p *parts) stop() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.file = nil
}

// Close leaves a file in progress where it is: the next attempt removes it, and after a cancellation a person may
// want it.
func (p *parts) Close() error {
	if p.file == nil {
		return nil
	}
	f := p.file
	p.stop()
	return f.Close()
}
