package network

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerFD is a clock of the kernel for which the runtime's poller waits: some tens of microseconds late.
type timerFD struct {
	fd    int
	file  *os.File
	read  *rawIO
	armed time.Time // zero: not
	buf   [8]byte
}

// newSystemClock returns nil when there are no file descriptors left.
func newSystemClock() clock {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	c := &timerFD{fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}
	if c.read = newRawIO(c.file, syscall.SYS_READ); c.read == nil {
		c.close()
		return nil
	}
	return c
}

func (c *timerFD) wait(until time.Time) {
	if !until.Equal(c.armed) {
		c.armed = until
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(time.Until(until), 1)))}
		// It cannot fail for a valid descriptor and a positive time.
		_ = unix.TimerfdSettime(c.fd, 0, &spec, nil)
	}
	if _, err := c.read.Read(c.buf[:]); err == nil {
		c.armed = time.Time{}
		return
	}
	// Interrupted. It cannot fail before close.
	_ = c.file.SetReadDeadline(time.Time{})
}

func (c *timerFD) interrupt() {
	// A deadline in the past ends the read. It fails after close, when nobody sleeps any more.
	_ = c.file.SetReadDeadline(time.Unix(1, 0))
}

func (c *timerFD) close() { _ = c.file.Close() }
