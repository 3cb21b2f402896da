package pebble

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// faultFS is the file system of a store. It differs from the machine's in two things.
//
// It never syncs: the state does not outlive its process.
//
// It never tells pebble that a write failed. Pebble would try again for ever, or give the process up, and all that is
// to end is the attempt. The first error is kept for the task instead, and from then on writes are dropped: until the
// task has seen the error, at its next access, pebble goes on with files that nobody will read.
type faultFS struct {
	vfs.FS
	void  vfs.FS // takes the files that are made after a fault
	first atomic.Pointer[error]
	mute  atomic.Bool // writes are dropped
}

func newFaultFS(fs vfs.FS) *faultFS { return &faultFS{FS: fs, void: vfs.NewMem()} }

// fail notes an error, unless there is one.
func (f *faultFS) fail(err error) {
	if f.mute.Load() && f.first.Load() == nil {
		return // of a store that is being closed
	}
	f.first.CompareAndSwap(nil, &err)
	f.mute.Store(true)
}

// fault is the first error, nil if there is none.
func (f *faultFS) fault() error {
	if err := f.first.Load(); err != nil {
		return *err
	}
	return nil
}

// discard drops all writes from now on: the store is no longer needed.
func (f *faultFS) discard() { f.mute.Store(true) }

// noted keeps an error from pebble.
func (f *faultFS) noted(err error) error {
	if err != nil {
		f.fail(err)
	}
	return nil
}

// Create implements vfs.FS.
func (f *faultFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !f.mute.Load() {
		file, err := f.FS.Create(name, category)
		if err == nil {
			return &faultFile{file, f}, nil
		}
		f.fail(err)
	}
	if err := f.void.MkdirAll(f.void.PathDir(name), 0o700); err != nil {
		return nil, err
	}
	return f.void.Create(name, category)
}

// ReuseForWrite implements vfs.FS.
func (f *faultFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	_ = f.noted(f.Remove(oldname))
	return f.Create(newname, category)
}

// OpenReadWrite implements vfs.FS.
func (f *faultFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, category, opts...)
	if err != nil {
		return nil, err
	}
	return &faultFile{file, f}, nil
}

// Open implements vfs.FS.
func (f *faultFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.Open(name, opts...)
	if err != nil && f.mute.Load() {
		return f.void.Open(name, opts...)
	}
	return file, err
}

// OpenDir implements vfs.FS.
func (f *faultFS) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &faultFile{dir, f}, nil
}

// Link implements vfs.FS.
func (f *faultFS) Link(oldname, newname string) error {
	return f.noted(f.FS.Link(oldname, newname))
}

// Rename implements vfs.FS.
func (f *faultFS) Rename(oldname, newname string) error {
	if f.mute.Load() {
		return nil
	}
	return f.noted(f.FS.Rename(oldname, newname))
}

// Unwrap implements vfs.FS.
func (f *faultFS) Unwrap() vfs.FS { return f.FS }

// faultFile is a file of a faultFS.
type faultFile struct {
	vfs.File
	fs *faultFS
}

// Write implements vfs.File.
func (f *faultFile) Write(p []byte) (int, error) {
	if f.fs.mute.Load() {
		return len(p), nil
	}
	_, err := f.File.Write(p)
	return len(p), f.fs.noted(err)
}

// WriteAt implements vfs.File.
func (f *faultFile) WriteAt(p []byte, at int64) (int, error) {
	if f.fs.mute.Load() {
		return len(p), nil
	}
	_, err := f.File.WriteAt(p, at)
	return len(p), f.fs.noted(err)
}

// Preallocate implements vfs.File.
func (f *faultFile) Preallocate(int64, int64) error { return nil }

// Sync implements vfs.File.
func (f *faultFile) Sync() error { return nil }

// SyncTo implements vfs.File.
func (f *faultFile) SyncTo(int64) (fullSync bool, err error) { return false, nil }

// SyncData implements vfs.File.
func (f *faultFile) SyncData() error { return nil }
