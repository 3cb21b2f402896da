package pebble

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// smallDisk is a file system that is full after so many bytes.
type smallDisk struct {
	vfs.FS
	left atomic.Int64
}

func (d *smallDisk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return &smallFile{f, d}, nil
}

type smallFile struct {
	vfs.File
	disk *smallDisk
}

func (f *smallFile) Write(p []byte) (int, error) {
	if f.disk.left.Add(-int64(len(p))) < 0 {
		return 0, &os.PathError{Op: "write", Path: "state", Err: syscall.ENOSPC}
	}
	return f.File.Write(p)
}

// TestFullDiskIsAnError: not a process that ends, nor a task that hangs.
func TestFullDiskIsAnError(t *testing.T) {
	for _, size := range []int64{0, 1 << 10, 1 << 20, 3 << 20} {
		disk := &smallDisk{FS: vfs.Default}
		disk.left.Store(size)
		d, err := Open(Config{Dir: t.TempDir(), Memory: 1, fs: disk})
		if err != nil {
			t.Fatal(err)
		}
		s, err := d.Store("count")
		if err == nil {
			value := make([]byte, 100)
			rng := rand.NewChaCha8([32]byte{})
			for i := uint64(0); err == nil && i < 1<<20; i++ {
				_, _ = rng.Read(value)
				err = s.Set(binary.BigEndian.AppendUint64(nil, rng.Uint64()), value)
			}
			if _, _, again := s.Get([]byte("key"), nil); again == nil {
				t.Errorf("%d bytes: the store works on after %v", size, err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
		if err == nil || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), d.path) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestDirectoriesGoWithTheirOwners(t *testing.T) {
	base := filepath.Join(t.TempDir(), "made", "when needed")
	first, err := Open(Config{Dir: base})
	if err != nil {
		t.Fatal(err)
	}
	// What a killed worker leaves: its lock is free.
	stale := filepath.Join(base, prefix+"stale")
	if err := os.MkdirAll(filepath.Join(stale, "1-count"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(stale, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(base, "something else")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	second, err := Open(Config{Dir: base})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("what a killed worker left is still there")
	}
	for _, path := range []string{first.path, second.path, other} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	s, err := second.Store("Source: orders -> count/0")
	if err != nil {
		t.Fatal(err)
	}
	if got := entries(t, second.path); len(got) != 2 {
		t.Errorf("directory of a worker with one store: %q", got)
	}
	if err := s.Set([]byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, second.path); len(got) != 1 {
		t.Errorf("directory of a worker whose store is closed: %q", got)
	}
	for _, d := range []*Disk{first, second} {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := entries(t, base); len(got) != 1 {
		t.Errorf("after the end: %q", got)
	}
}

func TestOpenNamesTheDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: filepath.Join(file, "state")}); err == nil || !strings.Contains(err.Error(), filepath.Join(file, "state")) {
		t.Errorf("state in a file: %v", err)
	}
}
