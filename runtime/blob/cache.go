package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// ErrCorrupt is the cause when bytes are not what their key says (P-7).
var ErrCorrupt = errors.New("the content does not have the SHA-256 that it is asked for by")

// MaxBlob is the largest blob that a Cache fetches.
const MaxBlob = 2 << 30

// Cache is a TaskManager's side of blobs: programs as private executable files that were checked and cannot be
// changed by others (SEC-25). Fetches of one key at the same time share the work.
type Cache struct {
	mu      sync.Mutex
	fetches map[string]*fetch // under way, by path
}

type fetch struct {
	done chan struct{} // closed when err is set
	err  error
}

// NewCache makes a cache that has fetched nothing.
func NewCache() *Cache { return &Cache{fetches: make(map[string]*fetch)} }

// Fetch brings the blob of key into dir, unless it is there and intact, and returns the path of an executable file of
// mode 0500. Kind NotFound: the server does not have it; an error that is ErrCorrupt: what came is something else.
func (c *Cache) Fetch(ctx context.Context, gateway rpc.BlobGateway, key core.BlobKey, dir string) (string, error) {
	path := filepath.Join(dir, key.String())
	for {
		c.mu.Lock()
		f := c.fetches[path]
		if f == nil {
			f = &fetch{done: make(chan struct{})}
			c.fetches[path] = f
			c.mu.Unlock()
			f.err = fetchFile(ctx, gateway, key, path)
			c.mu.Lock()
			delete(c.fetches, path)
			c.mu.Unlock()
			close(f.done)
			return result(path, f.err)
		}
		c.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return "", rpc.ContextError(ctx, "fetch blob", key.String())
		}
		if k := core.KindOf(f.err); f.err == nil || k != core.Canceled && k != core.Unavailable {
			return result(path, f.err)
		}
		// The one who fetched gave up, for reasons of its own: it is our turn.
	}
}

func result(path string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return path, nil
}

func fetchFile(ctx context.Context, gateway rpc.BlobGateway, key core.BlobKey, path string) error {
	if intact(path, key, 0o500) {
		return nil
	}
	fail := func(kind core.Kind, err error) error { return core.E("fetch blob", kind, key.String(), err) }
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(core.Internal, err)
	}
	tmp, err := os.CreateTemp(dir, tempPattern)
	if err != nil {
		return fail(core.Internal, err)
	}
	defer func() {
		_ = tmp.Close()           // closed already unless there was an error
		_ = os.Remove(tmp.Name()) // renamed already unless there was an error
	}()
	hash := sha256.New()
	size := 0
	err = gateway.ReadBlob(ctx, &pb.ReadBlobRequest{Key: key.Bytes()}, func(b []byte) error {
		if size += len(b); size > MaxBlob {
			return fail(core.TooLarge, fmt.Errorf("it has more than %d bytes", int64(MaxBlob)))
		}
		_, _ = hash.Write(b) // never returns an error
		_, err := tmp.Write(b)
		return err
	})
	if err != nil {
		return fmt.Errorf("fetch blob %s: %w", key, err)
	}
	if got := core.BlobKey(hash.Sum(nil)); got != key {
		return fail(core.Internal, fmt.Errorf("%d bytes with SHA-256 %s came: %w", size, got, ErrCorrupt))
	}
	// The descriptor that wrote must be closed before the file can be executed. It need not be durable: what a crash
	// leaves is checked before it is used again.
	if err := errors.Join(tmp.Chmod(0o500), tmp.Close(), os.Rename(tmp.Name(), path)); err != nil {
		return fail(core.Internal, err)
	}
	return nil
}

// intact tells whether a file is what its key says, and has the mode that it was given.
func intact(path string, key core.BlobKey, mode fs.FileMode) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != mode {
		return false
	}
	hash := sha256.New()
	if _, err := f.WriteTo(hash); err != nil {
		return false
	}
	return core.BlobKey(hash.Sum(nil)) == key
}

// Remove forgets a blob; a program that runs keeps running.
func (c *Cache) Remove(key core.BlobKey, dir string) error {
	if err := os.Remove(filepath.Join(dir, key.String())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return core.E("remove blob", core.Internal, key.String(), err)
	}
	return nil
}
