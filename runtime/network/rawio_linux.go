package network

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// rawIO makes the system calls on a descriptor of Go's poller itself. None of them blocks, so that the scheduler need
// not know: what the standard library does around each call wakes the runtime's monitor thread, if the process slept
// before. That is two more wake-ups, a third of the cost of a record that comes alone.
type rawIO struct {
	conn syscall.RawConn
	call uintptr // SYS_READ or SYS_WRITE
	try  func(fd uintptr) bool
	p    []byte // of the call under way
	n    int
	err  error
	// waited tells that the last Read or Write had to wait.
	waited bool
}

// newRawIO returns nil if c has no descriptor.
func newRawIO(c syscall.Conn, call uintptr) *rawIO {
	conn, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	r := &rawIO{conn: conn, call: call}
	r.try = r.once
	return r
}

// once makes one call; false when it has to wait.
func (r *rawIO) once(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(r.call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(r.p))), uintptr(len(r.p)))
		switch errno {
		case 0:
			r.n, r.err = int(n), nil
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			r.waited = true
			return false
		default:
			r.n, r.err = 0, errno
		}
		return true
	}
}

// Read implements io.Reader.
func (r *rawIO) Read(p []byte) (int, error) {
	r.p, r.waited = p, false
	err := r.conn.Read(r.try)
	r.p = nil
	switch {
	case err != nil:
		return 0, err
	case r.err != nil:
		return 0, os.NewSyscallError("read", r.err)
	case r.n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// Write implements io.Writer.
func (r *rawIO) Write(p []byte) (int, error) {
	for done := 0; done < len(p); done += r.n {
		r.p = p[done:]
		err := r.conn.Write(r.try)
		r.p = nil
		if err != nil {
			return done, err
		}
		if r.err != nil {
			return done, os.NewSyscallError("write", r.err)
		}
	}
	return len(p), nil
}

// quickIO returns a reader and a writer of nc that bother the scheduler less, or nc itself.
func quickIO(nc net.Conn) (io.Reader, io.Writer) {
	if c, ok := nc.(*net.TCPConn); ok {
		if r, w := newRawIO(c, syscall.SYS_READ), newRawIO(c, syscall.SYS_WRITE); r != nil && w != nil {
			return r, w
		}
	}
	return nc, nc
}
