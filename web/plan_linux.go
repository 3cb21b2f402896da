package web

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/flink-go/flink-go/internal/landlock"
)

// executable is the path of an open file for exec: what was opened is what runs, whatever its name points to by then.
// The child resolves it for itself, before its copy of the descriptor closes.
func executable(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// childAttributes put the child into a group of its own and make it die with the thread that started it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// confineThread takes from this thread, and so from what it starts, its network and every write to files. The thread
// cannot get them back: it must end with its goroutine.
func confineThread() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	var errs []error
	// An empty network namespace has not even loopback up. Only root, or a user namespace, may make one; a thread of
	// a process with many cannot enter a user namespace, so it is root alone here.
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		errs = append(errs, fmt.Errorf("network namespace: %w", err))
	}
	if err := landlock.ReadOnlyThread(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// limitChild bounds memory, processor time, descriptors and files of a child that has just started.
func limitChild(pid int) error {
	var errs []error
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_DATA:   planMemory,
		unix.RLIMIT_CPU:    uint64(planDeadline.Seconds()),
		unix.RLIMIT_NOFILE: planFiles,
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_FSIZE:  0,
	} {
		err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: limit, Max: limit}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) { // it may have ended already
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// killGroup kills a child and all that it started.
func killGroup(p *os.Process) error {
	if err := unix.Kill(-p.Pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}
