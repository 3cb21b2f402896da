//go:build !linux

package process

import (
	"errors"
	"log/slog"
	"syscall"
)

// The isolation of workers is for Linux. Elsewhere they are child processes in their own session, which end when
// their control socket closes.

func prepareThread(c confinement) error {
	if c.signals {
		return errors.New("processes cannot be confined on this system")
	}
	return nil
}

func sysProcAttr(*cgroup) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func socketPair() ([2]int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	return fds, err
}

func limitProcess(int, *cgroup, int64, *slog.Logger) {}

func machineMemory() int64 { return 0 }

func oomKills() int64 { return 0 }

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// waitExited returns when the process has ended and leaves it unreaped, so that its number stays taken.
func waitExited(pid int) {
	queue, err := syscall.Kqueue()
	if err != nil {
		return
	}
	defer func() { _ = syscall.Close(queue) }()
	var end syscall.Kevent_t
	syscall.SetKevent(&end, pid, syscall.EVFILT_PROC, syscall.EV_ADD|syscall.EV_ONESHOT)
	end.Fflags = syscall.NOTE_EXIT
	for {
		// ESRCH: it has ended before.
		if _, err := syscall.Kevent(queue, []syscall.Kevent_t{end}, make([]syscall.Kevent_t, 1), nil); err != syscall.EINTR {
			return
		}
	}
}

type cgroups struct{}

type cgroup struct{}

func findCgroups(*slog.Logger) *cgroups { return nil }

func (*cgroups) make(string, int64) *cgroup { return nil }

func (*cgroup) enter() (leave func()) { return func() {} }

func (*cgroup) add(int) {}

func (*cgroup) oomKilled() bool { return false }

func (*cgroup) remove() {}
