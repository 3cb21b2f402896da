package network

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerFD is a kernel timer that the runtime's poller waits for.
type timerFD struct {
	fd   int
	file *os.File
	read *rawIO
	buf  [8]byte
}

func newAlarmClock() alarmClock {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newGoTimer() // out of file descriptors: coarser, but right
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	return &timerFD{fd: fd, file: file, read: newRawIO(file, syscall.SYS_READ)}
}

func (t *timerFD) set(after time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(after))}
	// It cannot fail for a valid descriptor and a positive time.
	_ = unix.TimerfdSettime(t.fd, 0, &spec, nil)
}

func (t *timerFD) wait() bool {
	_, err := t.read.Read(t.buf[:])
	return err == nil
}

func (t *timerFD) close() { _ = t.file.Close() }
