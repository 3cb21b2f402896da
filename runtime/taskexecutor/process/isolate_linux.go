package process

import (
	"log/slog"
	"syscall"

	"golang.org/x/sys/unix"
)

// prepareThread sets on the forking thread what its children are to inherit and this process is not to have: no new
// privileges by exec, and a umask of their own. Neither needs privileges; where the kernel refuses, workers run
// without.
func prepareThread() {
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if unix.Unshare(unix.CLONE_FS) == nil {
		unix.Umask(0o077)
	}
}

// sysProcAttr puts the child into a session and process group of its own and lets it die with the forking thread.
func sysProcAttr(*cgroup) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

func socketPair() ([2]int, error) {
	return unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
}

// limitProcess sets the limits of a process that has just begun: no core file, and where it has no cgroup a bound on
// its writable memory. The bound is wider than the worker's memory: the Go runtime maps more than it uses.
func limitProcess(pid int, group *cgroup, memory int64, log *slog.Logger) {
	if err := unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil); err != nil {
		log.Debug("limiting the core file of a worker", "pid", pid, "cause", err)
	}
	if group != nil || memory <= 0 {
		return
	}
	bound := uint64(memory + max(memory/4, mappedSlack))
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: bound, Max: bound}, nil); err != nil {
		log.Warn("limiting the memory of a worker", "pid", pid, "cause", err)
	}
}

const mappedSlack = 256 << 20

// killGroup kills a process and all that it started, unless they left its process group.
func killGroup(pid int) {
	// ESRCH, that nobody is left, is what is wanted.
	_ = unix.Kill(-pid, unix.SIGKILL)
}

// waitExited returns when the process has ended and leaves it unreaped, so that its number stays taken.
func waitExited(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}
