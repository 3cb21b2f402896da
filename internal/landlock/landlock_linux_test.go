package landlock

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A scoped thread, and a process that it starts, signals no others; the rest of the process goes on as before.
func TestScopeThread(t *testing.T) {
	outside := exec.Command("sleep", "60")
	if err := outside.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = outside.Process.Kill()
		_ = outside.Wait()
	})
	l, err := net.Listen("unix", "@flink-go-test-"+filepath.Base(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var scoped, self, other, child, socket error
	first := true
	Thread(func() {
		first = unix.Gettid() == unix.Getpid()
		if scoped = ScopeThread(); scoped != nil {
			return
		}
		other = unix.Kill(outside.Process.Pid, 0)
		self = unix.Tgkill(os.Getpid(), unix.Gettid(), 0)
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			socket = err
			return
		}
		defer func() { _ = unix.Close(fd) }()
		socket = unix.Connect(fd, &unix.SockaddrUnix{Name: l.Addr().String()})
		inside := exec.Command("sleep", "60")
		if child = inside.Start(); child == nil {
			child = unix.Kill(inside.Process.Pid, unix.SIGKILL)
			_ = inside.Wait()
		}
	})
	if scoped != nil {
		t.Skip(scoped)
	}
	if first {
		t.Error("it was the first thread")
	}
	if !errors.Is(other, unix.EPERM) || !errors.Is(socket, unix.EPERM) {
		t.Errorf("signaling another process: %v, connecting to its socket: %v; want %v", other, socket, unix.EPERM)
	}
	if self != nil || child != nil {
		t.Errorf("signaling itself: %v, its own child: %v", self, child)
	}
	if err := unix.Kill(outside.Process.Pid, 0); err != nil {
		t.Errorf("another thread: %v", err)
	}
}

func TestReadOnlyThread(t *testing.T) {
	dir := t.TempDir()
	var limited, read, write, dial error
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	Thread(func() {
		if limited = ReadOnlyThread(); limited != nil {
			return
		}
		_, read = os.ReadFile("/proc/self/status")
		write = os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			dial = err
			return
		}
		defer func() { _ = unix.Close(fd) }()
		dial = unix.Connect(fd, &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}})
	})
	if limited != nil {
		t.Skip(limited)
	}
	if read != nil || !errors.Is(write, os.ErrPermission) {
		t.Errorf("reading: %v, writing: %v", read, write)
	}
	if abi, _ := version(); abi >= abiNet && !errors.Is(dial, unix.EACCES) {
		t.Errorf("connecting: %v, want %v", dial, unix.EACCES)
	}
}
