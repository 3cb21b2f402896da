package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/flink-go/flink-go/core"
)

// workDir is a directory that one process has for itself while it lives.
type workDir struct {
	path string
	lock *os.File
}

// openWorkDir makes base/name if need be and locks it. A directory that another process uses is refused, and the
// error names that process (B-17). The lock goes with the process, however it ends.
func openWorkDir(base, name string) (*workDir, error) {
	fail := func(kind core.Kind, err error) error { return core.E("open working directory", kind, "", err) }
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, fail(core.Invalid, err)
	}
	path := filepath.Join(base, name)
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fail(core.Invalid, err)
	}
	if info, err := os.Lstat(path); err != nil {
		return nil, fail(core.Invalid, err)
	} else if !info.IsDir() {
		return nil, fail(core.Invalid, fmt.Errorf("%s is not a directory", path))
	} else if info.Mode().Perm()&0o077 != 0 {
		return nil, fail(core.PermissionDenied, fmt.Errorf("%s may be used by others (mode %#o): want 0700", path, info.Mode().Perm()))
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fail(core.Invalid, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		owner := readPid(lock)
		_ = lock.Close()
		return nil, fail(core.Conflict, fmt.Errorf("%s is in use by process %s", path, owner))
	}
	if err := writePid(lock); err != nil {
		_ = lock.Close()
		return nil, fail(core.Invalid, err)
	}
	return &workDir{path, lock}, nil
}

func readPid(f *os.File) string {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0)
	if pid := strings.TrimSpace(string(b[:n])); pid != "" {
		return pid
	}
	return "unknown"
}

func writePid(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// sub makes a directory inside.
func (w *workDir) sub(name string) (string, error) {
	path := filepath.Join(w.path, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", core.E("make directory", core.Invalid, "", err)
	}
	return path, nil
}

// close gives the directory free; remove deletes it with all that is in it.
func (w *workDir) close(remove bool) error {
	var err error
	if remove {
		err = os.RemoveAll(w.path)
	}
	return errors.Join(err, w.lock.Close())
}
