package process

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// rotatedSuffix is added to the name of the one older file that is kept.
const rotatedSuffix = ".1"

// tailSize is how much of the end of a stream is kept in memory for the cause of a failure, and how much after a mark
// of a fatal error: a dying Go process says first what happened and where, and lists other goroutines afterwards.
const tailSize = 8 << 10

// stream carries one output stream of a worker into a file of bounded size. The worker writes into a pipe, so that it
// cannot fill the disk.
type stream struct {
	r, w  *os.File // of the pipe; w is the worker's end
	path  string
	limit int64

	file  *os.File
	size  int64
	lost  error // why writing was given up
	once  sync.Once
	mu    sync.Mutex
	last  []byte // at most 2*tailSize
	fatal []byte // what followed the first mark of a fatal error
	found bool
}

// newStream takes over file, which it closes.
func newStream(file *os.File, limit int64) (*stream, error) {
	r, w, err := os.Pipe()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("making the pipe for %s: %w", file.Name(), err)
	}
	return &stream{r: r, w: w, path: file.Name(), limit: limit, file: file}, nil
}

// copy runs until the worker's end is closed everywhere, or abandon. It first closes this process's copy of that end.
func (s *stream) copy() {
	_ = s.w.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := s.r.Read(buf)
		if n > 0 {
			s.take(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

func (s *stream) take(b []byte) {
	s.mu.Lock()
	s.last = append(s.last, b...)
	s.keepFatal(b)
	if over := len(s.last) - tailSize; over > tailSize {
		s.last = append(s.last[:0], s.last[over:]...)
	}
	s.mu.Unlock()
	if s.lost != nil {
		return
	}
	if s.size+int64(len(b)) > s.limit && s.size > 0 {
		s.rotate()
	}
	if s.file == nil {
		return
	}
	n, err := s.file.Write(b)
	s.size += int64(n)
	if err != nil {
		s.lost = err // a full disk must not stop the worker: its output is lost from here on
	}
}

// keepFatal keeps the beginning of a runtime's last words: the list of goroutines after it may be long.
func (s *stream) keepFatal(b []byte) {
	if !s.found {
		i, _ := fatalStart(s.last)
		if i < 0 {
			return
		}
		s.found = true
		b = s.last[i:]
	}
	if room := tailSize - len(s.fatal); room > 0 {
		s.fatal = append(s.fatal, b[:min(room, len(b))]...)
	}
}

// rotate puts the file aside, over the older one, and begins a new one with a note.
func (s *stream) rotate() {
	_ = s.file.Close()
	s.file = nil
	if err := os.Rename(s.path, s.path+rotatedSuffix); err != nil {
		s.lost = err
		return
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		s.lost = err
		return
	}
	s.file = f
	n, _ := fmt.Fprintf(f, "[%s: the file reached its limit of %d bytes; what came just before is in %s, older output was dropped]\n",
		time.Now().UTC().Format(time.RFC3339), s.limit, s.path+rotatedSuffix)
	s.size = int64(n)
}

// tail returns the end of the stream, or what follows the first mark of a fatal error.
func (s *stream) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found {
		return string(s.fatal)
	}
	return string(s.last[max(0, len(s.last)-tailSize):])
}

// abandon ends copy although somebody holds the other end.
func (s *stream) abandon() { s.once.Do(func() { _ = s.r.Close() }) }

// close ends the stream after copy, or without it.
func (s *stream) close() {
	s.abandon()
	_ = s.w.Close()
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
}
