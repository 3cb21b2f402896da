package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/rpc/wire"
	"github.com/flink-go/flink-go/runtime/blob"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newStore(t testing.TB) *blob.Store {
	s, err := blob.NewStore(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *blob.Store, content []byte) core.BlobKey {
	key, n, err := s.Put(t.Context(), bytes.NewReader(content), 0)
	if err != nil || n != int64(len(content)) || key != core.BlobKeyOf(content) {
		t.Fatalf("put %d bytes: %v, %d, %v", len(content), key, n, err)
	}
	return key
}

func files(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestStore(t *testing.T) {
	s := newStore(t)
	for _, content := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("0123456789"), 100_000)} {
		key := put(t, s, content)
		put(t, s, content) // again: the same blob
		f, size, err := s.Open(key)
		if err != nil || size != int64(len(content)) || !s.Has(key) {
			t.Fatalf("open: %d bytes, %v", size, err)
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		_ = f.Close()
	}
	if n, size, err := s.Usage(); n != 3 || size != 1_000_001 || err != nil {
		t.Errorf("usage %d, %d, %v", n, size, err)
	}
	key := core.BlobKeyOf([]byte("a"))
	if err := errors.Join(s.Remove(key), s.Remove(key)); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Open(key); core.KindOf(err) != core.NotFound || s.Has(key) {
		t.Errorf("open a removed blob: %v", err)
	}
}

// B-56: what is too large, breaks off or comes too late leaves nothing behind.
// A file that was hashed as it was written is moved, not read again; on another file system it is copied and checked.
func TestAdopt(t *testing.T) {
	content := bytes.Repeat([]byte("program"), 100_000)
	key := core.BlobKeyOf(content)
	dirs := map[string]string{"here": t.TempDir()}
	if dir, err := os.MkdirTemp("/dev/shm", "flink-go-test-"); err == nil { //nolint:usetesting // another file system
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		dirs["elsewhere"] = dir
	}
	for name, dir := range dirs {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			path := filepath.Join(dir, "upload")
			if err := os.WriteFile(path, content, 0o640); err != nil {
				t.Fatal(err)
			}
			if err := s.Adopt(t.Context(), path, key); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(s.Path(key))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("the blob has %d bytes, %v", len(got), err)
			}
			if info, err := os.Stat(s.Path(key)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("its mode is %v, %v", info.Mode(), err)
			}
			if left := files(t, s.Dir()); len(left) != 1 {
				t.Errorf("the store holds %v", left)
			}
			if err := s.Adopt(t.Context(), filepath.Join(dir, "nothing"), key); core.KindOf(err) != core.Internal {
				t.Errorf("a file that is not there: %v", err)
			}
		})
	}
}

