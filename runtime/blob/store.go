package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/flink-go/flink-go/core"
)

// Store is a directory of blobs, each a file named by the SHA-256 of its content. A file is there whole or not at
// all: it is written under another name, synced, and renamed.
type Store struct{ dir string }

// tempPattern names files that are being written; what a crash leaves of them is removed by Open.
const tempPattern = ".tmp-*"

// NewStore opens the store in dir, which is made if needed. Unfinished files of an earlier process are removed, so a
// directory belongs to one writing process at a time.
func NewStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, core.E("open blob store", core.Internal, dir, err)
	}
	unfinished, err := filepath.Glob(filepath.Join(dir, tempPattern))
	if err != nil {
		return nil, core.E("open blob store", core.Internal, dir, err)
	}
	for _, path := range unfinished {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, core.E("open blob store", core.Internal, dir, err)
		}
	}
	return &Store{dir}, nil
}

// Dir is the directory of the store.
func (s *Store) Dir() string { return s.dir }

// Path is where the blob of a key is, or would be.
func (s *Store) Path(key core.BlobKey) string { return filepath.Join(s.dir, key.String()) }

// Put stores what r gives, up to limit bytes (kind TooLarge beyond; 0: no limit), and returns its key and size. A
// blob that is there already is stored once.
func (s *Store) Put(ctx context.Context, r io.Reader, limit int64) (core.BlobKey, int64, error) {
	var key core.BlobKey
	fail := func(err error) (core.BlobKey, int64, error) {
		if core.KindOf(err) != core.Internal {
			return core.BlobKey{}, 0, err
		}
		return core.BlobKey{}, 0, core.E("store blob", core.Internal, "", err)
	}
	tmp, err := os.CreateTemp(s.dir, tempPattern) // mode 0600
	if err != nil {
		return fail(err)
	}
	defer func() {
		_ = tmp.Close()           // closed already unless there was an error
		_ = os.Remove(tmp.Name()) // renamed already unless there was an error
	}()
	hash := sha256.New()
	n, err := copyLimited(ctx, io.MultiWriter(tmp, hash), r, limit)
	if err != nil {
		return fail(err)
	}
	hash.Sum(key[:0])
	if intact(s.Path(key), key, 0o600) {
		return key, n, nil // and one that was damaged is replaced
	}
	if err := s.commit(tmp, key); err != nil {
		return fail(err)
	}
	return key, n, nil
}

// Adopt makes a file the blob of key without another look at its content: the caller has just written it, to where
// nobody else writes, and knows its SHA-256 from that. The file is moved; one on another file system is copied, and
// then checked.
func (s *Store) Adopt(ctx context.Context, path string, key core.BlobKey) error {
	fail := func(err error) error { return core.E("store blob", core.Internal, key.String(), err) }
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = f.Close() }() // closed already unless there was an error
	if err := f.Chmod(0o600); err != nil {
		return fail(err)
	}
	err = s.commit(f, key)
	if !errors.Is(err, syscall.EXDEV) {
		if err != nil {
			return fail(err)
		}
		return nil
	}
	stored, _, err := s.PutFile(ctx, path)
	if err == nil && stored != key {
		err = fail(fmt.Errorf("it has SHA-256 %s: %w", stored, ErrCorrupt))
	}
	return err
}

// commit makes a written file the blob of key: durable before it is visible (L-2).
func (s *Store) commit(tmp *os.File, key core.BlobKey) error {
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), s.Path(key)); err != nil {
		return err
	}
	return syncDir(s.dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// copyLimited copies until r ends, limit is passed (0: none) or ctx ends.
func copyLimited(ctx context.Context, w io.Writer, r io.Reader, limit int64) (int64, error) {
	buf := make([]byte, 256<<10)
	var n int64
	for {
		if ctx.Err() != nil {
			return n, core.E("store blob", core.Canceled, "", context.Cause(ctx))
		}
		got, err := r.Read(buf)
		if n += int64(got); limit > 0 && n > limit {
			return n, core.E("store blob", core.TooLarge, "", fmt.Errorf("it has more than %d bytes", limit))
		}
		if _, err := w.Write(buf[:got]); err != nil {
			return n, err
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// PutFile stores a file, as Put does with its content.
func (s *Store) PutFile(ctx context.Context, path string) (core.BlobKey, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return core.BlobKey{}, 0, core.E("store blob", core.NotFound, path, err)
	}
	defer func() { _ = f.Close() }() // only read
	return s.Put(ctx, f, 0)
}

// Open returns the file of a blob, kind NotFound if there is none, and its size.
func (s *Store) Open(key core.BlobKey) (*os.File, int64, error) {
	f, err := os.Open(s.Path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, core.E("open blob", core.NotFound, key.String(), err)
	} else if err != nil {
		return nil, 0, core.E("open blob", core.Internal, key.String(), err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, core.E("open blob", core.Internal, key.String(), err)
	}
	return f, info.Size(), nil
}

// Has tells whether a blob is there.
func (s *Store) Has(key core.BlobKey) bool {
	info, err := os.Lstat(s.Path(key))
	return err == nil && info.Mode().IsRegular()
}

// Remove removes a blob; one that is not there is no error.
func (s *Store) Remove(key core.BlobKey) error {
	if err := os.Remove(s.Path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return core.E("remove blob", core.Internal, key.String(), err)
	}
	return nil
}

// Usage tells how many blobs there are and how many bytes they have together.
func (s *Store) Usage() (blobs int, bytes int64, err error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, 0, core.E("read blob store", core.Internal, s.dir, err)
	}
	for _, e := range entries {
		if _, err := core.ParseBlobKey(e.Name()); err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // removed meanwhile
		}
		blobs++
		bytes += info.Size()
	}
	return blobs, bytes, nil
}
