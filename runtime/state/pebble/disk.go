package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/flink-go/flink-go/graph/keyed"
)

// Bounds of what a Config asks for.
const (
	minMemory = 8 << 20 // less would spend its time writing tiny files
	minFiles  = 64
)

// Config says where the stores of a worker are and what they may use.
type Config struct {
	// Dir takes a directory of this worker's own; it is made if it is not there.
	Dir string
	// Memory bounds what all stores take together, in bytes, at least 8 MiB: half of it is for blocks and writes
	// below, half for decoded state above, see Store.CacheBudget.
	Memory int64
	// Subtasks is how many stores are to be expected; memory that is not shared is divided by it. 0 is 1.
	Subtasks int
	// Files bounds the open files; 0 is 1000.
	Files int
	Log   *slog.Logger

	fs vfs.FS // nil: the machine's
}

// Disk is where the subtasks of a worker keep their stores.
type Disk struct {
	cfg   Config
	path  string
	lock  *os.File
	cache *pebble.Cache
	files *pebble.FileCache

	mu     sync.Mutex
	opened int // stores so far, for their names
}

// prefix begins the names of the directories of workers.
const prefix = "flink-go-state-"

// Open makes a directory for a worker and removes those of workers that are no more.
func Open(cfg Config) (*Disk, error) {
	cfg.Memory = max(cfg.Memory, minMemory)
	cfg.Subtasks = max(cfg.Subtasks, 1)
	if cfg.Files == 0 {
		cfg.Files = 1000
	}
	cfg.Files = max(cfg.Files, minFiles)
	if cfg.fs == nil {
		cfg.fs = vfs.Default
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	fail := func(err error) (*Disk, error) {
		return nil, fmt.Errorf("open directory for state in %s: %w", cfg.Dir, err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return fail(err)
	}
	removeStale(cfg.Dir, cfg.Log)
	path, err := os.MkdirTemp(cfg.Dir, prefix)
	if err != nil {
		return fail(err)
	}
	lock, err := tryLock(path)
	if err != nil {
		return fail(errors.Join(err, os.RemoveAll(path)))
	}
	return &Disk{
		cfg: cfg, path: path, lock: lock,
		cache: pebble.NewCache(cfg.Memory / 2),
		files: pebble.NewFileCache(1, cfg.Files),
	}, nil
}

// lockName is the file that a living worker holds locked. The kernel gives it free, however the worker ends.
const lockName = "lock"

func tryLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	return f, nil
}

// removeStale removes what killed workers left. A directory without a lock file may have been made this instant, so
// it stays.
func removeStale(base string, log *slog.Logger) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(base, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(path, lockName)); err != nil {
			continue
		}
		lock, err := tryLock(path)
		if err != nil {
			continue // in use, or another user's
		}
		if err := os.RemoveAll(path); err != nil {
			log.Warn("removing the state of a worker that is gone", "dir", path, "cause", err)
		} else {
			log.Info("removed the state of a worker that is gone", "dir", path)
		}
		_ = lock.Close()
	}
}

// Close removes the directory. All stores must be closed.
func (d *Disk) Close() error {
	d.files.Unref()
	d.cache.Unref()
	if err := errors.Join(os.RemoveAll(d.path), d.lock.Close()); err != nil {
		return fmt.Errorf("remove directory for state: %w", err)
	}
	return nil
}

// Store opens the store of a subtask; name is for people who look into the directory.
func (d *Disk) Store(name string) (*Store, error) {
	d.mu.Lock()
	d.opened++
	path := filepath.Join(d.path, fmt.Sprintf("%d-%s", d.opened, fileName(name)))
	d.mu.Unlock()
	budget := keyed.NewCacheBudget(d.cfg.Memory / 2 / int64(d.cfg.Subtasks))
	s := &Store{path: path, fs: newFaultFS(d.cfg.fs), budget: budget}
	db, err := pebble.Open(path, d.options(s.fs))
	if err == nil {
		err = s.fs.fault()
	}
	if err != nil {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
		return nil, fmt.Errorf("open state in %s: %w", path, errors.Join(err, os.RemoveAll(path)))
	}
	s.db, s.batch = db, db.NewBatch()
	return s, nil
}

// fileName is name without what a path must not have.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), 64)]
}

// logger is what pebble says, at the levels of this project. Faults reach the task by faultFS and by the errors of
// operations.
type logger struct {
	log *slog.Logger
	fs  *faultFS
}

func (l logger) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("pebble", "text", fmt.Sprintf(format, args...))
	}
}

func (l logger) Errorf(format string, args ...any) {
	l.log.Warn("pebble", "text", fmt.Sprintf(format, args...))
}

// Fatalf must not return. A broken invariant of the store ends the process as any other one would.
func (l logger) Fatalf(format string, args ...any) {
	panic(fmt.Errorf("pebble: "+format, args...))
}