func TestPutThatFails(t *testing.T) {
	s := newStore(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("connection reset")
	for name, c := range map[string]struct {
		ctx   context.Context
		r     io.Reader
		limit int64
		kind  core.Kind
	}{
		"over the limit":     {t.Context(), strings.NewReader("12345"), 4, core.TooLarge},
		"endless":            {t.Context(), endless{}, 10 << 20, core.TooLarge},
		"broken off":         {t.Context(), io.MultiReader(strings.NewReader("123"), iotest.ErrReader(broken)), 0, core.Internal},
		"canceled":           {canceled, strings.NewReader("123"), 0, core.Canceled},
		"exactly the limit ": {t.Context(), iotest.OneByteReader(strings.NewReader("1234")), 4, core.Internal},
	} {
		_, _, err := s.Put(c.ctx, c.r, c.limit)
		if strings.HasPrefix(name, "exactly") {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if core.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v, want kind %v", name, err, c.kind)
		}
	}
	if got := files(t, s.Dir()); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}
	if _, _, err := s.PutFile(t.Context(), filepath.Join(s.Dir(), "nope")); core.KindOf(err) != core.NotFound {
		t.Errorf("put a file that does not exist: %v", err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestUnfinishedFilesAreRemoved(t *testing.T) {
	s := newStore(t)
	if err := os.WriteFile(filepath.Join(s.Dir(), ".tmp-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.NewStore(s.Dir()); err != nil {
		t.Fatal(err)
	}
	if got := files(t, s.Dir()); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

// P-7: storing a blob again heals it.
func TestDamagedBlobIsReplaced(t *testing.T) {
	s := newStore(t)
	key := put(t, s, []byte("program"))
	if err := os.WriteFile(s.Path(key), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, s, []byte("program"))
	if got, err := os.ReadFile(s.Path(key)); err != nil || string(got) != "program" {
		t.Errorf("content %q, %v", got, err)
	}
}

// The same blob from several senders at once is stored once, and whole.
func TestConcurrentPuts(t *testing.T) {
	s := newStore(t)
	content := bytes.Repeat([]byte("x"), 1<<20)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if key, _, err := s.Put(t.Context(), iotest.HalfReader(bytes.NewReader(content)), 0); err != nil || key != core.BlobKeyOf(content) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := files(t, s.Dir()); len(got) != 1 {
		t.Errorf("files: %q", got)
	}
}

func checkProgram(t *testing.T, path string, content []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	info, err2 := os.Stat(path)
	if err != nil || err2 != nil || !bytes.Equal(got, content) || info.Mode().Perm() != 0o500 {
		t.Errorf("program of %d bytes, mode %v, %v", len(got), info.Mode(), errors.Join(err, err2))
	}
}

// SEC-25: a TaskManager gets a private executable copy of what was asked for, over the wire.
func TestFetch(t *testing.T) {
	s := newStore(t)
	content := bytes.Repeat([]byte("program "), 200_000)
	key := put(t, s, content)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := wire.NewService(ln, wire.Options{})
	defer service.Close()
	if err := service.Serve(blob.EndpointName, core.Token{}, blob.NewServer(s)); err != nil {
		t.Fatal(err)
	}
	gateway := service.Blob(rpc.Address{Server: service.Address(), Endpoint: blob.EndpointName})
	cache, dir := blob.NewCache(), filepath.Join(t.TempDir(), "job", "bin")
	path, err := cache.Fetch(t.Context(), gateway, key, dir)
	if err != nil {
		t.Fatal(err)
	}
	checkProgram(t, path, content)

	// What somebody changed in the copy is not run.
	if err := errors.Join(os.Chmod(path, 0o700), os.WriteFile(path, []byte("swapped"), 0o700), os.Chmod(path, 0o500)); err != nil {
		t.Fatal(err)
	}
	path, err = cache.Fetch(t.Context(), gateway, key, dir)
	if err != nil {
		t.Fatal(err)
	}
	checkProgram(t, path, content)

	if _, err := cache.Fetch(t.Context(), gateway, core.BlobKeyOf([]byte("other")), dir); core.KindOf(err) != core.NotFound {
		t.Errorf("a blob that does not exist: %v", err)
	}
	// B-56, P-7: what is damaged on disk is a named error, not a program.
	if err := os.WriteFile(s.Path(key), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = cache.Remove(key, dir)
	if _, err := cache.Fetch(t.Context(), gateway, key, dir); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("a damaged blob: %v", err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
	err = gateway.ReadBlob(t.Context(), &pb.ReadBlobRequest{Key: []byte("short")}, func([]byte) error { return nil })
	if core.KindOf(err) != core.Invalid {
		t.Errorf("a malformed key: %v", err)
	}
}

// slowGateway gives its content after a second, or breaks off with err.
type slowGateway struct {
	content []byte
	err     error
	reads   atomic.Int32
}

func (g *slowGateway) ReadBlob(ctx context.Context, _ *pb.ReadBlobRequest, chunk func([]byte) error) error {
	g.reads.Add(1)
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return rpc.ContextError(ctx, "read blob", "")
	}
	if err := chunk(g.content); err != nil {
		return err
	}
	return g.err
}

func TestConcurrentFetchesShareTheWork(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		g := &slowGateway{content: []byte("program")}
		key := core.BlobKeyOf(g.content)
		cache := blob.NewCache()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { // it comes first and gives up; the others do not suffer
			if _, err := cache.Fetch(ctx, g, key, dir); err == nil {
				t.Error("a fetch succeeded after its deadline")
			}
		})
		synctest.Wait()
		for range 8 {
			wg.Go(func() {
				path, err := cache.Fetch(t.Context(), g, key, dir)
				if err != nil {
					t.Error(err)
					return
				}
				checkProgram(t, path, g.content)
			})
		}
		wg.Wait()
		if n := g.reads.Load(); n != 2 {
			t.Errorf("the blob was read %d times, want 2", n)
		}
	})
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("files: %q", got)
	}
}

func TestFetchThatBreaksOff(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		g := &slowGateway{content: []byte("prog"), err: core.E("read blob", core.Unavailable, "", errors.New("connection reset"))}
		_, err := blob.NewCache().Fetch(t.Context(), g, core.BlobKeyOf([]byte("program")), dir)
		if core.KindOf(err) != core.Unavailable {
			t.Errorf("a fetch that broke off: %v", err)
		}
	})
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

// benchmarkProgram has the size of a static Go binary.
func benchmarkProgram() []byte {
	content := make([]byte, 30<<20)
	sum := sha256.Sum256(nil)
	for i := 0; i < len(content); i += len(sum) {
		copy(content[i:], sum[:])
		sum = sha256.Sum256(sum[:])
	}
	return content
}

func BenchmarkPut(b *testing.B) {
	s, content := newStore(b), benchmarkProgram()
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		key := put(b, s, content)
		if err := s.Remove(key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	s, content := newStore(b), benchmarkProgram()
	key := put(b, s, content)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	service := wire.NewService(ln, wire.Options{})
	defer service.Close()
	_ = service.Serve(blob.EndpointName, core.Token{}, blob.NewServer(s))
	gateway := service.Blob(rpc.Address{Server: service.Address(), Endpoint: blob.EndpointName})
	cache, dir := blob.NewCache(), b.TempDir()
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := cache.Fetch(b.Context(), gateway, key, dir); err != nil {
			b.Fatal(err)
		}
		if err := cache.Remove(key, dir); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFetchAgain(b *testing.B) {
	s, content := newStore(b), benchmarkProgram()
	key := put(b, s, content)
	cache, dir := blob.NewCache(), b.TempDir()
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := cache.Fetch(b.Context(), blob.NewServer(s), key, dir); err != nil {
			b.Fatal(err)
		}
	}
}
